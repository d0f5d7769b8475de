//! How often a digest is sent.

use std::time::Duration;

use super::HOUR;
use crate::mail::Moment;

/// A digest that is late by more than this is of the present, and the next one follows from it.
const LATE: Duration = HOUR.saturating_mul(6);

/// `notify.digest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// None.
    Off,
    /// One a day.
    Daily,
    /// One a week.
    Weekly,
    /// One in thirty days.
    Monthly,
}

impl Digests {
    /// From one to the next.
    #[must_use]
    pub const fn every(self) -> Option<Duration> {
        let days = match self {
            Self::Off => return None,
            Self::Daily => 1,
            Self::Weekly => 7,
            Self::Monthly => 30,
        };
        Some(HOUR.saturating_mul(24 * days))
    }

    /// What is to be noted as the moment of the digest that is due now, if one is; it keeps its time of day.
    #[must_use]
    pub fn due(self, last: Moment, now: Moment) -> Option<Moment> {
        let next = last.after(self.every()?);
        if next > now {
            return None;
        }
        Some(if now.since(next) > LATE { now } else { next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_each_week_at_its_time_and_once_after_a_long_silence() {
        let last = Moment::from_millis(1_795_373_784_000);
        let week = HOUR * 24 * 7;
        let minute = Duration::from_secs(60);
        assert_eq!(Digests::Weekly.due(last, last.after(week - minute)), None);
        assert_eq!(Digests::Weekly.due(last, last.after(week + minute)), Some(last.after(week)));
        assert_eq!(Digests::Weekly.due(last, last.after(week * 5)), Some(last.after(week * 5)));
        assert_eq!(Digests::Daily.due(last, last.after(HOUR * 24)), Some(last.after(HOUR * 24)));
        assert_eq!(Digests::Monthly.due(last, last.after(week * 4)), None);
        assert_eq!(Digests::Off.due(last, last.after(week * 500)), None);
    }
}
