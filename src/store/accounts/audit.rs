//! The audit log: who changed what, before and after; in the transaction of the change itself.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::{Accounts, AuditEntry, AuditQuery, AuditRow, AuditSpan};
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::store::Result;
use crate::store::columns::{Columns, json};

pub(in crate::store) const INSERT: &str = "insert into audit (at, account_id, actor, action, object, before, after) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Counts on, in an entry that stands for many.
pub(in crate::store) const RENEW: &str = "update audit set at = ?2, after = ?3 where id = ?1 and action = ?4";
pub(in crate::store) const LAST_ID: &str = "select last_insert_rowid()";

/// Entries that one page looks at, at most.
const MAX_LOOKED_AT: i64 = 40_000;

macro_rules! columns {
    () => {
        "select l.id, l.at, l.account_id, coalesce(a.email, f.email) as email, l.actor, l.action, l.object, l.before, l.after \
         from audit as l left join accounts as a on a.id = l.account_id left join former_accounts as f on f.id = l.account_id"
    };
}
/// A list along `$along` over `?1`. Then: from which entry, before which, since, until, actor, area or action, part of the
/// object, limit, by which name alone.
macro_rules! list {
    ($along:literal) => {
        concat!(
            columns!(),
            " where ",
            $along,
            " and l.id >= ?2 and l.id < ?3 and l.at >= ?4 and l.at < ?5 and (?6 is null or l.actor = ?6 or coalesce(a.email, f.email) = ?6) \
             and (?7 is null or l.action = ?7 or substr(l.action, 1, length(?7) + 1) = ?7 || '.') \
             and (?8 is null or instr(lower(l.object), ?8) > 0) and (?10 is null or l.actor = ?10) \
             order by l.id desc limit ?9"
        )
    };
}
pub(in crate::store) const OF_ALL: &str = list!("?1 is null");
pub(in crate::store) const OF_ACCOUNT: &str = list!("l.account_id = ?1");
/// The last entry that a page looks at, where there are more.
pub(in crate::store) const END_OF_ALL: &str =
    "select id from audit where ?1 is null and id < ?2 order by id desc limit 1 offset ?3";
pub(in crate::store) const END_OF_ACCOUNT: &str =
    "select id from audit where account_id = ?1 and id < ?2 order by id desc limit 1 offset ?3";
pub(in crate::store) const BY_ID: &str = concat!(columns!(), " where l.id = ?1");
pub(in crate::store) const BETWEEN: &str =
    concat!(columns!(), " where l.id between ?1 and ?2 and l.account_id = ?3 order by l.id desc limit ?4");
/// The newest entry of all.
pub(in crate::store) const LAST: &str = "select coalesce(max(id), 0) from audit";

impl Accounts {
    /// Entries of the audit log, newest first; and behind which of them the next page goes on. One page looks at so many of
    /// them and no more, however rare those are that it is asked for.
    pub async fn audit_log(&self, query: &AuditQuery) -> Result<(Vec<AuditRow>, Option<i64>)> {
        let (list, end) = if query.account.is_some() { (OF_ACCOUNT, END_OF_ACCOUNT) } else { (OF_ALL, END_OF_ALL) };
        let (account, before) = (query.account.map(|account| account.0), query.before.unwrap_or(i64::MAX));
        let ask = sqlx::query_scalar(end).bind(account).bind(before).bind(MAX_LOOKED_AT - 1);
        let end: Option<i64> = ask.fetch_optional(&self.readers).await?;
        let ask = sqlx::query(list).bind(account).bind(end.unwrap_or(0)).bind(before);
        let ask =
            ask.bind(query.since.map_or(i64::MIN, Moment::millis)).bind(query.until.map_or(i64::MAX, Moment::millis));
        let ask = ask.bind(query.actor.clone()).bind(query.action.clone());
        let ask =
            ask.bind(query.object.as_ref().map(|text| text.to_lowercase())).bind(query.limit).bind(query.by.clone());
        let rows: Vec<_> = ask.fetch_all(&self.readers).await?.iter().map(read).collect::<Result<_>>()?;
        let is_full = rows.len() == query.limit as usize;
        let next = if is_full { rows.last().map(|row| row.id) } else { end };
        Ok((rows, next))
    }

    /// Writes an entry that stands for what happens again and again: into `earlier`, where that is one; gives its number.
    pub async fn audit_again(&self, earlier: Option<i64>, entry: AuditEntry) -> Result<i64> {
        self.writer.change((earlier, entry), |c, needs| Box::pin(again(c, needs))).await
    }

    /// One entry of it.
    pub async fn audit_entry(&self, id: i64) -> Result<AuditRow> {
        read(&sqlx::query(BY_ID).bind(id).fetch_one(&self.readers).await?)
    }

    /// What an account did in a span of it, the newest first.
    pub async fn audit_span(&self, account: AccountId, span: AuditSpan, limit: u32) -> Result<Vec<AuditRow>> {
        let ask = sqlx::query(BETWEEN).bind(span.first).bind(span.last).bind(account.0).bind(limit);
        ask.fetch_all(&self.readers).await?.iter().map(read).collect()
    }
}

/// How many of the newest entries of an account are of an action and not older: it looks at so many and no more.
pub(in crate::store) const MADE_SINCE: &str = "select count(*) from (select action, at from audit where account_id = ?1 \
    order by id desc limit ?4) where action = ?2 and at > ?3";

/// Writes one entry.
pub(in crate::store) async fn write(connection: &mut SqliteConnection, entry: &AuditEntry) -> Result<()> {
    let insert = sqlx::query(INSERT).bind(entry.at.millis()).bind(entry.account.0).bind(entry.actor.as_str());
    let insert = insert.bind(entry.action.as_str()).bind(entry.object.as_str());
    insert.bind(entry.before.as_ref().map(json)).bind(entry.after.as_ref().map(json)).execute(connection).await?;
    Ok(())
}

async fn again(connection: &mut SqliteConnection, (earlier, entry): &(Option<i64>, AuditEntry)) -> Result<i64> {
    if let Some(id) = earlier {
        let renew = sqlx::query(RENEW).bind(*id).bind(entry.at.millis()).bind(entry.after.as_ref().map(json));
        if renew.bind(entry.action.as_str()).execute(&mut *connection).await?.rows_affected() == 1 {
            return Ok(*id);
        }
    }
    write(connection, entry).await?;
    Ok(sqlx::query_scalar(LAST_ID).fetch_one(connection).await?)
}

/// The number of the newest entry.
pub(in crate::store) async fn last(connection: &mut SqliteConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(LAST).fetch_one(connection).await?)
}

fn read(row: &SqliteRow) -> Result<AuditRow> {
    let mut columns = Columns::of(row);
    Ok(AuditRow {
        id: columns.take()?,
        at: columns.moment()?,
        account: AccountId(columns.take()?),
        email: columns.take()?,
        actor: columns.take()?,
        action: columns.take()?,
        object: columns.take()?,
        before: columns.maybe_json("what was before a change")?,
        after: columns.maybe_json("what a change made")?,
    })
}
