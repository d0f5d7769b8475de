//! The smaller shapes: destination, queue item, route, token.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::mail::{Envelope, Moment};
use crate::policy::no_mail::{NoMail, REMEDY, TakesNone};
use crate::policy::status::{RuleRef, TraceStep};
use crate::store::accounts::TokenRow;
use crate::store::activity::Attempt;
use crate::store::queue::{Purpose, Waiting};
use crate::store::rules::DestinationRow;

use super::UsesShape;

/// A destination, or `@domain`, which trusts a whole domain.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Destination)]
pub struct DestinationShape {
    /// Its id.
    pub id: Uuid,
    /// `a@b`, or `@b`.
    pub address: String,
    /// The address of the account that it belongs to, where that is not one's own.
    pub owner: Option<String>,
    /// When verified.
    pub verified_at: Option<Moment>,
    /// Its whole domain is verified, and this address with it.
    pub trusted: bool,
    /// The account's default.
    pub default: bool,
    /// Last delivery.
    pub last_delivered_at: Option<Moment>,
    /// Refusing, or sending back what it took, since then. A delivery ends a refusal; what it sent back is over once it took
    /// another and did not send that back in a quarter of an hour, or in as long as the last report took.
    pub failing_since: Option<Moment>,
    /// Why, in the words of its next hop, or ours where it said nothing.
    pub failing_reply: Option<String>,
    /// The row of the log that has these words.
    pub failing_activity_id: Option<Uuid>,
    /// It refused its mailbox in the last minutes: until then new mail for it is refused without asking it again, unless
    /// somebody tries it.
    pub not_asked_until: Option<Moment>,
    /// While it is failing: its next hop took that mail, and handed it back afterwards.
    pub sends_back: bool,
    /// That its domain takes no mail at all, as the DNS says; `null` where nothing is known against it.
    pub takes_no_mail: Option<NoMailShape>,
    /// The mail that asks the inbox; `null` once it is verified.
    pub verification: Option<VerificationShape>,
    /// Where it is used: of one that is asked for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<UsesShape>,
    /// The mail that waits for it, where there is any: of one that is asked for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingMailShape>,
    /// When made.
    pub created_at: Moment,
}

/// The mail that waits for an inbox.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WaitingMail)]
pub struct WaitingMailShape {
    /// How many messages, as far as they are counted.
    pub messages: u64,
    /// How many of these are on hold.
    pub held: u64,
    /// There are more than are counted.
    pub more: bool,
    /// When the oldest came.
    pub since: Moment,
    /// What its last try came to: in the words of its next hop, or ours where it said nothing.
    pub reply: String,
    /// Its row in the log.
    pub activity_id: Uuid,
}

impl DestinationShape {
    /// Shows a row.
    #[must_use]
    pub fn new(row: &DestinationRow) -> Self {
        Self {
            id: row.id,
            address: row.address.clone(),
            owner: None,
            verified_at: row.verified_at,
            trusted: false,
            default: row.default,
            last_delivered_at: row.last_delivered_at,
            failing_since: row.failing_since,
            failing_reply: row.failing_reply.clone(),
            failing_activity_id: row.failing_row,
            not_asked_until: None,
            sends_back: row.sends_back,
            takes_no_mail: None,
            verification: None,
            uses: None,
            waiting: None,
            created_at: row.created_at,
        }
    }

    /// Without how its mail fares: until it is proved to be theirs, it may be somebody else's.
    #[must_use]
    pub(in crate::admin) fn untold(self) -> Self {
        Self {
            last_delivered_at: None,
            failing_since: None,
            failing_reply: None,
            failing_activity_id: None,
            sends_back: false,
            ..self
        }
    }
}

