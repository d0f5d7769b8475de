//! Since when each finding of the doctor stands, as long as the process runs, and what was told of the gateway over a restart too: what is found
//! again is not news.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::first_run::LastWayOut;
use super::looks::Looks;
use crate::mail::Moment;
use crate::policy::checkup::Finding;
use crate::policy::notices::Cause;

/// Findings that are remembered: domains have a few each.
const MAX_FOUND: usize = 10_000;

/// What a finding is known again by: its word, and what it is about.
type Key = (String, String);

/// Remembers; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Found {
    inner: Arc<Mutex<Inner>>,
    /// What DNS said of domains.
    pub(super) looks: Looks,
    /// Whether port 25 led out.
    pub(super) way_out: LastWayOut,
    /// What was found is of a gateway that is set otherwise by now.
    outdated: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    since: BTreeMap<Key, Moment>,
    /// What the last look at everything found of the gateway.
    last: Option<Vec<Finding>>,
}

/// What has changed since the last look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct News {
    /// Findings that were not there.
    pub(super) began: Vec<Finding>,
    /// Those that are not there any more.
    pub(super) ended: Vec<Key>,
}

impl Found {
    /// Has the doctor look at once, instead of when it is due.
    pub(super) fn is_outdated(&self) {
        self.outdated.notify_one();
    }

    /// Waits until what was found is outdated.
    pub(super) async fn outdated(&self) {
        self.outdated.notified().await;
    }

    /// Learns since when what a process before this one had found stands.
    pub(super) fn recall(&self, stood: Vec<Cause>) {
        let found = &mut self.inner().since;
        for cause in stood {
            found.extend(cause.since.map(|since| (cause.key(), since)));
        }
    }

    /// Dates the findings of a look at some of everything: what it does not name may still stand.
    pub(super) fn date(&self, findings: &mut [Finding], now: Moment) -> Vec<Finding> {
        let found = &mut self.inner().since;
        let mut began = Vec::new();
        for finding in findings {
            let key = key(finding);
            let is_new = !found.contains_key(&key);
            if is_new && found.len() < MAX_FOUND {
                found.insert(key.clone(), now);
            }
            finding.since = found.get(&key).copied();
            if is_new {
                began.push(finding.clone());
            }
        }
        began
    }

    /// Dates the findings of a look at everything: what it does not name has ended.
    pub(super) fn date_all(&self, findings: &mut [Finding], now: Moment) -> News {
        let began = self.date(findings, now);
        let still: Vec<Key> = findings.iter().map(key).collect();
        let found = &mut self.inner().since;
        let ended: Vec<Key> = found.keys().filter(|key| !still.contains(key)).cloned().collect();
        found.retain(|key, _| still.contains(key));
        News { began, ended }
    }

    /// Keeps what a look at everything has found of the gateway.
    pub(super) fn keep(&self, last: Vec<Finding>) {
        self.inner().last = Some(last);
    }

    /// Drops what a later look at some of it shows to be over.
    pub(super) fn drop(&self, is_over: impl Fn(&Finding) -> bool) {
        self.inner().last.iter_mut().for_each(|last| last.retain(|finding| !is_over(finding)));
    }

    /// What the last look at everything has found of the gateway; none before the first.
    pub(super) fn last(&self) -> Option<Vec<Finding>> {
        self.inner().last.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(finding: &Finding) -> Key {
    (finding.id.clone(), finding.subject.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::checkup;

    #[test]
    fn what_is_found_again_keeps_its_day_and_what_is_not_has_ended() {
        let (found, first, later) = (Found::default(), Moment::from_millis(1000), Moment::from_millis(2000));
        let look = |names: &[&str]| names.iter().map(|name| checkup::drifting(name)).collect::<Vec<_>>();
        let mut one = look(&["a.example"]);
        assert_eq!(found.date_all(&mut one, first).began.len(), 1);
        let mut two = look(&["a.example", "b.example"]);
        let news = found.date_all(&mut two, later);
        assert_eq!((two[0].since, two[1].since), (Some(first), Some(later)));
        assert_eq!((news.began.len(), news.ended.len()), (1, 0));
        let mut some = look(&["b.example"]);
        assert!(found.date(&mut some, later).is_empty());
        let news = found.date_all(&mut some, later);
        assert_eq!(news.ended, [("domain_drift".to_owned(), "a.example".to_owned())]);
    }
}
