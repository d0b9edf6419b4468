//! Form-encoded bodies and queries, as programs and as browsers send them: both readers understand the same, and no more
//! than a reader by the URL Standard.

#![no_main]

use keyward::{
    oauth::{
        error::{Code, OAuthError},
        params::Params,
    },
    pages::form::Fields,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let params = Params::parse(bytes);
    let fields = Fields::parse(bytes);
    if let (Ok(params), Some(fields)) = (&params, &fields) {
        for (name, _) in params.pairs() {
            // of several with one name, one that is empty counts only in pages
            let first = fields.get(name);
            assert!(first.is_empty() || Some(first) == params.get(name), "{name}");
            assert_eq!(fields.has(name), !first.is_empty());
        }
    }
    match params {
        Err(error) => refused(&error),
        Ok(params) => sound(bytes, params),
    }
    if let Some(fields) = fields {
        for (name, _) in form_urlencoded::parse(bytes) {
            assert!(!fields.get(&name).contains('\0'));
        }
    }
});

fn sound(bytes: &[u8], params: Params) {
    let pairs = params.pairs().to_vec();
    assert!(pairs.len() <= 64);
    for (name, value) in &pairs {
        assert!(name.len() <= 128 && (1..=16 * 1024).contains(&value.len()), "{name}");
        assert!(!name.contains(['\0', '\u{fffd}']) && !value.contains(['\0', '\u{fffd}']), "{name}");
        assert!(params.get(name).is_some() && params.all(name).any(|other| other == value));
    }
    let standard: Vec<(String, String)> =
        form_urlencoded::parse(bytes).into_owned().filter(|(_, value)| !value.is_empty()).collect();
    assert_eq!(pairs, standard);

    let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    assert_eq!(Params::parse(written.as_bytes()).expect("what was read").pairs(), pairs);

    // RFC 6749 §3.2: none twice; RFC 8707 §2: but resource
    let twice = |name: &str| name != "resource" && pairs.iter().filter(|(other, _)| other == name).count() > 1;
    match params.unrepeated() {
        Ok(params) => assert!(!params.pairs().iter().any(|(name, _)| twice(name))),
        Err(error) => {
            assert!(pairs.iter().any(|(name, _)| twice(name)));
            refused(&error);
        }
    }
}

/// RFC 6749 §5.2: the characters of `error_description`.
fn refused(error: &OAuthError) {
    let description = error.description();
    assert_eq!(error.code, Code::InvalidRequest);
    assert!(description.len() <= 200, "{description}");
    assert!(description.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{description}");
}
