//! A message through the gateway's own door: a client of its own SMTP listener, so that what happens to it is what happens
//! to everybody's mail.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Outside;
use crate::mail::{Domain, Mailbox, ReversePath};

/// From the connection to the answer to the final dot: longer than that answer may take.
const WITHIN: Duration = Duration::from_secs(20);
/// Octets of one line of an answer (RFC 5321 §4.5.3.1.5).
const MAX_LINE_OCTETS: u64 = 512;
/// Lines of one answer.
const MAX_LINES: usize = 50;

impl Outside {
    /// Where our own door is, once it is open.
    pub fn listens_at(&self, smtp: Option<SocketAddr>) {
        self.door.store(smtp.map(std::sync::Arc::new));
    }

    /// Hands a message in 7 bits over at our own door; gives the answer to it, be it yes or no, or why there was none.
    pub async fn to_own_door(
        &self,
        host: &Domain,
        (from, to): (&ReversePath, &Mailbox),
        octets: &[u8],
    ) -> Result<String, String> {
        let Some(door) = self.door.load().as_deref().copied() else {
            return Err("no gateway runs that could take it".to_owned());
        };
        let sender = from.mailbox().map(ToString::to_string).unwrap_or_default();
        let commands =
            [format!("EHLO {host}"), format!("MAIL FROM:<{sender}>"), format!("RCPT TO:<{to}>"), "DATA".to_owned()];
        let talk = async {
            let stream = TcpStream::connect(within_reach(door)).await?;
            talked(BufReader::new(stream), &commands, octets).await
        };
        match timeout(WITHIN, talk).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", WITHIN.as_secs())),
        }
    }
}

/// The first no ends it; the answer to the dot is what counts.
async fn talked(mut stream: BufReader<TcpStream>, commands: &[String], octets: &[u8]) -> io::Result<String> {
    let mut answer = reply(&mut stream).await?;
    for command in commands {
        if !is_yes(&answer) {
            return Ok(answer);
        }
        stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).await?;
        answer = reply(&mut stream).await?;
    }
    if is_yes(&answer) {
        stream.get_mut().write_all(&stuffed(octets)).await?;
        answer = reply(&mut stream).await?;
    }
    // Whether it hears the farewell is its own affair.
    let _ = stream.get_mut().write_all(b"QUIT\r\n").await;
    Ok(answer)
}

fn is_yes(answer: &str) -> bool {
    answer.starts_with(['2', '3'])
}

/// A whole answer; its lines joined.
async fn reply(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut said = Vec::new();
    for _ in 0..MAX_LINES {
        let mut line = Vec::new();
        (&mut *stream).take(MAX_LINE_OCTETS).read_until(b'\n', &mut line).await?;
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let is_last = text.as_bytes().get(3) != Some(&b'-');
        if text.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        said.push(text);
        if is_last {
            return Ok(said.join(" "));
        }
    }
    Err(io::Error::other("an answer without end"))
}

/// Lines that begin with a dot get another, and a dot ends it (RFC 5321 §4.5.2). The message ends with a whole line.
fn stuffed(octets: &[u8]) -> Vec<u8> {
    let lines = octets.split_inclusive(|octet| *octet == b'\n');
    let mut out: Vec<u8> = Vec::with_capacity(octets.len() + 3);
    for line in lines {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// A listener of every address is reached by the machine's own.
fn within_reach(door: SocketAddr) -> SocketAddr {
    match door.ip() {
        IpAddr::V4(any) if any.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), door.port()),
        IpAddr::V6(any) if any.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), door.port()),
        _ => door,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_and_one_ends_it() {
        assert_eq!(stuffed(b"a\r\n.b\r\n"), b"a\r\n..b\r\n.\r\n");
    }

    #[test]
    fn a_listener_of_every_address_is_reached_by_the_machine_s_own() {
        for (door, reached) in
            [("0.0.0.0:25", "127.0.0.1:25"), ("[::]:25", "[::1]:25"), ("192.0.2.7:25", "192.0.2.7:25")]
        {
            assert_eq!(within_reach(door.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
