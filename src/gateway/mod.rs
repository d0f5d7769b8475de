//! The composition root: builds everything, runs it, stops it in order.
//!
//! Stopping goes against the stream of mail: first no new mail (sessions end, unsent attempts go to the queue), then the
//! courier (sent attempts get their grace), then HTTP, then storage.

mod build;
mod control;
mod files;
mod listeners;
mod lock;
mod manager;
mod replacement;
mod secrets;
mod web;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Actor, Admin, Beat};
use crate::config::Config;
use crate::http::{Entrance, Settings};
use crate::inbound;
use crate::upkeep::Upkeep;

use build::Parts;
use control::ControlListener;
use web::Web;

pub use listeners::Listening;
pub use lock::{DataLock, Holder, gateway_runs};
pub use manager::Manager;
pub use replacement::{Places, make_file, make_folder, names_in};

/// The control socket's name in `data_dir`.
pub const CONTROL_SOCKET: &str = "control.sock";
/// SMTP sessions get so long to end on a stop: the longest answer to a dot, and the commit.
const SESSIONS_GRACE: Duration = Duration::from_secs(15);
/// HTTP requests get so long; live streams are cut.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Where it listens (ports as bound).
    pub listening: Listening<Vec<SocketAddr>>,
    parts: Parts,
    inbound: Arc<inbound::Tools>,
    stop_mail: CancellationToken,
    stop_courier: CancellationToken,
    stop_rest: CancellationToken,
    courier: JoinHandle<()>,
    rest: Vec<JoinHandle<()>>,
    control: axum::Router,
    panel: crate::http::Settings,
    lock: DataLock,
    /// As it was started with.
    config: Config,
}

impl Gateway {
    /// Locks the data, opens the databases, binds the listeners, starts everything.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        build::prepare(&config)?;
        files::raise_limit();
        let lock = take(&config, Holder::Gateway).await?;
        let mut listeners = Listening::open(&config).await?;
        let listening = listeners.addresses()?;
        let control = ControlListener::bind(&config.data_dir.join(CONTROL_SOCKET))?;
        let parts = Parts::open(&config).await?;
        let config = Config::clone(&parts.current.config());
        parts.outside.listens_at(listening.smtp.first().copied());
        parts.recover().await.map_err(|error| build::unopened(&config, &error))?;
        let acme = parts.acme(&config, listening.proofs())?;
        let stop_mail = CancellationToken::new();
        let inbound = Arc::new(parts.inbound(&config, stop_mail.clone()));
        let settings = build::http(&config, Some(&listening));
        let links_at = build::links_at(&config, Some(&listening));
        let mut gateway = Self {
            listening,
            stop_courier: CancellationToken::new(),
            stop_rest: CancellationToken::new(),
            courier: tokio::spawn(std::future::ready(())),
            rest: Vec::new(),
            control: crate::http::control(parts.admin(links_at), settings.clone()),
            panel: settings.clone(),
            parts,
            inbound,
            stop_mail,
            lock,
            config,
        };
        gateway.run_mail(std::mem::take(&mut listeners.smtp));
        gateway.run_http(settings, listeners, control);
        gateway.run_upkeep();
        gateway.rest.extend(acme.map(|acme| tokio::spawn(acme.run(gateway.stop_rest.clone()))));
        gateway.run_settings();
        let Listening { smtp, http, https, .. } = &gateway.listening;
        let data = std::path::absolute(&gateway.config.data_dir).unwrap_or_default();
        tracing::info!(?smtp, ?http, ?https, hostname = %gateway.config.hostname, data = %data.display(), "waypost is up");
        Ok(gateway)
    }

    fn run_mail(&mut self, listeners: Vec<TcpListener>) {
        self.courier = tokio::spawn(self.parts.courier.run(self.stop_courier.clone()));
        self.rest.push(tokio::spawn(inbound::listen(listeners, Arc::clone(&self.inbound))));
    }

    fn admin(&self) -> Admin {
        self.parts.admin(build::links_at(&self.config, Some(&self.listening)))
    }

    fn run_http(&mut self, settings: Settings, sockets: Listening<Vec<TcpListener>>, control: ControlListener) {
        let stop = self.stop_rest.clone();
        let entrance = Entrance::new(settings.trusted_proxies.clone(), self.parts.meter(), stop.clone());
        let web = Web { admin: self.admin(), certificates: self.parts.certificates.clone(), settings };
        for listener in web.listeners(sockets, &self.listening) {
            self.rest.push(tokio::spawn(entrance.clone().serve(listener)));
        }
        let control = axum::serve(control, self.control.clone()).with_graceful_shutdown(stop.cancelled_owned());
        self.rest.push(served(control.into_future()));
    }

    fn run_upkeep(&mut self) {
        let upkeep = Upkeep {
            admin: self.admin(),
            store: self.parts.store.clone(),
            certificates: self.parts.certificates.clone(),
            clock: self.parts.clock.clone(),
            settings: build::upkeep(&self.config),
        };
        self.rest.push(tokio::spawn(upkeep.run(self.stop_rest.clone())));
    }

    /// Gives the parts their new settings when somebody changes them in the panel.
    fn run_settings(&mut self) {
        let (mut changes, stop) = (self.parts.current.follow(), self.stop_rest.clone());
        let (renewal, inbound) = (self.parts.renewal(), Arc::clone(&self.inbound));
        self.rest.push(tokio::spawn(async move {
            while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
                let config = Arc::clone(&changes.borrow_and_update());
                if let Err(error) = renewal.renew(&config) {
                    tracing::error!(%error, "new settings were not taken");
                }
                inbound.settings.store(Arc::new(build::inbound(&config)));
            }
        }));
    }

    /// Reads certificates and secrets again, and takes what of a new configuration can change while running; says which
    /// changed settings are left for a restart.
    pub async fn reload(&self, config: Config) -> anyhow::Result<()> {
        self.parts.certificates.reload().context("the TLS certificate cannot be read again")?;
        self.parts.certificates.ask_again();
        let config = self.parts.with_panel(&config).await?;
        config.known_by().for_each(|line| tracing::warn!("{line}"));
        self.parts.renewal().renew(&config)?;
        self.inbound.settings.store(Arc::new(build::inbound(&config)));
        self.parts.current.replace(config.clone());
        tracing::info!("configuration and certificates were read again");
        let left = self.config.left_for_restart(&config);
        if !left.is_empty() {
            tracing::warn!(settings = %left.join(", "), "these settings have changed and count after a restart");
        }
        Ok(())
    }

    /// Where the owner sets the gateway up, once; none if that was done, or if no panel is served.
    pub async fn setup_url(&self) -> anyhow::Result<Option<String>> {
        if self.listening.http.is_empty() && self.listening.https.is_empty() {
            return Ok(None);
        }
        let link = self.admin().setup_link(&Actor::operator()).await?;
        Ok(link.map(|link| crate::http::url(&self.panel, &format!("/setup/{}", link.text()))))
    }

    /// Whether the accept loops run and both databases' writers answer, be it that they cannot write; waits for them.
    pub async fn answers(&self) -> bool {
        tokio::join!(self.inbound.accepts(), self.parts.store.answers()).0
    }

    /// The last call of the heartbeat since the start.
    #[must_use]
    pub fn last_heartbeat(&self) -> Option<Beat> {
        self.parts.heartbeat.last()
    }

    /// The router behind the control socket, for callers in this process.
    pub fn control(&self) -> axum::Router {
        self.control.clone()
    }

    /// Stops in order: no new mail, unsent attempts to the queue, sent ones to their end, databases closed. A step that fails
    /// keeps none of the others from being taken; its error is told in the end.
    pub async fn stop(self) -> anyhow::Result<()> {
        tracing::info!("stopping: no new mail, then the queue, then the rest");
        self.stop_mail.cancel();
        let heard = if end_sessions(&self.inbound.sessions).await {
            self.parts.store.activity.all_heard().await.context("the log was not told that all answers were heard")
        } else {
            Ok(())
        };
        self.stop_courier.cancel();
        let couriered = self.courier.await.context("the courier broke down");
        self.stop_rest.cancel();
        for task in self.rest {
            end_task(task).await;
        }
        self.parts.store.close().await;
        drop(self.lock);
        tracing::info!("stopped");
        heard.and(couriered)
    }
}

