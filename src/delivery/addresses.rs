//! The addresses of a host, in the order in which they are tried.

use std::net::IpAddr;

use super::exchangers::Found;
use super::failure::Failure;
use crate::mail::Host;
use crate::net::resolver::{Dns, DnsFailure};
use crate::policy::no_way::NoWay;
use crate::policy::verdict::Stage;
use crate::smtp::reply::Reply;

/// At least one, or why there is none.
pub(super) async fn of(dns: &Dns, host: &Host, found: Found) -> Result<Vec<IpAddr>, Failure> {
    match host {
        Host::Literal(literal) => Ok(vec![literal.0]),
        Host::Name(name) => match dns.addresses(name).await {
            Ok(addresses) => Ok(in_turn(addresses)),
            Err(failure) => Err(no_address(host, &failure, found)),
        },
    }
}

/// A domain without MX records and without addresses takes no mail; a host that an MX record names may come back.
fn no_address(host: &Host, failure: &DnsFailure, found: Found) -> Failure {
    let reason = format!("{host}: {failure}");
    match failure {
        DnsFailure::NoSuchName | DnsFailure::NoData if found == Found::ByAddress => {
            Failure::astray(Stage::Resolve, Reply::new(550, 1, 2, NoWay::NoHost.words()))
        }
        _ => Failure::silent(Stage::Resolve, reason),
    }
}

/// Families in turn, IPv6 first, so that a family without a way out does not use up the attempt.
fn in_turn(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = found.into_iter().partition(IpAddr::is_ipv6);
    let mut ranked = v6.into_iter().enumerate().chain(v4.into_iter().enumerate()).collect::<Vec<_>>();
    // Stable: of equal rank the IPv6 address stays first.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, ip)| ip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_ipv6_is_first() {
        let found = ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|ip| ip.parse().unwrap()).to_vec();
        let expected: [IpAddr; 3] = ["2001:db8::1", "192.0.2.1", "2001:db8::2"].map(|ip| ip.parse().unwrap());
        assert_eq!(in_turn(found), expected);
    }
}
