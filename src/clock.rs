//! The only caller of the wall clock and the monotonic clock. Manual in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::mail::Moment;

/// A difference over this between the wall clock and the time that has passed is a jump.
pub const JUMP: Duration = Duration::from_secs(5 * 60);

/// Tells the time; cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
struct Source {
    /// Where a manual clock stands: its wall, and the milliseconds that have passed.
    manual: Option<(AtomicI64, AtomicI64)>,
    /// Milliseconds that have passed on a hastened clock beside those of the machine's.
    hastened: Option<AtomicI64>,
    /// The wall when this clock was made, and the monotonic clock then.
    began: (Moment, Instant),
    /// How far the wall has ever been ahead of, and behind, what has passed since.
    ahead: AtomicI64,
    behind: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::made((None, None), system_now())
    }

    /// The machine's clock, but that more time passes on it when it is told to.
    #[must_use]
    pub fn hastened() -> Self {
        Self::made((None, Some(AtomicI64::new(0))), system_now())
    }

    /// A clock that stands at `moment` until it is moved.
    #[must_use]
    pub fn manual(moment: Moment) -> Self {
        Self::made((Some((AtomicI64::new(moment.millis()), AtomicI64::new(0))), None), moment)
    }

    fn made((manual, hastened): (Option<(AtomicI64, AtomicI64)>, Option<AtomicI64>), now: Moment) -> Self {
        let began = (now, Instant::now());
        Self(Arc::new(Source { manual, hastened, began, ahead: AtomicI64::new(0), behind: AtomicI64::new(0) }))
    }

    /// The present, in UTC.
    #[must_use]
    pub fn now(&self) -> Moment {
        match &self.0.manual {
            None => system_now().after(self.haste()),
            Some((wall, _)) => Moment::from_millis(wall.load(Ordering::Relaxed)),
        }
    }

    /// Lets time pass on a manual or a hastened clock; the system's clock is nobody's to move.
    pub fn advance(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        if let Some((wall, passed)) = &self.0.manual {
            wall.fetch_add(millis, Ordering::Relaxed);
            passed.fetch_add(millis, Ordering::Relaxed);
        }
        if let Some(hastened) = &self.0.hastened {
            hastened.fetch_add(millis, Ordering::Relaxed);
        }
    }

    fn haste(&self) -> Duration {
        let millis = self.0.hastened.as_ref().map_or(0, |hastened| hastened.load(Ordering::Relaxed));
        Duration::from_millis(millis.unsigned_abs())
    }

    /// Sets the wall of a manual clock to another moment, as an operator or a time server does: no time passes.
    pub fn set(&self, moment: Moment) {
        if let Some((wall, _)) = &self.0.manual {
            wall.store(moment.millis(), Ordering::Relaxed);
        }
    }

    /// What the wall would show had nobody set it since this clock was made.
    #[must_use]
    pub fn steady(&self) -> Moment {
        let (wall, began) = self.0.began;
        match &self.0.manual {
            None => wall.after(began.elapsed() + self.haste()),
            Some((_, passed)) => wall.after(Duration::from_millis(passed.load(Ordering::Relaxed).unsigned_abs())),
        }
    }

    /// By how much the wall has been set since, in milliseconds: ahead, or back. A clock that is only slow or fast is not.
    #[must_use]
    pub fn jumped(&self) -> i64 {
        let off = self.now().millis() - self.steady().millis();
        if off.unsigned_abs() <= u64::try_from(JUMP.as_millis()).unwrap_or(u64::MAX) {
            return 0;
        }
        self.0.ahead.fetch_max(off, Ordering::Relaxed);
        self.0.behind.fetch_min(off, Ordering::Relaxed);
        off
    }

    /// The present for whatever deletes: not later than time has really passed to.
    #[must_use]
    pub fn cautious(&self) -> Moment {
        Moment::from_millis(self.now().millis() - self.jumped().max(0))
    }

    /// How old something is that was dated by this clock. What was dated before the wall was set ahead is not older for it.
    #[must_use]
    pub fn age(&self, then: Moment) -> Duration {
        let cautious = self.cautious();
        if then > cautious { self.now().since(then) } else { cautious.since(then) }
    }

    /// The same as a moment: when it was, by the time that has really passed since.
    #[must_use]
    pub fn passed(&self, then: Moment) -> Moment {
        self.now().before(self.age(then))
    }

    /// Each present that the wall has shown since this clock was made, were it set so again: what was dated then is not
    /// of the future now, nor of long ago.
    #[must_use]
    pub fn presents(&self) -> [Moment; 4] {
        let now = self.now();
        let steady = now.millis() - self.jumped();
        let offsets = [0, self.0.ahead.load(Ordering::Relaxed), self.0.behind.load(Ordering::Relaxed)];
        let [plain, ahead, behind] = offsets.map(|off| Moment::from_millis(steady + off));
        [now, plain, ahead, behind]
    }

    /// The kernel's monotonic clock, as service managers want it.
    #[must_use]
    pub fn since_boot(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::try_from(now).unwrap_or_default() + self.haste()
    }

    /// The monotonic clock, for deadlines (tokio's, so that tests can pause it).
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
fn system_now() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn clock() -> Clock {
        Clock::manual(Moment::from_millis(1_795_373_784_120))
    }

    #[test]
    fn time_that_passes_is_no_jump_and_ages() {
        let clock = clock();
        let then = clock.now();
        clock.advance(40 * DAY);
        assert_eq!((clock.jumped(), clock.age(then), clock.cautious()), (0, 40 * DAY, clock.now()));
        assert_eq!(clock.presents(), [clock.now(); 4]);
    }

    #[test]
    fn what_is_dated_before_a_jump_is_not_older_for_it() {
        let clock = clock();
        let then = clock.now();
        clock.advance(DAY);
        clock.set(clock.now().after(30 * DAY));
        let after = clock.now();
        assert_eq!((clock.age(then), clock.age(after)), (DAY, Duration::ZERO));
        clock.advance(DAY);
        assert_eq!((clock.age(then), clock.age(after)), (2 * DAY, DAY));
        assert_eq!(clock.cautious(), then.after(2 * DAY));
    }

    #[test]
    fn a_clock_set_back_makes_nothing_older() {
        let clock = clock();
        let then = clock.now();
        clock.set(then.before(DAY));
        assert_eq!((clock.age(then), clock.cautious()), (Duration::ZERO, clock.now()));
        clock.advance(3 * DAY);
        assert_eq!(clock.age(then), 2 * DAY);
    }

    #[test]
    fn a_day_that_the_wall_has_shown_is_remembered() {
        let clock = clock();
        let then = clock.now();
        clock.set(then.after(30 * DAY));
        assert!(clock.presents().contains(&then));
        clock.set(then);
        assert!(clock.presents().contains(&then.after(30 * DAY)));
    }

    #[test]
    fn on_a_hastened_clock_time_passes_without_a_jump() {
        let (clock, system) = (Clock::hastened(), Clock::system());
        let then = clock.now();
        clock.advance(40 * DAY);
        system.advance(40 * DAY);
        assert_eq!(clock.jumped(), 0);
        assert!(clock.age(then) >= 40 * DAY && system.now().since(then) < DAY);
    }

    #[test]
    fn the_system_s_clock_goes_with_its_steps() {
        let clock = Clock::system();
        assert_eq!(clock.jumped(), 0);
        assert!(clock.since_boot() > Duration::ZERO);
    }
}
