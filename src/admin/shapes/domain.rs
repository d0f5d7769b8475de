//! A domain as the API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::mail::Moment;
use crate::policy::rule::Action;
use crate::policy::settings::Overrides;
use crate::store::rules::{AliasRow, DomainRow};

/// The catch-all of a domain: a view of its one `*@domain` alias, which alone is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchAll {
    /// No such alias, or switched off.
    #[default]
    Off,
    /// Sent on.
    Forward,
    /// The first accepted mail makes a normal alias.
    Create,
    /// Dropped.
    Drop,
    /// Refused with its text.
    Reject,
}

impl CatchAll {
    /// The view of an alias.
    #[must_use]
    pub fn of(alias: Option<&AliasRow>) -> Self {
        match alias.filter(|row| row.spec.enabled).map(|row| row.spec.action) {
            None => Self::Off,
            Some(Action::Forward) => Self::Forward,
            Some(Action::Create) => Self::Create,
            Some(Action::Drop) => Self::Drop,
            Some(Action::Reject) => Self::Reject,
        }
    }

    /// The action that the alias needs; none switches it off.
    #[must_use]
    pub const fn action(self) -> Option<Action> {
        match self {
            Self::Off => None,
            Self::Forward => Some(Action::Forward),
            Self::Create => Some(Action::Create),
            Self::Drop => Some(Action::Drop),
            Self::Reject => Some(Action::Reject),
        }
    }
}

/// A domain.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Domain)]
pub struct DomainShape {
    /// Its id.
    pub id: Uuid,
    /// Its name in A-labels.
    pub name: String,
    /// Its name in U-labels.
    pub unicode: String,
    /// When its proof was seen, or an admin's word.
    pub verified_at: Option<Moment>,
    /// What becomes of mail to addresses without an alias.
    pub catch_all: CatchAll,
    /// `shop+tag` finds `shop`.
    pub subaddressing: bool,
    /// The tag is passed on.
    pub keep_tag: bool,
    /// The domain of its SRS addresses, where not its own.
    pub srs_domain: Option<String>,
    /// The domain whose aliases are its own, where it is a mirror.
    pub mirror_of: Option<String>,
    /// `ok`, `drift`, `unknown`.
    pub dns: String,
    /// How its random aliases look, where the token does not say.
    pub alias_format: Option<String>,
    /// Who gets postmaster and abuse.
    pub contact: Option<String>,
    /// Let in: an address, `@domain` or a glob. It overrides blocks; and where SPF or a signature proved who it means, also a
    /// refusal by `policy`. With `authenticated:` in front it means only who was proved.
    pub allow: Vec<String>,
    /// Kept out, as sender of the envelope or as author (From): an address, `@domain` or a glob; with `authenticated:` in front
    /// only who was proved.
    pub block: Vec<String>,
    /// Settings of this level: `spf`, `dkim`, `dmarc` (`off`, `observe`, `enforce`), `unauthenticated` (`accept`, `reject`),
    /// `tls` (`opportunistic`, `require`), `forwarded_headers`; what is not there is inherited. A change is merged key by key,
    /// and `null` inherits again.
    pub policy: Overrides,
    /// When made.
    pub created_at: Moment,
}

impl DomainShape {
    /// Shows a row with its catch-all.
    #[must_use]
    pub fn new(row: &DomainRow, catch_all: CatchAll) -> Self {
        Self {
            id: row.id,
            name: row.name.to_string(),
            unicode: row.name.unicode(),
            verified_at: row.verified_at,
            catch_all,
            subaddressing: row.subaddressing,
            keep_tag: row.keep_tag,
            srs_domain: row.srs_domain.as_ref().map(ToString::to_string),
            mirror_of: row.mirror_of.as_ref().map(ToString::to_string),
            dns: row.dns.clone(),
            alias_format: row.alias_format.clone(),
            contact: row.contact.clone(),
            allow: row.allow.clone(),
            block: row.block.clone(),
            policy: row.overrides.clone(),
            created_at: row.created_at,
        }
    }
}
