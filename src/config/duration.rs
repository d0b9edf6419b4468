//! Durations as people write them: `500ms`, `10m`, `1h30m`, `30d`.

use std::time::Duration;

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration: whole numbers, each with a unit (`ms`, `s`, `m`, `h`, `d`); a bare number means seconds.
/// `None` if the text is anything else or the sum is beyond 64 bits of milliseconds.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return Some(Duration::from_millis(seconds.checked_mul(1000)?));
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(unit_at);
        let (unit, tail) = tail.split_at(tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len()));
        let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(millis)?)?;
        rest = tail;
    }
    Some(Duration::from_millis(total))
}

/// The usual way to write a duration in one unit: minutes and days only from two on, because people say "60s" and
/// "24h".
pub fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let fits = |&(name, unit): &(&str, u64)| {
        let unit = u128::from(unit);
        millis.is_multiple_of(unit) && (!matches!(name, "m" | "d") || millis >= 2 * unit)
    };
    let (name, unit) = UNITS.into_iter().find(fits).unwrap_or(("ms", 1));
    format!("{}{name}", millis / u128::from(unit))
}

/// That many milliseconds.
pub(super) const fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// That many seconds.
pub(super) const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// That many minutes.
pub(super) const fn minutes(number: u64) -> Duration {
    Duration::from_secs(number * 60)
}

/// That many hours.
pub(super) const fn hours(number: u64) -> Duration {
    Duration::from_secs(number * 3600)
}

/// That many days.
pub(super) const fn days(number: u64) -> Duration {
    Duration::from_secs(number * 86_400)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_ways_to_write_a_duration_are_read() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("60", 60_000),
            ("500ms", 500),
            ("60s", 60_000),
            ("10m", 600_000),
            ("12h", 43_200_000),
            ("30d", 2_592_000_000),
            ("1h30m", 5_400_000),
            (" 10m ", 600_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "m",
            "10 m",
            "-1s",
            "1.5h",
            "10M",
            "10x",
            "1s2",
            "s1",
            "18446744073709551615d",
            "99999999999999999999",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_people_say_it() {
        for text in ["0s", "250ms", "1500ms", "60s", "90s", "2m", "10m", "1h", "24h", "12h", "3d", "30d"] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0u64..10_000_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Some(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[0-9msdh]*") {
            let _ = parse(&text);
        }
    }
}
