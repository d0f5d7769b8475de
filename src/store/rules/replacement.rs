//! One destination put in the place of another everywhere, with one audit row; and taken back while all of that still stands.
//!
//! It is one transaction, unless very many aliases lead there: then those behind the first follow in steps that let others
//! write in between, and after a crash at the next start. Whoever asked hears when all is done. An alias that leads to both
//! leads to the new one once. What patterns compute is left as it is: no row names it.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::alias_list::SOME_OF_DESTINATION;
use super::destination::{SET_DEFAULT, UNSET_DEFAULT};
use super::{DestinationRow, Rules};
use crate::mail::Moment;
use crate::store::accounts::{AuditEntry, audit};
use crate::store::columns::{Columns, json};
use crate::store::directory::{CONTACTS_OF, Touched};
use crate::store::{Result, StoreError};

/// Aliases in which a destination is replaced, at most.
pub const MAX_REPLACED: u64 = 100_000;
/// Aliases that are changed in one transaction: some 10 ms of the writer.
const STEP: u64 = 1000;
/// Aliases that an audit row names; where there are more, the replacement is not taken back.
pub const MAX_NAMED: usize = 500;

/// The aliases of a destination: id (hexadecimal), as it is written, whether it leads to the other one too.
pub(in crate::store) const CHANGED: &str = "select lower(hex(a.uuid)), \
    case a.kind when 'regex' then '/' || a.pattern || '/' else a.pattern end || '@' || d.name, \
    exists (select 1 from alias_destinations as o where o.alias_id = t.alias_id and o.destination_id = ?2) \
    from alias_destinations as t join aliases as a on a.id = t.alias_id join domains as d on d.id = a.domain_id \
    where t.destination_id = ?1 and d.removed_at is null order by t.alias_id limit ?3";
/// The last alias of a step.
pub(in crate::store) const STEP_END: &str = "select max(alias_id) from (select alias_id from alias_destinations \
    where destination_id = ?1 order by alias_id limit ?2)";
pub(in crate::store) const TOUCH: &str = "update aliases set version = version + 1, updated_at = ?3 \
    where id in (select alias_id from alias_destinations where destination_id = ?1 and alias_id <= ?2)";
pub(in crate::store) const DROP_DOUBLES: &str = "delete from alias_destinations where destination_id = ?1 \
    and alias_id <= ?3 and exists (select 1 from alias_destinations as o where o.alias_id = alias_destinations.alias_id \
        and o.destination_id = ?2)";
pub(in crate::store) const AIM_ANEW: &str =
    "update alias_destinations set destination_id = ?2 where destination_id = ?1 and alias_id <= ?3";
pub(in crate::store) const BEGIN: &str = "insert into replacements (old_id, new_id) values (?1, ?2)";
pub(in crate::store) const UNDER_WAY: &str =
    "select exists (select 1 from replacements where old_id in (?1, ?2) or new_id in (?1, ?2))";
pub(in crate::store) const NEXT: &str = "select old_id, new_id from replacements limit 1";
pub(in crate::store) const END: &str = "delete from replacements where old_id = ?1";
pub(in crate::store) const MOVE_CONTACT: &str = "update domains set contact = ?3, version = version + 1, \
    updated_at = ?4 where account_id = ?1 and lower(contact) = lower(?2) and removed_at is null \
    and (?5 is null or name in (select value from json_each(?5))) returning name";
/// Of the domains that name nobody. Whoever is named and not verified yet stays named.
pub(in crate::store) const NAME_CONTACT: &str = "update domains set contact = ?2, version = version + 1, updated_at = ?3 \
    where account_id = ?1 and removed_at is null and contact is null returning name";
pub(in crate::store) const UNNAME_CONTACT: &str = "update domains set contact = null, version = version + 1, \
    updated_at = ?3 where account_id = ?1 and lower(contact) = lower(?2) and removed_at is null \
    and name in (select value from json_each(?4))";
pub(in crate::store) const MOVE_TOKENS: &str = "update tokens set default_destination = ?3 \
    where account_id = ?1 and lower(default_destination) = lower(?2) \
    and (?4 is null or name in (select value from json_each(?4))) returning name";
