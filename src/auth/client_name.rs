//! What a client is called by DNS: the name at its reverse name that leads back to it (RFC 8601 §3, `iprev`). Whoever has an
//! address can have any name stand there; that the name's owner agrees is what makes it a fact.

use std::net::IpAddr;

use super::Inner;

/// Names of one client that are looked at.
const MAX_NAMES: usize = 5;
/// Octets of a name (RFC 1035 §2.3.4).
const MAX_NAME_OCTETS: usize = 255;

impl Inner {
    /// The first such name; `None` where there is none, or where nobody can tell.
    pub(super) async fn client_name(&self, peer: IpAddr) -> Option<Box<str>> {
        let names = self.names_of(peer).await.ok()?;
        for name in names.iter().filter(|name| is_host_name(name)).take(MAX_NAMES) {
            if self.confirms(name, peer).await {
                return Some(name.clone());
            }
        }
        None
    }
}

/// Any octets may stand in DNS. What is shown and exported is what hosts are called, with the underscore that many use.
fn is_host_name(name: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    name.len() <= MAX_NAME_OCTETS && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::is_host_name;

    #[test]
    fn only_what_hosts_are_called_is_a_name() {
        for name in ["mail.sender.example", "host_1.sender.example", "7.isp.example", "xn--caf-dma.example"] {
            assert!(is_host_name(name), "{name}");
        }
        let long = ["x"; 129].join(".");
        for name in [
            "",
            "=cmd.example",
            "-x.example",
            "a b.example",
            "<b>.example",
            "\u{1b}[2j.example",
            "caf\u{e9}.example",
            &long,
        ] {
            assert!(!is_host_name(name), "{name}");
        }
    }
}
