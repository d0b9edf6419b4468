//! `/resources/iam/principals`

mod document;
mod effects;
mod guard;
mod races;
mod sessions;

use crate::support::{TestApp, api::Api};
use serde_json::{Value, json};

/// An id that nobody has yet.
pub const ID: &str = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";

/// Where a principal lives.
pub fn path(id: &str) -> String {
    format!("/resources/iam/principals/{id}")
}

/// A principal that an owner makes from this body.
pub async fn made(owner: &Api, id: &str, body: Value) -> Value {
    owner.put(&path(id), body).await.object(201)
}

/// A server and a service that is an owner.
pub async fn owned() -> (TestApp, Api) {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    (app, owner)
}

/// A list of unconditional permissions.
pub fn acl(permissions: &[&str]) -> Value {
    let entry = |text: &&str| {
        let (resource, permission) = text.rsplit_once(':').unwrap();
        json!({"resource": [resource], "permission": [permission]})
    };
    json!({ "entries": permissions.iter().map(entry).collect::<Vec<_>>() })
}

/// A list of permissions that hold for what shares a region.
pub fn regional(permissions: &[&str]) -> Value {
    let mut acl = acl(permissions);
    for entry in acl["entries"].as_array_mut().unwrap() {
        entry["attributeKeys"] = json!(["region"]);
    }
    acl
}
