//! SMTP out: exchangers (MX), sites, pool, attempts, settling, the scheduler.
//!
//! [`Courier::direct`] tries a message while its sender waits; [`Courier::run`] works the queue. Both drive the same
//! attempt over the same sites and judge by the same table.

mod addresses;
mod asked_for;
mod attempt;
mod connection;
mod content;
mod courier;
mod dial;
mod exchangers;
mod failure;
mod fates;
mod give_up;
mod in_hand;
mod jumps;
mod lanes;
mod outfit;
mod own_reports;
mod pool;
mod scheduler;
mod settle;
mod site;
mod tell_delay;
mod tell_sender;
mod tell_success;
mod waiting;

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
use crate::mail::wishes::{Notify, RecipientWishes};
use crate::mail::{Domain, Host, Mailbox, Moment, ReversePath};
use crate::meter::Meter;
use crate::policy::direct::ToQueue;
use crate::policy::settings::{Instance, TlsPolicy};
use crate::policy::verdict::Outcome;
use crate::smtp::limits;
use crate::store::Store;
use crate::store::activity::Attempt as AttemptRow;
use crate::store::octets::Octets;

pub use courier::{Courier, Proven};
pub use lanes::Lanes;
pub use tell_sender::{NOT_WANTED, Telling, ToReturn, WITH_ANOTHER, why_with_another};

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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// How long a next hop may take for each step; the defaults are those of `smtp::limits`, only tests want others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Connecting while the sender waits.
    pub direct_connect: Duration,
    /// Connecting from the queue.
    pub connect: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// Greeting, EHLO, MAIL and RCPT.
    pub command: Duration,
    /// The reply to DATA.
    pub data: Duration,
    /// Each block of content.
    pub block: Duration,
    /// The reply to the final dot.
    pub dot: Duration,
    /// A warm connection is closed when nobody wanted it for so long.
    pub idle: Duration,
}

/// Connecting while the sender waits (DESIGN section 4).
pub const DIRECT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A warm connection is kept so long; servers give idle clients five minutes, and many far less.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            direct_connect: DIRECT_CONNECT_TIMEOUT,
            connect: limits::CLIENT_CONNECT_TIMEOUT,
            handshake: limits::HANDSHAKE_TIMEOUT,
            command: limits::CLIENT_COMMAND_TIMEOUT,
            data: limits::CLIENT_DATA_TIMEOUT,
            block: limits::CLIENT_BLOCK_TIMEOUT,
            dot: limits::CLIENT_DOT_TIMEOUT,
            idle: IDLE_TIMEOUT,
        }
    }
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

/// One recipient of a parcel: named once to the next hop, however many aliases of the transaction met there.
#[derive(Debug, Clone)]
pub struct Addressee {
    /// The activity rows that its outcome is for, at least one.
    pub ids: Vec<Uuid>,
    /// The real inbox.
    pub mailbox: Mailbox,
    /// The alias that the sender wrote to, which a next hop that offers DSN names in its reports; of several the first.
    pub original: Option<Mailbox>,
    /// Whether such a next hop is asked for reports of failure.
    pub notify: Notify,
}

impl Addressee {
    /// Adds an addressee to those of a parcel.
    pub fn join(addressees: &mut Vec<Self>, new: Self) {
        match addressees.iter_mut().find(|there| there.mailbox == new.mailbox) {
            Some(there) => {
                there.ids.extend(new.ids);
                // Who of several wants to hear of failure hears of it by way of us.
                if there.notify == Notify::Never {
                    there.notify = new.notify;
                }
            }
            None => addressees.push(new),
        }
    }

    /// A sender's mail to an alias, for the row `id`.
    #[must_use]
    pub fn of(id: Uuid, mailbox: &Mailbox, (alias, wishes): (&Mailbox, &RecipientWishes)) -> Self {
        let notify = wishes.notify.filter(|notify| *notify == Notify::Never).unwrap_or(Notify::FAILURE);
        Self { ids: vec![id], mailbox: mailbox.clone(), original: Some(alias.clone()), notify }
    }

    /// Mail of ours, of which no report is wanted.
    #[must_use]
    pub fn unreported(id: Uuid, mailbox: &Mailbox) -> Self {
        Self { ids: vec![id], mailbox: mailbox.clone(), original: None, notify: Notify::Never }
    }
}

/// One message to one destination domain with one reverse-path, prefix and TLS policy: one transaction with a next hop.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The message.
    pub message: Arc<Message>,
    /// The transaction's id: ENVID to a next hop that offers DSN, by which its reports find back.
    pub id: Uuid,
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
#[derive(Debug, Clone, Default)]
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

impl Report {
    /// The same outcome for all, known in this time without asking any host.
    fn of_all(parcel: &Parcel, outcome: &Outcome, time: (Moment, Moment)) -> Self {
        let ids = || parcel.addressees.iter().flat_map(|to| &to.ids);
        let attempt = fates::untried(time, outcome);
        Self {
            outcomes: ids().map(|id| (*id, outcome.clone())).collect(),
            attempts: ids().map(|id| (*id, attempt.clone())).collect(),
            ..Self::default()
        }
    }

    /// Nobody knows.
    fn unknown(ids: &[Uuid], reason: &str) -> Self {
        let outcome = Outcome::Unknown { reason: reason.to_owned() };
        Self { outcomes: ids.iter().map(|id| (*id, outcome.clone())).collect(), ..Self::default() }
    }
}

/// An attempt under way.
type Running = Pin<Box<dyn Future<Output = Report> + Send>>;

/// An attempt that is being made; poll [`Attempt::run`] to go on with it.
pub struct Attempt {
    /// Drives it to its end. Dropping it before [`Attempt::sent`] aborts it: the next hop has not got the message.
    pub run: Pin<Box<dyn Future<Output = Report> + Send>>,
    /// Whether our final dot was written: the deciding instant.
    pub sent: Arc<AtomicBool>,
    /// Its session is counted as waiting until this is dropped.
    ticket: Option<Arc<waiting::Ticket>>,
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
