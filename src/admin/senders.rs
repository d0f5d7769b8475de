//! Who writes to an alias, and whom it lets in or keeps out: one entry at a time, as a person decides it while reading.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use uuid::Uuid;

use crate::mail::{Author, Mailbox, Moment, fold};
use crate::policy::routing;
use crate::policy::rule::{Kind, SenderPattern};
use crate::policy::status::Status;
use crate::store::StoreError;
use crate::store::activity::{Query, Row};
use crate::store::rules::AliasRow;

use super::error::in_spite_of_others;
use super::{Access, Actor, Admin, AdminError, AliasName, Area, Reach, Result, Target};

/// An address that a catch-all took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaughtAddress {
    /// What an alias of it would be named: without its tags.
    pub address: String,
    /// How many of the newest messages are for it.
    pub messages: u64,
    /// When the last of them came.
    pub last_at: Moment,
    /// The alias that it is by now.
    pub alias: Option<Uuid>,
}

/// The newest messages that a catch-all took: its addresses are taken from these.
const LOOKED_AT: u32 = 200;
/// Senders and addresses that are shown.
const MAX_SENDERS: usize = 20;

/// What is to be of mail from a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Refused.
    Block,
    /// Let in, whatever else blocks it.
    Allow,
    /// As if nothing had been said of it.
    Forget,
}

/// Somebody who writes to an alias: an author, or the sender of an envelope where nobody is known to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderSeen {
    /// The address, or `@domain` where the log keeps no more.
    pub address: String,
    /// How many of the newest messages are from it.
    pub messages: u64,
    /// When the last of them came.
    pub last_at: Moment,
    /// How many of them were refused.
    pub refused: u64,
    /// The entry of the alias's list that lets it in.
    pub allowed_by: Option<String>,
    /// The entry that keeps it out.
    pub blocked_by: Option<String>,
}

impl Admin {
    /// Lets a sender in, keeps it out, or takes back what was said of it: an address, `@domain` or a glob; whatever else is
    /// changed meanwhile.
    pub async fn judge_sender(&self, actor: &Actor, id: &str, says: (&str, Judgement)) -> Result<AliasRow> {
        in_spite_of_others(|| self.judge_once(actor, id, says)).await
    }

    async fn judge_once(&self, actor: &Actor, id: &str, (sender, judgement): (&str, Judgement)) -> Result<AliasRow> {
        actor.must(Area::Aliases, Access::Write)?;
        let row = self.alias_within(actor, id, Reach::Manage).await?;
        let entry = SenderPattern::parse(sender).map_err(|why| AdminError::field("sender", why.to_string()))?.0;
        let (is_allowed, is_blocked) = (row.spec.allow.contains(&entry), row.spec.block.contains(&entry));
        let wanted = (judgement == Judgement::Allow, judgement == Judgement::Block);
        if (is_allowed, is_blocked) == wanted {
            return Ok(row);
        }
        let without = |list: &[String]| list.iter().filter(|other| **other != entry).cloned().collect::<Vec<_>>();
        let (mut allow, mut block) = (without(&row.spec.allow), without(&row.spec.block));
        match judgement {
            Judgement::Block => block.push(entry),
            Judgement::Allow => allow.push(entry),
            Judgement::Forget => {}
        }
        let written = Map::from_iter([("allow".to_owned(), json!(allow)), ("block".to_owned(), Value::from(block))]);
        let id = row.id.to_string();
        self.change_alias(actor, Target { id: &id, version: Some(row.version) }, &written).await
    }

    /// Who wrote to an alias of late, the newest first, as its mail says.
    #[must_use]
    pub fn senders_of(&self, row: &AliasRow, mail: &[Row]) -> Vec<SenderSeen> {
        let (mut seen, mut counted) = (Vec::<SenderSeen>::new(), HashSet::new());
        for found in mail {
            let address = found.author.as_ref().map_or(found.sender.as_str(), Author::address);
            // Reports may have nobody who could be judged; and several destinations have a row each.
            if address.is_empty() || !counted.insert(found.transaction) {
                continue;
            }
            let refused = found.count * u64::from(matches!(found.status, Status::Refused | Status::RefusedTemporarily));
            if let Some(sender) = seen.iter_mut().find(|other| other.address.eq_ignore_ascii_case(address)) {
                sender.messages += found.count;
                sender.refused += refused;
            } else if seen.len() < MAX_SENDERS {
                seen.push(new_sender(row, (address, found.received_at), (found.count, refused)));
            }
        }
        seen
    }

    /// How an alias stands to the author of a message; nothing where none is known.
    #[must_use]
    pub fn author_at(&self, alias: &AliasRow, row: &Row) -> Option<SenderSeen> {
        let author = row.author.as_ref()?;
        Some(new_sender(alias, (author.address(), row.received_at), (row.count, 0)))
    }

