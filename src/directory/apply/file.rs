//! Reading what is wanted: sections of entries, each with an id.

use std::collections::HashSet;

use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Kind, MAX_ENTRIES, too_many};
use crate::{
    directory::{
        Refusal,
        document::{escaped, kind, take_etag},
    },
    model::{
        id,
        problem::{Code, Fault, MAX_FAULTS, Problem},
    },
};

/// Longer than any name of a section, so that guessing which one was meant stays cheap.
const MAX_NAME: usize = 64;

/// Sections of objects as they are to be. Each is as when it is put by itself, with its `key` or `id`; `suspended` says
/// whether it is. What is absent stays, null clears. An `eTag` (or `etag`) says that this version is meant: where another
/// one is there, the file is refused.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // what describes the body; `Wanted` reads it
pub struct ApplyInput {
    /// Roles, each with its `key`
    #[schema(value_type = Option<Vec<Object>>)]
    roles: Option<Vec<Value>>,
    /// Clients, each with its `id`
    #[schema(value_type = Option<Vec<Object>>)]
    clients: Option<Vec<Value>>,
    /// Principals, each with its `id`, or with an `email` by which it is found or made
    #[schema(value_type = Option<Vec<Object>>)]
    principals: Option<Vec<Value>>,
}

/// What a file wants.
#[derive(Debug)]
pub struct Wanted {
    /// The sections that it has.
    pub(super) sections: Vec<Kind>,
    /// Its entries, in the order in which they can be made.
    pub(super) entries: Vec<Entry>,
}

/// An object as it is to be.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Where it stands (RFC 6901).
    pub(super) place: String,
    /// Its id or key; a principal may be found by its email instead.
    pub(super) id: Option<String>,
    /// The version that it is to be made of; none where whatever is there is meant.
    pub(super) version: Option<String>,
    /// Its members, without id, version and suspension.
    pub(super) body: Map<String, Value>,
    pub(super) suspended: Option<bool>,
}

impl Entry {
    /// Its email, by which a principal may be found.
    pub(super) fn email(&self) -> Option<&str> {
        self.body.get("email").and_then(Value::as_str)
    }
}