/// How many of these aliases (ids as hexadecimal texts) lead to the new one, and not to the old one.
pub(in crate::store) const STANDING: &str = "select count(*) from json_each(?1) as j \
    cross join aliases as a on a.uuid = unhex(j.value) \
    where exists (select 1 from alias_destinations as t where t.alias_id = a.id and t.destination_id = ?2) \
    and not exists (select 1 from alias_destinations as t where t.alias_id = a.id and t.destination_id = ?3)";
pub(in crate::store) const AIM_BACK: &str = "update alias_destinations set destination_id = ?3 \
    where destination_id = ?2 and alias_id in \
    (select a.id from json_each(?1) as j cross join aliases as a on a.uuid = unhex(j.value))";
pub(in crate::store) const AIM_BESIDE: &str = "insert into alias_destinations (alias_id, position, destination_id) \
    select a.id, (select max(t.position) + 1 from alias_destinations as t where t.alias_id = a.id), ?2 \
    from json_each(?1) as j cross join aliases as a on a.uuid = unhex(j.value)";
pub(in crate::store) const TOUCH_THEM: &str = "update aliases set version = version + 1, updated_at = ?2 where id in \
    (select a.id from json_each(?1) as j cross join aliases as a on a.uuid = unhex(j.value))";

/// An alias that leads elsewhere now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its id (hexadecimal).
    pub id: String,
    /// As it is written.
    pub address: String,
    /// It had led to the new destination before as well.
    pub both: bool,
}

/// What was put in another's place, as the audit row keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The destination of before.
    pub destination: String,
    /// How many aliases led to it.
    pub aliases: u64,
    /// These are they; none where they are too many to be named.
    pub changed: Vec<Changed>,
    /// It was the account's default.
    pub default: bool,
    /// The domains whose contact it was, or that named nobody where it got that mail all the same.
    pub contact_of: Vec<String>,
    /// Those of them that named nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unnamed: Vec<String>,
    /// The tokens that brought it along.
    pub tokens: Vec<String>,
}

impl Replaced {
    /// Whether all that was changed is known.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.changed.len() as u64 == self.aliases
    }
}

/// Old and new; the audit row is finished when it is known what was changed.
type Replacement = (DestinationRow, DestinationRow, Moment, AuditEntry);

impl Rules {
    /// Puts `new` in the place of `old`, both of one account; `Invalid` where too many aliases lead there.
    pub async fn replace_destination(
        &self,
        (old, new): (DestinationRow, DestinationRow),
        audit: AuditEntry,
    ) -> Result<Replaced> {
        let needs = (old, new, self.clock.now(), audit);
        let replaced = self.changed(needs, |c, needs| Box::pin(replace(c, needs)), |_| Touched::All).await?;
        if replaced.aliases > STEP {
            let rules = self.clone();
            let done = tokio::spawn(async move { rules.go_on_replacing().await });
            done.await.map_err(|error| StoreError::Unwell(error.to_string()))??;
        }
        Ok(replaced)
    }

    /// Takes the steps that are left.
    async fn go_on_replacing(&self) -> Result<()> {
        while self.writer.change(self.clock.now(), |c, now| Box::pin(go_on(c, *now))).await? {}
        self.directory.refresh(Touched::All).await
    }

    /// Goes on with what a crash interrupted.
    pub(in crate::store) async fn resume_replacing(&self) -> Result<()> {
        if sqlx::query(NEXT).fetch_optional(&self.readers).await?.is_some() {
            let rules = self.clone();
            tokio::spawn(async move {
                if let Err(error) = rules.go_on_replacing().await {
                    tracing::warn!(%error, "a destination is not replaced everywhere yet");
                }
            });
        }
        Ok(())
    }

    /// Puts `old` back where `new` took its place; `Changed` where that does not stand as it was made.
    pub async fn put_destination_back(
        &self,
        (old, new): (DestinationRow, DestinationRow),
        replaced: Replaced,
        audit: AuditEntry,
    ) -> Result<()> {
        let needs = ((old, new, self.clock.now(), audit), replaced);
        self.changed(needs, |c, (pair, replaced)| Box::pin(put_back(c, pair, replaced)), |()| Touched::All).await
    }
}

