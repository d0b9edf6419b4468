//! The one document, made of what each face says about itself.

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    Components, InfoBuilder, LicenseBuilder, OpenApi, ServerBuilder,
    security::{
        AuthorizationCode, ClientCredentials, Flow, Http, HttpAuthScheme, OAuth2, Scopes, SecurityRequirement,
        SecurityScheme,
    },
};

use super::{headers, outcomes, problem};
use crate::{graph, iam, me, sendings, web::caller::need};

/// The methods of a path item (OpenAPI 3.1 §4.8.9).
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The name under which operations ask for permissions.
const OAUTH: &str = "oauth";

const ABOUT: &str = "\
Principals (people), clients (applications and services), roles, sessions and the audit log of this server, what \
people may do with their own account, mails that programs have sent, and questions across all of these.

**Access.** Every request carries an access token: `Authorization: Bearer …`. Services get one by the grant \
`client_credentials`, applications that act for a person by the authorization code flow, with the permissions that they \
need as scopes. Each operation names its permission; a token allows what both its scopes and the roles of whoever it is \
about allow, at the moment of the request. Nobody gives away more than they hold, or acts on somebody who holds more.

**Versions.** Objects are answered with an `ETag`, which stands in the body as `eTag`, too. `If-Match` with the version \
that was read makes sure that nobody else's change is overwritten: if there was one, the answer is 409 and nothing has \
happened. The member `etag` of a body means the same. `If-None-Match: *` makes a new object and never replaces one. \
What was read can be written back: members that cannot be set are accepted as they are, members that are absent stay.

**Lists** come in pages of `limit` objects (50, at most 100). `lastCursor` as `after` asks for the next page, \
`firstCursor` as `before` for the one before. Pages neither repeat nor skip an object that stays.

**Errors** are problem documents (RFC 9457) with a `code` that does not change, a `detail` that says what was expected \
and what was got, the place in the body where there is one, and the `request_id` under which the server's log has more. \
Unknown members, and unknown parameters of lists, are refused by name. 503 and 429 say in `Retry-After` when to come back.";

/// The description of the APIs of the server at this issuer.
pub fn document(issuer: &str) -> Value {
    let mut api = iam::openapi::document();
    api.merge(me::openapi::document());
    api.merge(sendings::openapi::document());
    api.merge(graph::openapi::document());
    api.info = InfoBuilder::new()
        .title("Keyward")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    api.servers = Some(vec![ServerBuilder::new().url(issuer).description(Some("This server")).build()]);
    secure(&mut api, issuer);
    let mut document = serde_json::to_value(api).unwrap_or_default();
    problem::describe(&mut document["components"]);
    headers::describe(&mut document["components"]);
    write_back(&mut document["components"]["schemas"]);
    let schemas = document["components"]["schemas"].clone();
    for_each_operation(&mut document, |path, method, operation| {
        name(path, operation);
        outcomes::complete(path, method, operation, &schemas);
    });
    link(&mut document);
    document
}

/// Says of every success of PUT what can be done next with the same object: whatever its path begins.
fn link(document: &mut Value) {
    let mut operations = Vec::new();
    for_each_operation(document, |path, method, operation| {
        operations.push((path.to_owned(), method.to_owned(), operation["operationId"].clone()));
    });
    for_each_operation(document, |path, method, operation| {
        if method != "put" || !path.ends_with('}') {
            return;
        }
        let parameters = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let parameters: Map<String, Value> =
            parameters.map(|name| (name.to_owned(), json!(format!("$request.path.{name}")))).collect();
        let mut links = Map::new();
        for (other, other_method, id) in &operations {
            let rest = other.strip_prefix(path).filter(|rest| rest.is_empty() || rest.starts_with('/'));
            let same = other == path && other_method == method;
            if let (Some(rest), Some(name), false) = (rest, id.as_str(), same)
                && !rest.contains('{')
            {
                links.insert(name.to_owned(), json!({ "operationId": name, "parameters": parameters }));
            }
        }
        for status in ["200", "201"] {
            if let Some(response) = operation["responses"].get_mut(status) {
                response["links"] = json!(links);
            }
        }
    });
}