impl Wanted {
    /// Reads a file; `max_bytes`: the most bytes of one entry as JSON.
    ///
    /// # Errors
    /// Everything that is wrong with it as a file.
    pub fn read(mut file: Map<String, Value>, max_bytes: usize) -> Result<Wanted, Refusal> {
        let (mut sections, mut entries, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for of in Kind::ALL {
            match file.remove(of.plural()) {
                None => continue,
                Some(Value::Array(given)) => {
                    if given.len() + entries.len() > MAX_ENTRIES {
                        return Err(too_many("entries"));
                    }
                    let mut seen = HashSet::new();
                    for (n, entry) in given.into_iter().enumerate() {
                        let place = format!("/{}/{n}", of.plural());
                        match read(of, entry, &place, max_bytes) {
                            Err(fault) => faults.push(*fault),
                            Ok(entry) => {
                                if entry.id.as_ref().is_some_and(|id| !seen.insert(id.clone())) {
                                    let message = "expected each object once, got it a second time";
                                    faults.push(at(Code::ConflictingValues, place, message));
                                }
                                entries.push(entry);
                            }
                        }
                    }
                }
                Some(other) => {
                    let message = format!("expected an array, got {}", kind(&other));
                    faults.push(at(Code::FieldMalformed, format!("/{}", of.plural()), message));
                }
            }
            sections.push(of);
        }
        let strange = file.keys().take(MAX_FAULTS);
        faults.extend(strange.map(|name| at(Code::UnknownField, format!("/{}", escaped(name)), unknown(name))));
        match faults.is_empty() {
            true => Ok(Wanted { sections, entries }),
            false => Err(Problem::of(faults).into()),
        }
    }
}

fn read(of: Kind, entry: Value, place: &str, max_bytes: usize) -> Result<Entry, Box<Fault>> {
    let Value::Object(mut body) = entry else {
        let message = format!("expected an object, got {}", kind(&entry));
        return Err(Box::new(at(Code::FieldMalformed, place, message)));
    };
    let length = serde_json::to_string(&body).map_or(usize::MAX, |text| text.len());
    if length > max_bytes {
        return Err(Box::new(at(
            Code::FieldInvalid,
            place,
            format!("expected at most {max_bytes} bytes, got {length}"),
        )));
    }
    let version = take_etag(&mut body).map_err(|refusal| {
        let problem = refusal.problem();
        let (pointer, message) = match problem.errors.into_iter().next() {
            Some(fault) => (fault.pointer.unwrap_or_default(), fault.message),
            None => (String::new(), problem.detail),
        };
        Box::new(at(problem.code, format!("{place}{pointer}"), message))
    })?;
    let suspended = match body.remove("suspended") {
        None => None,
        Some(Value::Bool(suspended)) if of != Kind::Role => Some(suspended),
        Some(_) if of == Kind::Role => {
            return Err(Box::new(at(Code::UnknownField, format!("{place}/suspended"), "roles are not suspended")));
        }
        Some(other) => {
            let message = format!("expected a boolean, got {}", kind(&other));
            return Err(Box::new(at(Code::FieldMalformed, format!("{place}/suspended"), message)));
        }
    };
    let id = match body.remove(of.key()) {
        Some(Value::String(id)) if of == Kind::Principal => Some(id::principal(&id).unwrap_or(id)),
        Some(Value::String(id)) => Some(id),
        None if of == Kind::Principal && body.get("email").is_some_and(Value::is_string) => None,
        None => {
            let or = if of == Kind::Principal { " or email" } else { "" };
            return Err(Box::new(at(Code::FieldInvalid, place, format!("expected the member {}{or}", of.key()))));
        }
        Some(other) => {
            let message = format!("expected a string, got {}", kind(&other));
            return Err(Box::new(at(Code::FieldMalformed, format!("{place}/{}", of.key()), message)));
        }
    };
    Ok(Entry { kind: of, place: place.to_owned(), id, version, body, suspended })
}

pub(super) fn at(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { code, message: message.into(), pointer: Some(pointer.into()), details: None }
}

fn unknown(name: &str) -> String {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(known, &name.to_lowercase());
    let known = Kind::ALL.map(Kind::plural).into_iter().filter(|_| name.len() <= MAX_NAME);
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|nearest| likeness(nearest) > 0.5) {
        Some(nearest) => format!("unknown section '{}'; did you mean {nearest}?", id::shown(name)),
        None => format!("unknown section '{}', expected roles, clients or principals", id::shown(name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(file: Value) -> Vec<(Code, String)> {
        let Value::Object(file) = file else { unreachable!() };
        let problem = Wanted::read(file, 1000).unwrap_err().problem();
        problem.errors.into_iter().map(|fault| (fault.code, fault.pointer.unwrap_or_default())).collect()
    }

    #[test]
    fn everything_that_is_wrong_with_a_file_is_told_with_its_place() {
        let file = json!({
            "role": [],
            "roles": [{"key": "a:b"}, {"key": "a:b"}, {}, {"key": "a:c", "suspended": true}],
            "clients": [1, {"id": 1}, {"id": "x", "description": "x".repeat(1000)}],
            "principals": {},
        });
        let place = |code, place: &str| (code, place.to_owned());
        assert_eq!(
            told(file),
            [
                place(Code::ConflictingValues, "/roles/1"),
                place(Code::FieldInvalid, "/roles/2"),
                place(Code::UnknownField, "/roles/3/suspended"),
                place(Code::FieldMalformed, "/clients/0"),
                place(Code::FieldMalformed, "/clients/1/id"),
                place(Code::FieldInvalid, "/clients/2"),
                place(Code::FieldMalformed, "/principals"),
                place(Code::UnknownField, "/role"),
            ]
        );
        assert!(unknown("principal").contains("did you mean principals?"));
        assert!(!unknown("x").contains("did you mean"));
    }

    #[test]
    fn strange_sections_are_told_briefly_however_many_and_long() {
        let many: Map<String, Value> = (0..1000).map(|n| (format!("section{n}"), json!([]))).collect();
        assert_eq!(told(Value::Object(many)).len(), MAX_FAULTS);
        // comparing it with the names of sections would take a second and half a gigabyte
        let long = "principals".repeat(500_000);
        let problem = Wanted::read(Map::from_iter([(long, json!([]))]), 1000).unwrap_err().problem();
        assert!(problem.detail.chars().count() < 400, "{} characters", problem.detail.chars().count());
    }
}
