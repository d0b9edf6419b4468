//! Redirect URIs: what may be registered, and the one comparison there is.

use std::net::IpAddr;

use url::{Host, Url};

/// Checks a redirect URI (or post-logout redirect URI) at registration: absolute, no fragment, no user information, no
/// wildcard, printable ASCII; https anywhere, http on loopback only (RFC 8252 §7.3), or an application's own scheme
/// (RFC 8252 §7.1).
///
/// # Errors
/// What was expected and what was got.
pub fn register(text: &str) -> Result<String, String> {
    let refuse = |expected: &str| Err(format!("redirect URI '{}': expected {expected}", super::id::shown(text)));
    if text.len() > 2000 {
        return refuse("at most 2000 characters");
    }
    if text.contains('*') || !text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>')) {
        return refuse("printable ASCII without blanks, backslashes, quotes or wildcards");
    }
    let Ok(url) = Url::parse(text) else { return refuse("an absolute URI") };
    // what is compared and answered is this text, so it has to look like what it means
    if !text.starts_with(url.scheme()) {
        return refuse("a scheme in small letters");
    }
    if text.contains('#') {
        return refuse("no fragment"); // RFC 6749 §3.1.2
    }
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return refuse("no user information");
    }
    // what a URL parser forgives, a browser may read as something else
    if matches!(url.scheme(), "http" | "https") && authority(text).is_empty() {
        return refuse("a host after ://");
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(text.to_owned()),
        "http" if is_loopback(&url) => Ok(text.to_owned()),
        "http" => refuse("https, or http on localhost, 127.0.0.1 or [::1]"),
        // schemes that browsers or systems act upon themselves
        "javascript" | "data" | "file" | "vbscript" | "blob" | "about" | "filesystem" | "view-source" | "ws"
        | "wss" | "ftp" | "mailto" | "tel" | "https" | "chrome" | "chrome-extension" | "moz-extension" | "edge"
        | "resource" | "jar" | "wyciwyg" | "intent" | "sms" | "ldap" | "ldaps" => {
            refuse("https, http on loopback, or an application's own scheme")
        }
        _ => Ok(text.to_owned()),
    }
}

/// What stands between `://` and the path.
fn authority(text: &str) -> &str {
    let Some((_, after)) = text.split_once("://") else { return "" };
    &after[..after.find(['/', '?', '#']).unwrap_or(after.len())]
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Which of the registered URIs is meant by `sent`: the same string (RFC 9700 §4.1.3), or for a loopback address
/// literal, or localhost, the same but for the port (RFC 8252 §7.3). The answer is the URI to redirect to.
pub fn matching(registered: &[String], sent: &str) -> Option<String> {
    registered.iter().find(|uri| *uri == sent || same_but_for_the_port(uri, sent)).map(|_| sent.to_owned())
}

/// Splits `http://<loopback>[:port]<rest>` into host and rest, by text: what was registered is never normalised.
fn loopback_parts(uri: &str) -> Option<(&str, &str)> {
    let after = uri.strip_prefix("http://")?;
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    let host = match authority.strip_prefix('[') {
        Some(_) => &authority[..=authority.find(']')?],
        None => authority.split(':').next()?,
    };
    let port = &authority[host.len()..];
    let port_is_plain = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => {
            !digits.is_empty()
                && digits.len() <= 5
                && digits.bytes().all(|b| b.is_ascii_digit())
                && digits.parse::<u16>().is_ok()
        }
    };
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let loopback = host == "localhost" || address.is_some_and(|a| a.is_loopback() && literal(a) == host);
    (loopback && port_is_plain).then_some((host, rest))
}

fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(a) => a.to_string(),
        IpAddr::V6(a) => format!("[{a}]"),
    }
}

fn same_but_for_the_port(registered: &str, sent: &str) -> bool {
    match (loopback_parts(registered), loopback_parts(sent)) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => false,
    }
}

/// What consent is remembered for: scheme, host and port, or the scheme alone where there is no host.
pub fn origin(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) => match (url.host_str(), url.port()) {
            // another port of this machine is the same application
            (Some(host), _) if url.scheme() == "http" && is_loopback(&url) => format!("http://{host}"),
            (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
            (Some(host), None) => format!("{}://{host}", url.scheme()),
            (None, _) => format!("{}:", url.scheme()),
        },
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_registered_string_matches() {
        let registered = vec!["https://app.example/cb".to_owned()];
        assert!(matching(&registered, "https://app.example/cb").is_some());
        for evil in [
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://app.example/cb?x=1",
            "https://app.example/cb#f",
            "https://app.example:443/cb",
            "https://app.example./cb",
            "https://app.example/x/../cb",
            "https://app.example/..;/cb",
            "https://app.example/%63b",
            "https://ok@app.example/cb",
            "https://app.example@evil.example/cb",
            "https://app.example\\@evil.example/cb",
            "https://app.example%25@evil.example/cb",
            "https://app.example/cb\t",
            "https://app.example/cb\0",
            "HTTPS://app.example/cb",
            "",
        ] {
            assert!(matching(&registered, evil).is_none(), "{evil}");
        }
    }

    #[test]
    fn loopback_may_vary_the_port_only() {
        let registered = vec![
            "http://127.0.0.1/cb".to_owned(),
            "http://[::1]:7000/cb".to_owned(),
            "http://localhost:3000/cb".to_owned(),
        ];
        for good in
            ["http://127.0.0.1:51004/cb", "http://[::1]:1/cb", "http://localhost/cb", "http://localhost:65535/cb"]
        {
            assert_eq!(matching(&registered, good).as_deref(), Some(good));
        }
        for evil in [
            "http://127.0.0.2:51004/cb",
            "http://127.0.0.1.nip.io/cb",
            "http://localhost.evil/cb",
            "http://127.0.0.1:1@evil/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:080x/cb",
            "https://127.0.0.1/cb",
            "http://127.0.0.1:1/cb/..",
            "http://127.1/cb",
            "http://2130706433/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://127.0.0.1:1\\@evil/cb",
        ] {
            assert!(matching(&registered, evil).is_none(), "{evil}");
        }
    }

    #[test]
    fn only_addresses_that_are_an_applications_own_can_be_registered() {
        for good in [
            "https://app.example/cb",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]/cb",
            "myapp://callback",
            "com.example.app:/cb",
        ] {
            assert!(register(good).is_ok(), "{good}");
        }
        for bad in [
            "http://app.example/cb",
            "https://app.example/*",
            "https://*.example/cb",
            "https://u:p@app.example/cb",
            "https://@app.example/cb",
            "https://:@app.example/cb",
            "https:app.example/cb",
            "https:/app.example/cb",
            "https:///app.example/cb",
            "https:///app.example/cb?a=://b",
            "myapp://user@callback",
            "https://app.example/cb#",
            "/cb",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "DATA:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "blob:https://x/y",
            "about:blank",
            "https://app.example/\ncb",
            "https://app.example\\@evil/cb",
            "http://localhost.evil/cb",
        ] {
            assert!(register(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in ".{0,80}", other in "http://[\\[\\]:.0-9a-z/?@]{0,30}") {
            let _ = register(&text);
            let _ = register(&other);
            let _ = matching(&["http://127.0.0.1/cb".to_owned()], &other);
            let _ = origin(&text);
        }
    }
}
