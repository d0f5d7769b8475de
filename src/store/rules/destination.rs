//! Destinations: real inboxes, and domains that are trusted whole (`@domain`).

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{DestinationRow, ListQuery, Listing, Order, Rules};
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::ids::{AccountId, DestinationId};
use crate::store::accounts::{AuditEntry, audit};
use crate::store::columns::Columns;
use crate::store::directory::Touched;
use crate::store::{Result, StoreError};

pub(in crate::store) const ADD_MISSING: &str = "insert into destinations \
    (uuid, account_id, address, key, host, created_at, updated_at) \
    select unhex(value ->> 0), ?1, value ->> 1, value ->> 2, value ->> 3, ?2, ?2 from json_each(?3) where true \
    on conflict (account_id, key) do nothing";
pub(in crate::store) const INSERT: &str = "insert into destinations \
    (uuid, account_id, address, key, host, verified_at, created_at, updated_at) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) returning id";
pub(in crate::store) const VERIFY: &str =
    "update destinations set verified_at = ?2, updated_at = ?2, version = version + 1 where id = ?1";
pub(in crate::store) const UNSET_DEFAULT: &str = "update destinations set is_default = 0, version = version + 1 \
    where is_default = 1 and account_id = (select account_id from destinations where id = ?1)";
pub(in crate::store) const SET_DEFAULT: &str =
    "update destinations set is_default = 1, version = version + 1 where id = ?1";
pub(in crate::store) const USED_BY: &str = "select case a.kind when 'regex' then '/' || a.pattern || '/' else a.pattern end || '@' || d.name \
    from alias_destinations as t \
    join aliases as a on a.id = t.alias_id join domains as d on d.id = a.domain_id \
    where t.destination_id = ?1 and d.removed_at is null limit 6";
pub(in crate::store) const UNAIM: &str = "delete from alias_destinations where destination_id = ?1";
pub(in crate::store) const REMOVE: &str = "delete from destinations where id = ?1";

macro_rules! columns {
    () => {
        "select id, uuid, version, account_id, address, verified_at, is_default, created_at, key from destinations"
    };
}
pub(in crate::store) const BY_KEY: &str = concat!(columns!(), " where id = ?1");
pub(in crate::store) const BY_ID: &str = concat!(columns!(), " where uuid = ?1");
pub(in crate::store) const BY_ADDRESS: &str = concat!(columns!(), " where account_id = ?1 and key = ?2");
pub(in crate::store) const DEFAULT: &str = concat!(columns!(), " where account_id = ?1 and is_default = 1");
/// The same by address of any account: a walk over accounts, which are few.
pub(in crate::store) const OF_ADDRESS: &str = concat!(
    "select d.id, d.uuid, d.version, d.account_id, d.address, d.verified_at, d.is_default, d.created_at, d.key \
     from accounts as a cross join destinations as d on d.account_id = a.id and d.key = ?1 where a.id > 0 ",
    "order by a.id limit ?2"
);
/// A list of an account, or of all from one on: whose, part of the address, where it begins, limit.
macro_rules! list {
    ($whose:literal, $from:literal, $order:literal) => {
        concat!(
            columns!(),
            " where ",
            $whose,
            " and (?2 is null or instr(key, ?2) > 0) and ",
            $from,
            " order by ",
            $order,
            " limit ?4"
        )
    };
}
macro_rules! own {
    ($from:literal, $order:literal) => {
        list!("account_id = ?1", $from, $order)
    };
}
macro_rules! all {
    ($from:literal, $order:literal) => {
        list!("?1 is not null", $from, $order)
    };
}
pub(in crate::store) const OF_ACCOUNT: &str = own!("key > ?3", "key");
pub(in crate::store) const OF_ACCOUNT_BACKWARDS: &str = own!("key < ?3", "key desc");
pub(in crate::store) const OF_ACCOUNT_OLDEST: &str = own!("id > ?3", "id");
pub(in crate::store) const OF_ACCOUNT_NEWEST: &str = own!("id < ?3", "id desc");
pub(in crate::store) const OF_ALL: &str = all!("(account_id, key) > (?1, ?3)", "account_id, key");
pub(in crate::store) const OF_ALL_BACKWARDS: &str = all!("(account_id, key) < (?1, ?3)", "account_id desc, key desc");
pub(in crate::store) const OF_ALL_OLDEST: &str = all!("id > ?3", "id");
pub(in crate::store) const OF_ALL_NEWEST: &str = all!("id < ?3", "id desc");
/// Behind every address.
const BEHIND_ADDRESSES: char = char::MAX;

