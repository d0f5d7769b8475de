//! Imports: a million aliases in steps that let others write in between, all or nothing.
//!
//! The aliases of an import are written with its number and count for nothing until one last, small transaction says
//! that it has finished. What fails, or what a crash leaves behind, is deleted in steps as well.

pub(in crate::store) mod sweep;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::watch;

use self::sweep::{report, sweep_all};
use super::destination::{ADD_MISSING, key_and_host};
use super::{ImportLine, Rules};
use crate::mail::{LocalPart, Moment};
use crate::policy::ids::{AccountId, DomainId};
use crate::store::accounts::{AuditEntry, audit};
use crate::store::columns::{Columns, json};
use crate::store::directory::Touched;
use crate::store::ids::next;
use crate::store::{Result, StoreError};

/// Lines of one step: some 50 ms of the writer.
const STEP_LINES: usize = 1000;
/// Bad lines that are named at most.
const NAMED_FAULTS: usize = 20;

pub(in crate::store) const BEGIN: &str = concat!(
    "insert into imports (account_id, first_alias_id, started_at) values (?1, ",
    next!("aliases"),
    ", ?2) returning id"
);
// A cross join is a plain one whose order SQLite keeps: lines first. Left to choose, it reads all destinations.
pub(in crate::store) const CLASHES: &str = "select j.key, a.import_id is ?2, \
    (select json_group_array(coalesce(d.key, t.template)) from alias_destinations as t \
        left join destinations as d on d.id = t.destination_id where t.alias_id = a.id) \
    from json_each(?1) as j cross join aliases as a \
    on a.domain_id = j.value ->> 0 and a.kind = 'address' and a.key = j.value ->> 1";
pub(in crate::store) const NEXT_ID: &str = concat!("select ", next!("aliases"));
pub(in crate::store) const ADD: &str = concat!(
    "insert into aliases (id, uuid, account_id, domain_id, kind, pattern, key, action, import_id, created_at, \
     updated_at) select value ->> 0, unhex(value ->> 1), ?, value ->> 2, 'address', value ->> 3, value ->> 4, \
     'forward', ?, ?, ? from json_each(?); ",
    "insert into alias_destinations (alias_id, position, destination_id) select j.value ->> 0, 0, d.id \
     from json_each(?) as j cross join destinations as d on d.account_id = ? and d.key = j.value ->> 5"
);
pub(in crate::store) const FINISH: &str = "update imports set finished_at = ?2 where id = ?1";
pub(in crate::store) const UNFINISHED: &str = "select id from imports where finished_at is null";

/// An import that runs.
#[derive(Clone)]
struct Import {
    id: i64,
    account: AccountId,
    started_at: Moment,
}

/// A line that can be written: its number, id (hexadecimal), domain, local part, key, destination as written, key, host.
struct Line {
    number: usize,
    id: String,
    domain: DomainId,
    local: String,
    key: String,
    /// Id (hexadecimal), address, key and host of its destination.
    destination: (String, String, String, String),
}

/// Lines of one step, and whether they are only looked at because others are bad.
type Step = (Import, Arc<Vec<Line>>, bool);

impl Rules {
    /// All or nothing; a million in under a minute, in steps that let other writers through: staged first, made to count
    /// in one short transaction. Progress is told by the number of lines done.
    pub async fn import(
        &self,
        account: AccountId,
        lines: Vec<ImportLine>,
        progress: watch::Sender<u64>,
        audit: AuditEntry,
    ) -> Result<u64> {
        let rules = self.clone();
        // It is finished or undone even if the asker goes away.
        let done = tokio::spawn(async move { rules.run_import(account, lines, (progress, audit)).await });
        done.await.map_err(|error| StoreError::Unwell(error.to_string()))?
    }

    async fn run_import(
        &self,
        account: AccountId,
        lines: Vec<ImportLine>,
        (progress, audit): (watch::Sender<u64>, AuditEntry),
    ) -> Result<u64> {
        let _alone = self.importing.lock().await;
        sweep_all(&self.writer, self.unfinished().await?).await?;
        let started_at = self.clock.now();
        let id = self.writer.change((account, started_at), |c, needs| Box::pin(begin(c, *needs))).await?;
        let import = Import { id, account, started_at };
        let finished = match self.write_lines(&import, &lines, &progress).await {
            Ok(added) => self.finish(import, audit).await.map(|()| added),
            Err(error) => Err(error),
        };
        if finished.is_err() {
            report(sweep_all(&self.writer, vec![id]).await);
        }
        finished
    }

    /// Makes it count.
    async fn finish(&self, import: Import, audit: AuditEntry) -> Result<()> {
        let needs = (import, self.clock.now(), audit);
        self.changed(needs, |c, needs| Box::pin(finish(c, needs)), |()| Touched::All).await
    }

    async fn write_lines(&self, import: &Import, lines: &[ImportLine], progress: &watch::Sender<u64>) -> Result<u64> {
        let (mut added, mut faults) = (0, Vec::new());
        for (number, some) in lines.chunks(STEP_LINES).enumerate() {
            let readable = self.readable(import, (number * STEP_LINES, some), &mut faults);
            let step = (import.clone(), Arc::new(readable), !faults.is_empty());
            let (new, more) = self.writer.change(step, |c, step| Box::pin(write(c, step))).await?;
            added += new;
            faults.extend(more);
            if faults.len() >= NAMED_FAULTS {
                break;
            }
            progress.send_replace((number * STEP_LINES + some.len()) as u64);
        }
        if faults.is_empty() { Ok(added) } else { Err(StoreError::Invalid(name(faults))) }
    }

