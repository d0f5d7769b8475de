//! Who refused to hear of what stands, and can hear of it by now: it took other mail since, or was verified since.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::mail::Moment;
use crate::policy::notices::memory::{Remembered, Since, State};
use crate::policy::notices::recipients::Recipients;
use crate::store::rules::DestinationRow;

use super::super::{Admin, Result};

/// Whether addresses took mail since the moments at which they refused: looked up once each.
type Known<'r> = BTreeMap<(&'r String, Moment), bool>;

impl Admin {
    /// Of those who are to be told first; whoever was told in their place needs to hear nothing twice.
    pub(super) async fn who_hears_again(
        &self,
        remembered: &[Remembered],
        recipients: &Recipients,
        now: Moment,
    ) -> Result<BTreeMap<(String, String), BTreeSet<String>>> {
        let first: Vec<String> = recipients.first.iter().map(ToString::to_string).collect();
        let open = remembered.iter().filter(|one| one.state == State::Open);
        let refused: Vec<_> = open.flat_map(|one| one.refused.iter().map(move |refusal| (one, refusal))).collect();
        let (mut again, mut known) = (BTreeMap::<_, BTreeSet<_>>::new(), Known::new());
        if refused.is_empty() {
            return Ok(again);
        }
        let inboxes = self.verified_inboxes().await?;
        for (one, (address, at)) in refused.into_iter().filter(|(_, (address, _))| first.contains(address)) {
            let since = if is_verified_since(&inboxes, (address, *at)) {
                Some(Since::Verified)
            } else {
                self.takes_since(&mut known, (address, *at)).await?.then_some(Since::TookMail)
            };
            if since.is_some_and(|since| one.may_hear(address, since, now)) {
                again.entry(one.cause.key()).or_default().insert(address.clone());
            }
        }
        Ok(again)
    }

    async fn takes_since<'r>(&self, known: &mut Known<'r>, (address, at): (&'r String, Moment)) -> Result<bool> {
        Ok(match known.entry((address, at)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                let taking = self.store.activity.taking(std::slice::from_ref(address), at).await?;
                *unknown.insert(taking.contains(address))
            }
        })
    }
}

fn is_verified_since(inboxes: &[DestinationRow], (address, at): (&String, Moment)) -> bool {
    inboxes.iter().any(|row| row.address == *address && row.verified_at > Some(at))
}
