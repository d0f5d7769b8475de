//! A table of aliases looked over row by row, and what of it is sound and new made in one step, which is taken back in one. A
//! row that is wrong keeps no other out; an alias that there is already is left as it is.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::mail::{Domain, Mailbox};
use crate::policy::ids::AccountId;
use crate::policy::rule::{Action, Kind};
use crate::store::accounts::AuditSpan;
use crate::store::rules::key_of;
use crate::store::rules::patterns::{MAX_COMPILED_OF_ACCOUNT, Room, is_pattern, too_large};

use super::alias_changes::NewAlias;
use super::aliases::sends_on;
use super::error::in_spite_of_others;
use super::name::AliasName;
use super::patterns::Matching;
use super::ways::{self, End};
use super::{Actor, Admin, AdminError, AliasBatch, Fault, MAX_OPERATIONS, Result, table};

/// Octets of a table.
pub const MAX_TABLE_OCTETS: usize = 256 << 10;
/// Rows of a table: so many are made, and taken back, in one step.
pub const MAX_TABLE_ROWS: usize = MAX_OPERATIONS;
/// Times that what storage refuses of a table is put aside: what had no room was left out before, so that this is what others
/// have taken since.
const MAX_TRIES: usize = 20;

/// A row that makes an alias.
#[derive(Debug)]
pub struct NewRow {
    /// Its line.
    pub line: usize,
    /// The alias.
    pub address: String,
    /// Where it leads; nowhere where its mail is dropped or refused.
    pub to: Vec<String>,
    /// What becomes of its mail.
    pub action: Action,
    /// It comes in switched off.
    pub is_off: bool,
    account: AccountId,
    written: Map<String, Value>,
}

/// What a table comes to.
#[derive(Debug, Default)]
pub struct AliasTable {
    /// What it makes.
    pub new: Vec<NewRow>,
    /// How many of its rows name an alias that there is already.
    pub known: usize,
    /// Lines that are left out, in their order, and why.
    pub wrong: Vec<(usize, String)>,
    /// Inboxes that what it makes leads to, and that get no mail yet.
    pub unverified: Vec<String>,
    /// Columns that say something and were not read, as the table names them.
    pub unread: Vec<String>,
}

impl AliasTable {
    fn refuse(&mut self, line: usize, error: &AdminError) {
        let why = match error {
            AdminError::Invalid(faults) => {
                faults.iter().map(|fault| fault.detail.as_str()).collect::<Vec<_>>().join("; ")
            }
            other => other.to_string(),
        };
        self.wrong.push((line, why));
    }

    /// Takes out the rows that these faults of a batch speak of. What speaks of none of them stays an error.
    fn put_aside(&mut self, faults: Vec<Fault>) -> Result<()> {
        let place = |fault: &Fault| fault.pointer.strip_prefix("/operations/")?.split('/').next()?.parse().ok();
        let mut found: Vec<(usize, &str)> =
            faults.iter().filter_map(|fault| Some((place(fault)?, &*fault.detail))).collect();
        found.retain(|(index, _)| *index < self.new.len());
        found.sort_unstable();
        found.dedup_by_key(|(index, _)| *index);
        for (index, why) in found.iter().rev() {
            let row = self.new.remove(*index);
            self.wrong.push((row.line, (*why).to_owned()));
        }
        self.wrong.sort();
        if found.is_empty() { Err(AdminError::Invalid(faults)) } else { Ok(()) }
    }

    fn batch(&self) -> Result<AliasBatch> {
        let operation = |row: &NewRow| {
            let mut written = row.written.clone();
            written.insert("op".to_owned(), "create".into());
            Value::Object(written)
        };
        AliasBatch::whole(self.new.iter().map(operation).collect())
    }
}

/// A table being looked over. The patterns of what it makes stay compiled as long as this is kept.
#[derive(Default)]
struct Look {
    table: AliasTable,
    /// What the new rows will be, one for each.
    ends: Vec<End>,
    /// Octets that their patterns take.
    octets: usize,
    /// What room is left for patterns, by account.
    rooms: HashMap<AccountId, Room>,
    lines: HashMap<(Domain, Kind, String), usize>,
}

impl Look {
    /// Takes a row that is sound by itself, unless it does not fit beside those before it.
    fn take(&mut self, (line, written): (usize, Map<String, Value>), new: NewAlias) {
        let name = &new.named.name;
        match self.lines.entry((name.domain.clone(), name.kind, key_of(name.kind, &name.pattern))) {
            Entry::Occupied(earlier) => {
                let why = format!("this alias stands in line {} already", earlier.get());
                return self.table.wrong.push((line, why));
            }
            Entry::Vacant(free) => _ = free.insert(line),
        }
        if let Err(why) = self.make_room(&new) {
            return self.table.wrong.push((line, why));
        }
        let (address, end) = (new.named.name.to_string(), End::new(new.named, Some(&new.draft)));
        if self.octets + end.octets() > MAX_COMPILED_OF_ACCOUNT {
            return self.table.wrong.push((line, too_large()));
        }
        self.octets += end.octets();
        self.ends.push(end);
        let (action, is_off, account) = (new.draft.action, !new.draft.enabled, new.domain.account);
        let to = if sends_on(action) { new.draft.destinations } else { Vec::new() };
        self.table.new.push(NewRow { line, address, to, action, is_off, account, written });
    }

    /// Room for a pattern. What is switched off takes none in memory.
    fn make_room(&mut self, new: &NewAlias) -> std::result::Result<(), String> {
        let octets = new.named.matching.as_ref().map_or(0, Matching::octets);
        let octets = if new.draft.enabled { octets } else { 0 };
        let room = self.rooms.get_mut(&new.domain.account).filter(|_| is_pattern(new.named.name.kind));
        room.map_or(Ok(()), |room| room.take(new.domain.key, octets))
    }

