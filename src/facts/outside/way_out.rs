//! Whether port 25 leads out: mail servers that answer from everywhere are greeted, and nothing is sent to them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Outside;
use crate::mail::Domain;
use crate::policy::checkup::{PortOut, Tried, Unreached};

/// From the question for the server's name to its greeting.
const WITHIN: Duration = Duration::from_secs(8);
/// Octets of a greeting that are read (RFC 5321 §4.5.3.1.5).
const MAX_GREETING_OCTETS: u64 = 512;

impl Outside {
    /// Tries each of the far domains.
    pub async fn way_out(&self) -> PortOut {
        let tried = match self.relay() {
            Some(_) => Vec::new(),
            None => join_all(self.settings.probes.far_domains.iter().map(|domain| self.greeted(domain))).await,
        };
        let (port, dns) = (self.leaving.load().port, self.settings.dns.clone());
        PortOut { relay: self.relay(), tried, port, dns }
    }

    async fn greeted(&self, domain: &str) -> Tried {
        let until = Instant::now() + WITHIN;
        let outcome = match in_time(until, self.address_of(domain)).await {
            Ok(address) => in_time(until, self.greeting_at(address)).await.map_err(Unreached::Silent),
            Err(why) => Err(Unreached::Unknown(why)),
        };
        Tried { host: domain.to_owned(), outcome }
    }

    /// Where the mail of a domain goes.
    async fn address_of(&self, domain: &str) -> Result<IpAddr, String> {
        let domain = Domain::parse(domain).map_err(|error| error.to_string())?;
        let hosts = self.dns.mx(&domain).await.map_err(|error| error.to_string())?;
        let first = hosts.into_iter().min_by_key(|(preference, _)| *preference).and_then(|(_, host)| host);
        let host = first.ok_or("it takes no mail")?;
        let addresses = self.dns.addresses(&host).await.map_err(|error| error.to_string())?;
        // IPv4 reaches every network; a machine without IPv6 is not blocked.
        let outward = addresses.into_iter().filter(|address| self.is_outward(*address));
        outward.min_by_key(IpAddr::is_ipv6).ok_or_else(|| "it has no public address".to_owned())
    }

    async fn greeting_at(&self, address: IpAddr) -> Result<String, String> {
        let stream = TcpStream::connect(SocketAddr::new(address, self.leaving.load().port)).await;
        greeting(stream.map_err(|error| error.to_string())?).await.map_err(|error| error.to_string())
    }
}

async fn in_time<T>(until: Instant, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout_at(until, work).await.unwrap_or_else(|_| Err(format!("no answer within {} s", WITHIN.as_secs())))
}

async fn greeting(stream: TcpStream) -> std::io::Result<String> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    (&mut stream).take(MAX_GREETING_OCTETS).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    // Whether it hears the farewell is its own affair.
    let _ = stream.get_mut().write_all(b"QUIT\r\n").await;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
