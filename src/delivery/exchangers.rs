//! Which hosts take mail for a destination, in which order (RFC 5321 §5.1), and to which site they belong.
//!
//! A relay or a route is the only host and is never looked up by MX. What DNS said is kept for a few seconds at least, so
//! that a busy destination costs no look-up at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use super::site::Site;
use super::{NextHop, Settings};
use crate::clock::Clock;
use crate::mail::{Domain, Host};
use crate::net::resolver::{Dns, DnsFailure};
use crate::policy::no_way::NoWay;
use crate::policy::verdict::{Fault, Outcome, Stage};
use crate::smtp::reply::Reply;

/// Ways that are remembered.
const REMEMBERED_WAYS: u64 = 10_000;
/// A way is believed at least so long, whatever its time to live.
const SHORTEST_BELIEF: Duration = Duration::from_secs(5);
/// And at most so long.
const LONGEST_BELIEF: Duration = Duration::from_secs(300);
/// Sites that are remembered.
const REMEMBERED_SITES: u64 = 20_000;
/// A site that nobody asked for is forgotten after so long; longer than its longest back-off.
const SITE_IDLE: Duration = Duration::from_secs(2 * 3600);

/// A host that takes the mail.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    /// Name or literal.
    pub(super) host: Host,
    /// Smaller first.
    pub(super) preference: u16,
}

/// The way to a destination.
#[derive(Debug)]
pub(super) struct Way {
    /// The site of its hosts.
    pub(super) site: Arc<Site>,
    /// By preference, at least one.
    pub(super) hops: Vec<Hop>,
    /// The port of all of them.
    pub(super) port: u16,
    /// How it was found.
    pub(super) found: Found,
    believed_until: Option<Instant>,
}

/// How a way was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// By MX records.
    ByMx,
    /// There are no MX records: the domain's own addresses count.
    ByAddress,
    /// An address literal.
    Literal,
    /// A relay or a route; whether TLS runs from the first octet.
    Fixed {
        /// `smtps://`.
        implicit_tls: bool,
        /// Whether we sign in there.
        sign_in: bool,
    },
}

impl Found {
    /// By which sites of the same hosts are told apart.
    const fn mark(self) -> &'static str {
        match self {
            Self::ByMx | Self::ByAddress | Self::Literal => "",
            Self::Fixed { sign_in: true, .. } => " (signed in)",
            Self::Fixed { implicit_tls: true, .. } => " (inside TLS)",
            Self::Fixed { .. } => " (as configured)",
        }
    }
}

/// Finds ways.
#[derive(Debug)]
pub(super) struct Exchangers {
    dns: Dns,
    hostname: Domain,
    port: u16,
    relay: Option<Arc<Way>>,
    routes: HashMap<Domain, Arc<Way>>,
    ways: Cache<Host, Arc<Way>>,
    sites: Sites,
    clock: Clock,
}

#[derive(Debug, Clone)]
struct Sites {
    known: Cache<String, Arc<Site>>,
    limit: usize,
    clock: Clock,
}

impl Exchangers {
    /// Knows relay and routes from the start.
    pub(super) fn new(settings: &Settings, dns: Dns, clock: Clock) -> Self {
        let sites = Sites::new(limit(settings), clock.clone());
        Self::with(settings, sites, (dns, clock))
    }

    /// With other settings: ways are looked for anew, and sites are the same if they may have as many connections.
    pub(super) fn renewed(&self, settings: &Settings) -> Self {
        let has_other_limit = self.sites.limit != limit(settings);
        let sites = if has_other_limit { Sites::new(limit(settings), self.clock.clone()) } else { self.sites.clone() };
        Self::with(settings, sites, (self.dns.clone(), self.clock.clone()))
    }

    fn with(settings: &Settings, sites: Sites, (dns, clock): (Dns, Clock)) -> Self {
        let signs_in = settings.relay_sign_in.is_some();
        let relay = settings.relay.as_ref().map(|hop| sites.fixed(hop, signs_in));
        let routes = settings.routes.iter().map(|(domain, hop)| (domain.clone(), sites.fixed(hop, false))).collect();
        Self {
            dns,
            hostname: settings.hostname.clone(),
            port: settings.port,
            relay,
            routes,
            ways: Cache::builder().max_capacity(REMEMBERED_WAYS).time_to_live(LONGEST_BELIEF).build(),
            sites,
            clock,
        }
    }

    /// The way to a destination, or what is known without trying.
    pub(super) async fn way(&self, host: &Host) -> Result<Arc<Way>, Outcome> {
        if let Some(fixed) = host.name().and_then(|domain| self.routes.get(domain)).or(self.relay.as_ref()) {
            return Ok(Arc::clone(fixed));
        }
        if let Some(way) = self.ways.get(host)
            && way.believed_until.is_none_or(|until| until > self.clock.instant())
        {
            return Ok(way);
        }
        let way = Arc::new(match host {
            Host::Name(domain) => self.look_up(domain).await?,
            Host::Literal(_) => {
                self.sites.way(vec![Hop { host: host.clone(), preference: 0 }], self.port, Found::Literal)
            }
        });
        self.ways.insert(host.clone(), Arc::clone(&way));
        Ok(way)
    }

    /// Every site that is remembered.
    pub(super) fn sites(&self) -> impl Iterator<Item = Arc<Site>> {
        self.sites.known.iter().map(|(_, site)| site)
    }

