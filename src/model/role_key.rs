//! Role keys: `{namespace}:{capability}`, more colons are normal.

/// Everything; the one role that may act on owners.
pub const OWNER: &str = "system:owner";
/// All of the administrators' console and the resources it manages, but neither keys nor owners.
pub const PORTAL_FULL: &str = "system:portal:full";

/// What [`OWNER`] holds.
pub const OWNER_PERMISSIONS: &[&str] = &["*:*"];
/// What [`PORTAL_FULL`] holds.
pub const PORTAL_PERMISSIONS: &[&str] =
    &["iam/principals:*", "iam/clients:*", "iam/roles:*", "iam/sessions:*", "iam/audit:read", "graph:*", "sendings:*"];

/// A role key that somebody may create: two or more parts of `[A-Za-z0-9._-]` between colons, at most 128 characters,
/// outside the reserved namespace `system:`.
///
/// # Errors
/// What was expected and what was got.
pub fn parse(text: &str) -> Result<String, String> {
    let part =
        |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if text.len() > 128 || !text.contains(':') || !text.split(':').all(part) {
        return Err(format!(
            "expected {{namespace}}:{{capability}}, such as support:agent, got '{}'",
            super::id::shown(text)
        ));
    }
    Ok(text.to_owned())
}

/// Whether the key is in the namespace that is Keyward's own, in whatever case: nobody shall mistake `System:owner`.
pub fn is_system(key: &str) -> bool {
    key.split(':').next().is_some_and(|namespace| namespace.eq_ignore_ascii_case("system"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_key_has_a_namespace_and_a_capability() {
        for good in ["support:agent", "store:eu:clerk", "a.b:c-d"] {
            assert!(super::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "agent", ":agent", "support:", "a::b", "a b:c", "a:b/c"] {
            assert!(super::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_looks_like_a_key_of_the_system() {
        assert!(["system:owner", "System:owner", "SYSTEM:x"].into_iter().all(super::is_system));
        assert!(!["systems:x", "support:system", "sys:x"].into_iter().any(super::is_system));
    }
}
