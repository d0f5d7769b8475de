//! An activity row as the API shows it: in lists, and one by id with envelope, trace and bounce.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::mail::{Author, Envelope, Mailbox, Moment};
use crate::policy::status::{OwnMail, RuleRef, Status, TraceStep};
use crate::store::activity::{Attempt, Auth, BOUNCED, Client, DsnNote, Row};

/// One recipient of one transaction with one destination.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Activity)]
pub struct ActivityShape {
    /// The row's id everywhere.
    pub id: Uuid,
    /// Shared by all rows of the transaction.
    pub transaction_id: Uuid,
    /// The header field as received.
    pub message_id: Option<String>,
    /// When.
    pub received_at: Moment,
    /// What it is for, where the gateway itself wrote it; null for mail that came.
    pub own: Option<OwnMail>,
    /// What became of it; `bounced` where a report came back to what was forwarded.
    pub status: &'static str,
    /// The sender of the envelope (the reverse-path), empty for the null path.
    pub sender: String,
    /// Who the message says that it is from (its From field): name and address, where the log keeps subjects.
    #[schema(value_type = Option<String>)]
    pub author: Option<Author>,
    /// The alias address.
    pub recipient: String,
    /// The real inbox.
    pub destination: Option<String>,
    /// The hosted domain.
    pub domain: Option<String>,
    /// The alias.
    pub alias_id: Option<Uuid>,
    /// The subject, where the log keeps it.
    pub subject: Option<String>,
    /// Octets as received.
    pub size: u64,
    /// One sentence.
    pub reason: String,
    /// The rule that decided.
    pub rule: Option<RuleRef>,
    /// The client.
    pub client: Client,
    /// Authentication.
    pub auth: Auth,
    /// SHA-256 of the octets as received.
    pub sha256_received: Option<String>,
    /// SHA-256 of the octets as handed over, without the header fields that this gateway put in front.
    pub sha256_sent: Option<String>,
    /// The attempts so far.
    pub attempts: Vec<Attempt>,
    /// When it is tried next; null while it is being tried, and where no try is to come.
    pub next_attempt_at: Option<Moment>,
    /// When a report came back that it was not delivered after all.
    pub bounced_at: Option<Moment>,
    /// What became of the gateway's own report to the sender.
    pub dsn: Option<DsnNote>,
    /// How many events the row counts.
    pub count: u64,
}

/// A report that came back.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Bounce)]
pub struct BounceShape {
    /// When.
    pub at: Moment,
    /// Who reported it, where it said so.
    pub reporter: Option<String>,
    /// The remote's own words.
    pub reply: Option<String>,
}

/// The envelope before and after.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EnvelopeBeforeAndAfter)]
pub struct Envelopes {
    /// As received.
    pub before: Envelope,
    /// As sent on.
    pub after: Option<Envelope>,
}

/// One row by its id.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ActivityDetail {
    /// What lists show.
    #[serde(flatten)]
    pub row: ActivityShape,
    /// The envelope.
    pub envelope: Envelopes,
    /// The decision.
    pub trace: Vec<TraceStep>,
    /// The report that came back.
    pub bounce: Option<BounceShape>,
    /// All rows of the transaction, where the transaction was asked for and has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub items: Vec<ActivityDetail>,
}

impl ActivityShape {
    /// Shows a row.
    #[must_use]
    pub fn new(row: &Row) -> Self {
        Self {
            id: row.id,
            transaction_id: row.transaction,
            message_id: row.message_id.clone(),
            received_at: row.received_at,
            own: row.own,
            status: status_word(row),
            sender: row.sender.clone(),
            author: row.author.clone(),
            recipient: row.recipient.clone(),
            destination: row.destination.clone(),
            domain: row.domain.and_then(|_| domain_of(&row.recipient)),
            alias_id: row.alias.and(row.rule.as_ref()).map(|rule| rule.id),
            subject: row.subject.clone(),
            size: row.size,
            reason: row.reason.clone(),
            rule: row.rule.clone(),
            client: row.client.clone(),
            auth: row.auth.clone(),
            sha256_received: row.sha256_received.map(hex),
            sha256_sent: row.sha256_sent.map(hex),
            attempts: row.attempts.clone(),
            next_attempt_at: row.next_attempt_at,
            bounced_at: row.bounced_at,
            dsn: row.dsn.clone(),
            count: row.count,
        }
    }
}

impl BounceShape {
    fn new(row: &Row, at: Moment) -> Self {
        let report = row.attempts.iter().rfind(|attempt| attempt.outcome == BOUNCED);
        Self {
            at,
            reporter: report.and_then(|report| report.mx.clone()),
            reply: report.map(|report| report.reply.clone()),
        }
    }
}

impl ActivityDetail {
    /// Shows a row whole.
    #[must_use]
    pub fn new(row: &Row) -> Self {
        Self {
            row: ActivityShape::new(row),
            envelope: Envelopes { before: row.envelope.before.clone(), after: row.envelope.after.clone() },
            trace: row.trace.clone(),
            bounce: row.bounced_at.map(|at| BounceShape::new(row, at)),
            items: Vec::new(),
        }
    }
}

/// The status as lists and filters name it.
pub(in crate::admin) fn status_word(row: &Row) -> &'static str {
    match row.status {
        Status::Forwarded if row.bounced_at.is_some() => "bounced",
        status => status.as_str(),
    }
}

fn domain_of(recipient: &str) -> Option<String> {
    let mailbox = Mailbox::parse(recipient).ok()?;
    mailbox.domain().map(ToString::to_string)
}

fn hex(digest: [u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(&digest)
}