    /// Leaves out what leads to another that the same table makes: it is brought in once that is there.
    fn without_ways(self) -> AliasTable {
        let later = ways::to_make_later(&self.ends);
        let mut table = AliasTable { new: Vec::new(), ..self.table };
        for ((row, end), later) in self.table.new.into_iter().zip(&self.ends).zip(later) {
            let Some(to) = later else {
                table.new.push(row);
                continue;
            };
            let (from, to) = (&end.named.name, &self.ends[to].named.name);
            let why = format!("{from} leads to {to}, which this table makes too: import it again once that is there");
            table.wrong.push((row.line, why));
        }
        table.wrong.sort();
        table
    }
}

impl Admin {
    /// What a table would come to. Nothing is changed.
    pub async fn look_at_table(&self, actor: &Actor, text: &str) -> Result<AliasTable> {
        actor.must_create_aliases()?;
        let mut look = Look::default();
        let read = bounded(text)?;
        look.table.unread = read.unread;
        for (line, row) in read.rows {
            match row {
                Ok(written) => self.look_at_row(actor, &mut look, (line, written)).await?,
                Err(why) => look.table.wrong.push((line, why)),
            }
        }
        // Beside the threads that carry mail.
        let looked = tokio::task::spawn_blocking(move || look.without_ways()).await;
        let table = looked.map_err(|_| AdminError::Unwell)?;
        Ok(AliasTable { unverified: self.unverified_of(actor, &table).await?, ..table })
    }

    /// Where mail that a table would send on does not go yet. What a pattern computes is no inbox.
    async fn unverified_of(&self, actor: &Actor, table: &AliasTable) -> Result<Vec<String>> {
        let named = table.new.iter().flat_map(|row| row.to.iter().map(|to| (row.account, to)));
        let outside = named.filter(|(account, to)| !to.contains('$') && !self.is_hosted(*account, to));
        let inboxes = outside.filter_map(|(account, to)| Some(((account, Mailbox::parse(to).ok()?), to)));
        let (asked, names): (Vec<_>, Vec<_>) = inboxes.unzip();
        let heard = self.have_said_yes(actor, &asked).await?;
        let unverified = names.into_iter().zip(heard).filter(|(_, is_heard)| !is_heard);
        Ok(unverified.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn look_at_row(
        &self,
        actor: &Actor,
        look: &mut Look,
        (line, written): (usize, Map<String, Value>),
    ) -> Result<()> {
        if self.is_known(actor, &written).await? {
            look.table.known += 1;
            return Ok(());
        }
        match self.new_alias(actor, &written).await {
            Ok(new) => {
                if let Entry::Vacant(none) = look.rooms.entry(new.domain.account) {
                    none.insert(self.store.rules.room_for_patterns(new.domain.account).await?);
                }
                look.take((line, written), new);
            }
            Err(error @ (AdminError::Unwell | AdminError::Changed)) => return Err(error),
            Err(error) => look.table.refuse(line, &error),
        }
        Ok(())
    }

    /// Whether a row names an alias that the actor sees.
    async fn is_known(&self, actor: &Actor, written: &Map<String, Value>) -> Result<bool> {
        let address = written.get("address").and_then(Value::as_str).unwrap_or_default();
        let Ok(name) = AliasName::parse(address) else { return Ok(false) };
        match self.find_alias(actor, &name.to_string()).await {
            Ok(_) => Ok(true),
            Err(AdminError::NotFound(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Makes what a table has that is sound and new; what it came to, and the entries of the audit log.
    pub async fn import_table(&self, actor: &Actor, text: &str) -> Result<(AliasTable, Option<AuditSpan>)> {
        let imported = in_spite_of_others(|| async {
            let mut table = self.look_at_table(actor, text).await?;
            for _ in 0..MAX_TRIES {
                if table.new.is_empty() {
                    return Ok((table, None));
                }
                match self.all_or_none(actor, &table.batch()?).await {
                    Ok(applied) => return Ok((table, Some(applied.entries))),
                    // What is sound by itself may be too much beside what there is.
                    Err(AdminError::Invalid(faults)) => table.put_aside(faults)?,
                    // Somebody made one of them since it was looked for.
                    Err(AdminError::Conflict(_)) => return Err(AdminError::Changed),
                    Err(other) => return Err(other),
                }
            }
            Err(AdminError::busy())
        });
        imported.await.map_err(|error| match error {
            AdminError::Conflict(_) => AdminError::Conflict(NONE_MADE.to_owned()),
            other => other,
        })
    }
}

/// The refusal of a table that is too large.
#[must_use]
pub fn too_large_a_table() -> AdminError {
    AdminError::field("text", format!("this is larger than {} KiB: {IN_PARTS}", MAX_TABLE_OCTETS / 1024))
}

/// What is said where others come first again and again.
const NONE_MADE: &str = "Others change aliases at the same moment, so none of these rows was made. Import them again.";

/// What is done about too much.
const IN_PARTS: &str = "import it in parts";

/// The rows, if they are not too many.
fn bounded(text: &str) -> Result<table::Table> {
    if text.len() > MAX_TABLE_OCTETS {
        return Err(too_large_a_table());
    }
    let read = table::read(text);
    match read.rows.len() {
        0 => Err(AdminError::field("text", "write at least one alias")),
        n if n > MAX_TABLE_ROWS => {
            let why = format!("these are {n} rows, and {MAX_TABLE_ROWS} go at a time: {IN_PARTS}");
            Err(AdminError::field("text", why))
        }
        _ => Ok(read),
    }
}
