//! Changes of rows after they were written: their status with its counts, attempts, the report.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::feeder::AGAIN;
use super::inboxes::Fared;
use super::ledger::{Absent, Entry};
use super::tally::{Counted, Tally, shown};
use super::{Bounced, Progress, Row, row};
use crate::mail::Moment;
use crate::policy::ids::{AliasId, DomainId};
use crate::policy::status::Status;
use crate::store::columns::{Columns, hex_list, json};
use crate::store::{Result, StoreError};

pub(in crate::store) const FIND: &str = "select id, seq, status, bounced_at, received_at, domain_id, alias_id, \
    destination, count, own is not null, attempts ->> '$[#-1].at' from activity where id in (select unhex(value) from json_each(?1))";
pub(in crate::store) const APPLY: &str = "update activity set status = coalesce(d.status, activity.status), \
    reason = coalesce(d.reason, activity.reason), \
    attempts = case when d.attempt is null then attempts else json_insert(attempts, '$[#]', json(d.attempt)) end, \
    next_attempt_at = d.next_attempt_at, sha256_sent = coalesce(unhex(d.sent), sha256_sent), \
    dsn = coalesce(d.report, dsn), bounced_at = coalesce(d.bounced, bounced_at) from \
    (select value ->> 0 as place, value ->> 1 as status, value ->> 2 as reason, value ->> 3 as attempt, \
    value ->> 4 as next_attempt_at, value ->> 5 as sent, value ->> 6 as report, value ->> 7 as bounced \
    from json_each(?1)) as d where activity.seq = d.place";
pub(in crate::store) const BY_SEQS: &str =
    concat!("select ", row::columns!(), " from activity where seq in (select value from json_each(?1)) order by seq");

/// One change of one row.
pub(super) enum Step<'e> {
    Progress(&'e Progress, Absent),
    Bounce(&'e Bounced),
}

impl Step<'_> {
    const fn id(&self) -> Uuid {
        match self {
            Self::Progress(progress, _) => progress.id,
            Self::Bounce(bounced) => bounced.id,
        }
    }
}

/// The changes of a batch, in rounds that touch no row twice.
pub(super) fn rounds(entries: &[Entry]) -> Vec<Vec<Step<'_>>> {
    let mut rounds: Vec<(HashSet<Uuid>, Vec<Step<'_>>)> = Vec::new();
    for step in entries.iter().flat_map(steps) {
        match rounds.iter_mut().find(|(ids, _)| !ids.contains(&step.id())) {
            Some((ids, steps)) => {
                ids.insert(step.id());
                steps.push(step);
            }
            None => rounds.push((HashSet::from([step.id()]), vec![step])),
        }
    }
    rounds.into_iter().map(|(_, steps)| steps).collect()
}

fn steps(entry: &Entry) -> Vec<Step<'_>> {
    match entry {
        Entry::Record(_) | Entry::Counts => Vec::new(),
        Entry::Progress(changes, absent) => changes.iter().map(|change| Step::Progress(change, *absent)).collect(),
        Entry::Bounce(bounces) => bounces.iter().map(Step::Bounce).collect(),
    }
}

/// The row that is changed, as far as its counts go.
struct Found {
    seq: i64,
    status: Status,
    bounced_at: Option<Moment>,
    received_at: Moment,
    domain: Option<DomainId>,
    alias: Option<AliasId>,
    destination: Option<String>,
    count: i64,
    is_own: bool,
    /// When it was tried last.
    tried_at: Option<Moment>,
}

impl Found {
    fn counted(&self) -> Counted<'_> {
        let Self { received_at: at, domain, alias, count, is_own, .. } = *self;
        Counted { at, domain, alias, destination: self.destination.as_deref(), count, is_own }
    }

    /// When its next hop took it: not before it was received, nor before it was tried.
    fn taken_at(&self) -> Moment {
        self.tried_at.map_or(self.received_at, |tried| tried.max(self.received_at))
    }
}

/// Place, status, reason, attempt, next attempt, hash of what was sent, report, bounce.
type Applied = (
    i64,
    Option<&'static str>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<i64>,
);

/// Writes one round, and says which rows it changed.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    steps: &[Step<'_>],
    tally: &mut Tally,
) -> Result<Vec<i64>> {
    let found = find(connection, steps).await?;
    let mut applied = Vec::with_capacity(steps.len());
    for step in steps {
        match found.get(&step.id()) {
            Some(found) if found.bounced_at.is_some() && matches!(step, Step::Bounce(_)) => {}
            Some(found) => applied.push(apply(step, found, tally)),
            None if matches!(step, Step::Progress(_, Absent::Refused)) => return Err(StoreError::NotFound),
            None => tracing::warn!(id = %step.id(), "a row of the log that has changed is not there any more"),
        }
    }
    sqlx::query(APPLY).bind(json(&applied)).execute(&mut *connection).await?;
    let seqs: Vec<i64> = applied.iter().map(|row| row.0).collect();
    sqlx::query(AGAIN).bind(json(&seqs)).execute(connection).await?;
    Ok(seqs)
}

async fn find(connection: &mut SqliteConnection, steps: &[Step<'_>]) -> Result<HashMap<Uuid, Found>> {
    let ids: Vec<Uuid> = steps.iter().map(Step::id).collect();
    let rows = sqlx::query(FIND).bind(hex_list(&ids)).fetch_all(connection).await?;
    let found = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let id = columns.uuid()?;
        let found = Found {
            seq: columns.take()?,
            status: columns.parsed("a status", Status::parse)?,
            bounced_at: columns.maybe_moment()?,
            received_at: columns.moment()?,
            domain: columns.take::<Option<i64>>()?.map(DomainId),
            alias: columns.take::<Option<i64>>()?.map(AliasId),
            destination: columns.take()?,
            count: columns.take()?,
            is_own: columns.take()?,
            tried_at: columns.take::<Option<&str>>()?.and_then(Moment::parse_rfc3339),
        };
        Ok((id, found))
    });
    found.collect()
}

fn apply(step: &Step<'_>, found: &Found, tally: &mut Tally) -> Applied {
    let from = shown(found.status, found.bounced_at);
    match step {
        Step::Progress(progress, _) => {
            tally.shift(&found.counted(), from, shown(progress.status, found.bounced_at));
            tally.note_inbox(found.destination.as_deref(), Fared::of_progress(progress, found.received_at));
            (
                found.seq,
                Some(progress.status.as_str()),
                Some(progress.reason.clone()),
                progress.attempt.as_ref().map(json),
                progress.next_attempt_at.map(Moment::millis),
                progress.sha256_sent.map(|hash| data_encoding::HEXLOWER.encode(&hash)),
                progress.dsn.as_ref().map(json),
                None,
            )
        }
        Step::Bounce(bounced) => {
            tally.shift(&found.counted(), from, shown(found.status, Some(bounced.at)));
            tally.note_inbox(found.destination.as_deref(), Fared::of_bounce(bounced, found.taken_at()));
            let (reason, attempt, dsn) = (bounced.attempt.reply.clone(), json(&bounced.attempt), json(&bounced.dsn));
            (found.seq, None, Some(reason), Some(attempt), None, None, Some(dsn), Some(bounced.at.millis()))
        }
    }
}

/// The rows as they are now.
pub(super) async fn changed(connection: &mut SqliteConnection, seqs: &[i64]) -> Result<Vec<Row>> {
    let rows = sqlx::query(BY_SEQS).bind(json(seqs)).fetch_all(connection).await?;
    rows.iter().map(|found| row::read(found).map(|(_, row)| row)).collect()
}
