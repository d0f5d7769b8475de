//! What a text of the configuration may mean: listeners, next hops, URLs, choices. Each reader gives the value or a reason
//! that says what would be right.

use std::net::{IpAddr, SocketAddr};

use crate::delivery::NextHop;
use crate::mail::{Domain, Host, Mailbox};
use crate::net::network::Network;
use crate::policy::lists::DnsList;

/// The port of DNS (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;
/// The port of mail transfer (RFC 5321 §4.5.4.2).
const SMTP_PORT: u16 = 25;
/// The port of submission (RFC 6409 §3.1), where the relay wants a sign-in.
const SUBMISSION_PORT: u16 = 587;
/// The port of submission over TLS (RFC 8314 §7.3).
const SMTPS_PORT: u16 = 465;

pub(super) type Reading<T> = Result<T, String>;

/// An address and port to listen on.
pub(super) fn socket(text: &str) -> Reading<SocketAddr> {
    text.parse()
        .map_err(|_| format!("{text:?} is not an address with a port, such as \"127.0.0.1:2525\" or \"[::]:25\""))
}

/// An IP address.
pub(super) fn address(text: &str) -> Reading<IpAddr> {
    text.parse().map_err(|_| format!("{text:?} is not an IP address"))
}

/// An address, or a network.
pub(super) fn network(text: &str) -> Reading<Network> {
    Network::parse(text).map_err(|error| format!("{text:?} {error}"))
}

/// A DNS server: an address, with or without a port.
pub(super) fn dns_server(text: &str) -> Reading<SocketAddr> {
    let plain = text.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT));
    plain.or_else(|_| text.parse()).map_err(|_| {
        format!("{text:?} is not a DNS server; write an address with or without a port, such as \"192.0.2.53\"")
    })
}

/// A domain name.
pub(super) fn domain(text: &str) -> Reading<Domain> {
    Domain::parse(text).map_err(|error| format!("{text:?}: {error}"))
}

/// A DNS list, as `policy.dns_lists` writes it.
pub(super) fn dns_list(text: &str) -> Reading<DnsList> {
    DnsList::parse(text).map_err(|error| {
        format!("{text:?} is no list such as \"zen.example\" (of addresses) or \"domain:dbl.example\": {error}")
    })
}

/// A mailbox.
pub(super) fn mailbox(text: &str) -> Reading<Mailbox> {
    Mailbox::parse(text).map_err(|error| format!("{text:?}: {error}"))
}

/// A web address: `http` or `https`, a host, at most a port and a path.
pub(super) fn url(text: &str) -> Reading<String> {
    let refused = || format!("{text:?} is not a web address such as \"https://mail.example.org\"");
    let uri: hyper::Uri = text.parse().map_err(|_| refused())?;
    let web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if web && uri.query().is_none() { Ok(text.trim_end_matches('/').to_owned()) } else { Err(refused()) }
}

/// Where the pages of the panel are: a web address without a path, for theirs are fixed.
pub(super) fn origin(text: &str) -> Reading<String> {
    let url = url(text)?;
    match url.parse::<hyper::Uri>() {
        Ok(uri) if uri.path() == "/" => Ok(url),
        _ => Err(format!(
            "{text:?} has a path, and the panel stands at the top of its host: give it a name of its own, such as \
             \"https://mail.example.org\""
        )),
    }
}

/// A name that clients ask for in `Host`, as they write it there.
pub(super) fn host_name(text: &str) -> Reading<String> {
    domain(text)
        .map(|name| name.to_string())
        .map_err(|why| format!("{why}; write a host name without scheme and port, such as \"panel.example.org\""))
}

/// A web address that is called as it stands.
pub(super) fn called_url(text: &str) -> Reading<String> {
    let bare = text.split_once('?').map_or(text, |(bare, _)| bare);
    url(bare).map_err(|_| format!("{text:?} is not a web address such as \"https://monitor.example/ping\""))?;
    text.parse::<hyper::Uri>().map(|_| text.to_owned()).map_err(|error| format!("{text:?} is no web address: {error}"))
}

/// A web address of `https`.
pub(super) fn https_url(text: &str) -> Reading<String> {
    let is_https = |url: &String| url.starts_with("https://");
    url(text)
        .ok()
        .filter(is_https)
        .ok_or_else(|| format!("{text:?} is not an address such as \"https://ca.example/dir\""))
}

