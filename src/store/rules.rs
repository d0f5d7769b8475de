//! Rules as people read and change them: domains, aliases, destinations, with their versions. Every change writes the
//! audit row that it is given in the same transaction, refreshes the directory, and is then announced.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Result;
use super::accounts::AuditEntry;
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::ids::{AccountId, AliasId, DestinationId, DomainId};
use crate::policy::rule::{Action, After, Kind, Privacy};
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
    /// Who gets postmaster and abuse.
    pub contact: Option<String>,
    /// `ok`, `drift`, `unknown`.
    pub dns: String,
    /// Settings of this level.
    pub overrides: Overrides,
    /// Let in, kept out.
    pub allow: Vec<String>,
    /// Kept out.
    pub block: Vec<String>,
    /// When made.
    pub created_at: Moment,
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
    /// When made.
    pub created_at: Moment,
}

/// Which rows to list: `cursor` is opaque, `limit` 1 to 500.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only this account's.
    pub account: Option<AccountId>,
    /// Only this domain's.
    pub domain: Option<DomainId>,
    /// Part of the address or description.
    pub search: Option<String>,
    /// Only switched on, or off.
    pub enabled: Option<bool>,
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
pub struct Rules {}

#[expect(unused_variables, reason = "the skeleton")]
impl Rules {
    /// Adds a domain.
    pub async fn add_domain(
        &self,
        account: AccountId,
        name: &Domain,
        verified_at: Option<Moment>,
        audit: AuditEntry,
    ) -> Result<DomainRow> {
        todo!("store")
    }
    /// Changes a domain whose version is still `row.version`.
    pub async fn change_domain(&self, row: &DomainRow, audit: AuditEntry) -> Result<DomainRow> {
        todo!("store")
    }
    /// Removes a domain and its aliases. The log stays.
    pub async fn remove_domain(&self, key: DomainId, audit: AuditEntry) -> Result<()> {
        todo!("store")
    }
    /// By name.
    pub async fn domain(&self, name: &Domain) -> Result<DomainRow> {
        todo!("store")
    }
    /// All, by name.
    pub async fn domains(&self, query: ListQuery) -> Result<Listing<DomainRow>> {
        todo!("store")
    }

    /// Adds an alias; destinations that do not exist are added unverified.
    pub async fn add_alias(
        &self,
        account: AccountId,
        domain: DomainId,
        spec: &AliasSpec,
        audit: AuditEntry,
    ) -> Result<AliasRow> {
        todo!("store")
    }
    /// Changes an alias whose version is still `row.version`.
    pub async fn change_alias(&self, row: &AliasRow, audit: AuditEntry) -> Result<AliasRow> {
        todo!("store")
    }
    /// Removes it.
    pub async fn remove_alias(&self, key: AliasId, audit: AuditEntry) -> Result<()> {
        todo!("store")
    }
    /// By public id.
    pub async fn alias_by_id(&self, id: Uuid) -> Result<AliasRow> {
        todo!("store")
    }
    /// By domain, kind and pattern (folded for addresses).
    pub async fn alias(&self, domain: DomainId, kind: Kind, pattern: &str) -> Result<AliasRow> {
        todo!("store")
    }
    /// Newest first.
    pub async fn aliases(&self, query: ListQuery) -> Result<Listing<AliasRow>> {
        todo!("store")
    }
    /// All or nothing; a million in under a minute, in steps that let other writers through: staged first, made to count
    /// in one short transaction. Progress is told by the number of lines done.
    pub async fn import(
        &self,
        account: AccountId,
        lines: Vec<ImportLine>,
        progress: tokio::sync::watch::Sender<u64>,
        audit: AuditEntry,
    ) -> Result<u64> {
        todo!("store")
    }

    /// Adds a destination (or `@domain`).
    pub async fn add_destination(
        &self,
        account: AccountId,
        address: &str,
        verified_at: Option<Moment>,
        audit: AuditEntry,
    ) -> Result<DestinationRow> {
        todo!("store")
    }
    /// Verifies it.
    pub async fn verify_destination(
        &self,
        key: DestinationId,
        at: Moment,
        audit: AuditEntry,
    ) -> Result<DestinationRow> {
        todo!("store")
    }
    /// Makes it the account's default.
    pub async fn default_destination(&self, key: DestinationId, audit: AuditEntry) -> Result<DestinationRow> {
        todo!("store")
    }
    /// Removes it; `Invalid` while aliases use it.
    pub async fn remove_destination(&self, key: DestinationId, audit: AuditEntry) -> Result<()> {
        todo!("store")
    }
    /// By public id.
    pub async fn destination_by_id(&self, id: Uuid) -> Result<DestinationRow> {
        todo!("store")
    }
    /// By address.
    pub async fn destination(&self, account: AccountId, address: &str) -> Result<DestinationRow> {
        todo!("store")
    }
    /// All, by address.
    pub async fn destinations(&self, query: ListQuery) -> Result<Listing<DestinationRow>> {
        todo!("store")
    }
}
