//! What a service manager hears (sd_notify(3)) and hands over (sd_listen_fds(3)): that the gateway is ready, reloads,
//! stops, lives; and listeners that it opened, so that no capability is needed and no connection refused over a restart.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Gateway;
use crate::clock::Clock;

/// The names of passed listeners that take SMTP; systemd's own are those of the unit, or none.
const SMTP_NAMES: [&str; 4] = ["smtp", "waypost.socket", "unknown", ""];
/// The names of those that take HTTP.
const HTTP_NAME: &str = "http";
const HTTPS_NAME: &str = "https";
const REDIRECT_NAME: &str = "redirect";
const METRICS_NAME: &str = "metrics";

/// The service manager, if one listens.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    #[must_use]
    pub fn of_environment() -> Self {
        let value = |name| std::env::var(name).ok();
        let socket = value("NOTIFY_SOCKET").and_then(|name| {
            let socket = connect(&name);
            socket.inspect_err(|error| tracing::warn!(%error, "the service manager cannot be told anything")).ok()
        });
        let is_for_us = value("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let micros = value("WATCHDOG_USEC").filter(|_| is_for_us).and_then(|micros| micros.parse().ok());
        Self { socket, watchdog: micros.filter(|micros| *micros > 0).map(Duration::from_micros) }
    }

    /// Mail is taken.
    pub fn ready(&self, gateway: &Gateway) {
        let listening: Vec<_> = gateway.listening.smtp.iter().map(ToString::to_string).collect();
        self.tell(&format!("READY=1\nSTATUS=Taking mail on {}", listening.join(", ")));
    }

    /// The configuration is read again; [`Manager::ready`] follows.
    pub fn reloading(&self) {
        let micros = Clock::system().since_boot().as_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reading the configuration again"));
    }

    /// No new mail is taken; what is under way ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Ending what is under way");
    }

    /// Tells twice a period that the gateway lives, as long as it does: its accept loops and both writers answer in time.
    /// A disk that is full is an answer too; to be killed would not help.
    pub async fn watch(&self, gateway: &Gateway) {
        let Some(period) = self.watchdog else { return std::future::pending().await };
        let mut turn = interval(period / 2);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turn.tick().await;
            match timeout(period / 2, gateway.answers()).await {
                Ok(true) => self.tell("WATCHDOG=1"),
                Ok(false) | Err(_) => {
                    tracing::error!("the gateway does not answer itself");
                    self.tell("STATUS=The gateway does not answer itself");
                }
            }
        }
    }

    fn tell(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(state.as_bytes()) {
            tracing::warn!(%error, "the service manager cannot be told that: {state}");
        }
    }
}

/// `@` begins a name that is not of the file system.
fn connect(name: &str) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// Listeners that were opened for us.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) smtp: Vec<TcpListener>,
    pub(super) http: Vec<TcpListener>,
    pub(super) https: Vec<TcpListener>,
    pub(super) redirect: Vec<TcpListener>,
    pub(super) metrics: Vec<TcpListener>,
}

impl Passed {
    /// Takes them over, if there are any.
    pub(super) fn take() -> anyhow::Result<Self> {
        let (mut all, names) = (ListenFd::from_env(), std::env::var("LISTEN_FDNAMES").unwrap_or_default());
        let names: Vec<&str> = names.split(':').collect();
        let mut passed = Self::default();
        for place in 0..all.len() {
            let name = names.get(place).copied().unwrap_or_default();
            let of_name = match name {
                HTTP_NAME => &mut passed.http,
                HTTPS_NAME => &mut passed.https,
                REDIRECT_NAME => &mut passed.redirect,
                METRICS_NAME => &mut passed.metrics,
                name if SMTP_NAMES.contains(&name) => &mut passed.smtp,
                _ => bail!(
                    "a socket named {name:?} was passed; FileDescriptorName= is smtp, http, https, redirect or metrics"
                ),
            };
            let listener = all.take_tcp_listener(place).with_context(|| format!("the passed socket {name:?}"))?;
            let listener = listener.with_context(|| format!("the passed socket {name:?} is gone"))?;
            listener.set_nonblocking(true)?;
            of_name.push(TcpListener::from_std(listener)?);
        }
        Ok(passed)
    }
}

/// Those that were passed; only where there are none are the configured addresses bound.
pub(super) async fn or_bound(
    passed: Vec<TcpListener>,
    bind: impl Future<Output = anyhow::Result<Vec<TcpListener>>>,
) -> anyhow::Result<Vec<TcpListener>> {
    if passed.is_empty() { bind.await } else { Ok(passed) }
}