/// Waits for the SMTP sessions to end; false if some do not in time and are cut with the process.
async fn end_sessions(sessions: &TaskTracker) -> bool {
    sessions.close();
    let have_ended = tokio::time::timeout(SESSIONS_GRACE, sessions.wait()).await.is_ok();
    if !have_ended {
        tracing::warn!(sessions = sessions.len(), "some SMTP sessions did not end in time and are cut");
    }
    have_ended
}

async fn end_task(task: JoinHandle<()>) {
    let abort = task.abort_handle();
    if tokio::time::timeout(HTTP_GRACE, task).await.is_err() {
        abort.abort();
    }
}

fn served(server: impl Future<Output = std::io::Result<()>> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the control socket broke down");
        }
    })
}

/// The data, with nobody else at them, and whole: what a restore has begun is finished first.
async fn take(config: &Config, holder: Holder) -> anyhow::Result<DataLock> {
    let lock = DataLock::take(&config.data_dir, holder).await?;
    let places = Places::of(config);
    let are_changing = places.are_changing();
    let kept = places.finish().context("a restore was cut short, and cannot be finished")?;
    if are_changing {
        tracing::warn!(?kept, "a restore that was cut short is finished; the data of before are kept");
    }
    Ok(lock)
}

/// The API without a gateway: the command line's way when none runs.
#[derive(Debug)]
pub struct Offline {
    /// The control router: `/v1/…` and `/control/…`.
    pub router: axum::Router,
    parts: Parts,
    lock: DataLock,
}

impl Offline {
    /// Takes the lock (waiting up to 30 s for another command's), opens the databases.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        build::prepare(config)?;
        let lock = take(config, Holder::Command).await?;
        let parts = Parts::open(config).await?;
        let admin = parts.admin_offline(build::links_at(config, None));
        let router = crate::http::control(admin, build::http(config, None));
        Ok(Self { router, parts, lock })
    }

    /// Closes the databases and gives the lock back.
    pub async fn close(self) -> anyhow::Result<()> {
        self.parts.store.close().await;
        drop(self.lock);
        Ok(())
    }
}
