//! What an inbox has said to one account, where it counts for another. A domain's destinations are its owner's, and whoever
//! leads an alias there may be somebody else: what their inbox said to them it need not say again. Nobody's word but the
//! inbox's own, or an admin's, ever counts here.

use std::collections::BTreeSet;

use crate::mail::Mailbox;
use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::store::StoreError;
use crate::store::rules::{AliasRow, DestinationRow};

use super::{Actor, Admin, Result};

/// Inboxes that are looked at in one step: as many as an account may ask in a day.
const MAX_AT_ONCE: usize = 50;

/// What is left to do about an inbox that gets no mail yet, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unheard {
    /// A mail with a link was sent there: whoever reads it says yes.
    pub is_asked: bool,
    /// Whoever looks finds it among the destinations that they see; else it is for the domain's owner.
    pub is_seen: bool,
}

impl Admin {
    /// The inboxes of aliases that were just led there: those that have said yes to the actor are verified, and the others
    /// are asked, where they never were. The aliases are told what is left.
    pub(super) async fn hear_inboxes_of(&self, actor: &Actor, aliases: &mut [&mut AliasRow]) {
        let named = aliases.iter().flat_map(|row| row.unverified.iter().map(|address| (row.account, address.clone())));
        let named: BTreeSet<_> = named.collect();
        let mut heard = BTreeSet::new();
        for (account, address) in named.into_iter().take(MAX_AT_ONCE) {
            match self.hear(actor, (account, &address)).await {
                Ok(true) => _ = heard.insert((account, address)),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, destination = %address, "whether this inbox said yes is not known")
                }
            }
        }
        for row in aliases {
            let account = row.account;
            row.unverified.retain(|address| !heard.contains(&(account, address.clone())));
        }
    }

    async fn hear(&self, actor: &Actor, (account, address): (AccountId, &str)) -> Result<bool> {
        let row = self.store.rules.destination(account, address).await?;
        if self.take_over(actor, &row).await? {
            return Ok(true);
        }
        if self.links_at.is_some() {
            self.ask_if_never(actor, &row).await;
        }
        Ok(false)
    }

    /// Verifies what has said yes to the actor, for the account whose record this is. False where it has not.
    pub(super) async fn take_over(&self, actor: &Actor, row: &DestinationRow) -> Result<bool> {
        if !self.said_yes_to(actor, row).await? {
            return Ok(false);
        }
        let audit = self.audit_plain(actor, Deed::DestinationVerify, &row.address);
        self.store.rules.verify_destination(row.key, self.clock.now(), audit).await?;
        Ok(true)
    }

    /// Whether somebody else's inbox is a verified one of the actor, too.
    pub(super) async fn said_yes_to(&self, actor: &Actor, row: &DestinationRow) -> Result<bool> {
        let Ok(inbox) = Mailbox::parse(&row.address) else { return Ok(false) };
        Ok(row.account != actor.account && self.store.directory.is_verified(actor.account, &inbox).await?)
    }

    /// What is left to do about an inbox of an alias that gets no mail, by the account that has the alias.
    pub async fn unheard(&self, actor: &Actor, (account, address): (AccountId, &str)) -> Result<Unheard> {
        let own = self.own_record(actor, address).await?;
        let is_seen = own.is_some() || actor.only_inboxes_of().is_none_or(|seen| seen == account);
        let Ok(inbox) = Mailbox::parse(address) else { return Ok(Unheard { is_asked: false, is_seen }) };
        let mut is_asked = false;
        for asker in BTreeSet::from([account, actor.account]) {
            is_asked |= self.store.rules.last_verification(asker, &inbox).await?.is_some();
        }
        Ok(Unheard { is_asked, is_seen })
    }

    async fn own_record(&self, actor: &Actor, address: &str) -> Result<Option<DestinationRow>> {
        match self.store.rules.destination(actor.account, address).await {
            Err(StoreError::NotFound) => Ok(None),
            found => Ok(Some(found?)),
        }
    }
}
