//! Which addresses mail leaves by: those that are configured, else what the routes to the outside start from, where that is
//! public; behind a translation of addresses, those of the host name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::Outside;
use crate::mail::Domain;
use crate::net::guard;
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

    fn gateway_named(&self, hostname: &Domain, named: Vec<IpAddr>) -> Gateway {
        let named: Vec<IpAddr> = named.into_iter().filter(|address| self.is_outward(*address)).collect();
        let is_public = |address: &IpAddr| guard::is_public(*address);
        let set = &self.leaving.load().source_addresses;
        let leaving: Vec<IpAddr> = if set.is_empty() {
            let routed = self.settings.probes.routed.clone();
            routed.unwrap_or_else(routed_addresses).into_iter().filter(is_public).collect()
        } else {
            set.iter().copied().filter(|address| self.is_outward(*address)).collect()
        };
        let addresses = if leaving.is_empty() { named.clone() } else { leaving };
        let by_hostname = addresses.iter().all(|address| named.contains(address));
        Gateway { hostname: hostname.clone(), addresses, by_hostname, relay: self.relay() }
    }
}
