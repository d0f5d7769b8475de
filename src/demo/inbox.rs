//! An SMTP server that keeps what it gets, and can be told to refuse, defer, hang, drop or talk garbage at each stage.
//!
//! It is the peer that checks what we send: it shares no code with our own SMTP, keeps the octets exactly as they came
//! (un-stuffed), counts connections, and notes every rule of RFC 5321 that the client broke. Dropping it stops it and
//! every conversation.

mod script;
mod session;
mod watch;
mod wire;
mod words;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

pub use script::{Behaviour, Rule, Stage};
use script::{Conversation, Script};

/// How long [`Inbox::wait_for`] waits at most.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The reverse-path between its angle brackets; empty for the null path.
    pub from: String,
    /// The recipients between their angle brackets.
    pub to: Vec<String>,
    /// The content exactly as it came, un-stuffed, up to the final dot.
    pub octets: Vec<u8>,
    /// Whether it came inside TLS.
    pub tls: bool,
    /// What the client called itself.
    pub helo: String,
    /// What stood behind the reverse-path: `SIZE=100 BODY=8BITMIME`.
    pub mail_params: String,
    /// What stood behind each recipient.
    pub rcpt_params: Vec<String>,
    /// Which connection it came by, from 1.
    pub connection: usize,
}

/// What EHLO offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extensions {
    /// PIPELINING.
    pub pipelining: bool,
    /// 8BITMIME.
    pub eight_bit_mime: bool,
    /// SMTPUTF8.
    pub smtp_utf8: bool,
    /// SIZE with this limit.
    pub size: Option<u64>,
    /// STARTTLS.
    pub starttls: StartTls,
    /// Further lines as they stand: `DSN`, `LIMITS RCPTMAX=3`.
    pub others: Vec<String>,
}

/// How STARTTLS is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartTls {
    /// Not at all.
    None,
    /// With a self-signed certificate.
    SelfSigned,
    /// Offered, and then the handshake fails.
    BrokenHandshake,
    /// Works, but these octets of plain text stand behind the 220 (response injection).
    Injecting(Vec<u8>),
}

impl Default for Extensions {
    /// What a good inbox offers: all but TLS.
    fn default() -> Self {
        Self {
            pipelining: true,
            eight_bit_mime: true,
            smtp_utf8: true,
            size: Some(50 << 20),
            starttls: StartTls::None,
            others: Vec::new(),
        }
    }
}

impl Extensions {
    /// None: a server as of 1982.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            pipelining: false,
            eight_bit_mime: false,
            smtp_utf8: false,
            size: None,
            starttls: StartTls::None,
            others: Vec::new(),
        }
    }
}

/// A running inbox.
#[derive(Debug)]
pub struct Inbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl Inbox {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts on `address`; port 0 takes one that is free.
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new()?);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What EHLO offers from now on.
    pub fn offer(&self, extensions: Extensions) {
        self.shared.state().extensions = extensions;
    }

    /// Adds a rule to the script; the first one that matches holds.
    pub fn script(&self, rule: Rule) {
        self.shared.state().script.add(rule);
    }

    /// Forgets the script: everything is taken again.
    pub fn behave(&self) {
        self.shared.state().script = Script::default();
    }

    /// What was taken so far, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Delivery> {
        self.shared.state().received.clone()
    }

    /// Waits until `count` messages were taken in all, at most [`MAX_WAIT`]; gives what is there then.
    pub async fn wait_for(&self, count: usize) -> Vec<Delivery> {
        self.wait_until(|state| state.received.len() >= count).await;
        self.received()
    }

    /// Waits until `count` connections were made in all, at most [`MAX_WAIT`]; gives how many there were then.
    pub async fn wait_for_connections(&self, count: usize) -> usize {
        self.wait_until(|state| state.connections >= count).await;
        self.connections()
    }

    /// Waits until nobody is connected, at most [`MAX_WAIT`]; whether that came about.
    pub async fn wait_until_left(&self) -> bool {
        self.wait_until(|state| state.open == 0).await
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// Connections at this moment.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.state().open
    }

    /// The most connections that there were at one time.
    #[must_use]
    pub fn most_connections(&self) -> usize {
        self.shared.state().most_open
    }

    /// Every command line so far, in order, with the connection's number.
    #[must_use]
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.shared.state().commands.clone()
    }

    /// What clients did that RFC 5321 and its extensions forbid; empty is how it should be.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    async fn wait_until(&self, reached: impl Fn(&State) -> bool) -> bool {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if reached(&self.shared.state()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(MAX_WAIT, waiting).await.is_ok()
    }
}

/// What all conversations share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
    acceptor: Acceptor,
}

#[derive(Debug, Default)]
struct State {
    extensions: Extensions,
    script: Script,
    received: Vec<Delivery>,
    commands: Vec<(usize, String)>,
    violations: Vec<String>,
    connections: usize,
    open: usize,
    most_open: usize,
}

struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Shared {
    fn new() -> io::Result<Self> {
        let acceptor = Acceptor(TlsAcceptor::from(Arc::new(self_signed()?)));
        Ok(Self { state: Mutex::default(), changed: Notify::new(), acceptor })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behaviour(&self, stage: Stage, conversation: &Conversation<'_>) -> Option<Behaviour> {
        self.state().script.at(stage, conversation)
    }

    fn keep(&self, delivery: Delivery) {
        self.state().received.push(delivery);
        self.changed.notify_waiters();
    }

    fn violation(&self, what: impl Into<String>) {
        self.state().violations.push(what.into());
    }

    fn arrive(&self) -> usize {
        let mut state = self.state();
        state.connections += 1;
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
        let number = state.connections;
        drop(state);
        self.changed.notify_waiters();
        number
    }

    fn leave(&self) {
        self.state().open -= 1;
        self.changed.notify_waiters();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut conversations = JoinSet::new();
    loop {
        while conversations.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { continue };
        let number = shared.arrive();
        let shared = Arc::clone(&shared);
        conversations.spawn(async move {
            let _ = session::run(stream, &shared, number).await;
            shared.leave();
        });
    }
}

fn self_signed() -> io::Result<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["inbox.example".to_owned()]).map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
