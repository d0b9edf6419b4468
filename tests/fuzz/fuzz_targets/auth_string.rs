//! An authentication string is refused without a word of what it says, or means the same when it is written anew.

#![no_main]

use keyward::model::auth_string::{AuthString, MAX_LEN};
use libfuzzer_sys::fuzz_target;

/// No fault may repeat it. The fuzzer does not know it.
const PASSWORD: &str = "kw7Q-vZ1x-secret";

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for text in [text, &format!("{text}{PASSWORD}"), &format!("Module=DialogUser;Password={PASSWORD}{text}")] {
        match text.parse::<AuthString>() {
            Err(fault) => assert!(fault.len() <= 120 && !fault.contains("vZ1x"), "{fault}"),
            Ok(auth) => sound(&auth, text),
        }
    }
});

fn sound(auth: &AuthString, text: &str) {
    assert!(text.len() <= MAX_LEN && !auth.module.is_empty());
    let names: Vec<&str> = auth.names().collect();
    assert!(names.len() <= 32);
    for (n, name) in names.iter().enumerate() {
        assert!(!name.is_empty() && !name.eq_ignore_ascii_case("Module"));
        assert!(!names[..n].iter().any(|before| before.eq_ignore_ascii_case(name)), "{name} is there twice");
        assert_eq!(auth.get(name), auth.get(&name.to_ascii_uppercase()));
        assert!(auth.clone().with(name, "again").is_err());
    }
    assert!(!format!("{auth:?}").contains("vZ1x") || auth.module.contains("vZ1x"));

    // quoting may take more room than there was
    let written = auth.to_text();
    if written.len() <= MAX_LEN {
        assert_eq!(written.parse::<AuthString>().as_ref(), Ok(auth), "{}", *written);
    }
    // what follows is one more property, and changes none of those before it
    let room = text.len() + 16 <= MAX_LEN && names.len() < 32;
    if room && !names.iter().any(|name| name.eq_ignore_ascii_case("Probe-")) {
        let longer = format!("{text};Probe-='a;b'").parse::<AuthString>();
        assert_eq!(longer, auth.clone().with("Probe-", "a;b"), "{text}");
    }
}
