//! The errors that all operations share: one schema, and one response for each status.

use serde_json::{Map, Value, json};

use crate::model::problem::Code;

/// The statuses of errors that an operation may declare, and what the response is called. 500 is none of them: it is
/// always a fault of the server.
const RESPONSES: [(u16, &str, &str); 11] = [
    (400, "BadRequest", "The request is malformed."),
    (401, "Unauthorized", "There is no access token, or it does not hold."),
    (403, "Forbidden", "The caller may not do this."),
    (404, "NotFound", "It does not exist, or the caller may not see it."),
    (409, "Conflict", "The request does not go together with how things are; nothing was changed."),
    (413, "ContentTooLarge", "The body is too large."),
    (415, "UnsupportedMediaType", "The body is not JSON, or encoded."),
    (422, "UnprocessableContent", "The request is understood, but breaks a rule."),
    (428, "PreconditionRequired", "The server is configured to ask for `If-Match`."),
    (429, "TooManyRequests", "Too many requests."),
    (431, "RequestHeaderFieldsTooLarge", "The head of the request is too long."),
];
const UNAVAILABLE: (u16, &str, &str) = (503, "ServiceUnavailable", "The server cannot answer now.");

/// The reference to the response of a status; `None` for one that no operation declares.
pub fn response(status: u16) -> Option<Value> {
    let name = all().find(|(known, _, _)| *known == status)?.1;
    Some(json!({ "$ref": format!("#/components/responses/{name}") }))
}

fn all() -> impl Iterator<Item = (u16, &'static str, &'static str)> {
    RESPONSES.into_iter().chain([UNAVAILABLE])
}

/// Adds schemas and responses to the components of a document.
pub fn describe(components: &mut Value) {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    components["schemas"]["ProblemCode"] = json!({
        "type": "string",
        "enum": codes,
        "description": format!("Why; a code never changes.\n\n{}", meanings(|_| true)),
    });
    components["schemas"]["Problem"] = json!({
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": { "type": "string", "const": "about:blank", "description": "No further type than the status" },
            "title": { "type": "string", "description": "The status in words" },
            "status": { "type": "integer", "format": "int32", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What was expected and what was got" },
            "code": { "$ref": "#/components/schemas/ProblemCode" },
            "request_id": { "type": "string", "description": "As in `X-Request-Id`; the server's log has it" },
            "errors": {
                "type": "array",
                "items": { "$ref": "#/components/schemas/ProblemFault" },
                "description": "Everything that is wrong, where more can be said than `detail` does",
            },
        },
    });
    components["schemas"]["ProblemFault"] = json!({
        "type": "object",
        "description": "One thing that is wrong with a request.",
        "required": ["code", "message"],
        "properties": {
            "code": { "$ref": "#/components/schemas/ProblemCode" },
            "message": { "type": "string", "description": "What was expected and what was got" },
            "pointer": { "type": "string", "description": "Where in the body (RFC 6901)" },
            "details": { "description": "Further facts for programs" },
        },
    });
    let responses: Map<String, Value> =
        all().map(|(status, name, about)| (name.to_owned(), described(status, about))).collect();
    components["responses"] = Value::Object(responses);
}

fn described(status: u16, about: &str) -> Value {
    let of_status = |code: Code| code.status() == status;
    let codes: Vec<&str> = Code::ALL.iter().filter(|code| of_status(**code)).map(|code| code.as_str()).collect();
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
    for name in match status {
        401 | 403 => &["WWW-Authenticate"][..],
        429 | 503 => &["Retry-After"],
        _ => &[],
    } {
        headers[*name] = json!({ "$ref": format!("#/components/headers/{name}") });
    }
    json!({
        "description": format!("{about}\n\n{}", meanings(of_status)),
        "headers": headers,
        "content": { "application/problem+json": { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "type": "object", "properties": { "status": { "const": status }, "code": { "enum": codes } } },
        ] } } },
    })
}

fn meanings(which: impl Fn(Code) -> bool) -> String {
    let lines = Code::ALL.iter().filter(|code| which(**code));
    lines.map(|code| format!("- `{}`: {}\n", code.as_str(), code.meaning().trim())).collect()
}
