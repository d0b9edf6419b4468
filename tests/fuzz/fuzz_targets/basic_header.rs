//! `Authorization: Basic` of a client is decoded as RFC 6749 §2.3.1 has it, or refused. The first byte says whether what
//! follows is the header or what is in it.

#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD};
use keyward::oauth::client_auth::basic;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let header = match first % 2 {
        0 => match std::str::from_utf8(rest) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
        _ => format!("Basic {}", STANDARD.encode(rest)),
    };
    let got = basic(&header);
    assert_eq!(got, expected(&header), "{header}");

    let Some((id, secret)) = got else { return };
    assert!(id.len() + secret.len() <= 8192 && !id.contains('\0') && !secret.contains('\0'));
    // what a client makes of them by the book comes back
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let again = format!("basic {}", STANDARD.encode(format!("{}:{}", encoded(&id), encoded(&secret))));
    if again.len() <= 8192 {
        assert_eq!(basic(&again), Some((id, secret)));
    }
});

/// RFC 7617 §2 and RFC 6749 §2.3.1, step by step.
fn expected(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case("Basic ") || encoded.len() > 8192 {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let colon = text.find(':')?;
    Some((decoded(&text[..colon])?, decoded(&text[colon + 1..])?))
}

/// Undoes `application/x-www-form-urlencoded` for one name or value; what is no UTF-8, or could not be told from it, is
/// none.
fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16)).map(|digit| digit as u8);
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            (byte, ..) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok().filter(|text| !text.contains(['\0', '\u{fffd}']))
}
