//! What goes wrong in storage: as callers tell it apart, and for whoever starts the gateway, in which file and what helps.

use std::path::{Path, PathBuf};

/// What goes wrong in storage, as callers tell it apart.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No such row.
    #[error("not found")]
    NotFound,
    /// A unique name is taken.
    #[error("{0} exists already")]
    Exists(String),
    /// Somebody else changed it first.
    #[error("it was changed by somebody else meanwhile")]
    Changed,
    /// Cannot be stored as it is; says why.
    #[error("{0}")]
    Invalid(String),
    /// There are as many as there may be; says of what.
    #[error("{0}")]
    Full(String),
    /// The cursor of a list is not one of ours.
    #[error("the cursor is not one of ours")]
    Cursor,
    /// A later release has migrated this file.
    #[error("{} is of a newer Waypost", .0.display())]
    Newer(PathBuf),
    /// Locked, full, broken: try later. The text is for the log, never for a client.
    #[error("storage failed: {0}")]
    Unwell(String),
}

impl StoreError {
    /// What helps against it, for whoever opens the databases; told by SQLite's code or the system's, as they are worded.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        let why = match self {
            Self::Unwell(why) => why,
            Self::Newer(_) => return Some(NEWER),
            _ => return None,
        };
        // The lowest octet is the kind of failure.
        if let Some(code) = number_behind(why, "(code: ") {
            return Some(match code & 0xff {
                5 | 6 => LOCKED,
                3 | 8 | 14 | 23 => NOT_OURS,
                11 | 26 => DAMAGED,
                13 => FULL,
                _ => return None,
            });
        }
        Some(match number_behind(why, "(os error ")? {
            1 | 13 | 30 => NOT_OURS,
            28 => FULL,
            _ => return None,
        })
    }

    /// The same, with the file that it is about.
    pub(super) fn of_file(self, file: &Path) -> Self {
        let file = file.display().to_string();
        match self {
            Self::Unwell(why) if !why.contains(&file) => Self::Unwell(format!("{file}: {why}")),
            other => other,
        }
    }
}

const LOCKED: &str = "another program has it open: end that one, and start again";
const NOT_OURS: &str = "the user who runs waypost must be able to write this file and its folder";
const DAMAGED: &str = "put a backup in their place: waypost restore FILE --replace";
const NEWER: &str = "use that one, or put the copy from before its upgrade back, which lies beside";
const FULL: &str = "the disk is full: make room, and start again";

fn number_behind(text: &str, mark: &str) -> Option<u32> {
    let digits = &text[text.find(mark)? + mark.len()..];
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_is_told_by_the_kind_of_failure() {
        for (why, remedy) in [
            ("error returned from database: (code: 5) database is locked", Some(LOCKED)),
            ("error returned from database: (code: 517) database is locked", Some(LOCKED)),
            ("error returned from database: (code: 1032) attempt to write a readonly database", Some(NOT_OURS)),
            ("error returned from database: (code: 14) unable to open database file", Some(NOT_OURS)),
            ("error returned from database: (code: 267) database disk image is malformed", Some(DAMAGED)),
            ("error returned from database: (code: 26) file is not a database", Some(DAMAGED)),
            ("error returned from database: (code: 13) database or disk is full", Some(FULL)),
            ("No space left on device (os error 28)", Some(FULL)),
            ("Permission denied (os error 13)", Some(NOT_OURS)),
            ("error returned from database: (code: 1) no such table: x", None),
            ("storage has been closed", None),
        ] {
            assert_eq!(StoreError::Unwell(why.to_owned()).remedy(), remedy, "{why}");
        }
        assert_eq!(StoreError::NotFound.remedy(), None);
    }

    #[test]
    fn a_file_is_named_once() {
        let error = StoreError::Unwell("full".to_owned()).of_file(Path::new("/srv/waypost.db"));
        assert_eq!(error.to_string(), "storage failed: /srv/waypost.db: full");
        assert_eq!(error.clone().of_file(Path::new("/srv/waypost.db")).to_string(), error.to_string());
    }
}
