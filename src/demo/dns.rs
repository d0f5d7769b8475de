//! A DNS server with a handful of records, over UDP and TCP on one port, that can be told to fail.
//!
//! It answers what stands in its zone, follows aliases inside it, says NXDOMAIN for unknown names and NODATA for known
//! ones without the type (both with an SOA, so that they can be cached), and remembers what it was asked. The zone
//! may be changed at any time; answers live for no time at all unless [`Dns::set_ttl`] says otherwise, so that a change
//! counts at once. Dropping it stops it.

mod answer;
mod zone;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use answer::{Answer, Transport};
pub use zone::{Asked, Failure};
use zone::{Data, Zone};

/// Octets in a question that is read over UDP.
const MAX_QUESTION_OCTETS: usize = 4096;
/// Octets of one string in a TXT record (RFC 1035 §3.3.14).
const MAX_STRING_OCTETS: usize = 255;
/// Ports tried until one is free for UDP and TCP alike.
const MAX_BIND_TRIES: usize = 20;

/// A running DNS server.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    zone: SharedZone,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

type SharedZone = Arc<Mutex<Zone>>;

impl Dns {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts on `address`; port 0 takes one that is free.
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        let (udp, tcp) = bind(address).await?;
        let zone = SharedZone::default();
        let address = udp.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&zone)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&zone)));
        Ok(Self { address, zone, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds an MX record.
    pub fn mx(&self, domain: &str, preference: u16, host: &str) {
        self.zone().add(domain, Data::Mx(preference, host.to_owned()));
    }

    /// Adds the null MX (RFC 7505): the domain takes no mail.
    pub fn null_mx(&self, domain: &str) {
        self.mx(domain, 0, ".");
    }

    /// Adds an A record.
    pub fn a(&self, host: &str, address: Ipv4Addr) {
        self.zone().add(host, Data::A(address));
    }

    /// Adds an AAAA record.
    pub fn aaaa(&self, host: &str, address: Ipv6Addr) {
        self.zone().add(host, Data::Aaaa(address));
    }

    /// Adds a TXT record; long texts are cut into strings of 255 octets.
    pub fn txt(&self, name: &str, text: &str) {
        self.txt_strings(name, &text.as_bytes().chunks(MAX_STRING_OCTETS).collect::<Vec<_>>());
    }

    /// Adds a TXT record of these strings, each of at most 255 octets.
    pub fn txt_strings(&self, name: &str, strings: &[&[u8]]) {
        self.zone().add(name, Data::Txt(strings.iter().map(|string| string.to_vec()).collect()));
    }

    /// Adds a CNAME record.
    pub fn cname(&self, name: &str, target: &str) {
        self.zone().add(name, Data::Cname(target.to_owned()));
    }

    /// Adds an NS record.
    pub fn ns(&self, domain: &str, host: &str) {
        self.zone().add(domain, Data::Ns(host.to_owned()));
    }

    /// Adds a PTR record for an address.
    pub fn ptr(&self, address: IpAddr, host: &str) {
        self.ptr_of(&reverse_name(address), host);
    }

    /// Adds a PTR record under a name as it stands.
    pub fn ptr_of(&self, name: &str, host: &str) {
        self.zone().add(name, Data::Ptr(host.to_owned()));
    }

    /// Fails every question about `name` from now on, whatever its type.
    pub fn fail(&self, name: &str, failure: Failure) {
        self.zone().fail(name, failure);
    }

    /// Fails questions about `name` from now on whose type it has no record of.
    pub fn fail_otherwise(&self, name: &str, failure: Failure) {
        self.zone().fail_otherwise(name, failure);
    }

    /// Fails no question about `name` any more.
    pub fn recover(&self, name: &str) {
        self.zone().recover(name);
    }

    /// Forgets the records and the failures of `name`.
    pub fn clear(&self, name: &str) {
        self.zone().clear(name);
    }

    /// Sets how long answers may be cached from now on.
    pub fn set_ttl(&self, seconds: u32) {
        self.zone().ttl = seconds;
    }

    /// Leaves the SOA out of answers without a record from now on: they do not say for how long they hold.
    pub fn leave_out_soa(&self) {
        self.zone().is_without_soa = true;
    }

    /// Every question so far, in order.
    #[must_use]
    pub fn queries(&self) -> Vec<Asked> {
        self.zone().asked.clone()
    }

    /// How often `name` was asked for, whatever the type.
    #[must_use]
    pub fn count_of(&self, name: &str) -> usize {
        let name = zone::key(name);
        self.zone().asked.iter().filter(|asked| asked.name == name).count()
    }

    fn zone(&self) -> MutexGuard<'_, Zone> {
        lock(&self.zone)
    }
}

