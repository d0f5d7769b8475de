//! Rules as people read and change them: domains, aliases, destinations, with their versions. Every change writes the
//! audit row that it is given in the same transaction, refreshes the directory, and is then announced.

pub(super) mod alias;
pub(super) mod alias_feed;
mod alias_latest;
pub(super) mod alias_list;
pub(super) mod alias_order;
pub(super) mod alias_read;
mod alias_sorted;
pub(super) mod alias_ways;
pub(super) mod alias_words;
pub(super) mod destination;
pub(super) mod domain;
pub mod hand_over;
pub(super) mod import;
pub(super) mod loaded;
pub(super) mod no_mail;
pub mod patterns;
pub mod replacement;
pub(super) mod unwell;
pub mod uses;
pub mod verification;
pub(super) mod words;

pub(crate) use self::alias::key_of;
pub use self::alias::{AliasStep, Applied, Gone};
pub use self::alias_sorted::MAX_SORTED;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use uuid::Uuid;

use super::accounts::AuditEntry;
use super::activity::Activity;
use super::directory::{Directory, Touched};
use super::matchers::Matchers;
use super::queue::ledger::Entry;
use super::writer::{Change, Writer};
use super::{Result, StoreError};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::ids::{AccountId, AliasId, DestinationId, DomainId};
use crate::policy::rule::{Action, After, Expiry, Kind, Privacy};
use crate::policy::settings::Overrides;

/// A domain as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRow {
    /// Its key.
    pub key: DomainId,
    /// Its id.
    pub id: Uuid,
    /// Raised by every change.
    pub version: i64,
    /// Whose.
    pub account: AccountId,
    /// Its name.
    pub name: Domain,
    /// When its TXT proof was seen, or an admin's word.
    pub verified_at: Option<Moment>,
    /// `shop+tag` finds `shop`.
    pub subaddressing: bool,
    /// The tag is passed on.
    pub keep_tag: bool,
    /// The domain of SRS addresses.
    pub srs_domain: Option<Domain>,
    /// The domain whose aliases are its own, where it is a mirror.
    pub mirror_of: Option<Domain>,
    /// Who gets postmaster and abuse.
    pub contact: Option<String>,
    /// `ok`, `drift`, `unknown`.
    pub dns: String,
    /// Which records were wrong when they were compared last, in words.
    pub dns_wrong: Vec<String>,
    /// How its random aliases look.
    pub alias_format: Option<String>,
    /// Settings of this level.
    pub overrides: Overrides,
    /// Let in, kept out.
    pub allow: Vec<String>,
    /// Kept out.
    pub block: Vec<String>,
    /// When made.
    pub created_at: Moment,
}

impl DomainRow {
    /// A draft of a domain of which nothing is set.
    #[must_use]
    pub fn blank(account: AccountId, name: Domain, now: Moment) -> Self {
        Self {
            key: DomainId(0),
            id: Uuid::nil(),
            version: 0,
            account,
            name,
            verified_at: None,
            subaddressing: true,
            keep_tag: false,
            srs_domain: None,
            mirror_of: None,
            contact: None,
            dns: String::new(),
            dns_wrong: Vec::new(),
            alias_format: None,
            overrides: Overrides::default(),
            allow: Vec::new(),
            block: Vec::new(),
            created_at: now,
        }
    }
}

/// An alias as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRow {
    /// Its key.
    pub key: AliasId,
    /// Its id.
    pub id: Uuid,
    /// Raised by every change.
    pub version: i64,
    /// Whose.
    pub account: AccountId,
    /// Its domain.
    pub domain: DomainId,
    /// The domain's name.
    pub domain_name: Domain,
    /// All that can be set.
    pub spec: AliasSpec,
    /// Destinations of it that are verified neither by themselves nor by a trusted domain.
    pub unverified: Vec<String>,
    /// When made.
    pub created_at: Moment,
    /// When changed.
    pub updated_at: Moment,
}

/// All that can be set of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasSpec {
    /// How the pattern is read.
    pub kind: Kind,
    /// Local part (case kept), glob, regular expression source, or `*`.
    pub pattern: String,
    /// Smaller first.
    pub priority: i64,
    /// What it does.
    pub action: Action,
    /// Addresses, `@…` never; templates with `$1` for a regular expression.
    pub destinations: Vec<String>,
    /// Switched on.
    pub enabled: bool,
    /// Note.
    pub description: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Ends at.
    pub expires_at: Option<Moment>,
    /// Ends after messages.
    pub expires_after_messages: Option<u64>,
    /// Ends after idle time.
    pub expires_after_idle: Option<std::time::Duration>,
    /// What then.
    pub then: After,
    /// Let in.
    pub allow: Vec<String>,
    /// Kept out.
    pub block: Vec<String>,
    /// Messages in 24 h.
    pub quota: Option<u64>,
    /// What the log keeps.
    pub privacy: Privacy,
    /// Text of reject.
    pub reject_message: Option<String>,
    /// Settings of this level.
    pub overrides: Overrides,
}

impl AliasSpec {
    /// When it ends.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        Expiry { at: self.expires_at, messages: self.expires_after_messages, idle: self.expires_after_idle }
    }
}

