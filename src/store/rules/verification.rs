//! Links that verify destinations: asked for within limits, looked at, used once.

use std::time::Duration;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::destination::{self, key_and_host};
use super::{DestinationRow, Rules};
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::ids::{AccountId, DestinationId, OWNER};
use crate::store::Result;
use crate::store::accounts::{AuditEntry, audit, clear_links};
use crate::store::columns::Columns;

const DAY: Duration = Duration::from_secs(86_400);

pub(in crate::store) const LATELY: &str = "select (select max(created_at) from links where address = ?1), \
    (select count(*) from links where address = ?1 and created_at > ?3), \
    (select count(*) from links where account_id = ?2 and address is not null and created_at > ?3)";
pub(in crate::store) const KEEP: &str = "insert into links \
    (hash, purpose, account_id, address, delivery, created_at, expires_at, asked_by) \
    values (?1, 'verification', ?2, ?3, ?4, ?5, ?6, ?7)";
pub(in crate::store) const LOOK: &str = "select l.account_id, l.used_at, l.expires_at, d.address, d.verified_at \
    from links as l left join destinations as d on d.account_id = l.account_id and d.key = l.address \
    where l.hash = ?1 and l.address is not null";
pub(in crate::store) const USE: &str = "update links set used_at = ?2 where hash = ?1 and address is not null \
    and used_at is null and expires_at > ?2 returning account_id, address, asked_by";
pub(in crate::store) const LAST: &str = "select created_at, delivery from links \
    where address = ?1 and (account_id = ?2 or asked_by = ?2) order by created_at desc limit 1";
/// What else a yes to an account is a yes for: records of the same inbox, of other accounts, where aliases lead to it that
/// whoever has the account may lead: those on domains that they manage, and an admin those of the owner. Of the newest
/// aliases of each: there may be a million.
pub(in crate::store) const LED: &str = "select d.id from accounts as a \
    cross join destinations as d on d.account_id = a.id and d.key = ?2 \
    where a.id > 0 and a.id <> ?1 and d.verified_at is null and exists (select 1 from \
        (select alias_id from alias_destinations where destination_id = d.id order by alias_id desc limit 1000) as t \
        join aliases as l on l.id = t.alias_id join domains as m on m.id = l.domain_id \
        where m.removed_at is null and (d.account_id = ?3 and (select role from accounts where id = ?1) = 'admin' \
            or exists (select 1 from domain_roles as r where r.account_id = ?1 and r.domain_id = m.id and r.role = 'manager'))) \
    order by a.id limit 50";
pub(in crate::store) const SENDING_DOMAIN: &str = "select name from domains \
    where removed_at is null and (verified_at is not null or account_id = ?1) \
    order by verified_at is null, id limit 1";

/// A link that is about to be sent to an inbox.
#[derive(Debug, Clone)]
pub struct NewVerification {
    /// The SHA-256 of its secret.
    pub hash: [u8; 32],
    /// Whose record of the inbox it is about.
    pub account: AccountId,
    /// Who had it sent, where that is somebody else who leads aliases there: the answer is one to them as well.
    pub asked_by: Option<AccountId>,
    /// The inbox that is asked.
    pub address: Mailbox,
    /// The activity row of the mail that brings it.
    pub delivery: Uuid,
    /// Now.
    pub at: Moment,
    /// Until when it is good.
    pub expires_at: Moment,
}

/// How often an inbox may be asked.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Between two mails to one inbox.
    pub pause: Duration,
    /// Mails to one inbox in 24 h, whoever asks.
    pub per_address: u64,
    /// Mails of one account in 24 h.
    pub per_account: u64,
}

/// Whether the inbox may be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The link is kept.
    Kept,
    /// It was asked a moment ago.
    TooSoon,
    /// It was asked often enough today.
    AddressSpent,
    /// The account asked often enough today.
    AccountSpent,
}

/// A link as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationLink {
    /// Whose record of the inbox it is about.
    pub account: AccountId,
    /// When it was used.
    pub used_at: Option<Moment>,
    /// Until when it is good.
    pub expires_at: Moment,
    /// The destination, and when it was verified; none where it was removed.
    pub destination: Option<(String, Option<Moment>)>,
}

impl Rules {
    /// Keeps a link that is to be sent, unless too many were sent lately.
    pub async fn ask_inbox(&self, link: NewVerification, allowance: Allowance, audit: AuditEntry) -> Result<Asked> {
        self.writer.change((link, allowance, audit), |c, needs| Box::pin(ask(c, needs))).await
    }

    /// A link as it stands; looking uses none up.
    pub async fn verification_link(&self, hash: [u8; 32]) -> Result<Option<VerificationLink>> {
        let found = sqlx::query(LOOK).bind(hash.as_slice()).fetch_optional(&self.readers).await?;
        let Some(row) = found else { return Ok(None) };
        let mut columns = Columns::of(&row);
        let account = AccountId(columns.take()?);
        let (used_at, expires_at) = (columns.maybe_moment()?, columns.moment()?);
        let (address, verified_at) = (columns.take::<Option<String>>()?, columns.maybe_moment()?);
        let destination = address.map(|address| (address, verified_at));
        Ok(Some(VerificationLink { account, used_at, expires_at, destination }))
    }

