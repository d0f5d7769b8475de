//! Certificates by ACME (RFC 8555): one for each name, so that a name that cannot be proved keeps no other from its own.
//!
//! What is presented stays until a new certificate is whole, for its name, and on disk; be it that it expires meanwhile.
//! Each failure is one line of the log with the CA's own words, and stands in [`Note`] until a success.

mod account;
mod order;
mod transport;
mod tries;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::pair::{Pair, covers};
use super::{Certificates, Note, files, validity};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::mail::{Domain, Mailbox, Moment};
use crate::net::fetch::Fetcher;

pub use order::Proof;
use tries::{Patience, Tries};

/// From the first question of an order to its certificate.
const ORDER_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The clock is looked at at least so often: it may be set.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// And not more often than this.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// A certificate is renewed when so many parts of its life are left of this many.
const RENEWED_AT_A: u32 = 3;

/// `[tls]` as meant.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The CA's directory.
    pub directory: String,
    /// Whom the CA may write to.
    pub email: Option<Mailbox>,
    /// What certificates are wanted for.
    pub names: Vec<Domain>,
    /// Account, keys and certificates.
    pub folder: PathBuf,
}

/// What orders need.
#[derive(Debug)]
pub struct Tools {
    /// Where they are presented.
    pub certificates: Certificates,
    /// The way to the CA.
    pub fetcher: Fetcher,
    /// How names are proved, at least one way: the next one after each failure.
    pub proofs: Vec<Proof>,
    /// The clock.
    pub clock: Clock,
    /// Jitter.
    pub chance: Chance,
}

/// Orders certificates and renews them.
#[derive(Debug)]
pub struct Acme {
    settings: Settings,
    tools: Tools,
    tries: Tries,
    /// When each certificate that there is wants renewal.
    due: BTreeMap<Domain, Moment>,
}

impl Acme {
    /// Goes on from what is on disk.
    #[must_use]
    pub fn new(settings: Settings, tools: Tools) -> Self {
        let tries = Tries::load(&settings.folder);
        let mut acme = Self { settings, tools, tries, due: BTreeMap::new() };
        for name in acme.settings.names.clone() {
            acme.plan(&name);
            acme.tell(&name);
        }
        acme
    }

    /// Works until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.work() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn work(&mut self) {
        let mut patience = Patience::AsUsual;
        loop {
            for name in self.wanted() {
                if self.next(&name, patience) <= self.tools.clock.now() {
                    self.renew(&name).await;
                }
            }
            patience = self.wait().await;
        }
    }

    /// What own files have is not asked for.
    fn wanted(&self) -> Vec<Domain> {
        let wanted = |name: &&Domain| !self.tools.certificates.own_files_cover(name);
        self.settings.names.iter().filter(wanted).cloned().collect()
    }

    /// Until a name is due, or somebody asks.
    async fn wait(&self) -> Patience {
        let now = self.tools.clock.now();
        let next = self.wanted().iter().map(|name| self.next(name, Patience::AsUsual).since(now)).min();
        let span = next.unwrap_or(LONGEST_WAIT).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        tokio::select! {
            () = sleep(span) => Patience::AsUsual,
            () = self.tools.certificates.asked() => Patience::Asked,
        }
    }

    fn next(&self, name: &Domain, patience: Patience) -> Moment {
        let due = self.due.get(name).copied().unwrap_or_default();
        due.max(self.tries.of(name, self.tools.clock.now()).not_before(patience))
    }

    /// One try, written down before and after.
    async fn renew(&mut self, name: &Domain) {
        let issued = match self.tries.begin(name, self.tools.clock.now()) {
            Ok(()) => timeout(ORDER_TIMEOUT, self.issue(name)).await.unwrap_or_else(|_| Err(too_slow())),
            Err(error) => Err(error.context("that the CA is asked cannot be written down")),
        };
        let reason = issued.err().map(|error| format!("{error:#}"));
        log(name, reason.as_deref());
        if let Err(error) = self.tries.end(name, reason) {
            tracing::error!(%error, "what came of asking the CA cannot be written down");
        }
        self.plan(name);
        self.tell(name);
    }

    async fn issue(&self, name: &Domain) -> anyhow::Result<()> {
        let pair = self.order(name).await?;
        let certified = pair.certified().context("what the CA sent is no certificate for our key")?;
        ensure!(covers(&certified, name), "what the CA sent is not for this name");
        let kept = files::keep(&self.settings.folder, &file_name(name), &pair.certificate);
        kept.context("the certificate cannot be kept")?;
        self.tools.certificates.present(name, certified);
        Ok(())
    }

    /// An account that the CA has forgotten is made anew, once.
    async fn order(&self, name: &Domain) -> anyhow::Result<Pair> {
        let failures = self.tries.of(name, self.tools.clock.now()).failures;
        let how = (self.tools.proofs[failures % self.tools.proofs.len()], self.tools.certificates.challenges());
        let account = account::open(&self.settings, &self.tools.fetcher).await?;
        match order::place(&account, name, how).await {
            Err(refusal) if refusal.is_of_the_account() => {
                tracing::warn!(%refusal, "the CA does not know our account; another one is made");
                let account = account::make(&self.settings, &self.tools.fetcher).await?;
                Ok(order::place(&account, name, how).await?)
            }
            other => Ok(other?),
        }
    }

    fn plan(&mut self, name: &Domain) {
        let presented = self.tools.certificates.named(name);
        let Some((from, to)) = presented.and_then(|certified| validity::of(&certified)) else { return };
        let wanted = due((from, to), &self.tools.chance);
        let succeeded = self.tries.of(name, self.tools.clock.now()).succeeded_at();
        let due = renewal(wanted, succeeded);
        if due > wanted {
            tracing::warn!(%name, ends = %to, "a new certificate is due at once: the clock here seems to be ahead");
        }
        self.due.insert(name.clone(), due);
    }

    fn tell(&self, name: &Domain) {
        let next_try = self.next(name, Patience::AsUsual);
        let failure = self.tries.of(name, self.tools.clock.now()).reason;
        self.tools.certificates.note(name, Note { next_try, failure });
    }
}