pub(in crate::store) const LAST_KEY: &str = "select coalesce(max(id), 0) from destinations";
/// Inboxes behind an id that get no mail yet, neither by themselves nor with their domain.
pub(in crate::store) const UNVERIFIED: &str = concat!(
    columns!(),
    " where id > ?1 and account_id = ?2 and verified_at is null and address not like '@%' \
     and not exists (select 1 from destinations as w where w.account_id = destinations.account_id \
         and w.key = destinations.host and w.verified_at is not null) order by id limit ?3"
);

/// Aliases that are named where a destination is still in use.
const NAMED_USERS: usize = 5;

/// How an address is compared, and the trusted domain that would cover it.
pub(super) fn key_and_host(mailbox: &Mailbox) -> (String, String) {
    (mailbox.key(), format!("@{}", mailbox.host()))
}

/// An address, or `@domain`: as shown, its key, its host.
pub(super) fn read_address(text: &str) -> Result<(String, String, String)> {
    let invalid = |error: &dyn std::fmt::Display| StoreError::Invalid(format!("{text}: {error}"));
    if let Some(domain) = text.strip_prefix('@') {
        let trusted = format!("@{}", Domain::parse(domain).map_err(|error| invalid(&error))?);
        return Ok((trusted.clone(), trusted.clone(), trusted));
    }
    let mailbox = Mailbox::parse(text).map_err(|error| invalid(&error))?;
    let (key, host) = key_and_host(&mailbox);
    Ok((mailbox.to_string(), key, host))
}

struct Draft {
    id: Uuid,
    account: AccountId,
    /// As shown, its key, its host.
    address: (String, String, String),
    verified_at: Option<Moment>,
    now: Moment,
    audit: AuditEntry,
}

impl Rules {
    /// Adds a destination (or `@domain`).
    pub async fn add_destination(
        &self,
        account: AccountId,
        address: &str,
        verified_at: Option<Moment>,
        audit: AuditEntry,
    ) -> Result<DestinationRow> {
        let now = self.clock.now();
        let draft =
            Draft { id: self.chance.id(now), account, address: read_address(address)?, verified_at, now, audit };
        self.changed(draft, |c, draft| Box::pin(insert(c, draft)), touched).await
    }

    /// Verifies it.
    pub async fn verify_destination(
        &self,
        key: DestinationId,
        at: Moment,
        audit: AuditEntry,
    ) -> Result<DestinationRow> {
        let verified = self.changed((key, at, audit), |c, n| Box::pin(verify(c, n)), touched).await?;
        self.with_state(verified).await
    }

    /// Makes it the account's default.
    pub async fn default_destination(&self, key: DestinationId, audit: AuditEntry) -> Result<DestinationRow> {
        let chosen = self.changed((key, audit), |c, n| Box::pin(make_default(c, n)), |_| Touched::All).await?;
        self.with_state(chosen).await
    }

    /// Removes it; `Invalid` while aliases use it.
    pub async fn remove_destination(&self, key: DestinationId, audit: AuditEntry) -> Result<()> {
        self.changed((key, audit), |c, n| Box::pin(remove(c, n)), |()| Touched::All).await
    }

    /// By public id.
    pub async fn destination_by_id(&self, id: Uuid) -> Result<DestinationRow> {
        let row = sqlx::query(BY_ID).bind(id.as_bytes().as_slice()).fetch_one(&self.readers).await?;
        self.with_state(read(&row)?.0).await
    }

    /// By address.
    pub async fn destination(&self, account: AccountId, address: &str) -> Result<DestinationRow> {
        let (_, key, _) = read_address(address)?;
        let row = sqlx::query(BY_ADDRESS).bind(account.0).bind(key).fetch_one(&self.readers).await?;
        self.with_state(read(&row)?.0).await
    }

