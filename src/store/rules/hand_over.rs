//! What an account has, handed to another one as the account is removed: its domains with their aliases, its inboxes, and
//! what waits for them in the queue. It is one transaction, and so for no more aliases than one may hold up the writer with.
//!
//! An inbox that both have is from then on the one of the other account; it is verified if either was. The log stays with the
//! account that is gone, and is for whoever sees all.

use sqlx::SqliteConnection;

use super::Rules;
use super::uses::COUNTED_ALIASES;
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::store::accounts::{AuditEntry, people};
use crate::store::columns::Columns;
use crate::store::directory::Touched;
use crate::store::{Result, StoreError};

/// Domains, aliases (one more than are counted, at most) and inboxes of an account; and whether one of its inboxes is being
/// replaced.
pub(in crate::store) const COUNTS: &str = "select \
    (select count(*) from domains where account_id = ?1 and removed_at is null), \
    (select count(*) from (select 1 from aliases indexed by aliases_by_account \
        where account_id = ?1 and account_id <> 1 limit ?2)), \
    (select count(*) from destinations where account_id = ?1), \
    exists (select 1 from replacements where old_id in (select id from destinations where account_id = ?1))";
/// From the account `?1` to the account `?2`, now (`?3`).
pub(in crate::store) const STEPS: [&str; 11] = [
    "update destinations set version = version + 1, updated_at = ?3, verified_at = (select o.verified_at \
        from destinations as o where o.account_id = ?1 and o.key = destinations.key) \
     where account_id = ?2 and verified_at is null \
     and key in (select key from destinations where account_id = ?1 and verified_at is not null)",
    "update alias_destinations set destination_id = (select n.id from destinations as o \
        join destinations as n on n.account_id = ?2 and n.key = o.key where o.id = alias_destinations.destination_id) \
     where destination_id in (select o.id from destinations as o \
        join destinations as n on n.account_id = ?2 and n.key = o.key where o.account_id = ?1)",
    "delete from destinations where account_id = ?1 and key in (select key from destinations where account_id = ?2)",
    "update destinations set account_id = ?2, version = version + 1, updated_at = ?3, is_default = (is_default = 1 \
        and not exists (select 1 from destinations as d where d.account_id = ?2 and d.is_default = 1)) \
     where account_id = ?1",
    "insert into labels (account_id, name) select ?2, name from labels where account_id = ?1 on conflict do nothing",
    "update alias_labels set label_id = (select n.id from labels as o \
        join labels as n on n.account_id = ?2 and n.name = o.name where o.id = alias_labels.label_id) \
     where label_id in (select id from labels where account_id = ?1)",
    "delete from domain_roles where account_id = ?2 and domain_id in (select id from domains where account_id = ?1)",
    "update imports set account_id = ?2 where account_id = ?1",
    "update domains set account_id = ?2, version = version + 1, updated_at = ?3 where account_id = ?1",
    "update aliases set account_id = ?2, version = version + 1, updated_at = ?3 \
     where account_id = ?1 and account_id <> 1",
    "update deliveries set account_id = ?2 where account_id = ?1",
];

/// What an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belongings {
    /// Domains.
    pub domains: u64,
    /// Their aliases, one more than [`COUNTED_ALIASES`] at most.
    pub aliases: u64,
    /// Inboxes.
    pub destinations: u64,
    /// Whether an inbox is being replaced by another just now.
    is_moving: bool,
}

impl Belongings {
    /// Why it is not handed over, if it is not.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        if self.aliases > COUNTED_ALIASES {
            return Some(format!("it has more than {COUNTED_ALIASES} aliases, too many to be handed over in one step"));
        }
        self.is_moving.then(|| "one of its inboxes is being replaced just now".to_owned())
    }
}

impl Rules {
    /// What an account has.
    pub async fn belongings(&self, key: AccountId) -> Result<Belongings> {
        count(&mut *self.readers.acquire().await?, key).await
    }

    /// Hands all that an account has to another one, and removes it; `Invalid` where that is too much.
    pub async fn hand_over(&self, pair: (AccountId, AccountId), audit: AuditEntry) -> Result<()> {
        let needs = (pair, self.clock.now(), audit);
        self.changed(needs, |c, needs| Box::pin(hand_over(c, needs)), |()| Touched::All).await
    }
}

async fn count(connection: &mut SqliteConnection, key: AccountId) -> Result<Belongings> {
    let ask = sqlx::query(COUNTS).bind(key.0).bind(COUNTED_ALIASES.cast_signed() + 1);
    let row = ask.fetch_one(connection).await?;
    let mut columns = Columns::of(&row);
    Ok(Belongings {
        domains: columns.count()?,
        aliases: columns.count()?,
        destinations: columns.count()?,
        is_moving: columns.flag()?,
    })
}

async fn hand_over(
    connection: &mut SqliteConnection,
    ((from, to), now, entry): &((AccountId, AccountId), Moment, AuditEntry),
) -> Result<()> {
    if let Some(why) = count(connection, *from).await?.obstacle() {
        return Err(StoreError::Invalid(why));
    }
    for step in STEPS {
        sqlx::query(step).bind(from.0).bind(to.0).bind(now.millis()).execute(&mut *connection).await?;
    }
    people::remove(connection, *from, entry).await
}