async fn replace(connection: &mut SqliteConnection, (old, new, now, entry): &Replacement) -> Result<Replaced> {
    let count = sqlx::query(SOME_OF_DESTINATION).bind(old.key.0).bind(MAX_REPLACED.cast_signed() + 1);
    let aliases = Columns::of(&count.fetch_one(&mut *connection).await?).count()?;
    if aliases > MAX_REPLACED {
        let why = format!("more than {MAX_REPLACED} aliases lead to {}, too many for one step", old.address);
        return Err(StoreError::Invalid(why));
    }
    refuse_under_way(connection, old, new).await?;
    let changed = changed(connection, old, new).await?;
    aim_some(connection, (old.key.0, new.key.0), *now).await?;
    if aliases > STEP {
        sqlx::query(BEGIN).bind(old.key.0).bind(new.key.0).execute(&mut *connection).await?;
    }
    let unnamed = name_contact(connection, (old, new, *now)).await?;
    if old.default {
        make_default(connection, new).await?;
    }
    let mut contact_of = move_contact(connection, (old, new, *now), None).await?;
    contact_of.extend_from_slice(&unnamed);
    let tokens = move_tokens(connection, (old, new), None).await?;
    let changed = if changed.len() > MAX_NAMED { Vec::new() } else { changed };
    let destination = old.address.clone();
    let replaced = Replaced { destination, aliases, changed, default: old.default, contact_of, unnamed, tokens };
    let before = serde_json::to_value(&replaced).ok();
    audit::write(connection, &AuditEntry { before, ..entry.clone() }).await?;
    Ok(replaced)
}

/// What is replaced by what is being replaced would go round in circles.
async fn refuse_under_way(connection: &mut SqliteConnection, old: &DestinationRow, new: &DestinationRow) -> Result<()> {
    let ask = sqlx::query_scalar(UNDER_WAY).bind(old.key.0).bind(new.key.0);
    if ask.fetch_one(connection).await? {
        let why = format!("{} or {} is being replaced just now: wait for that first", old.address, new.address);
        return Err(StoreError::Invalid(why));
    }
    Ok(())
}

/// One step; whether there was anything to do.
async fn aim_some(connection: &mut SqliteConnection, (old, new): (i64, i64), now: Moment) -> Result<bool> {
    let end: Option<i64> =
        sqlx::query_scalar(STEP_END).bind(old).bind(STEP.cast_signed()).fetch_one(&mut *connection).await?;
    let Some(end) = end else { return Ok(false) };
    sqlx::query(TOUCH).bind(old).bind(end).bind(now.millis()).execute(&mut *connection).await?;
    for aim in [DROP_DOUBLES, AIM_ANEW] {
        sqlx::query(aim).bind(old).bind(new).bind(end).execute(&mut *connection).await?;
    }
    Ok(true)
}

/// One step of what is under way; whether there was anything.
async fn go_on(connection: &mut SqliteConnection, now: Moment) -> Result<bool> {
    let Some(row) = sqlx::query(NEXT).fetch_optional(&mut *connection).await? else { return Ok(false) };
    let mut columns = Columns::of(&row);
    let (old, new) = (columns.take()?, columns.take()?);
    if !aim_some(connection, (old, new), now).await? {
        sqlx::query(END).bind(old).execute(connection).await?;
    }
    Ok(true)
}

/// The first aliases of `old`, one more than are named.
async fn changed(
    connection: &mut SqliteConnection,
    old: &DestinationRow,
    new: &DestinationRow,
) -> Result<Vec<Changed>> {
    let most = i64::try_from(MAX_NAMED + 1).unwrap_or(i64::MAX);
    let ask = sqlx::query(CHANGED).bind(old.key.0).bind(new.key.0).bind(most);
    let read = ask.fetch_all(connection).await?;
    let read = read.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok(Changed { id: columns.take()?, address: columns.take()?, both: columns.flag()? })
    });
    read.collect()
}

