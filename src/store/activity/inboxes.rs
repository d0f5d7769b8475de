//! How inboxes fare: when mail last reached them, since when none does, and why not.
//!
//! What is meant for one sender only says nothing of the inbox: a message that was refused for what it is neither begins
//! nor ends anything. A delivery ends what was failing before it, unless a report came back within some hours: then the
//! next hop takes everything, and hands it back afterwards. What it takes then ends it as well, once nobody handed that back
//! in a quarter of an hour, or in as long as the last report took; nothing more has to come for that. An inbox whose mail is only put off, try after try for an hour and
//! more, fails as well: nobody is told no, and nothing arrives.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{Activity, Attempt, Bounced, Progress, Row};
use crate::mail::Moment;
use crate::net::resolver::is_for_now;
use crate::policy::status::Status;
use crate::policy::verdict::Fault;
use crate::store::Result;
use crate::store::columns::{Columns, json};

/// Whether what was taken since the last failure has stayed there for so long that the failure is over at `$now`.
macro_rules! is_over {
    ($now:literal) => {
        concat!("coalesce(unreturned_since + max(900000, coalesce(report_took, 0)) <= ", $now, ", 0)")
    };
}

pub(in crate::store) const STATES: &str = concat!(
    "select address, last_delivered_at, case when is_late then min(deferred_since, coalesce(since, deferred_since)) else since end, \
     case when is_late then deferred_reply when since is not null then failing_reply end, \
     case when is_late then deferred_row when since is not null then failing_row end, \
     not is_late and since is not null and report_took is not null \
     from (select *, coalesce(deferred_last - deferred_since >= 3600000, 0) as is_late, iif(",
    is_over!("?2"),
    ", null, failing_since) as since from destination_state where address in (select value from json_each(?1)))"
);

/// So long after a report a delivery proves nothing.
const BOUNCE_HOLDS_MILLIS: i64 = 14_400_000;

/// Adds to the states of inboxes: address, last delivery, failing since, reply, row, bounced at, deferred since, until, reply,
/// row, when the mail that failed last was taken or refused, how long its report took. Deferrals between which a day went by
/// without a try are not of one time.
macro_rules! add {
    () => {
        concat!(
            "insert into destination_state (address, last_delivered_at, failing_since, failing_reply, failing_row, \
             bounced_at, deferred_since, deferred_last, deferred_reply, deferred_row, failed_at, report_took, unreturned_since) \
             select value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5, \
             value ->> 6, value ->> 7, value ->> 8, unhex(value ->> 9), value ->> 10, value ->> 11, \
             iif(value ->> 1 > value ->> 10, value ->> 1, null) from json_each(?) where true on conflict (address) do update set \
             last_delivered_at = coalesce(excluded.last_delivered_at, last_delivered_at), \
             failing_since = case when excluded.last_delivered_at > coalesce(bounced_at + 14400000, 0) or ",
            inboxes::is_over!("excluded.failing_since"),
            " then excluded.failing_since else coalesce(failing_since, excluded.failing_since) end, \
             failing_reply = case when excluded.last_delivered_at > coalesce(bounced_at + 14400000, 0) \
                 then excluded.failing_reply else coalesce(excluded.failing_reply, failing_reply) end, \
             failing_row = case when excluded.last_delivered_at > coalesce(bounced_at + 14400000, 0) \
                 then excluded.failing_row else coalesce(excluded.failing_row, failing_row) end, \
             unreturned_since = case when excluded.failing_since is null \
                 then coalesce(unreturned_since, excluded.last_delivered_at) \
                 when coalesce(excluded.last_delivered_at, last_delivered_at) > max(excluded.failed_at, coalesce(failed_at, 0)) \
                 then coalesce(excluded.last_delivered_at, last_delivered_at) end, \
             report_took = case when excluded.failing_since is null then report_took else excluded.report_took end, \
             failed_at = coalesce(max(excluded.failed_at, failed_at), excluded.failed_at, failed_at), \
             bounced_at = coalesce(excluded.bounced_at, bounced_at), \
             deferred_since = case when excluded.last_delivered_at is null \
                 and coalesce(excluded.deferred_since, deferred_last) < deferred_last + 86400000 \
                 then deferred_since else excluded.deferred_since end, \
             deferred_last = case when excluded.last_delivered_at is null \
                 then coalesce(excluded.deferred_last, deferred_last) else excluded.deferred_last end, \
             deferred_reply = coalesce(excluded.deferred_reply, deferred_reply), \
             deferred_row = coalesce(excluded.deferred_row, deferred_row); "
        )
    };
}
pub(super) use {add, is_over};

pub(in crate::store) const FAILING: &str = concat!(
    "select address, failing_since, failing_reply, report_took is not null from destination_state \
     where failing_since is not null and not ",
    is_over!("?2"),
    " order by failing_since limit ?1"
);
pub(in crate::store) const TAKING: &str = "select distinct substr(address, 1 + instr(address, '@')) \
    from destination_state indexed by destination_state_taking where last_delivered_at >= ?1 union all select address from destination_state \
    where last_delivered_at >= ?1 and address in (select value from json_each(?2))";