/// That the domain of an inbox takes no mail.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TakesNoMail)]
pub struct NoMailShape {
    /// What the DNS says against it.
    pub why: NoMail,
    /// When that was found first.
    pub since: Moment,
    /// The same in words.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

impl NoMailShape {
    /// Shows what was found.
    #[must_use]
    pub fn new(found: &TakesNone) -> Self {
        let TakesNone { domain, why, since } = found;
        Self { why: *why, since: *since, what: why.told(domain), remedy: REMEDY }
    }
}

/// The mail that asks an inbox whether it wants mail, and how it fares.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Verification)]
pub struct VerificationShape {
    /// When the last one was sent.
    pub sent_at: Option<Moment>,
    /// `not_sent`, or the status of its row in the log: `queued`, `forwarded`, `deferred`, `failed`, …
    pub status: String,
    /// The remote's own words, or ours.
    pub reply: String,
    /// Its row in the log.
    pub activity_id: Option<Uuid>,
}

/// A delivery that waits, is held, or is kept.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = QueueItem)]
pub struct QueueShape {
    /// The activity row's id.
    pub id: Uuid,
    /// `forward`, `dsn` for a report of ours, `verification` for a mail of ours that brings a link, `notice` for one that
    /// tells the owner something, `returned` for a report of others that came back and goes nowhere by itself.
    pub purpose: &'static str,
    /// `due`, `leased`, `held`, `kept`.
    pub state: &'static str,
    /// The alias address.
    pub recipient: String,
    /// Where to.
    pub destination: String,
    /// Octets.
    pub size: u64,
    /// Tries so far.
    pub tries: u32,
    /// When it came.
    pub received_at: Moment,
    /// The next try.
    pub next_attempt_at: Option<Moment>,
    /// Until when its octets are kept.
    pub kept_until: Option<Moment>,
    /// Of a report of ours, the activity row that it is about: it has none of its own.
    pub about_activity_id: Option<Uuid>,
    /// Of a report of ours, what its last try came to.
    pub last_attempt: Option<Attempt>,
}

impl QueueShape {
    /// Shows one.
    #[must_use]
    pub fn new(waiting: Waiting) -> Self {
        let is_kept = waiting.state == "kept";
        Self {
            id: waiting.id,
            purpose: match waiting.purpose {
                Purpose::Forward => "forward",
                Purpose::Dsn => "dsn",
                Purpose::Verification => "verification",
                Purpose::Notice => "notice",
                Purpose::Returned => "returned",
            },
            state: waiting.state,
            recipient: waiting.recipient,
            destination: waiting.destination,
            size: waiting.size,
            tries: waiting.tries,
            received_at: waiting.received_at,
            next_attempt_at: waiting.due_at.filter(|_| !is_kept),
            kept_until: waiting.due_at.filter(|_| is_kept),
            about_activity_id: waiting.about,
            last_attempt: waiting.answer,
        }
    }
}

/// The envelope before and after.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EnvelopeChange {
    /// As it would come.
    pub before: Envelope,
    /// As it would be sent on, one for each destination domain would be one transaction; `null` where nothing is.
    pub after: Option<Envelope>,
}

/// What would happen to a message, and why.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Route)]
pub struct RouteShape {
    /// `forward`, `report`, `reject`, `defer`, `discard`; `hold` where mail for postmaster has nobody to go to.
    pub disposition: &'static str,
    /// What the client would be answered to RCPT.
    pub reply: String,
    /// The rule that decides.
    pub rule: Option<RuleRef>,
    /// One sentence.
    pub reason: String,
    /// How it came to be.
    pub trace: Vec<TraceStep>,
    /// The envelope.
    pub envelope: EnvelopeChange,
}

/// A token as people read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenShape {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The first characters.
    pub prefix: String,
    /// What for.
    pub scopes: Vec<String>,
    /// Only these domains (empty: all).
    pub domains: Vec<String>,
    /// Default domain for new aliases.
    pub default_domain: Option<String>,
    /// Default format for random aliases.
    pub alias_format: Option<String>,
    /// Default destination.
    pub default_destination: Option<String>,
    /// Ends at.
    pub expires_at: Option<Moment>,
    /// Last used.
    pub last_used_at: Option<Moment>,
    /// When the first call was served.
    pub first_used_at: Option<Moment>,
    /// The address that this call came from.
    pub first_used_from: Option<String>,
    /// When made.
    pub created_at: Moment,
    /// The token itself: only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl TokenShape {
    /// Shows a row.
    #[must_use]
    pub fn new(row: &TokenRow) -> Self {
        Self {
            id: row.id,
            name: row.name.clone(),
            prefix: row.prefix.clone(),
            scopes: row.scopes.clone(),
            domains: row.domains.clone(),
            default_domain: row.default_domain.clone(),
            alias_format: row.alias_format.clone(),
            default_destination: row.default_destination.clone(),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            first_used_at: row.first_used_at,
            first_used_from: row.first_used_from.clone(),
            created_at: row.created_at,
            token: None,
        }
    }
}
