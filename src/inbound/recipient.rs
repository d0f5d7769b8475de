//! One RCPT, from the question to the decision: what the rules say, and what this client did lately.

use super::transaction::Transaction;
use super::{Tools, abuse};
use crate::mail::ForwardPath;
use crate::policy::admission::Decision;
use crate::policy::facts::ConnectFacts;
use crate::store::Result;

/// A recipient that a client names.
pub(super) struct Case<'a> {
    pub(super) tools: &'a Tools,
    pub(super) connect: &'a ConnectFacts,
    pub(super) transaction: &'a Transaction,
    pub(super) to: &'a ForwardPath,
}

impl Case<'_> {
    /// The decision. Whoever has asked for too many that do not exist is told nothing of any.
    pub(super) async fn decide(&self) -> Result<Decision> {
        let (facts, from) = (&self.tools.facts, self.transaction.from());
        if let Err(refusal) = abuse::before_recipient(self.tools, self.connect.peer) {
            self.tools.meter.limited.raise();
            return Ok(facts.turned_away((self.connect, from), self.to, *refusal));
        }
        let mut decision = facts.recipient(self.connect, from, self.to).await?;
        abuse::recipient(self.tools, (self.connect.peer, self.transaction.taken.len()), &mut decision);
        Ok(decision)
    }
}
