//! Rules as RCPT reads them: domains and patterns in a snapshot, exact aliases through a bounded cache over SQL.
//!
//! A change made through [`super::rules`] counts at once: the snapshot is read anew and the cache emptied of what it
//! touched before the change is announced. A million aliases cost no memory until they are asked for.

use std::sync::Arc;

use super::Result;
use crate::mail::{Domain, Mailbox};
use crate::policy::facts::{Candidates, Usage};
use crate::policy::rule::{HostedDomain, Rule, SenderLists};

/// Exact aliases (found or known to be missing) that the cache holds at most.
pub const MAX_CACHED_ALIASES: u64 = 50_000;

/// The directory; cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {}

impl Directory {
    /// The hosted domain of this name.
    #[must_use]
    pub fn domain(&self, name: &Domain) -> Option<Arc<HostedDomain>> {
        let _ = name;
        todo!("store")
    }

    /// The rules that may match; `None` when the domain is not hosted.
    pub async fn candidates(&self, recipient: &Mailbox) -> Result<Option<Candidates>> {
        let _ = recipient;
        todo!("store")
    }

    /// How much mail a rule has had (kept in memory between writes; asked only for rules that count).
    pub async fn usage(&self, rule: &Rule) -> Result<Usage> {
        let _ = rule;
        todo!("store")
    }

    /// Whether this address is a verified destination of the account, or lies in a domain that it trusts.
    pub async fn is_verified(&self, account: crate::policy::ids::AccountId, address: &Mailbox) -> Result<bool> {
        let _ = (account, address);
        todo!("store")
    }

    /// The instance's blocks.
    #[must_use]
    pub fn instance_senders(&self) -> Arc<SenderLists> {
        todo!("store")
    }

    /// A remembered verdict: this destination refused its mailbox in the last 10 min.
    pub fn remember_failing(&self, destination: &Mailbox) {
        let _ = destination;
        todo!("store")
    }

    /// Whether it did.
    #[must_use]
    pub fn is_failing(&self, destination: &Mailbox) -> bool {
        let _ = destination;
        todo!("store")
    }
}