/// How a token is got, and which permissions there are.
fn secure(api: &mut OpenApi, issuer: &str) {
    let scopes =
        || Scopes::from_iter(need::ALL.iter().map(|permission| ((*permission).to_owned(), in_words(permission))));
    let (authorize, token) = (format!("{issuer}/oauth/authorize"), format!("{issuer}/oauth/token"));
    let flows = [
        Flow::AuthorizationCode(AuthorizationCode::new(authorize, token.clone(), scopes())),
        Flow::ClientCredentials(ClientCredentials::new(token, scopes())),
    ];
    let about = "An access token of this server, by the authorization code flow with PKCE or by client credentials.";
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("An access token that you have already.".to_owned());
    let components = api.components.get_or_insert_with(Components::new);
    components.add_security_scheme(OAUTH, SecurityScheme::OAuth2(OAuth2::with_description(flows, about)));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    // whoever has a token already uses it wherever one is asked for
    for item in api.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            let none = SecurityRequirement::default();
            let security = operation.security.as_mut();
            if let Some(security) = security.filter(|security| security.iter().any(|one| *one != none)) {
                security.push(SecurityRequirement::new("bearer", [] as [&str; 0]));
            }
        }
    }
}

/// What a permission allows, for people.
fn in_words(permission: &str) -> String {
    let (resource, action) = permission.rsplit_once(':').unwrap_or((permission, ""));
    let what = match resource {
        "iam/principals" => "principals",
        "iam/clients" => "clients",
        "iam/roles" => "roles",
        "iam/sessions" => "sessions of principals",
        "iam/audit" => "the audit log",
        "me/profile" => "your profile",
        "me/password" => "your password",
        "me/email" => "your email address",
        "me/settings" => "your settings",
        "me/pat" => "your personal access tokens",
        "me/sessions" => "your sessions",
        "sendings" if action == "read" => "what became of mails",
        "sendings" => return "Have mails sent, and take back what was not sent yet".to_owned(),
        "graph/identity" => "principals and clients in the graph",
        "graph/sending" => "mails in the graph, not what they say",
        "graph/role" => "roles in the graph",
        "graph/session" => "sessions in the graph",
        "graph/activityLog" => "events in the graph",
        "me/consents" => "the applications that you have allowed",
        other => other,
    };
    let verb = match action {
        "read" => "Read",
        "write" => "Make and change",
        "delete" => "Delete",
        other => other,
    };
    format!("{verb} {what}")
}

/// Does something with every operation: its path, its method, itself.
fn for_each_operation(document: &mut Value, mut act: impl FnMut(&str, &str, &mut Map<String, Value>)) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                act(path, method, operation);
            }
        }
    }
}

/// Handlers of different resources have the same names, operations have not: the handler says what is done, the path to
/// what. `put` of `/resources/iam/roles/{key}` is `putRole`. A handler that gives its operation a name keeps it.
fn name(path: &str, operation: &mut Map<String, Value>) {
    let handler = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
    if handler.contains(|c: char| c.is_ascii_uppercase()) {
        return;
    }
    let verb = match handler.split('_').next().unwrap_or_default() {
        "post" => "change",
        "me" => "get",
        verb => verb,
    };
    let mut segments: Vec<&str> = path.split('/').skip(2).filter(|segment| *segment != "iam").collect();
    segments.pop_if(|last| *last == verb && !last.starts_with('{'));
    let mut id = verb.to_owned();
    for (n, segment) in segments.iter().enumerate() {
        let one = n + 1 < segments.len() || verb == "create";
        match *segment {
            "me" => id.push_str(if segments.len() == 1 { "Me" } else { "My" }),
            parameter if parameter.starts_with('{') => {}
            noun => {
                let noun = if one { noun.strip_suffix('s').unwrap_or(noun) } else { noun };
                let (first, rest) = noun.split_at(noun.len().min(1));
                id.push_str(&first.to_ascii_uppercase());
                id.push_str(rest);
            }
        }
    }
    operation.insert("operationId".to_owned(), json!(id));
}

/// What was read can be written back: what an object has beyond what can be set is accepted where it is unchanged.
fn write_back(schemas: &mut Value) {
    let Some(schemas) = schemas.as_object_mut() else { return };
    let names: Vec<String> = schemas.keys().filter_map(|name| name.strip_suffix("Input").map(str::to_owned)).collect();
    for name in names {
        let answered = schemas.get(&format!("{name}Document")).and_then(|schema| schema["properties"].as_object());
        let Some(answered) = answered.cloned() else { continue };
        let Some(input) = schemas.get_mut(&format!("{name}Input")) else { continue };
        let Some(settable) = input["properties"].as_object_mut() else { continue };
        for (member, mut schema) in answered {
            if settable.contains_key(&member) {
                continue;
            }
            let said = schema["description"].as_str().unwrap_or_default().to_owned();
            schema["description"] = json!(match member.as_str() {
                "eTag" => "As etag".to_owned(),
                _ => format!("{said}. Cannot be set; accepted where it is unchanged"),
            });
            settable.insert(member, schema);
        }
    }
}
