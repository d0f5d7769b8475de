//! What stays in the queue and why, summed up for each destination: for whoever tells people that something stays too long.

use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::Queue;
use crate::mail::{Mailbox, Moment};
use crate::policy::ids::{AccountId, DomainId};
use crate::policy::notices::causes::Stay;
use crate::store::Result;
use crate::store::columns::{Columns, broken, json};

/// The oldest deliveries are summed up, so many at most: of a queue of a million they tell enough.
const MAX_LOOKED_AT: u32 = 10_000;

/// Of each destination and state: what of the oldest, and how many. Kept reports of others were never tried.
pub(in crate::store) const SUMS: &str = "select o.destination, o.state, o.account_id, o.uuid, min(o.received_at), \
    count(*), sum(o.tries > 0) from (select q.destination, q.state, q.account_id, q.uuid, m.received_at, q.tries \
    from deliveries as q join messages as m on m.id = q.message_id where q.purpose = 'forward' \
    and (q.state <> 'kept' or q.tries > 0) \
    and (?1 is null or q.account_id = ?1 or q.domain_id in (select value from json_each(?2))) \
    order by q.id limit ?3) as o group by o.destination, o.state = 'held', o.state = 'kept'";

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

impl Queue {
    /// What stays, of an account and of domains beside it, or of all.
    pub async fn stays(&self, (account, beside): (Option<AccountId>, &[DomainId])) -> Result<Vec<Stays>> {
        let ask = sqlx::query(SUMS).bind(account.map(|a| a.0)).bind(json(beside)).bind(MAX_LOOKED_AT);
        ask.fetch_all(&self.readers).await?.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<Stays> {
    let mut columns = Columns::of(row);
    Ok(Stays {
        destination: columns.parsed("a destination", |text| Mailbox::parse(text).ok())?,
        stay: stay(columns.take()?)?,
        account: AccountId(columns.take()?),
        id: columns.uuid()?,
        since: columns.moment()?,
        count: columns.count()?,
        is_tried: columns.count()? > 0,
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
