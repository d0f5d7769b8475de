//! Reads the log: lists by keyset, single rows, whole transactions, counts of aliases.
//!
//! A list walks the places that [`super::ways`] gives, newest first, and reads the rows that stand there; what no index knows
//! passes them over. One page looks at so many places and no more, however rare the rows are that it is asked for: then it
//! has fewer rows than it has room for, and the next page goes on from there. Times become keys by [`super::hours`].

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::found_words::{Words, id_told, seen, told};
use super::tally::hour_of;
use super::ways::{self, Last, Sought, Ways};
use super::{Activity, Counts, Had, LastSaid, Page, Query, Row, feeder, hours, row};
use crate::mail::Moment;
use crate::policy::ids::AliasId;
use crate::policy::status::Status;
use crate::store::columns::{Columns, hex_list, json};
use crate::store::places::Walk;
use crate::store::{Result, StoreError};

/// Rows of one page at most.
const MAX_PAGE_ROWS: u32 = 500;
/// Terms that begin alike and are looked up one by one; where there are more, rows are read for how their texts begin.
const MAX_TERMS: i64 = 100;

/// Of the rows at these places those that are asked for: limit, since, until, account, domains beside, domain, alias,
/// statuses, bounced, sender, recipient, destination, how a text begins, whether it is our own; and who asks, which domains'
/// subjects and authors it is not told, and the terms that a row of these must show.
pub(in crate::store) const AT: &str = concat!(
    "select ",
    row::columns!(),
    " from activity where seq in (select value from json_each(?1)) and (?15 is null or (own is not null) = ?15) and received_at >= ?3 and received_at < ?4 and ",
    seen!("?5", "?6"),
    " \
     and (?7 is null or domain_id = ?7) and (?8 is null or alias_id = ?8) \
     and ((?9 is null and ?10 = 0) or case when status = 'forwarded' and bounced_at is not null then ?10 = 1 \
         else status in (select value from json_each(?9)) end) \
     and (?11 is null or lower(sender) = ?11) and (?12 is null or lower(recipient) = ?12) \
     and (?13 is null or lower(destination) = ?13) \
     and (?14 is null or sender like ?14 || '%' escape '~' or recipient like ?14 || '%' escape '~' \
         or destination like ?14 || '%' escape '~' or sender like '%@' || ?14 || '%' escape '~' or recipient like '%@' || ?14 || '%' escape '~' \
         or destination like '%@' || ?14 || '%' escape '~' or ",
    told!("?16", "?17"),
    " and (author like ?14 || '%' escape '~' or author like '%<' || ?14 || '%' escape '~' \
             or author like '%@' || ?14 || '%' escape '~') or ",
    id_told!("?16", "?17"),
    " and message_id like '<' || ?14 || '%' escape '~' \
         or (?14 not glob '*[^0-9a-f.:-]*' and (hex(id) like replace(?14, '-', '') || '%' \
             or hex(transaction_id) like replace(?14, '-', '') || '%' or facts like '%\"ip\":\"' || ?14 || '%'))) \
     and (?18 is null or ",
    told!("?16", "?17"),
    " or exists (select 1 from json_each(?18) as j where instr(' ' || lower(sender || ' ' || recipient || ' ' \
             || coalesce(destination, '') || ' ' || iif(",
    id_told!("?16", "?17"),
    ", coalesce(trim(message_id, '<>'), ''), '')) || ' ' \
             || (facts ->> '$.client.ip') || ' ', ' ' || j.value || ' ') > 0 \
         or instr(lower(sender || ' ' || recipient || ' ' || coalesce(destination, '')) || ' ', '@' || j.value || ' ') > 0 \
         or lower(hex(id)) = replace(j.value, '-', '') or lower(hex(transaction_id)) = replace(j.value, '-', ''))) \
     order by seq desc limit ?2"
);

pub(in crate::store) const BY_ID: &str = concat!("select ", row::columns!(), " from activity where id = ?1");
pub(in crate::store) const BY_IDS: &str =
    concat!("select ", row::columns!(), " from activity where id in (select unhex(value) from json_each(?1))");
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
pub(in crate::store) const SAID: &str = "select id, coalesce(attempts ->> '$[#-1].reply', reason), attempts ->> '$[#-1].at', \
    dsn ->> '$.why' from activity \
    where id in (select unhex(value) from json_each(?1))";
