//! Request parameters (RFC 6749 §3.1, §3.2): form-encoded, none repeated but `resource`, empty means omitted.

use std::borrow::Cow;

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
    web::Bytes,
};

use super::error::{Code, OAuthError};
use crate::model::id::shown;

/// More than any honest request has; bounds the work of looking one up.
const MAX_PARAMETERS: usize = 64;
/// Longer than any honest parameter, a signed assertion included.
const MAX_VALUE: usize = 16 * 1024;

/// The parts of form-encoded text, found many bytes at once.
fn between_ampersands(encoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    memchr::memchr_iter(b'&', encoded).chain([encoded.len()]).map(move |end| {
        let part = &encoded[from..end];
        from = end + 1;
        part
    })
}

/// One parameter. Long ones are mostly tokens, in which nothing is encoded: they are taken as they are.
fn pair(encoded: &[u8]) -> (Cow<'_, str>, Cow<'_, str>) {
    // each of these takes many bytes at once
    let plain = encoded.is_ascii() && !encoded.contains(&b'%') && !encoded.contains(&b'+');
    match std::str::from_utf8(encoded) {
        Ok(text) if plain => {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (name.into(), value.into())
        }
        _ => form_urlencoded::parse(encoded).next().unwrap_or_default(),
    }
}

/// Whether this was UTF-8 and has no NUL. Nearly all parameters are ASCII, which is quick to see.
fn is_text(text: &str) -> bool {
    !text.as_bytes().contains(&0) && (text.is_ascii() || !text.contains('\u{fffd}'))
}

/// The parameters of a request, in order, without empty ones.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// From form-encoded text.
    ///
    /// # Errors
    /// `invalid_request` for too many or too long parameters, and for text that is not UTF-8.
    pub fn parse(encoded: &[u8]) -> Result<Params, OAuthError> {
        let mut params = Vec::new();
        let malformed = |what: &str| Err(OAuthError::new(Code::InvalidRequest, what));
        for (name, value) in between_ampersands(encoded).filter(|pair| !pair.is_empty()).map(pair) {
            if params.len() == MAX_PARAMETERS {
                return malformed(&format!("expected at most {MAX_PARAMETERS} parameters, got more"));
            }
            if name.len() > 128 || value.len() > MAX_VALUE {
                return malformed(&format!("parameter '{}': expected at most {MAX_VALUE} characters", shown(&name)));
            }
            if !is_text(&name) || !is_text(&value) {
                return malformed(&format!("parameter '{}': expected UTF-8 without NUL", shown(&name)));
            }
            // RFC 6749 §3.1: sent without a value means not sent
            if !value.is_empty() {
                params.push((name.into_owned(), value.into_owned()));
            }
        }
        Ok(Params(params))
    }

    /// From parameters that were parsed before.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Params {
        Params(pairs)
    }

    /// From the body of a POST, which must be form-encoded.
    ///
    /// # Errors
    /// 413 for a body over the limit, 415 for another content type, else as [`Params::parse`].
    pub fn from_body(req: &HttpRequest, body: Result<Bytes, actix_web::Error>) -> Result<Params, OAuthError> {
        let body = body.map_err(|error| {
            let mut refused = OAuthError::new(Code::InvalidRequest, format!("the body cannot be read: {error}"));
            refused.status = Some(error.as_response_error().status_code());
            refused
        })?;
        let content_type = req.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let mut error = OAuthError::new(
                Code::InvalidRequest,
                format!("expected a body of type application/x-www-form-urlencoded, got '{}'", shown(essence)),
            );
            error.status = Some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return Err(error);
        }
        Params::parse(&body)
    }

    /// All of them.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The value of a parameter that may be missing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that may not be missing.
    ///
    /// # Errors
    /// `invalid_request` naming it.
    pub fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name)
            .ok_or_else(|| OAuthError::new(Code::InvalidRequest, format!("the parameter '{name}' is missing")))
    }

    /// The values of a parameter that may repeat.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first parameter that is there twice but must not be; `resource` may repeat (RFC 8707 §2).
    pub fn repeated(&self) -> Option<&str> {
        // few enough that comparing each with each costs less than remembering them
        let names = || self.0.iter().map(|(name, _)| name.as_str());
        let again = |(at, name): &(usize, &str)| *name != "resource" && names().take(*at).any(|before| before == *name);
        names().enumerate().find(again).map(|(_, name)| name)
    }

    /// Refuses repeated parameters (RFC 6749 §3.2).
    ///
    /// # Errors
    /// `invalid_request` naming the parameter.
    pub fn unrepeated(self) -> Result<Params, OAuthError> {
        match self.repeated() {
            Some(name) => Err(OAuthError::new(
                Code::InvalidRequest,
                format!("the parameter '{}' is there more than once", shown(name)),
            )),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_means_omitted_and_repetition_is_seen() {
        let params = Params::parse(b"scope=&state=a&resource=x&resource=y").unwrap();
        assert_eq!(params.get("scope"), None);
        assert_eq!(params.repeated(), None);
        assert_eq!(params.all("resource").count(), 2);
        assert_eq!(Params::parse(b"a=1&b=2&a=1").unwrap().repeated(), Some("a"));
    }

    #[test]
    fn a_million_ampersands_cost_little_and_many_parameters_are_refused() {
        assert!(Params::parse(&vec![b'&'; 1_000_000]).is_ok());
        let many: Vec<String> = (0..65).map(|n| format!("p{n}=1")).collect();
        assert!(Params::parse(many.join("&").as_bytes()).is_err());
        assert!(Params::parse(b"a=%ff").is_err());
    }

    proptest::proptest! {
        #[test]
        fn plain_and_encoded_parameters_are_read_alike(text in "[a-c%+&=0-9é\0]{0,40}") {
            let expected: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
            let pairs = text.as_bytes().split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(pair);
            let got: Vec<_> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            proptest::prop_assert_eq!(got, expected);
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = Params::parse(&bytes);
        }
    }
}
