//! A row of the log as columns, there and back.
//!
//! What is written once and only read with the row stands in one column as JSON: that is one value to bind and one to
//! read instead of five.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use super::{Auth, Client, EnvelopePair, Row};
use crate::mail::wishes::Wishes;
use crate::mail::{Author, Moment};
use crate::policy::ids::{AccountId, AliasId, DomainId};
use crate::policy::status::{OwnMail, RuleRef, Status, TraceStep};
use crate::store::Result;
use crate::store::columns::{Columns, json, signed};
use crate::store::statement::{Inserts, Statement, inserts};

/// Inserts rows; the order of [`Written::bind`].
pub(in crate::store) const INSERT: Inserts = inserts!(
    "insert into activity (seq, facts, id, transaction_id, received_at, account_id, domain_id, alias_id, status, \
     sender, recipient, destination, subject, message_id, size, reason, sha256_received, sha256_sent, \
     next_attempt_at, bounced_at, count, attempts, dsn, own, author)",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);
/// The columns in the order of [`read`].
macro_rules! columns {
    () => {
        "seq, facts, id, transaction_id, received_at, account_id, domain_id, alias_id, status, sender, recipient, \
         destination, subject, message_id, size, reason, sha256_received, sha256_sent, next_attempt_at, bounced_at, \
         count, attempts, dsn, own, author"
    };
}
pub(super) use columns;

#[derive(Serialize, Deserialize)]
struct Facts<'a> {
    rule: Cow<'a, Option<RuleRef>>,
    client: Cow<'a, Client>,
    auth: Cow<'a, Auth>,
    envelope: Cow<'a, EnvelopePair>,
    trace: Cow<'a, [TraceStep]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    passed: Cow<'a, [AliasId]>,
    #[serde(default, skip_serializing_if = "are_none")]
    wishes: Cow<'a, Wishes>,
}

fn are_none(wishes: &Wishes) -> bool {
    wishes.are_none()
}

/// A row with its JSON made, which costs the asker's thread rather than the writer's.
#[derive(Debug)]
pub(crate) struct Written {
    pub(super) row: Row,
    facts: String,
    attempts: String,
}

impl Written {
    pub(super) fn new(row: Row) -> Self {
        let facts = json(&Facts {
            rule: Cow::Borrowed(&row.rule),
            client: Cow::Borrowed(&row.client),
            auth: Cow::Borrowed(&row.auth),
            envelope: Cow::Borrowed(&row.envelope),
            trace: Cow::Borrowed(&row.trace),
            passed: Cow::Borrowed(&row.passed),
            wishes: Cow::Borrowed(&row.wishes),
        });
        let attempts = if row.attempts.is_empty() { "[]".to_owned() } else { json(&row.attempts) };
        Self { row, facts, attempts }
    }

    /// About how many octets it takes.
    pub(super) const fn octets(&self) -> usize {
        FIXED_OCTETS + self.facts.len() + self.attempts.len()
    }

    /// Binds the columns of [`INSERT`].
    pub(super) fn bind(&self, seq: i64, statement: Statement) -> Statement {
        let row = &self.row;
        statement
            .bind(seq)
            .bind(self.facts.as_str())
            .bind(row.id.as_bytes().as_slice())
            .bind(row.transaction.as_bytes().as_slice())
            .bind(row.received_at.millis())
            .bind(row.account.0)
            .bind(row.domain.map(|d| d.0))
            .bind(row.alias.map(|a| a.0))
            .bind(row.status.as_str())
            .bind(row.sender.as_str())
            .bind(row.recipient.as_str())
            .bind(row.destination.as_deref())
            .bind(row.subject.as_deref())
            .bind(row.message_id.as_deref())
            .bind(signed(row.size))
            .bind(row.reason.as_str())
            .bind(row.sha256_received.as_ref().map(|h| h.as_slice()))
            .bind(row.sha256_sent.as_ref().map(|h| h.as_slice()))
            .bind(row.next_attempt_at.map(Moment::millis))
            .bind(row.bounced_at.map(Moment::millis))
            .bind(signed(row.count.max(1)))
            .bind(self.attempts.as_str())
            .bind(row.dsn.as_ref().map(json))
            .bind(row.own.map(OwnMail::as_str))
            .bind(row.author.as_ref().map(ToString::to_string))
    }
}

/// Octets of a row's plain columns, roughly.
const FIXED_OCTETS: usize = 400;

/// Rows behind the one that the counters were written up to.
pub(in crate::store) const AFTER: &str = concat!("select ", columns!(), " from activity where seq > ?1 order by seq");

/// Reads a row and its place in the log.
pub(super) fn read(row: &SqliteRow) -> Result<(i64, Row)> {
    let mut columns = Columns::of(row);
    let seq = columns.take()?;
    let facts: Facts<'static> = columns.json("the facts of a row")?;
    let row = Row {
        id: columns.uuid()?,
        transaction: columns.uuid()?,
        received_at: columns.moment()?,
        account: AccountId(columns.take()?),
        domain: columns.take::<Option<i64>>()?.map(DomainId),
        alias: columns.take::<Option<i64>>()?.map(AliasId),
        passed: facts.passed.into_owned(),
        status: columns.parsed("a status", Status::parse)?,
        sender: columns.take()?,
        recipient: columns.take()?,
        destination: columns.take()?,
        subject: columns.take()?,
        message_id: columns.take()?,
        size: columns.count()?,
        reason: columns.take()?,
        rule: facts.rule.into_owned(),
        client: facts.client.into_owned(),
        auth: facts.auth.into_owned(),
        wishes: facts.wishes.into_owned(),
        sha256_received: columns.hash()?,
        sha256_sent: columns.hash()?,
        next_attempt_at: columns.maybe_moment()?,
        bounced_at: columns.maybe_moment()?,
        count: columns.count()?,
        envelope: facts.envelope.into_owned(),
        trace: facts.trace.into_owned(),
        attempts: columns.json("the attempts of a row")?,
        dsn: columns.maybe_json("the report of a row")?,
        own: columns.take::<Option<String>>()?.as_deref().and_then(OwnMail::parse),
        author: columns.take::<Option<String>>()?.map(Author::from),
    };
    Ok((seq, row))
}
