//! When, by the clock: the search index, retention, kept failures, expired aliases, certificates that changed, the records
//! of domains, whether those of inboxes take mail, the doctor's look, notices, and backups.
//!
//! Each duty is one function of another part; here is only how often. A duty that fails is logged and tried again at its
//! next turn.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::store::Store;

/// What is said of mail whose end the log has lost.
const LOST: &str = "it has left the queue, delivered or with a report to its sender: a power cut took from the log which of the \
                    two, and every reply";
/// The search indexes are at most so far behind, and a bit.
const INDEX_EVERY: Duration = Duration::from_secs(2);
/// Certificate files are looked at so often.
pub const CERTIFICATES_EVERY: Duration = Duration::from_secs(30);
/// Expired aliases that are to be deleted are looked for so often.
const EXPIRED_EVERY: Duration = Duration::from_secs(60);
/// Kept failures are looked through so often.
const KEPT_EVERY: Duration = Duration::from_secs(600);
/// The records of all domains are compared with DNS, and the domains of inboxes asked about, so often, and a while longer by
/// chance, so that gateways that were started together do not ask together.
const RECORDS_EVERY: Duration = Duration::from_secs(4 * 3600);
/// Between one domain and the next.
const RECORDS_PAUSE: Duration = Duration::from_secs(2);
/// From the start to the first comparison: what was published just before has its time to be seen.
const RECORDS_FIRST: Duration = Duration::from_secs(90);
/// The doctor looks so often, and a while longer by chance.
const DOCTOR_EVERY: Duration = Duration::from_secs(6 * 3600);
/// And first so soon after it found a fault, then ever more seldom while that stands: what is mended is not to be told for
/// hours.
const DOCTOR_AGAIN: Duration = Duration::from_secs(15 * 60);
/// And first so long after the start.
const DOCTOR_FIRST: Duration = Duration::from_secs(60);
/// Notices are looked for so often, and first so long after the start.
const NOTICES_EVERY: Duration = Duration::from_secs(60);
/// (After the doctor's first look, so that nothing is told that was mended meanwhile.)
const NOTICES_FIRST: Duration = Duration::from_secs(90);
/// It is looked so often whether a backup is due, and first so long after the start.
const BACKUPS_EVERY: Duration = Duration::from_secs(60);
const BACKUPS_FIRST: Duration = Duration::from_secs(60);
/// Retention of the log.
const RETENTION_EVERY: Duration = Duration::from_secs(3600);
/// The log's size is looked at so often.
const LOG_SIZE_EVERY: Duration = Duration::from_secs(60);

/// How long the log is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `log.retention`.
    pub retention: Duration,
    /// `log.max_bytes`.
    pub max_log_bytes: u64,
    /// How often certificate files are looked at.
    pub certificates_every: Duration,
    /// When records are compared.
    pub records: Pace,
    /// When the doctor looks.
    pub doctor: Pace,
    /// When notices are looked for.
    pub notices: Pace,
    /// When it is looked whether a backup is due.
    pub backups: Pace,
}

/// When something is done first, and how often from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the start.
    pub first: Duration,
    /// From one time to the next, but for chance.
    pub every: Duration,
}

