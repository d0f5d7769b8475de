//! Which addresses a destination found by MX or address may lead to: never loopback, private, link-local, shared,
//! multicast, mapped or own ones, unless `delivery.allow_private`. Asked of the address that is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address may not be connected to; `None`: it may.
#[must_use]
pub fn forbidden(address: IpAddr, own: &[IpAddr]) -> Option<&'static str> {
    if own.contains(&address.to_canonical()) {
        return Some("an address of this gateway");
    }
    match address {
        IpAddr::V4(v4) => forbidden_v4(v4),
        IpAddr::V6(v6) => forbidden_v6(v6, own),
    }
}

/// Whether everybody can reach it: the registries of special-purpose addresses (RFC 6890) give it to nobody in particular.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    forbidden(address, &[]).is_none()
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => Some("an unspecified address"),
        (127, ..) => Some("a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("a private address"),
        (169, 254, _) => Some("a link-local address"),
        // RFC 6598.
        (100, 64..=127, _) => Some("a shared address"),
        // RFC 6890: protocol assignments, 6to4 relays, benchmarks.
        (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _) => Some("a reserved address"),
        // RFC 5737.
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some("a documentation address"),
        (224..=239, ..) => Some("a multicast address"),
        (240.., ..) => Some("a reserved address"),
        _ => None,
    }
}

fn forbidden_v6(address: Ipv6Addr, own: &[IpAddr]) -> Option<&'static str> {
    if let Some(inner) = embedded(address) {
        return Some(inner)
            .filter(|v4| is_forbidden_inside(*v4, own))
            .map(|_| "a forbidden address in another's clothes");
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        // Mapped and compatible addresses never travel (RFC 4291 §2.5.5).
        [0, 0, 0, 0, 0, ..] => Some("a mapped address"),
        // RFC 3849, RFC 9637.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("a documentation address"),
        // Teredo, ORCHID, benchmarks and other protocol assignments (RFC 6890).
        [0x2001, 0..=0x1ff, ..] => Some("a reserved address"),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        // Site-local (RFC 3879).
        [0xfec0..=0xfeff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        // Only this much is given out at all (RFC 4291 §2.4): not the segment identifiers of RFC 9602, nor what is not assigned.
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a reserved address"),
    }
}

/// The IPv4 address that 6to4 (RFC 3056) or NAT64 (RFC 6052) carries inside.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0x2002, high, low, ..] => Some(join(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        _ => None,
    }
}

fn is_forbidden_inside(address: Ipv4Addr, own: &[IpAddr]) -> bool {
    own.contains(&IpAddr::V4(address)) || forbidden_v4(address).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(address: &str) -> Option<&'static str> {
        forbidden(address.parse().unwrap(), &["198.41.0.4".parse().unwrap(), "2620:fe::9".parse().unwrap()])
    }

    /// CONFORMANCE, threat 9: every class of address that must never be connected to.
    #[test]
    fn forbids_each_class() {
        let forbidden = [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "198.41.0.4",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:198.41.0.4",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "100:0:0:1::1",
            "5f00::1",
            "4000::1",
            "2001::1",
            "2001:db8::1",
            "3fff:fff::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2002:c629:4::1",
            "64:ff9b::c629:4",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2620:fe::9",
        ];
        for address in forbidden {
            assert!(why(address).is_some(), "{address}");
        }
    }

    /// What is beside a list of DNS or an address of a host is judged alike, wherever mail goes.
    #[test]
    fn only_what_everybody_can_reach_is_public() {
        for (address, public) in
            [("198.41.0.4", true), ("2620:fe::9", true), ("fd12:3456::1", false), ("10.0.0.1", false)]
        {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn lets_public_addresses_through() {
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2620:fe::fe",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:200::1",
            "2a00:1450::1b",
        ];
        for address in public {
            assert_eq!(why(address), None, "{address}");
        }
    }
}
