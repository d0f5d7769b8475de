//! One connection: moves octets between its socket and the session, and brings the session's questions to the house.
//!
//! The session asks one question at a time and reads no further line before its answer, so this loop needs no flags. What
//! a question needs lives in `facts` and in [`super::accept`]; here is only who is asked, and in which order.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::BytesMut;
use rustix::net::RecvFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::WaitForCancellationFutureOwned;
use uuid::Uuid;

use super::background::Background;
use super::body::Body;
use super::client::Client;
use super::handover::Leaving;
use super::recipient::{Case, Manners};
use super::rows::Unfinished;
use super::transaction::{Misfit, Spf, Transaction};
use super::{Settings, Tools, abuse, accept, quota, replies, rows};
use crate::mail::trace_fields::Protocol;
use crate::mail::{ForwardPath, Host, LocalPart, Mailbox, ReversePath};
use crate::policy::admission::{Decision, Disposition};
use crate::policy::facts::ConnectFacts;
use crate::policy::limits::network_of;
use crate::policy::lists::Finding;
use crate::policy::replies::recipient_ok;
use crate::smtp::command::{MailCommand, RcptCommand};
use crate::smtp::limits::{HANDSHAKE_TIMEOUT, TRANSACTION_TIMEOUT, WRITE_TIMEOUT};
use crate::smtp::reply::Reply;
use crate::smtp::server::{Question, Session, Step};

/// Octets read at a time while commands come.
const COMMAND_READ_OCTETS: usize = 1024;
/// Octets read at a time while a message comes.
const CONTENT_READ_OCTETS: usize = 32 * 1024;

/// Why a conversation ended.
enum End {
    Closed,
    StartTls,
}

/// Serves one connection until it ends.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, tools: Arc<Tools>) {
    let settings = tools.settings.load_full();
    let _ = stream.set_nodelay(true);
    let connection = Connection {
        session: Session::new(settings.session.clone()),
        stopped: Box::pin(tools.stop.clone().cancelled_owned()),
        input: BytesMut::new(),
        connect: ConnectFacts { peer: peer.ip(), helo: String::new(), tls: None },
        transaction: None,
        manners: Manners::Waited,
        listings: None,
        unheard: Vec::new(),
        deadline: None,
        hung_up: None,
        answered_at: tools.clock.instant(),
        settings,
        tools,
    };
    if let Err(error) = connection.run(stream).await {
        tracing::debug!(peer = %peer.ip(), %error, "an SMTP connection ended early");
    }
}

struct Connection {
    session: Session,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    input: BytesMut,
    connect: ConnectFacts,
    transaction: Option<Box<Transaction>>,
    manners: Manners,
    /// What DNS lists say of the client, where any is asked.
    listings: Option<Background<Vec<Finding>>>,
    /// Messages answered 250 since the client last said anything.
    unheard: Vec<Uuid>,
    deadline: Option<Instant>,
    /// Why we ended the session, if we did.
    hung_up: Option<&'static str>,
    /// When the client was last answered: a command that dribbles in has no more time than one that comes whole.
    answered_at: Instant,
    settings: Arc<Settings>,
    tools: Arc<Tools>,
}

impl Connection {
    async fn run(mut self, mut stream: TcpStream) -> io::Result<()> {
        self.begin_listings().await;
        self.look_at_manners(&stream);
        let ended = match self.converse(&mut stream).await {
            Ok(End::StartTls) => Box::pin(self.run_inside_tls(stream)).await,
            Ok(End::Closed) => Ok(()),
            Err(error) => Err(error),
        };
        self.abandon("The client left before the end of its message").await;
        self.note_unheard().await;
        if self.session.is_foreign() {
            self.tools.meter.foreign.raise();
            tracing::info!(peer = %self.connect.peer, "hung up on a client that does not speak SMTP");
        }
        ended
    }

