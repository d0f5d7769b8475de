//! Which addresses mail leaves by: those that are configured, else what the routes to the outside start from, where that is
//! public; behind a translation of addresses, those of the host name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::Outside;
use crate::mail::Domain;
use crate::net::{guard, own};
use crate::policy::checkup::SourceFacts;
use crate::policy::records::Gateway;

/// Addresses far away (a root name server's), to see by which of ours one gets there. Nothing is sent.
const FAR: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4)), 53),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 0x2, 0x30)), 53),
];

/// The addresses that routes to the outside start from: at most one of each family, public or not.
#[must_use]
pub fn routed_addresses() -> Vec<IpAddr> {
    FAR.iter().filter_map(|far| routed(*far).ok()).collect()
}

/// A datagram socket that is connected has its own address, and no packet has left.
fn routed(far: SocketAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(far)?;
    Ok(socket.local_addr()?.ip())
}

impl Outside {
    /// The gateway as records speak of it.
    pub async fn gateway(&self, hostname: &Domain) -> Gateway {
        self.gateway_named(hostname, self.dns.addresses(hostname).await.unwrap_or_default())
    }

    /// The same without asking DNS: what its host name leads to is not known.
    #[must_use]
    pub fn gateway_unasked(&self, hostname: &Domain) -> Gateway {
        self.gateway_named(hostname, Vec::new())
    }

    /// What is set of our addresses, beside those that this machine has.
    #[must_use]
    pub fn sources(&self) -> SourceFacts {
        self.sources_among(&self.leaving.load().source_addresses)
    }

    /// The same of addresses that are to be set.
    #[must_use]
    pub fn sources_among(&self, set: &[IpAddr]) -> SourceFacts {
        SourceFacts { elsewhere: own::elsewhere(set).collect(), public: self.public_addresses() }
    }

    /// Public addresses that routes to the outside start from.
    fn public_addresses(&self) -> Vec<IpAddr> {
        let routed = self.settings.probes.routed.clone().unwrap_or_else(routed_addresses);
        routed.into_iter().filter(|address| guard::is_public(*address)).collect()
    }

    fn gateway_named(&self, hostname: &Domain, named: Vec<IpAddr>) -> Gateway {
        let named: Vec<IpAddr> = named.into_iter().filter(|address| self.is_outward(*address)).collect();
        let set = &self.leaving.load().source_addresses;
        let leaving: Vec<IpAddr> = if set.is_empty() {
            self.public_addresses()
        } else {
            set.iter().copied().filter(|address| self.is_outward(*address)).collect()
        };
        let addresses = if leaving.is_empty() { named.clone() } else { leaving };
        let by_hostname = addresses.iter().all(|address| named.contains(address));
        Gateway { hostname: hostname.clone(), addresses, by_hostname, relay: self.relay() }
    }
}
