//! Permissions, and lists of them as administrators write them: a list allows what one of its entries allows, another
//! list never takes any of it away, and a scope never adds to it.
//!
//! The parts lie between empty lines. The first has four lines: a permission that is asked for, a scope, the attributes of
//! whoever asks and those of the object (`k=v,k=w,l=v`). The second and the third are lists: JSON as it is sent, or one
//! entry on each line (`a,b/c r,* key`: resources, permissions, attribute keys).

#![no_main]

use keyward::model::{
    permission::{Acl, AclEntry, Attributes, Permission, Permissions, Visibility},
    scope::Scope,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut parts = text.split("\n\n");
    let mut lines = parts.next().unwrap_or_default().split('\n');
    let (asked, scope) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let (mine, object) = (attributes(lines.next()), attributes(lines.next()));
    let lists = [parts.next(), parts.next()].map(|part| list(part.unwrap_or_default()));

    for token in scope.split(' ') {
        permission(token);
    }
    let (Some(asked), Ok(scope), [Some(one), Some(other)]) = (permission(asked), scope.parse::<Scope>(), lists) else {
        return;
    };
    let (resource, action) = (asked.resource(), asked.action());
    let allows = |held: &Permissions| {
        let allowed = held.allows_on(resource, action, &object);
        assert_eq!(held.visibility(resource, action).shows(&object), allowed, "lists show what single reads show");
        assert!(held.allows(resource, action) || !allowed);
        assert!(!held.allow_everything() || (allowed && held.visibility(resource, action) == Visibility::All));
        allowed
    };

    let held = Permissions::compile([&one], &mine);
    let more = Permissions::compile([&other], &mine);
    let both = Permissions::compile([&one, &other], &mine);
    assert_eq!(allows(&both), allows(&held) || allows(&more), "lists add up");
    assert_eq!(allows(&held.clone().and(&more)), allows(&both));
    let at_most = Permissions::compile([&one.unconditional()], &mine);
    assert!(at_most.allows(resource, action) || !held.allows(resource, action));
    assert!(at_most.covers(&held) && held.covers(&Permissions::default()));

    // whoever may act on somebody may do all that this somebody may
    if held.covers(&more) {
        assert!(allows(&held) || !allows(&more));
    }
    assert_eq!(held.clone().and(&Permissions::by_nature()).covers(&more), held.covers(&more), "nature gives nothing");

    // a token allows what both its holder and its scope allow
    let tokens: Vec<Permission> = scope.iter().filter_map(|token| token.parse().ok()).collect();
    let narrowed = held.narrowed(&scope);
    let within = tokens.iter().any(|token| covers(token, &asked));
    assert_eq!(allows(&narrowed), allows(&held) && within, "{scope}");
    for token in &tokens {
        let granted = held.grant(token, |_| true);
        let expected = covers(token, &asked) && held.allows(resource, action);
        assert_eq!(granted.iter().any(|permission| covers(permission, &asked)), expected, "{token}");
        let elsewhere = held.grant(token, |_| false);
        assert!(elsewhere.iter().all(|permission| at_most.allows(permission.resource(), permission.action())));
        let met = token.meet(&asked).is_some_and(|met| covers(&met, &asked));
        assert_eq!(met, covers(token, &asked));
        assert_eq!(asked.meet(token).is_some_and(|met| covers(&met, &asked)), met, "{token} and {asked}");
    }
});

/// Whether one permission, held by somebody, allows another.
fn covers(held: &Permission, asked: &Permission) -> bool {
    let list = Acl::of(&[held.to_string().as_str()]).expect("a permission");
    Permissions::compile([&list], &Attributes::new()).allows(asked.resource(), asked.action())
}

fn permission(text: &str) -> Option<Permission> {
    match text.parse::<Permission>() {
        Ok(permission) => {
            assert_eq!(permission.to_string(), text);
            assert!(text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic()));
            assert!(text.parse::<Scope>().is_ok_and(|scope| scope.contains(text)), "{text} is no scope");
            assert!(covers(&permission, &permission));
            assert_eq!(permission.meet(&permission).as_ref(), Some(&permission));
            Some(permission)
        }
        Err(fault) => {
            assert!(fault.chars().count() <= 200 && !fault.contains(char::is_control), "{fault}");
            None
        }
    }
}

fn attributes(line: Option<&str>) -> Attributes {
    let mut attributes = Attributes::new();
    for (key, value) in line.unwrap_or_default().split(',').filter_map(|pair| pair.split_once('=')) {
        attributes.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    attributes
}

fn list(text: &str) -> Option<Acl> {
    let words = |word: Option<&str>| -> Vec<String> {
        word.unwrap_or_default().split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let entry = |line: &str| {
        let mut part = line.split(' ');
        AclEntry { resource: words(part.next()), permission: words(part.next()), attribute_keys: words(part.next()) }
    };
    let list = match text.starts_with('{') {
        true => serde_json::from_str::<Acl>(text).ok()?,
        false => Acl { entries: text.split('\n').filter(|line| !line.is_empty()).map(entry).collect() },
    };
    let json = serde_json::to_string(&list).expect("JSON");
    assert_eq!(serde_json::from_str::<Acl>(&json).expect("a list"), list);
    match list.validate() {
        Ok(()) => Some(list),
        Err(fault) => {
            assert!(fault.chars().count() <= 300, "{fault}");
            None
        }
    }
}