    /// What the client says before it can have read our greeting is there already; to wait for more would cost honest
    /// clients time.
    fn look_at_manners(&mut self, stream: &TcpStream) {
        let mut octet = [0];
        let seen = rustix::net::recv(stream, octet.as_mut_slice(), RecvFlags::PEEK | RecvFlags::DONTWAIT);
        if seen.is_ok_and(|(octets, _)| octets > 0) {
            self.manners = Manners::Early;
            self.tools.meter.early_talkers.raise();
            tracing::info!(peer = %self.connect.peer, "the client spoke before the greeting");
        }
    }

    async fn run_inside_tls(&mut self, stream: TcpStream) -> io::Result<()> {
        let acceptor = TlsAcceptor::from(self.tools.certificates.smtp_config());
        let shaken = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
        let mut tls = shaken.map_err(|_| io::ErrorKind::TimedOut)??;
        self.connect.tls = Some(crate::net::tls::facts(tls.get_ref().1));
        self.session.tls_started();
        self.converse(&mut tls).await.map(|_| ())
    }

    async fn converse(&mut self, stream: &mut impl Client) -> io::Result<End> {
        loop {
            let step = self.session.advance(&mut self.input);
            if self.transaction.is_some() && !self.session.in_transaction() {
                self.abandon(self.hung_up.unwrap_or(match step {
                    Step::Close => "The session ended before the end of the message",
                    _ => "The client withdrew its message before the end",
                }))
                .await;
            }
            match step {
                Step::Read => {
                    self.flush(stream).await?;
                    if !self.fill(stream).await? {
                        return Ok(End::Closed);
                    }
                }
                Step::Ask(question) => {
                    let mut input = std::mem::take(&mut self.input);
                    let leaving = async {
                        // Who has said more already, be it QUIT and nothing after it, is there to hear the answers.
                        if !input.is_empty() {
                            std::future::pending::<()>().await;
                        }
                        stream.left(&mut input).await;
                    };
                    let reply = self.ask(question, pin!(leaving)).await;
                    self.input = input;
                    self.session.answer(&reply);
                }
                Step::Content => self.content().await,
                Step::StartTls => {
                    self.flush(stream).await?;
                    self.input.clear();
                    return Ok(End::StartTls);
                }
                Step::Close => {
                    let end = timeout(WRITE_TIMEOUT, stream.end(self.session.output()));
                    end.await.map_err(|_| io::ErrorKind::TimedOut)??;
                    self.unheard.clear();
                    return Ok(End::Closed);
                }
            }
        }
    }

    async fn flush(&mut self, stream: &mut impl Client) -> io::Result<()> {
        let output = self.session.output();
        if output.is_empty() {
            return Ok(());
        }
        let write = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        timeout(WRITE_TIMEOUT, write).await.map_err(|_| io::ErrorKind::TimedOut)??;
        output.clear();
        self.answered_at = self.tools.clock.instant();
        Ok(())
    }

    /// Reads more octets; false when the client has left. A client that waits too long, and a gateway that stops, end the
    /// session with 421.
    async fn fill(&mut self, stream: &mut impl Client) -> io::Result<bool> {
        let octets = if self.transaction.is_some() { CONTENT_READ_OCTETS } else { COMMAND_READ_OCTETS };
        self.input.reserve(octets);
        let since = if self.session.is_receiving() { self.tools.clock.instant() } else { self.answered_at };
        let mut until = since + self.session.timeout();
        if let Some(deadline) = self.deadline {
            until = until.min(deadline);
        }
        tokio::select! {
            biased;
            read = timeout_at(until, stream.read_buf(&mut self.input)) => match read {
                Ok(read) => return self.heard(read, stream).await,
                Err(_) => {
                    self.note_unheard().await;
                    self.hung_up = Some("The client took too long with its message");
                    self.session.stop(&replies::too_slow());
                }
            },
            () = &mut self.stopped => {
                self.hung_up = Some("The gateway stopped before the end of the message");
                self.session.stop(&replies::stopping());
            }
        }
        Ok(true)
    }

