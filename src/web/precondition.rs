//! `If-Match` and `If-None-Match` (RFC 9110 §13.1).

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};

use super::problem::Declined;
use crate::{
    directory::Precondition,
    model::problem::{Code, Problem},
};

impl FromRequest for Precondition {
    type Error = Declined;
    type Future = Ready<Result<Precondition, Declined>>;

    /// What a request that changes something asks for.
    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(req).map_err(Declined::from))
    }
}

fn read(req: &HttpRequest) -> Result<Precondition, Problem> {
    let unreadable =
        |name: &str, expected: &str| Problem::new(Code::HeaderInvalid, format!("expected {name} to be {expected}"));
    let matches = tags(req, header::IF_MATCH).ok_or_else(|| unreadable("If-Match", "eTags in quotes, or *"))?;
    let none = tags(req, header::IF_NONE_MATCH).ok_or_else(|| unreadable("If-None-Match", "*"))?;
    match (matches.as_slice(), none.as_slice()) {
        ([], []) => Ok(Precondition::None),
        ([], [any]) if any == "*" => Ok(Precondition::Absent),
        ([], _) => Err(unreadable("If-None-Match", "* in a request that changes something")),
        ([any], []) if any == "*" => Ok(Precondition::Exists),
        (_, []) => Ok(Precondition::Is(matches)),
        _ => Err(Problem::new(Code::HeaderInvalid, "expected If-Match or If-None-Match, got both")),
    }
}

/// Whether the reader has this version already: `If-None-Match` of a GET.
pub fn is_known(req: &HttpRequest, etag: &str) -> bool {
    // §13.1.2: compared weakly
    tags(req, header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.iter().any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag))
}

/// The versions in a header, without their quotes; a weak one keeps its `W/`, so that it never matches strongly.
fn tags(req: &HttpRequest, name: header::HeaderName) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    for line in req.headers().get_all(name) {
        for tag in line.to_str().ok()?.split(',') {
            let tag = tag.trim();
            let (weak, opaque) = tag.strip_prefix("W/").map_or(("", tag), |opaque| ("W/", opaque));
            let bare = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(opaque);
            if bare.is_empty() || bare.contains('"') || tags.len() >= 16 {
                return None;
            }
            tags.push(format!("{weak}{bare}"));
        }
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn given(headers: &[(&'static str, &'static str)]) -> Result<Precondition, Code> {
        let mut request = TestRequest::put();
        for header in headers {
            request = request.append_header(*header);
        }
        read(&request.to_http_request()).map_err(|problem| problem.code)
    }

    #[test]
    fn conditions_are_read_from_headers() {
        let is = |tags: &[&str]| Ok(Precondition::Is(tags.iter().map(|tag| (*tag).to_owned()).collect()));
        assert_eq!(given(&[]), Ok(Precondition::None));
        assert_eq!(given(&[("if-match", "\"a\"")]), is(&["a"]));
        assert_eq!(given(&[("if-match", "a")]), is(&["a"]));
        assert_eq!(given(&[("if-match", "\"a\", W/\"b\"")]), is(&["a", "W/b"]));
        assert_eq!(given(&[("if-match", "*")]), Ok(Precondition::Exists));
        assert_eq!(given(&[("if-none-match", "*")]), Ok(Precondition::Absent));
        for bad in [
            &[("if-none-match", "\"a\"")][..],
            &[("if-match", "\"")],
            &[("if-match", "")],
            &[("if-match", "\"a\""), ("if-none-match", "*")],
        ] {
            assert_eq!(given(bad), Err(Code::HeaderInvalid), "{bad:?}");
        }
    }

    #[test]
    fn a_reader_may_know_the_version() {
        let request = TestRequest::get().insert_header(("if-none-match", "W/\"a\", \"b\"")).to_http_request();
        assert!(is_known(&request, "a") && is_known(&request, "b") && !is_known(&request, "c"));
    }
}
