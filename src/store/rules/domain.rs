//! Hosted domains: added, changed, removed.
//!
//! A removed domain is gone at once; its aliases, which may be a million, are deleted in steps that let others write in
//! between, and after a crash at the next start.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::alias::{self, LIST};
use super::loaded::maybe_domain;
use super::patterns::Written;
use super::uses::COUNTED_ALIASES;
use super::{AliasSpec, DomainRow, ListQuery, Listing, NewDomain, Order, Rules};
use crate::mail::{Domain, Moment};
use crate::policy::ids::{AccountId, DomainId};
use crate::store::accounts::{AuditEntry, audit};
use crate::store::columns::{Columns, broken, json};
use crate::store::directory::Touched;
use crate::store::ids::next;
use crate::store::matchers::Matchers;
use crate::store::queue::ledger::Entry;
use crate::store::statement::whole;
use crate::store::writer::Writer;
use crate::store::{Result, StoreError};

pub(in crate::store) const INSERT: &str = concat!(
    "insert into domains (uuid, account_id, name, verified_at, created_at, updated_at, id) \
     values (?1, ?2, ?3, ?4, ?5, ?5, ",
    next!("domains"),
    ") returning id"
);
pub(in crate::store) const UPDATE: &str = "update domains set verified_at = ?3, subaddressing = ?4, keep_tag = ?5, \
    srs_domain = ?6, contact = ?7, dns = ?8, overrides = ?9, updated_at = ?10, alias_format = ?11, \
    mirror_of = (select m.id from domains as m where m.name = ?12), version = version + 1 \
    where id = ?1 and version = ?2 and removed_at is null";
pub(in crate::store) const MIRRORS: &str =
    "select name from domains where mirror_of = ?1 and removed_at is null order by name limit 10";
pub(in crate::store) const NOTE_DNS: &str =
    "update domains set dns = ?2, dns_wrong = ?3 where id = ?1 and removed_at is null";
pub(in crate::store) const EXISTS: &str = "select exists (select 1 from domains where id = ?1 and removed_at is null)";
pub(in crate::store) const CLEAR: &str = "delete from sender_lists where level = 'domain' and scope_id = ?1";
pub(in crate::store) const REMOVE: &str = "update domains set removed_at = ?2, \
    name = 'removed ' || id, mirror_of = null where id = ?1 and removed_at is null";
/// Aliases of a domain, up to one more than are counted.
pub(in crate::store) const SOME_OF_DOMAIN: &str =
    "select count(*) from (select 1 from aliases indexed by aliases_by_domain where domain_id = ?1 limit ?2)";
/// A claim that was never proven gives way.
pub(in crate::store) const GIVE_WAY: &str = "update domains set removed_at = ?2, \
    name = 'removed ' || id, mirror_of = null where id = ?1 and removed_at is null and verified_at is null";
/// What has the aliases of a domain that is gone has none.
pub(in crate::store) const UNMIRROR: &str =
    "update domains set mirror_of = null, version = version + 1, updated_at = ?2 where mirror_of = ?1";
/// Whoever had this name before has no return addresses on it any more.
pub(in crate::store) const TAKE_BACK: &str = "update domains set srs_domain = null, version = version + 1, \
    updated_at = ?3 where srs_domain = ?1 and account_id <> ?2";
pub(in crate::store) const REMOVED: &str = "select id from domains where removed_at is not null limit 1";
pub(in crate::store) const SOME_ALIASES: &str = "select id from aliases where domain_id = ?1 limit 1000";
pub(in crate::store) const SWEEP: &str = "delete from sender_lists where level = 'alias' \
    and scope_id in (select value from json_each(?1)); \
    delete from aliases where id in (select value from json_each(?1))";
pub(in crate::store) const FORGET: &str = "delete from domains where id = ?1 and removed_at is not null";

macro_rules! columns {
    () => {
        "select d.id, d.uuid, d.version, d.account_id, d.name, d.verified_at, d.subaddressing, d.keep_tag, \
         d.srs_domain, (select m.name from domains as m where m.id = d.mirror_of), d.contact, d.dns, d.dns_wrong, \
         d.alias_format, \
         d.overrides, \
         (select json_group_array(s.pattern order by s.position) from sender_lists as s \
             where s.level = 'domain' and s.scope_id = d.id and s.verdict = 'allow'), \
         (select json_group_array(s.pattern order by s.position) from sender_lists as s \
             where s.level = 'domain' and s.scope_id = d.id and s.verdict = 'block'), \
         d.created_at from domains as d"
    };
}
pub(in crate::store) const BY_KEY: &str = concat!(columns!(), " where d.id = ?1");
pub(in crate::store) const BY_NAME: &str = concat!(columns!(), " where d.name = ?1 and d.removed_at is null");

