//! Accounts, tokens, sessions, one-time links, panel settings and the audit log.

pub(super) mod audit;

use serde_json::Value;
use sqlx::SqlitePool;
use uuid::Uuid;

use super::Result;
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

#[expect(unused_variables, reason = "the skeleton")]
impl Accounts {
    /// Keeps a token under its SHA-256.
    pub async fn add_token(&self, token: &TokenRow, hash: [u8; 32], audit: AuditEntry) -> Result<()> {
        todo!("store")
    }
    /// The token of this hash, unless expired or revoked; its last use is noted at most once a minute.
    pub async fn token_by_hash(&self, hash: [u8; 32], now: Moment) -> Result<TokenRow> {
        todo!("store")
    }
    /// An account's tokens.
    pub async fn tokens(&self, account: AccountId) -> Result<Vec<TokenRow>> {
        todo!("store")
    }
    /// Revokes one.
    pub async fn revoke_token(&self, id: Uuid, audit: AuditEntry) -> Result<()> {
        todo!("store")
    }

    /// Keeps a one-time link under its SHA-256.
    pub async fn add_link(
        &self,
        hash: [u8; 32],
        purpose: LinkPurpose,
        account: AccountId,
        expires_at: Moment,
    ) -> Result<()> {
        todo!("store")
    }
    /// Whether a link could be used (a GET uses none up).
    pub async fn link_is_good(&self, hash: [u8; 32], now: Moment) -> Result<bool> {
        todo!("store")
    }
    /// Uses a link up.
    pub async fn use_link(&self, hash: [u8; 32], now: Moment) -> Result<(LinkPurpose, AccountId)> {
        todo!("store")
    }

    /// Keeps a session under its SHA-256.
    pub async fn add_session(&self, hash: [u8; 32], account: AccountId, now: Moment, expires_at: Moment) -> Result<()> {
        todo!("store")
    }
    /// The account of a session that has not ended.
    pub async fn session(&self, hash: [u8; 32], now: Moment) -> Result<AccountId> {
        todo!("store")
    }
    /// Ends a session.
    pub async fn end_session(&self, hash: [u8; 32]) -> Result<()> {
        todo!("store")
    }

    /// What was set in the panel.
    pub async fn settings(&self) -> Result<Vec<(String, Value)>> {
        todo!("store")
    }
    /// Sets a key.
    pub async fn set(&self, key: &str, value: &Value, audit: AuditEntry) -> Result<()> {
        todo!("store")
    }
    /// Writes an audit row for a change that is not one of storage's own.
    pub async fn audit(&self, entry: AuditEntry) -> Result<()> {
        todo!("store")
    }

    /// An answer that was given to this idempotency key: the request's hash, status and body.
    pub async fn idempotent(
        &self,
        account: AccountId,
        key: &str,
        now: Moment,
    ) -> Result<Option<([u8; 32], u16, String)>> {
        todo!("store")
    }
    /// Keeps an answer for 24 h.
    pub async fn keep_idempotent(
        &self,
        account: AccountId,
        key: &str,
        answer: ([u8; 32], u16, String),
        now: Moment,
    ) -> Result<()> {
        todo!("store")
    }
}
