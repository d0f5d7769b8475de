//! What can be seen before anything is asked: addresses, their names, the way out, and who holds the ports.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context as _;

use super::Setup;
use crate::auth::{self, Authenticator};
use crate::config::Config;
use crate::facts::outside::{Outside, Settings, routed_addresses};
use crate::mail::Domain;
use crate::net::guard;
use crate::net::resolver::Dns;
use crate::policy::checkup::{self, Holder, PortFacts, PortOut, SourceFacts};
use crate::policy::records::{self, Gateway, Record};

/// The ports that mail, ACME and the panel want.
const PORTS: [(&str, u16); 3] = [("smtp.listen", 25), ("http.http_redirect_listen", 80), ("http.https_listen", 443)];

/// A port that is somebody else's.
const TAKEN: &str = "taken";

/// What was seen.
#[derive(Debug)]
pub(super) struct Look {
    outside: Outside,
    /// The addresses that mail will leave by.
    pub(super) addresses: Vec<IpAddr>,
    /// Names that an address has and that lead back to it.
    pub(super) names: Vec<String>,
    /// What the system calls itself.
    pub(super) system_name: String,
    ports: PortFacts,
    out: PortOut,
    /// What was named of addresses.
    named: SourceFacts,
}

impl Look {
    pub(super) async fn around(config: &Config, setup: &Setup) -> anyhow::Result<Self> {
        let outside = outside(config)?;
        let addresses = addresses(setup);
        // Which host name is asked for does not matter here: only the reverse names are read.
        let gateway = gateway(&config.hostname, &addresses);
        let (host, ports, out) = tokio::join!(outside.host(&gateway), outside.ports(), outside.way_out());
        let confirmed = host.reverse.iter().flat_map(|reverse| {
            let address = reverse.address.to_string();
            let leads_back = move |said: &records::Said| said.values().is_some_and(|values| values.contains(&address));
            reverse.forward.iter().filter(move |(_, said)| leads_back(said)).map(|(name, _)| name.clone())
        });
        let mut names: Vec<String> = confirmed.map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect();
        names.dedup();
        let (named, system_name) = (outside.sources_among(&setup.address), config.hostname.to_string());
        Ok(Self { addresses, names, system_name, ports, out, named, outside })
    }

    /// Whether a port is nobody's, or already a waypost's.
    pub(super) fn is_free(&self, port: u16) -> bool {
        self.state(port) != TAKEN
    }

    fn state(&self, port: u16) -> &'static str {
        let listener = self.ports.listeners.iter().find(|listener| listener.address.port() == port);
        match listener.map(|listener| &listener.holder) {
            None | Some(Holder::Nobody) => "free",
            Some(Holder::Other { program, .. }) if program.as_deref() != Some("waypost") => TAKEN,
            Some(Holder::Us | Holder::Other { .. }) => "held by waypost",
        }
    }

    /// What is in the way, as the doctor would say it.
    pub(super) fn findings(&self) -> Vec<checkup::Finding> {
        let foreign = self.ports.listeners.iter().filter(|listener| !self.is_free(listener.address.port()));
        let ports = PortFacts { runs: true, listeners: foreign.cloned().collect(), port_25: None };
        checkup::of_host(&ports, &self.out, &self.named)
    }

    pub(super) fn in_words(&self) -> String {
        let names = if self.names.is_empty() { "none was found".to_owned() } else { self.names.join(", ") };
        let mut lines =
            vec![format!("public addresses  {}", all_told(&self.addresses)), format!("reverse names     {names}")];
        for (_, port) in PORTS {
            lines.push(format!("port {port:<12} {}", self.state(port)));
        }
        lines.extend(self.findings().iter().map(|finding| format!("! {} {}", finding.what, finding.remedy)));
        lines.join("\n")
    }

    /// The records of the host under the name that it is to have.
    pub(super) async fn of_host(&self, hostname: &str) -> Vec<Record> {
        let Ok(hostname) = Domain::parse(hostname) else { return Vec::new() };
        let gateway = gateway(&hostname, &self.addresses);
        records::host(&gateway, &self.outside.host(&gateway).await)
    }
}

/// What is to be published for the host, in words.
pub(super) fn advice(records: &[Record]) -> String {
    let wrong = records.iter().filter(|record| record.is_drift());
    let lines =
        wrong.filter_map(|record| Some(format!("! {} Publish: {}", record.detail, records::zone_line(record)?)));
    lines.collect::<Vec<_>>().join("\n")
}

fn gateway(hostname: &Domain, addresses: &[IpAddr]) -> Gateway {
    Gateway { hostname: hostname.clone(), addresses: addresses.to_vec(), by_hostname: true, relay: None }
}

/// Those that were named, else those that routes start from and that are public: of others the world knows nothing, even
/// where mail may go to them (`delivery.allow_private`).
fn addresses(setup: &Setup) -> Vec<IpAddr> {
    if setup.address.is_empty() { public(routed_addresses()) } else { setup.address.clone() }
}

fn public(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.into_iter().filter(|address| guard::is_public(*address)).collect()
}

/// Where there is none, how to name one: what a translation gives cannot be seen from here.
fn all_told(addresses: &[IpAddr]) -> String {
    if addresses.is_empty() {
        return "none was found. Behind a translation of addresses (NAT), as in most clouds, name the one that others see: \
                waypost setup --address ADDRESS"
            .to_owned();
    }
    addresses.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// One that was named may be no public one, as behind a translation of addresses.
fn told(address: &IpAddr) -> String {
    guard::forbidden(*address, &[]).map_or_else(|| address.to_string(), |why| format!("{address} (not public: {why})"))
}

fn outside(config: &Config) -> anyhow::Result<Outside> {
    let asking = auth::Settings { servers: config.dns_servers.clone(), timeout: config.dns_timeout };
    let auth = Authenticator::new(&asking).context("cannot set up DNS")?;
    let listeners = PORTS.map(|(key, port)| (key, SocketAddr::from(([0_u16; 8], port)))).to_vec();
    let settings = Settings { listeners, ..config.outside.clone() };
    Ok(Outside::new(Dns::new(auth.resolver(), config.dns_timeout), settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_world_can_reach_is_a_public_address() {
        let routed =
            ["10.0.0.7", "198.41.0.4", "fd12:3456:789a::7", "fe80::7", "2620:fe::9"].map(|one| one.parse().unwrap());
        let found: Vec<_> = public(routed.to_vec()).iter().map(told).collect();
        assert_eq!(found, ["198.41.0.4", "2620:fe::9"]);
        assert_eq!(all_told(&routed[1..2]), "198.41.0.4");
        assert!(all_told(&[]).ends_with("name the one that others see: waypost setup --address ADDRESS"));
        assert_eq!(told(&routed[2]), "fd12:3456:789a::7 (not public: a private address)");
    }
}