    /// The lines that have a form; the others are faults.
    fn readable(
        &self,
        import: &Import,
        (first, lines): (usize, &[ImportLine]),
        faults: &mut Vec<(usize, String)>,
    ) -> Vec<Line> {
        let mut readable = Vec::with_capacity(lines.len());
        for (number, line) in (first + 1..).zip(lines) {
            match LocalPart::from_plain(&line.local) {
                Ok(local) if !line.local.is_empty() => {
                    let (key, host) = key_and_host(&line.destination);
                    let destination = (self.hex_id(import), line.destination.to_string(), key, host);
                    let (id, domain, local, key) = (self.hex_id(import), line.domain, line.local.clone(), local.key());
                    readable.push(Line { number, id, domain, local, key, destination });
                }
                Ok(_) => faults.push((number, "the alias is missing".to_owned())),
                Err(error) => faults.push((number, error.to_string())),
            }
        }
        readable
    }

    fn hex_id(&self, import: &Import) -> String {
        self.chance.id(import.started_at).simple().to_string()
    }

    /// Goes on with what a crash interrupted.
    pub(in crate::store) async fn sweep_imports(&self) -> Result<()> {
        let left = self.unfinished().await?;
        if !left.is_empty() {
            let (writer, alone) = (self.writer.clone(), Arc::clone(&self.importing).lock_owned().await);
            tokio::spawn(async move {
                report(sweep_all(&writer, left).await);
                drop(alone);
            });
        }
        Ok(())
    }

    async fn unfinished(&self) -> Result<Vec<i64>> {
        Ok(sqlx::query_scalar(UNFINISHED).fetch_all(&self.readers).await?)
    }
}

fn name(mut faults: Vec<(usize, String)>) -> String {
    faults.sort();
    let more = if faults.len() > NAMED_FAULTS { "\nand more" } else { "" };
    let lines: Vec<_> = faults.iter().take(NAMED_FAULTS).map(|(n, why)| format!("line {n}: {why}")).collect();
    format!("{}{more}", lines.join("\n"))
}

async fn begin(connection: &mut SqliteConnection, (account, now): (AccountId, Moment)) -> Result<i64> {
    Ok(sqlx::query_scalar(BEGIN).bind(account.0).bind(now.millis()).fetch_one(connection).await?)
}

async fn finish(connection: &mut SqliteConnection, (import, now, entry): &(Import, Moment, AuditEntry)) -> Result<()> {
    sqlx::query(FINISH).bind(import.id).bind(now.millis()).execute(&mut *connection).await?;
    audit::write(connection, entry).await
}

/// Writes the lines of a step; gives how many were new, and which are at odds with what is there.
async fn write(
    connection: &mut SqliteConnection,
    (import, lines, look_only): &Step,
) -> Result<(u64, Vec<(usize, String)>)> {
    let there = clashes(connection, import, lines).await?;
    let (mut new, mut faults) = (Vec::new(), Vec::new());
    let mut seen: HashMap<(DomainId, &str), &str> = HashMap::new();
    for (place, line) in lines.iter().enumerate() {
        let destination = line.destination.2.as_str();
        if let Some((ours, targets)) = there.get(&place) {
            if targets.as_slice() != [destination] {
                faults.push((line.number, at_odds(line, *ours)));
            }
        } else if let Some(earlier) = seen.insert((line.domain, &line.key), destination) {
            if earlier != destination {
                faults.push((line.number, at_odds(line, true)));
            }
        } else {
            new.push(line);
        }
    }
    if !look_only && faults.is_empty() {
        add(connection, import, &new).await?;
    }
    Ok((new.len() as u64, faults))
}

fn at_odds(line: &Line, ours: bool) -> String {
    let where_ = if ours { "stands in an earlier line" } else { "exists already" };
    format!("{} {where_} with another destination", line.local)
}

/// The aliases that are there already, by the place of their line: whether of this import, and their targets.
async fn clashes(
    connection: &mut SqliteConnection,
    import: &Import,
    lines: &[Line],
) -> Result<HashMap<usize, (bool, Vec<String>)>> {
    let keys: Vec<_> = lines.iter().map(|line| (line.domain, line.key.as_str())).collect();
    let rows = sqlx::query(CLASHES).bind(json(&keys)).bind(import.id).fetch_all(connection).await?;
    let clash = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let place = usize::try_from(columns.take::<i64>()?).unwrap_or(usize::MAX);
        Ok((place, (columns.flag()?, columns.json("targets")?)))
    });
    clash.collect()
}

async fn add(connection: &mut SqliteConnection, import: &Import, lines: &[&Line]) -> Result<()> {
    let mut destinations: HashMap<&str, _> = HashMap::new();
    for line in lines {
        destinations.entry(line.destination.2.as_str()).or_insert(&line.destination);
    }
    let destinations = json(&destinations.into_values().collect::<Vec<_>>());
    let missing = sqlx::query(ADD_MISSING).bind(import.account.0).bind(import.started_at.millis()).bind(destinations);
    missing.execute(&mut *connection).await?;
    let first: i64 = sqlx::query_scalar(NEXT_ID).fetch_one(&mut *connection).await?;
    let rows: Vec<_> = (first..)
        .zip(lines)
        .map(|(id, line)| (id, &line.id, line.domain, &line.local, &line.key, &line.destination.2))
        .collect();
    let (rows, now) = (json(&rows), import.started_at.millis());
    let add = sqlx::query(ADD).bind(import.account.0).bind(import.id).bind(now).bind(now).bind(rows.as_str());
    add.bind(rows.as_str()).bind(import.account.0).execute(connection).await?;
    Ok(())
}
