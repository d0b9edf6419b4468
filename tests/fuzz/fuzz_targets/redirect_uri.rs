//! What is registered is safe to send a browser to, and nothing matches it but itself, or on loopback itself at another
//! port. The first line is what a request sends, the others are to be registered.

#![no_main]

use keyward::model::redirect_uri::{matching, origin, register};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let sent = lines.next().unwrap_or_default();
    let mut registered = Vec::new();
    for line in lines.chain([sent]) {
        match register(line) {
            Err(fault) => assert!(fault.chars().count() <= 250 && !fault.contains(char::is_control), "{fault}"),
            Ok(uri) => {
                assert_eq!(uri, line, "what is registered is never changed");
                safe(&uri);
                registered.push(uri);
            }
        }
    }
    if register(sent).is_ok() {
        registered.pop();
    }

    let meant: Vec<&String> = registered.iter().filter(|uri| is_meant(uri, sent)).collect();
    match matching(&registered, sent) {
        None => assert!(meant.is_empty(), "{sent} is {meant:?}"),
        Some(to) => {
            assert_eq!(to, sent);
            assert!(!meant.is_empty(), "{sent} is none of {registered:?}");
            safe(&to);
            assert_eq!(origin(&to), origin(meant[0]), "consent is remembered for another");
        }
    }
});

/// Whether it is the same text, or the same but for the port of a loopback address.
fn is_meant(registered: &str, sent: &str) -> bool {
    registered == sent || (portless(registered).is_some() && portless(registered) == portless(sent))
}

/// The text without its port, where it is http on a loopback address as RFC 8252 §7.3 writes them, or localhost.
fn portless(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && (1..=5).contains(&port.len()) => {
            port.parse::<u16>().ok()?;
            host
        }
        _ => authority,
    };
    let octets: Vec<&str> = host.split('.').collect();
    let v4 = octets.len() == 4
        && octets[0] == "127"
        && octets.iter().all(|octet| octet.parse::<u8>().is_ok_and(|number| number.to_string() == *octet));
    (v4 || matches!(host, "localhost" | "[::1]")).then(|| format!("http://{host}{rest}"))
}

/// RFC 6749 §3.1.2, RFC 8252 §7: absolute, no fragment, nobody's name in it, and nothing that a browser would run or that
/// would leave the machine in the clear.
fn safe(uri: &str) {
    assert!(uri.bytes().all(|b| b.is_ascii_graphic()) && !uri.contains(['#', '*', '\\', '"', '<', '>']), "{uri}");
    let url = Url::parse(uri).expect("a URI");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{uri}");
    assert!(!origin(uri).is_empty());
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "https" => assert!(!host.is_empty(), "{uri}"),
        "http" => assert!(host == "localhost" || host == "[::1]" || host.starts_with("127."), "{uri}"),
        scheme => {
            let acted_upon = ["javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"];
            assert!(!acted_upon.contains(&scheme), "{uri}");
        }
    }
    // a browser reads the same authority as this server: what stands between :// and the path is the host and its port
    if matches!(url.scheme(), "http" | "https") {
        let authority = uri.split_once("://").expect("://").1;
        let authority = &authority[..authority.find(['/', '?']).unwrap_or(authority.len())];
        assert!(!authority.is_empty() && !authority.contains('@'), "{uri}");
    }
}
