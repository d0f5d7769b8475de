//! Mail that rules with a share have been promised: taken at RCPT, and neither accepted nor given up yet. Sessions that run
//! beside each other count each other's, so that together they pass no share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::policy::ids::AliasId;

/// All of them, by alias; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pledges(Arc<Mutex<HashMap<AliasId, u64>>>);

/// One message that an alias was promised, until this is dropped: behind the record that counts it.
#[derive(Debug)]
pub struct Pledge {
    pledges: Pledges,
    alias: AliasId,
    /// How many there were before.
    others: u64,
}

impl Pledges {
    pub(super) fn make(&self, alias: AliasId) -> Pledge {
        let others = self.with(|all| {
            let count = all.entry(alias).or_default();
            *count += 1;
            *count - 1
        });
        Pledge { pledges: self.clone(), alias, others }
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<AliasId, u64>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pledge {
    pub(super) const fn alias(&self) -> AliasId {
        self.alias
    }

    pub(super) const fn others(&self) -> u64 {
        self.others
    }
}

impl Drop for Pledge {
    fn drop(&mut self) {
        self.pledges.with(|all| match all.get_mut(&self.alias) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(all.remove(&self.alias)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_those_before_it_and_nothing_is_remembered_of_what_is_over() {
        let pledges = Pledges::default();
        let (first, second) = (pledges.make(AliasId(1)), pledges.make(AliasId(1)));
        assert_eq!((first.others(), second.others(), pledges.make(AliasId(2)).others()), (0, 1, 0));
        drop(first);
        assert_eq!(pledges.make(AliasId(1)).others(), 1);
        drop(second);
        assert!(pledges.with(|all| all.is_empty()));
    }
}
