//! Accounts, tokens, sessions, one-time links, panel settings and the audit log.

pub(super) mod audit;
pub(super) mod credentials;
pub(super) mod idempotency;
pub(super) mod people;
pub(super) mod sessions;
mod set_up;
pub(super) mod settings;
pub(super) mod tokens;

pub(in crate::store) use sessions::clear_links;

use std::sync::Arc;

use serde_json::Value;
use sqlx::SqlitePool;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use super::queue::ledger::Entry;
use super::writer::Writer;
use crate::mail::{Domain, Moment};
use crate::policy::ids::{AccountId, DomainId};
use crate::policy::roles::{DomainRole, Role};

pub use credentials::NewTotp;
pub use idempotency::{Answer, STAND_IN};
pub use sessions::IDLE_FOR;
pub use set_up::SetUp;

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
    /// When the first call was served.
    pub first_used_at: Option<Moment>,
    /// The address that this call came from.
    pub first_used_from: Option<String>,
    /// When made.
    pub created_at: Moment,
}

/// An entry of the audit log as it is read.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Moment,
    /// On whose behalf.
    pub account: AccountId,
    /// The address that this account signs in with, if it still is and has one.
    pub email: Option<String>,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Of what.
    pub object: String,
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
}

/// Entries of the audit log that follow one another: what one transaction wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSpan {
    /// The number of the first.
    pub first: i64,
    /// And of the last.
    pub last: i64,
}

/// Which entries of the audit log to list.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only on this account's behalf.
    pub account: Option<AccountId>,
    /// Only what was done by this name, whatever else is asked for.
    pub by: Option<String>,
    /// Only by this actor (`operator`, `token NAME`), or this address.
    pub actor: Option<String>,
    /// Only this action (`alias.remove`), or all of this kind (`alias`).
    pub action: Option<String>,
    /// Part of the object.
    pub object: Option<String>,
    /// Not before.
    pub since: Option<Moment>,
    /// Before.
    pub until: Option<Moment>,
    /// Entries of a smaller number than this.
    pub before: Option<i64>,
    /// At most.
    pub limit: u32,
}

/// An account as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its key.
    pub key: AccountId,
    /// Its id.
    pub id: Uuid,
    /// Raised by every change.
    pub version: i64,
    /// What it signs in with, folded; none before the owner's first set-up.
    pub email: Option<String>,
    /// A name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Whether it can sign in by password.
    pub has_password: bool,
    /// Whether it has a second factor.
    pub has_totp: bool,
    /// Switched off since.
    pub disabled_at: Option<Moment>,
    /// When made.
    pub created_at: Moment,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its id.
    pub id: Uuid,
    /// What it signs in with, folded.
    pub email: String,
    /// A name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// An Argon2id PHC string; none until the person has set a password.
    pub password_hash: Option<String>,
}

/// A role on a domain of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The domain.
    pub domain: DomainId,
    /// Its name.
    pub name: Domain,
    /// The role.
    pub role: DomainRole,
}

/// What an account may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Of the whole gateway.
    pub role: Role,
    /// What it signs in with.
    pub email: Option<String>,
    /// Of domains of others.
    pub grants: Vec<Grant>,
    /// The mirrors of these, of which it has no role of its own: mail that comes by them is for the aliases of these.
    pub mirrors: Vec<Grant>,
}

/// What an account signs in with.
#[derive(Clone)]
pub struct Credentials {
    /// Whose.
    pub account: AccountId,
    /// An Argon2id PHC string.
    pub password_hash: Option<String>,
    /// The second factor's secret, where it is on.
    pub totp_secret: Option<Vec<u8>>,
    /// Whether the account is switched off.
    pub is_disabled: bool,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.account.0)
    }
}

/// A session to be kept.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account: AccountId,
    /// When it begins.
    pub now: Moment,
    /// When it ends at the latest.
    pub expires_at: Moment,
    /// Where it signed in from.
    pub ip: Option<String>,
    /// With what.
    pub agent: Option<String>,
}

/// A session as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub account: AccountId,
    /// When it began.
    pub created_at: Moment,
    /// Last used, within minutes.
    pub seen_at: Moment,
    /// When it ends at the latest.
    pub expires_at: Moment,
    /// Where it signed in from.
    pub ip: Option<String>,
    /// With what.
    pub agent: Option<String>,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// Sign in.
    SignIn,
    /// First set-up.
    Setup,
    /// Set a new password.
    Reset,
    /// Knows a browser again that has signed in before; lasts, and opens nothing by itself.
    Device,
}

impl LinkPurpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Setup => "setup",
            Self::Reset => "reset",
            Self::Device => "device",
        }
    }
}

/// Accounts; cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    writer: Writer<Entry>,
    readers: SqlitePool,
    turns: Arc<Mutex<()>>,
}

impl Accounts {
    pub(super) fn new(writer: Writer<Entry>, readers: SqlitePool) -> Self {
        Self { writer, readers, turns: Arc::default() }
    }

    /// Whoever changes an account by what it is holds this from before it looks: all in their turn, so that nobody keeps
    /// anybody else from a change by making others.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turns).lock_owned().await
    }
}
