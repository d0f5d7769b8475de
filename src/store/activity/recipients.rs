//! For whom mail came to a domain of late.

use sqlx::sqlite::SqliteRow;

use super::{Activity, hours, tally::hour_of};
use crate::mail::Moment;
use crate::policy::ids::DomainId;
use crate::policy::status::Status;
use crate::store::Result;
use crate::store::columns::{Columns, json};

/// Newest rows of a domain that are looked at, and recipients among them.
const MAX_ROWS: u32 = 5000;
const MAX_RECIPIENTS: u32 = 300;

/// Of each status (`?5`) the newest places of a domain, and of all of these the newest rows and no more. A message has a row for
/// each of its inboxes; refusals share one.
pub(in crate::store) const LATELY: &str = "select lower(recipient), \
    count(distinct transaction_id) + sum(count) - count(*), max(received_at) from activity \
    where seq in (select j.value from json_each(?5) as s cross join json_each( \
        (select json_group_array(seq) from (select seq from activity indexed by activity_of_domain \
            where domain_id = ?1 and status = s.value and seq >= ?2 order by seq desc limit ?3))) as j \
        order by j.value desc limit ?3) \
    and recipient <> '' group by 1 order by 3 desc, 1 limit ?4";

/// Somebody for whom mail came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address, folded.
    pub address: String,
    /// How many of the newest messages are for it.
    pub messages: u64,
    /// When the last of them came.
    pub last_at: Moment,
}

impl Activity {
    /// The recipients of the newest mail to a domain, whatever became of it.
    pub async fn recipients(&self, domain: DomainId, since: Moment) -> Result<Vec<Recipient>> {
        let ask = sqlx::query_scalar(hours::FIRST_SINCE).bind(hour_of(since));
        let Some(first): Option<i64> = ask.fetch_one(&self.readers).await? else { return Ok(Vec::new()) };
        let ask = sqlx::query(LATELY).bind(domain.0).bind(first).bind(MAX_ROWS).bind(MAX_RECIPIENTS);
        let ask = ask.bind(json(&Status::ALL.map(Status::as_str)));
        ask.fetch_all(&self.readers).await?.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<Recipient> {
    let mut columns = Columns::of(row);
    Ok(Recipient { address: columns.take()?, messages: columns.count()?, last_at: columns.moment()? })
}
