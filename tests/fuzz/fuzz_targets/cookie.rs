//! Cookies of strangers never hide ours, and what they say is read as it stands there. Each line is a `Cookie` header.

#![no_main]

use std::sync::LazyLock;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderValue},
    test::TestRequest,
};
use keyward::{
    config::Config,
    model::secret::{Kind, Secret},
    web::browser,
};
use libfuzzer_sys::fuzz_target;

const NAME: &str = "keyward_session_8080";

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let mut config = Config::defaults();
    config.issuer = Some("http://localhost:8080".to_owned());
    config
});

fuzz_target!(|bytes: &[u8]| {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let Some(req) = request(&lines) else { return };
    let found = browser::session_cookie(&req, &CONFIG);
    assert_eq!(found, expected(&lines, NAME));
    assert_eq!(browser::read(&req, NAME), found);
    if let Some(value) = &found {
        assert!(!value.is_empty() && !value.contains([';', '\n', '\0']));
        assert_eq!(value.trim_end_matches([' ', '\t']), value);
        let presented = Secret::presented(Kind::Session, value);
        assert!(presented.as_ref().is_none_or(|secret| secret.reveal() == value && value.len() == 48));
        assert!(presented.is_none() || Secret::presented(Kind::Browser, value).is_none());
    }
    assert_eq!(browser::read(&req, "ss-id"), expected(&lines, "ss-id"));
    assert_eq!(browser::device_cookie(&req, &CONFIG), expected(&lines, "keyward_device_8080"));

    // a browser that presents no secret of ours is given one, and then is known by it
    let (secret, cookie) = browser::browser(&req, &CONFIG);
    match cookie {
        None => assert_eq!(expected(&lines, "keyward_browser_8080").as_deref(), Some(secret.reveal())),
        Some(cookie) => {
            assert!(browser::known_browser(&req, &CONFIG).is_none());
            let ours = format!("{}={}", cookie.name(), cookie.value()).into_bytes();
            let known = request(&[ours.as_slice()]).and_then(|req| browser::known_browser(&req, &CONFIG));
            assert_eq!(known.expect("known").reveal(), secret.reveal());
        }
    }

    // ours is found behind whatever else there is, in the same header and in another
    if found.is_none() && !names(&lines, NAME) {
        let ours = format!("{NAME}=kwss_x").into_bytes();
        let mut behind = lines.clone();
        behind.push(&ours);
        let joined = [lines.join(&b"; "[..]), b"; ".to_vec(), ours.clone()].concat();
        for lines in [behind, vec![joined.as_slice()]] {
            let req = request(&lines).expect("headers");
            assert_eq!(browser::session_cookie(&req, &CONFIG).as_deref(), Some("kwss_x"));
        }
    }
});

/// A request with these `Cookie` headers, where they can be headers.
fn request(lines: &[&[u8]]) -> Option<HttpRequest> {
    let mut request = TestRequest::get();
    for line in lines {
        request = request.append_header((header::COOKIE, HeaderValue::from_bytes(line).ok()?));
    }
    Some(request.to_http_request())
}

/// The pairs of all headers (RFC 6265 §4.2.1); those that are no pairs, or no text, are nobody's.
fn pairs<'a>(lines: &[&'a [u8]]) -> Vec<(&'a str, &'a str)> {
    let pairs = lines.iter().flat_map(|line| line.split(|byte| *byte == b';'));
    let texts = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
    texts.filter_map(|text| text.trim_matches([' ', '\t']).split_once('=')).collect()
}

fn names(lines: &[&[u8]], name: &str) -> bool {
    pairs(lines).iter().any(|(found, _)| *found == name)
}

/// The first that has the name counts, and none that is empty.
fn expected(lines: &[&[u8]], name: &str) -> Option<String> {
    let pairs = pairs(lines);
    let (_, value) = pairs.iter().find(|(found, _)| *found == name)?;
    (!value.is_empty()).then(|| (*value).to_owned())
}
