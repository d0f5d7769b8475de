//! The sockets that the gateway listens on: bound, or handed over by a service manager.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::certificates::acme::Proof;
use crate::config::Config;

use super::manager::{Passed, or_bound};

/// An address that is taken is tried again for so long: of a mail server that had it before, thousands of processes may
/// have to end first.
const WAIT_FOR_ADDRESS: Duration = Duration::from_secs(20);
/// How often it is tried meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// One of each kind of thing, for each kind of listener.
#[derive(Debug, Clone, Default)]
pub struct Listening<T> {
    /// `smtp.listen`.
    pub smtp: T,
    /// `http.listen`.
    pub http: T,
    /// `http.https_listen`.
    pub https: T,
    /// `http.http_redirect_listen`.
    pub redirect: T,
    /// `http.metrics_listen`.
    pub metrics: T,
}

impl Listening<Vec<TcpListener>> {
    /// Takes over what was handed to us, and binds the rest.
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let (passed, http) = (Passed::take()?, &config.http);
        Ok(Self {
            smtp: or_bound(passed.smtp, bind_all(&config.smtp.listen, "smtp.listen")).await?,
            http: or_bound(passed.http, bind_all(&http.listen, "http.listen")).await?,
            https: or_bound(passed.https, bind_all(&http.https_listen, "http.https_listen")).await?,
            redirect: or_bound(passed.redirect, bind_all(&http.http_redirect_listen, "http.http_redirect_listen"))
                .await?,
            metrics: or_bound(passed.metrics, bind_all(&http.metrics_listen, "http.metrics_listen")).await?,
        })
    }

    /// Where they listen, with the ports that they got.
    pub(super) fn addresses(&self) -> io::Result<Listening<Vec<SocketAddr>>> {
        Ok(Listening {
            smtp: addresses(&self.smtp)?,
            http: addresses(&self.http)?,
            https: addresses(&self.https)?,
            redirect: addresses(&self.redirect)?,
            metrics: addresses(&self.metrics)?,
        })
    }
}

impl Listening<Vec<SocketAddr>> {
    /// How names can be proved: inside TLS where HTTPS listens, by plain HTTP where browsers are sent on from, or nothing
    /// else is there.
    pub(super) fn proofs(&self) -> Vec<Proof> {
        let tls = (!self.https.is_empty()).then_some(Proof::Tls);
        let http = (self.https.is_empty() || !self.redirect.is_empty()).then_some(Proof::Http);
        tls.into_iter().chain(http).collect()
    }
}

async fn bind_all(addresses: &[SocketAddr], key: &str) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listener = bind(*address, key).await;
        listeners.push(listener.with_context(|| format!("cannot listen on {address} ({key})"))?);
    }
    Ok(listeners)
}

/// Binds one; an address that is taken is waited for.
async fn bind(address: SocketAddr, key: &str) -> io::Result<TcpListener> {
    let mut waited = Duration::ZERO;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && waited < WAIT_FOR_ADDRESS => {
                if waited.is_zero() {
                    tracing::warn!(%address, key, "another program listens here: waiting for it to end");
                }
                tokio::time::sleep(TRY_EVERY).await;
                waited += TRY_EVERY;
            }
            bound => return bound,
        }
    }
}

fn addresses(listeners: &[TcpListener]) -> io::Result<Vec<SocketAddr>> {
    listeners.iter().map(TcpListener::local_addr).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_is_waited_for_and_not_for_ever() {
        let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = holder.local_addr().unwrap();
        let refused = bind(address, "smtp.listen").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        let leave = async {
            tokio::time::sleep(WAIT_FOR_ADDRESS / 2).await;
            drop(holder);
        };
        let (bound, ()) = tokio::join!(bind(address, "smtp.listen"), leave);
        assert_eq!(bound.unwrap().local_addr().unwrap(), address);
    }
}
