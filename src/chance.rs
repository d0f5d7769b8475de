//! The only randomness: ids, jitter, shuffles, tokens. Seeded in tests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use uuid::Uuid;

use crate::mail::Moment;

/// Octets in a token: 256 bits.
pub const TOKEN_OCTETS: usize = 32;

/// A source of randomness; cheap to clone.
#[derive(Clone)]
pub struct Chance(Option<Arc<Mutex<StdRng>>>);

impl Chance {
    /// The operating system's generator, stretched by each thread's own.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// The same sequence for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        match &self.0 {
            None => draw(&mut rand::rng()),
            Some(seeded) => draw(&mut *seeded.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// A UUID of version 7: sortable by the moment.
    #[must_use]
    pub fn id(&self, now: Moment) -> Uuid {
        let mut random = [0; 10];
        self.with(|rng| rng.fill_bytes(&mut random));
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.millis()).unwrap_or(0), &random).into_uuid()
    }

    /// 256 random bits.
    #[must_use]
    pub fn token(&self) -> [u8; TOKEN_OCTETS] {
        let mut token = [0; TOKEN_OCTETS];
        self.with(|rng| rng.fill_bytes(&mut token));
        token
    }

    /// `span` more or less a fifth of itself, so that retries do not march in step.
    #[must_use]
    pub fn jitter(&self, span: Duration) -> Duration {
        span.mul_f64(self.spread())
    }

    fn spread(&self) -> f64 {
        self.with(|rng| rng.random_range(0.8..1.2))
    }

    /// Waits from `now` on, each longer or shorter by the same part: those of equal length end at the same moment.
    #[must_use]
    pub fn pace(&self, now: Moment) -> Pace {
        Pace { now, spread: self.spread() }
    }

    /// Shuffles in place (equal MX preferences, RFC 5321 §5.1).
    pub fn shuffle<T>(&self, items: &mut [T]) {
        self.with(|rng| items.shuffle(rng));
    }
}

/// The pace of all deliveries that were tried together: due together, one transaction carries them again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// When the waits begin.
    pub now: Moment,
    spread: f64,
}

impl Pace {
    /// When such a wait is over, which takes no less than `floor`.
    #[must_use]
    pub fn after(self, wait: Duration, floor: Duration) -> Moment {
        self.now.after(wait.mul_f64(self.spread).max(floor))
    }
}

impl std::fmt::Debug for Chance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Chance(seeded)" } else { "Chance(system)" })
    }
}
