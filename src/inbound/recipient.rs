//! One RCPT, from the question to the decision: what the rules say, and what this client did lately.

use super::transaction::Transaction;
use super::{Tools, abuse};
use crate::mail::{ForwardPath, Mailbox};
use crate::policy::admission::reserved::is_role;
use crate::policy::admission::{self, Decision};
use crate::policy::facts::ConnectFacts;
use crate::policy::lists::Finding;
use crate::store::Result;

/// How a client began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manners {
    /// It waited for our greeting (RFC 5321 §4.3.1).
    Waited,
    /// It spoke before.
    Early,
}

/// A recipient that a client names.
pub(super) struct Case<'a> {
    pub(super) tools: &'a Tools,
    pub(super) connect: &'a ConnectFacts,
    pub(super) transaction: &'a mut Transaction,
    pub(super) to: &'a ForwardPath,
    pub(super) recipient: &'a Mailbox,
    /// Whether the client spoke before our greeting.
    pub(super) manners: Manners,
    /// What DNS lists say of client and sender.
    pub(super) listings: &'a [Finding],
}

impl Case<'_> {
    /// The decision. Whoever has asked for too many that do not exist is told nothing of any; to postmaster and abuse, who
    /// hear complaints, everybody may write, however it began.
    pub(super) async fn decide(self) -> Result<Decision> {
        let (facts, from) = (&self.tools.facts, self.transaction.from());
        if self.manners == Manners::Early && !is_role(self.recipient.local()) {
            return Ok(facts.turned_away((self.connect, from), self.to, admission::early_talker()));
        }
        if let Err(refusal) = abuse::before_recipient(self.tools, self.connect.peer) {
            self.tools.meter.limited.raise();
            return Ok(facts.turned_away((self.connect, from), self.to, *refusal));
        }
        let pledged = &mut self.transaction.pledges;
        let from = &self.transaction.mail.from;
        let mut decision = facts.recipient_at_door((self.connect, from), self.to, pledged).await?;
        if let Some(refusal) = admission::listed(&mut decision, self.recipient, self.listings) {
            self.tools.meter.listed.raise();
            decision.turn_away(refusal);
        }
        abuse::recipient(self.tools, (self.connect.peer, self.transaction.taken.len()), &mut decision);
        abuse::catch_all(self.tools, self.connect.peer, self.recipient, &mut decision);
        abuse::greylist(self.tools, self.connect.peer, (self.transaction, self.recipient), &mut decision).await;
        Ok(decision)
    }
}