    /// By address, of whichever accounts have it, the oldest of them first.
    pub async fn destinations_of_address(&self, address: &str, limit: u32) -> Result<Vec<DestinationRow>> {
        let (_, key, _) = read_address(address)?;
        let rows = sqlx::query(OF_ADDRESS).bind(key).bind(limit).fetch_all(&self.readers).await?;
        self.with_states(rows.iter().map(|row| read(row).map(|(row, _)| row)).collect::<Result<_>>()?).await
    }

    /// The newest destination of all.
    pub async fn last_destination(&self) -> Result<DestinationId> {
        Ok(DestinationId(sqlx::query_scalar(LAST_KEY).fetch_one(&self.readers).await?))
    }

    /// Inboxes of an account that came after `last` and get no mail yet, without how they fare.
    pub async fn unverified_since(
        &self,
        account: AccountId,
        last: DestinationId,
        limit: u32,
    ) -> Result<Vec<DestinationRow>> {
        let ask = sqlx::query(UNVERIFIED).bind(last.0).bind(account.0).bind(limit);
        ask.fetch_all(&self.readers).await?.iter().map(|row| read(row).map(|(row, _)| row)).collect()
    }

    /// The one that new aliases of this account use.
    pub async fn default_of(&self, account: AccountId) -> Result<Option<DestinationRow>> {
        let row = sqlx::query(DEFAULT).bind(account.0).fetch_optional(&self.readers).await?;
        row.map(|row| read(&row).map(|(row, _)| row)).transpose()
    }

    /// All of an account, by address, unless another order is asked for.
    pub async fn destinations(&self, account: AccountId, query: ListQuery) -> Result<Listing<DestinationRow>> {
        self.listed_inboxes(ListQuery { account: Some(account), ..query }).await
    }

    /// The same of all accounts, one after the other where they go by address.
    pub async fn all_destinations(&self, query: ListQuery) -> Result<Listing<DestinationRow>> {
        self.listed_inboxes(ListQuery { account: None, ..query }).await
    }

    async fn listed_inboxes(&self, query: ListQuery) -> Result<Listing<DestinationRow>> {
        let limit = super::page_rows(query.limit);
        let (list, start) = start(&query)?;
        let by_address = matches!(start, Start::Address(..));
        let (whose, part) = (query.account.map(|account| account.0), query.search.map(|s| s.to_lowercase()));
        let ask = sqlx::query(list);
        let ask = match start {
            Start::Address(address, from) => ask.bind(whose.unwrap_or(from)).bind(part).bind(address),
            Start::Key(key) => ask.bind(whose.unwrap_or_default()).bind(part).bind(key),
        };
        let rows = ask.bind(i64::from(limit) + 1).fetch_all(&self.readers).await?;
        let mut read = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        let cursor = |(row, address): &(DestinationRow, String)| {
            if by_address { super::pair_cursor(address, row.account.0) } else { row.key.0.to_string() }
        };
        let next_cursor = super::cut(&mut read, limit).map(cursor);
        let items = self.with_states(read.into_iter().map(|(row, _)| row).collect()).await?;
        Ok(Listing { items, next_cursor })
    }

    pub(super) async fn with_state(&self, row: DestinationRow) -> Result<DestinationRow> {
        let rows = self.with_states(vec![row]).await?;
        rows.into_iter().next().ok_or(StoreError::NotFound)
    }

    /// Adds how they fare, which the log knows.
    async fn with_states(&self, mut rows: Vec<DestinationRow>) -> Result<Vec<DestinationRow>> {
        let addresses: Vec<&str> = rows.iter().map(|row| row.address.as_str()).collect();
        let mut states = self.activity.inbox_states(&addresses).await?;
        for row in &mut rows {
            let state = states.remove(&row.address).unwrap_or_default();
            (row.last_delivered_at, row.failing_since) = (state.last_delivered_at, state.failing_since);
            (row.failing_reply, row.failing_row) = (state.failing_reply, state.failing_row);
            row.sends_back = state.sends_back;
        }
        Ok(rows)
    }
}

/// Where a page begins: behind this address of this account, or this key.
enum Start {
    Address(String, i64),
    Key(i64),
}

