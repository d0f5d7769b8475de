//! What DNS said of domains when somebody looked last, as long as the process runs: a page shows it at once, and does not
//! have every visit ask a dozen name servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::shapes::RecordsShape;
use crate::mail::{Domain, Moment};

/// Domains that are remembered.
const MAX_LOOKS: usize = 500;
/// A look is shown again for so long.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// What a look counts for: the domain as it was then, and the gateway's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookedAt {
    pub(super) id: Uuid,
    pub(super) version: i64,
    pub(super) hostname: Domain,
}

/// Remembers; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks(Arc<Mutex<BTreeMap<Uuid, (LookedAt, RecordsShape)>>>);

impl Looks {
    /// The last look at this, unless it is old.
    pub(super) fn last(&self, at: &LookedAt, now: Moment) -> Option<RecordsShape> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (was, shape) = looks.get(&at.id)?;
        (was == at && now.since(shape.checked_at) < FRESH_FOR).then(|| shape.clone())
    }

    /// Keeps a look; when there are too many, all others are forgotten.
    pub(super) fn keep(&self, at: LookedAt, shape: RecordsShape) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= MAX_LOOKS {
            looks.clear();
        }
        looks.insert(at.id, (at, shape));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::records::Standing;

    #[test]
    fn a_look_counts_for_what_it_was_made_of_and_for_a_while() {
        let (looks, now) = (Looks::default(), Moment::from_millis(1_795_373_784_000));
        let at = LookedAt { id: Uuid::nil(), version: 1, hostname: Domain::parse("mx.my.example").unwrap() };
        let shape = RecordsShape {
            domain: "my.example".to_owned(),
            dns: Standing::Ok,
            checked_at: now,
            records: Vec::new(),
            host: Vec::new(),
        };
        looks.keep(at.clone(), shape);
        assert!(looks.last(&at, now).is_some());
        assert!(looks.last(&at, now.after(FRESH_FOR)).is_none());
        assert!(looks.last(&LookedAt { version: 2, ..at.clone() }, now).is_none());
        assert!(looks.last(&LookedAt { hostname: Domain::parse("b.example").unwrap(), ..at }, now).is_none());
    }
}
