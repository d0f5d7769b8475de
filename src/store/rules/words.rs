//! The words that the database writes for what a rule is and does.

use crate::policy::rule::{Action, After, Kind, Privacy};

/// A type of few values, each with its word.
pub(in crate::store) trait Word: Copy + PartialEq + Sized + 'static {
    /// All values with their words.
    const WORDS: &'static [(Self, &'static str)];

    /// The word of this one.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(value, _)| *value == self).map_or("", |(_, word)| word)
    }
}

/// The value of a word.
pub(in crate::store) fn named<T: Word>(word: &str) -> Option<T> {
    T::WORDS.iter().find(|(_, other)| *other == word).map(|(value, _)| *value)
}

impl Word for Kind {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Address, "address"), (Self::Glob, "glob"), (Self::Regex, "regex"), (Self::CatchAll, "catch_all")];
}

impl Word for Action {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Forward, "forward"), (Self::Drop, "drop"), (Self::Reject, "reject"), (Self::Create, "create")];
}

impl Word for After {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Refuse, "refuse"), (Self::Reject, "reject"), (Self::Drop, "drop"), (Self::Delete, "delete")];
}

impl Word for Privacy {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Off, "off"), (Self::Subject, "subject"), (Self::Envelope, "envelope")];
}
