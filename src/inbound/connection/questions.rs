//! Brings the session's questions to the house: the sender, each recipient, the content, and what becomes of the message.
//!
//! What a question needs lives in `facts` and in [`crate::inbound::accept`]; here is only who is asked, and in which order.

use std::io;

use super::Connection;
use crate::inbound::background::Background;
use crate::inbound::body::Body;
use crate::inbound::handover::Leaving;
use crate::inbound::recipient::Case;
use crate::inbound::rows::Unfinished;
use crate::inbound::transaction::{Misfit, Spf, Transaction};
use crate::inbound::{Settings, Tools, abuse, accept, ahead, names, quota, replies, rows};
use crate::mail::trace_fields::Protocol;
use crate::mail::{ForwardPath, Host, LocalPart, Mailbox, ReversePath};
use crate::policy::admission::{Decision, Disposition};
use crate::policy::limits::network_of;
use crate::policy::lists::Finding;
use crate::policy::replies::recipient_ok;
use crate::smtp::command::{MailCommand, RcptCommand};
use crate::smtp::limits::TRANSACTION_TIMEOUT;
use crate::smtp::reply::{Enhanced, Reply};
use crate::smtp::server::Question;
use crate::store::activity::Row;

impl Connection {
    pub(super) async fn ask(&mut self, question: Question, leaving: Leaving<'_>) -> Reply {
        match question {
            Question::Sender(mail) => self.sender(mail).await,
            Question::Oversize(mail, reply) => self.refuse_size(&mail, reply).await,
            Question::Recipient(rcpt) => self.recipient(&rcpt).await,
            Question::Content => self.begin_content(),
            Question::Message { .. } => self.message(leaving).await,
            Question::Refusal(reply) => self.refuse_message(reply).await,
        }
    }

    async fn sender(&mut self, mail: MailCommand) -> Reply {
        if !self.tools.space.has_room_for(mail.size.unwrap_or(0), self.tools.clock.instant()) {
            return replies::no_room();
        }
        if !self.tools.is_well().await {
            return replies::unwell();
        }
        self.note_greeting();
        let now = self.tools.clock.now();
        let protocol = Protocol {
            extended: self.session.helo().is_some_and(|helo| helo.extended),
            tls: self.connect.tls.is_some(),
            international: mail.international,
        };
        let mut transaction = Box::new(Transaction::new((self.tools.chance.id(now), now), mail, protocol));
        self.begin_spf(&mut transaction).await;
        self.begin_listings().await;
        transaction.listings = self.begin_listings_of(transaction.from()).await;
        self.deadline = Some(self.tools.clock.instant() + TRANSACTION_TIMEOUT);
        self.transaction = Some(transaction);
        Reply::new(250, 1, 0, "Sender ok")
    }

    /// What the client calls itself by now; what DNS calls it is asked meanwhile.
    fn note_greeting(&mut self) {
        names::ask(&self.tools, self.connect.peer);
        if let Some(helo) = self.session.helo()
            && self.connect.helo != helo.name
        {
            self.connect.helo.clone_from(&helo.name);
        }
    }

    /// Lists are asked about the client from the first moment on, unless they are asked already.
    pub(super) async fn begin_listings(&mut self) {
        if self.listings.is_some() || self.tools.facts.instance.load().abuse.dns_lists.is_empty() {
            return;
        }
        let (facts, peer) = (self.tools.facts.clone(), self.connect.peer);
        self.listings = Some(Background::begin(async move { facts.listings_of(peer).await }).await);
    }

    async fn begin_listings_of(&self, from: &ReversePath) -> Option<Background<Vec<Finding>>> {
        if from.is_null() || self.tools.facts.instance.load().abuse.dns_lists.is_empty() {
            return None;
        }
        let (facts, from) = (self.tools.facts.clone(), from.clone());
        Some(Background::begin(async move { facts.listings_of_sender(&from).await }).await)
    }

    /// SPF is asked while recipients and content arrive. That of MAIL FROM is always needed: whether the sender may be told
    /// of a failure hangs on it.
    async fn begin_spf(&self, transaction: &mut Transaction) {
        let (facts, peer) = (self.tools.facts.clone(), self.connect.peer);
        let (helo, from) = (self.connect.helo.clone(), transaction.from().clone());
        transaction.spf = Spf::begin(async move { Some(facts.spf(peer, &helo, &from).await) }).await;
    }