/// A next hop that is never looked up by MX: `smtp://host[:port]` or `smtps://host[:port]`.
pub(super) fn next_hop(text: &str, signs_in: SignIn) -> Reading<NextHop> {
    let refused = || format!("{text:?} is not a next hop such as \"smtp://10.0.0.5:25\" or \"smtps://relay.example\"");
    let (scheme, rest) = text.split_once("://").ok_or_else(refused)?;
    let (implicit_tls, standard) = match (scheme, signs_in) {
        ("smtp", SignIn::No) => (false, SMTP_PORT),
        ("smtp", SignIn::Yes) => (false, SUBMISSION_PORT),
        ("smtps", _) => (true, SMTPS_PORT),
        _ => return Err(refused()),
    };
    if rest.contains('@') {
        return Err("credentials do not belong into the address; use relay_username and relay_password_file".to_owned());
    }
    let (host, port) = split_port(rest.trim_end_matches('/'), standard).ok_or_else(refused)?;
    Ok(NextHop { host: host_of(host).ok_or_else(refused)?, port, implicit_tls })
}

/// Whether a next hop is signed in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignIn {
    Yes,
    No,
}

/// One of a few words.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Reading<T> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("{text:?} is not one of {}", words.join(", "))
    })
}

fn split_port(text: &str, standard: u16) -> Option<(&str, u16)> {
    let after_literal = text.rfind(']').map_or(0, |end| end + 1);
    match text[after_literal..].find(':') {
        Some(colon) => {
            let (host, port) = text.split_at(after_literal + colon);
            Some((host, port[1..].parse().ok().filter(|port| *port != 0)?))
        }
        None => Some((text, standard)),
    }
}

/// A name, or an address as URLs write it: `10.0.0.5`, `[2001:db8::1]`.
fn host_of(text: &str) -> Option<Host> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(ip) => Some(Host::Literal(crate::mail::AddressLiteral(ip))),
        Err(_) => Host::parse(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(text: &str) -> String {
        match next_hop(text, SignIn::No) {
            Ok(hop) => format!("{} {} {}", hop.host, hop.port, if hop.implicit_tls { "tls" } else { "plain" }),
            Err(reason) => reason,
        }
    }

    #[test]
    fn next_hops_have_the_ports_of_their_scheme() {
        assert_eq!(hop("smtp://relay.example"), "relay.example 25 plain");
        assert_eq!(hop("smtp://10.0.0.5:2525/"), "[10.0.0.5] 2525 plain");
        assert_eq!(hop("smtp://[2001:db8::1]:26"), "[IPv6:2001:db8::1] 26 plain");
        assert_eq!(hop("smtps://relay.example"), "relay.example 465 tls");
        assert_eq!(next_hop("smtp://relay.example", SignIn::Yes).unwrap().port, 587);
    }

    #[test]
    fn next_hops_without_sense_are_refused() {
        for text in ["relay.example", "http://relay.example", "smtp://", "smtp://a b", "smtp://a:0", "smtp://a:x"] {
            assert!(hop(text).contains("is not a next hop"), "{text}");
        }
        assert!(hop("smtp://me:secret@relay.example").contains("relay_password_file"));
    }

    #[test]
    fn dns_servers_go_with_and_without_a_port() {
        assert_eq!(dns_server("192.0.2.53").unwrap().to_string(), "192.0.2.53:53");
        assert_eq!(dns_server("2001:db8::53").unwrap().to_string(), "[2001:db8::53]:53");
        assert_eq!(dns_server("127.0.0.1:5353").unwrap().to_string(), "127.0.0.1:5353");
        assert!(dns_server("ns.example").is_err());
    }

    #[test]
    fn urls_are_of_the_web() {
        assert_eq!(url("https://mail.example/").unwrap(), "https://mail.example");
        for text in ["mail.example", "ftp://mail.example", "https://", "https://a/?b"] {
            assert!(url(text).is_err(), "{text}");
        }
        assert_eq!(origin("https://mail.example:8443/").unwrap(), "https://mail.example:8443");
        assert!(origin("https://mail.example/panel").is_err());
    }

    #[test]
    fn a_host_name_is_kept_as_clients_send_it() {
        assert_eq!(host_name("B\u{fc}cher.lan").unwrap(), "xn--bcher-kva.lan");
        for text in ["https://panel.lan", "panel.lan:8080", "a b"] {
            assert!(host_name(text).is_err(), "{text}");
        }
    }
}
