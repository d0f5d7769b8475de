//! Who holds the ports that are configured, and port 25.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Outside;
use super::sockets::{self, Listening};
use crate::policy::checkup::{Holder, Listener, PortFacts};

/// The port of mail between systems.
const SMTP: u16 = 25;

impl Outside {
    /// Looks through /proc. Whether a gateway runs is for who asks to know.
    pub async fn ports(&self) -> PortFacts {
        let wanted = self.settings.listeners.clone();
        let looking = tokio::task::spawn_blocking(move || look(&wanted));
        // Without an answer nothing is found, and nothing is said.
        let (listeners, port_25) = looking.await.unwrap_or_default();
        PortFacts { runs: true, listeners, port_25 }
    }
}

fn look(wanted: &[(&'static str, SocketAddr)]) -> (Vec<Listener>, Option<Holder>) {
    let listening = sockets::listening();
    let on_25 = SocketAddr::from(([0, 0, 0, 0], SMTP));
    let is_wanted = |(address, _): &&Listening| {
        wanted.iter().any(|(_, wanted)| overlap(*wanted, *address)) || overlap(on_25, *address)
    };
    let inodes: Vec<u64> = listening.iter().filter(is_wanted).map(|(_, inode)| *inode).collect();
    let holders = sockets::holders(&inodes);
    let held = |address: SocketAddr| held(address, &listening, &holders);
    let listener =
        |(key, address): &(&'static str, SocketAddr)| Listener { key, address: *address, holder: held(*address) };
    let configured_25 = wanted.iter().any(|(key, address)| *key == "smtp.listen" && address.port() == SMTP);
    (wanted.iter().map(listener).collect(), (!configured_25).then(|| held(on_25)))
}

/// One who may not see the holder of a socket still sees that it is held.
fn held(address: SocketAddr, listening: &[Listening], holders: &BTreeMap<u64, Holder>) -> Holder {
    let there = listening.iter().filter(|(other, _)| overlap(address, *other));
    let all: Vec<Holder> = there
        .map(|(_, inode)| holders.get(inode).cloned().unwrap_or(Holder::Other { program: None, process: None }))
        .collect();
    if all.contains(&Holder::Us) {
        return Holder::Us;
    }
    all.into_iter().next().unwrap_or(Holder::Nobody)
}

/// Whether both cannot be listened on by two programs: the port is the same, and an address or all of them.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip(), other.ip());
    one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}
