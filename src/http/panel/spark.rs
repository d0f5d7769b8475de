//! The mail of the last days as a small line, and in words.

use std::fmt::Write as _;

/// The drawing's height, and the width of a day.
const HEIGHT: i64 = 14;
const DAY: i64 = 2;

/// A line.
pub(super) struct Spark {
    pub(super) path: String,
    pub(super) words: String,
}

impl Spark {
    /// Of some days, the oldest first; none where there is nothing to show.
    pub(super) fn of(days: &[i64]) -> Option<Self> {
        let top = days.iter().copied().max().filter(|top| *top > 0)?;
        let sum: i64 = days.iter().sum();
        let mut path = String::with_capacity(days.len() * 5);
        let mut before = 0;
        for (index, day) in days.iter().enumerate() {
            let y = HEIGHT - (HEIGHT - 1) * day / top;
            // Writing to a string cannot fail.
            let _ = match index {
                0 => write!(path, "M0 {}", y + 1),
                _ if y == before => write!(path, "h{DAY}"),
                _ => write!(path, "l{DAY} {}", y - before),
            };
            before = y;
        }
        let messages = if sum == 1 { "1 message".to_owned() } else { format!("{sum} messages") };
        Some(Self { path, words: format!("{messages} in {} days, at most {top} on one", days.len()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_day_touches_the_top() {
        let spark = Spark::of(&[0, 0, 13, 1]).unwrap();
        assert_eq!(spark.path, "M0 15h2l2 -13l2 12");
        assert_eq!(spark.words, "14 messages in 4 days, at most 13 on one");
        assert!(Spark::of(&[0, 0]).is_none() && Spark::of(&[]).is_none());
    }
}
