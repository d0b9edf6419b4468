//! Under which condition an object is to be changed (RFC 9110 §13), so that of two who save the same one the second is told.

use crate::model::problem::{Code, Problem};

/// The condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// None.
    #[default]
    None,
    /// It exists, in whatever version: `If-Match: *`.
    Exists,
    /// It is one of these versions: `If-Match`, or the member `etag` of the body.
    Is(Vec<String>),
    /// It does not exist: `If-None-Match: *`.
    Absent,
}

impl Precondition {
    /// Whether it holds for an object with this version, or for none. `required`: the server changes existing objects
    /// only under a precondition.
    ///
    /// # Errors
    /// [`Code::EtagMismatch`] (409 and not 412: two people met, and that is a conflict), [`Code::AlreadyExists`],
    /// [`Code::PreconditionRequired`].
    pub fn check(&self, current: Option<&str>, required: bool) -> Result<(), Problem> {
        match (self, current) {
            (Precondition::None, Some(_)) if required => Err(Problem::new(
                Code::PreconditionRequired,
                "expected the header If-Match with the eTag that was read, got none (RFC 6585 §3)",
            )),
            (Precondition::None, _) | (Precondition::Exists, Some(_)) | (Precondition::Absent, None) => Ok(()),
            (Precondition::Is(expected), Some(current)) if expected.iter().any(|etag| etag == current) => Ok(()),
            (Precondition::Is(expected), Some(current)) => Err(Problem::new(
                Code::EtagMismatch,
                format!(
                    "somebody has changed it meanwhile: expected the version {}, got {current}; nothing was changed",
                    expected.join(" or ")
                ),
            )),
            (Precondition::Is(_) | Precondition::Exists, None) => {
                Err(Problem::new(Code::EtagMismatch, "expected a version that exists, but there is none (any more)"))
            }
            (Precondition::Absent, Some(_)) => {
                Err(Problem::new(Code::AlreadyExists, "expected that it does not exist, but it does"))
            }
        }
    }

    /// The condition of the header together with the version in the body, which means the same.
    ///
    /// # Errors
    /// [`Code::ConflictingValues`] where both are given and do not agree.
    pub fn and_body(self, etag: Option<&str>) -> Result<Precondition, Problem> {
        let Some(etag) = etag.map(|etag| etag.trim_matches('"').to_owned()) else { return Ok(self) };
        match self {
            Precondition::None | Precondition::Exists => Ok(Precondition::Is(vec![etag])),
            Precondition::Is(header) if header.contains(&etag) => Ok(Precondition::Is(vec![etag])),
            Precondition::Is(header) => Err(Problem::at(
                Code::ConflictingValues,
                "/etag",
                format!("expected the version of the header If-Match, {}, got {etag}", header.join(" or ")),
            )),
            Precondition::Absent => Err(Problem::at(
                Code::ConflictingValues,
                "/etag",
                "expected no version together with If-None-Match: *, got one",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(etag: &str) -> Precondition {
        Precondition::Is(vec![etag.to_owned()])
    }

    #[test]
    fn a_version_that_was_replaced_is_a_conflict() {
        assert!(is("a").check(Some("a"), true).is_ok());
        assert_eq!(is("a").check(Some("b"), false).unwrap_err().code, Code::EtagMismatch);
        assert_eq!(is("a").check(None, false).unwrap_err().code, Code::EtagMismatch);
        assert_eq!(Precondition::Absent.check(Some("a"), false).unwrap_err().code, Code::AlreadyExists);
        assert_eq!(Precondition::None.check(Some("a"), true).unwrap_err().code, Code::PreconditionRequired);
        assert!(Precondition::None.check(None, true).is_ok());
        assert!(Precondition::None.check(Some("a"), false).is_ok());
    }

    #[test]
    fn the_body_says_the_same_as_the_header_or_nothing() {
        assert_eq!(Precondition::None.and_body(Some("\"a\"")).unwrap(), is("a"));
        assert_eq!(is("a").and_body(None).unwrap(), is("a"));
        assert_eq!(is("a").and_body(Some("a")).unwrap(), is("a"));
        assert_eq!(is("a").and_body(Some("b")).unwrap_err().code, Code::ConflictingValues);
        assert_eq!(Precondition::Absent.and_body(Some("b")).unwrap_err().code, Code::ConflictingValues);
    }
}
