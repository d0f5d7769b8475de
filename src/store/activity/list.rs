//! Reads the log: lists by keyset, single rows, whole transactions, counts of aliases.
//!
//! A list runs backwards along one index, the narrowest that the question allows, from the cursor on; the rest of the
//! question only passes rows over. Times become keys by [`super::hours`].

use std::collections::HashSet;

use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::tally::hour_of;
use super::{Activity, Counts, Page, Query, Row, feeder, hours, row};
use crate::mail::Moment;
use crate::policy::ids::AliasId;
use crate::policy::status::Status;
use crate::store::columns::{Columns, hex_list, json};
use crate::store::{Result, StoreError};

/// Rows of one page at most.
const MAX_PAGE_ROWS: u32 = 500;

/// A list along one index, whose condition is `$along` over `?1`. Then: from which row, before which row, since, until,
/// account, domain, alias, statuses, bounced, limit, sender, recipient, destination.
macro_rules! list {
    ($along:literal) => {
        list!("activity", $along)
    };
    ($from:literal, $along:literal) => {
        concat!(
            "select ",
            row::columns!(),
            " from ",
            $from,
            " where ",
            $along,
            " and seq >= ?2 and seq < ?3 and received_at >= ?4 and received_at < ?5 \
             and (?6 is null or account_id = ?6) and (?7 is null or domain_id = ?7) \
             and (?8 is null or alias_id = ?8) \
             and (?9 is null or status in (select value from json_each(?9))) \
             and (?10 = 0 or bounced_at is not null) \
             and (?12 is null or lower(sender) = ?12) and (?13 is null or lower(recipient) = ?13) \
             and (?14 is null or lower(destination) = ?14) order by seq desc limit ?11"
        )
    };
}
pub(in crate::store) const OF_ALL: &str = list!("?1 is null");
pub(in crate::store) const OF_ALIAS: &str = list!("alias_id = ?1");
pub(in crate::store) const OF_DOMAIN: &str = list!("domain_id = ?1");
pub(in crate::store) const OF_STATUS: &str = list!("status = ?1");
pub(in crate::store) const OF_MEMBER: &str = list!("account_id = ?1 and account_id <> 1");
pub(in crate::store) const OF_BOUNCED: &str =
    list!("activity indexed by activity_bounced", "?1 is null and bounced_at is not null");
pub(in crate::store) const OF_TERM: &str =
    list!("seq in (select seq from terms where term = ?1 and seq < ?3 order by seq desc limit 20000)");
pub(in crate::store) const OF_PREFIX: &str =
    list!("seq in (select seq from terms where term >= ?1 and term < ?1 || char(1114111) and seq < ?3 limit 20000)");
pub(in crate::store) const OF_WORDS: &str =
    list!("seq in (select rowid from words where words match ?1 and rowid < ?3 order by rowid desc limit 20000)");

pub(in crate::store) const BY_ID: &str = concat!("select ", row::columns!(), " from activity where id = ?1");
pub(in crate::store) const BY_TRANSACTION: &str =
    concat!("select ", row::columns!(), " from activity where transaction_id = ?1 order by seq limit 1000");
/// What the index has, and what it has not got yet.
pub(in crate::store) const BY_MESSAGE_ID: &str = concat!(
    "select ",
    row::columns!(),
    " from activity where seq in (select seq from terms where term = ?1 order by seq desc limit 100) and message_id = ?2 \
     union all select ",
    row::columns!(),
    " from activity where seq > (select seq from feeder where id = 1) and message_id = ?2 limit 200"
);
pub(in crate::store) const KNOWN: &str = "select id from activity where id in (select unhex(value) from json_each(?1))";
pub(in crate::store) const COUNTS: &str = "select alias_id, forwarded, refused, dropped, failed, bounced, last_mail_at \
    from alias_counts where alias_id in (select value from json_each(?1))";

