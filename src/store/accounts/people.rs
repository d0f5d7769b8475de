//! The accounts themselves: who there is, what they are, and on which domains of others they have a role.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{AccountRow, Accounts, AuditEntry, Grant, NewAccount, Standing, audit};
use crate::mail::{Domain, Moment};
use crate::policy::ids::{AccountId, DomainId};
use crate::policy::roles::{DomainRole, Role};
use crate::store::columns::{Columns, broken, json};
use crate::store::ids::next;
use crate::store::{Result, StoreError};

macro_rules! columns {
    () => {
        "select a.id, a.uuid, a.version, a.email, a.name, a.role, a.password_hash is not null, \
         a.totp_secret is not null, a.disabled_at, a.created_at from accounts as a"
    };
}
pub(in crate::store) const LIST: &str = concat!(columns!(), " where a.id > ?1 order by a.id limit ?2");
pub(in crate::store) const BY_KEY: &str = concat!(columns!(), " where a.id = ?1");
pub(in crate::store) const BY_ID: &str = concat!(columns!(), " where a.uuid = ?1");
pub(in crate::store) const BY_EMAIL: &str = concat!(columns!(), " where a.email = ?1");
pub(in crate::store) const GRANTS: &str = "select r.domain_id, d.name, r.role from domain_roles as r \
    join domains as d on d.id = r.domain_id where r.account_id = ?1 and d.removed_at is null order by d.name";
/// The mirrors of these, each with the role on its original.
pub(in crate::store) const MIRRORS: &str = "select m.id, m.name, r.role from domain_roles as r \
    cross join domains as m on m.mirror_of = r.domain_id where r.account_id = ?1 and m.removed_at is null \
    and not exists (select 1 from domain_roles as o where o.account_id = ?1 and o.domain_id = m.id) order by m.name";
pub(in crate::store) const ADD: &str = concat!(
    "insert into accounts (uuid, email, name, role, password_hash, created_at, id) values (?1, ?2, ?3, ?4, ?5, ?6, ",
    next!("accounts"),
    ") returning id"
);
pub(in crate::store) const CHANGE: &str = "update accounts set email = ?3, name = ?4, role = ?5, disabled_at = ?6, \
    version = version + 1 where id = ?1 and version = ?2";
pub(in crate::store) const END_ALL: &str = "delete from sessions where account_id = ?1";
pub(in crate::store) const CLEAR_GRANTS: &str = "delete from domain_roles where account_id = ?1";
pub(in crate::store) const GRANT: &str = "insert into domain_roles (account_id, domain_id, role) \
    select ?1, j.value ->> 0, j.value ->> 1 from json_each(?2) as j";
pub(in crate::store) const OWNS: &str = "select exists (select 1 from domains where account_id = ?1) \
    or exists (select 1 from aliases indexed by aliases_by_account where account_id = ?1 and account_id <> 1)";
/// A walk over all accounts that ends at the first.
pub(in crate::store) const ANY_PASSWORD: &str =
    "select exists (select 1 from accounts where id > 0 and password_hash is not null)";
/// What is left of an account that has no domains; the rest goes with it by itself.
pub(in crate::store) const EMPTY: [&str; 3] = [
    "delete from destinations where account_id = ?1",
    "delete from imports where account_id = ?1",
    "delete from idempotency_keys where account_id = ?1",
];
pub(in crate::store) const REMOVE: &str = "delete from accounts where id = ?1 and id <> 1";