async fn make_default(connection: &mut SqliteConnection, row: &DestinationRow) -> Result<()> {
    for step in [UNSET_DEFAULT, SET_DEFAULT] {
        sqlx::query(step).bind(row.key.0).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Of the domains named, or of all.
async fn move_contact(
    connection: &mut SqliteConnection,
    (from, to, now): (&DestinationRow, &DestinationRow, Moment),
    named: Option<&[String]>,
) -> Result<Vec<String>> {
    let step = sqlx::query_scalar(MOVE_CONTACT).bind(from.account.0).bind(from.address.clone());
    let step = step.bind(to.address.clone()).bind(now.millis()).bind(named.map(json));
    Ok(step.fetch_all(connection).await?)
}

/// Where the old one gets what nobody is named for without being the default, the new one is named for it.
async fn name_contact(
    connection: &mut SqliteConnection,
    (from, to, now): (&DestinationRow, &DestinationRow, Moment),
) -> Result<Vec<String>> {
    if from.default || !gets_unnamed(connection, from).await? {
        return Ok(Vec::new());
    }
    let step = sqlx::query_scalar(NAME_CONTACT).bind(from.account.0).bind(to.address.clone()).bind(now.millis());
    Ok(step.fetch_all(connection).await?)
}

/// Whether a destination gets the mail for postmaster and abuse of domains that name nobody.
async fn gets_unnamed(connection: &mut SqliteConnection, row: &DestinationRow) -> Result<bool> {
    let Some(first) = sqlx::query(CONTACTS_OF).bind(row.account.0).fetch_optional(connection).await? else {
        return Ok(false);
    };
    let mut columns = Columns::of(&first);
    let (_, id): (i64, i64) = (columns.take()?, columns.take()?);
    Ok(id == row.key.0)
}

/// These domains name nobody again.
async fn unname_contact(
    connection: &mut SqliteConnection,
    (from, now): (&DestinationRow, Moment),
    unnamed: &[String],
) -> Result<()> {
    let step = sqlx::query(UNNAME_CONTACT).bind(from.account.0).bind(from.address.clone()).bind(now.millis());
    step.bind(json(&unnamed)).execute(connection).await?;
    Ok(())
}

/// Of the tokens named, or of all.
async fn move_tokens(
    connection: &mut SqliteConnection,
    (from, to): (&DestinationRow, &DestinationRow),
    named: Option<&[String]>,
) -> Result<Vec<String>> {
    let step = sqlx::query_scalar(MOVE_TOKENS).bind(from.account.0).bind(from.address.clone());
    Ok(step.bind(to.address.clone()).bind(named.map(json)).fetch_all(connection).await?)
}

async fn put_back(
    connection: &mut SqliteConnection,
    (old, new, now, entry): &Replacement,
    replaced: &Replaced,
) -> Result<()> {
    let ids = |both: Option<bool>| {
        let some = replaced.changed.iter().filter(|alias| both.is_none_or(|both| alias.both == both));
        json(&some.map(|alias| alias.id.as_str()).collect::<Vec<_>>())
    };
    let ask = sqlx::query(STANDING).bind(ids(None)).bind(new.key.0).bind(old.key.0);
    let standing = Columns::of(&ask.fetch_one(&mut *connection).await?).count()?;
    if standing != replaced.aliases {
        return Err(StoreError::Changed);
    }
    sqlx::query(AIM_BACK).bind(ids(Some(false))).bind(new.key.0).bind(old.key.0).execute(&mut *connection).await?;
    sqlx::query(AIM_BESIDE).bind(ids(Some(true))).bind(old.key.0).execute(&mut *connection).await?;
    sqlx::query(TOUCH_THEM).bind(ids(None)).bind(now.millis()).execute(&mut *connection).await?;
    if replaced.default && new.default {
        make_default(connection, old).await?;
    }
    unname_contact(connection, (new, *now), &replaced.unnamed).await?;
    move_contact(connection, (new, old, *now), Some(&replaced.contact_of)).await?;
    move_tokens(connection, (new, old), Some(&replaced.tokens)).await?;
    audit::write(connection, entry).await
}