/// The list in the order that is asked for, and where its page begins.
fn start(query: &ListQuery) -> Result<(&'static str, Start)> {
    let cursor = query.cursor.as_deref();
    let address = || super::cursor_pair(cursor).map(|(address, account)| Start::Address(address, account));
    let one_or_all = |own, all| if query.account.is_some() { own } else { all };
    Ok(match query.order {
        Order::Usual | Order::Name | Order::LastMail => (one_or_all(OF_ACCOUNT, OF_ALL), address()?),
        Order::NameBackwards => (
            one_or_all(OF_ACCOUNT_BACKWARDS, OF_ALL_BACKWARDS),
            if cursor.is_none() { Start::Address(BEHIND_ADDRESSES.to_string(), i64::MAX) } else { address()? },
        ),
        Order::Oldest => {
            (one_or_all(OF_ACCOUNT_OLDEST, OF_ALL_OLDEST), Start::Key(super::cursor_key(cursor, i64::MIN)?))
        }
        Order::Newest => {
            (one_or_all(OF_ACCOUNT_NEWEST, OF_ALL_NEWEST), Start::Key(super::cursor_key(cursor, i64::MAX)?))
        }
    })
}

pub(super) fn touched(row: &DestinationRow) -> Touched {
    Touched::Destination(row.address.clone())
}

async fn insert(connection: &mut SqliteConnection, draft: &Draft) -> Result<DestinationRow> {
    let (address, key, host) = &draft.address;
    let insert = sqlx::query(INSERT).bind(draft.id.as_bytes().as_slice()).bind(draft.account.0);
    let insert = insert.bind(address.as_str()).bind(key.as_str()).bind(host.as_str());
    let insert = insert.bind(draft.verified_at.map(Moment::millis)).bind(draft.now.millis());
    let added = insert.fetch_one(&mut *connection).await.map_err(|error| match StoreError::from(error) {
        StoreError::Exists(_) => StoreError::Exists(address.clone()),
        other => other,
    })?;
    audit::write(connection, &draft.audit).await?;
    by_key(connection, Columns::of(&added).take()?).await
}

pub(super) async fn verify(
    connection: &mut SqliteConnection,
    (key, at, entry): &(DestinationId, Moment, AuditEntry),
) -> Result<DestinationRow> {
    sqlx::query(VERIFY).bind(key.0).bind(at.millis()).execute(&mut *connection).await?;
    audit::write(connection, entry).await?;
    by_key(connection, key.0).await
}

async fn make_default(
    connection: &mut SqliteConnection,
    (key, entry): &(DestinationId, AuditEntry),
) -> Result<DestinationRow> {
    sqlx::query(UNSET_DEFAULT).bind(key.0).execute(&mut *connection).await?;
    sqlx::query(SET_DEFAULT).bind(key.0).execute(&mut *connection).await?;
    audit::write(connection, entry).await?;
    by_key(connection, key.0).await
}

async fn remove(connection: &mut SqliteConnection, (key, entry): &(DestinationId, AuditEntry)) -> Result<()> {
    let users: Vec<String> = sqlx::query_scalar(USED_BY).bind(key.0).fetch_all(&mut *connection).await?;
    if !users.is_empty() {
        let more = if users.len() > NAMED_USERS { " and others" } else { "" };
        let named = users.iter().take(NAMED_USERS).map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(StoreError::Invalid(format!("it is still used by {named}{more}")));
    }
    // What is left of removed domains must not hold it.
    sqlx::query(UNAIM).bind(key.0).execute(&mut *connection).await?;
    if sqlx::query(REMOVE).bind(key.0).execute(&mut *connection).await?.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    audit::write(connection, entry).await
}

async fn by_key(connection: &mut SqliteConnection, key: i64) -> Result<DestinationRow> {
    let row = sqlx::query(BY_KEY).bind(key).fetch_one(connection).await?;
    Ok(read(&row)?.0)
}

/// A row without its state, and its key.
pub(super) fn read(row: &SqliteRow) -> Result<(DestinationRow, String)> {
    let mut columns = Columns::of(row);
    let row = DestinationRow {
        key: DestinationId(columns.take()?),
        id: columns.uuid()?,
        version: columns.take()?,
        account: AccountId(columns.take()?),
        address: columns.take()?,
        verified_at: columns.maybe_moment()?,
        default: columns.flag()?,
        created_at: columns.moment()?,
        last_delivered_at: None,
        failing_since: None,
        failing_reply: None,
        failing_row: None,
        sends_back: false,
    };
    Ok((row, columns.take()?))
}
