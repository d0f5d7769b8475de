//! `waypost serve`: the gateway, until SIGTERM or SIGINT stops it in order. SIGHUP reads configuration and certificates
//! again; a mistake in them is logged, and what was in force stays in force. A service manager is told of all of it.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::logging;
use super::options::Options;
use crate::config::Loaded;
use crate::gateway::{Gateway, Manager};

/// Runs until it is stopped.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let loaded = options.load()?;
    logging::start(&loaded.config.log);
    warn(&loaded);
    let mut signals = Signals::listen()?;
    let manager = Manager::of_environment();
    let gateway = Gateway::start(loaded.config).await?;
    manager.ready(&gateway);
    invite(&gateway).await;
    tokio::select! {
        () = manager.watch(&gateway) => {}
        () = until_stopped(&mut signals, (&gateway, &manager), options) => {}
    }
    manager.stopping();
    gateway.stop().await
}

/// Before somebody has set the gateway up, says where to. It is a secret, so it is told here and not in the log's fields. Mail
/// does not wait for it: a disk that fails at this moment costs the link, and not the gateway.
async fn invite(gateway: &Gateway) {
    match gateway.setup_url().await {
        Ok(None) => {}
        Ok(Some(url)) => {
            eprintln!("Nobody has set this gateway up yet. Open this link once, within 24 hours:\n  {url}");
        }
        Err(error) => tracing::warn!(%error, "no link to set the gateway up was made; `waypost panel-link` makes one"),
    }
}

async fn until_stopped(signals: &mut Signals, (gateway, manager): (&Gateway, &Manager), options: &Options) {
    while let Wish::Reload = signals.next().await {
        manager.reloading();
        reload(gateway, options).await;
        manager.ready(gateway);
    }
}

async fn reload(gateway: &Gateway, options: &Options) {
    let again = match options.load() {
        Ok(loaded) => {
            warn(&loaded);
            gateway.reload(loaded.config).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = again {
        tracing::error!(reason = %format!("{error:#}"), "not reloaded, the old configuration stays");
    }
}

fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
}

enum Wish {
    Stop,
    Reload,
}

/// SIGXFSZ: a file may grow no further (`ulimit -f`). Listened for, it ends nobody; the write fails like one to a full disk.
const FILE_TOO_LARGE: i32 = 25;

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    _file_too_large: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("signals cannot be listened for");
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hang_up: on(SignalKind::hangup())?,
            _file_too_large: on(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hang_up.recv() => Wish::Reload,
        }
    }
}
