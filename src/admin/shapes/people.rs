//! People as the API shows them: accounts, who one is, sessions, the second factor, the audit log.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::alias_changes::GONE;
use crate::mail::Moment;
use crate::policy::roles::{DomainRole, Role};
use crate::store::accounts::{AccountRow, AuditRow, Grant, IDLE_FOR, SessionRow};

/// Octets of a hash that tell one state of an account from another.
const TAG_OCTETS: usize = 8;

/// A role on a domain of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Grant)]
pub struct GrantShape {
    /// The domain's name.
    pub domain: String,
    /// `manager`, or `viewer`.
    pub role: DomainRole,
}

/// An account.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserShape {
    /// Its id.
    pub id: Uuid,
    /// What it signs in with; `null` before the owner's first set-up.
    pub email: Option<String>,
    /// A name.
    pub name: String,
    /// `owner`, `admin`, `member`.
    pub role: Role,
    /// Roles on domains of others.
    pub domains: Vec<GrantShape>,
    /// Whether it can sign in by password.
    pub has_password: bool,
    /// Whether it has a second factor.
    pub totp: bool,
    /// Whether it is switched off.
    pub disabled: bool,
    /// When made.
    pub created_at: Moment,
    /// Where its password is set: only in the answer that makes it without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl UserShape {
    /// Shows a row with its roles.
    #[must_use]
    pub fn new(row: &AccountRow, grants: &[Grant]) -> Self {
        let shown = |grant: &Grant| GrantShape { domain: grant.name.to_string(), role: grant.role };
        Self {
            id: row.id,
            email: row.email.clone(),
            name: row.name.clone(),
            role: row.role,
            domains: grants.iter().map(shown).collect(),
            has_password: row.has_password,
            totp: row.has_totp,
            disabled: row.disabled_at.is_some(),
            created_at: row.created_at,
            link: None,
        }
    }

    /// What changes with anything that is shown: the entity tag of HTTP.
    #[must_use]
    pub fn tag(&self) -> String {
        let shown = serde_json::to_vec(self).unwrap_or_default();
        HEXLOWER.encode(&Sha256::digest(shown)[..TAG_OCTETS])
    }
}

/// Who asks.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Me)]
pub struct MeShape {
    /// `operator`, `token NAME`, `session`.
    pub name: String,
    /// What for.
    pub scopes: Vec<String>,
    /// Only these domains (empty: all).
    pub domains: Vec<String>,
    /// Default domain for new aliases.
    pub default_domain: Option<String>,
    /// Default format for random aliases.
    pub alias_format: Option<String>,
    /// Default destination for new aliases.
    pub default_destination: Option<String>,
    /// The account on whose behalf.
    pub account: UserShape,
    /// Recovery codes that were not used.
    pub recovery_codes_left: u64,
}

/// A session of the panel.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionShape {
    /// Its id.
    pub id: Uuid,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Where it signed in from.
    pub ip: Option<String>,
    /// With what.
    pub agent: Option<String>,
    /// When it began.
    pub created_at: Moment,
    /// Last used, within minutes.
    pub seen_at: Moment,
    /// When it ends if it is not used.
    pub expires_at: Moment,
}

impl SessionShape {
    /// Shows a row to the session `own`.
    #[must_use]
    pub fn new(row: SessionRow, own: Option<Uuid>) -> Self {
        Self {
            id: row.id,
            current: own == Some(row.id),
            ip: row.ip,
            agent: row.agent,
            created_at: row.created_at,
            seen_at: row.seen_at,
            expires_at: row.expires_at.min(row.seen_at.after(IDLE_FOR)),
        }
    }
}

/// A secret for an authenticator, not in use yet.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NewTotp)]
pub struct NewTotpShape {
    /// In base32, to be written into the authenticator and handed back with a code.
    pub secret: String,
    /// The same as authenticators read it.
    pub uri: String,
}

/// A second factor that was switched on.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TotpOn)]
pub struct TotpOnShape {
    /// Each stands in for the authenticator once. They are shown only now.
    pub recovery_codes: Vec<String>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditShape {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Moment,
    /// `operator`, `token NAME`, `session`, `upkeep`.
    pub actor: String,
    /// The address of the account on whose behalf.
    pub email: Option<String>,
    /// `alias.change`, `user.add`, …
    pub action: String,
    /// Of what.
    pub object: String,
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub after: Option<Value>,
    /// Whether it can be taken back by `POST /v1/audit/{id}/undo`, as far as it stands there.
    pub undoable: bool,
}

impl AuditShape {
    /// Shows a row.
    #[must_use]
    pub fn new(row: AuditRow, undoable: bool) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor: row.actor,
            email: row.email,
            action: row.action,
            object: row.object,
            before: row.before.map(without_gone),
            after: row.after,
            undoable,
        }
    }
}

/// What brings a removed alias back is for us alone.
fn without_gone(mut before: Value) -> Value {
    if let Some(fields) = before.as_object_mut() {
        fields.remove(GONE);
    }
    before
}