/// A third of its life before its end, more or less a fifth of that, so that names do not march in step.
fn due((from, to): (Moment, Moment), chance: &Chance) -> Moment {
    to.before(chance.jitter(to.since(from) / RENEWED_AT_A))
}

/// A certificate that is due when it has just come is left alone for a day: CAs issue few equal ones a week.
fn renewal(due: Moment, succeeded: Option<Moment>) -> Moment {
    succeeded.filter(|at| due <= *at).map_or(due, |at| at.after(tries::DAY))
}

/// Key and chain of a name, in the folder.
pub(super) fn file_name(name: &Domain) -> String {
    format!("{name}.pem")
}

fn log(name: &Domain, reason: Option<&str>) {
    match reason {
        None => tracing::info!(%name, "a new certificate is presented"),
        Some(reason) => tracing::warn!(%name, %reason, "no new certificate came; what is presented stays"),
    }
}

fn too_slow() -> anyhow::Error {
    anyhow::anyhow!("the order was not through within {} min", ORDER_TIMEOUT.as_secs() / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_while_a_quarter_of_its_life_is_left_at_least() {
        let from = Moment::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let (days, day) = (90, |days: u32| from.after(days * tries::DAY));
        let dues = (0..200).map(|seed| due((from, day(days)), &Chance::seeded(seed))).collect::<Vec<_>>();
        // Two thirds are 60 days; a fifth of the third that is left are six more or less.
        assert!(dues.iter().all(|due| (day(54)..=day(66)).contains(due)), "{dues:?}");
        assert!(dues.iter().min() < Some(&day(57)) && dues.iter().max() > Some(&day(63)), "names do not march in step");
    }

    #[test]
    fn what_is_new_and_due_at_once_is_left_alone_for_a_day() {
        let at = Moment::parse_rfc3339("2026-11-30T10:00:00Z").unwrap();
        let (before, behind) = (at.before(Duration::from_secs(1)), at.after(Duration::from_secs(1)));
        assert_eq!(renewal(before, Some(at)), at.after(tries::DAY), "the clock here is ahead of the CA's");
        assert_eq!(renewal(behind, Some(at)), behind, "a short life is short");
        assert_eq!(renewal(before, None), before, "the last try brought none");
    }
}
