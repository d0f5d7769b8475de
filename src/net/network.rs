//! Networks of addresses, as settings name those of proxies: one address, or all that share its first bits (RFC 4632 §3.1,
//! RFC 4291 §2.3). An IPv4 address counts as one however it is written.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Bits before the IPv4 address in one that is mapped (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// One network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It is neither an address nor a network.
    #[error("is neither an address nor a network, such as \"10.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\"")]
    Malformed,
    /// Its address says more than its length lets count; what was probably meant.
    #[error("is no network: its address goes on behind its length, where {0} would end")]
    Longer(IpNet),
}

impl Network {
    /// Reads an address, or an address with the number of bits that count.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let net = text.parse().or_else(|_| text.parse().map(|one: IpAddr| IpNet::from(one)));
        let net = unmapped(net.map_err(|_| NetworkError::Malformed)?);
        if net == net.trunc() { Ok(Self(net)) } else { Err(NetworkError::Longer(net.trunc())) }
    }
}

/// Any number of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl From<Vec<Network>> for Networks {
    fn from(networks: Vec<Network>) -> Self {
        Self(networks)
    }
}

impl Networks {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them has this address.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.0.contains(&address))
    }
}

fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let bits = v6.prefix_len().checked_sub(MAPPED_BITS);
    let mapped = v6.addr().to_ipv4_mapped().zip(bits).and_then(|(v4, bits)| Ipv4Net::new(v4, bits).ok());
    mapped.map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        texts.iter().map(|text| Network::parse(text).unwrap()).collect::<Vec<_>>().into()
    }

    #[test]
    fn an_address_is_in_the_networks_whose_bits_it_has() {
        let proxies = networks(&["192.0.2.7", "10.0.0.0/8", "fd00::/8", "::1", "::ffff:198.51.100.0/120"]);
        for text in ["192.0.2.7", "10.255.0.1", "::ffff:10.1.2.3", "fdff::1", "::1", "198.51.100.9"] {
            assert!(proxies.contain(text.parse().unwrap()), "{text}");
        }
        for text in ["192.0.2.8", "11.0.0.1", "::ffff:11.0.0.1", "fc00::1", "::2", "::a00:1", "198.51.101.9"] {
            assert!(!proxies.contain(text.parse().unwrap()), "{text}");
        }
        assert!(!Networks::default().contain("127.0.0.1".parse().unwrap()));
        assert!(networks(&["0.0.0.0/0"]).contain("203.0.113.1".parse().unwrap()));
        assert!(!networks(&["0.0.0.0/0"]).contain("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_would_be_one() {
        for text in
            ["", "proxy.example", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.1/", "10.0.0.0/-1", "1.2.3.4:5"]
        {
            assert_eq!(Network::parse(text), Err(NetworkError::Malformed), "{text}");
        }
        for (text, meant) in
            [("10.1.2.3/8", "10.0.0.0/8"), ("fd00::1/8", "fd00::/8"), ("::ffff:10.0.0.1/104", "10.0.0.0/8")]
        {
            assert!(Network::parse(text).unwrap_err().to_string().contains(meant), "{text}");
        }
    }
}