    async fn recipient(&mut self, rcpt: &RcptCommand) -> Reply {
        let Some(transaction) = self.transaction.as_deref_mut() else { return replies::unwell() };
        let recipient = named(&rcpt.to, &self.settings);
        if transaction.has(&recipient) {
            return recipient_ok();
        }
        let promised = transaction.pledges.len();
        let listings = findings(self.listings.as_mut(), transaction.listings.as_mut()).await;
        let case = Case {
            tools: &self.tools,
            connect: &self.connect,
            transaction: &mut *transaction,
            to: &rcpt.to,
            recipient: &recipient,
            manners: self.manners,
            listings: &listings,
        };
        let decision = match case.decide().await {
            Ok(decision) => decision,
            Err(error) => {
                transaction.pledges.truncate(promised);
                self.tools.storage_failed("deciding on a recipient", &error);
                return replies::unwell();
            }
        };
        match verdict(transaction, &recipient, &decision, &self.tools).await {
            Ok(()) => {
                abuse::taken(&self.tools, (self.connect.peer, transaction.taken.len()), &decision);
                if transaction.wants_spf_of_greeting(&decision) {
                    let (facts, peer, helo) = (self.tools.facts.clone(), self.connect.peer, self.connect.helo.clone());
                    let asking = async move { Some(facts.auth.spf_helo(peer, &helo).await) };
                    transaction.spf_of_greeting = Spf::begin(asking).await;
                }
                transaction.take(recipient, decision, rcpt.wishes.clone());
                recipient_ok()
            }
            Err(reply) => {
                transaction.pledges.truncate(promised);
                self.refuse(recipient, decision, reply).await
            }
        }
    }

    async fn refuse(&self, recipient: Mailbox, decision: Decision, reply: Reply) -> Reply {
        let Some(transaction) = self.transaction.as_deref() else { return reply };
        let row = rows::refused_at_rcpt(&self.tools, &self.connect, transaction, (recipient, decision, &reply));
        tracing::info!(id = %row.id, peer = %self.connect.peer, recipient = %row.recipient, %reply, "recipient refused");
        self.write_down(row, reply).await
    }

    /// The message is announced with more octets than are taken, before anybody is named whom it is for.
    async fn refuse_size(&mut self, mail: &MailCommand, reply: Reply) -> Reply {
        if !self.tools.is_well().await {
            return replies::unwell();
        }
        self.note_greeting();
        let most = self.settings.session.max_message_bytes;
        let row = rows::oversize(&self.tools, &self.connect, (mail, most, &reply));
        tracing::info!(id = %row.id, peer = %self.connect.peer, %reply, "sender refused");
        self.write_down(row, reply).await
    }

    /// A refusal is written down before the client hears of it.
    async fn write_down(&self, row: Row, reply: Reply) -> Reply {
        match self.tools.store.activity.record(vec![row]).await {
            Ok(()) => {
                abuse::hold_back(&self.tools, self.connect.peer).await;
                reply
            }
            Err(error) => {
                self.tools.storage_failed("writing down a refusal", &error);
                replies::unwell()
            }
        }
    }

    fn begin_content(&mut self) -> Reply {
        let Some(transaction) = self.transaction.as_deref_mut() else { return replies::unwell() };
        let host = self.settings.session.hostname.clone();
        let (spool, memory) = (self.tools.store.spool.clone(), &self.tools.memory);
        transaction.body = Some(Body::new(spool, (memory, network_of(self.connect.peer)), transaction.id, host));
        Reply::plain(354, "End data with <CR><LF>.<CR><LF>")
    }