/// A list along `$along` over `?1`, from `$from` on, in `$order`. Then: part of the name, where it begins, limit,
/// of which names alone.
macro_rules! list {
    ($along:expr, $from:literal, $order:literal) => {
        concat!(
            columns!(),
            " where ",
            $along,
            " and d.removed_at is null and (?2 is null or instr(d.name, ?2) > 0) \
             and (?5 is null or d.name in (select value from json_each(?5))) and ",
            $from,
            " order by ",
            $order,
            " limit ?4"
        )
    };
}
macro_rules! all {
    () => {
        "?1 is null"
    };
}
/// Those of an account, and those of others on which it has a role. It passes over all, which are few.
macro_rules! seen_by {
    () => {
        "(+d.account_id = ?1 or exists (select 1 from domain_roles as r where r.domain_id = d.id and r.account_id = ?1))"
    };
}
pub(in crate::store) const ALL: &str = list!(all!(), "d.name > ?3", "d.name");
pub(in crate::store) const SEEN_BY: &str = list!(seen_by!(), "d.name > ?3", "d.name");
pub(in crate::store) const ALL_BACKWARDS: &str = list!(all!(), "d.name < ?3", "d.name desc");
pub(in crate::store) const SEEN_BY_BACKWARDS: &str = list!(seen_by!(), "d.name < ?3", "d.name desc");
pub(in crate::store) const ALL_OLDEST: &str = list!(all!(), "d.id > ?3", "d.id");
pub(in crate::store) const SEEN_BY_OLDEST: &str = list!(seen_by!(), "d.id > ?3", "d.id");
pub(in crate::store) const ALL_NEWEST: &str = list!(all!(), "d.id < ?3", "d.id desc");
pub(in crate::store) const SEEN_BY_NEWEST: &str = list!(seen_by!(), "d.id < ?3", "d.id desc");
/// Key, account and name of those that an account (null: anybody) sees, by name.
pub(in crate::store) const NAMED: &str = concat!(
    "select json_group_array(json_array(id, account_id, name)) from (select d.id, d.account_id, d.name from domains as d \
     where d.removed_at is null and (?1 is null or ",
    seen_by!(),
    ") order by d.name limit ?2)"
);
/// The same of those of these names.
pub(in crate::store) const OF_NAMES: &str = "select json_group_array(json_array(id, account_id, name)) from domains \
    where name in (select value from json_each(?1)) and removed_at is null";
/// Behind every name.
const BEHIND_NAMES: &str = "~";

/// A domain to be written, its aliases with it.
struct Draft {
    id: Uuid,
    row: DomainRow,
    now: Moment,
    audit: AuditEntry,
    aliases: Vec<(Uuid, alias::Draft)>,
    instead_of: Option<(DomainId, AuditEntry)>,
}

impl Rules {
    /// Adds a domain.
    pub async fn add_domain(
        &self,
        account: AccountId,
        name: &Domain,
        verified_at: Option<Moment>,
        audit: AuditEntry,
    ) -> Result<DomainRow> {
        let blank = DomainRow::blank(account, name.clone(), self.clock.now());
        let row = DomainRow { verified_at, ..blank };
        let new = NewDomain { row, aliases: Vec::new(), audit, instead_of: None };
        let added = self.add_domains(vec![new]).await?;
        added.into_iter().next().ok_or(StoreError::NotFound)
    }

    /// Adds these domains with what they begin with: all of them, or none.
    pub async fn add_domains(&self, domains: Vec<NewDomain>) -> Result<Vec<DomainRow>> {
        let give_way = domains.iter().any(|domain| domain.instead_of.is_some());
        let drafts = domains.into_iter().map(|domain| self.domain_draft(domain)).collect::<Result<Vec<_>>>()?;
        let added = self
            .changed((drafts, self.matchers.clone()), |c, needs| Box::pin(insert_all(c, needs)), |_| Touched::All)
            .await?;
        if give_way {
            tokio::spawn(sweep(self.writer.clone()));
        }
        Ok(added)
    }