    /// Uses a link up and verifies what it was sent to; `NotFound` unless both are there and the link is good.
    pub async fn verify_by_link(&self, hash: [u8; 32], at: Moment, audit: AuditEntry) -> Result<DestinationRow> {
        self.changed((hash, at, audit), |c, n| Box::pin(verify(c, n)), destination::touched).await
    }

    /// Verifies a destination by somebody's word for its account, which counts where that account leads aliases of others, too.
    pub async fn vouch_for_destination(
        &self,
        key: DestinationId,
        at: Moment,
        audit: AuditEntry,
    ) -> Result<DestinationRow> {
        let vouched = self.changed((key, at, audit), |c, n| Box::pin(verify_and_led(c, n)), destination::touched);
        self.with_state(vouched.await?).await
    }

    /// When an inbox was last asked for an account or by it, and the activity row of that mail.
    pub async fn last_verification(&self, account: AccountId, address: &Mailbox) -> Result<Option<(Moment, Uuid)>> {
        let ask = sqlx::query(LAST).bind(key_and_host(address).0).bind(account.0);
        let Some(row) = ask.fetch_optional(&self.readers).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        Ok(Some((columns.moment()?, columns.uuid()?)))
    }

    /// The domain in whose name the gateway writes: the first that is verified, else the first of the owner.
    pub async fn sending_domain(&self) -> Result<Option<Domain>> {
        let name: Option<String> =
            sqlx::query_scalar(SENDING_DOMAIN).bind(OWNER.0).fetch_optional(&self.readers).await?;
        Ok(name.and_then(|name| Domain::parse(&name).ok()))
    }
}

async fn ask(
    connection: &mut SqliteConnection,
    (link, allowance, entry): &(NewVerification, Allowance, AuditEntry),
) -> Result<Asked> {
    let (key, _) = key_and_host(&link.address);
    let ask = sqlx::query(LATELY).bind(key.as_str()).bind(link.account.0).bind(link.at.before(DAY).millis());
    let row = ask.fetch_one(&mut *connection).await?;
    let mut columns = Columns::of(&row);
    let (last, of_address, of_account) = (columns.maybe_moment()?, columns.count()?, columns.count()?);
    if last.is_some_and(|last| link.at.since(last) < allowance.pause) {
        return Ok(Asked::TooSoon);
    }
    if of_address >= allowance.per_address {
        return Ok(Asked::AddressSpent);
    }
    if of_account >= allowance.per_account {
        return Ok(Asked::AccountSpent);
    }
    clear_links(connection, link.at).await?;
    let keep = sqlx::query(KEEP).bind(link.hash.as_slice()).bind(link.account.0).bind(key);
    let keep = keep.bind(link.delivery.as_bytes().as_slice()).bind(link.at.millis()).bind(link.expires_at.millis());
    let keep = keep.bind(link.asked_by.map(|asker| asker.0));
    keep.execute(&mut *connection).await?;
    audit::write(connection, entry).await?;
    Ok(Asked::Kept)
}

async fn verify(
    connection: &mut SqliteConnection,
    (hash, at, entry): &([u8; 32], Moment, AuditEntry),
) -> Result<DestinationRow> {
    let used = sqlx::query(USE).bind(hash.as_slice()).bind(at.millis()).fetch_one(&mut *connection).await?;
    let mut columns = Columns::of(&used);
    let (account, key): (i64, String) = (columns.take()?, columns.take()?);
    let asker = columns.take::<Option<i64>>()?.map(AccountId);
    let found = sqlx::query(destination::BY_ADDRESS).bind(account).bind(&key).fetch_one(&mut *connection).await?;
    let row = destination::read(&found)?.0;
    let verified = verify_and_led(connection, &(row.key, *at, entry.clone())).await?;
    if let Some(asker) = asker {
        verify_for_asker(connection, (asker, &key), (*at, entry)).await?;
    }
    Ok(verified)
}

/// The same yes, to whoever had the mail sent and has a record of the inbox.
async fn verify_for_asker(
    connection: &mut SqliteConnection,
    (asker, key): (AccountId, &str),
    (at, entry): (Moment, &AuditEntry),
) -> Result<()> {
    let find = sqlx::query(destination::BY_ADDRESS).bind(asker.0).bind(key);
    let Some(found) = find.fetch_optional(&mut *connection).await? else { return Ok(()) };
    let row = destination::read(&found)?.0;
    if row.verified_at.is_none() {
        let entry = AuditEntry { account: asker, ..entry.clone() };
        verify_and_led(connection, &(row.key, at, entry)).await?;
    }
    Ok(())
}

/// A yes to one account. What it says of others' records goes no further from there: nobody said yes to those.
async fn verify_and_led(
    connection: &mut SqliteConnection,
    needs: &(DestinationId, Moment, AuditEntry),
) -> Result<DestinationRow> {
    let row = destination::verify(connection, needs).await?;
    let (_, at, entry) = needs;
    let key = destination::read_address(&row.address)?.1;
    let led = sqlx::query_scalar::<_, i64>(LED).bind(row.account.0).bind(key).bind(OWNER.0);
    for other in led.fetch_all(&mut *connection).await? {
        destination::verify(connection, &(DestinationId(other), *at, entry.clone())).await?;
    }
    Ok(row)
}
