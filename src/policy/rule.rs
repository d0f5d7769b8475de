//! What the owner wrote down: domains and the rules (aliases) within them, as values.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::ids::{AccountId, AliasId, DestinationId, DomainId};
use super::settings::Overrides;
use crate::mail::{Domain, Mailbox, Moment};

/// How a rule's pattern is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One local part.
    Address,
    /// An anchored glob over the local part.
    Glob,
    /// An anchored regular expression over the local part; captures are usable in the destination.
    Regex,
    /// `*@domain`.
    CatchAll,
}

/// What a rule does with mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// To every destination.
    Forward,
    /// Taken and thrown away, with a row in the log.
    Drop,
    /// Refused with the rule's own text.
    Reject,
    /// Catch-all only: the first accepted mail makes a normal alias.
    Create,
}

/// What an expired rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// As if the address were unknown (550 5.1.1).
    Refuse,
    /// Refused with the rule's own text.
    Reject,
    /// Dropped.
    Drop,
    /// Refused as unknown, and the alias is deleted by upkeep.
    Delete,
}

/// What the log keeps of mail to this rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    /// All is logged.
    Off,
    /// No subjects, and no authors.
    Subject,
    /// Neither, and of the sender of the envelope only the domain.
    Envelope,
}

/// When a rule ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expiry {
    /// At a moment.
    pub at: Option<Moment>,
    /// After so many accepted messages.
    pub messages: Option<u64>,
    /// After so long without mail.
    pub idle: Option<Duration>,
}

/// Whom an allow or block entry means: an address, `@domain`, or a glob over `local@domain`; kept as written, folded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SenderPattern(pub String);

/// Allow and block entries of one level; an allow overrides this level's and the wider levels' blocks as DESIGN says:
/// blocks count instance, then domain, then alias; an alias's allow overrides its domain's block. A copy shares them: each
/// recipient of a transaction carries those that are judged when the message is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SenderLists {
    /// Let in.
    pub allow: Arc<[SenderPattern]>,
    /// Kept out.
    pub block: Arc<[SenderPattern]>,
}

/// Where a rule sends mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A destination of the account.
    Fixed(Destination),
    /// An address computed from captures (`$1@inbox.example`).
    Template(String),
}

/// A destination as routing needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its key.
    pub id: DestinationId,
    /// The real inbox.
    pub address: Mailbox,
    /// When it was verified (by itself, or because its whole domain is trusted).
    pub verified_at: Option<Moment>,
    /// When it was added: none verified is 450 for three days after this, then 550.
    pub added_at: Moment,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its key.
    pub id: AliasId,
    /// Its public id.
    pub uuid: Uuid,
    /// The hosted domain it belongs to.
    pub domain: DomainId,
    /// Whose it is.
    pub account: AccountId,
    /// How `pattern` is read.
    pub kind: Kind,
    /// A local part, a glob, the source of a regular expression, or `*`.
    pub pattern: String,
    /// The smaller is tried first (patterns only).
    pub priority: i64,
    /// What it does.
    pub action: Action,
    /// Where to.
    pub targets: Vec<Target>,
    /// Switched on.
    pub enabled: bool,
    /// When it ends.
    pub expiry: Expiry,
    /// What then.
    pub after: After,
    /// Who may write.
    pub senders: SenderLists,
    /// Messages in rolling 24 h.
    pub quota: Option<u64>,
    /// What the log keeps.
    pub privacy: Privacy,
    /// The text of reject (may begin with a code: `450 4.2.1 later`, `550 5.7.1 no`).
    pub reject_text: Option<String>,
    /// Settings of this level.
    pub overrides: Overrides,
    /// When it was made.
    pub created_at: Moment,
}

/// A hosted domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedDomain {
    /// Its key.
    pub id: DomainId,
    /// Its public id.
    pub uuid: Uuid,
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: Domain,
    /// Whether its zone, or an admin's word, says that it is this account's. Until then it is a mere claim, which binds
    /// nobody else.
    pub verified: bool,
    /// Whether `shop+tag` finds `shop`.
    pub subaddressing: bool,
    /// Whether the tag is passed on to the destination.
    pub keep_tag: bool,
    /// The domain of its SRS addresses, where not its own.
    pub srs_domain: Option<Domain>,
    /// The domain whose aliases are its own, where it is a mirror.
    pub mirror_of: Option<Domain>,
    /// Who gets postmaster and abuse, where the domain names somebody who gets mail.
    pub contact: Option<Destination>,
    /// Who may write.
    pub senders: SenderLists,
    /// Settings of this level.
    pub overrides: Overrides,
}