    /// How an alias stands to the sender of a message's envelope; nothing where it has none.
    #[must_use]
    pub fn sender_at(&self, alias: &AliasRow, row: &Row) -> Option<SenderSeen> {
        (!row.sender.is_empty()).then(|| new_sender(alias, (&row.sender, row.received_at), (row.count, 0)))
    }

    /// Whether author or sender of a message is meant by a block of the alias, of its domain or of the server, as these lists
    /// are now.
    #[must_use]
    pub fn is_blocked(&self, alias: &AliasRow, row: &Row) -> bool {
        let names: Vec<_> = row.author.iter().map(Author::address).chain([row.sender.as_str()]).map(key_of).collect();
        let means = |entry: &SenderPattern| names.iter().any(|name| entry.matches(name));
        let of_recipient = Mailbox::parse(&row.recipient).ok().and_then(|to| to.domain().cloned());
        let domain = self.store.directory.domain(of_recipient.as_ref().unwrap_or(&alias.domain_name));
        let of_alias = alias.spec.block.iter().any(|entry| means(&SenderPattern(entry.clone())));
        let of_domain = domain.is_some_and(|domain| domain.senders.block.iter().any(means));
        let of_server = self.store.directory.instance_senders().block.iter().any(means);
        of_alias || of_domain || of_server
    }

    /// The addresses that a catch-all took of late, the newest first.
    pub async fn caught_by(&self, actor: &Actor, catch_all: &AliasRow) -> Result<Vec<CaughtAddress>> {
        actor.must(Area::Activity, Access::Read)?;
        let is_taken = |status: &Status| !matches!(status, Status::Refused | Status::RefusedTemporarily);
        let statuses = Status::ALL.into_iter().filter(is_taken).collect();
        let query = Query { alias: Some(catch_all.key), statuses, bounced: true, limit: LOOKED_AT, ..Query::default() };
        let (mut caught, mut counted) = (Vec::<CaughtAddress>::new(), HashSet::new());
        for row in self.store.activity.list(query).await?.rows {
            let Some(address) = self.alias_address(catch_all, &row.recipient) else { continue };
            if !counted.insert((row.transaction, address.clone())) {
                continue;
            }
            if let Some(known) = caught.iter_mut().find(|other| other.address == address) {
                known.messages += row.count;
            } else if caught.len() < MAX_SENDERS {
                caught.push(self.caught_as(catch_all, (address, &row)).await?);
            }
        }
        Ok(caught)
    }

    /// The address of a message that a catch-all took.
    pub async fn caught(&self, catch_all: &AliasRow, row: &Row) -> Result<Option<CaughtAddress>> {
        match self.alias_address(catch_all, &row.recipient) {
            Some(address) => self.caught_as(catch_all, (address, row)).await.map(Some),
            None => Ok(None),
        }
    }

    async fn caught_as(&self, catch_all: &AliasRow, (address, row): (String, &Row)) -> Result<CaughtAddress> {
        let local = Mailbox::parse(&address).map(|mailbox| mailbox.local().key()).unwrap_or_default();
        let alias = match self.store.rules.alias(catch_all.domain, Kind::Address, &local).await {
            Ok(row) => Some(row.id),
            Err(StoreError::NotFound) => None,
            Err(other) => return Err(other.into()),
        };
        Ok(CaughtAddress { address, messages: row.count, last_at: row.received_at, alias })
    }

    /// What an alias of a recipient would be named.
    fn alias_address(&self, catch_all: &AliasRow, recipient: &str) -> Option<String> {
        let mailbox = Mailbox::parse(recipient).ok()?;
        let hosted = self.store.directory.domain(&catch_all.domain_name);
        let local = routing::without_tags(mailbox.local().as_str(), hosted.is_some_and(|domain| domain.subaddressing));
        Some(AliasName::new(Kind::Address, fold(local), catch_all.domain_name.clone()).to_string())
    }
}

/// As entries are compared.
fn key_of(address: &str) -> String {
    Mailbox::parse(address).map_or_else(|_| address.to_lowercase(), |mailbox| mailbox.key())
}

fn new_sender(row: &AliasRow, (address, last_at): (&str, Moment), (messages, refused): (u64, u64)) -> SenderSeen {
    let key = key_of(address);
    let by = |list: &[String]| list.iter().find(|entry| SenderPattern((*entry).clone()).matches(&key)).cloned();
    SenderSeen {
        address: address.to_owned(),
        messages,
        last_at,
        refused,
        allowed_by: by(&row.spec.allow),
        blocked_by: by(&row.spec.block),
    }
}
