//! An alias as the API shows it.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::fields::{span, write_span};
use crate::admin::name::AliasName;
use crate::mail::Moment;
use crate::policy::rule::{Action, After, Kind, Privacy};
use crate::policy::settings::Overrides;
use crate::store::activity::Counts;
use crate::store::rules::AliasRow;

/// When an alias ends by use.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ExpiresAfter {
    /// After this number of messages.
    Messages(u64),
    /// After this time without a message, such as `30d`.
    Idle(String),
}

impl ExpiresAfter {
    /// For how long no mail may come, where it is such an end.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        match self {
            Self::Messages(_) => None,
            Self::Idle(text) => span(text),
        }
    }
}

/// An alias.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Alias)]
pub struct AliasShape {
    /// Its id.
    pub id: Uuid,
    /// As written: address, glob, regular expression between slashes, or `*@…`.
    pub address: String,
    /// Its domain's name.
    pub domain: String,
    /// How the pattern is read.
    pub kind: Kind,
    /// Smaller first.
    pub priority: i64,
    /// What it does.
    pub action: Action,
    /// Where to.
    pub destinations: Vec<String>,
    /// Those of them that get no mail until they are verified.
    pub unverified: Vec<String>,
    /// Switched on.
    pub enabled: bool,
    /// The note.
    pub description: String,
    /// Labels.
    pub labels: Vec<String>,
    /// Ends at.
    pub expires_at: Option<Moment>,
    /// A number of messages in all (`messages` of them have come), or an idle time (`30d`).
    pub expires_after: Option<ExpiresAfter>,
    /// Messages that were accepted so far.
    pub messages: u64,
    /// How it came to its end, such as `ended after one message`; null until then.
    pub ended: Option<String>,
    /// What is done with its mail once it has ended.
    pub then: After,
    /// Let in: an address, `@domain` or a glob. It overrides blocks; and where SPF or a signature proved who it means, also a
    /// refusal by `policy`. With `authenticated:` in front it means only who was proved.
    pub allow: Vec<String>,
    /// Kept out, as sender of the envelope or as author (From): an address, `@domain` or a glob; with `authenticated:` in front
    /// only who was proved.
    pub block: Vec<String>,
    /// Messages in rolling 24 h.
    pub quota: Option<u64>,
    /// How many of them came in the last 24 h; null without a quota.
    pub quota_used: Option<u64>,
    /// What the log keeps.
    pub privacy: Privacy,
    /// The text of reject.
    pub reject_message: Option<String>,
    /// Settings of this level: `spf`, `dkim`, `dmarc` (`off`, `observe`, `enforce`), `unauthenticated` (`accept`, `reject`),
    /// `tls` (`opportunistic`, `require`), `forwarded_headers`; what is not there is inherited. A change is merged key by key,
    /// and `null` inherits again.
    pub policy: Overrides,
    /// When made.
    pub created_at: Moment,
    /// When changed.
    pub updated_at: Moment,
    /// When mail last came.
    pub last_mail_at: Option<Moment>,
    /// What became of its mail.
    pub counts: Counts,
}

impl AliasShape {
    /// Shows a row with its counts.
    #[must_use]
    pub fn new(row: &AliasRow, counts: Counts, last_mail_at: Option<Moment>) -> Self {
        let spec = row.spec.clone();
        Self {
            id: row.id,
            address: alias_name(row).to_string(),
            domain: row.domain_name.to_string(),
            kind: spec.kind,
            priority: spec.priority,
            action: spec.action,
            destinations: spec.destinations,
            unverified: row.unverified.clone(),
            enabled: spec.enabled,
            description: spec.description,
            labels: spec.labels,
            expires_at: spec.expires_at,
            expires_after: expires_after(&row.spec),
            messages: 0,
            ended: None,
            then: spec.then,
            allow: spec.allow,
            block: spec.block,
            quota: spec.quota,
            quota_used: None,
            privacy: spec.privacy,
            reject_message: spec.reject_message,
            policy: spec.overrides,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_mail_at,
            counts,
        }
    }
}

/// The alias as people write it.
#[must_use]
pub fn alias_name(row: &AliasRow) -> AliasName {
    AliasName::new(row.spec.kind, row.spec.pattern.clone(), row.domain_name.clone())
}

fn expires_after(spec: &crate::store::rules::AliasSpec) -> Option<ExpiresAfter> {
    let messages = spec.expires_after_messages.map(ExpiresAfter::Messages);
    messages.or_else(|| spec.expires_after_idle.map(|idle| ExpiresAfter::Idle(write_span(idle))))
}
