//! One mail transaction: its sender, the recipients taken so far with their decisions, and the message that arrives.

use uuid::Uuid;

use super::background::Background;
use super::body::Body;
use crate::facts::Pledge;
use crate::mail::trace_fields::Protocol;
use crate::mail::wishes::RecipientWishes;
use crate::mail::{Mailbox, Moment, ReversePath};
use crate::policy::admission::{Decision, Disposition};
use crate::policy::facts::SpfFacts;
use crate::policy::lists::Finding;
use crate::policy::settings::Enforcement;
use crate::smtp::command::MailCommand;

/// A transaction from MAIL to its answer.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: Uuid,
    pub(super) began_at: Moment,
    /// How it comes, as Received says.
    pub(super) protocol: Protocol,
    pub(super) mail: MailCommand,
    /// The recipients that were answered 250, as the client wrote them, each with its decision.
    pub(super) taken: Vec<(Mailbox, Decision)>,
    /// What is to be told of each of them, in the same order.
    pub(super) wishes: Vec<RecipientWishes>,
    /// What rules with a share have promised it.
    pub(super) pledges: Vec<Pledge>,
    pub(super) body: Option<Body>,
    /// What the header has DNS asked for, once it is whole and the message is not.
    pub(super) ahead: Option<Background<()>>,
    /// What DNS lists say of the sender, where any is asked.
    pub(super) listings: Option<Background<Vec<Finding>>>,
    /// Of MAIL FROM.
    pub(super) spf: Spf,
    /// Of the greeting name.
    pub(super) spf_of_greeting: Spf,
}

/// SPF, which runs while recipients and content arrive; `None` where it is not asked.
pub(super) type Spf = Background<Option<SpfFacts>>;

/// Why a recipient cannot join those taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// Another policy or owner holds after DATA: to be sent separately.
    Separate,
    /// Mail to an SRS address of ours is never mixed with other recipients.
    Report,
}

impl Transaction {
    pub(super) fn new((id, began_at): (Uuid, Moment), mail: MailCommand, protocol: Protocol) -> Self {
        Self {
            id,
            began_at,
            protocol,
            mail,
            taken: Vec::new(),
            wishes: Vec::new(),
            pledges: Vec::new(),
            body: None,
            ahead: None,
            listings: None,
            spf: Spf::default(),
            spf_of_greeting: Spf::default(),
        }
    }

    pub(super) const fn from(&self) -> &ReversePath {
        &self.mail.from
    }

    /// Adds a recipient.
    pub(super) fn take(&mut self, recipient: Mailbox, decision: Decision, wishes: RecipientWishes) {
        self.taken.push((recipient, decision));
        self.wishes.push(wishes);
    }

    /// Whether SPF of the greeting name is to be asked with this recipient, the first one: all agree in their policies. The
    /// null path has no SPF but that one anyhow.
    pub(super) fn wants_spf_of_greeting(&self, decision: &Decision) -> bool {
        self.taken.is_empty() && !self.from().is_null() && decision.after_data.spf != Enforcement::Off
    }

    /// SPF of the sender, waited for: who asks it bounds its time.
    pub(super) async fn spf_now(&mut self) -> Option<SpfFacts> {
        self.spf.known().await.clone()
    }

    /// Both of them, to be waited for.
    pub(super) fn take_spf(&mut self) -> (Spf, Spf) {
        (std::mem::take(&mut self.spf), std::mem::take(&mut self.spf_of_greeting))
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
