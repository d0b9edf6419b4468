//! Every route with every permission: exactly the pairs of the table are allowed.

use std::collections::BTreeSet;

use keyward::{
    model::permission::{Acl, Attributes, Permissions},
    web::caller::need,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, api::Api};

/// What each route needs. `{id}` and the like stand for ids of nothing.
const TABLE: &[(&str, &str, &str)] = &[
    ("GET", "/resources/iam/principals", "iam/principals:read"),
    ("GET", "/resources/iam/principals/{id}", "iam/principals:read"),
    ("PUT", "/resources/iam/principals/{id}", "iam/principals:write"),
    ("DELETE", "/resources/iam/principals/{id}", "iam/principals:delete"),
    ("PUT", "/resources/iam/principals/{id}/roles", "iam/principals:write"),
    ("POST", "/resources/iam/principals/{id}/suspend", "iam/principals:write"),
    ("POST", "/resources/iam/principals/{id}/unsuspend", "iam/principals:write"),
    ("POST", "/resources/iam/principals/{id}/password/reset", "iam/principals:write"),
    ("GET", "/resources/iam/principals/{id}/sessions", "iam/sessions:read"),
    ("DELETE", "/resources/iam/principals/{id}/sessions", "iam/sessions:delete"),
    ("DELETE", "/resources/iam/principals/{id}/sessions/{sessionId}", "iam/sessions:delete"),
    ("GET", "/resources/iam/clients", "iam/clients:read"),
    ("GET", "/resources/iam/clients/{id}", "iam/clients:read"),
    ("PUT", "/resources/iam/clients/{id}", "iam/clients:write"),
    ("DELETE", "/resources/iam/clients/{id}", "iam/clients:delete"),
    ("PUT", "/resources/iam/clients/{id}/roles", "iam/clients:write"),
    ("POST", "/resources/iam/clients/{id}/suspend", "iam/clients:write"),
    ("POST", "/resources/iam/clients/{id}/unsuspend", "iam/clients:write"),
    ("GET", "/resources/iam/clients/{id}/secrets", "iam/clients:read"),
    ("POST", "/resources/iam/clients/{id}/secrets", "iam/clients:write"),
    ("DELETE", "/resources/iam/clients/{id}/secrets/{secretId}", "iam/clients:write"),
    ("GET", "/resources/iam/roles", "iam/roles:read"),
    ("GET", "/resources/iam/roles/{key}", "iam/roles:read"),
    ("PUT", "/resources/iam/roles/{key}", "iam/roles:write"),
    ("DELETE", "/resources/iam/roles/{key}", "iam/roles:delete"),
    ("GET", "/resources/iam/audit", "iam/audit:read"),
    ("POST", "/resources/iam/apply", "iam/roles:write"),
    ("POST", "/resources/sendings/email", "sendings:write"),
    ("GET", "/resources/sendings/{id}", "sendings:read"),
    ("DELETE", "/resources/sendings/{id}", "sendings:write"),
    ("GET", "/resources/me", "me/profile:read"),
    ("GET", "/resources/me/profile", "me/profile:read"),
    ("PUT", "/resources/me/profile", "me/profile:write"),
    ("POST", "/resources/me/password", "me/password:write"),
    ("POST", "/resources/me/email/change", "me/email:write"),
    ("GET", "/resources/me/settings", "me/settings:read"),
    ("PUT", "/resources/me/settings", "me/settings:write"),
    ("GET", "/resources/me/pat", "me/pat:read"),
    ("POST", "/resources/me/pat", "me/pat:write"),
    ("DELETE", "/resources/me/pat/{id}", "me/pat:delete"),
    ("GET", "/resources/me/sessions", "me/sessions:read"),
    ("DELETE", "/resources/me/sessions/{id}", "me/sessions:delete"),
    ("GET", "/resources/me/consents", "me/consents:read"),
    ("DELETE", "/resources/me/consents/{clientId}", "me/consents:delete"),
];

