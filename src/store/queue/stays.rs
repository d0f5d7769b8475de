//! What stays in the queue and why, summed up for each destination: for whoever tells people that something stays too long.
//! And what waits, summed up by where it goes.

use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Queue, WaitingQuery};
use crate::mail::{Mailbox, Moment};
use crate::policy::ids::{AccountId, DomainId};
use crate::policy::notices::causes::Stay;
use crate::store::Result;
use crate::store::columns::{Columns, broken, json};
use crate::store::statement::whole;

/// The oldest deliveries are summed up, so many at most: of a queue of a million they tell enough.
const MAX_LOOKED_AT: u32 = 10_000;

/// Of each destination and state: what of the oldest, and how many; of what waits only where the oldest came before `?4`. Kept
/// reports of others were never tried.
pub(in crate::store) const SUMS: &str = "select json_group_array(json_array(destination, state, account_id, \
    lower(hex(uuid)), since, n, tried)) from (select o.destination, o.state, o.account_id, o.uuid, \
    min(o.received_at) as since, count(*) as n, sum(o.tries > 0) as tried from (select q.destination, q.state, \
    q.account_id, q.uuid, m.received_at, q.tries \
    from deliveries as q join messages as m on m.id = q.message_id where q.purpose = 'forward' \
    and (q.state <> 'kept' or q.tries > 0) \
    and (?1 is null or q.account_id = ?1 or q.domain_id in (select value from json_each(?2))) \
    order by q.id limit ?3) as o group by o.destination, o.state = 'held', o.state = 'kept' \
    having o.state in ('held', 'kept') or min(o.received_at) <= ?4)";
/// By what stands behind the `@` of the destination: how many, and when the first of them came.
pub(in crate::store) const WAITING: &str = "select w.host, w.n, m.received_at from (select host, count(*) as n, \
    min(id) as first from (select id, substr(destination, 1 + instr(destination, '@')) as host from deliveries \
    where state in ('due', 'leased') and (?1 is null or account_id = ?1 or domain_id in (select value from json_each(?2))) \
    and (?5 is null or domain_id = ?5) order by id limit ?3) group by host order by n desc, host limit ?4) as w \
    join deliveries as q on q.id = w.first join messages as m on m.id = q.message_id order by w.n desc, w.host";

/// Whose deliveries: an account's and those of domains beside it, or all.
type Scope<'s> = (Option<AccountId>, &'s [DomainId]);

/// What stays of one destination.
#[derive(Debug, Clone)]
pub struct Stays {
    /// The destination.
    pub destination: Mailbox,
    /// Why.
    pub stay: Stay,
    /// Whose the oldest is.
    pub account: AccountId,
    /// Its row in the log.
    pub id: Uuid,
    /// When it came.
    pub since: Moment,
    /// How many.
    pub count: u64,
    /// Whether any was tried.
    pub is_tried: bool,
}

/// What waits for one domain.
#[derive(Debug, Clone)]
pub struct Waits {
    /// The domain, or address literal.
    pub host: String,
    /// How many messages.
    pub count: u64,
    /// When the oldest came.
    pub since: Moment,
}

impl Queue {
    /// What stays: what is held or kept, and what waits since before a moment.
    pub async fn stays(&self, (account, beside): Scope<'_>, before: Moment) -> Result<Vec<Stays>> {
        let ask = sqlx::query(SUMS).bind(account.map(|a| a.0)).bind(json(beside)).bind(MAX_LOOKED_AT);
        let sums: Vec<Sums> = whole(ask.bind(before.millis()), &self.readers, "what stays in the queue").await?;
        sums.into_iter().map(read).collect()
    }

    /// The domains for which the most waits.
    pub async fn waits(&self, query: &WaitingQuery) -> Result<Vec<Waits>> {
        let ask = sqlx::query(WAITING).bind(query.account.map(|a| a.0)).bind(json(&query.beside)).bind(MAX_LOOKED_AT);
        let ask = ask.bind(query.limit).bind(query.domain.map(|domain| domain.0));
        let rows = ask.fetch_all(&self.readers).await?;
        let read = |row: &SqliteRow| {
            let mut columns = Columns::of(row);
            Ok(Waits { host: columns.take()?, count: columns.count()?, since: columns.moment()? })
        };
        rows.iter().map(read).collect()
    }
}

/// Destination, state, account, id, since when, how many, and how many of them were tried.
type Sums = (String, String, i64, Uuid, i64, u64, u64);

fn read((destination, state, account, id, since, count, tried): Sums) -> Result<Stays> {
    Ok(Stays {
        destination: Mailbox::parse(&destination).map_err(|_| broken("a destination"))?,
        stay: stay(&state)?,
        account: AccountId(account),
        id,
        since: Moment::from_millis(since),
        count,
        is_tried: tried > 0,
    })
}

fn stay(state: &str) -> Result<Stay> {
    match state {
        "due" | "leased" => Ok(Stay::Waits),
        "held" => Ok(Stay::Held),
        "kept" => Ok(Stay::Untold),
        _ => Err(broken("the state of a delivery")),
    }
}