impl Pace {
    /// That of records.
    pub const RECORDS: Self = Self { first: RECORDS_FIRST, every: RECORDS_EVERY };
    /// That of the doctor.
    pub const DOCTOR: Self = Self { first: DOCTOR_FIRST, every: DOCTOR_EVERY };
    /// That of notices.
    pub const NOTICES: Self = Self { first: NOTICES_FIRST, every: NOTICES_EVERY };
    /// That of backups.
    pub const BACKUPS: Self = Self { first: BACKUPS_FIRST, every: BACKUPS_EVERY };
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
                self.lost(),
                every(INDEX_EVERY, || self.index()),
                every(INDEX_EVERY, || self.index_aliases()),
                every(self.settings.certificates_every, || self.certificates()),
                every(EXPIRED_EVERY, || self.expired()),
                every(KEPT_EVERY, || self.kept()),
                every(RETENTION_EVERY, || self.retention()),
                every(LOG_SIZE_EVERY, || self.log_size()),
                self.records(),
                self.proofs(),
                self.doctor(),
                self.notices(),
                self.backups(),
            );
        };
        tokio::select! {
            () = duties => {}
            () = stop.cancelled() => {}
        }
    }

    /// Once: only who starts after a power cut can have any.
    async fn lost(&self) {
        match self.store.end_lost(LOST).await {
            Ok(0) => {}
            Ok(rows) => {
                tracing::warn!(rows, "a power cut took from the log what became of some mail; its rows were ended")
            }
            Err(error) => tracing::warn!(%error, "looking for rows that a power cut left waiting failed"),
        }
    }

    async fn index(&self) {
        report("feeding the search index", self.store.activity.index().await.map(|_| ()));
        report("summing up what is over", self.store.activity.note_busy().await);
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

    /// For ever: what was right yesterday may be wrong today.
    async fn records(&self) {
        let Pace { first, every } = self.settings.records;
        let chance = &self.admin.chance;
        tokio::time::sleep(chance.jitter(first)).await;
        loop {
            let pause = || tokio::time::sleep(chance.jitter(RECORDS_PAUSE.min(every)));
            if let Err(error) = self.admin.recheck_domains(pause).await {
                tracing::warn!(%error, "comparing records with DNS failed, will be tried again");
            }
            if let Err(error) = self.admin.recheck_inboxes(pause).await {
                tracing::warn!(%error, "asking the DNS about the domains of inboxes failed, will be tried again");
            }
            tokio::time::sleep(chance.jitter(every)).await;
        }
    }

    /// What mail proves of the domains of inboxes is not to wait for the clock.
    async fn proofs(&self) {
        let Some(mut proofs) = self.admin.proofs() else { return };
        loop {
            let proven = match proofs.recv().await {
                Ok(proven) => proven,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            if let Err(error) = self.admin.look_at_proven(&proven).await {
                tracing::warn!(%error, domain = %proven.domain, "what mail proves of the domain of inboxes could not be noted");
            }
        }
    }

    async fn doctor(&self) {
        let Pace { first, every } = self.settings.doctor;
        tokio::time::sleep(self.admin.chance.jitter(first)).await;
        let mut soon = rests(every);
        loop {
            let is_sound = self.admin.look_by_the_clock().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the doctor could not look, and will try again");
                true
            });
            let rest = if is_sound { every } else { soon.next().unwrap_or(every) };
            if is_sound {
                soon = rests(every);
            }
            tokio::select! {
                () = tokio::time::sleep(self.admin.chance.jitter(rest)) => {}
                () = self.admin.look_is_outdated() => {}
            }
        }
    }

    async fn notices(&self) {
        let Pace { first, every } = self.settings.notices;
        tokio::time::sleep(first).await;
        loop {
            if let Err(error) = self.admin.notice_by_the_clock().await {
                tracing::warn!(%error, "notices could not be looked for or told, and will be again");
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn backups(&self) {
        let Pace { first, every } = self.settings.backups;
        tokio::time::sleep(first).await;
        loop {
            self.admin.back_up_by_the_clock().await;
            tokio::time::sleep(every).await;
        }
    }

    async fn retention(&self) {
        report("log retention", self.store.activity.retain(self.settings.retention).await.map(|_| ()));
    }

    async fn log_size(&self) {
        let kept = self.store.activity.keep_within(self.settings.max_log_bytes).await;
        report("keeping the log within its size", kept.map(|_| ()));
    }
}

/// How long the doctor rests from look to look while a fault stands.
fn rests(longest: Duration) -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(DOCTOR_AGAIN.min(longest)), move |rest| Some(rest.saturating_mul(2).min(longest)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_stands_is_looked_at_soon_and_then_ever_more_seldom() {
        let minutes = |pace: Duration| rests(pace).take(7).map(|rest| rest.as_secs() / 60).collect::<Vec<_>>();
        assert_eq!(minutes(DOCTOR_EVERY), [15, 30, 60, 120, 240, 360, 360]);
        assert_eq!(minutes(Duration::from_secs(60)), [1; 7]);
    }
}
