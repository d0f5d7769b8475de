//! How often the CA is asked. Each try is written down before it is made, so that a gateway that is restarted over and over
//! asks no more often than one that runs: CAs count failures too, and lock out who makes too many.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::files;
use crate::mail::{Domain, Moment};

const FILE: &str = "tries.json";
/// Tries for one name in any 24 hours, whatever comes of them.
pub(super) const MAX_A_DAY: usize = 8;
/// What the limit of tries is for, and how long a new certificate is left alone.
pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// What is waited after the first failure in a row, the second, …; the last one repeats.
const WAITS: [Duration; 5] = [
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(3 * 3_600),
    Duration::from_secs(6 * 3_600),
];

/// The tries for all names.
#[derive(Debug)]
pub(super) struct Tries {
    folder: PathBuf,
    of: BTreeMap<Domain, Count>,
}

/// Those for one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    /// The latest, oldest first.
    at: Vec<Moment>,
    /// Failures since the last success.
    pub(super) failures: usize,
    /// What was wrong with the last one.
    pub(super) reason: Option<String>,
}

impl Tries {
    /// Those of earlier runs; a file that cannot be read has none.
    pub(super) fn load(folder: &Path) -> Self {
        let of = fs::read(folder.join(FILE)).ok().and_then(|octets| serde_json::from_slice(&octets).ok());
        Self { folder: folder.to_owned(), of: of.unwrap_or_default() }
    }

    /// Those for a name. What is dated later than now was dated by a clock that has been set back since.
    pub(super) fn of(&self, name: &Domain, now: Moment) -> Count {
        let mut count = self.of.get(name).cloned().unwrap_or_default();
        count.at.retain(|at| *at <= now);
        count
    }

    /// Before a try.
    pub(super) fn begin(&mut self, name: &Domain, now: Moment) -> anyhow::Result<()> {
        let count = self.of.entry(name.clone()).or_default();
        count.at.retain(|at| now.since(*at) < DAY);
        count.at.push(now);
        self.write()
    }

    /// After it.
    pub(super) fn end(&mut self, name: &Domain, reason: Option<String>) -> anyhow::Result<()> {
        let count = self.of.entry(name.clone()).or_default();
        count.failures = if reason.is_some() { count.failures + 1 } else { 0 };
        count.reason = reason;
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        Ok(files::keep(&self.folder, FILE, &serde_json::to_vec(&self.of)?)?)
    }
}

impl Count {
    /// When the last try was made, if it brought a certificate.
    pub(super) fn succeeded_at(&self) -> Option<Moment> {
        self.at.last().copied().filter(|_| self.failures == 0)
    }

    /// Not before this moment; a failure is waited for unless somebody asked (`reload`).
    pub(super) fn not_before(&self, patience: Patience) -> Moment {
        let last = self.at.last().copied().unwrap_or_default();
        let by_failures = match (patience, self.failures.checked_sub(1)) {
            (Patience::AsUsual, Some(before)) => last.after(WAITS[before.min(WAITS.len() - 1)]),
            _ => Moment::default(),
        };
        let by_day = self.at.iter().rev().nth(MAX_A_DAY - 1).map_or_else(Moment::default, |first| first.after(DAY));
        by_failures.max(by_day)
    }
}

/// Whether earlier failures are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// They are.
    AsUsual,
    /// Somebody says that what was wrong is mended. The limit of a day stays.
    Asked,
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_373_784_000;

    fn name() -> Domain {
        Domain::parse("mx.ours.example").unwrap()
    }

    #[test]
    fn failures_are_waited_for_longer_and_longer_and_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut now = Moment::from_millis(START);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let mut tries = Tries::load(dir.path());
            tries.begin(&name(), now).unwrap();
            tries.end(&name(), Some("no".to_owned())).unwrap();
            let next = Tries::load(dir.path()).of(&name(), now).not_before(Patience::AsUsual);
            waits.push(next.since(now).as_secs() / 60);
            now = next;
        }
        assert_eq!(waits, [10, 30, 60, 180, 360, 360]);
        let mut tries = Tries::load(dir.path());
        assert_eq!(tries.of(&name(), now).reason.as_deref(), Some("no"));
        assert_eq!(tries.of(&name(), now).succeeded_at(), None);
        tries.end(&name(), None).unwrap();
        assert!(tries.of(&name(), now).succeeded_at().is_some());
        assert_eq!(tries.of(&name(), now).not_before(Patience::AsUsual), Moment::default());
    }

    #[test]
    fn nobody_asks_more_than_eight_times_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let mut tries = Tries::load(dir.path());
        let start = Moment::from_millis(START);
        let mut now = start;
        for minute in 0..8 {
            now = start.after(Duration::from_secs(60 * minute));
            assert!(tries.of(&name(), now).not_before(Patience::Asked) <= start);
            tries.begin(&name(), now).unwrap();
            tries.end(&name(), (minute % 2 == 0).then(|| "no".to_owned())).unwrap();
        }
        assert_eq!(tries.of(&name(), now).not_before(Patience::Asked), start.after(DAY));
        assert_eq!(tries.of(&Domain::parse("other.example").unwrap(), now), Count::default());
        let set_back = start.before(300 * DAY);
        assert!(
            tries.of(&name(), set_back).not_before(Patience::AsUsual) <= set_back,
            "nobody waits for a clock of then"
        );
    }
}
