//! Changes of aliases: added, changed, removed, each with its audit row in the same transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::destination::{ADD_MISSING, key_and_host};
use super::loaded::{self, Loaded};
use super::patterns::{Written, is_pattern};
use super::words::Word;
use super::{AliasRow, AliasSpec, Rules};
use crate::mail::fold;
use crate::mail::{Mailbox, Moment};
use crate::policy::facts::Matcher;
use crate::policy::ids::{AccountId, AliasId, DomainId};
use crate::policy::rule::Kind;
use crate::store::accounts::{AuditEntry, AuditSpan, audit};
use crate::store::columns::{Columns, json, signed};
use crate::store::directory::Touched;
use crate::store::ids::next;
use crate::store::matchers::Matchers;
use crate::store::statement::Statement;
use crate::store::{Result, StoreError};

pub(in crate::store) const INSERT: &str = concat!(
    "insert into aliases (kind, pattern, key, priority, action, enabled, description, expires_at, \
     expires_after_messages, expires_after_idle, after_expiry, quota, privacy, reject_message, overrides, updated_at, \
     uuid, account_id, domain_id, created_at, id) \
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?16, ",
    next!("aliases"),
    ") returning id"
);
/// What is there again has the key that it had, which is given to nothing else: the log speaks of it by that.
pub(in crate::store) const INSERT_AGAIN: &str = "insert into aliases (kind, pattern, key, priority, action, enabled, description, expires_at, \
     expires_after_messages, expires_after_idle, after_expiry, quota, privacy, reject_message, overrides, updated_at, \
     uuid, account_id, domain_id, created_at, id, version) \
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22) \
     returning id";
pub(in crate::store) const UPDATE: &str = "update aliases set kind = ?1, pattern = ?2, key = ?3, priority = ?4, \
    action = ?5, enabled = ?6, description = ?7, expires_at = ?8, expires_after_messages = ?9, \
    expires_after_idle = ?10, after_expiry = ?11, quota = ?12, privacy = ?13, reject_message = ?14, overrides = ?15, \
    updated_at = ?16, version = version + 1 where id = ?17 and version = ?18";
pub(in crate::store) const IS_ON: &str = "select enabled from aliases where id = ?1";
pub(in crate::store) const EXISTS: &str = "select exists (select 1 from aliases where id = ?1)";
pub(in crate::store) const AIM: &str = "insert into alias_destinations (alias_id, position, destination_id, template) \
    select ?1, j.key, d.id, j.value ->> 1 from json_each(?3) as j \
    left join destinations as d on d.account_id = ?2 and d.key = j.value ->> 0";
pub(in crate::store) const CLEAR: [&str; 3] = [
    "delete from alias_destinations where alias_id = ?1",
    "delete from sender_lists where level = 'alias' and scope_id = ?1",
    "delete from alias_labels where alias_id = ?1",
];
pub(in crate::store) const LIST: &str = "insert into sender_lists (level, scope_id, verdict, position, pattern) \
    select ?1, ?2, ?3, key, value from json_each(?4)";
pub(in crate::store) const ADD_LABELS: &str =
    "insert into labels (account_id, name) select ?1, value from json_each(?2) where true on conflict do nothing";
pub(in crate::store) const LABEL: &str = "insert into alias_labels (alias_id, label_id) \
    select ?1, id from labels where account_id = ?2 and name in (select value from json_each(?3))";
pub(in crate::store) const REMOVE: &str = "delete from aliases where id = ?1 returning domain_id, kind, key";
pub(in crate::store) const BY_KEY: &str = concat!("select ", loaded::columns!(), " where a.id = ?1");

/// An alias to be written.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    account: AccountId,
    domain: DomainId,
    spec: AliasSpec,
    /// The destinations it names, to be added where they are missing: id (hexadecimal), address, key, host.
    destinations: Vec<(String, String, String, String)>,
    /// Where it aims, in order: a destination's key, or a template.
    aims: Vec<(Option<String>, Option<String>)>,
    now: Moment,
    audit: AuditEntry,
    /// Its pattern, compiled: not again as long as this is kept.
    matcher: Option<Arc<Matcher>>,
    /// What it was, where it is there again.
    gone: Option<Gone>,
}

/// What the log knows a removed alias by: with it the same one is there again, with its counts and its mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Its public id.
    pub id: Uuid,
    key: AliasId,
    /// The domain that it stood on.
    pub domain: DomainId,
    version: i64,
    created_at: Moment,
}

impl Gone {
    /// Of an alias that is still there.
    #[must_use]
    pub const fn of(row: &AliasRow) -> Self {
        let AliasRow { id, key, domain, version, created_at, .. } = row;
        Self { id: *id, key: *key, domain: *domain, version: *version, created_at: *created_at }
    }
}

