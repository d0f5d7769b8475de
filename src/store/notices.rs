//! Causes that the owner is told of, as they are remembered; and when the last digest was sent. What is noted is written in
//! the transaction that queues the mails which tell it ([`super::queue::Queue::accept_noting`]), so that neither is without
//! the other.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::Result;
use super::columns::{Columns, json};
use super::queue::ledger::Entry;
use super::writer::Writer;
use crate::mail::Moment;
use crate::policy::checkup::Severity;
use crate::policy::notices::memory::{MAX_REMEMBERED, Remembered, State};
use crate::policy::notices::{Cause, Kind};

macro_rules! columns {
    () => {
        "select n.id, n.cause, n.kind, n.subject, n.severity, n.since, n.what, n.remedy, n.state, n.began_at, n.told_at, \
         n.gone_since, n.ended_at, n.turns, n.told, n.refused from notices as n"
    };
}
pub(in crate::store) const ALL: &str = concat!(columns!(), " order by n.id limit ?1");
/// Who refused a mail since the cause was read stays noted: of those who were told nobody is taken over who is not there any
/// more, but for whoever was told since; and nobody else has refused no more.
pub(in crate::store) const KEEP: &str = "insert into notices (cause, kind, subject, severity, since, what, remedy, state, \
    began_at, told_at, gone_since, ended_at, turns, told, refused) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
    ?12, ?13, ?14, ?15) on conflict (cause, subject) do update set kind = ?2, severity = ?4, since = ?5, what = ?6, remedy = ?7, \
    state = ?8, began_at = ?9, told_at = ?10, gone_since = ?11, ended_at = ?12, turns = ?13, \
    told = case when began_at <> ?9 then ?14 else (select json_group_object(key, value) from json_each(?14) as now \
        where now.value > coalesce(told_at, 0) \
        or exists (select 1 from json_each(told) as had where had.key = now.key and had.value = now.value)) end, \
    refused = case when began_at <> ?9 then ?15 else (select json_group_object(key, value) from json_each(refused) \
        where key not in (select key from json_each(?14) as now where now.value > coalesce(told_at, 0))) end";
pub(in crate::store) const FORGET: &str = "delete from notices where cause = ?1 and subject = ?2";
pub(in crate::store) const REFUSED: &str = "update notices set \
    told = (select json_group_object(key, value) from json_each(told) where key <> ?2), \
    refused = (select json_group_object(key, value) from \
        (select key, value from json_each(refused) where key <> ?2 union all select ?2, ?3)) \
    where exists (select 1 from json_each(told) where key = ?2 and value = ?1)";
pub(in crate::store) const LAST_DIGEST: &str = "select at from digests where id = 1";
pub(in crate::store) const NOTE_DIGEST: &str = "insert into digests (id, at) values (1, ?1) \
    on conflict (id) do update set at = ?1";

/// What is to be remembered of notices.
#[derive(Debug, Clone, Default)]
pub struct Noted {
    /// Causes as they are now.
    pub changed: Vec<Remembered>,
    /// Causes that are to be forgotten: the word, and the subject.
    pub forgotten: Vec<(String, String)>,
    /// A digest was sent.
    pub digest: Option<Moment>,
}

/// Notices; cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    writer: Writer<Entry>,
    readers: SqlitePool,
}

impl Notices {
    pub(super) const fn new(writer: Writer<Entry>, readers: SqlitePool) -> Self {
        Self { writer, readers }
    }

    /// All that is remembered.
    pub async fn remembered(&self) -> Result<Vec<Remembered>> {
        Ok(self.numbered().await?.into_iter().map(|(_, remembered)| remembered).collect())
    }

    /// The same with its numbers: what came later has a greater one.
    pub async fn numbered(&self) -> Result<Vec<(i64, Remembered)>> {
        let limit = i64::try_from(MAX_REMEMBERED).unwrap_or(i64::MAX);
        sqlx::query(ALL).bind(limit).fetch_all(&self.readers).await?.iter().map(read).collect()
    }

