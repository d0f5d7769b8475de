//! Which addresses are this machine's. Those that it is known by may be others: behind a translation of addresses (NAT), as in
//! most clouds, the machine has a private address, and the world sees another.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Whether this machine has the address.
#[must_use]
pub fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Those that this machine does not have.
pub fn elsewhere(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    addresses.iter().copied().filter(|address| !is_here(*address))
}

/// Has `bind` take the first address of the family of `towards` that this machine has; where it has none, the system chooses.
pub fn bind_first(
    addresses: &[IpAddr],
    towards: IpAddr,
    bind: impl Fn(SocketAddr) -> io::Result<()>,
) -> Result<(), (IpAddr, io::Error)> {
    for address in addresses.iter().filter(|address| address.is_ipv4() == towards.is_ipv4()) {
        match bind(SocketAddr::new(*address, 0)) {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {}
            done => return done.map_err(|error| (*address, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_the_machine_has_is_bound_to() {
        let all = ["192.0.2.1", "127.0.0.8", "::1", "127.0.0.9"].map(address);
        assert_eq!(elsewhere(&all).collect::<Vec<_>>(), [address("192.0.2.1")]);
        let socket = |towards: &str, from: &[IpAddr]| {
            let socket = std::cell::RefCell::new(None);
            let bind = |source: SocketAddr| UdpSocket::bind(source).map(|bound| *socket.borrow_mut() = Some(bound));
            bind_first(from, address(towards), bind).unwrap();
            socket.into_inner().map(|bound| bound.local_addr().unwrap().ip())
        };
        assert_eq!(socket("127.0.0.1", &all), Some(address("127.0.0.8")));
        assert_eq!(socket("127.0.0.1", &all[..1]), None, "the system chooses");
        assert_eq!(socket("2620:fe::9", &all[..2]), None, "of another family");
    }

    #[test]
    fn what_cannot_be_bound_to_for_another_reason_is_said_with_its_address() {
        let full = |_| Err(io::Error::from(ErrorKind::AddrInUse));
        let (named, error) = bind_first(&[address("127.0.0.8")], address("127.0.0.1"), full).unwrap_err();
        assert_eq!((named, error.kind()), (address("127.0.0.8"), ErrorKind::AddrInUse));
    }
}