/// One of several changes that are made together.
#[derive(Debug)]
pub enum AliasStep {
    /// A new one.
    Add {
        /// Whose.
        account: AccountId,
        /// On which domain.
        domain: DomainId,
        /// All of it.
        spec: Box<AliasSpec>,
        /// What it was, where it is there again.
        gone: Option<Gone>,
        /// Its audit row.
        audit: AuditEntry,
    },
    /// One whose version is still this.
    Change {
        /// As it is to be.
        row: Box<AliasRow>,
        /// Its audit row.
        audit: AuditEntry,
    },
    /// One to be removed.
    Remove {
        /// Which.
        key: AliasId,
        /// Its audit row.
        audit: AuditEntry,
    },
}

/// What several changes gave.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The aliases as they are now; none where one was removed.
    pub rows: Vec<Option<AliasRow>>,
    /// Their entries of the audit log.
    pub entries: AuditSpan,
}

/// Which alias, its version of before, and what it is to be.
type Revision = (AliasId, i64, Draft);

enum Drafted {
    Add(Uuid, Draft),
    Change(Revision),
    Remove(AliasId, AuditEntry),
}

impl Rules {
    /// Adds an alias; destinations that do not exist are added unverified.
    pub async fn add_alias(
        &self,
        account: AccountId,
        domain: DomainId,
        spec: &AliasSpec,
        audit: AuditEntry,
    ) -> Result<AliasRow> {
        self.add_drafted(self.draft((account, domain), spec, audit)?).await
    }

    /// Adds again what was removed.
    pub async fn restore_alias(
        &self,
        (account, gone): (AccountId, Gone),
        spec: &AliasSpec,
        audit: AuditEntry,
    ) -> Result<AliasRow> {
        let draft = self.draft((account, gone.domain), spec, audit)?;
        self.add_drafted(Draft { gone: Some(gone), ..draft }).await
    }

    async fn add_drafted(&self, draft: Draft) -> Result<AliasRow> {
        let needs = (self.chance.id(draft.now), draft, self.matchers.clone());
        self.changed(needs, |c, needs| Box::pin(add(c, needs)), touched).await
    }

    /// Changes an alias whose version is still `row.version`.
    pub async fn change_alias(&self, row: &AliasRow, audit: AuditEntry) -> Result<AliasRow> {
        let draft = self.draft((row.account, row.domain), &row.spec, audit)?;
        let needs = ((row.key, row.version, draft), self.matchers.clone());
        self.changed(needs, |c, needs| Box::pin(change(c, needs)), touched).await
    }

    /// Removes it.
    pub async fn remove_alias(&self, key: AliasId, audit: AuditEntry) -> Result<()> {
        self.changed((key, audit), |c, (key, audit)| Box::pin(remove(c, *key, audit)), Touched::clone).await?;
        Ok(())
    }

    /// Makes these changes, all of them or none; what they give, or which of them failed.
    pub async fn apply_aliases(&self, steps: Vec<AliasStep>) -> std::result::Result<Applied, (usize, StoreError)> {
        let mut drafted = Vec::with_capacity(steps.len());
        for (index, step) in steps.into_iter().enumerate() {
            drafted.push(self.drafted(step).map_err(|error| (index, error))?);
        }
        let at = Arc::new(AtomicUsize::new(0));
        let needs = (drafted, Arc::clone(&at), self.matchers.clone());
        let done = self.changed(needs, |c, n| Box::pin(apply(c, n)), |_| Touched::All).await;
        done.map_err(|error| (at.load(Ordering::SeqCst), error))
    }

    fn drafted(&self, step: AliasStep) -> Result<Drafted> {
        Ok(match step {
            AliasStep::Add { account, domain, spec, gone, audit } => {
                let draft = self.draft((account, domain), &spec, audit)?;
                Drafted::Add(self.chance.id(draft.now), Draft { gone, ..draft })
            }
            AliasStep::Change { row, audit } => {
                Drafted::Change((row.key, row.version, self.draft((row.account, row.domain), &row.spec, audit)?))
            }
            AliasStep::Remove { key, audit } => Drafted::Remove(key, audit),
        })
    }

    pub(super) fn draft(
        &self,
        (account, domain): (AccountId, DomainId),
        spec: &AliasSpec,
        audit: AuditEntry,
    ) -> Result<Draft> {
        check_pattern(spec)?;
        let matcher = self.compiled(spec)?;
        let now = self.clock.now();
        let (mut destinations, mut aims) = (Vec::new(), Vec::new());
        for text in &spec.destinations {
            if spec.kind == Kind::Regex && text.contains('$') {
                aims.push((None, Some(text.clone())));
                continue;
            }
            let mailbox = Mailbox::parse(text).map_err(|error| StoreError::Invalid(format!("{text}: {error}")))?;
            let (key, host) = key_and_host(&mailbox);
            aims.push((Some(key.clone()), None));
            destinations.push((self.chance.id(now).simple().to_string(), mailbox.to_string(), key, host));
        }
        Ok(Draft { account, domain, spec: spec.clone(), destinations, aims, now, audit, matcher, gone: None })
    }

