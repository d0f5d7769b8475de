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
        let (wall, steady) = (clock.now(), clock.instant());
        let passed = steady.saturating_duration_since(seen.steady);
        let expected = seen.wall.after(passed);
        if wall.since(expected).max(expected.since(wall)) > JUMP {
            seen.frozen_until = Some(steady + FREEZE);
            tracing::warn!(%wall, %expected, "the clock jumped; nothing expires for an hour");
        }
        (seen.wall, seen.steady) = (wall, steady);
        seen.frozen_until.is_some_and(|until| until > steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_jump_freezes_for_an_hour() {
        let clock = Clock::manual(Moment::from_millis(1_795_373_784_120));
        let jumps = Jumps::new(&clock);
        let pass = async |span: Duration| {
            clock.advance(span);
            tokio::time::advance(span).await;
        };
        pass(Duration::from_secs(86_400)).await;
        assert!(!jumps.freeze(&clock), "time that passes is no jump");
        clock.advance(Duration::from_secs(30 * 86_400));
        assert!(jumps.freeze(&clock));
        pass(Duration::from_secs(3599)).await;
        assert!(jumps.freeze(&clock));
        pass(Duration::from_secs(2)).await;
        assert!(!jumps.freeze(&clock));
    }
}
