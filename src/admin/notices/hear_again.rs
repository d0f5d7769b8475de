//! Who refused to hear of what stands, and can hear of it by now: it took other mail since, or was verified since.

use std::collections::{BTreeMap, BTreeSet};

use crate::mail::Moment;
use crate::policy::notices::memory::{Remembered, Since, State};

use super::super::{Admin, Result};

/// What happened to addresses since the moments at which they refused: looked up once each.
type Known = BTreeMap<(String, Moment), Option<Since>>;

impl Admin {
    /// Of those who are to be told first; whoever was told in their place needs to hear nothing twice.
    pub(super) async fn who_hears_again(
        &self,
        remembered: &[Remembered],
        now: Moment,
    ) -> Result<BTreeMap<(String, String), BTreeSet<String>>> {
        let refused: Vec<_> =
            remembered.iter().filter(|one| one.state == State::Open && !one.refused.is_empty()).collect();
        if refused.is_empty() {
            return Ok(BTreeMap::new());
        }
        let first: Vec<String> = self.recipients().await?.first.iter().map(ToString::to_string).collect();
        let (mut again, mut known) = (BTreeMap::<_, BTreeSet<_>>::new(), Known::new());
        for one in refused {
            for (address, at) in one.refused.iter().filter(|(address, _)| first.contains(address)) {
                let since = self.since(&mut known, (address, *at)).await?;
                if since.is_some_and(|since| one.may_hear(address, since, now)) {
                    again.entry(one.cause.key()).or_default().insert(address.clone());
                }
            }
        }
        Ok(again)
    }

    async fn since(&self, known: &mut Known, (address, at): (&String, Moment)) -> Result<Option<Since>> {
        let key = (address.clone(), at);
        if let Some(since) = known.get(&key) {
            return Ok(*since);
        }
        let since =
            if self.verified_inboxes().await?.iter().any(|row| row.address == *address && row.verified_at > Some(at)) {
                Some(Since::Verified)
            } else {
                let taking = self.store.activity.taking(std::slice::from_ref(address), at).await?;
                taking.contains(address).then_some(Since::TookMail)
            };
        known.insert(key, since);
        Ok(since)
    }
}
