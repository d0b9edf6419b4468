//! What must be true of the options of `[ldap]` together.

use std::path::PathBuf;

use url::{Host, Url};

use super::{Ldap, fault::Report};

/// What stands in a filter for what was typed.
pub const USER: &str = "{user}";

/// Notes everything that does not fit.
pub(super) fn validate(options: &Ldap, report: &mut Report) {
    let alone = [
        ("ldap.bind_dn", options.bind_dn.is_some()),
        ("ldap.bind_password", options.bind_password.is_some()),
        ("ldap.base_dn", options.base_dn.is_some()),
        ("ldap.ca_certificates", options.ca_certificates.is_some()),
    ];
    match &options.url {
        None => {
            for (key, _) in alone.iter().filter(|(_, given)| *given) {
                report.complain(&[key, "ldap.url"], "expected ldap.url with it: no directory is asked");
            }
        }
        Some(url) => server(options, url, report),
    }
    match (&options.bind_dn, &options.bind_password) {
        (Some(_), None) => {
            report.complain(&["ldap.bind_dn", "ldap.bind_password"], "expected ldap.bind_password with it")
        }
        (None, Some(_)) => report.complain(&["ldap.bind_password", "ldap.bind_dn"], "expected ldap.bind_dn with it"),
        // RFC 4513 §5.1.2: either of them empty would be another kind of bind
        (Some(dn), Some(password))
            if dn.trim().is_empty() || secrecy::ExposeSecret::expose_secret(password).is_empty() =>
        {
            report
                .complain(&["ldap.bind_dn", "ldap.bind_password"], "expected a name and a password that are not empty");
        }
        _ => {}
    }
    if let Some(path) = options.ca_certificates.as_ref().filter(|path: &&PathBuf| !path.is_file()) {
        report.complain(&["ldap.ca_certificates"], format!("got {}, which is not a file that exists", path.display()));
    }
    let filter = &options.user_filter;
    if !filter.contains(USER) || ldap3::parse_filter(filter.replace(USER, "x")).is_err() {
        report.complain(
            &["ldap.user_filter"],
            format!("got {filter:?}, expected a filter (RFC 4515) with {USER} in it, such as (uid={USER})"),
        );
    }
    // RFC 4512 §2.5: a name, or numbers with dots
    let attribute = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';')) && !text.is_empty()
    };
    if !attribute(&options.mail_attribute) {
        let got = &options.mail_attribute;
        report.complain(&["ldap.mail_attribute"], format!("got {got:?}, expected the name of an attribute"));
    }
}

fn server(options: &Ldap, text: &str, report: &mut Report) {
    if options.base_dn.as_deref().is_none_or(|dn| dn.trim().is_empty()) {
        report.complain_at("ldap.base_dn", &["ldap.url"], "must be set, because ldap.url is");
    }
    let expected = "expected an address such as ldaps://directory.example.org";
    let url = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "ldap" | "ldaps") => url,
        _ => return report.complain(&["ldap.url"], format!("got {text:?}, {expected}")),
    };
    let bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    // `ldap` is no scheme that the parser knows: an address of IPv4 is a name to it
    let address = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().ok());
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => String::new(),
        _ => return report.complain(&["ldap.url"], format!("got {text:?}, {expected}")),
    };
    if !bare {
        return report
            .complain(&["ldap.url"], format!("got {text:?}, expected only host and port; see the other options"));
    }
    let encrypted = url.scheme() == "ldaps" || options.starttls;
    if encrypted && address.is_some_and(|address| address.is_ipv6()) {
        report.complain(&["ldap.url"], format!("got {text:?}, expected a name: certificates are compared with it"));
    }
    let loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    if !encrypted && !loopback && !options.allow_unencrypted {
        report.complain(
            &["ldap.starttls", "ldap.url"],
            format!("got false with {text}, expected true or ldaps://, unless ldap.allow_unencrypted is true"),
        );
    }
}
