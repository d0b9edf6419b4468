//! The cookies as browsers get them.

use super::finding::{Fault, Finding};

const CHECK: &str = "cookies";
/// What the names of our own begin with.
const OURS: &str = "keyward_";
/// What makes browsers take a cookie from this host by https alone (RFC 6265bis §4.1.3.2).
const HOST: &str = "__Host-";

/// Judges what was set; `secure`: by https.
pub fn judge(set: &[String], secure: bool) -> Finding {
    let ours: Vec<Cookie<'_>> =
        set.iter().map(|line| Cookie::read(line)).filter(|cookie| cookie.base_name().starts_with(OURS)).collect();
    if ours.is_empty() {
        let fix = "See what takes Set-Cookie away between server and browser: nobody can sign in without.";
        return Finding::problem(CHECK, "no cookie of the server arrives", fix);
    }
    let mut faults = Vec::new();
    for cookie in &ours {
        let missing = cookie.faults(secure);
        if !missing.is_empty() {
            let what = format!("{}: {}", cookie.name, missing.join(", "));
            let fix = "See what rewrites Set-Cookie between server and browser (such as proxy_cookie_flags, \
                       proxy_cookie_path): pass it on as it is.";
            faults.push(Fault::problem(what, fix));
        }
    }
    faults.dedup();
    let mut names: Vec<&str> = ours.iter().map(|cookie| cookie.name).collect();
    names.sort_unstable();
    names.dedup();
    let flags = if secure { "Secure, HttpOnly, SameSite" } else { "HttpOnly, SameSite" };
    Finding::of_faults(CHECK, faults, format!("{} come with {flags}, for this host alone", names.join(", ")))
}

struct Cookie<'c> {
    name: &'c str,
    /// Names in lower case, with their values.
    attributes: Vec<(String, &'c str)>,
}

impl Cookie<'_> {
    fn read(line: &str) -> Cookie<'_> {
        let mut parts = line.split(';').map(|part| part.trim().split_once('=').unwrap_or((part.trim(), "")));
        let name = parts.next().map(|(name, _)| name).unwrap_or_default();
        Cookie { name, attributes: parts.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect() }
    }

    fn base_name(&self) -> &str {
        self.name.strip_prefix(HOST).unwrap_or(self.name)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    fn faults(&self, secure: bool) -> Vec<&'static str> {
        let same_site = self.attribute("samesite").unwrap_or_default();
        let checks = [
            (self.attribute("httponly").is_some(), "expected HttpOnly"),
            (!secure || self.attribute("secure").is_some(), "expected Secure"),
            (["lax", "strict"].iter().any(|mode| mode.eq_ignore_ascii_case(same_site)), "expected SameSite=Lax"),
            (self.attribute("path") == Some("/"), "expected Path=/"),
            (self.attribute("domain").is_none(), "expected no Domain"),
            (!secure || self.name.starts_with(HOST), "expected a name that begins with __Host-"),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, expected)| expected).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Status;

    #[test]
    fn each_flag_is_expected() {
        let right = "__Host-keyward_session=x; HttpOnly; SameSite=Lax; Secure; Path=/";
        assert_eq!(judge(&[right.to_owned()], true).status, Status::Ok);
        assert_eq!(
            judge(&["keyward_session_80=; Path=/; httponly; samesite=lax".to_owned()], false).status,
            Status::Ok
        );
        for (cut, with, expected) in [
            ("HttpOnly; ", "", "HttpOnly"),
            ("Secure; ", "", "Secure"),
            ("SameSite=Lax", "SameSite=None", "SameSite=Lax"),
            ("Path=/", "Path=/id", "Path=/"),
            ("Path=/", "Path=/; Domain=example.org", "no Domain"),
            ("__Host-", "", "__Host-"),
        ] {
            let finding = judge(&["other=1".to_owned(), right.replace(cut, with)], true);
            assert_eq!(finding.status, Status::Problem);
            assert!(finding.summary.contains(&format!("expected {expected}")) || expected == "__Host-", "{finding:?}");
        }
        assert!(judge(&["other=1".to_owned()], true).summary.contains("no cookie"));
    }
}