pub(in crate::store) const COUNTS: &str = "select alias_id, messages, last_mail_at, forwarded, refused, dropped, failed, bounced \
    from alias_counts where alias_id in (select value from json_each(?1))";

/// The bounds of a page.
#[derive(Clone, Copy)]
struct Bounds {
    from: i64,
    before: i64,
    limit: usize,
}

impl Activity {
    /// Lists. A page may have fewer rows than it has room for, or none, while there is a next one.
    pub async fn list(&self, query: Query) -> Result<Page> {
        let nothing = Page { rows: Vec::new(), next_cursor: None };
        let Some(bounds) = self.bounds(&query).await? else { return Ok(nothing) };
        let walk = Walk::new(ways::PLACES, (bounds.from, bounds.before), bounds.limit + 1, &self.readers);
        let ways = Ways::of(&query, walk).await?;
        let words = query.search.as_deref().map(str::trim).filter(|words| !words.is_empty());
        let Some(words) = words else {
            let terms = [&query.sender, &query.recipient, &query.destination];
            let term = terms.into_iter().flatten().next().map(|term| Sought::Terms(vec![term.clone()]));
            return self.walk(&ways, (&query, term.as_ref(), None), bounds.limit).await;
        };
        let mut found = nothing;
        for (sought, beginning) in self.readings(words, &query).await? {
            let page = self.walk(&ways, (&query, sought.as_ref(), beginning), bounds.limit).await?;
            let is_answer = !page.rows.is_empty() || page.next_cursor.is_some();
            // What did not fill a page is not everywhere: the index is asked.
            let is_scarce = matches!(sought, Some(Sought::Newest(_))) && page.rows.len() < bounds.limit;
            if is_answer {
                found = page;
            }
            if is_answer && !is_scarce {
                break;
            }
        }
        Ok(found)
    }

    /// One row by its id.
    pub async fn get(&self, id: Uuid) -> Result<Row> {
        let found = sqlx::query(BY_ID).bind(id.as_bytes().as_slice()).fetch_one(&self.readers).await?;
        row::read(&found).map(|(_, row)| row)
    }

