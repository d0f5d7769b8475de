//! Aliases that send none of their mail on, whatever their lists and destinations say: this is told wherever something is done
//! that would else look as if their mail came now.

use crate::admin::shapes::AliasShape;
use crate::policy::rule::{Action, After};

use super::text;

/// Names that a sentence has.
const MAX_NAMED: usize = 3;

/// What becomes of all mail of an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withheld {
    /// It is switched off.
    Off,
    /// It has ended, and refuses.
    Ended,
    /// It has ended, and throws away.
    EndedDrops,
    /// It is set to refuse.
    Refuses,
    /// It is set to throw away.
    Drops,
}

impl Withheld {
    /// None where its mail goes on, as far as it is the alias that decides.
    pub(super) fn of(alias: &AliasShape) -> Option<Self> {
        match alias.action {
            _ if !alias.enabled => Some(Self::Off),
            _ if alias.ended.is_some() && alias.then == After::Drop => Some(Self::EndedDrops),
            _ if alias.ended.is_some() => Some(Self::Ended),
            Action::Reject => Some(Self::Refuses),
            Action::Drop => Some(Self::Drops),
            Action::Forward | Action::Create => None,
        }
    }

    /// What one of them does, behind its name or `it`.
    pub(super) const fn does(self) -> &'static str {
        match self {
            Self::Off => "is off, and its mail is refused",
            Self::Ended => "has ended, and its mail is refused",
            Self::EndedDrops => "has ended, and its mail is thrown away",
            Self::Refuses => "refuses all its mail",
            Self::Drops => "throws all its mail away",
        }
    }

    /// The same of one, and until what is done about it.
    pub(super) fn of_one(self, subject: &str) -> String {
        let until = match self {
            Self::Off => "you switch it on",
            Self::Ended | Self::EndedDrops => "you give it a later end, or none",
            Self::Refuses | Self::Drops => "you choose something else for it to do",
        };
        format!("{subject} {} until {until}.", self.does())
    }

    /// The same of some.
    pub(super) fn of_all(self, names: &[String]) -> String {
        if let [name] = names {
            return self.of_one(name);
        }
        let (they, until) = match self {
            Self::Off => ("are off, and their mail is refused", "you switch them on"),
            Self::Ended => ("have ended, and their mail is refused", "you give them a later end, or none"),
            Self::EndedDrops => ("have ended, and their mail is thrown away", "you give them a later end, or none"),
            Self::Refuses => ("refuse all their mail", "you choose something else for them to do"),
            Self::Drops => ("throw all their mail away", "you choose something else for them to do"),
        };
        format!("{} {they} until {until}.", named(names))
    }
}

/// Some names, and how many more there are.
pub(super) fn named(names: &[String]) -> String {
    let shown = text::all_ours(&names[..names.len().min(MAX_NAMED)]);
    match names.len().saturating_sub(MAX_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