/// The name under which the PTR record of an address stands.
#[must_use]
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|octet| [octet & 0xf, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

fn lock(zone: &SharedZone) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that is free for UDP may be taken for TCP: then another one is tried.
async fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 1;
    loop {
        let udp = UdpSocket::bind(address).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(_) if address.port() == 0 && tries < MAX_BIND_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn serve_udp(socket: UdpSocket, zone: SharedZone) {
    let mut question = vec![0; MAX_QUESTION_OCTETS];
    loop {
        // An error speaks of one earlier answer (its port was closed), not of the socket.
        let Ok((length, peer)) = socket.recv_from(&mut question).await else { continue };
        let answer = answer::to(&question[..length], &mut lock(&zone), Transport::Udp);
        if let Answer::Octets(octets) = answer {
            let _ = socket.send_to(&octets, peer).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: SharedZone) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            let zone = Arc::clone(&zone);
            connections.spawn(async move {
                let _ = converse(stream, &zone).await;
            });
        }
    }
}

/// Each message over TCP stands behind its length in two octets (RFC 1035 §4.2.2).
async fn converse(mut stream: TcpStream, zone: &SharedZone) -> io::Result<()> {
    loop {
        let mut question = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut question).await?;
        let answer = answer::to(&question, &mut lock(zone), Transport::Tcp);
        let Answer::Octets(octets) = answer else { continue };
        let length = u16::try_from(octets.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), octets.as_slice()].concat()).await?;
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::TokioResolver;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;

    use super::*;

    fn resolver(dns: &Dns) -> TokioResolver {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = dns.address().port();
            connection
        });
        let server = NameServerConfig::new(dns.address().ip(), true, connections.to_vec());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap()
    }

    #[tokio::test]
    async fn answers_what_stands_in_the_zone() {
        let dns = Dns::start().await.unwrap();
        dns.mx("inbox.example", 10, "mx.inbox.example");
        dns.cname("mx.inbox.example", "host.inbox.example");
        dns.a("host.inbox.example", Ipv4Addr::LOCALHOST);
        dns.txt("long.example", &"x".repeat(600));
        let resolver = resolver(&dns);

        assert_eq!(resolver.mx_lookup("inbox.example.").await.unwrap().answers().len(), 1);
        let found = resolver.lookup_ip("mx.inbox.example.").await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        assert_eq!(resolver.txt_lookup("long.example.").await.unwrap().answers().len(), 1);
        assert_eq!(dns.count_of("Inbox.example"), 1);

        dns.null_mx("nomail.example");
        let null = resolver.mx_lookup("nomail.example.").await.unwrap();
        assert_eq!(null.answers()[0].data.to_string(), "0 .");

        let nothing = resolver.txt_lookup("inbox.example.").await.unwrap_err();
        assert!(nothing.is_no_records_found() && !nothing.is_nx_domain(), "{nothing}");
        assert!(resolver.txt_lookup("unknown.example.").await.unwrap_err().is_nx_domain());
    }

    #[tokio::test]
    async fn fails_as_told_until_cleared() {
        let dns = Dns::start().await.unwrap();
        dns.a("host.example", Ipv4Addr::LOCALHOST);
        let resolver = resolver(&dns);

        dns.fail("host.example", Failure::ServFail);
        let failure = resolver.ipv4_lookup("host.example.").await.unwrap_err();
        assert!(!failure.is_no_records_found(), "{failure}");
        dns.fail("host.example", Failure::Truncate);
        assert!(resolver.ipv4_lookup("host.example.").await.is_ok(), "over TCP");
        dns.clear("host.example");
        assert!(resolver.ipv4_lookup("host.example.").await.unwrap_err().is_nx_domain());
    }

    #[test]
    fn addresses_are_reversed_for_ptr() {
        assert_eq!(reverse_name("192.0.2.7".parse().unwrap()), "7.2.0.192.in-addr.arpa");
        let six = reverse_name("2001:db8::1".parse().unwrap());
        assert_eq!(six, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }
}
