//! The day of an SRS address: its number modulo 1024 in two base32 characters.

/// Days after which stamps begin again.
pub const DAY_CYCLE: i64 = 1024;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The stamp of a day.
pub(super) fn of(day: i64) -> String {
    let digit = |number: i64| char::from(BASE32[usize::try_from(number.rem_euclid(32)).unwrap_or(0)]);
    [digit(day.div_euclid(32)), digit(day)].iter().collect()
}

/// A stamp may lie so many days ahead: whoever's clock was set back by a day must not lose its reports.
pub const MAX_DAYS_AHEAD: i64 = 1;

/// How many days ago a stamp was made, in any case: -1 for tomorrow's. One that lies further ahead looks almost a whole
/// cycle old, which is how it is refused (as postsrsd and Mail::SRS do). `None`: no stamp at all.
pub(super) fn age(stamp: &str, day: i64) -> Option<i64> {
    let &[high, low] = stamp.as_bytes() else { return None };
    let value = |digit: u8| BASE32.iter().position(|&known| known == digit.to_ascii_uppercase());
    let made = i64::try_from(value(high)? * BASE32.len() + value(low)?).ok()?;
    Some((day - made + MAX_DAYS_AHEAD).rem_euclid(DAY_CYCLE) - MAX_DAYS_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_cycle_comes_back() {
        for day in 19_000..19_000 + DAY_CYCLE {
            for age_now in [-MAX_DAYS_AHEAD, 0, 1, 21, DAY_CYCLE - MAX_DAYS_AHEAD - 1] {
                assert_eq!(age(&of(day), day + age_now), Some(age_now));
                assert_eq!(age(&of(day).to_ascii_lowercase(), day + age_now), Some(age_now));
            }
            let ahead = MAX_DAYS_AHEAD + 1;
            assert_eq!(age(&of(day + ahead), day), Some(DAY_CYCLE - ahead), "a stamp of the future");
        }
    }

    #[test]
    fn what_is_no_stamp_has_no_age() {
        for text in ["", "A", "A1", "A0", "AAA", "Ä", "é"] {
            assert_eq!(age(text, 20_000), None, "{text}");
        }
    }
}
