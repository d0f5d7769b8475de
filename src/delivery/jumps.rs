//! Notices when the wall clock is set: expiry is frozen for a while, since a wrong clock must not give up young mail (DESIGN
//! section 4), and what waits does not wait longer for a clock that was set back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Clock, JUMP};

/// Nothing expires for so long after a jump.
const FREEZE: Duration = Duration::from_secs(3600);

/// What was seen when the clocks were last compared.
#[derive(Debug, Default)]
pub(super) struct Jumps(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// How far the wall was set ahead of the time that has passed, in milliseconds.
    off: i64,
    frozen_until: Option<Instant>,
    /// How far the wall was set back since that was last asked, in milliseconds.
    back: i64,
}

impl Jumps {
    /// Compares the clocks; whether expiry is frozen now.
    pub(super) fn freeze(&self, clock: &Clock) -> bool {
        let now = clock.instant();
        self.look(clock, now).frozen_until.is_some_and(|until| until > now)
    }

    /// How far the clock was set back since this was last asked.
    pub(super) fn set_back(&self, clock: &Clock) -> Option<Duration> {
        let back = std::mem::take(&mut self.look(clock, clock.instant()).back);
        (back > 0).then(|| Duration::from_millis(back.unsigned_abs()))
    }

    fn look(&self, clock: &Clock, now: Instant) -> std::sync::MutexGuard<'_, Seen> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let off = clock.jumped();
        let by = off - seen.off;
        if by.unsigned_abs() > u64::try_from(JUMP.as_millis()).unwrap_or(u64::MAX) {
            tracing::warn!(wall = %clock.now(), expected = %clock.steady(), "the clock was set; nothing expires for an hour");
            seen.frozen_until = Some(now + FREEZE);
            seen.back += (-by).max(0);
            seen.off = off;
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Moment;

    const MINUTE: Duration = Duration::from_secs(60);

    fn clock() -> Clock {
        Clock::manual(Moment::from_millis(1_795_373_784_120))
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_freezes_for_an_hour_and_time_that_passes_does_not() {
        let (clock, jumps) = (clock(), Jumps::default());
        clock.advance(MINUTE * 1440);
        assert!(!jumps.freeze(&clock));
        clock.set(clock.now().after(MINUTE * 5));
        assert!(!jumps.freeze(&clock));
        clock.set(clock.now().after(MINUTE * 60 * 24 * 30));
        assert!(jumps.freeze(&clock) && jumps.freeze(&clock));
        tokio::time::advance(FREEZE).await;
        assert!(!jumps.freeze(&clock));
        clock.set(clock.now().before(MINUTE * 6));
        assert!(jumps.freeze(&clock));
    }

    #[tokio::test]
    async fn a_clock_set_back_is_told_once() {
        let (clock, jumps) = (clock(), Jumps::default());
        clock.set(clock.now().after(MINUTE * 60));
        assert_eq!(jumps.set_back(&clock), None);
        clock.set(clock.now().before(MINUTE * 60));
        assert!(jumps.freeze(&clock));
        assert_eq!(jumps.set_back(&clock), Some(MINUTE * 60));
        assert_eq!(jumps.set_back(&clock), None);
    }
}
