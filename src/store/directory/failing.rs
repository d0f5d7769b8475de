//! Destinations that refused their mailbox a short while ago, with what the next hop said. New mail for them is refused
//! at RCPT without another connection, until the time is over, a delivery succeeds, or their owner changes them.
//!
//! Nearly always there are none, and then asking costs no more than a look. Nothing of it outlives the process.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::mail::Mailbox;
use crate::smtp::reply::Reply;

/// A destination that refused its mailbox is not tried again for new mail so long.
pub const FAILING_FOR: Duration = Duration::from_secs(600);
/// Refusing destinations that are remembered at most.
const MAX_FAILING: usize = 10_000;

type Remembered = HashMap<String, (Instant, Reply)>;

#[derive(Debug, Default)]
pub(super) struct Failing(RwLock<Remembered>);

impl Failing {
    /// Remembers what was said at `now`; where there are too many already, only those whose time is over make room.
    pub(super) fn remember(&self, destination: &Mailbox, reply: Reply, now: Instant) {
        let mut failing = self.write();
        if failing.len() >= MAX_FAILING {
            failing.retain(|_, (since, _)| is_recent(*since, now));
        }
        if failing.len() < MAX_FAILING {
            failing.insert(destination.key(), (now, reply));
        }
    }

    /// What it said, if that is still remembered.
    pub(super) fn of(&self, destination: &Mailbox, now: impl FnOnce() -> Instant) -> Option<Reply> {
        let failing = self.read();
        if failing.is_empty() {
            return None;
        }
        let (since, reply) = failing.get(&destination.key())?;
        if is_recent(*since, now()) {
            return Some(reply.clone());
        }
        drop(failing);
        self.forget(&destination.key());
        None
    }

    /// How long it is still remembered.
    pub(super) fn left(&self, destination: &Mailbox, now: Instant) -> Option<Duration> {
        let left = FAILING_FOR.checked_sub(now.saturating_duration_since(self.read().get(&destination.key())?.0))?;
        Some(left).filter(|left| !left.is_zero())
    }

    /// It took mail, or its owner changed it.
    pub(super) fn forget(&self, key: &str) {
        self.write().remove(key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    fn read(&self) -> RwLockReadGuard<'_, Remembered> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Remembered> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < FAILING_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_whose_time_is_over_make_room_and_others_do_not() {
        let (failing, gone) = (Failing::default(), Reply::new(550, 1, 1, "gone"));
        let mailbox = |number: usize| Mailbox::parse(&format!("a{number}@inbox.example")).unwrap();
        let start = Instant::now();
        (0..MAX_FAILING).for_each(|number| failing.remember(&mailbox(number), gone.clone(), start));
        let one_more = mailbox(MAX_FAILING);
        failing.remember(&one_more, gone.clone(), start);
        assert_eq!(failing.of(&one_more, || start), None);
        failing.remember(&one_more, gone.clone(), start + FAILING_FOR);
        assert_eq!(failing.left(&one_more, start + FAILING_FOR + FAILING_FOR / 4), Some(FAILING_FOR / 4 * 3));
        assert_eq!(failing.left(&one_more, start + FAILING_FOR * 2), None);
        assert_eq!(failing.of(&one_more, || start + FAILING_FOR), Some(gone));
        assert_eq!(failing.read().len(), 1);
    }
}
