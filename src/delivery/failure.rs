//! Why a next hop could not be used: where, in whose words, and what it means for a recipient.

use std::time::Duration;

use super::Timeouts;
use crate::policy::verdict::{Fault, Outcome, Stage};
use crate::smtp::client::{CLOSING, Phase, Trouble};
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
    /// Who is to blame.
    pub(super) blame: Blame,
}

/// Who is to blame for a session that failed, the mildest first: of several failures the mildest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blame {
    /// We: our storage, our settings.
    Us,
    /// The site: it backs off.
    Site,
    /// The destination: it leads nowhere, and will not tomorrow.
    Destination,
}

impl Failure {
    /// The next hop said nothing that counts.
    pub(super) fn silent(stage: Stage, reason: impl Into<String>) -> Self {
        Self { stage, reply: None, reason: reason.into(), blame: Blame::Site }
    }

    /// The destination leads nowhere.
    pub(super) fn astray(stage: Stage, reply: Reply) -> Self {
        Self { stage, reason: reply.text().to_owned(), reply: Some(reply), blame: Blame::Destination }
    }

    /// It did not answer in time.
    pub(super) fn late(stage: Stage, limit: Duration) -> Self {
        Self::silent(stage, format!("{} within {} s", silence(stage), limit.as_secs_f32()))
    }

    /// Its own words where it spoke, else ours.
    pub(super) fn words(&self) -> String {
        self.reply.as_ref().map_or_else(|| self.reason.clone(), Reply::to_string)
    }

    /// What it means for a recipient: before our final dot it goes later, whatever was said; after it nobody knows.
    pub(super) fn outcome(&self) -> Outcome {
        let (stage, reason) = (self.stage, self.reason.clone());
        match (self.blame, self.reply.clone()) {
            (Blame::Destination, Some(reply)) => Outcome::Refused { stage, reply, fault: Fault::Mailbox },
            _ if stage == Stage::Dot => Outcome::Unknown { reason },
            (blame, reply) => {
                // What comes before RCPT speaks of the site, and 421 does at any stage.
                let closing = reply.as_ref().is_some_and(|reply| reply.code() == CLOSING);
                let of_site = blame == Blame::Site && (stage < Stage::Recipient || closing);
                Outcome::Deferred { stage, reply, reason, of_site }
            }
        }
    }
}

/// What did not come.
const fn silence(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve | Stage::Connect => "no answer",
        Stage::Greeting => "no greeting",
        Stage::Hello => "no answer to EHLO",
        Stage::Tls => "no end of the TLS handshake",
        Stage::SignIn => "no answer to AUTH",
        Stage::Mail => "no answer to MAIL",
        Stage::Recipient => "no answer to RCPT",
        Stage::Data => "no answer to DATA",
        Stage::Content => "no reading of the message",
        Stage::Dot => "no answer to the end of the message",
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let reason = match &trouble {
            Trouble::Refused { .. } => "the next hop refused the session".to_owned(),
            other => other.to_string(),
        };
        Self { stage: stage(trouble.phase()), reply: trouble.reply().cloned(), reason, blame: Blame::Site }
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