/// The bounds of a page.
struct Bounds {
    from: i64,
    before: i64,
    limit: u32,
}

impl Activity {
    /// Lists.
    pub async fn list(&self, query: Query) -> Result<Page> {
        let Some(bounds) = self.bounds(&query).await? else { return Ok(Page { rows: Vec::new(), next_cursor: None }) };
        let mut found = self.found(&query, &bounds).await?;
        for domain in &query.beside {
            let query = Query { account: None, domain: Some(*domain), ..query.clone() };
            found.extend(self.found(&query, &bounds).await?);
        }
        if !query.beside.is_empty() {
            found.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
            found.dedup_by_key(|(seq, _)| *seq);
        }
        let limit = usize::try_from(bounds.limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| more).map(|(seq, _)| seq.to_string());
        Ok(Page { rows: found.into_iter().map(|(_, row)| row).collect(), next_cursor })
    }

    /// One row by its id.
    pub async fn get(&self, id: Uuid) -> Result<Row> {
        let found = sqlx::query(BY_ID).bind(id.as_bytes().as_slice()).fetch_one(&self.readers).await?;
        row::read(&found).map(|(_, row)| row)
    }

    /// All rows of a transaction.
    pub async fn transaction(&self, id: Uuid) -> Result<Vec<Row>> {
        let rows = sqlx::query(BY_TRANSACTION).bind(id.as_bytes().as_slice()).fetch_all(&self.readers).await?;
        rows.iter().map(|found| row::read(found).map(|(_, row)| row)).collect()
    }

    /// The rows of messages with this Message-ID, as written; of very many only some.
    pub async fn of_message_id(&self, id: &str) -> Result<Vec<Row>> {
        let ask = sqlx::query(BY_MESSAGE_ID).bind(feeder::message_term(id)).bind(id);
        let rows = ask.fetch_all(&self.readers).await?;
        rows.iter().map(|found| row::read(found).map(|(_, row)| row)).collect()
    }

    /// Counts and last mail of these aliases.
    pub async fn counts(&self, aliases: &[AliasId]) -> Result<Vec<(AliasId, Counts, Option<Moment>)>> {
        self.settle_counts().await?;
        let rows = sqlx::query(COUNTS).bind(json(aliases)).fetch_all(&self.readers).await?;
        rows.iter().map(counts).collect()
    }