    async fn look_up(&self, domain: &Domain) -> Result<Way, Outcome> {
        let now = self.clock.instant();
        let (hops, found, lifetime) = match self.dns.exchangers(domain).await {
            Ok(answer) => {
                let lifetime = Instant::from_std(answer.valid_until).saturating_duration_since(now);
                (named(answer.records)?, Found::ByMx, lifetime)
            }
            // Only "no data" leads to the domain's own addresses: a failure may hide MX records (CONFORMANCE 40).
            Err(DnsFailure::NoData) => {
                (vec![Hop { host: Host::Name(domain.clone()), preference: 0 }], Found::ByAddress, SHORTEST_BELIEF)
            }
            Err(DnsFailure::NoSuchName) => return Err(refused(&NO_SUCH_DOMAIN)),
            Err(DnsFailure::Temporary(why)) => return Err(failed_for_now(&why)),
        };
        let mut way = self.sites.way(before_us(hops, &self.hostname)?, self.port, found);
        way.believed_until = Some(now + lifetime.clamp(SHORTEST_BELIEF, LONGEST_BELIEF));
        Ok(way)
    }
}

fn limit(settings: &Settings) -> usize {
    settings.connections_per_site.max(1)
}

impl Sites {
    fn new(limit: usize, clock: Clock) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED_SITES).time_to_idle(SITE_IDLE).build();
        Self { known, limit, clock }
    }

    fn fixed(&self, hop: &NextHop, sign_in: bool) -> Arc<Way> {
        let hops = vec![Hop { host: hop.host.clone(), preference: 0 }];
        Arc::new(self.way(hops, hop.port, Found::Fixed { implicit_tls: hop.implicit_tls, sign_in }))
    }

    fn way(&self, hops: Vec<Hop>, port: u16, found: Found) -> Way {
        Way { site: self.site(&hops, (port, found)), hops, port, found, believed_until: None }
    }

    /// The one object for a set of hosts, whatever their order. A next hop that the operator wrote shares none with what DNS
    /// leads to: its connections may go where no other mail may, or be signed in.
    fn site(&self, hops: &[Hop], (port, found): (u16, Found)) -> Arc<Site> {
        let mut names = hops.iter().map(|hop| hop.host.to_string()).collect::<Vec<_>>();
        names.sort_unstable();
        names.dedup();
        let name = format!("{}:{port}{}", names.join(","), found.mark());
        self.known.get_with_by_ref(&name, || Arc::new(Site::new(&name, self.limit, self.clock.clone())))
    }
}

impl Way {
    /// Whether the addresses it leads to must be public ones.
    pub(super) const fn is_guarded(&self) -> bool {
        !matches!(self.found, Found::Fixed { .. })
    }
}

/// Hosts by preference. A null MX says that the domain takes no mail (RFC 7505).
fn named(records: Vec<(u16, Option<Domain>)>) -> Result<Vec<Hop>, Outcome> {
    let hop = |(preference, host): (u16, Option<Domain>)| Some(Hop { host: Host::Name(host?), preference });
    let mut hops = records.into_iter().filter_map(hop).collect::<Vec<_>>();
    if hops.is_empty() {
        return Err(refused(&TAKES_NO_MAIL));
    }
    hops.sort_by_key(|hop| hop.preference);
    Ok(hops)
}

/// Our own name among the hosts cuts it and what is not better (RFC 5321 §5.1): mail must not come back to us.
fn before_us(mut hops: Vec<Hop>, hostname: &Domain) -> Result<Vec<Hop>, Outcome> {
    if let Some(ours) = hops.iter().find(|hop| hop.host.name() == Some(hostname)).map(|hop| hop.preference) {
        hops.retain(|hop| hop.preference < ours);
    }
    if hops.is_empty() { Err(refused(&LOOPS_BACK)) } else { Ok(hops) }
}

type Words = (u16, u16, u16, NoWay);
const NO_SUCH_DOMAIN: Words = (550, 1, 2, NoWay::NoDomain);
const TAKES_NO_MAIL: Words = (556, 1, 10, NoWay::NullMx);
const LOOPS_BACK: Words = (554, 4, 6, NoWay::ComesBack);

fn refused((code, subject, detail, why): &Words) -> Outcome {
    let reply = Reply::new(*code, *subject, *detail, why.words());
    Outcome::Refused { stage: Stage::Resolve, reply, fault: Fault::Mailbox }
}

fn failed_for_now(why: &str) -> Outcome {
    let reason = format!("DNS failed for now: {why}");
    Outcome::Deferred { stage: Stage::Resolve, reply: None, reason, of_site: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(name: &str) -> Domain {
        Domain::parse(name).unwrap()
    }

    fn order(hops: &[Hop]) -> Vec<String> {
        hops.iter().map(|hop| hop.host.to_string()).collect()
    }

    #[test]
    fn hosts_stand_by_preference_and_the_root_is_no_host() {
        let records = vec![(20, Some(domain("b.example"))), (10, Some(domain("a.example"))), (0, None)];
        assert_eq!(order(&named(records).unwrap()), ["a.example", "b.example"]);
        assert!(matches!(named(vec![(0, None)]), Err(Outcome::Refused { reply, .. }) if reply.code() == 556));
    }

    #[test]
    fn our_own_name_cuts_equal_and_worse() {
        let hop = |preference, name| Hop { host: Host::Name(domain(name)), preference };
        let hops = vec![hop(5, "a.example"), hop(10, "gw.example"), hop(10, "b.example"), hop(20, "c.example")];
        assert_eq!(order(&before_us(hops, &domain("gw.example")).unwrap()), ["a.example"]);
        assert!(before_us(vec![hop(0, "gw.example")], &domain("gw.example")).is_err());
    }
}