    fn compiled(&self, spec: &AliasSpec) -> Result<Option<Arc<Matcher>>> {
        if !is_pattern(spec.kind) {
            return Ok(None);
        }
        let compiled = self.matchers.compile_here(spec.kind, &spec.pattern);
        compiled.map(Some).map_err(|error| StoreError::Invalid(format!("{}: {error}", spec.pattern)))
    }
}

impl Draft {
    /// The same on a domain that has just got its key.
    pub(super) fn on(&self, domain: DomainId) -> Self {
        Self { domain, ..self.clone() }
    }

    /// Notes it where it is a pattern.
    pub(super) fn note(&self, written: &mut Written) {
        written.note(self.spec.kind, (self.account, self.domain));
    }
}

fn check_pattern(spec: &AliasSpec) -> Result<()> {
    match spec.kind {
        Kind::CatchAll if spec.pattern != "*" => Err(StoreError::Invalid("a catch-all is written *".to_owned())),
        Kind::Address if spec.pattern.is_empty() => {
            Err(StoreError::Invalid("the part before the @ is missing".to_owned()))
        }
        Kind::Address | Kind::Glob | Kind::Regex | Kind::CatchAll => Ok(()),
    }
}

/// What is unique within a domain, and looked up.
pub(crate) fn key_of(kind: Kind, pattern: &str) -> String {
    match kind {
        Kind::Address | Kind::Glob => fold(pattern),
        // Folding would change what `\D` means.
        Kind::Regex | Kind::CatchAll => pattern.to_owned(),
    }
}

fn touched(row: &AliasRow) -> Touched {
    match row.spec.kind {
        Kind::Address => Touched::Address(row.domain, key_of(Kind::Address, &row.spec.pattern)),
        Kind::Glob | Kind::Regex | Kind::CatchAll => Touched::All,
    }
}

/// Binds what [`INSERT`] and [`UPDATE`] share.
fn bind(statement: Statement, spec: &AliasSpec, now: Moment) -> Statement {
    let idle = spec.expires_after_idle.map(|idle| i64::try_from(idle.as_millis()).unwrap_or(i64::MAX));
    statement
        .bind(spec.kind.word())
        .bind(spec.pattern.as_str())
        .bind(key_of(spec.kind, &spec.pattern))
        .bind(spec.priority)
        .bind(spec.action.word())
        .bind(i64::from(spec.enabled))
        .bind(spec.description.as_str())
        .bind(spec.expires_at.map(Moment::millis))
        .bind(spec.expires_after_messages.map(signed))
        .bind(idle)
        .bind(spec.then.word())
        .bind(spec.quota.map(signed))
        .bind(spec.privacy.word())
        .bind(spec.reject_message.as_deref())
        .bind(json(&spec.overrides))
        .bind(now.millis())
}

async fn add(connection: &mut SqliteConnection, (id, draft, matchers): &(Uuid, Draft, Matchers)) -> Result<AliasRow> {
    let added = insert(connection, *id, draft).await?;
    let mut written = Written::default();
    draft.note(&mut written);
    written.check(connection, matchers).await?;
    Ok(added)
}

async fn change(connection: &mut SqliteConnection, (change, matchers): &(Revision, Matchers)) -> Result<AliasRow> {
    let mut written = Written::default();
    note_switched_on(connection, change, &mut written).await?;
    let changed = update(connection, change).await?;
    written.check(connection, matchers).await?;
    Ok(changed)
}

/// What was switched on before takes no more than it took.
async fn note_switched_on(
    connection: &mut SqliteConnection,
    (key, _, draft): &Revision,
    written: &mut Written,
) -> Result<()> {
    if draft.matcher.is_some() && draft.spec.enabled {
        let is_on: Option<i64> = sqlx::query_scalar(IS_ON).bind(key.0).fetch_optional(connection).await?;
        if is_on == Some(0) {
            draft.note(written);
        }
    }
    Ok(())
}

pub(super) async fn insert(connection: &mut SqliteConnection, id: Uuid, draft: &Draft) -> Result<AliasRow> {
    let id = draft.gone.map_or(id, |gone| gone.id);
    let insert = if draft.gone.is_some() { INSERT_AGAIN } else { INSERT };
    let insert = bind(sqlx::query(insert), &draft.spec, draft.now);
    let mut insert = insert.bind(id.as_bytes().as_slice()).bind(draft.account.0).bind(draft.domain.0);
    if let Some(gone) = &draft.gone {
        insert = insert.bind(gone.created_at.millis()).bind(gone.key.0).bind(gone.version + 1);
    }
    let added = insert.fetch_one(&mut *connection).await.map_err(|error| taken(error, &draft.spec))?;
    let key = AliasId(Columns::of(&added).take()?);
    write_lists(connection, key, draft).await?;
    audit::write(connection, &draft.audit).await?;
    by_key(connection, key).await
}

