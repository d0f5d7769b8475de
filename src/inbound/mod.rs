//! SMTP in: listener, connection, accept.
//!
//! `listener` takes permits and accepts; `connection` moves octets between a socket and the sans-I/O session and brings
//! its questions to `facts`; `accept` decides what becomes of a whole message, tries it at once or keeps it, and only
//! then lets the session answer.

mod abuse;
mod accept;
mod ahead;
mod arrival;
mod auth_fields;
mod background;
mod body;
mod client;
mod connection;
mod create;
mod handover;
mod ledger;
mod listener;
mod memory;
mod names;
mod outgoing;
mod overdue;
mod patience;
mod proxied;
mod pulse;
mod quota;
mod recipient;
mod repeats;
mod replies;
mod returned;
mod rows;
mod served;
mod space;
mod tally;
mod ties;
mod transaction;
mod undecided;
mod untaken;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::certificates::Certificates;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::delivery::Courier;
use crate::facts::Facts;
use crate::meter::Meter;
use crate::net::doors::Doors;
use crate::net::network::Networks;
use crate::smtp::server;
use crate::store::Store;

pub use accept::AFTER_DOT_WAIT;
pub use listener::listen;

/// `[smtp]` as meant, for running sessions.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What a session must know.
    pub session: server::Settings,
    /// From the final dot to the answer.
    pub answer_within: Duration,
    /// From the final dot, direct delivery may take so long.
    pub direct_timeout: Duration,
    /// After a failed commit, an attempt whose dot was written is waited for so long.
    pub after_dot_wait: Duration,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections of one address (IPv6: of one /64).
    pub max_connections_per_ip: usize,
    /// Who says by a PROXY header for whom it comes; nobody else is heard on that.
    pub proxy_protocol_from: Networks,
    /// Where databases and spool are: their disk must have room.
    pub data_dir: PathBuf,
    /// How long the octets of failed and consumed messages are kept.
    pub keep_failed: Duration,
    /// Octets in the queue for one hosted domain.
    pub max_bytes_per_domain: u64,
}

/// All that inbound works with.
#[derive(Debug)]
pub struct Tools {
    /// Asks directory, SPF, DKIM.
    pub facts: Facts,
    /// Delivers.
    pub courier: Courier,
    /// Keeps.
    pub store: Store,
    /// What STARTTLS presents.
    pub certificates: Certificates,
    /// The clock.
    pub clock: Clock,
    /// Ids.
    pub chance: Chance,
    /// Counters.
    pub meter: Arc<Meter>,
    /// Settings, read anew for each connection.
    pub settings: ArcSwap<Settings>,
    /// No new mail from here on; unsent attempts go to the queue.
    pub stop: CancellationToken,
    /// Sessions that still run.
    pub sessions: TaskTracker,
    memory: memory::Memory,
    read_back: Semaphore,
    space: space::Space,
    unwell: AtomicBool,
    pulse: pulse::Pulse,
    created: create::Created,
    returns: returned::Turn,
    undecided: undecided::Undecided,
    abuse: abuse::Abuse,
    names: names::Names,
    doors: Arc<Doors>,
}

/// The parts that [`Tools`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Asks directory, SPF, DKIM.
    pub facts: Facts,
    /// Delivers.
    pub courier: Courier,
    /// What STARTTLS presents.
    pub certificates: Certificates,
    /// Ids.
    pub chance: Chance,
    /// Counters.
    pub meter: Arc<Meter>,
    /// Cancelled to stop.
    pub stop: CancellationToken,
}

impl Tools {
    /// Puts them together.
    #[must_use]
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let (store, clock) = (parts.facts.store.clone(), parts.facts.clock.clone());
        Self {
            facts: parts.facts,
            courier: parts.courier,
            memory: memory::Memory::default(),
            store,
            certificates: parts.certificates,
            clock,
            chance: parts.chance,
            meter: parts.meter,
            read_back: arrival::read_back(),
            space: space::Space::new(settings.data_dir.clone()),
            unwell: AtomicBool::new(false),
            pulse: pulse::Pulse::default(),
            created: create::Created::default(),
            returns: returned::Turn::default(),
            undecided: undecided::Undecided::default(),
            abuse: abuse::Abuse::default(),
            names: names::Names::default(),
            doors: Arc::default(),
            settings: ArcSwap::from_pointee(settings),
            stop: parts.stop,
            sessions: TaskTracker::new(),
        }
    }
}