    /// Notes that the mail which told this address, then, was found to have come to nothing at `at`.
    pub async fn refused(&self, told_at: Moment, (address, at): (String, Moment)) -> Result<()> {
        self.writer.change((told_at, address, at), |c, needs| Box::pin(refused(c, needs))).await
    }

    /// When the last digest was sent.
    pub async fn last_digest(&self) -> Result<Option<Moment>> {
        let row = sqlx::query(LAST_DIGEST).fetch_optional(&self.readers).await?;
        row.map(|row| Columns::of(&row).moment()).transpose()
    }
}

/// Writes it: all of it, or nothing.
pub(super) async fn note(connection: &mut SqliteConnection, noted: &Noted) -> Result<()> {
    let Noted { changed, forgotten, digest } = noted;
    for (cause, subject) in forgotten {
        sqlx::query(FORGET).bind(cause.as_str()).bind(subject.as_str()).execute(&mut *connection).await?;
    }
    for one in changed {
        let cause = &one.cause;
        let keep = sqlx::query(KEEP).bind(cause.id.as_str()).bind(cause.kind.as_str()).bind(cause.subject.as_str());
        let keep = keep.bind(severity_word(cause.severity)).bind(cause.since.map(Moment::millis));
        let keep = keep.bind(cause.what.as_str()).bind(cause.remedy.as_str()).bind(one.state.as_str());
        let keep = keep.bind(one.began_at.millis()).bind(one.told_at.map(Moment::millis));
        let keep = keep.bind(one.gone_since.map(Moment::millis)).bind(one.ended_at.map(Moment::millis));
        let keep = keep.bind(i64::from(one.turns)).bind(dates(&one.told)).bind(dates(&one.refused));
        keep.execute(&mut *connection).await?;
    }
    if let Some(at) = digest {
        sqlx::query(NOTE_DIGEST).bind(at.millis()).execute(connection).await?;
    }
    Ok(())
}

async fn refused(connection: &mut SqliteConnection, (told_at, address, at): &(Moment, String, Moment)) -> Result<()> {
    let ask = sqlx::query(REFUSED).bind(told_at.millis()).bind(address.as_str()).bind(at.millis());
    ask.execute(connection).await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<(i64, Remembered)> {
    let mut columns = Columns::of(row);
    let number = columns.take()?;
    let cause = Cause {
        id: columns.take()?,
        kind: columns.parsed("a kind of notice", Kind::parse)?,
        subject: columns.take()?,
        severity: columns.parsed("a severity", severity)?,
        since: columns.maybe_moment()?,
        what: columns.take()?,
        remedy: columns.take()?,
    };
    let remembered = Remembered {
        cause,
        state: columns.parsed("the state of a notice", State::parse)?,
        began_at: columns.moment()?,
        told_at: columns.maybe_moment()?,
        gone_since: columns.maybe_moment()?,
        ended_at: columns.maybe_moment()?,
        turns: u32::try_from(columns.count()?).unwrap_or(u32::MAX),
        told: dated(&mut columns, "who was told")?,
        refused: dated(&mut columns, "who refused to be told")?,
    };
    Ok((number, remembered))
}

/// Addresses, and the moment of each.
fn dated(columns: &mut Columns<'_>, what: &str) -> Result<BTreeMap<String, Moment>> {
    let millis: BTreeMap<String, i64> = columns.json(what)?;
    Ok(millis.into_iter().map(|(who, at)| (who, Moment::from_millis(at))).collect())
}

/// The same as it is stored.
fn dates(all: &BTreeMap<String, Moment>) -> String {
    json(&all.iter().map(|(who, at)| (who.as_str(), at.millis())).collect::<BTreeMap<_, _>>())
}

const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Fault => "fault",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn severity(word: &str) -> Option<Severity> {
    [Severity::Fault, Severity::Warning, Severity::Note].into_iter().find(|one| severity_word(*one) == word)
}
