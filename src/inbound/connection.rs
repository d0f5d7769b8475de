//! One connection: moves octets between its socket and the session, and brings the session's questions to the house.
//!
//! The session asks one question at a time and reads no further line before its answer, so this loop needs no flags. Whom a
//! question is put to stands in [`questions`].

mod questions;

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::WaitForCancellationFutureOwned;
use uuid::Uuid;

use super::abuse::manners;
use super::background::Background;
use super::client::Client;
use super::patience::Patience;
use super::recipient::Manners;
use super::transaction::Transaction;
use super::{Settings, Tools, replies};
use crate::policy::facts::ConnectFacts;
use crate::policy::lists::Finding;
use crate::smtp::limits::{HANDSHAKE_TIMEOUT, TRANSACTION_TIMEOUT, WRITE_TIMEOUT};
use crate::smtp::server::{Session, Step};

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
        self.manners = manners::watch(&self.tools, &stream, self.connect.peer).await;
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
        self.bound();
        self.look_ahead().await;
        let octets = if self.transaction.is_some() { CONTENT_READ_OCTETS } else { COMMAND_READ_OCTETS };
        self.input.reserve(octets);
        let now = self.tools.clock.instant();
        let since = if self.session.is_receiving() { now } else { self.answered_at };
        let until = self.due(since).min(now + self.patience().at_a_time);
        tokio::select! {
            biased;
            read = timeout_at(until, stream.read_buf(&mut self.input)) => match read {
                Ok(read) => return self.heard(read, stream).await,
                // Its time is not up, or nobody needs its place.
                Err(_) if self.due(since) > self.tools.clock.instant() => {}
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

    fn patience(&self) -> Patience {
        Patience::with(&self.session, &self.tools, &self.settings)
    }

    /// When the time of a client is up that was heard, or answered, at `since`.
    fn due(&self, since: Instant) -> Instant {
        let due = since + self.patience().in_all;
        self.deadline.map_or(due, |deadline| due.min(deadline))
    }

    /// A transaction has a time to end in, and so has a refused chunk that is still coming.
    fn bound(&mut self) {
        if self.transaction.is_none() && !self.session.is_receiving() {
            self.deadline = None;
        } else if self.deadline.is_none() {
            self.deadline = Some(self.tools.clock.instant() + TRANSACTION_TIMEOUT);
        }
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
}
