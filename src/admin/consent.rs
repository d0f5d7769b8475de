//! What an inbox has said to one account, where it counts for another. A domain's destinations are its owner's, and whoever
//! leads an alias there may be somebody else: what their inbox said to them it need not say again. Nobody's word but the
//! inbox's own, or an admin's, ever counts here.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::mail::Mailbox;
use crate::policy::deeds::Deed;
use crate::policy::ids::{AccountId, DestinationId};
use crate::policy::status::Status;
use crate::store::StoreError;
use crate::store::rules::{AliasRow, DestinationRow};

use super::{Actor, Admin, Result};

/// Inboxes that are asked in one step: as many as an account may ask in a day.
const MAX_ASKED_AT_ONCE: usize = 50;

/// An account, and the address of an inbox that its aliases lead to.
type Led = (AccountId, String);

/// What is left to do about an inbox that gets no mail yet, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unheard {
    /// A mail with a link was sent there: whoever reads it says yes.
    pub is_asked: bool,
    /// That mail failed: nobody can say yes by it.
    pub has_failed: bool,
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
        let said_yes = self.those_that_said_yes(actor, &named).await;
        // As many as there are, and before the others: of those, so many are asked as may be.
        let others = named.difference(&said_yes).take(MAX_ASKED_AT_ONCE);
        for one @ (account, address) in said_yes.iter().chain(others) {
            if Self::note_heard(self.hear_of(actor, (*account, address)).await, address) {
                heard.insert(one.clone());
            }
        }
        for row in aliases {
            let account = row.account;
            row.unverified.retain(|address| !heard.contains(&(account, address.clone())));
        }
    }

    async fn those_that_said_yes(&self, actor: &Actor, named: &BTreeSet<Led>) -> BTreeSet<Led> {
        let inbox = |(account, address): &Led| Some((*account, Mailbox::parse(address).ok()?));
        let (asked, led): (Vec<_>, Vec<_>) = named.iter().filter_map(|one| Some((inbox(one)?, one))).unzip();
        match self.have_said_yes(actor, &asked).await {
            Ok(answers) => {
                led.into_iter().zip(answers).filter(|(_, is_yes)| *is_yes).map(|(one, _)| one.clone()).collect()
            }
            Err(error) => {
                tracing::warn!(%error, "which inboxes said yes is not known");
                BTreeSet::new()
            }
        }
    }

    /// The same of all inboxes of the actor's account that came after `last`.
    pub(super) async fn hear_inboxes_since(&self, actor: &Actor, last: DestinationId) {
        let limit = u32::try_from(MAX_ASKED_AT_ONCE).unwrap_or(u32::MAX);
        match self.store.rules.unverified_since(actor.account, last, limit).await {
            Ok(rows) => {
                for row in rows {
                    Self::note_heard(self.hear(actor, &row).await, &row.address);
                }
            }
            Err(error) => tracing::warn!(%error, "no verification mail is sent now"),
        }
    }

    /// Whether it said yes; where that is not known, it did not.
    fn note_heard(heard: Result<bool>, address: &str) -> bool {
        heard.unwrap_or_else(|error| {
            tracing::warn!(%error, destination = %address, "whether this inbox said yes is not known");
            false
        })
    }

    async fn hear_of(&self, actor: &Actor, (account, address): (AccountId, &str)) -> Result<bool> {
        let row = self.store.rules.destination(account, address).await?;
        self.hear(actor, &row).await
    }

    async fn hear(&self, actor: &Actor, row: &DestinationRow) -> Result<bool> {
        if self.take_over(actor, row).await? {
            return Ok(true);
        }
        if self.links_at.is_some() {
            self.ask_if_never(actor, row).await;
            self.keep_for_asker(actor, row).await?;
        }
        Ok(false)
    }

    /// Whoever had somebody else's record of an inbox asked finds the inbox among their own: it answers them as well.
    async fn keep_for_asker(&self, actor: &Actor, row: &DestinationRow) -> Result<()> {
        let asker = actor.only_account().filter(|asker| *asker != row.account);
        let (Some(asker), Ok(inbox)) = (asker, Mailbox::parse(&row.address)) else { return Ok(()) };
        if self.store.rules.last_verification(asker, &inbox).await?.is_some() {
            self.record_of(actor, (asker, &row.address)).await?;
        }
        Ok(())
    }

    /// Whether a mail is on its way whose link verifies an inbox for the actor.
    pub(super) async fn is_being_asked(&self, actor: &Actor, address: &str) -> Result<bool> {
        let own = self.own_record(actor, address).await?.filter(|row| row.verified_at.is_none());
        let (Some(_), Ok(inbox)) = (own, Mailbox::parse(address)) else { return Ok(false) };
        Ok(self.store.rules.last_verification(actor.account, &inbox).await?.is_some())
    }

    /// Whether inboxes have said yes, be it to the account whose aliases are to lead there or to the actor who leads them.
    pub(super) async fn have_said_yes(&self, actor: &Actor, asked: &[(AccountId, Mailbox)]) -> Result<Vec<bool>> {
        let directory = &self.store.directory;
        let theirs = directory.are_verified(asked.iter().map(|(account, inbox)| (*account, inbox))).await?;
        let own = directory.are_verified(asked.iter().map(|(_, inbox)| (actor.account, inbox))).await?;
        Ok(theirs.into_iter().zip(own).map(|(theirs, own)| theirs || own).collect())
    }

    /// The record that an account has of an inbox; made where it has none, as a new alias would make it.
    pub(super) async fn record_of(
        &self,
        actor: &Actor,
        (account, address): (AccountId, &str),
    ) -> Result<DestinationRow> {
        match self.store.rules.destination(account, address).await {
            Err(StoreError::NotFound) => {}
            found => return Ok(found?),
        }
        let audit = self.audit_plain(actor, Deed::DestinationAdd, address);
        match self.store.rules.add_destination(account, address, None, audit).await {
            // Somebody else was there first.
            Err(StoreError::Exists(_)) => Ok(self.store.rules.destination(account, address).await?),
            added => Ok(added?),
        }
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
    async fn said_yes_to(&self, actor: &Actor, row: &DestinationRow) -> Result<bool> {
        let Ok(inbox) = Mailbox::parse(&row.address) else { return Ok(false) };
        Ok(row.account != actor.account && self.store.directory.is_verified(actor.account, &inbox).await?)
    }

    /// What is left to do about an inbox of an alias that gets no mail, by the account that has the alias.
    pub async fn unheard(&self, actor: &Actor, (account, address): (AccountId, &str)) -> Result<Unheard> {
        let own = self.own_record(actor, address).await?;
        let is_seen = own.is_some() || actor.only_inboxes_of().is_none_or(|seen| seen == account);
        let mut unheard = Unheard { is_asked: false, has_failed: false, is_seen };
        let Ok(inbox) = Mailbox::parse(address) else { return Ok(unheard) };
        for asker in BTreeSet::from([account, actor.account]) {
            let Some((_, mail)) = self.store.rules.last_verification(asker, &inbox).await? else { continue };
            let has_failed = self.has_failed(mail).await?;
            unheard.is_asked |= !has_failed;
            unheard.has_failed |= has_failed;
        }
        Ok(unheard)
    }

    /// Whether a mail of ours did not arrive, and will not. What the log does not know any more did.
    async fn has_failed(&self, mail: Uuid) -> Result<bool> {
        match self.store.activity.get(mail).await {
            Ok(row) => Ok(matches!(row.status, Status::Failed | Status::Expired) || row.bounced_at.is_some()),
            Err(StoreError::NotFound) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    pub(super) async fn own_record(&self, actor: &Actor, address: &str) -> Result<Option<DestinationRow>> {
        match self.store.rules.destination(actor.account, address).await {
            Err(StoreError::NotFound) => Ok(None),
            found => Ok(Some(found?)),
        }
    }
}