impl Accounts {
    /// Accounts behind `last`, in the order in which they were made.
    pub async fn list(&self, last: AccountId, limit: u32) -> Result<Vec<AccountRow>> {
        let rows = sqlx::query(LIST).bind(last.0).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// Whether anybody can sign in by password.
    pub async fn any_password(&self) -> Result<bool> {
        Ok(sqlx::query_scalar(ANY_PASSWORD).fetch_one(&self.readers).await?)
    }

    /// One, by its key.
    pub async fn account(&self, key: AccountId) -> Result<AccountRow> {
        read(&sqlx::query(BY_KEY).bind(key.0).fetch_one(&self.readers).await?)
    }

    /// One, by its public id.
    pub async fn account_by_id(&self, id: Uuid) -> Result<AccountRow> {
        read(&sqlx::query(BY_ID).bind(id.as_bytes().as_slice()).fetch_one(&self.readers).await?)
    }

    /// One, by the address that it signs in with.
    pub async fn account_by_email(&self, email: &str) -> Result<AccountRow> {
        read(&sqlx::query(BY_EMAIL).bind(email.to_owned()).fetch_one(&self.readers).await?)
    }

    /// What an account may, unless it is switched off.
    pub async fn standing(&self, key: AccountId) -> Result<Standing> {
        let account = self.account(key).await?;
        if account.disabled_at.is_some() {
            return Err(StoreError::NotFound);
        }
        // The owner and admins act on every domain: what they were granted as members adds nothing.
        let (mut grants, mut mirrors) = (Vec::new(), Vec::new());
        if account.role == Role::Member {
            grants = self.grants(key).await?;
        }
        if !grants.is_empty() {
            let rows = sqlx::query(MIRRORS).bind(key.0).fetch_all(&self.readers).await?;
            mirrors = rows.iter().map(read_grant).collect::<Result<_>>()?;
        }
        Ok(Standing { role: account.role, email: account.email, grants, mirrors })
    }

    /// An account's roles on the domains of others.
    pub async fn grants(&self, key: AccountId) -> Result<Vec<Grant>> {
        let rows = sqlx::query(GRANTS).bind(key.0).fetch_all(&self.readers).await?;
        rows.iter().map(read_grant).collect()
    }

    /// Adds an account.
    pub async fn add_account(&self, account: NewAccount, audit: AuditEntry) -> Result<AccountRow> {
        self.writer.change((account, audit), |c, needs| Box::pin(add(c, needs))).await
    }

    /// Changes address, name, role or whether it is switched off, while its version is still `row.version`. Switched off,
    /// its sessions end.
    pub async fn change_account(&self, row: &AccountRow, audit: AuditEntry) -> Result<AccountRow> {
        self.writer.change((row.clone(), audit), |c, needs| Box::pin(change(c, needs))).await
    }

    /// Gives an account these roles on the domains of others, and no more.
    pub async fn set_grants(
        &self,
        key: AccountId,
        grants: Vec<(DomainId, DomainRole)>,
        audit: AuditEntry,
    ) -> Result<()> {
        self.writer.change((key, grants, audit), |c, needs| Box::pin(set_grants(c, needs))).await
    }

    /// Removes an account that has no domains, with its destinations, tokens and sessions.
    pub async fn remove_account(&self, key: AccountId, audit: AuditEntry) -> Result<()> {
        self.writer.change((key, audit), |c, (key, audit)| Box::pin(remove(c, *key, audit))).await
    }
}

async fn add(connection: &mut SqliteConnection, (account, entry): &(NewAccount, AuditEntry)) -> Result<AccountRow> {
    let add = sqlx::query(ADD).bind(account.id.as_bytes().as_slice()).bind(account.email.as_str());
    let add = add.bind(account.name.as_str()).bind(account.role.as_str());
    let add = add.bind(account.password_hash.as_deref()).bind(entry.at.millis());
    let key: i64 = Columns::of(&add.fetch_one(&mut *connection).await?).take()?;
    audit::write(connection, entry).await?;
    by_key(connection, AccountId(key)).await
}

pub(super) async fn change(
    connection: &mut SqliteConnection,
    (row, entry): &(AccountRow, AuditEntry),
) -> Result<AccountRow> {
    let change = sqlx::query(CHANGE).bind(row.key.0).bind(row.version).bind(row.email.as_deref());
    let change = change.bind(row.name.as_str()).bind(row.role.as_str()).bind(row.disabled_at.map(Moment::millis));
    if change.execute(&mut *connection).await?.rows_affected() == 0 {
        return Err(StoreError::Changed);
    }
    if row.disabled_at.is_some() {
        sqlx::query(END_ALL).bind(row.key.0).execute(&mut *connection).await?;
    }
    audit::write(connection, entry).await?;
    by_key(connection, row.key).await
}

async fn set_grants(
    connection: &mut SqliteConnection,
    (key, grants, entry): &(AccountId, Vec<(DomainId, DomainRole)>, AuditEntry),
) -> Result<()> {
    sqlx::query(CLEAR_GRANTS).bind(key.0).execute(&mut *connection).await?;
    let pairs: Vec<_> = grants.iter().map(|(domain, role)| (domain.0, role.as_str())).collect();
    sqlx::query(GRANT).bind(key.0).bind(json(&pairs)).execute(&mut *connection).await?;
    audit::write(connection, entry).await
}

pub(in crate::store) async fn remove(
    connection: &mut SqliteConnection,
    key: AccountId,
    entry: &AuditEntry,
) -> Result<()> {
    let owns: i64 = sqlx::query_scalar(OWNS).bind(key.0).fetch_one(&mut *connection).await?;
    if owns != 0 {
        return Err(StoreError::Invalid("it still has domains".to_owned()));
    }
    for part in EMPTY {
        sqlx::query(part).bind(key.0).execute(&mut *connection).await?;
    }
    if sqlx::query(REMOVE).bind(key.0).execute(&mut *connection).await?.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    audit::write(connection, entry).await
}

async fn by_key(connection: &mut SqliteConnection, key: AccountId) -> Result<AccountRow> {
    read(&sqlx::query(BY_KEY).bind(key.0).fetch_one(connection).await?)
}

fn read(row: &SqliteRow) -> Result<AccountRow> {
    let mut columns = Columns::of(row);
    Ok(AccountRow {
        key: AccountId(columns.take()?),
        id: columns.uuid()?,
        version: columns.take()?,
        email: columns.take()?,
        name: columns.take()?,
        role: columns.parsed("a role", Role::parse)?,
        has_password: columns.flag()?,
        has_totp: columns.flag()?,
        disabled_at: columns.maybe_moment()?,
        created_at: columns.moment()?,
    })
}

fn read_grant(row: &SqliteRow) -> Result<Grant> {
    let mut columns = Columns::of(row);
    Ok(Grant {
        domain: DomainId(columns.take()?),
        name: Domain::parse(columns.take()?).map_err(|_| broken("a domain"))?,
        role: columns.parsed("a role", DomainRole::parse)?,
    })
}
