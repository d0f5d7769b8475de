//! One connection to a next hop, open for mail: its stream, its buffers, and what the hop offers.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use super::failure::Failure;
use crate::mail::Host;
use crate::policy::facts::TlsFacts;
use crate::policy::verdict::Stage;
use crate::smtp::client::Capabilities;

/// Octets read at a time; replies are short.
const READ_OCTETS: usize = 2048;
/// Octets of output that an idle connection keeps room for.
const KEPT_OUTPUT_OCTETS: usize = 16 * 1024;
const CLOSED: &str = "the next hop closed the connection";

/// The octet stream below.
#[derive(Debug)]
pub(super) enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// The MX host.
    pub(super) host: Host,
    /// Its address.
    pub(super) ip: IpAddr,
    /// TLS of the leg.
    pub(super) tls: Option<TlsFacts>,
    /// What the log should say of how it came about.
    pub(super) note: Option<String>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    /// What came and is not yet understood.
    pub(super) input: BytesMut,
    /// What is to be written.
    pub(super) out: Vec<u8>,
    /// Who is at the other end.
    pub(super) peer: Peer,
    /// What it offers.
    pub(super) offered: Arc<Capabilities>,
    /// Transactions over it.
    pub(super) transactions: usize,
    /// The transaction before was given up half-way.
    pub(super) reset_first: bool,
    /// The next hop said that it closes.
    pub(super) is_closing: bool,
    /// Octets of `input` after the last read, and until when the reply that they belong to has time.
    unread: usize,
    reply_until: Option<Instant>,
}

impl Connection {
    /// A connection that has not been greeted yet.
    pub(super) fn new(stream: TcpStream, peer: Peer) -> Self {
        Self::over(Stream::Plain(stream), peer)
    }

    /// The same connection once TLS was started: nothing that was read before counts.
    pub(super) fn inside_tls(stream: Stream, peer: Peer) -> Self {
        Self::over(stream, peer)
    }

    fn over(stream: Stream, peer: Peer) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            out: Vec::new(),
            peer,
            offered: Arc::default(),
            transactions: 0,
            unread: 0,
            reply_until: None,
            reset_first: false,
            is_closing: false,
        }
    }

    /// Gives the plain stream away for a handshake.
    pub(super) fn into_plain(self) -> Option<(TcpStream, Peer)> {
        match self.stream {
            Stream::Plain(stream) => Some((stream, self.peer)),
            Stream::Tls(_) => None,
        }
    }

    /// Writes all output.
    pub(super) async fn flush(&mut self, stage: Stage, limit: Duration) -> Result<(), Failure> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = within(limit, stage, self.stream.write(&self.out)).await;
        self.out.clear();
        written
    }

    /// Waits for more input. A reply that dribbles in has no more time than one that comes whole.
    pub(super) async fn fill(&mut self, stage: Stage, limit: Duration, now: Instant) -> Result<(), Failure> {
        let goes_on = self.unread > 0 && self.input.len() == self.unread;
        let until = self.reply_until.filter(|_| goes_on).unwrap_or(now + limit);
        self.reply_until = Some(until);
        self.input.reserve(READ_OCTETS);
        let read = timeout_at(until, self.stream.read(&mut self.input)).await;
        self.unread = self.input.len();
        match read {
            Ok(Ok(0)) => Err(Failure::silent(stage, CLOSED)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure::silent(stage, in_words(&error))),
            Err(_) => Err(Failure::late(stage, limit)),
        }
    }

    /// Takes what the next hop has said while a message is on its way to it, without waiting. A refusal may come that early;
    /// an answer that claims the message would lose it.
    pub(super) fn listen(&mut self) -> Result<(), Failure> {
        self.input.reserve(READ_OCTETS);
        match (self.stream.read(&mut self.input).now_or_never(), self.input.first()) {
            (Some(Ok(0)), None) => Err(Failure::silent(Stage::Content, CLOSED)),
            (Some(Err(error)), _) => Err(Failure::silent(Stage::Content, in_words(&error))),
            (_, None | Some(b'4' | b'5')) => Ok(()),
            _ => Err(Failure::silent(Stage::Content, "the next hop answered before the message had ended")),
        }
    }

    /// Whether the next hop takes no further transaction over it (LIMITS MAILMAX, RFC 9422).
    pub(super) fn is_used_up(&self) -> bool {
        self.offered.max_transactions.is_some_and(|most| self.transactions >= most)
    }

    /// Whether a connection that lay idle can still be used: one that was closed, or that speaks unasked (421), cannot.
    pub(super) fn is_quiet(&self) -> bool {
        let tcp = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        self.input.is_empty() && tcp.peek(&mut [0]).now_or_never().is_none()
    }

    /// Gives back memory that an idle connection does not need.
    pub(super) fn rest(&mut self) {
        self.out.clear();
        self.out.shrink_to(KEPT_OUTPUT_OCTETS);
    }

    /// Takes leave without waiting for the answer (CONFORMANCE 46).
    pub(super) fn quit(mut self) {
        // What the socket does not take at once is not worth waiting for.
        let _ = self.stream.write(b"QUIT\r\n").now_or_never();
    }
}

impl Stream {
    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(octets).await,
            Self::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
        }
    }

    async fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(input).await,
            Self::Tls(stream) => stream.read_buf(input).await,
        }
    }
}

/// Runs one step of I/O within its time.
pub(super) async fn within<T>(
    limit: Duration,
    stage: Stage,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Failure::silent(stage, in_words(&error))),
        Err(_) => Err(Failure::late(stage, limit)),
    }
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the next hop broke the connection".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no address or no port left to call from".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no way to this address".to_owned(),
        _ => error.to_string(),
    }
}
