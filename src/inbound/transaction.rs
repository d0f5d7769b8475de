//! One mail transaction: its sender, the recipients taken so far with their decisions, and the message that arrives.

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::body::Body;
use crate::mail::{Mailbox, Moment, ReversePath};
use crate::policy::admission::{Decision, Disposition};
use crate::policy::facts::SpfFacts;
use crate::smtp::command::MailCommand;

/// A transaction from MAIL to its answer.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: Uuid,
    pub(super) began_at: Moment,
    pub(super) mail: MailCommand,
    /// The recipients that were answered 250, as the client wrote them, each with its decision.
    pub(super) taken: Vec<(Mailbox, Decision)>,
    pub(super) body: Option<Body>,
    spf: Option<JoinHandle<SpfFacts>>,
}

/// Why a recipient cannot join those taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// Another policy or owner holds after DATA: to be sent separately.
    Separate,
    /// Mail to an SRS address of ours is never mixed with other recipients.
    Report,
}

impl Transaction {
    pub(super) const fn new(id: Uuid, began_at: Moment, mail: MailCommand) -> Self {
        Self { id, began_at, mail, taken: Vec::new(), body: None, spf: None }
    }

    pub(super) const fn from(&self) -> &ReversePath {
        &self.mail.from
    }

    /// SPF runs while recipients and content arrive.
    pub(super) fn spf_began(&mut self, spf: JoinHandle<SpfFacts>) {
        self.spf = Some(spf);
    }

    pub(super) const fn take_spf(&mut self) -> Option<JoinHandle<SpfFacts>> {
        self.spf.take()
    }

    /// Whether the same recipient was taken already: answered alike, and sent once.
    pub(super) fn has(&self, recipient: &Mailbox) -> bool {
        let key = recipient.key();
        self.taken.iter().any(|(taken, _)| taken.key() == key)
    }

    /// Whether `decision` may join, so that one DATA has one policy.
    pub(super) fn fits(&self, decision: &Decision) -> Result<(), Misfit> {
        let Some((_, first)) = self.taken.first() else { return Ok(()) };
        let is_report = |d: &Decision| matches!(d.disposition, Disposition::Report(_));
        if is_report(decision) || is_report(first) {
            return Err(Misfit::Report);
        }
        if first.after_data == decision.after_data { Ok(()) } else { Err(Misfit::Separate) }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(spf) = self.spf.take() {
            spf.abort();
        }
    }
}
