//! How the gateway and its domains look from outside: asks name servers for what [`crate::policy::records`] judges.
//! Everything is bounded in time and asked at once.

mod clock;
mod disk;
mod domain;
mod host;
mod lists;
mod mta_sts;
mod own;
mod own_door;
mod ports;
mod sockets;
mod spf;
mod way_out;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::mail::Domain;
use crate::net::guard;
use crate::net::records::{NameServer, Reach, RecordKind};
use crate::net::resolver::{Dns, DnsFailure};
use crate::policy::checkup::{DiskFacts, DnsServer};
use crate::policy::records::{Answers, Heard, Said};

pub use disk::room_at;
pub use own::routed_addresses;

/// The port of DNS.
const DNS_PORT: u16 = 53;
/// Three large providers: that all of them are down at once has never been seen.
const FAR_DOMAINS: [&str; 3] = ["gmail.com", "outlook.com", "gmx.net"];
/// The public pool, and the port of NTP.
const TIME_SERVER: (&str, u16) = ("pool.ntp.org", 123);
/// The lists that most mail servers ask.
const LISTS: [&str; 2] = ["zen.spamhaus.org", "bl.spamcop.net"];
/// All questions about one domain or host together.
const WITHIN: Duration = Duration::from_secs(12);
/// Why nothing is known of what was asked longer than that.
const LATE: &str = "no answer in time";

/// How it is looked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How mail leaves, to begin with.
    pub leaving: Leaving,
    /// Whom the DNS is asked of, where that is set.
    pub dns: Option<DnsServer>,
    /// Every listener with its key.
    pub listeners: Vec<(&'static str, SocketAddr)>,
    /// `data_dir`.
    pub data_dir: PathBuf,
    /// What no key says.
    pub probes: Probes,
}

/// How mail leaves: what a reload changes while the gateway runs.
#[derive(Debug, Clone, Default)]
pub struct Leaving {
    /// `delivery.source_addresses`.
    pub source_addresses: Vec<IpAddr>,
    /// `delivery.relay`, as it is written.
    pub relay: Option<String>,
    /// `delivery.allow_private`.
    pub allow_private: bool,
    /// `delivery.port`.
    pub port: u16,
}

/// Where probes go; other places only in tests.
#[derive(Debug, Clone)]
pub struct Probes {
    /// The port of name servers.
    pub dns_port: u16,
    /// The addresses that routes to the outside start from; none asks the system.
    pub routed: Option<Vec<IpAddr>>,
    /// Domains whose mail servers are known to answer from everywhere.
    pub far_domains: Vec<String>,
    /// A time server (SNTP) and its port.
    pub time_server: (String, u16),
    /// DNS lists that our own addresses are looked for on, beside those that are configured.
    pub lists: Vec<String>,
    /// The port that MTA-STS policies lie at; none is that of HTTPS.
    pub policy_port: Option<u16>,
    /// Whom to believe of policies (PEM); none asks the system.
    pub policy_roots: Option<PathBuf>,
    /// The room on the disk; none asks the system.
    pub disk: Option<DiskFacts>,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            dns_port: DNS_PORT,
            routed: None,
            far_domains: FAR_DOMAINS.map(str::to_owned).to_vec(),
            time_server: (TIME_SERVER.0.to_owned(), TIME_SERVER.1),
            lists: LISTS.map(str::to_owned).to_vec(),
            policy_port: None,
            policy_roots: None,
            disk: None,
        }
    }
}

/// Looks; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The configured resolver.
    pub dns: Dns,
    /// How.
    pub settings: Settings,
    policies: mta_sts::Policies,
    leaving: Arc<ArcSwap<Leaving>>,
    /// Our own SMTP listener, where one is open.
    door: Arc<ArcSwapOption<SocketAddr>>,
}

impl Outside {
    /// Looks by `dns`.
    #[must_use]
    pub fn new(dns: Dns, settings: Settings) -> Self {
        let leaving = Arc::new(ArcSwap::from_pointee(settings.leaving.clone()));
        Self { dns, settings, policies: mta_sts::Policies::default(), leaving, door: Arc::default() }
    }

    /// Has mail leave like this from now on.
    pub fn renew(&self, leaving: Leaving) {
        self.leaving.store(Arc::new(leaving));
    }

    /// The relay that all mail goes by.
    #[must_use]
    pub fn relay(&self) -> Option<String> {
        self.leaving.load().relay.clone()
    }

    fn reach(&self) -> Reach {
        Reach { port: self.settings.probes.dns_port, allow_private: self.leaving.load().allow_private }
    }

    /// Whether addresses of our own network pass for the outside: then nothing is known of the true one.
    #[must_use]
    pub fn is_laboratory(&self) -> bool {
        self.leaving.load().allow_private
    }

    /// Whether mail from outside may come to, or go by, this address.
    #[must_use]
    pub fn is_outward(&self, address: IpAddr) -> bool {
        self.is_laboratory() || guard::is_public(address)
    }

    /// What everybody says of a name that is written down here and not by somebody else.
    async fn answers(&self, servers: &[NameServer], name: &str, kind: RecordKind) -> Answers {
        let Ok(name) = Domain::parse(name) else {
            let resolver = Said::Error("the name is longer than names may be".to_owned());
            return Answers { servers: Vec::new(), resolver };
        };
        let heard = join_all(servers.iter().map(|server| heard(server, &name, kind)));
        let (servers, resolver) = tokio::join!(heard, self.dns.values(&name, kind));
        Answers { servers, resolver: said(resolver) }
    }

    async fn resolved(&self, name: &str, kind: RecordKind) -> Said {
        match Domain::parse(name) {
            Ok(name) => said(self.dns.values(&name, kind).await),
            Err(error) => Said::Error(error.to_string()),
        }
    }
}

async fn heard(server: &NameServer, name: &Domain, kind: RecordKind) -> Heard {
    Heard { server: server.name.to_string(), said: said(server.dns.values(name, kind).await) }
}

fn said(answer: Result<Vec<String>, DnsFailure>) -> Said {
    Said::new(answer.map_err(|failure| failure.to_string()))
}

/// Whatever is not known when the time is up stays unknown.
async fn in_time<T>(asking: impl Future<Output = T>) -> Option<T> {
    timeout(WITHIN, asking).await.ok()
}