/// Queries of the graph: which permissions they need depends on what they ask for. All of these; the last row is content
/// with one of them.
const GRAPH: &[(&str, &str, &str, &[&str])] = &[
    ("POST", "/resources/graph", r#"[{"edge": "identities"}]"#, &["graph/identity:read"]),
    ("POST", "/resources/graph", r#"[{"edge": "sendings"}]"#, &["graph/sending:read"]),
    ("POST", "/resources/graph", r#"[{"edge": "roles"}]"#, &["graph/role:read"]),
    (
        "POST",
        "/resources/graph",
        r#"[{"edge": "identities", "node": {"navigate": [{"edge": "sessions"}, {"edge": "activityLogs"}]}}]"#,
        &["graph/identity:read", "graph/session:read", "graph/activityLog:read"],
    ),
    ("POST", "/resources/graph/query", r#"{"resource": "identity"}"#, &["graph/identity:read"]),
    ("POST", "/resources/graph/query", r#"{"resource": "sending"}"#, &["graph/sending:read"]),
    ("POST", "/resources/graph/query", r#"{"resource": "role"}"#, &["graph/role:read"]),
    ("GET", "/resources/graph/meta", "null", &["graph/identity:read", "graph/sending:read", "graph/role:read"]),
];

/// Routes whose proof is in the body.
const OPEN: &[(&str, &str)] = &[("POST", "/resources/me/email/validate")];

/// Permissions that are wider than any one route needs, or elsewhere.
const WIDER: &[&str] =
    &["*:*", "*:read", "iam:*", "iam/*:read", "iam/principals:*", "me:*", "graph:*", "registry:write", "iamx:*"];

#[test]
fn the_table_has_every_route() {
    let routes = keyward::iam::routes().into_iter().chain(keyward::me::routes());
    let routes = routes.chain(keyward::sendings::routes()).chain(keyward::graph::routes());
    let there: BTreeSet<(String, String)> = routes
        .flat_map(|(path, routes)| routes.into_iter().map(move |(method, _)| (method.to_string(), path.to_owned())))
        .collect();
    let listed = TABLE.iter().map(|(method, path, _)| (method, path)).chain(OPEN.iter().map(|(m, p)| (m, p)));
    let listed = listed.chain(GRAPH.iter().map(|(method, path, ..)| (method, path)));
    let listed: BTreeSet<(String, String)> =
        listed.map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(there, listed);
    let mut needed: BTreeSet<&str> = TABLE.iter().map(|(_, _, permission)| *permission).collect();
    needed.extend(GRAPH.iter().flat_map(|(.., all)| all.iter()));
    assert_eq!(needed, need::ALL.iter().copied().collect::<BTreeSet<_>>(), "every permission is for something");
}

#[tokio::test]
async fn every_route_allows_exactly_its_permission() {
    let app = TestApp::spawn().await;
    for (n, held) in need::ALL.iter().chain(WIDER).enumerate() {
        let role = format!("test:{n}");
        app.role(&role, &[held]).await;
        let caller = Api::person(&app, &format!("p{n}@example.com"), &[&role], held).await;
        let permissions = Permissions::compile([&Acl::of(&[held]).unwrap()], &Attributes::new());
        for (method, path, needed) in TABLE {
            let (resource, action) = needed.rsplit_once(':').unwrap();
            let path = path
                .replace("{id}", &uuid())
                .replace("{sessionId}", &uuid())
                .replace("{secretId}", &uuid())
                .replace("{clientId}", "nobody")
                .replace("{key}", &format!("nobody:{n}"));
            let body = if *method == "GET" || *method == "DELETE" { Value::Null } else { json!({}) };
            let answer = caller.send(Method::from_bytes(method.as_bytes()).unwrap(), &path, &[], body).await;
            let refused = answer.said() == "403 PERMISSION_MISSING" && answer.body.contains(needed);
            // the application that asks for another email must hold something itself, and is told so
            let refused = refused && !answer.body.contains("me/email:verify");
            assert_eq!(refused, !permissions.allows(resource, action), "{held}: {method} {path}: {}", answer.body);
            assert!(answer.status.as_u16() < 500, "{held}: {method} {path}: {}", answer.body);
        }
        for (method, path, body, needed) in GRAPH {
            let allowed = |permission: &&str| {
                let (resource, action) = permission.rsplit_once(':').unwrap();
                permissions.allows(resource, action)
            };
            let one = path.ends_with("/meta");
            let allowed = if one { needed.iter().any(allowed) } else { needed.iter().all(allowed) };
            let body = serde_json::from_str(body).unwrap();
            let answer = caller.send(Method::from_bytes(method.as_bytes()).unwrap(), path, &[], body).await;
            let said = if allowed { "200" } else { "403 PERMISSION_MISSING" };
            assert_eq!(answer.said(), said, "{held}: {path} with {needed:?}: {}", answer.body);
        }
    }
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
