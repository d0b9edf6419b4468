//! The headers that operations share.

use serde_json::{Value, json};

/// Adds headers and header parameters to the components of a document.
pub fn describe(components: &mut Value) {
    let header = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    components["headers"] = json!({
        "ETag": { "required": true, "description": "The version of the object, in quotes", "schema": { "type": "string" } },
        "X-Request-Id": header("The id of the request, under which the server's log has more"),
        "WWW-Authenticate": header("What kind of token is asked for (RFC 6750 §3); names the permission that is missing"),
        "Retry-After": { "required": true, "description": "After how many seconds to come back", "schema": { "type": "integer" } },
    });
    let parameter = |name: &str, about: &str, example: &str| {
        let schema = json!({ "type": "string", "examples": [example] });
        json!({ "name": name, "in": "header", "required": false, "description": about, "schema": schema })
    };
    components["parameters"] = json!({
        "IfMatch": parameter(
            "If-Match",
            "The version that is to be changed, as `ETag` had it; where it is another one by now, the answer is 409. \
             `*`: whichever, but it must exist.",
            "\"Kq3vXo2cT1mZ5b8e\""
        ),
        "CreateOnly": {
            "name": "If-None-Match", "in": "header", "required": false,
            "description": "`*`: make it, but do not replace it; where it exists the answer is 409.",
            "schema": { "type": "string", "enum": ["*"] },
        },
        "IfNoneMatch": parameter(
            "If-None-Match",
            "The version that the caller has; where it is still that one, the answer is 304 without a body.",
            "\"Kq3vXo2cT1mZ5b8e\""
        ),
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A text of the caller's choice, new for each act. The same request with the same key gets the \
                            same answer for a day, and does nothing again; the same path with another body gets 422.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        },
    });
}
