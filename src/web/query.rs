//! Query parameters of the APIs: known ones only, each at most once.

use std::collections::BTreeMap;

use actix_web::HttpRequest;

use super::problem::Declined;
use crate::{
    directory::Refusal,
    model::{id::shown, problem::Code},
};

/// Parameters that are true or false.
#[derive(Debug)]
pub struct Flags(BTreeMap<String, bool>);

impl Flags {
    /// Reads a query that has no other parameters than these.
    ///
    /// # Errors
    /// [`Code::UnknownParameter`], [`Code::ParameterRepeated`], [`Code::ParameterInvalid`].
    pub fn read(req: &HttpRequest, known: &[&str]) -> Result<Flags, Declined> {
        let mut flags = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(req.query_string().as_bytes()) {
            if !known.contains(&&*name) {
                let expected = if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") };
                let detail = format!("expected {expected}, got '{}'", shown(&name));
                return Err(Refusal::new(Code::UnknownParameter, detail).into());
            }
            let value = match &*value {
                "true" | "" => true,
                "false" => false,
                other => {
                    let detail = format!("expected {name} to be true or false, got '{}'", shown(other));
                    return Err(Refusal::new(Code::ParameterInvalid, detail).into());
                }
            };
            if flags.insert(name.to_string(), value).is_some() {
                return Err(Refusal::new(Code::ParameterRepeated, format!("expected {name} once")).into());
            }
        }
        Ok(Flags(flags))
    }

    /// Whether the parameter is there and true.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or(false)
    }
}