    fn domain_draft(&self, NewDomain { row, aliases, audit, instead_of }: NewDomain) -> Result<Draft> {
        let now = self.clock.now();
        let alias = |(spec, audit): (AliasSpec, AuditEntry)| {
            Ok((self.chance.id(now), self.draft((row.account, row.key), &spec, audit)?))
        };
        let aliases = aliases.into_iter().map(alias).collect::<Result<Vec<_>>>()?;
        Ok(Draft { id: self.chance.id(now), row, now, audit, aliases, instead_of })
    }

    /// How many aliases a domain has, one more than [`COUNTED_ALIASES`] at most.
    pub async fn aliases_of_domain(&self, key: DomainId) -> Result<u64> {
        let count = sqlx::query(SOME_OF_DOMAIN).bind(key.0).bind(COUNTED_ALIASES.cast_signed() + 1);
        Columns::of(&count.fetch_one(&self.readers).await?).count()
    }

    /// The domains that mirror this one, by name; the first ten.
    pub async fn mirrors(&self, key: DomainId) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar(MIRRORS).bind(key.0).fetch_all(&self.readers).await?)
    }

    /// Changes a domain whose version is still `row.version`.
    pub async fn change_domain(&self, row: &DomainRow, audit: AuditEntry) -> Result<DomainRow> {
        let needs = (row.clone(), self.clock.now(), audit);
        self.changed(needs, |c, needs| Box::pin(update(c, needs)), |_| Touched::All).await
    }

    /// Removes a domain and its aliases. The log stays.
    pub async fn remove_domain(&self, key: DomainId, audit: AuditEntry) -> Result<()> {
        let needs = (key, self.clock.now(), audit);
        self.changed(needs, |c, needs| Box::pin(remove(c, needs)), |()| Touched::All).await?;
        tokio::spawn(sweep(self.writer.clone()));
        Ok(())
    }

    /// Notes how a domain's records stand, and which are wrong. It is no change of a rule: version and directory stay.
    pub async fn note_dns(&self, key: DomainId, dns: &str, wrong: &[String]) -> Result<()> {
        self.writer.change((key, dns.to_owned(), json(wrong)), |c, needs| Box::pin(note_dns(c, needs))).await
    }

    /// By name.
    pub async fn domain(&self, name: &Domain) -> Result<DomainRow> {
        read(&sqlx::query(BY_NAME).bind(name.as_str()).fetch_one(&self.readers).await?)
    }

    /// Those that an account sees, or all; by name, unless another order is asked for.
    pub async fn domains(&self, query: ListQuery) -> Result<Listing<DomainRow>> {
        let limit = super::page_rows(query.limit);
        let by_name = !matches!(query.order, Order::Oldest | Order::Newest);
        if by_name && query.cursor.as_deref().is_some_and(|cursor| Domain::parse(cursor).is_err()) {
            return Err(StoreError::Cursor);
        }
        let ask = sqlx::query(list_of(&query)).bind(query.account.map(|a| a.0));
        let ask = ask.bind(query.search.map(|s| s.to_lowercase()));
        let ask = match query.order {
            Order::Usual | Order::Name | Order::LastMail => ask.bind(query.cursor.unwrap_or_default()),
            Order::NameBackwards => ask.bind(query.cursor.unwrap_or_else(|| BEHIND_NAMES.to_owned())),
            Order::Oldest => ask.bind(super::cursor_key(query.cursor.as_deref(), i64::MIN)?),
            Order::Newest => ask.bind(super::cursor_key(query.cursor.as_deref(), i64::MAX)?),
        };
        let rows = ask.bind(i64::from(limit) + 1).bind(query.names.as_ref().map(json)).fetch_all(&self.readers).await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        let cursor = |row: &DomainRow| if by_name { row.name.as_str().to_owned() } else { row.key.0.to_string() };
        let next_cursor = super::cut(&mut items, limit).map(cursor);
        Ok(Listing { items, next_cursor })
    }

    /// Key, account and name of those that an account sees, or of all; by name.
    pub async fn named_domains(
        &self,
        account: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<(DomainId, AccountId, Domain)>> {
        let ask = sqlx::query(NAMED).bind(account.map(|a| a.0)).bind(limit);
        named(whole(ask, &self.readers, "the names of domains").await?)
    }

    /// Key, account and name of those of these names.
    pub async fn domains_of_names(&self, names: &[String]) -> Result<Vec<(DomainId, AccountId, Domain)>> {
        named(whole(sqlx::query(OF_NAMES).bind(json(names)), &self.readers, "the names of domains").await?)
    }

    /// Goes on with what a crash interrupted.
    pub(in crate::store) async fn sweep_domains(&self) -> Result<()> {
        if sqlx::query(REMOVED).fetch_optional(&self.readers).await?.is_some() {
            tokio::spawn(sweep(self.writer.clone()));
        }
        Ok(())
    }
}