/// A destination as people read it. An address that begins with `@` trusts a whole domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationRow {
    /// Its key.
    pub key: DestinationId,
    /// Its id.
    pub id: Uuid,
    /// Raised by every change.
    pub version: i64,
    /// Whose.
    pub account: AccountId,
    /// `a@b`, or `@b`.
    pub address: String,
    /// When verified.
    pub verified_at: Option<Moment>,
    /// The account's default.
    pub default: bool,
    /// Last delivery.
    pub last_delivered_at: Option<Moment>,
    /// Refusing since.
    pub failing_since: Option<Moment>,
    /// In whose words: the next hop's, or ours where it said nothing.
    pub failing_reply: Option<String>,
    /// The row of the log that has them.
    pub failing_row: Option<Uuid>,
    /// What failed last it took, and handed it back afterwards.
    pub sends_back: bool,
    /// When made.
    pub created_at: Moment,
}

/// In which order a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Aliases newest first, the others by name.
    #[default]
    Usual,
    /// By name or address.
    Name,
    /// The same from the end.
    NameBackwards,
    /// As they were made.
    Oldest,
    /// The last made first.
    Newest,
    /// By last mail, the latest first; of aliases alone.
    LastMail,
}

/// For how long no mail came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// None ever came.
    Always,
    /// None came since then, or ever.
    Since(Moment),
}

/// Which rows to list: `cursor` is opaque, `limit` 1 to 500.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only this account's.
    pub account: Option<AccountId>,
    /// And those of these domains, whosever they are.
    pub beside: Vec<DomainId>,
    /// Only this domain's.
    pub domain: Option<DomainId>,
    /// Only domains of these names.
    pub names: Option<Vec<String>>,
    /// Part of the address, description or label; of one or two characters, the beginning of the address.
    pub search: Option<String>,
    /// Only switched on, or off.
    pub enabled: Option<bool>,
    /// Only those that send mail to this destination.
    pub destination: Option<DestinationId>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only those that do this.
    pub action: Option<Action>,
    /// Only those with this label.
    pub label: Option<String>,
    /// Only those that end some day.
    pub ending: bool,
    /// Only those that have been quiet.
    pub quiet: Option<Quiet>,
    /// In which order.
    pub order: Order,
    /// Behind this.
    pub cursor: Option<String>,
    /// At most.
    pub limit: u32,
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// A domain to be added, with the aliases that it begins with.
#[derive(Debug, Clone)]
pub struct NewDomain {
    /// All that is set; keys are given out.
    pub row: DomainRow,
    /// Each with its audit row.
    pub aliases: Vec<(AliasSpec, AuditEntry)>,
    /// The audit row.
    pub audit: AuditEntry,
    /// A claim that was never proven and gives way to this one, with an audit row for whoever made it.
    pub instead_of: Option<(DomainId, AuditEntry)>,
}

/// One line of an import.
#[derive(Debug, Clone)]
pub struct ImportLine {
    /// The domain.
    pub domain: DomainId,
    /// The local part, case kept.
    pub local: String,
    /// Where to.
    pub destination: Mailbox,
}

/// Rules; cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    writer: Writer<Entry>,
    readers: SqlitePool,
    /// The log, for how destinations fare.
    activity: Activity,
    directory: Directory,
    matchers: Matchers,
    clock: Clock,
    chance: Chance,
    /// One import at a time: what another one is about to bring cannot be compared with.
    importing: Arc<tokio::sync::Mutex<()>>,
    /// Whoever changes many aliases by what they are holds this from before it looks.
    turns: Arc<tokio::sync::Mutex<()>>,
}

/// What rules are made of.
pub(super) struct Parts {
    pub(super) writer: Writer<Entry>,
    pub(super) readers: SqlitePool,
    pub(super) activity: Activity,
    pub(super) directory: Directory,
    pub(super) matchers: Matchers,
    pub(super) clock: Clock,
    pub(super) chance: Chance,
}

impl Rules {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { writer, readers, activity, directory, matchers, clock, chance } = parts;
        Self {
            writer,
            readers,
            activity,
            directory,
            matchers,
            clock,
            chance,
            importing: Arc::default(),
            turns: Arc::default(),
        }
    }

    /// The turn of a change of many aliases by what they are: of two that are asked for together the second sees all or
    /// nothing of the first.
    pub async fn turn(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.turns).lock_owned().await
    }

    /// Runs a change and makes it count, even if the asker goes away in between.
    async fn changed<A, T>(&self, needs: A, run: Change<A, T>, touched: fn(&T) -> Touched) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let rules = self.clone();
        let done = tokio::spawn(async move {
            let gave = rules.writer.change(needs, run).await?;
            rules.directory.refresh(touched(&gave)).await?;
            Ok(gave)
        });
        done.await.map_err(|error| StoreError::Unwell(error.to_string()))?
    }
}

/// Rows of a page at most.
pub const MAX_PAGE_ROWS: u32 = 500;
/// The key before every key.
const FROM_THE_START: i64 = i64::MIN;

fn page_rows(limit: u32) -> u32 {
    limit.clamp(1, MAX_PAGE_ROWS)
}

/// Cuts what was read beyond the page, and gives the last row of the page if there was more.
fn cut<T>(rows: &mut Vec<T>, limit: u32) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last()
}

/// A cursor of a text and a key.
fn pair_cursor(text: &str, key: i64) -> String {
    format!("{key}:{text}")
}

/// A cursor that is a key.
fn cursor_key(cursor: Option<&str>, start: i64) -> Result<i64> {
    cursor.map_or(Ok(start), |text| text.parse().map_err(|_| StoreError::Cursor))
}

fn cursor_pair(cursor: Option<&str>) -> Result<(String, i64)> {
    let Some(cursor) = cursor else { return Ok((String::new(), FROM_THE_START)) };
    let parts = cursor.split_once(':').and_then(|(key, text)| Some((text.to_owned(), key.parse().ok()?)));
    parts.ok_or(StoreError::Cursor)
}
