//! An SMTP server that keeps what it gets, and can be told to refuse, defer, hang, drop or talk garbage at each stage.
//!
//! It is the peer that checks what we send: it shares no code with our own SMTP, keeps the octets exactly as they came
//! (un-stuffed), counts connections, and notes every rule of RFC 5321 that the client broke. Dropping it stops it and
//! every conversation.

mod chunks;
mod extensions;
mod script;
mod session;
mod shared;
mod sign_in;
mod watch;
mod wire;
mod words;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use extensions::{Extensions, StartTls};
use script::Script;
pub use script::{Behaviour, Rule, Stage};
use shared::{Shared, State};

/// How long what must come is waited for at most, on however slow a machine tests run.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

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

    /// Takes mail from now on only from whoever has signed in with this name and this password. What EHLO offers says how.
    pub fn ask_to_sign_in(&self, name: &str, password: &str) {
        self.shared.state().account = Some((name.to_owned(), password.to_owned()));
    }

    /// Its own certificate as PEM, which is its own root: for `inbox.example`.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.shared.certificate
    }

    /// Adds a rule to the script; the first one that matches holds.
    pub fn script(&self, rule: Rule) {
        self.shared.state().script.add(rule);
    }

    /// Keeps only the first octets of each message from now on: under a long load all of them fill the memory.
    pub fn keep_at_most(&self, octets: usize) {
        self.shared.state().kept_octets = Some(octets);
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

#[cfg(test)]
mod tests;
