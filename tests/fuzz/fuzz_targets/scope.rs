//! A scope is read exactly where RFC 6749 §3.3 and the bounds allow it, and is a set in the order of its first mentions.

#![no_main]

use std::collections::BTreeSet;

use keyward::model::scope::Scope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let scope = read(text);
    let half = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    if let (Some(scope), Some(one), Some(other)) = (scope, read(&text[..half]), read(&text[half..])) {
        let both = one.union(&other);
        assert!(both.covers(&one) && both.covers(&other));
        assert!(both.iter().all(|token| one.contains(token) || other.contains(token)));
        assert_eq!(one.covers(&other), both.iter().count() == one.iter().count());
        let kept = scope.filtered(|token| one.contains(token));
        assert!(scope.covers(&kept) && kept.iter().all(|token| one.contains(token)));
    }
});

/// The scope of a text, which is one if and only if it should be.
fn read(text: &str) -> Option<Scope> {
    // RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
    let allowed = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let tokens: BTreeSet<&str> = text.split(' ').filter(|token| !token.is_empty()).collect();
    let expected = text.len() <= 4096 && text.bytes().all(allowed) && tokens.len() <= 100;
    let scope = match text.parse::<Scope>() {
        Ok(scope) => scope,
        Err(fault) => {
            assert!(!expected && fault.len() <= 120, "{text:?}: {fault}");
            return None;
        }
    };
    assert!(expected && scope.is_of_sane_size(), "{text:?}");

    let got: Vec<&str> = scope.iter().collect();
    assert_eq!((got.len(), got.iter().copied().collect()), (tokens.len(), tokens), "{text:?}");
    let first = |token: &str| text.split(' ').position(|other| other == token);
    assert!(got.is_sorted_by_key(|token| first(token)), "{text:?}");

    let printed = scope.to_string();
    assert_eq!(printed.parse::<Scope>().as_ref(), Ok(&scope));
    assert_eq!(Scope::written(&printed), scope);
    let json = serde_json::to_string(&scope).expect("a text");
    assert_eq!(serde_json::from_str::<Scope>(&json).expect("a scope"), scope);
    Some(scope)
}
