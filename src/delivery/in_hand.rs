//! The deliveries that an attempt of this process has in hand.
//!
//! A lease may lapse under its attempt: the clock jumps, the machine sleeps, or storage is unwell for longer than a lease
//! lasts. What is in hand is not tried a second time beside the first, whatever its lease says.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::courier::Shared;
use super::settle::give_back;

/// For each delivery in hand whether the scheduler claimed it again meanwhile.
#[derive(Debug, Default)]
pub(super) struct InHand(Mutex<HashMap<Uuid, bool>>);

impl InHand {
    /// Takes a delivery in hand; false where an attempt has it, whose end then gives the new lease back.
    pub(super) fn take(&self, id: Uuid) -> bool {
        match self.lock().entry(id) {
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
            Entry::Occupied(mut taken) => {
                taken.insert(true);
                false
            }
        }
    }

    /// Lets deliveries go; gives those that were claimed again.
    fn let_go(&self, ids: &[Uuid]) -> Vec<Uuid> {
        let mut in_hand = self.lock();
        ids.iter().copied().filter(|id| in_hand.remove(id) == Some(true)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deliveries that were taken; let go when dropped, whatever became of their attempt.
pub(super) struct Hand {
    shared: Arc<Shared>,
    ids: Vec<Uuid>,
}

impl Hand {
    /// Of deliveries that [`InHand::take`] gave.
    pub(super) const fn of(shared: Arc<Shared>, ids: Vec<Uuid>) -> Self {
        Self { shared, ids }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let again = self.shared.in_hand.let_go(&self.ids);
        // Without a runtime the process ends, and the lease lapses with it.
        if let (false, Ok(runtime)) = (again.is_empty(), Handle::try_current()) {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move { give_back(&shared, again, Duration::ZERO).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_in_one_hand_and_its_end_hears_of_a_second_claim() {
        let (in_hand, [a, b]) = (InHand::default(), [1, 2].map(Uuid::from_u128));
        assert!(in_hand.take(a) && in_hand.take(b));
        assert!(!in_hand.take(a));
        assert_eq!(in_hand.let_go(&[a, b]), [a]);
        assert!(in_hand.take(a) && in_hand.take(b));
        assert!(in_hand.let_go(&[a, b]).is_empty());
    }
}