async fn update(connection: &mut SqliteConnection, (key, version, draft): &Revision) -> Result<AliasRow> {
    let update = bind(sqlx::query(UPDATE), &draft.spec, draft.now).bind(key.0).bind(*version);
    let updated = update.execute(&mut *connection).await.map_err(|error| taken(error, &draft.spec))?;
    if updated.rows_affected() == 0 {
        let exists: i64 = sqlx::query_scalar(EXISTS).bind(key.0).fetch_one(connection).await?;
        return Err(if exists == 0 { StoreError::NotFound } else { StoreError::Changed });
    }
    for clear in CLEAR {
        sqlx::query(clear).bind(key.0).execute(&mut *connection).await?;
    }
    write_lists(connection, *key, draft).await?;
    audit::write(connection, &draft.audit).await?;
    by_key(connection, *key).await
}

/// Says in `at` how far it is.
async fn apply(
    connection: &mut SqliteConnection,
    (steps, at, matchers): &(Vec<Drafted>, Arc<AtomicUsize>, Matchers),
) -> Result<Applied> {
    let first = audit::last(connection).await? + 1;
    let (mut written, mut last) = (Written::default(), 0);
    let mut rows = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        at.store(index, Ordering::SeqCst);
        rows.push(match step {
            Drafted::Add(id, draft) => {
                last = if draft.matcher.is_some() { index } else { last };
                draft.note(&mut written);
                Some(insert(connection, *id, draft).await?)
            }
            Drafted::Change(change) => {
                last = if change.2.matcher.is_some() { index } else { last };
                note_switched_on(connection, change, &mut written).await?;
                Some(update(connection, change).await?)
            }
            Drafted::Remove(key, audit) => {
                remove(connection, *key, audit).await?;
                None
            }
        });
    }
    // What a later step removes makes room for an earlier one; where there is none, the last pattern is one too many.
    at.store(last, Ordering::SeqCst);
    written.check(connection, matchers).await?;
    Ok(Applied { rows, entries: AuditSpan { first, last: audit::last(connection).await? } })
}

async fn remove(connection: &mut SqliteConnection, key: AliasId, entry: &AuditEntry) -> Result<Touched> {
    for clear in CLEAR {
        sqlx::query(clear).bind(key.0).execute(&mut *connection).await?;
    }
    let row = sqlx::query(REMOVE).bind(key.0).fetch_one(&mut *connection).await?;
    let mut columns = Columns::of(&row);
    let (domain, kind, pattern) = (DomainId(columns.take()?), columns.take::<String>()?, columns.take()?);
    audit::write(connection, entry).await?;
    Ok(if kind == Kind::Address.word() { Touched::Address(domain, pattern) } else { Touched::All })
}

/// Targets, sender lists and labels.
async fn write_lists(connection: &mut SqliteConnection, key: AliasId, draft: &Draft) -> Result<()> {
    let Draft { account, spec, destinations, aims, now, .. } = draft;
    let add = sqlx::query(ADD_MISSING).bind(account.0).bind(now.millis()).bind(json(destinations));
    add.execute(&mut *connection).await?;
    let aim = sqlx::query(AIM).bind(key.0).bind(account.0).bind(json(aims));
    aim.execute(&mut *connection).await?;
    for (verdict, patterns) in [("allow", &spec.allow), ("block", &spec.block)] {
        let list = sqlx::query(LIST).bind("alias").bind(key.0).bind(verdict).bind(json(patterns));
        list.execute(&mut *connection).await?;
    }
    if !spec.labels.is_empty() {
        let labels = json(&spec.labels);
        sqlx::query(ADD_LABELS).bind(account.0).bind(labels.as_str()).execute(&mut *connection).await?;
        sqlx::query(LABEL).bind(key.0).bind(account.0).bind(labels).execute(connection).await?;
    }
    Ok(())
}

async fn by_key(connection: &mut SqliteConnection, key: AliasId) -> Result<AliasRow> {
    let row = sqlx::query(BY_KEY).bind(key.0).fetch_one(connection).await?;
    Ok(Loaded::read(&mut Columns::of(&row))?.row)
}

fn taken(error: sqlx::Error, spec: &AliasSpec) -> StoreError {
    match StoreError::from(error) {
        StoreError::Exists(_) => StoreError::Exists(spec.pattern.clone()),
        other => other,
    }
}
