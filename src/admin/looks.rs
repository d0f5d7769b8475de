//! What DNS said of domains when somebody looked last, as long as the process runs: a page shows it at once, and no visit
//! waits for a dozen name servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::shapes::RecordsShape;
use crate::mail::{Domain, Moment};

/// Domains that are remembered.
const MAX_LOOKS: usize = 500;
/// After so long it is time for another look.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// What a look counts for: the domain as it was then, and the gateway's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookedAt {
    pub(super) id: Uuid,
    pub(super) version: i64,
    pub(super) hostname: Domain,
}

/// What is known of the records of a domain.
#[derive(Debug, Clone)]
pub struct KnownRecords {
    /// What was seen; where nobody has looked yet, what is wanted.
    pub records: RecordsShape,
    /// Whether it still counts.
    pub age: LookAge,
    /// What was wrong, in words, by the last look of all, be it by a process before this one.
    pub wrong: Vec<String>,
}

/// How old a look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookAge {
    /// It tells how things are.
    Fresh,
    /// It tells how things were.
    Old,
    /// Nobody has looked.
    None,
}

/// Remembers; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks(Arc<Mutex<BTreeMap<Uuid, (LookedAt, RecordsShape)>>>);

impl Looks {
    /// The last look at this.
    pub(super) fn last(&self, at: &LookedAt, now: Moment) -> Option<(RecordsShape, LookAge)> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, records) = looks.get(&at.id).filter(|(was, _)| was == at)?;
        let age = if now.since(records.checked_at) < FRESH_FOR { LookAge::Fresh } else { LookAge::Old };
        Some((records.clone(), age))
    }

    /// Keeps a look; when there are too many, the oldest is forgotten.
    pub(super) fn keep(&self, at: LookedAt, shape: RecordsShape) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= MAX_LOOKS && !looks.contains_key(&at.id) {
            let oldest = looks.iter().min_by_key(|(_, (_, shape))| shape.checked_at).map(|(id, _)| *id);
            oldest.and_then(|id| looks.remove(&id));
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
        let age = |now| looks.last(&at, now).map(|(_, age)| age);
        assert_eq!((age(now), age(now.after(FRESH_FOR))), (Some(LookAge::Fresh), Some(LookAge::Old)));
        assert!(looks.last(&LookedAt { version: 2, ..at.clone() }, now).is_none());
        assert!(looks.last(&LookedAt { hostname: Domain::parse("b.example").unwrap(), ..at }, now).is_none());
    }
}
