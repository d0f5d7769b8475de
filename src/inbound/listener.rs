//! Takes permits (in all, per address), accepts, and hands each connection to its own task. A connection from a proxy
//! counts for the client behind it, as soon as that is known.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::abuse::{greylist, spam};
use super::{Tools, abuse, connection, proxied, rows};
use crate::net::doors::Permit;
use crate::policy::admission::Refusal;
use crate::smtp::reply::Reply;

/// Accepting failed (no file descriptors left): wait so long before trying again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Writing the refusal to a client over the limits may take so long.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Accepts on all listeners until the tools' `stop` is cancelled.
pub async fn listen(listeners: Vec<TcpListener>, tools: Arc<Tools>) {
    greylist::recall(&tools).await;
    let each = listeners.into_iter().map(|listener| accept_on(listener, Arc::clone(&tools)));
    tokio::join!(join_all(each), greylist::keep(&tools), spam::listen(&tools));
}

async fn accept_on(listener: TcpListener, tools: Arc<Tools>) {
    let mut asked = tools.pulse.join();
    let mut failing = false;
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
            Ok((stream, peer)) => {
                failing = false;
                admit(stream, peer, &tools);
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "accepting an SMTP connection failed; tried again until it works");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit(stream: TcpStream, peer: SocketAddr, tools: &Arc<Tools>) {
    let settings = tools.settings.load();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Some(permit) = tools.doors.enter(settings.max_connections) else { return turn_away(stream, peer, tools) };
    if settings.proxy_protocol_from.contain(peer.ip()) {
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
