//! How far from now a time is.

/// What durations are counted in, with the milliseconds of each, rising.
pub(super) const UNITS: [(&str, i64); 5] =
    [("second", 1000), ("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000), ("week", 604_800_000)];
/// Days between now and a time: a hundred years, so that whatever is added to a clock's time stays a time.
pub(super) const MAX_DAYS: i64 = 36_525;

/// The milliseconds of a unit, which may be named in the plural and in any case.
pub(super) fn unit(name: &str) -> Option<i64> {
    let is = |unit: &str| {
        let plural = name.len() == unit.len() + 1 && name.ends_with(['s', 'S']);
        name.eq_ignore_ascii_case(unit) || (plural && name[..unit.len()].eq_ignore_ascii_case(unit))
    };
    UNITS.iter().find(|(unit, _)| is(unit)).map(|(_, millis)| *millis)
}

/// The sum, in milliseconds, if it is at most [`MAX_DAYS`]. `number` is made of digits.
pub(super) fn moved(from: i64, later: bool, number: &str, unit: i64) -> Option<i64> {
    let length = number.parse::<i64>().ok()?.checked_mul(unit)?;
    let sum = if later { from.checked_add(length)? } else { from.checked_sub(length)? };
    (sum.abs() <= MAX_DAYS * 86_400_000).then_some(sum)
}