    pub(super) async fn content(&mut self) {
        let octets = self.session.take_content();
        let Some(body) = self.transaction.as_deref_mut().and_then(|transaction| transaction.body.as_mut()) else {
            return;
        };
        let is_room = !body.is_on_disk() || self.tools.space.has_room_for(0, self.tools.clock.instant());
        let pushed = if is_room { body.push(octets).await } else { Err(io::ErrorKind::StorageFull.into()) };
        let Err(error) = pushed else { return };
        tracing::info!(%error, "a message cannot be spooled");
        let is_full = error.kind() == io::ErrorKind::StorageFull;
        self.session.refuse_content(if is_full { replies::no_room() } else { replies::unwell() });
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.body = None;
        }
    }

    /// While more is waited for, DNS is asked for what the header of a message will need.
    pub(super) async fn look_ahead(&mut self) {
        if let Some(transaction) = self.transaction.as_deref_mut() {
            ahead::look(&self.tools, transaction).await;
        }
    }

    /// The message is malformed, too large, or could not be kept: that is written down before the client hears of it.
    async fn refuse_message(&mut self, reply: Reply) -> Reply {
        let Some(transaction) = self.transaction.take() else { return reply };
        let is_too_big = (reply.code(), reply.enhanced()) == (552, Some(Enhanced { subject: 3, detail: 4 }));
        let most = self.settings.session.max_message_bytes;
        let end = if is_too_big { Unfinished::TooBig(&reply, most) } else { Unfinished::Refused(&reply) };
        let rows = rows::unfinished(&self.tools, &self.connect, &transaction, end);
        match self.tools.store.activity.record(rows).await {
            Ok(()) => reply,
            Err(error) => {
                self.tools.storage_failed("writing down a message that was refused", &error);
                replies::unwell()
            }
        }
    }

    async fn message(&mut self, leaving: Leaving<'_>) -> Reply {
        let Some(transaction) = self.transaction.take() else { return replies::unwell() };
        let id = transaction.id;
        let reply = Box::pin(accept::message(&self.tools, &self.connect, *transaction, leaving)).await;
        if reply.is_positive() {
            self.unheard.push(id);
            self.tools.meter.accepted.raise();
            abuse::manners::remember(&self.tools, self.connect.peer, self.manners);
        } else {
            self.tools.meter.turned_away.raise();
        }
        reply
    }

    /// The transaction ended before the end of its message.
    pub(super) async fn abandon(&mut self, reason: &'static str) {
        let Some(transaction) = self.transaction.take() else { return };
        let rows = rows::unfinished(&self.tools, &self.connect, &transaction, Unfinished::Abandoned(reason));
        if rows.is_empty() {
            return;
        }
        abuse::given_back(&self.tools, self.connect.peer, &transaction.taken);
        if let Err(error) = self.tools.store.activity.record(rows).await {
            self.tools.storage_failed("writing down an abandoned transaction", &error);
        }
    }
}

/// The recipient as a mailbox: bare postmaster is ours.
fn named(to: &ForwardPath, settings: &Settings) -> Mailbox {
    match to {
        ForwardPath::Mailbox(mailbox) => mailbox.clone(),
        ForwardPath::Postmaster => {
            let local = LocalPart::from_plain("postmaster").expect("postmaster is a local part");
            Mailbox::new(local, Host::Name(settings.session.hostname.clone()))
        }
    }
}

/// What all lists say, once they have.
async fn findings(
    client: Option<&mut Background<Vec<Finding>>>,
    sender: Option<&mut Background<Vec<Finding>>>,
) -> Vec<Finding> {
    let mut all = Vec::new();
    for background in client.into_iter().chain(sender) {
        all.extend_from_slice(background.known().await);
    }
    all
}

/// Whether the recipient is taken; else the reply that refuses it.
async fn verdict(
    transaction: &Transaction,
    recipient: &Mailbox,
    decision: &Decision,
    tools: &Tools,
) -> Result<(), Reply> {
    match &decision.disposition {
        Disposition::Reject(reply) | Disposition::Defer(reply) => return Err(reply.clone()),
        Disposition::Report(_) if !tools.facts.count_report(recipient) => return Err(replies::too_many_reports()),
        _ => {}
    }
    transaction.fits(decision).map_err(|misfit| match misfit {
        Misfit::Separate => replies::send_separately(),
        Misfit::Report => replies::report_apart(),
    })?;
    if quota::may_join(tools, transaction, decision).await { Ok(()) } else { Err(replies::send_separately()) }
}