/// Nothing is known of it any more but when mail last reached it.
pub(in crate::store) const FORGET: &str = "update destination_state set failing_since = null, failing_reply = null, \
    failing_row = null, bounced_at = null, report_took = null, deferred_since = null, deferred_last = null where address = ?1";
/// A delivery counts again, whatever came back before.
pub(in crate::store) const BELIEVE: &str = "update destination_state set bounced_at = null where address = ?1";

/// Inboxes that are told of at a time; of more, those that fail the longest.
const MAX_TOLD: u32 = 200;

/// How an inbox fares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct InboxState {
    pub(in crate::store) last_delivered_at: Option<Moment>,
    pub(in crate::store) failing_since: Option<Moment>,
    pub(in crate::store) failing_reply: Option<String>,
    pub(in crate::store) failing_row: Option<Uuid>,
    pub(in crate::store) sends_back: bool,
}

/// An inbox that took no mail since a refusal, or sent back what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingInbox {
    /// Which.
    pub address: String,
    /// Since when.
    pub since: Moment,
    /// What was said last.
    pub reply: String,
    /// It took the mail first, and handed it back.
    pub sends_back: bool,
}

/// What became of mail for an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fared {
    /// Its next hop took it, then.
    Delivered(i64),
    /// It did not reach it.
    Failed(Failing),
    /// It did not reach it yet.
    Deferred(Deferring),
}

/// Since when, by whose words, in which row; and whether it was a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failing {
    since: i64,
    reply: String,
    row: Uuid,
    /// When that mail was taken, or refused.
    failed_at: i64,
    bounced_at: Option<i64>,
    /// What its report took, where there was one.
    report_took: Option<i64>,
}

/// From when until when, by whose last words, in which row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deferring {
    since: i64,
    last: i64,
    reply: String,
    row: Uuid,
}

impl Fared {
    /// Of a new row; none where it says nothing of the inbox.
    pub(super) fn of_row(row: &Row) -> Option<Self> {
        Self::by(row.status, row.attempts.last(), (row.received_at, row.id, &row.reason))
    }

    /// Of a row that went on.
    pub(super) fn of_progress(progress: &Progress, received_at: Moment) -> Option<Self> {
        let at = progress.attempt.as_ref().map_or(received_at, |attempt| attempt.at);
        Self::by(progress.status, progress.attempt.as_ref(), (at, progress.id, &progress.reason))
    }

    /// Of mail that was taken then, and for which a report came back; none where that is about the message, or about us.
    pub(super) fn of_bounce(bounced: &Bounced, taken_at: Moment) -> Option<Self> {
        bounced.attempt.fault.filter(|fault| *fault == Fault::Mailbox)?;
        let (at, failed_at) = (bounced.at.millis(), taken_at.millis());
        let report_took = Some((at - failed_at).max(0));
        let (reply, row) = (bounced.attempt.reply.clone(), bounced.id);
        Some(Self::Failed(Failing { since: at, reply, row, failed_at, bounced_at: Some(at), report_took }))
    }

    fn by(status: Status, last: Option<&Attempt>, (at, row, reason): (Moment, Uuid, &str)) -> Option<Self> {
        let (fault, reply) = (last.and_then(|attempt| attempt.fault), || {
            last.map_or(reason, |attempt| attempt.reply.as_str()).to_owned()
        });
        match (status, fault) {
            (Status::Forwarded, _) => return Some(Self::Delivered(at.millis())),
            // While the sender waited; what was refused at RCPT from memory was never tried.
            (Status::Refused, Some(Fault::Mailbox)) | (Status::Expired, _) => {}
            (Status::Failed, fault) if fault != Some(Fault::Message) => {}
            // Queued, or handed on to the sender.
            (Status::Deferred | Status::RefusedTemporarily, _) if last.is_some_and(is_put_off) => {
                return Some(Self::Deferred(Deferring { since: at.millis(), last: at.millis(), reply: reply(), row }));
            }
            _ => return None,
        }
        let (since, reply) = (at.millis(), reply());
        Some(Self::Failed(Failing { since, reply, row, failed_at: since, bounced_at: None, report_took: None }))
    }
}

/// Whether the next hop was asked, or could not be, and did not take it. Where nobody even found one, or its address, it may
/// be our own DNS that does not answer.
fn is_put_off(attempt: &Attempt) -> bool {
    let is_found = attempt.ip.is_some() || attempt.mx.is_some() && !is_for_now(&attempt.reply);
    attempt.outcome == "refused" || attempt.outcome == "deferred" && is_found
}

/// The sums of some rows of one inbox.
#[derive(Debug, Default)]
struct Sums {
    delivered: Option<i64>,
    failing: Option<Failing>,
    deferring: Option<Deferring>,
}

/// The sums of some rows, by address.
#[derive(Debug, Default)]
pub(super) struct Inboxes(BTreeMap<String, Sums>);

