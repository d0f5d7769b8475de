//! The composition root: builds everything, runs it, stops it in order.

use std::net::SocketAddr;

use crate::config::Config;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Where SMTP listens (ports as bound).
    pub smtp: Vec<SocketAddr>,
    /// Where HTTP listens.
    pub http: Vec<SocketAddr>,
}

#[expect(clippy::unused_async, reason = "the skeleton")]
impl Gateway {
    /// Locks the data, opens the databases, binds the listeners, starts everything.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let _ = config;
        todo!("gateway")
    }

    /// Reads certificates again, and takes a new configuration as far as it can change while running.
    pub async fn reload(&self, config: Config) -> anyhow::Result<()> {
        let _ = config;
        todo!("gateway")
    }

    /// Stops in order: no new mail, unsent attempts to the queue, sent ones to their end, databases closed.
    pub async fn stop(self) -> anyhow::Result<()> {
        todo!("gateway")
    }
}

/// The API without a gateway: the command line's way when none runs.
#[derive(Debug)]
pub struct Offline {
    /// The control router: `/v1/…` and `/control/…`.
    pub router: axum::Router,
}

#[expect(clippy::unused_async, reason = "the skeleton")]
impl Offline {
    /// Takes the lock (waiting up to 30 s for another command's), opens the databases.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let _ = config;
        todo!("gateway")
    }

    /// Closes the databases and gives the lock back.
    pub async fn close(self) -> anyhow::Result<()> {
        todo!("gateway")
    }
}
