//! What a page's form or link brought: names and values.

use actix_web::{
    HttpRequest,
    http::header,
    web::{self, Payload},
};

use super::error::PageError;

/// More fields than any form of ours has.
const MAX_FIELDS: usize = 200;

/// The fields of a form or of a query. Unknown ones stay unread; of several with one name the first counts.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a query, or a body of `application/x-www-form-urlencoded`. `None` if it is not UTF-8, holds NUL, or
    /// has too many fields.
    pub fn parse(text: &[u8]) -> Option<Fields> {
        let mut fields = Vec::new();
        for pair in text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let name = decoded(halves.next().unwrap_or_default())?;
            let value = decoded(halves.next().unwrap_or_default())?;
            fields.push((name, value));
            if fields.len() > MAX_FIELDS {
                return None;
            }
        }
        Some(Fields(fields))
    }

    /// The value of a field; empty if it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str())
    }

    /// Whether a button was pressed or a box ticked.
    pub fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }
}

/// Undoes the encoding of one name or value (URL Standard §5.1), without its leniency towards other bytes than UTF-8:
/// a password must not lose characters unseen.
fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match (byte, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high * 16 + low
                }
                _ => b'%',
            },
            _ => byte,
        });
    }
    // Nobody types a NUL, and PostgreSQL's texts cannot hold one.
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Reads a posted form of at most `limit` bytes.
///
/// # Errors
/// [`PageError::TooLong`], or [`PageError::Form`] if it is of another type or not UTF-8.
pub async fn read(req: &HttpRequest, payload: Payload, limit: usize) -> Result<Fields, PageError> {
    let content_type = req.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(PageError::Form);
    }
    let body: web::Bytes = match payload.to_bytes_limited(limit).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(PageError::Form),
        Err(_) => return Err(PageError::TooLong),
    };
    Fields::parse(&body).ok_or(PageError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str, name: &str) -> Option<String> {
        Fields::parse(text.as_bytes()).map(|fields| fields.get(name).to_owned())
    }

    #[test]
    fn fields_are_decoded_and_unknown_ones_ignored() {
        let text = "a=1+2%203%2B&password=%C3%A9%26%3D%25&a=second&empty&=x&&other=y=z";
        assert_eq!(get(text, "a").unwrap(), "1 2 3+");
        assert_eq!(get(text, "password").unwrap(), "é&=%");
        assert_eq!(get(text, "empty").unwrap(), "");
        assert_eq!(get(text, "absent").unwrap(), "");
        assert_eq!(get(text, "other").unwrap(), "y=z");
        assert_eq!(get("a=100%&b=%zz&c=%4", "a").unwrap(), "100%");
        assert_eq!(get("a=100%&b=%zz&c=%4", "b").unwrap(), "%zz");
    }

    #[test]
    fn what_is_not_utf_8_is_refused_instead_of_replaced() {
        assert!(get("password=%ff", "password").is_none());
        assert!(get("%C3=x", "x").is_none());
        assert!(Fields::parse(b"a=\xff").is_none());
        assert!(get("a=x%00", "a").is_none());
        assert_eq!(get("a=%EF%BF%BD", "a").unwrap(), "\u{fffd}");
    }

    #[test]
    fn too_many_fields_are_refused() {
        assert!(Fields::parse("a&".repeat(MAX_FIELDS).as_bytes()).is_some());
        assert!(Fields::parse("a&".repeat(MAX_FIELDS + 1).as_bytes()).is_none());
    }

    proptest::proptest! {
        #[test]
        fn what_a_browser_encodes_comes_back(value in "[^\0]{0,40}") {
            let text = form_urlencoded::Serializer::new(String::new()).append_pair("v", &value).finish();
            proptest::prop_assert_eq!(get(&text, "v").unwrap(), value);
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let _ = Fields::parse(&bytes);
        }
    }
}
