//! SMTP out: exchangers (MX), sites, pool, attempts, settling, the scheduler.
//!
//! [`Courier::direct`] tries a message while its sender waits; [`Courier::run`] works the queue. Both drive the same
//! attempt over the same sites and judge by the same table.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::auth::Authenticator;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::mail::{Domain, Host, Mailbox, Moment, ReversePath};
use crate::meter::Meter;
use crate::policy::direct::ToQueue;
use crate::policy::settings::{Instance, TlsPolicy};
use crate::policy::verdict::Outcome;
use crate::store::Store;
use crate::store::activity::Attempt as AttemptRow;
use crate::store::octets::Octets;

/// A next hop that is never looked up by MX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHop {
    /// Name or literal.
    pub host: Host,
    /// Port.
    pub port: u16,
    /// TLS from the first octet (`smtps://`).
    pub implicit_tls: bool,
}

/// `[delivery]` as meant.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name in EHLO.
    pub hostname: Domain,
    /// The port of MX hosts.
    pub port: u16,
    /// All mail goes there.
    pub relay: Option<NextHop>,
    /// Sign-in at the relay: name and the file with the password.
    pub relay_sign_in: Option<(String, PathBuf)>,
    /// Next hop per destination domain.
    pub routes: BTreeMap<Domain, NextHop>,
    /// Let destinations be private addresses.
    pub allow_private: bool,
    /// Addresses to connect from.
    pub source_addresses: Vec<IpAddr>,
    /// Connections to one site.
    pub connections_per_site: usize,
    /// Messages over one connection.
    pub messages_per_connection: usize,
    /// What an unsent direct attempt gets on SIGTERM once its dot is written.
    pub stop_grace: Duration,
    /// How long failed messages are kept.
    pub keep_failed: Duration,
}

/// A message on its way, as an attempt needs it.
#[derive(Debug, Clone)]
pub struct Message {
    /// The octets as received.
    pub octets: Octets,
    /// BODY=8BITMIME was declared, or octets over 127 are in it.
    pub eight_bit: bool,
    /// Header needs SMTPUTF8.
    pub international: bool,
}

/// One recipient of a parcel.
#[derive(Debug, Clone)]
pub struct Addressee {
    /// The activity row's id.
    pub id: Uuid,
    /// The real inbox.
    pub mailbox: Mailbox,
}

/// One message to one destination domain with one reverse-path, prefix and TLS policy: one transaction with a next hop.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The message.
    pub message: Arc<Message>,
    /// The prefix.
    pub prefix: Bytes,
    /// The reverse-path as rewritten.
    pub reverse_path: ReversePath,
    /// Who gets it; all have the same host.
    pub addressees: Vec<Addressee>,
    /// TLS.
    pub tls: TlsPolicy,
}

/// What an attempt came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// For each addressee.
    pub outcomes: Vec<(Uuid, Outcome)>,
    /// What the log keeps of it, for each addressee (replies to RCPT differ); several where several hosts were tried.
    pub attempts: Vec<(Uuid, AttemptRow)>,
    /// SHA-256 of what was handed over minus the prefix, where the dot was reached.
    pub sha256_sent: Option<[u8; 32]>,
    /// A last CRLF was added because the message had none.
    pub crlf_added: bool,
}

/// An attempt that is being made; poll [`Attempt::run`] to go on with it.
pub struct Attempt {
    /// Drives it to its end. Dropping it before [`Attempt::sent`] aborts it: the next hop has not got the message.
    pub run: Pin<Box<dyn Future<Output = Report> + Send>>,
    /// Whether our final dot was written: the deciding instant.
    pub sent: Arc<AtomicBool>,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attempt(sent: {:?})", self.sent)
    }
}

/// What direct delivery says.
#[derive(Debug)]
pub enum Direct {
    /// Not now: into the queue.
    Queue(ToQueue),
    /// It cannot or need not be tried: already known (no such domain, null MX, DNS failed, forbidden address).
    Known(Report),
    /// Being tried.
    Trying(Attempt),
}

/// All that delivery works with.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Storage.
    pub store: Store,
    /// Lends its resolver.
    pub auth: Authenticator,
    /// The clock.
    pub clock: Clock,
    /// Jitter, shuffles, ids.
    pub chance: Chance,
    /// Counters.
    pub meter: Arc<Meter>,
    /// The instance's settings, read anew for each decision.
    pub instance: Arc<arc_swap::ArcSwap<Instance>>,
}

/// Delivers; cheap to clone.
#[derive(Clone, Debug)]
pub struct Courier {}

#[expect(unused_variables, reason = "the skeleton")]
impl Courier {
    /// Builds it; nothing runs yet.
    #[must_use]
    pub fn new(settings: Settings, dns_timeout: Duration, tools: Tools) -> Self {
        todo!("delivery")
    }

    /// Resolves the site, asks `policy::direct`, takes a connection slot, and begins.
    pub async fn direct(&self, peer: IpAddr, parcel: Parcel) -> Direct {
        todo!("delivery")
    }

    /// Goes on in the background with an attempt whose deliveries were just accepted as leased, and settles it: renews the
    /// leases, then writes outcome, retry or DSN.
    pub fn adopt(&self, attempt: Attempt, ids: Vec<Uuid>) {
        todo!("delivery")
    }

    /// Tells the scheduler that something was queued.
    pub fn wake(&self) {
        todo!("delivery")
    }

    /// Writes the sender one DSN for these failed deliveries of a message, where it is reportable; says what was done.
    pub async fn tell_sender(
        &self,
        message: &crate::store::queue::NewMessage,
        failed: &[crate::store::queue::NewDelivery],
        at: Moment,
    ) -> crate::store::activity::DsnNote {
        todo!("delivery")
    }

    /// Works the queue until `stop`; then returns unsent attempts to the queue and gives sent ones `stop_grace`.
    pub async fn run(&self, stop: tokio_util::sync::CancellationToken) {
        todo!("delivery")
    }
}