    /// Which of these ids the log has.
    pub(in crate::store) async fn known<'a>(&self, ids: impl Iterator<Item = &'a Uuid>) -> Result<HashSet<Uuid>> {
        let rows = sqlx::query(KNOWN).bind(hex_list(ids)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Columns::of(row).uuid()).collect()
    }

    /// Between which rows the page lies; `None` where there can be none.
    async fn bounds(&self, query: &Query) -> Result<Option<Bounds>> {
        let limit = query.limit.clamp(1, MAX_PAGE_ROWS);
        let mut before = match query.cursor.as_deref() {
            Some(cursor) => cursor.parse().map_err(|_| StoreError::Cursor)?,
            None => i64::MAX,
        };
        let mut from = 0;
        if let Some(since) = query.since {
            let Some(first) = self.edge(hours::FIRST_SINCE, since).await? else { return Ok(None) };
            from = first;
        }
        if let Some(until) = query.until {
            let Some(last) = self.edge(hours::LAST_UNTIL, until).await? else { return Ok(None) };
            before = before.min(last.saturating_add(1));
        }
        Ok(Some(Bounds { from, before, limit }))
    }

    async fn edge(&self, statement: &'static str, at: Moment) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar(statement).bind(hour_of(at)).fetch_one(&self.readers).await?)
    }

    async fn found(&self, query: &Query, bounds: &Bounds) -> Result<Vec<(i64, Row)>> {
        match query.search.as_deref().map(str::trim).filter(|words| !words.is_empty()) {
            Some(words) => self.search(words, query, bounds).await,
            None => self.along_an_index(query, bounds).await,
        }
    }

    async fn along_an_index(&self, query: &Query, bounds: &Bounds) -> Result<Vec<(i64, Row)>> {
        if let Some(alias) = query.alias {
            return self.page(OF_ALIAS, alias.0, (query, bounds)).await;
        }
        // The index of terms is a few seconds behind the log.
        if let Some(term) = query.sender.as_ref().or(query.recipient.as_ref()).or(query.destination.as_ref()) {
            return self.page(OF_TERM, term.as_str(), (query, bounds)).await;
        }
        if query.bounced {
            return self.page(OF_BOUNCED, None::<i64>, (query, bounds)).await;
        }
        if !query.statuses.is_empty() {
            return self.of_statuses(query, bounds).await;
        }
        match (query.domain, query.account) {
            (Some(domain), _) => self.page(OF_DOMAIN, domain.0, (query, bounds)).await,
            (None, Some(account)) if account.0 != 1 => self.page(OF_MEMBER, account.0, (query, bounds)).await,
            _ => self.page(OF_ALL, None::<i64>, (query, bounds)).await,
        }
    }

    /// Each status is in order by itself; the newest of all are the page.
    async fn of_statuses(&self, query: &Query, bounds: &Bounds) -> Result<Vec<(i64, Row)>> {
        let mut found = Vec::new();
        for status in &query.statuses {
            found.extend(self.page(OF_STATUS, status.as_str(), (query, bounds)).await?);
        }
        found.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
        found.dedup_by_key(|(seq, _)| *seq);
        Ok(found)
    }

    /// An address, domain or id exactly, else by prefix, else words.
    async fn search(&self, words: &str, query: &Query, bounds: &Bounds) -> Result<Vec<(i64, Row)>> {
        let term = words.to_lowercase();
        for statement in [OF_TERM, OF_PREFIX] {
            let found = self.page(statement, term.as_str(), (query, bounds)).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        match all_words(words) {
            Some(words) => self.page(OF_WORDS, words, (query, bounds)).await,
            None => Ok(Vec::new()),
        }
    }

    async fn page<T>(
        &self,
        statement: &'static str,
        along: T,
        (query, bounds): (&Query, &Bounds),
    ) -> Result<Vec<(i64, Row)>>
    where
        T: for<'t> sqlx::Encode<'t, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        let statuses: Vec<_> = query.statuses.iter().map(|status| Status::as_str(*status)).collect();
        let ask = sqlx::query(statement).bind(along).bind(bounds.from).bind(bounds.before);
        let ask =
            ask.bind(query.since.map_or(i64::MIN, Moment::millis)).bind(query.until.map_or(i64::MAX, Moment::millis));
        let ask = ask.bind(query.account.map(|a| a.0)).bind(query.domain.map(|d| d.0)).bind(query.alias.map(|a| a.0));
        let ask = ask.bind((!statuses.is_empty()).then(|| json(&statuses))).bind(i64::from(query.bounced));
        let ask = ask.bind(i64::from(bounds.limit) + 1).bind(query.sender.clone()).bind(query.recipient.clone());
        let rows = ask.bind(query.destination.clone()).fetch_all(&self.readers).await?;
        rows.iter().map(row::read).collect()
    }
}

/// Words for FTS5, all of which must be there, the last by its beginning; quoted, so that none is an operator.
fn all_words(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let quoted: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
    (!quoted.is_empty()).then(|| format!("{}*", quoted.join(" ")))
}

fn counts(row: &SqliteRow) -> Result<(AliasId, Counts, Option<Moment>)> {
    let mut columns = Columns::of(row);
    let alias = AliasId(columns.take()?);
    let counts = Counts {
        forwarded: columns.count()?,
        refused: columns.count()?,
        dropped: columns.count()?,
        failed: columns.count()?,
        bounced: columns.count()?,
    };
    Ok((alias, counts, columns.maybe_moment()?))
}