fn named(found: Vec<(i64, i64, String)>) -> Result<Vec<(DomainId, AccountId, Domain)>> {
    let named = |(key, account, name): (i64, i64, String)| {
        Ok((DomainId(key), AccountId(account), Domain::parse(&name).map_err(|_| broken("a domain"))?))
    };
    found.into_iter().map(named).collect()
}

/// The statement that lists them in the order that is asked for.
const fn list_of(query: &ListQuery) -> &'static str {
    match (query.order, query.account) {
        (Order::Usual | Order::Name | Order::LastMail, None) => ALL,
        (Order::Usual | Order::Name | Order::LastMail, Some(_)) => SEEN_BY,
        (Order::NameBackwards, None) => ALL_BACKWARDS,
        (Order::NameBackwards, Some(_)) => SEEN_BY_BACKWARDS,
        (Order::Oldest, None) => ALL_OLDEST,
        (Order::Oldest, Some(_)) => SEEN_BY_OLDEST,
        (Order::Newest, None) => ALL_NEWEST,
        (Order::Newest, Some(_)) => SEEN_BY_NEWEST,
    }
}

/// Deletes what removed domains have left, in steps.
async fn sweep(writer: Writer<Entry>) {
    loop {
        match writer.change((), |c, ()| Box::pin(sweep_some(c))).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::warn!(%error, "the aliases of a removed domain are not all deleted yet"),
        }
    }
}

/// One step; whether there is more to do.
async fn sweep_some(connection: &mut SqliteConnection) -> Result<bool> {
    let Some(domain) = sqlx::query_scalar::<_, i64>(REMOVED).fetch_optional(&mut *connection).await? else {
        return Ok(false);
    };
    let aliases: Vec<i64> = sqlx::query_scalar(SOME_ALIASES).bind(domain).fetch_all(&mut *connection).await?;
    if aliases.is_empty() {
        sqlx::query(CLEAR).bind(domain).execute(&mut *connection).await?;
        sqlx::query(FORGET).bind(domain).execute(connection).await?;
    } else {
        sqlx::query(SWEEP).bind(json(&aliases)).execute(connection).await?;
    }
    Ok(true)
}

async fn insert_all(
    connection: &mut SqliteConnection,
    (drafts, matchers): &(Vec<Draft>, Matchers),
) -> Result<Vec<DomainRow>> {
    let (mut added, mut written) = (Vec::with_capacity(drafts.len()), Written::default());
    for draft in drafts {
        added.push(insert(connection, draft, &mut written).await?);
    }
    written.check(connection, matchers).await?;
    Ok(added)
}

async fn insert(connection: &mut SqliteConnection, draft: &Draft, written: &mut Written) -> Result<DomainRow> {
    let Draft { id, row, now, audit, aliases, instead_of } = draft;
    if let Some((claim, entry)) = instead_of {
        give_way(connection, (*claim, *now, entry)).await?;
    }
    let insert = sqlx::query(INSERT).bind(id.as_bytes().as_slice()).bind(row.account.0).bind(row.name.as_str());
    let added = insert.bind(row.verified_at.map(Moment::millis)).bind(now.millis()).fetch_one(&mut *connection).await;
    let added = added.map_err(|error| match StoreError::from(error) {
        StoreError::Exists(_) => StoreError::Exists(row.name.to_string()),
        other => other,
    })?;
    let take_back = sqlx::query(TAKE_BACK).bind(row.name.as_str()).bind(row.account.0).bind(now.millis());
    take_back.execute(&mut *connection).await?;
    let blank = by_key(connection, DomainId(Columns::of(&added).take()?)).await?;
    let whole = DomainRow {
        key: blank.key,
        id: blank.id,
        version: blank.version,
        dns: blank.dns.clone(),
        dns_wrong: blank.dns_wrong.clone(),
        created_at: blank.created_at,
        ..row.clone()
    };
    if whole != blank {
        set(connection, &whole, *now).await?;
    }
    for (id, alias) in aliases {
        let alias = alias.on(blank.key);
        alias.note(written);
        alias::insert(connection, *id, &alias).await?;
    }
    crate::store::accounts::audit::write(connection, audit).await?;
    by_key(connection, blank.key).await
}

