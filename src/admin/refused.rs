//! Sign-ins that were refused, in the audit log: one entry for an account and a network within an hour, which counts. All the
//! accounts that a network guesses and that there are not share one.
//!
//! What is written for an account that is there and for one that is not is the same work.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::policy::deeds::Deed;
use crate::policy::ids::{AccountId, OWNER};
use crate::policy::limits::network_of;

use super::sign_in::Visitor;
use super::{Actor, ActorName, Admin, Subject};

/// One entry counts for so long.
const PERIOD: Duration = Duration::from_secs(3600);
/// Entries that are counted on at the same time.
const MAX_COUNTED: u64 = 10_000;
/// What stands for all accounts that there are not.
const NOBODY: &str = "no account of this gateway";

/// Where it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoppedAt {
    /// Address or password.
    Password,
    /// The password was right, and the second factor was not.
    Code,
    /// There were too many before it.
    Limit,
}

/// What one entry says.
#[derive(Debug, Clone, Serialize)]
struct Told {
    ip: String,
    agent: Option<String>,
    stopped_at: StoppedAt,
    count: u64,
}

/// An entry that is counted on: its number, its count, whether it was said that there were too many.
#[derive(Debug, Default)]
struct Counted {
    entry: Option<i64>,
    count: u64,
    is_limited: bool,
}

/// What was refused lately; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Refusals(Cache<(Option<AccountId>, IpAddr), Arc<Mutex<Counted>>>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_COUNTED).time_to_live(PERIOD).build())
    }
}

impl Admin {
    /// Writes down that somebody did not get in. It costs the sign-in nothing but time if the log cannot be written.
    pub(super) async fn note_refused(
        &self,
        account: Option<(AccountId, &str)>,
        visitor: &Visitor,
        stopped_at: StoppedAt,
    ) {
        let network = network_of(visitor.ip);
        let counted = self.guesses.refusals.0.get_with((account.map(|(key, _)| key), network), Arc::default);
        let mut counted = counted.lock().await;
        // Whoever goes on after that is not written down each time.
        if stopped_at == StoppedAt::Limit && std::mem::replace(&mut counted.is_limited, true) {
            return;
        }
        counted.count += 1;
        let told = Told {
            ip: visitor.ip.to_canonical().to_string(),
            agent: visitor.kept_agent(),
            stopped_at,
            count: counted.count,
        };
        let (key, object) = account.map_or((OWNER, NOBODY), |(key, email)| (key, email));
        let subject = Subject { object, before: None, after: Some(&told) };
        let entry = self.audit(&Actor::whole(key, ActorName::Visitor), Deed::SessionRefused, &subject);
        match self.store.accounts.audit_again(counted.entry, entry).await {
            Ok(id) => counted.entry = Some(id),
            Err(error) => tracing::warn!(%error, "a refused sign-in is not in the audit log"),
        }
    }
}
