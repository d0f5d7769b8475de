//! When, by the clock: the search index, retention, kept failures, expired aliases, certificates that changed.
//!
//! Each duty is one function of another part; here is only how often. A duty that fails is logged and tried again at its
//! next turn.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::store::Store;

/// The search indexes are at most so far behind, and a bit.
const INDEX_EVERY: Duration = Duration::from_secs(2);
/// Certificate files are looked at so often.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(30);
/// Expired aliases that are to be deleted are looked for so often.
const EXPIRED_EVERY: Duration = Duration::from_secs(60);
/// Kept failures are looked through so often.
const KEPT_EVERY: Duration = Duration::from_secs(600);
/// Retention of the log.
const RETENTION_EVERY: Duration = Duration::from_secs(3600);

/// How long the log is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `log.retention`.
    pub retention: Duration,
    /// `log.max_bytes`.
    pub max_log_bytes: u64,
}

/// Whose duties they are.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// Rules.
    pub admin: Admin,
    /// Storage.
    pub store: Store,
    /// Certificates.
    pub certificates: Certificates,
    /// The clock.
    pub clock: Clock,
    /// Settings.
    pub settings: Settings,
}

impl Upkeep {
    /// Does its duties until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let duties = async {
            tokio::join!(
                every(INDEX_EVERY, || self.index()),
                every(INDEX_EVERY, || self.index_aliases()),
                every(CERTIFICATES_EVERY, || self.certificates()),
                every(EXPIRED_EVERY, || self.expired()),
                every(KEPT_EVERY, || self.kept()),
                every(RETENTION_EVERY, || self.retention()),
            );
        };
        tokio::select! {
            () = duties => {}
            () = stop.cancelled() => {}
        }
    }

    async fn index(&self) {
        report("feeding the search index", self.store.activity.index().await.map(|_| ()));
    }

    async fn index_aliases(&self) {
        if let Err(error) = self.admin.index_aliases().await {
            tracing::warn!(%error, "feeding the search index of aliases failed, will be tried again");
        }
    }

    async fn certificates(&self) {
        match self.certificates.reload() {
            Ok(true) => tracing::info!("the TLS certificate changed and was read again"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the TLS certificate changed and cannot be used; the old one stays"),
        }
    }

    async fn expired(&self) {
        if let Err(error) = self.admin.delete_expired().await {
            tracing::warn!(%error, "deleting expired aliases failed, will be tried again");
        }
    }

    async fn kept(&self) {
        report("dropping kept failures", self.store.queue.drop_kept(self.clock.cautious()).await.map(|_| ()));
    }

    async fn retention(&self) {
        let (retention, max_bytes) = (self.settings.retention, self.settings.max_log_bytes);
        report("log retention", self.store.activity.retain(retention, max_bytes).await.map(|_| ()));
    }
}

async fn every<F: Future<Output = ()>>(period: Duration, mut duty: impl FnMut() -> F) {
    let mut turn = interval(period);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        duty().await;
    }
}

fn report(duty: &'static str, done: crate::store::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, duty, "upkeep failed, will be tried again");
    }
}