async fn update(
    connection: &mut SqliteConnection,
    (row, now, entry): &(DomainRow, Moment, AuditEntry),
) -> Result<DomainRow> {
    set(connection, row, *now).await?;
    audit::write(connection, entry).await?;
    by_key(connection, row.key).await
}

async fn set(connection: &mut SqliteConnection, row: &DomainRow, now: Moment) -> Result<()> {
    let update = sqlx::query(UPDATE).bind(row.key.0).bind(row.version).bind(row.verified_at.map(Moment::millis));
    let update = update.bind(i64::from(row.subaddressing)).bind(i64::from(row.keep_tag));
    let update = update.bind(row.srs_domain.as_ref().map(Domain::as_str)).bind(row.contact.as_deref());
    let update =
        update.bind(row.dns.as_str()).bind(json(&row.overrides)).bind(now.millis()).bind(row.alias_format.as_deref());
    let update = update.bind(row.mirror_of.as_ref().map(Domain::as_str));
    if update.execute(&mut *connection).await?.rows_affected() == 0 {
        let exists: i64 = sqlx::query_scalar(EXISTS).bind(row.key.0).fetch_one(connection).await?;
        return Err(if exists == 0 { StoreError::NotFound } else { StoreError::Changed });
    }
    sqlx::query(CLEAR).bind(row.key.0).execute(&mut *connection).await?;
    for (verdict, patterns) in [("allow", &row.allow), ("block", &row.block)] {
        let list = sqlx::query(LIST).bind("domain").bind(row.key.0).bind(verdict).bind(json(patterns));
        list.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn note_dns(connection: &mut SqliteConnection, (key, dns, wrong): &(DomainId, String, String)) -> Result<()> {
    sqlx::query(NOTE_DNS).bind(key.0).bind(dns.as_str()).bind(wrong.as_str()).execute(connection).await?;
    Ok(())
}

async fn remove(connection: &mut SqliteConnection, (key, now, entry): &(DomainId, Moment, AuditEntry)) -> Result<()> {
    let removed = sqlx::query(REMOVE).bind(key.0).bind(now.millis()).execute(&mut *connection).await?;
    if removed.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    audit::write(connection, entry).await
}

/// If it was proven or removed since it was looked at, nothing is done: whether the name is free then shows by itself.
async fn give_way(
    connection: &mut SqliteConnection,
    (claim, now, entry): (DomainId, Moment, &AuditEntry),
) -> Result<()> {
    let gone = sqlx::query(GIVE_WAY).bind(claim.0).bind(now.millis()).execute(&mut *connection).await?;
    if gone.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query(UNMIRROR).bind(claim.0).bind(now.millis()).execute(&mut *connection).await?;
    audit::write(connection, entry).await
}

async fn by_key(connection: &mut SqliteConnection, key: DomainId) -> Result<DomainRow> {
    read(&sqlx::query(BY_KEY).bind(key.0).fetch_one(connection).await?)
}

fn read(row: &SqliteRow) -> Result<DomainRow> {
    let mut columns = Columns::of(row);
    Ok(DomainRow {
        key: DomainId(columns.take()?),
        id: columns.uuid()?,
        version: columns.take()?,
        account: AccountId(columns.take()?),
        name: columns.parsed("a domain", |text| Domain::parse(text).ok())?,
        verified_at: columns.maybe_moment()?,
        subaddressing: columns.flag()?,
        keep_tag: columns.flag()?,
        srs_domain: maybe_domain(columns.take()?)?,
        mirror_of: maybe_domain(columns.take()?)?,
        contact: columns.take()?,
        dns: columns.take()?,
        dns_wrong: columns.json("the records of a domain that are wrong")?,
        alias_format: columns.take()?,
        overrides: columns.json("the settings of a domain")?,
        allow: columns.json("a sender list")?,
        block: columns.json("a sender list")?,
        created_at: columns.moment()?,
    })
}
