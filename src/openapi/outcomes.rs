//! What every operation may answer besides its success, and with which headers: it follows from method, path, body,
//! permission and what the object is.

use serde_json::{Map, Value, json};

use super::problem;

/// What honours `Idempotency-Key`.
const ONCE: [&str; 5] = ["/password/reset", "/secrets", "/pat", "/email/change", "/sendings/email"];
/// What is slowed down.
const THROTTLED: [&str; 3] = ["/resources/me/password", "/resources/me/email/", "/resources/sendings/"];

/// Completes one operation. What its handler has said itself stays.
pub fn complete(path: &str, method: &str, operation: &mut Map<String, Value>, schemas: &Value) {
    let traits = Traits::of(path, method, operation, schemas);
    if let Some(body) = operation.get_mut("requestBody") {
        body["required"] = body.get("required").cloned().unwrap_or(json!(true));
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    for (status, response) in responses.as_object_mut().into_iter().flatten() {
        succeed(status, response, &traits);
    }
    if traits.versioned && method == "get" {
        responses["304"] = json!({
            "description": "The caller has this version already.",
            "headers": { "ETag": reference("headers", "ETag"), "X-Request-Id": reference("headers", "X-Request-Id") },
        });
    }
    // a handler may name the status of a further error; what it looks like is the same everywhere
    let named = responses.as_object().into_iter().flatten().filter_map(|(status, _)| status.parse().ok());
    let errors: Vec<u16> = named.filter(|status| *status >= 400).chain(traits.errors()).collect();
    for status in errors {
        if let Some(response) = problem::response(status) {
            responses[status.to_string()] = response;
        }
    }
    for name in traits.parameters() {
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        if let Some(parameters) = parameters.as_array_mut() {
            // said once, for all
            parameters.retain(|parameter| parameter["in"] != "header" || name != "IdempotencyKey");
            parameters.push(reference("parameters", name));
        }
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// What is said about a success.
fn succeed(status: &str, response: &mut Value, traits: &Traits) {
    let said = response["description"].as_str().unwrap_or_default();
    if said.is_empty() {
        response["description"] = json!(match status {
            "201" => "It was made.",
            "202" => "It will be done.",
            "204" => "Done; there is nothing to say.",
            _ => "Done.",
        });
    }
    response["headers"]["X-Request-Id"] = reference("headers", "X-Request-Id");
    if traits.versioned && response.get("content").is_some() {
        response["headers"]["ETag"] = reference("headers", "ETag");
    }
}

/// What decides on the answers of an operation.
struct Traits<'o> {
    method: &'o str,
    /// It needs a permission.
    secured: bool,
    /// It takes a body.
    body: bool,
    /// It is about one object, which its path names.
    object: bool,
    /// Its success is an object with a version.
    versioned: bool,
    /// It changes or deletes an object with a version.
    conditional: bool,
    /// It acts on many objects, which its body names.
    many: bool,
    /// It makes something that is answered once.
    once: bool,
    /// It could be used to guess secrets, or to write to strangers.
    throttled: bool,
}

impl<'o> Traits<'o> {
    fn of(path: &str, method: &'o str, operation: &Map<String, Value>, schemas: &Value) -> Traits<'o> {
        let security = operation.get("security").and_then(Value::as_array);
        let writes = method != "get";
        let object = path.contains('{');
        Traits {
            method,
            // an empty requirement is none
            secured: security.is_some_and(|security| security.iter().any(|one| *one != json!({}))),
            body: operation.contains_key("requestBody"),
            object,
            versioned: is_versioned(operation, schemas),
            conditional: match path.strip_prefix("/resources/iam/") {
                Some(_) => writes && object && !path.contains("/sessions"),
                None => method == "put",
            },
            many: path.ends_with("/apply"),
            once: method == "post" && ONCE.iter().any(|end| path.ends_with(end)),
            throttled: method == "post" && THROTTLED.iter().any(|begin| path.starts_with(begin)),
        }
    }

    fn errors(&self) -> Vec<u16> {
        let mut statuses = vec![400, 431, 503];
        let mut add = |applies: bool, more: &[u16]| statuses.extend(more.iter().filter(|_| applies));
        add(self.secured, &[401, 403]);
        add(self.object, &[404]);
        add(self.conditional, &[409, 428]);
        add(self.many, &[404, 409, 428]);
        // whoever may send a version in the body may send a wrong one
        add(self.body || self.method == "post", &[413, 415]);
        add(self.body || self.once, &[422]);
        add(self.throttled, &[429]);
        statuses.sort_unstable();
        statuses
    }

    fn parameters(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        let mut add = |applies: bool, name| names.extend(applies.then_some(name));
        add(self.conditional, "IfMatch");
        add(self.conditional && self.object && self.method == "put", "CreateOnly");
        add(self.versioned && self.method == "get", "IfNoneMatch");
        add(self.once, "IdempotencyKey");
        names
    }
}

/// Whether what a success answers has the member `eTag`, or says itself that it has the header.
fn is_versioned(operation: &Map<String, Value>, schemas: &Value) -> bool {
    let responses = operation.get("responses").and_then(Value::as_object).into_iter().flatten();
    responses.into_iter().filter(|(status, _)| status.starts_with('2')).any(|(_, response)| {
        let schema = &response["content"]["application/json"]["schema"];
        let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        let schema = name.map_or(schema, |name| &schemas[name]);
        schema["properties"].get("eTag").is_some() || response["headers"].get("ETag").is_some()
    })
}
