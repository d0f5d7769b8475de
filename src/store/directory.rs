//! Rules as RCPT reads them: domains and patterns in a snapshot, exact aliases through a bounded cache over SQL.
//!
//! A change made through [`super::rules`] counts at once: the snapshot is read anew and the cache emptied of what it
//! touched before the change is announced. A million aliases cost no memory until they are asked for.

mod aliases;
mod failing;
mod lookup;
mod no_mail;
mod snapshot;

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use sqlx::SqlitePool;

use self::aliases::Aliases;
pub use self::failing::FAILING_FOR;
use self::failing::Failing;
use self::lookup::Lookup;
use self::no_mail::NoMail;
use self::snapshot::{Hosted, Snapshot};
use super::Result;
use super::activity::Activity;
use super::columns::json;
use super::file::File;
use super::matchers::Matchers;
use crate::clock::Clock;
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::facts::{Candidates, Usage};
use crate::policy::ids::{AccountId, AliasId, DestinationId, DomainId};
use crate::policy::routing::lookup_keys;
use crate::policy::rule::{Destination, HostedDomain, Rule, SenderLists};
use crate::smtp::reply::Reply;

pub(super) use self::snapshot::CONTACTS_OF;
#[cfg(test)]
pub(super) use self::snapshot::statements;

/// Exact aliases (found or known to be missing) that the cache holds at most.
pub const MAX_CACHED_ALIASES: u64 = 50_000;

pub(super) const IS_VERIFIED: &str = "select exists (select 1 from destinations where account_id = ?1 \
    and key in (?2, ?3) and verified_at is not null)";
/// Of several: account, and the same keys.
pub(super) const VERIFIED: &str = "select exists (select 1 from destinations where account_id = s.value ->> 0 \
    and key in (s.value ->> 1, s.value ->> 2) and verified_at is not null) from json_each(?1) as s";

/// The directory; cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    snapshot: ArcSwap<Snapshot>,
    aliases: Aliases,
    failing: Failing,
    no_mail: NoMail,
    activity: Activity,
    matchers: Matchers,
    clock: Clock,
    rules: SqlitePool,
    /// Questions that went to the databases.
    asked: AtomicU64,
    /// One reading at a time, so that an older one never replaces a newer.
    reading: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({} domains)", self.0.snapshot.load().len())
    }
}

/// The readers of both files.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    pub(super) rules: SqlitePool,
    pub(super) log: SqlitePool,
}

/// What a change of rules touches.
#[derive(Debug, Clone)]
pub(super) enum Touched {
    /// One exact alias, by its key.
    Address(DomainId, String),
    /// What one destination is, by its address.
    Destination(String),
    /// Domains, patterns, destinations, or many aliases.
    All,
}

impl Directory {
    /// Reads domains and patterns; exact aliases are read when they are asked for.
    pub(super) async fn open(
        (file, rules): (File, SqlitePool),
        (activity, matchers): (Activity, Matchers),
        clock: Clock,
    ) -> Result<Self> {
        let snapshot = ArcSwap::from_pointee(Snapshot::read(&rules, &matchers).await?);
        let (failing, no_mail) = (Failing::default(), NoMail::read(&rules).await?);
        let reading = tokio::sync::Mutex::new(());
        let aliases = Aliases::new(Lookup::start(file));
        Ok(Self(Arc::new(Inner {
            snapshot,
            aliases,
            failing,
            no_mail,
            activity,
            matchers,
            clock,
            rules,
            asked: AtomicU64::new(0),
            reading,
        })))
    }

    /// The hosted domain of this name.
    #[must_use]
    pub fn domain(&self, name: &Domain) -> Option<Arc<HostedDomain>> {
        self.0.snapshot.load().get(name).map(|hosted| Arc::clone(&hosted.domain))
    }

    /// Who gets mail of an account that no other inbox is named for, if anybody: postmaster and abuse must not go dark.
    #[must_use]
    pub fn contact_of(&self, account: AccountId) -> Option<Destination> {
        self.0.snapshot.load().contacts(account).first().cloned()
    }

    /// Who would get it without this destination.
    #[must_use]
    pub fn contact_without(&self, account: AccountId, gone: DestinationId) -> Option<Destination> {
        self.0.snapshot.load().contacts(account).iter().find(|contact| contact.id != gone).cloned()
    }

    /// The domains of an account that name nobody for it who gets mail, by name.
    #[must_use]
    pub fn without_contact(&self, account: AccountId) -> Vec<String> {
        let mut names: Vec<_> = self.0.snapshot.load().without_contact(account).map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }

    /// The rules that may match; `None` when the domain is not hosted.
    pub async fn candidates(&self, recipient: &Mailbox) -> Result<Option<Candidates>> {
        let Some(hosted) = recipient.domain().and_then(|name| self.0.snapshot.load().get(name).cloned()) else {
            return Ok(None);
        };
        // One step and no more: that nothing mirrors a mirror is seen to when rules are changed, and if one did, it would
        // find no rules.
        let original = hosted.domain.mirror_of.as_ref().and_then(|name| self.0.snapshot.load().get(name).cloned());
        let Hosted { domain: of, patterns, catch_all } = original.unwrap_or_else(|| hosted.clone());
        let keys = lookup_keys(recipient, hosted.domain.subaddressing);
        let addresses = self.0.aliases.find(of.id, keys).await?;
        Ok(Some(Candidates { domain: hosted.domain, addresses, patterns, catch_all }))
    }

