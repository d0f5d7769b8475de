//! Backups that are made by themselves.

use super::{Finding, Severity};
use crate::mail::{Moment, span_in_words};

/// How they fare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFacts {
    /// Where they go.
    pub dir: String,
    /// The newest that lies there, and when it was made.
    pub newest: Option<(String, Moment)>,
    /// Why the last one could not be made, if it could not.
    pub failure: Option<String>,
}

impl BackupFacts {
    /// In words: the failure, if the last one failed, and the newest.
    #[must_use]
    pub fn in_words(&self, now: Moment) -> String {
        let newest = match &self.newest {
            Some((name, at)) => format!("The newest backup is {} old: {name}.", span_in_words(now.since(*at))),
            None => "There is no backup yet.".to_owned(),
        };
        match &self.failure {
            Some(why) => format!("The backup could not be made: {why}. {newest}"),
            None => newest,
        }
    }
}

pub(super) fn judge(facts: &BackupFacts, now: Moment) -> Finding {
    let what = facts.in_words(now);
    match &facts.failure {
        Some(_) => {
            let remedy = "Make room there, or let the gateway write there; or set backup.dir to another folder. It is \
                          tried again by itself.";
            Finding::fault("backup_failed", &facts.dir, what, remedy).graded(Severity::Warning)
        }
        None => {
            let remedy = "Keep a copy on another machine: `waypost restore` makes a gateway of it.";
            Finding::fault("backup_newest", &facts.dir, what, remedy).graded(Severity::Note)
        }
    }
}
