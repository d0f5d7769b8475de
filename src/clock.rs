//! The only caller of the wall clock and the monotonic clock. Manual in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::mail::Moment;

/// Tells the time; cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `moment` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(moment: Moment) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(moment.millis()))))
    }

    /// The present, in UTC.
    #[must_use]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(millis) => Moment::from_millis(millis.load(Ordering::Relaxed)),
        }
    }

    /// Moves a manual clock forward; the system's clock is nobody's to move.
    pub fn advance(&self, span: Duration) {
        if let Source::Manual(millis) = &self.0 {
            millis.store(self.now().after(span).millis(), Ordering::Relaxed);
        }
    }

    /// The kernel's monotonic clock, as service managers want it.
    #[must_use]
    pub fn since_boot(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::try_from(now).unwrap_or_default()
    }

    /// The monotonic clock, for deadlines (tokio's, so that tests can pause it).
    #[must_use]
    pub fn instant(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
fn system_now() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Moment::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
