//! Our clock beside a time server's, by SNTP (RFC 4330): one datagram there, one back.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::Outside;
use crate::clock::Clock;
use crate::mail::{Domain, Moment};
use crate::policy::checkup::ClockFacts;

/// From the question for the server's name to its answer.
const WITHIN: Duration = Duration::from_secs(4);
/// Octets of a message without authentication.
const MESSAGE_OCTETS: usize = 48;
/// No leap warning, version 4, client.
const CLIENT: u8 = 0b0010_0011;
/// The mode of a server's answer, in the last three bits.
const SERVER_MODE: u8 = 4;
/// Seconds from 1900 to 1970.
const EPOCH: i64 = 2_208_988_800;
/// Where an answer repeats our time.
const ORIGINATE: usize = 24;
/// Where it says when it was asked.
const RECEIVE: usize = 32;
/// Where it says when it answered.
const TRANSMIT: usize = 40;

impl Outside {
    /// How far `clock` is ahead.
    pub async fn clock(&self, clock: &Clock) -> ClockFacts {
        let (server, port) = &self.settings.probes.time_server;
        let ahead = timeout(WITHIN, self.ahead(clock, (server, *port))).await;
        let ahead = ahead.unwrap_or_else(|_| Err(format!("no answer within {} s", WITHIN.as_secs())));
        ClockFacts { server: server.clone(), ahead }
    }

    async fn ahead(&self, clock: &Clock, (server, port): (&str, u16)) -> Result<i64, String> {
        let address = self.time_address(server).await?;
        let exchange = exchange(clock, SocketAddr::new(address, port)).await;
        let (sent, answer, came) = exchange.map_err(|error| error.to_string())?;
        let (asked, answered) = read(&answer, sent).ok_or("its answer is none of a time server")?;
        Ok(-((asked - sent.millis()) + (answered - came.millis())) / 2)
    }

    async fn time_address(&self, server: &str) -> Result<IpAddr, String> {
        if let Ok(address) = server.parse() {
            return Ok(address);
        }
        let name = Domain::parse(server).map_err(|error| error.to_string())?;
        let addresses = self.dns.addresses(&name).await.map_err(|error| error.to_string())?;
        let outward = addresses.into_iter().filter(|address| self.is_outward(*address));
        outward.min_by_key(IpAddr::is_ipv6).ok_or_else(|| "it has no public address".to_owned())
    }
}

/// When we asked, what came, and when.
async fn exchange(clock: &Clock, server: SocketAddr) -> std::io::Result<(Moment, [u8; MESSAGE_OCTETS], Moment)> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    let mut message = [0; MESSAGE_OCTETS];
    message[0] = CLIENT;
    let sent = clock.now();
    message[TRANSMIT..].copy_from_slice(&stamp(sent));
    socket.send(&message).await?;
    let octets = socket.recv(&mut message).await?;
    let came = clock.now();
    if octets < MESSAGE_OCTETS {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok((sent, message, came))
}

/// When the server was asked and when it answered, in our milliseconds; nothing where it speaks of another question, or has
/// no time to give (stratum 0).
fn read(answer: &[u8; MESSAGE_OCTETS], sent: Moment) -> Option<(i64, i64)> {
    let is_answer = answer[0] & 0b111 == SERVER_MODE && answer[1] != 0 && answer[ORIGINATE..RECEIVE] == stamp(sent);
    is_answer.then(|| Some((millis(&answer[RECEIVE..TRANSMIT])?, millis(&answer[TRANSMIT..])?))).flatten()
}

/// Seconds since 1900 and their 2^32nd parts.
fn stamp(moment: Moment) -> [u8; 8] {
    let seconds = moment.millis().div_euclid(1000) + EPOCH;
    let fraction = (moment.millis().rem_euclid(1000) << 32) / 1000;
    let whole = ((seconds & 0xffff_ffff) << 32) | fraction;
    whole.to_be_bytes()
}

/// The seconds begin anew in 2036: what is small is of the next era.
fn millis(stamp: &[u8]) -> Option<i64> {
    let whole = u64::from_be_bytes(stamp.try_into().ok()?);
    let (seconds, fraction) = (i64::try_from(whole >> 32).ok()?, i64::try_from(whole & 0xffff_ffff).ok()?);
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    Some((seconds + era - EPOCH) * 1000 + ((fraction * 1000) >> 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_as_they_are_written() {
        // 22 Nov 2026, and a moment of the next era.
        for millis_of in [1_795_373_784_123, 2_400_000_000_500] {
            let read = millis(&stamp(Moment::from_millis(millis_of))).unwrap();
            assert!((read - millis_of).abs() <= 1, "{read} {millis_of}");
        }
    }
}
