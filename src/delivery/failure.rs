//! Why a next hop could not be used: where, in whose words, and what it means for a recipient.

use std::time::Duration;

use super::Timeouts;
use crate::policy::verdict::{Outcome, Stage};
use crate::smtp::client::{Phase, Trouble};
use crate::smtp::reply::Reply;

/// What stopped a session.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// Where.
    pub(super) stage: Stage,
    /// What the next hop said, where it spoke.
    pub(super) reply: Option<Reply>,
    /// In our words.
    pub(super) reason: String,
}

impl Failure {
    /// The next hop said nothing that counts.
    pub(super) fn silent(stage: Stage, reason: impl Into<String>) -> Self {
        Self { stage, reply: None, reason: reason.into() }
    }

    /// It did not answer in time.
    pub(super) fn late(stage: Stage, limit: Duration) -> Self {
        Self::silent(stage, format!("no answer within {} s", limit.as_secs_f32()))
    }

    /// Its own words where it spoke, else ours.
    pub(super) fn words(&self) -> String {
        self.reply.as_ref().map_or_else(|| self.reason.clone(), Reply::to_string)
    }

    /// What it means for a recipient: before our final dot it goes later, whatever was said; after it nobody knows.
    pub(super) fn outcome(&self) -> Outcome {
        if self.stage == Stage::Dot {
            return Outcome::Unknown { reason: self.reason.clone() };
        }
        Outcome::Deferred {
            stage: self.stage,
            reply: self.reply.clone(),
            reason: self.reason.clone(),
            of_site: true,
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let reason = match &trouble {
            Trouble::Refused { .. } => "the next hop refused the session".to_owned(),
            other => other.to_string(),
        };
        Self { stage: stage(trouble.phase()), reply: trouble.reply().cloned(), reason }
    }
}

/// The stage that the table of verdicts knows.
pub(super) const fn stage(phase: Phase) -> Stage {
    match phase {
        Phase::Greeting => Stage::Greeting,
        Phase::Hello => Stage::Hello,
        Phase::StartTls => Stage::Tls,
        Phase::SignIn => Stage::SignIn,
        Phase::Mail => Stage::Mail,
        Phase::Recipient => Stage::Recipient,
        Phase::Data => Stage::Data,
        Phase::Content => Stage::Content,
        Phase::Dot => Stage::Dot,
    }
}

/// How long the next hop has for what is waited for.
pub(super) const fn patience(phase: Phase, timeouts: &Timeouts) -> Duration {
    match phase {
        Phase::Greeting | Phase::Hello | Phase::StartTls | Phase::SignIn | Phase::Mail | Phase::Recipient => {
            timeouts.command
        }
        Phase::Data => timeouts.data,
        Phase::Content => timeouts.block,
        Phase::Dot => timeouts.dot,
    }
}