    /// How many questions went to the databases so far: what is known and what is not must cost the same.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.0.asked.load(Ordering::Relaxed) + self.0.aliases.asked() + self.0.activity.usage_asked()
    }

    /// How much mail a rule has had (kept in memory between writes; asked only for rules that count).
    pub async fn usage(&self, rule: &Rule) -> Result<Usage> {
        self.0.activity.usage(rule.id).await
    }

    /// Messages that an alias took in the last 24 h.
    pub async fn last_day(&self, alias: AliasId) -> Result<u64> {
        Ok(self.0.activity.usage_shown(alias).await?.last_day)
    }

    /// The same as it is at this moment, whatever was asked lately.
    pub async fn usage_now(&self, rule: &Rule) -> Result<Usage> {
        self.0.activity.usage_now(rule.id).await
    }

    /// Asks how much mail an address has had that no rule speaks for: by an id that no rule has, so that it is kept, and
    /// forgotten, like any other.
    pub async fn usage_of_none(&self, recipient: &Mailbox) -> Result<()> {
        let mut hasher = std::hash::DefaultHasher::new();
        recipient.key().hash(&mut hasher);
        let number = i64::try_from(hasher.finish() >> 1).unwrap_or(i64::MAX);
        self.0.activity.usage(AliasId(-number)).await.map(drop)
    }

    /// Whether this address is a verified destination of the account, or lies in a domain that it trusts.
    pub async fn is_verified(&self, account: AccountId, address: &Mailbox) -> Result<bool> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let ask = sqlx::query_scalar(IS_VERIFIED).bind(account.0).bind(address.key());
        let found: i64 = ask.bind(format!("@{}", address.host())).fetch_one(&self.0.rules).await?;
        Ok(found != 0)
    }

    /// The same of several at once, in their order.
    pub async fn are_verified<'a>(
        &self,
        asked: impl Iterator<Item = (AccountId, &'a Mailbox)> + Send,
    ) -> Result<Vec<bool>> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let keys: Vec<_> = asked.map(|(id, address)| (id, address.key(), format!("@{}", address.host()))).collect();
        Ok(sqlx::query_scalar(VERIFIED).bind(json(&keys)).fetch_all(&self.0.rules).await?)
    }

    /// The instance's blocks.
    #[must_use]
    pub fn instance_senders(&self) -> Arc<SenderLists> {
        Arc::clone(self.0.snapshot.load().instance_senders())
    }

    /// This destination refused its mailbox, with these words of its next hop: remembered for [`FAILING_FOR`].
    pub fn remember_failing(&self, destination: &Mailbox, reply: Reply) {
        self.0.failing.remember(destination, reply, self.0.clock.instant());
    }

    /// What the next hop said, if this destination refused its mailbox a short while ago.
    #[must_use]
    pub fn failing(&self, destination: &Mailbox) -> Option<Reply> {
        self.0.failing.of(destination, || self.0.clock.instant())
    }

    /// Until when it is not asked again for new mail, if it refused its mailbox a short while ago.
    #[must_use]
    pub fn not_asked_until(&self, destination: &Mailbox) -> Option<Moment> {
        let left = self.0.failing.left(destination, self.0.clock.instant())?;
        Some(self.0.clock.now().after(left))
    }

    /// This destination took mail, or its owner changed it.
    pub fn forget_failing(&self, destination: &Mailbox) {
        if !self.0.failing.is_empty() {
            self.0.failing.forget(&destination.key());
        }
    }

    /// Whether the DNS said, when it was asked last, that a domain of destinations takes no mail.
    #[must_use]
    pub fn takes_no_mail(&self, domain: &Domain) -> bool {
        self.0.no_mail.knows(domain)
    }

    /// Makes count what the DNS has said.
    pub(super) async fn read_no_mail(&self) -> Result<()> {
        let _alone = self.0.reading.lock().await;
        self.0.no_mail.read_again(&self.0.rules).await
    }

    /// Makes a committed change count.
    pub(super) async fn refresh(&self, touched: Touched) -> Result<()> {
        match touched {
            Touched::Address(domain, key) => self.0.aliases.forget(domain, key),
            Touched::Destination(address) => {
                Mailbox::parse(&address).iter().for_each(|destination| self.forget_failing(destination));
                self.read_all().await?;
            }
            Touched::All => self.read_all().await?,
        }
        Ok(())
    }

    async fn read_all(&self) -> Result<()> {
        let _alone = self.0.reading.lock().await;
        self.0.snapshot.store(Arc::new(Snapshot::read(&self.0.rules, &self.0.matchers).await?));
        self.0.aliases.forget_all();
        Ok(())
    }
}
