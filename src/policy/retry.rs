//! When a deferred delivery is tried again, and when it is given up.

use std::time::Duration;

use super::settings::Instance;
use crate::mail::Moment;

/// Tries before a delivery may expire.
pub const MIN_TRIES_BEFORE_EXPIRY: u32 = 8;
/// Lifetime of mail from the null sender, at most.
pub const NULL_SENDER_LIFETIME: Duration = Duration::from_secs(2 * 86_400);
/// The next try after an outcome that is unknown.
pub const AFTER_UNKNOWN: Duration = Duration::from_secs(300);

/// What is known after a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Tries so far, this one included.
    pub tries: u32,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// The present.
    pub now: Moment,
    /// From the null sender.
    pub null_sender: bool,
    /// The outcome was unknown.
    pub unknown: bool,
    /// A clock jump froze expiry.
    pub frozen: bool,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another try after so long (before jitter).
    Wait(Duration),
    /// Given up.
    Expire,
}

/// Decides by `delivery.retry` and `delivery.lifetime`.
#[must_use]
pub fn next(tried: &Tried, settings: &Instance) -> Next {
    let _ = (tried, settings);
    todo!("policy")
}