impl Inboxes {
    /// Notes what came of mail for an inbox, in the order in which it came.
    pub(super) fn note(&mut self, address: &str, fared: Fared) {
        let Sums { delivered, failing, deferring } = self.0.entry(address.to_owned()).or_default();
        match fared {
            Fared::Delivered(at) => {
                *delivered = (*delivered).max(Some(at));
                *deferring = None;
                failing.take_if(|failing| failing.bounced_at.is_none_or(|then| at > then + BOUNCE_HOLDS_MILLIS));
            }
            Fared::Failed(later) => {
                let since = failing.as_ref().map_or(later.since, |earlier| earlier.since);
                let bounced_at = later.bounced_at.or(failing.as_ref().and_then(|earlier| earlier.bounced_at));
                let failed_at =
                    failing.as_ref().map_or(later.failed_at, |earlier| earlier.failed_at.max(later.failed_at));
                *failing = Some(Failing { since, bounced_at, failed_at, ..later });
            }
            Fared::Deferred(later) => {
                let since = deferring.as_ref().map_or(later.since, |earlier| earlier.since);
                *deferring = Some(Deferring { since, ..later });
            }
        }
    }

    /// Adds what came after.
    pub(super) fn absorb(&mut self, later: &Self) {
        for (address, Sums { delivered, failing, deferring }) in &later.0 {
            delivered.iter().for_each(|at| self.note(address, Fared::Delivered(*at)));
            failing.iter().for_each(|failing| self.note(address, Fared::Failed(failing.clone())));
            deferring.iter().for_each(|deferring| self.note(address, Fared::Deferred(deferring.clone())));
        }
    }

    /// Rows of [`add`].
    pub(super) fn rows(&self) -> impl Iterator<Item = impl serde::Serialize> {
        self.0.iter().map(|(address, Sums { delivered, failing, deferring })| {
            let (failed, put_off) = (failing.as_ref(), deferring.as_ref());
            let hex = |row: Uuid| row.simple().to_string();
            (
                address,
                *delivered,
                failed.map(|it| it.since),
                failed.map(|it| it.reply.as_str()),
                failed.map(|it| hex(it.row)),
                failed.and_then(|it| it.bounced_at),
                put_off.map(|it| it.since),
                put_off.map(|it| it.last),
                put_off.map(|it| it.reply.as_str()),
                put_off.map(|it| hex(it.row)),
                failed.map(|it| it.failed_at),
                failed.and_then(|it| it.report_took),
            )
        })
    }
}

impl Activity {
    /// What is known of these addresses.
    pub(in crate::store) async fn inbox_states(&self, addresses: &[&str]) -> Result<HashMap<String, InboxState>> {
        self.settle_counts().await?;
        let ask = sqlx::query(STATES).bind(json(&addresses)).bind(self.clock.now().millis());
        let found = ask.fetch_all(&self.readers).await?;
        let read = found.iter().map(|row| {
            let mut columns = Columns::of(row);
            let address = columns.take()?;
            let state = InboxState {
                last_delivered_at: columns.maybe_moment()?,
                failing_since: columns.maybe_moment()?,
                failing_reply: columns.take()?,
                failing_row: columns.maybe_uuid()?,
                sends_back: columns.flag()?,
            };
            Ok((address, state))
        });
        read.collect()
    }

    /// Inboxes that took no mail since a refusal (not those whose mail is put off, which waits in the queue to be seen there),
    /// or sent back what they took; those first that fail the longest.
    pub async fn failing(&self) -> Result<Vec<FailingInbox>> {
        self.settle_counts().await?;
        let ask = sqlx::query(FAILING).bind(MAX_TOLD).bind(self.clock.now().millis());
        let found = ask.fetch_all(&self.readers).await?;
        let read = found.iter().map(|row| {
            let mut columns = Columns::of(row);
            Ok(FailingInbox {
                address: columns.take()?,
                since: columns.moment()?,
                reply: columns.take::<Option<String>>()?.unwrap_or_default(),
                sends_back: columns.flag()?,
            })
        });
        read.collect()
    }

    /// Mail reached this inbox, or its owner says that it will: what stood against it does so no more.
    pub async fn forget_failing(&self, address: &str) -> Result<()> {
        self.change_inbox(FORGET, address).await
    }

    /// The next delivery to this inbox is to end what stands against it, even though a report came back a while ago.
    pub async fn believe_next_delivery(&self, address: &str) -> Result<()> {
        self.change_inbox(BELIEVE, address).await
    }

    async fn change_inbox(&self, change: &'static str, address: &str) -> Result<()> {
        self.settle_counts().await?;
        self.writer.change((change, address.to_owned()), |c, needs| Box::pin(change_inbox(c, needs))).await
    }

    /// What took mail since then: domains, and those of these inboxes.
    pub async fn taking(&self, inboxes: &[String], since: Moment) -> Result<BTreeSet<String>> {
        self.settle_counts().await?;
        let ask = sqlx::query_scalar(TAKING).bind(since.millis()).bind(json(inboxes));
        Ok(ask.fetch_all(&self.readers).await?.into_iter().collect())
    }
}

async fn change_inbox(connection: &mut SqliteConnection, (change, address): &(&'static str, String)) -> Result<()> {
    sqlx::query(*change).bind(address.as_str()).execute(connection).await?;
    Ok(())
}