    /// Who goes on, or closes in order, has heard its answers; what is left unheard is noted when the connection ends.
    async fn heard(&mut self, read: io::Result<usize>, stream: &impl Client) -> io::Result<bool> {
        let has_left = match &read {
            Ok(octets) => *octets == 0,
            // TLS without its last word, which many clients spare themselves.
            Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
        };
        let is_heard = !self.unheard.is_empty() && if has_left { !stream.was_unheard().await } else { read.is_ok() };
        if is_heard {
            self.unheard.clear();
        }
        Ok(read? > 0)
    }

    /// The connection broke, or fell silent, before the client showed that it had its answer.
    async fn note_unheard(&mut self) {
        let unheard = std::mem::take(&mut self.unheard);
        if !unheard.is_empty() {
            tracing::info!(peer = %self.connect.peer, messages = unheard.len(), "a client may not have had its answer");
            self.tools.unheard(&unheard).await;
        }
    }

    async fn ask(&mut self, question: Question, leaving: Leaving<'_>) -> Reply {
        match question {
            Question::Sender(mail) => self.sender(mail).await,
            Question::Recipient(rcpt) => self.recipient(&rcpt).await,
            Question::Content => self.begin_content(),
            Question::Message { .. } => self.message(leaving).await,
        }
    }

    async fn sender(&mut self, mail: MailCommand) -> Reply {
        if !self.tools.space.has_room_for(mail.size.unwrap_or(0), self.tools.clock.instant()) {
            return replies::no_room();
        }
        if !self.tools.is_well().await {
            return replies::unwell();
        }
        if let Some(helo) = self.session.helo()
            && self.connect.helo != helo.name
        {
            self.connect.helo.clone_from(&helo.name);
        }
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

    /// Lists are asked about the client from the first moment on, unless they are asked already.
    async fn begin_listings(&mut self) {
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
            Err(reply) => self.refuse(recipient, decision, reply).await,
        }
    }

    /// A refusal is written down before the client hears of it.
    async fn refuse(&self, recipient: Mailbox, decision: Decision, reply: Reply) -> Reply {
        let Some(transaction) = self.transaction.as_deref() else { return reply };
        let row = rows::refused_at_rcpt(&self.tools, &self.connect, transaction, (recipient, decision, &reply));
        tracing::info!(id = %row.id, peer = %self.connect.peer, recipient = %row.recipient, %reply, "recipient refused");
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

    async fn content(&mut self) {
        let octets = self.session.take_content();
        let Some(body) = self.transaction.as_deref_mut().and_then(|transaction| transaction.body.as_mut()) else {
            return;
        };
        let is_room = !body.is_on_disk() || self.tools.space.has_room_for(0, self.tools.clock.instant());
        let pushed = if is_room { body.push(octets).await } else { Err(io::ErrorKind::StorageFull.into()) };
        let Err(error) = pushed else { return };
        tracing::info!(%error, "a message cannot be spooled");
        if let Some(transaction) = self.transaction.as_deref_mut() {
            transaction.body = None;
            transaction.is_out_of_room = error.kind() == io::ErrorKind::StorageFull;
        }
    }

    async fn message(&mut self, leaving: Leaving<'_>) -> Reply {
        self.deadline = None;
        let Some(transaction) = self.transaction.take() else { return replies::unwell() };
        let id = transaction.id;
        let reply = Box::pin(accept::message(&self.tools, &self.connect, *transaction, leaving)).await;
        if reply.is_positive() {
            self.unheard.push(id);
            self.tools.meter.accepted.raise();
        } else {
            self.tools.meter.turned_away.raise();
        }
        reply
    }

    /// The transaction ended before the end of its message; or the session refused the message as malformed.
    async fn abandon(&mut self, reason: &'static str) {
        self.deadline = None;
        let Some(transaction) = self.transaction.take() else { return };
        let refusal = self.session.take_refusal();
        let end = refusal.as_ref().map_or(Unfinished::Abandoned(reason), Unfinished::Refused);
        let rows = rows::unfinished(&self.tools, &self.connect, &transaction, end);
        if rows.is_empty() {
            return;
        }
        if refusal.is_none() {
            abuse::given_back(&self.tools, self.connect.peer, &transaction.taken);
        }
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
