//! Notices when the wall clock jumps against the monotonic one, and freezes expiry for a while: a wrong clock must not give
//! up young mail (DESIGN section 4).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::mail::Moment;

/// A difference over this is a jump.
const JUMP: Duration = Duration::from_secs(5 * 60);
/// Nothing expires for so long after one.
const FREEZE: Duration = Duration::from_secs(3600);

/// The two clocks when they were last compared.
#[derive(Debug)]
pub(super) struct Jumps(Mutex<Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    wall: Moment,
    steady: Instant,
    frozen_until: Option<Instant>,
}

impl Jumps {
    /// Starts to watch.
    pub(super) fn new(clock: &Clock) -> Self {
        Self(Mutex::new(Seen { wall: clock.now(), steady: clock.instant(), frozen_until: None }))
    }

    /// Compares the clocks; whether expiry is frozen now.
    pub(super) fn freeze(&self, clock: &Clock) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = seen.then(clock.now(), clock.instant());
        seen.frozen_until.is_some_and(|until| until > seen.steady)
    }
}

impl Seen {
    fn then(self, wall: Moment, steady: Instant) -> Self {
        let expected = self.wall.after(steady.saturating_duration_since(self.steady));
        let jumped = wall.since(expected).max(expected.since(wall)) > JUMP;
        if jumped {
            tracing::warn!(%wall, %expected, "the clock jumped; nothing expires for an hour");
        }
        let frozen_until = if jumped { Some(steady + FREEZE) } else { self.frozen_until };
        Self { wall, steady, frozen_until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_jump_freezes_for_an_hour_and_time_that_passes_does_not() {
        let clock = Clock::manual(Moment::from_millis(1_795_373_784_120));
        let seen = Seen { wall: clock.now(), steady: clock.instant(), frozen_until: None };
        let day = seen.then(seen.wall.after(MINUTE * 1440), seen.steady + MINUTE * 1440);
        assert_eq!(day.frozen_until, None);
        for wall in [day.wall.after(MINUTE * 6), day.wall.before(MINUTE * 6)] {
            assert_eq!(day.then(wall, day.steady).frozen_until, Some(day.steady + FREEZE));
        }
        assert_eq!(day.then(day.wall.after(MINUTE * 5), day.steady).frozen_until, None);
    }

    #[tokio::test]
    async fn a_clock_that_jumps_freezes() {
        let clock = Clock::manual(Moment::from_millis(1_795_373_784_120));
        let jumps = Jumps::new(&clock);
        assert!(!jumps.freeze(&clock));
        clock.advance(MINUTE * 60 * 24 * 30);
        assert!(jumps.freeze(&clock) && jumps.freeze(&clock));
    }
}
