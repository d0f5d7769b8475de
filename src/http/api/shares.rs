//! Places for what goes on for long: so many in all, and so many for one account, or one person could take them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::policy::ids::AccountId;

/// How many places there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) in_all: usize,
    pub(super) for_account: usize,
}

/// What is taken of them; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    places: Places,
    taken: Arc<Mutex<HashMap<AccountId, usize>>>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// Nobody finds one.
    All,
    /// This account has its share.
    Own,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Shares,
    account: AccountId,
}

impl Shares {
    pub(super) fn new(places: Places) -> Self {
        Self { places, taken: Arc::default() }
    }

    /// Takes one more, if there is one.
    pub(super) fn take(&self, account: AccountId) -> Result<Share, Full> {
        let mut taken = self.lock();
        if taken.values().sum::<usize>() >= self.places.in_all {
            return Err(Full::All);
        }
        let own = taken.entry(account).or_default();
        if *own >= self.places.for_account {
            return Err(Full::Own);
        }
        *own += 1;
        Ok(Share { of: self.clone(), account })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.lock();
        if let Some(own) = taken.get_mut(&self.account) {
            *own -= 1;
        }
        taken.retain(|_, own| *own > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_a_share_and_all_no_more_than_there_are() {
        let shares = Shares::new(Places { in_all: 3, for_account: 2 });
        let take = |account| shares.take(AccountId(account));
        let (first, _second) = (take(1).unwrap(), take(1).unwrap());
        assert_eq!(take(1).unwrap_err(), Full::Own);
        let third = take(2).unwrap();
        assert_eq!(take(3).unwrap_err(), Full::All);
        drop(third);
        assert!(take(3).is_ok());
        drop(first);
        assert!(take(1).is_ok());
        assert!(shares.lock().len() <= 2, "who has nothing is not kept");
    }
}
