//! How many patterns there may be, and how much they may take in memory: each is matched against mail, and kept compiled. It
//! is asked where they are written, so that many at once are no more than many.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::Rules;
use super::words::named;
use crate::policy::ids::{AccountId, DomainId};
use crate::policy::rule::Kind;
use crate::store::columns::Columns;
use crate::store::matchers::Matchers;
use crate::store::{Result, StoreError};

/// Patterns of one domain at most, switched off or on.
pub const MAX_PATTERNS_OF_DOMAIN: usize = 100;
/// Patterns on all domains of one account at most.
pub const MAX_PATTERNS_OF_ACCOUNT: usize = 1000;
/// Octets that the patterns of one account take at most, of those that are switched on.
pub const MAX_COMPILED_OF_ACCOUNT: usize = 16 << 20;

/// The patterns of an account.
pub(in crate::store) const OF_ACCOUNT: &str = "select a.domain_id, a.enabled, a.kind, a.pattern from domains as d \
    cross join aliases as a on a.domain_id = d.id \
    where d.account_id = ?1 and d.removed_at is null and a.kind in ('glob', 'regex')";

/// Patterns that were written: whose, and on which domains.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<AccountId, BTreeSet<DomainId>>);

impl Written {
    /// Notes an alias that was written, if it is a pattern.
    pub(super) fn note(&mut self, kind: Kind, (account, domain): (AccountId, DomainId)) {
        if is_pattern(kind) {
            self.0.entry(account).or_default().insert(domain);
        }
    }

    /// Refuses what is too much now.
    pub(super) async fn check(&self, connection: &mut SqliteConnection, matchers: &Matchers) -> Result<()> {
        for (account, domains) in &self.0 {
            let rows = sqlx::query(OF_ACCOUNT).bind(account.0).fetch_all(&mut *connection).await?;
            if let Some(why) = Held::of(&rows, matchers)?.too_much(domains) {
                return Err(StoreError::Full(why));
            }
        }
        Ok(())
    }
}

/// What an account has, and room for what more it may have.
#[derive(Debug, Default)]
pub struct Room(Held);

impl Room {
    /// Takes one more pattern of a domain, of so many octets once it is compiled; or says why there is no room for it.
    pub fn take(&mut self, domain: DomainId, octets: usize) -> std::result::Result<(), String> {
        *self.0.of_domain.entry(domain).or_default() += 1;
        self.0.octets += octets;
        let Some(why) = self.0.too_much(&BTreeSet::from([domain])) else { return Ok(()) };
        *self.0.of_domain.entry(domain).or_default() -= 1;
        self.0.octets -= octets;
        Err(why)
    }
}

impl Rules {
    /// What an account has, and room for what more it may have.
    pub async fn room_for_patterns(&self, account: AccountId) -> Result<Room> {
        let rows = sqlx::query(OF_ACCOUNT).bind(account.0).fetch_all(&self.readers).await?;
        Ok(Room(Held::of(&rows, &self.matchers)?))
    }
}

/// Whether a kind is one that is compiled and counted.
#[must_use]
pub const fn is_pattern(kind: Kind) -> bool {
    matches!(kind, Kind::Glob | Kind::Regex)
}

/// What an account has.
#[derive(Debug, Default)]
struct Held {
    of_domain: BTreeMap<DomainId, usize>,
    octets: usize,
}

impl Held {
    fn of(rows: &[SqliteRow], matchers: &Matchers) -> Result<Self> {
        let mut held = Self::default();
        for row in rows {
            held.count(&mut Columns::of(row), matchers)?;
        }
        Ok(held)
    }

    fn count(&mut self, columns: &mut Columns<'_>, matchers: &Matchers) -> Result<()> {
        *self.of_domain.entry(DomainId(columns.take()?)).or_default() += 1;
        let (enabled, kind) = (columns.flag()?, columns.parsed("a kind", named)?);
        if enabled {
            // All that count are compiled, for the directory or for this change.
            self.octets += matchers.known(kind, columns.take()?).map_or(0, |matcher| matcher.octets());
        }
        Ok(())
    }

    /// Why that is too much, seen from these domains.
    fn too_much(&self, domains: &BTreeSet<DomainId>) -> Option<String> {
        let of_domain = |domain| self.of_domain.get(domain).copied().unwrap_or_default();
        if domains.iter().any(|domain| of_domain(domain) > MAX_PATTERNS_OF_DOMAIN) {
            Some(format!("a domain has at most {MAX_PATTERNS_OF_DOMAIN} patterns: write one that stands for several"))
        } else if self.of_domain.values().sum::<usize>() > MAX_PATTERNS_OF_ACCOUNT {
            Some(format!(
                "all domains of one account have at most {MAX_PATTERNS_OF_ACCOUNT} patterns: remove one first"
            ))
        } else {
            (self.octets > MAX_COMPILED_OF_ACCOUNT).then(too_large)
        }
    }
}

/// Why patterns that take too much are refused.
#[must_use]
pub fn too_large() -> String {
    format!(
        "compiled, the patterns of one account take at most {} MiB: write [a-z0-9] where \\w or \\p stands, or a \
         smaller number of repetitions",
        MAX_COMPILED_OF_ACCOUNT >> 20
    )
}
