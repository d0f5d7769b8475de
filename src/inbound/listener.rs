//! Takes permits (in all, per address), accepts, and hands each connection to its own task. A connection from a proxy
//! counts for the client behind it, as soon as that is known.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::{Tools, abuse, connection, proxied, rows};
use crate::policy::admission::Refusal;
use crate::policy::limits::network_of;
use crate::smtp::reply::Reply;

/// Accepting failed (no file descriptors left): wait so long before trying again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Writing the refusal to a client over the limits may take so long.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Open connections, in all and per address; bounded, since an entry goes with its last connection.
#[derive(Debug, Default)]
pub(super) struct Doors {
    open: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

/// One open connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    doors: Arc<Doors>,
    network: Option<IpAddr>,
}

impl Doors {
    /// A place in all.
    fn enter(self: &Arc<Self>, max: usize) -> Option<Permit> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.0 >= max {
            return None;
        }
        open.0 += 1;
        Some(Permit { doors: Arc::clone(self), network: None })
    }
}

impl Permit {
    /// The place is this client's, if its address has room for one more.
    fn of(mut self, client: IpAddr, max_per_ip: usize) -> Option<Self> {
        let network = network_of(client);
        let mut open = self.doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.1.entry(network).or_default();
        if *here >= max_per_ip {
            drop(open);
            return None;
        }
        *here += 1;
        drop(open);
        self.network = Some(network);
        Some(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 -= 1;
        let Some(network) = self.network else { return };
        if let Some(here) = open.1.get_mut(&network) {
            *here -= 1;
            if *here == 0 {
                open.1.remove(&network);
            }
        }
    }
}

/// Accepts on all listeners until the tools' `stop` is cancelled.
pub async fn listen(listeners: Vec<TcpListener>, tools: Arc<Tools>) {
    let doors = Arc::new(Doors::default());
    let each = listeners.into_iter().map(|listener| accept_on(listener, Arc::clone(&tools), Arc::clone(&doors)));
    futures_util::future::join_all(each).await;
}

async fn accept_on(listener: TcpListener, tools: Arc<Tools>, doors: Arc<Doors>) {
    let mut asked = tools.pulse.join();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(alive) = asked.recv() => {
                let _gone = alive.send(());
                continue;
            }
            () = tools.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, &tools, &doors),
            Err(error) => {
                tracing::warn!(%error, "accepting an SMTP connection failed; pausing");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, tools: &Arc<Tools>, doors: &Arc<Doors>) {
    let settings = tools.settings.load();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Some(permit) = doors.enter(settings.max_connections) else { return turn_away(stream, peer, tools) };
    if settings.proxy_protocol_from.contains(&peer.ip()) {
        tools.sessions.spawn(behind(stream, peer, (Arc::clone(tools), permit)));
    } else {
        begin(stream, peer, (tools, permit));
    }
}

/// The client behind a proxy is served like any other, once the proxy has said who it is.
async fn behind(mut stream: TcpStream, proxy: SocketAddr, (tools, permit): (Arc<Tools>, Permit)) {
    let client = tokio::select! {
        client = proxied::client(&mut stream, proxy) => client,
        () = tools.stop.cancelled() => return,
    };
    match client {
        Ok(client) => begin(stream, client, (&tools, permit)),
        Err(error) => tracing::info!(proxy = %proxy.ip(), %error, "closed: the proxy did not say who is behind it"),
    }
}

fn begin(stream: TcpStream, peer: SocketAddr, (tools, permit): (&Arc<Tools>, Permit)) {
    let max_per_ip = tools.settings.load().max_connections_per_ip;
    let Some(permit) = permit.of(peer.ip(), max_per_ip) else { return turn_away(stream, peer, tools) };
    let tools = Arc::clone(tools);
    if let Err(refusal) = abuse::connection(&tools, peer.ip()) {
        tools.sessions.clone().spawn(refuse_too_many(stream, peer, (tools, permit), *refusal));
        return;
    }
    tools.meter.connections.raise();
    tools.meter.open_connections.raise();
    let session = connection::serve(stream, peer, Arc::clone(&tools));
    tools.sessions.clone().spawn(async move {
        session.await;
        tools.meter.open_connections.lower();
        drop(permit);
    });
}

fn turn_away(stream: TcpStream, peer: SocketAddr, tools: &Tools) {
    tools.meter.connections_refused.raise();
    tracing::info!(peer = %peer.ip(), "turned away: too many connections");
    tokio::spawn(refuse(stream, Reply::new(421, 4, 5, "Too many connections, try again later")));
}

/// A client that comes too often: its place is held until it was written down and told, so that no flood grows here.
async fn refuse_too_many(
    stream: TcpStream,
    peer: SocketAddr,
    (tools, _permit): (Arc<Tools>, Permit),
    refusal: Refusal,
) {
    tools.meter.limited.raise();
    tracing::info!(peer = %peer.ip(), reply = %refusal.reply, "turned away: {}", refusal.reason);
    let reply = refusal.reply.clone();
    let row = rows::of_connection(&tools, peer.ip(), refusal);
    if let Err(error) = tools.store.activity.record(vec![row]).await {
        tools.storage_failed("writing down a connection that was turned away", &error);
    }
    refuse(stream, reply).await;
}

async fn refuse(mut stream: TcpStream, reply: Reply) {
    let mut octets = Vec::new();
    reply.write(&mut octets);
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, stream.write_all(&octets)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_per_address_and_in_all_and_given_back() {
        let doors = Arc::new(Doors::default());
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let enter = |client| doors.enter(3).and_then(|permit| permit.of(client, 2));
        let first = enter(a).unwrap();
        let _second = enter(a).unwrap();
        assert!(enter(a).is_none());
        let _third = enter(b).unwrap();
        assert!(enter(b).is_none());
        drop(first);
        assert!(enter(a).is_some());
        let unnamed = doors.enter(3).unwrap();
        assert!(enter(a).is_none(), "who is behind a proxy counts before it is known");
        drop(unnamed);
        assert!(enter(b).is_some());
    }
}
