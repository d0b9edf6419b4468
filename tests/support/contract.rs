//! Whether the APIs answer what their description says. Every answer that [`super::api::Api`] receives is held to it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use super::relying_party::Answer;

/// The description; the issuer does not matter here.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| keyward::openapi::document("http://localhost"));

/// The same, and nobody may answer members that are not described.
static STRICT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = DOCUMENT.clone();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    let parts: BTreeSet<String> = schemas.values().flat_map(parts).collect();
    for (name, schema) in schemas {
        // RFC 9457 §3.2: problems may be extended, and responses narrow them
        if !name.starts_with("Problem") && !parts.contains(name) {
            close(schema);
        }
    }
    document
});

/// Compiled schemas by where they stand in the document.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The schemas that are parts of this one.
fn parts(schema: &Value) -> Vec<String> {
    let all = schema["allOf"].as_array().into_iter().flatten();
    all.filter_map(|part| part["$ref"].as_str()?.rsplit('/').next().map(str::to_owned)).collect()
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) && !members.contains_key("additionalProperties")
            {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            // parts of a whole cannot be closed one by one
            if members.contains_key("allOf") {
                members.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            members.iter_mut().filter(|(name, _)| *name != "allOf").for_each(|(_, member)| close(member));
        }
        Value::Array(members) => members.iter_mut().for_each(close),
        _ => {}
    }
}

/// The template of the described path that this path fits; names before parameters.
pub fn template(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap();
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |template: &&String| {
        let wanted: Vec<&str> = template.split('/').collect();
        let pairs = wanted.iter().zip(&segments);
        wanted.len() == segments.len()
            && pairs.into_iter().all(|(wanted, got)| (wanted.starts_with('{') && !got.is_empty()) || wanted == got)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.keys().filter(fits).min_by_key(|template| template.matches('{').count()).map(String::as_str)
}

/// All operations: method and path.
pub fn operations() -> Vec<(Method, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (method.to_uppercase().parse().unwrap(), path.as_str(), operation))
    });
    all.collect()
}

/// What a reference within the document points to.
pub fn resolved<'v>(document: &'v Value, value: &'v Value) -> (String, &'v Value) {
    let pointer = value["$ref"].as_str().unwrap().strip_prefix('#').unwrap().to_owned();
    let target = document.pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is not there"));
    (pointer, target)
}

/// Holds an answer to the description of the operation, and a body that was accepted to that of bodies.
///
/// # Panics
/// If its status is not declared, its headers are missing, its body does not match, or what was accepted is described as
/// something that is not.
pub fn check(method: &Method, path: &str, body: &Value, answer: &Answer) {
    let Some(template) = template(path).filter(|_| path.starts_with("/resources/")) else { return };
    let item = &STRICT["paths"][template];
    let name = method.as_str().to_lowercase();
    let what = format!("{method} {path} answered {} {}", answer.status, answer.body);
    let Some(operation) = item.get(if name == "head" { "get" } else { &name }) else {
        assert_eq!(answer.status, 405, "{what}, which is not described");
        return;
    };
    let status = answer.status.as_str();
    let response = operation["responses"].get(status);
    let response = response.unwrap_or_else(|| panic!("{what}, a status that {template} does not declare"));
    let place = format!("/paths/{}/{name}/responses/{status}", escaped(template));
    let (place, response) =
        if response.get("$ref").is_some() { resolved(&STRICT, response) } else { (place, response) };
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = if header.get("$ref").is_some() { resolved(&STRICT, header).1 } else { header };
        if header["required"] == true {
            assert!(answer.headers.contains_key(name), "{what} without {name}");
        }
    }
    if answer.status.is_success() && !body.is_null() && operation.get("requestBody").is_some() {
        let place = format!("/paths/{}/{name}/requestBody/content/application~1json/schema", escaped(template));
        let faults = faults(&place, body);
        assert!(faults.is_empty(), "{what} to {body}, which is described as wrong: {faults:#?}");
    }
    let Some(content) = response["content"].as_object().filter(|_| name != "head") else {
        return assert_eq!(answer.body, "", "{what}, where no body is declared");
    };
    let media_type = answer.header("content-type").split(';').next().unwrap().trim().to_owned();
    assert!(content.contains_key(&media_type), "{what} as {media_type}, which is not declared");
    if media_type.ends_with("json") {
        let place = format!("{place}/content/{}/schema", media_type.replace('/', "~1"));
        let faults = faults(&place, &answer.json());
        assert!(faults.is_empty(), "{what}, which is not as described: {faults:#?}");
    }
}

fn escaped(template: &str) -> String {
    template.replace('~', "~0").replace('/', "~1")
}

fn faults(place: &str, value: &Value) -> Vec<String> {
    compiled(place).iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

fn compiled(place: &str) -> Arc<Validator> {
    let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let compile = || {
        // references in it are to components of the document, which it becomes the root of
        let mut root = STRICT.pointer(place).unwrap_or_else(|| panic!("{place} is not there")).clone();
        root["components"] = STRICT["components"].clone();
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        Arc::new(options.build(&root).unwrap_or_else(|error| panic!("{place}: {error}")))
    };
    known.entry(place.to_owned()).or_insert_with(compile).clone()
}
