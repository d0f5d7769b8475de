//! Plain counters that anyone may raise; `http` renders them.

use std::sync::atomic::{AtomicU64, Ordering};

/// One counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it by one.
    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Lowers it by one (for gauges).
    pub fn lower(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// What it stands at.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters of the process.
#[derive(Debug, Default)]
pub struct Meter {
    /// SMTP connections accepted.
    pub connections: Counter,
    /// SMTP connections open now.
    pub open_connections: Counter,
    /// Connections turned away because too many were open.
    pub connections_refused: Counter,
    /// Connections, recipients and messages that one of `[limits]` turned away.
    pub limited: Counter,
    /// Recipients turned away because a DNS list has their client or sender.
    pub listed: Counter,
    /// Recipients whose client was asked to come again by greylisting.
    pub greylisted: Counter,
    /// Clients that were not known yet, so that their greeting was held back a moment.
    pub greetings_held: Counter,
    /// Clients that spoke before the greeting.
    pub early_talkers: Counter,
    /// Refusals that the tarpit held back.
    pub held_back: Counter,
    /// Sessions ended because the client did not speak SMTP.
    pub foreign: Counter,
    /// Messages answered 250.
    pub accepted: Counter,
    /// Of these, delivered before the answer.
    pub direct: Counter,
    /// Of these, answered after a commit to the queue.
    pub queued: Counter,
    /// Messages answered 4xx or 5xx after their end.
    pub turned_away: Counter,
    /// HTTP connections hung up on by a limit.
    pub http_connections_refused: Counter,
}