    /// Those of some rows that there are.
    pub async fn those(&self, ids: &[Uuid]) -> Result<Vec<Row>> {
        let rows = sqlx::query(BY_IDS).bind(hex_list(ids)).fetch_all(&self.readers).await?;
        rows.iter().map(|found| row::read(found).map(|(_, row)| row)).collect()
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

    /// What these rows came to at last.
    pub async fn last_said(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, LastSaid>> {
        let rows = sqlx::query(SAID).bind(hex_list(ids)).fetch_all(&self.readers).await?;
        rows.iter().map(last_said).collect()
    }

    /// What these aliases have had; those that never had any are left out.
    pub async fn counts(&self, aliases: &[AliasId]) -> Result<HashMap<AliasId, Had>> {
        self.settle_counts().await?;
        let rows = sqlx::query(COUNTS).bind(json(aliases)).fetch_all(&self.readers).await?;
        rows.iter().map(counts).collect()
    }

    /// Which of these ids the log has.
    pub(in crate::store) async fn known<'a>(&self, ids: impl Iterator<Item = &'a Uuid>) -> Result<HashSet<Uuid>> {
        let rows = sqlx::query(KNOWN).bind(hex_list(ids)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Columns::of(row).uuid()).collect()
    }

    /// What somebody means by what is searched for, the likeliest first: an address, domain or id; how one of them begins;
    /// words. Few terms that begin so are looked up, of many it is rows that are read.
    async fn readings(&self, words: &str, query: &Query) -> Result<Vec<(Option<Sought>, Option<String>)>> {
        let term = words.to_lowercase();
        let ask = sqlx::query_scalar(ways::BEGINNING).bind(term.clone()).bind(MAX_TERMS + 1);
        let mut found: Vec<String> = ask.fetch_all(&self.readers).await?;
        let mut readings = Vec::new();
        if found.first() == Some(&term) {
            readings.push((Some(Sought::Terms(vec![found.remove(0)])), None));
        }
        if i64::try_from(found.len()).is_ok_and(|found| found >= MAX_TERMS) {
            readings.push((None, Some(literally(&term))));
        } else if !found.is_empty() {
            readings.push((Some(Sought::Terms(found)), None));
        }
        let Some(words) = Words::of(words) else { return Ok(readings) };
        // Of what somebody is not told they do not even hear whether it is anywhere.
        if query.blind.is_empty() && !words.may_be(&self.readers).await? {
            return Ok(readings);
        }
        let words = [
            Sought::Words(words.clone(), Last::Whole),
            Sought::Newest(words.clone()),
            Sought::Words(words, Last::Beginning),
        ];
        readings.extend(words.map(|sought| (Some(sought), None)));
        Ok(readings)
    }

    /// Reads rows along the narrowest way until the page is full, nothing is left, or enough has been looked at.
    async fn walk(
        &self,
        ways: &Ways<'_>,
        (query, sought, beginning): (&Query, Option<&Sought>, Option<String>),
        limit: usize,
    ) -> Result<Page> {
        let terms = sought.filter(|_| !query.blind.is_empty()).and_then(Sought::terms).map(json);
        let (mut walk, sought) = ways.to(sought).await?;
        let mut rows = Vec::new();
        loop {
            let mut places = walk.next().await?;
            if let Some(sought) = &sought {
                places = sought.among(&places, query, &self.readers).await?;
            }
            let wanted = limit + 1 - rows.len();
            rows.extend(self.rows_at(&places, wanted, (query, beginning.as_deref(), terms.as_deref())).await?);
            if rows.len() > limit {
                rows.truncate(limit);
                let last = rows.last().map(|(seq, _)| *seq);
                return Ok(page(rows, last));
            }
            if walk.is_over(rows.len()) {
                return Ok(page(rows, walk.rest()));
            }
        }
    }

    /// Those of the rows at these places that are asked for.
    async fn rows_at(
        &self,
        places: &[i64],
        limit: usize,
        (query, beginning, terms): (&Query, Option<&str>, Option<&str>),
    ) -> Result<Vec<(i64, Row)>> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let statuses: Vec<_> = query.statuses.iter().map(|status| Status::as_str(*status)).collect();
        let ask = sqlx::query(AT).bind(json(places)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let ask =
            ask.bind(query.since.map_or(i64::MIN, Moment::millis)).bind(query.until.map_or(i64::MAX, Moment::millis));
        let ask = ask.bind(query.account.map(|a| a.0)).bind(json(&query.beside)).bind(query.domain.map(|d| d.0));
        let ask = ask.bind(query.alias.map(|a| a.0)).bind((!statuses.is_empty()).then(|| json(&statuses)));
        let ask = ask.bind(i64::from(query.bounced)).bind(query.sender.clone()).bind(query.recipient.clone());
        let ask = ask.bind(query.destination.clone()).bind(beginning.map(str::to_owned)).bind(query.own.map(i64::from));
        let ask = ask.bind(query.asker.map(|a| a.0)).bind(json(&query.blind)).bind(terms.map(str::to_owned));
        ask.fetch_all(&self.readers).await?.iter().map(row::read).collect()
    }

    /// Between which rows the page lies; `None` where there can be none.
    async fn bounds(&self, query: &Query) -> Result<Option<Bounds>> {
        let limit = query.limit.clamp(1, MAX_PAGE_ROWS) as usize;
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
}

/// A text of which `like ... escape '~'` takes every character as it is.
fn literally(text: &str) -> String {
    text.replace('~', "~~").replace('%', "~%").replace('_', "~_")
}

fn page(rows: Vec<(i64, Row)>, cursor: Option<i64>) -> Page {
    let next_cursor = cursor.map(|seq| seq.to_string());
    Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next_cursor }
}

fn last_said(row: &SqliteRow) -> Result<(Uuid, LastSaid)> {
    let mut columns = Columns::of(row);
    let id = columns.uuid()?;
    let words = columns.take()?;
    let at = columns.take::<Option<String>>()?.as_deref().and_then(Moment::parse_rfc3339);
    Ok((id, LastSaid { words, at, of_report: columns.take()? }))
}

fn counts(row: &SqliteRow) -> Result<(AliasId, Had)> {
    let mut columns = Columns::of(row);
    let alias = AliasId(columns.take()?);
    let (messages, last_mail_at) = (columns.count()?, columns.maybe_moment()?);
    let counts = Counts {
        forwarded: columns.count()?,
        refused: columns.count()?,
        dropped: columns.count()?,
        failed: columns.count()?,
        bounced: columns.count()?,
    };
    Ok((alias, Had { messages, last_mail_at, counts }))
}
