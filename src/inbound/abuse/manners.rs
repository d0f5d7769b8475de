//! Whether a client waits for our greeting (RFC 5321 §4.3.1), as whoever means to read answers does.
//!
//! What it says before is in the socket when the greeting is about to be written. It comes right behind the connection, but
//! not with it: so a client from the Internet that is not known yet is let wait a moment for its greeting. Whose mail was
//! taken within the last day, and whoever is near (loopback, private networks), is greeted at once.

use std::net::IpAddr;
use std::time::Duration;

use moka::sync::Cache;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::inbound::Tools;
use crate::inbound::recipient::Manners;
use crate::net::guard::is_public;
use crate::policy::limits::network_of;

/// How long the greeting is held back from whoever is not known.
const PAUSE: Duration = Duration::from_millis(500);
/// Clients that are known, some 2 MiB of them.
const MAX_KNOWN: u64 = 20_000;
/// How long one is known (Postfix: postscreen_greet_ttl, a day).
const KNOWN_FOR: Duration = Duration::from_secs(86_400);

/// Networks of the Internet whose mail was taken.
#[derive(Debug)]
pub(super) struct Known(Cache<IpAddr, ()>);

impl Default for Known {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_KNOWN).time_to_live(KNOWN_FOR).build())
    }
}

/// Sees how a client begins, before it is greeted.
pub(in crate::inbound) async fn watch(tools: &Tools, stream: &TcpStream, peer: IpAddr) -> Manners {
    let is_known = !is_public(peer) || tools.abuse.known.0.contains_key(&network_of(peer));
    let spoke = if is_known {
        has_spoken(stream)
    } else {
        tools.meter.greetings_held.raise();
        speaks_within(PAUSE, stream, &tools.stop).await
    };
    if !spoke {
        return Manners::Waited;
    }
    tools.meter.early_talkers.raise();
    tracing::info!(%peer, "the client spoke before the greeting");
    Manners::Early
}

/// Mail of this client was taken. Who only wrote to postmaster, out of turn, is not known by that.
pub(in crate::inbound) fn remember(tools: &Tools, peer: IpAddr, manners: Manners) {
    if manners == Manners::Early || !is_public(peer) {
        return;
    }
    let (known, network) = (&tools.abuse.known.0, network_of(peer));
    if !known.contains_key(&network) {
        known.insert(network, ());
    }
}

fn has_spoken(stream: &TcpStream) -> bool {
    let mut octet = [0];
    let seen = rustix::net::recv(stream, octet.as_mut_slice(), RecvFlags::PEEK | RecvFlags::DONTWAIT);
    seen.is_ok_and(|(octets, _)| octets > 0)
}

/// Ends as soon as the client says something, or leaves.
async fn speaks_within(pause: Duration, stream: &TcpStream, stop: &CancellationToken) -> bool {
    let mut octet = [0];
    tokio::select! {
        biased;
        seen = stream.peek(&mut octet) => seen.is_ok_and(|octets| octets > 0),
        () = sleep(pause) => false,
        () = stop.cancelled() => false,
    }
}
