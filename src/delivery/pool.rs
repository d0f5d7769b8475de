//! Warm connections of one site: kept after a message, taken by the next one, closed when nobody wants them.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use crate::mail::Host;
use crate::policy::settings::TlsPolicy;

/// The connections that lie idle, the longest first.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Vec<Idle>,
    /// Somebody closes them when their time is over.
    reaped: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.idle.len()
    }

    /// Takes one to `host` that suits the policy, the youngest first; one that was closed meanwhile is dropped.
    pub(super) fn take(&mut self, host: &Host, policy: TlsPolicy) -> Option<Connection> {
        loop {
            let index = self.idle.iter().rposition(|idle| suits(&idle.connection, host, policy))?;
            let Idle { connection, .. } = self.idle.remove(index);
            if connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Takes the one that has lain the longest.
    pub(super) fn take_oldest(&mut self) -> Option<Connection> {
        (!self.idle.is_empty()).then(|| self.idle.remove(0).connection)
    }

    /// Takes the oldest of those beyond `most`.
    pub(super) fn take_surplus(&mut self, most: usize) -> Vec<Connection> {
        let surplus = self.idle.len().saturating_sub(most);
        self.idle.drain(..surplus).map(|idle| idle.connection).collect()
    }

    /// Keeps one; true if somebody must be found who closes it in time.
    pub(super) fn put(&mut self, connection: Connection, now: Instant) -> bool {
        self.idle.push(Idle { connection, since: now });
        !std::mem::replace(&mut self.reaped, true)
    }

    /// Takes those whose time is over, and says when the next one's will be.
    pub(super) fn take_old(&mut self, now: Instant, limit: Duration) -> (Vec<Connection>, Option<Instant>) {
        let young = self.idle.iter().position(|idle| idle.since + limit > now).unwrap_or(self.idle.len());
        let old = self.idle.drain(..young).map(|idle| idle.connection).collect();
        let next = self.idle.first().map(|idle| idle.since + limit);
        self.reaped = next.is_some();
        (old, next)
    }

    /// Takes all.
    pub(super) fn take_all(&mut self) -> Vec<Connection> {
        self.idle.drain(..).map(|idle| idle.connection).collect()
    }
}

/// The TLS policy is part of what makes a connection fit: mail that demands TLS never goes over a plain one.
fn suits(connection: &Connection, host: &Host, policy: TlsPolicy) -> bool {
    connection.peer.host == *host && (policy == TlsPolicy::Opportunistic || connection.peer.tls.is_some())
}
