//! Texts that people read.

/// Whether a character is not text to people: control characters, and those that turn the direction of the text around
/// them.
pub fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text shows anything at all: more than blanks and characters without width, such as joiners, which belong to
/// the texts of some languages but mean nothing alone.
pub fn shows(text: &str) -> bool {
    let is_empty = |c: char| {
        c.is_whitespace()
            || is_unseen(c)
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
            || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}')
            || matches!(c, '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
    };
    !text.chars().all(is_empty)
}

/// Whether a text can stand in one line as somebody's or something's name.
///
/// # Errors
/// What was expected and what was got; `max` is in characters.
pub fn name(text: &str, max: usize) -> Result<(), String> {
    let length = text.chars().count();
    if length == 0 || length > max {
        return Err(format!("expected 1 to {max} characters, got {length}"));
    }
    if text.chars().any(is_unseen) {
        return Err("expected a name without control characters".to_owned());
    }
    if !shows(text) {
        return Err("expected a name that can be seen".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_seen_and_is_read_in_one_direction() {
        for good in ["Ada", "李", "می\u{200c}خواهم", "👩\u{200d}💻", "x\u{feff}"] {
            assert!(name(good, 10).is_ok(), "{good:?}");
        }
        for bad in ["", " ", "\u{200b}", "\u{feff}", "\u{3164}", "a\u{202e}b", "a\nb", "a\0", "12345678901"] {
            assert!(name(bad, 10).is_err(), "{bad:?}");
        }
    }
}
