//! What became of one recipient's mail to one destination: the status of an activity row, its rule and its trace.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::rule::{Kind, Rule};

/// The status of an activity row (INTERFACES).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The next hop said 250.
    Forwarded,
    /// Waits for its first try.
    Queued,
    /// Waits after a try.
    Deferred,
    /// Held by somebody.
    Held,
    /// Our 5xx.
    Refused,
    /// Our 4xx.
    RefusedTemporarily,
    /// By rule.
    Dropped,
    /// The next hop refused it after we had taken it.
    Failed,
    /// Tried until its lifetime was over.
    Expired,
    /// By somebody.
    Cancelled,
    /// The client left before the answer.
    Abandoned,
    /// Recognised as a repeat, not sent again.
    Duplicate,
    /// Mail to an SRS address of ours.
    Consumed,
}

/// The reason of what somebody took out of the queue.
pub const CANCELLED_BY_HAND: &str = "Cancelled by hand";
/// The same as rows of before have it.
const CANCELLED_BY_YOU: &str = "You cancelled it";

/// Whether somebody took it out of the queue, and nothing else did.
#[must_use]
pub fn is_cancelled_by_hand(reason: &str) -> bool {
    [CANCELLED_BY_HAND, CANCELLED_BY_YOU].iter().any(|words| reason.starts_with(words))
}

impl Status {
    /// Every status, in the order of INTERFACES.
    pub const ALL: [Self; 13] = [
        Self::Forwarded,
        Self::Queued,
        Self::Deferred,
        Self::Held,
        Self::Refused,
        Self::RefusedTemporarily,
        Self::Dropped,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
        Self::Abandoned,
        Self::Duplicate,
        Self::Consumed,
    ];

    /// Whether it is to be tried, or is being tried.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(self, Self::Queued | Self::Deferred)
    }

    /// As the API and the database write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Queued => "queued",
            Self::Deferred => "deferred",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::RefusedTemporarily => "refused_temporarily",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
            Self::Duplicate => "duplicate",
            Self::Consumed => "consumed",
        }
    }

    /// Reads [`Status::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Deferred | Self::Held)
    }
}

/// What a mail of the gateway itself is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnMail {
    /// Tells the owners what needs attention, or did.
    Notice,
    /// Asks an inbox whether it wants to be a destination.
    Verification,
    /// Brings somebody a link that sets a password.
    Password,
}

impl OwnMail {
    /// As the API and the database write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Verification => "verification",
            Self::Password => "password",
        }
    }

    /// Reads what [`OwnMail::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Notice, Self::Verification, Self::Password].into_iter().find(|own| own.as_str() == text)
    }
}

/// One step of a decision, as the owner reads it: `alias` / `matched` / `shop-*@my.domain, priority 0`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceStep {
    /// What was asked.
    #[schema(value_type = String)]
    pub step: Cow<'static, str>,
    /// The answer in a word or two.
    #[schema(value_type = String)]
    pub verdict: Cow<'static, str>,
    /// Why.
    pub detail: String,
}

impl TraceStep {
    /// Puts one together.
    #[must_use]
    pub fn new(step: &'static str, verdict: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { step: Cow::Borrowed(step), verdict: verdict.into(), detail: detail.into() }
    }
}

/// The rule that decided, as an activity row keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleRef {
    /// The alias's public id.
    pub id: Uuid,
    /// How its pattern is read.
    pub kind: Kind,
    /// The pattern with its domain: `shop-*@my.domain`.
    pub pattern: String,
}

impl RuleRef {
    /// Names `rule` of the domain `name`.
    #[must_use]
    pub fn of(rule: &Rule, name: &crate::mail::Domain) -> Self {
        let pattern = match rule.kind {
            Kind::Regex => format!("/{}/@{name}", rule.pattern),
            Kind::Address | Kind::Glob | Kind::CatchAll => format!("{}@{name}", rule.pattern),
        };
        Self { id: rule.uuid, kind: rule.kind, pattern }
    }
}
