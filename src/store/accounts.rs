//! Accounts, tokens, sessions, one-time links, panel settings and the audit log.

pub(super) mod audit;
pub(super) mod idempotency;
pub(super) mod sessions;
pub(super) mod settings;
pub(super) mod tokens;

use serde_json::Value;
use sqlx::SqlitePool;
use uuid::Uuid;

use super::queue::ledger::Entry;
use super::writer::Writer;
use crate::mail::Moment;
use crate::policy::ids::AccountId;

/// A change of rules or settings, for the audit log.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// When.
    pub at: Moment,
    /// On whose behalf.
    pub account: AccountId,
    /// Who: `operator` (control socket), `token NAME`, `session`.
    pub actor: String,
    /// What: `alias.create`, `destination.verify`, …
    pub action: String,
    /// Of what: its address or name.
    pub object: String,
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
}

/// A token as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// The first characters, to know it by.
    pub prefix: String,
    /// `aliases:create`, `activity:read`, …
    pub scopes: Vec<String>,
    /// Only these domains (empty: all of the account).
    pub domains: Vec<String>,
    /// Default domain for new aliases.
    pub default_domain: Option<String>,
    /// Default format for random aliases.
    pub alias_format: Option<String>,
    /// Default destination.
    pub default_destination: Option<String>,
    /// Ends at.
    pub expires_at: Option<Moment>,
    /// Last used.
    pub last_used_at: Option<Moment>,
    /// When made.
    pub created_at: Moment,
}

/// What a one-time link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Sign in.
    SignIn,
    /// First set-up.
    Setup,
}

/// Accounts; cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    writer: Writer<Entry>,
    readers: SqlitePool,
}

impl Accounts {
    pub(super) const fn new(writer: Writer<Entry>, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }
}
