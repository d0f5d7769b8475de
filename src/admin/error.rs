//! Why a change or a question was turned down, as callers tell it apart. Every text is a sentence for the person who asked,
//! and names domains as people read them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::mail::told_in_unicode;
use crate::store::StoreError;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// The field as people name it: `destinations`.
    pub field: String,
    /// The place in the body (RFC 6901): `/destinations/1`.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Fault {
    /// A fault of a whole field.
    #[must_use]
    pub fn new(field: &str, detail: impl Into<String>) -> Self {
        Self { field: field.to_owned(), pointer: format!("/{field}"), detail: told_in_unicode(&detail.into()) }
    }

    /// A fault of the entry `index` of a list.
    #[must_use]
    pub fn at(field: &str, index: usize, detail: impl Into<String>) -> Self {
        Self { field: field.to_owned(), pointer: format!("/{field}/{index}"), detail: told_in_unicode(&detail.into()) }
    }
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// The actor has no right to it; names the right.
    #[error("{}", told_in_unicode(.0))]
    Forbidden(String),
    /// There is no such thing (or it is somebody else's, which is the same answer).
    #[error("{}", told_in_unicode(.0))]
    NotFound(String),
    /// It cannot be done in the present state.
    #[error("{}", told_in_unicode(.0))]
    Conflict(String),
    /// Somebody else changed it since the version that the change was made for.
    #[error("It was changed meanwhile. Read it again and repeat your change.")]
    Changed,
    /// Fields that are wrong, at least one.
    #[error("{}", summary(.0))]
    Invalid(Vec<Fault>),
    /// It was tried too often, or there is too much to do; in a while it may work.
    #[error("{}", told_in_unicode(.0))]
    TooMany(String),
    /// Storage cannot answer now; the cause is in the log.
    #[error("The database cannot be reached right now. Try again in a moment.")]
    Unwell,
}

impl AdminError {
    /// One wrong field.
    #[must_use]
    pub fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(field, detail)])
    }

    /// Others change the same thing at the same time, and no condition was set.
    #[must_use]
    pub fn busy() -> Self {
        Self::Conflict("Somebody else changes this at the same moment. Try again.".to_owned())
    }

    /// `There is no alias x@y.`; what is no address or domain stands in quotes.
    #[must_use]
    pub fn missing(what: &str, name: impl std::fmt::Display) -> Self {
        let name = name.to_string();
        let is_plain = name.contains(['.', '@']);
        Self::NotFound(if is_plain {
            format!("There is no {what} {name}.")
        } else {
            format!("There is no {what} “{name}”.")
        })
    }
}

fn summary(faults: &[Fault]) -> String {
    match faults {
        [] => "The request is not valid.".to_owned(),
        [one] => format!("{}: {}", one.field, one.detail),
        [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.detail, rest.len()),
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound("There is no such thing.".to_owned()),
            StoreError::Exists(what) => Self::Conflict(format!("{what} exists already.")),
            StoreError::Changed => Self::Changed,
            StoreError::Invalid(why) => Self::Conflict(why),
            // Patterns alone are counted.
            StoreError::Full(why) => Self::field("address", why),
            newer @ StoreError::Newer(_) => Self::Conflict(newer.to_string()),
            StoreError::Cursor => Self::field("cursor", "write the next_cursor of an earlier page of this list"),
            StoreError::Unwell(cause) => {
                tracing::error!(cause, "storage failed");
                Self::Unwell
            }
        }
    }
}

/// The value, where both went well; else what is wrong, which is all of the fields that either found wrong.
pub(super) fn both<T>(first: Result<T, AdminError>, second: Result<(), AdminError>) -> Result<T, AdminError> {
    match (first, second) {
        (Err(AdminError::Invalid(faults)), Err(AdminError::Invalid(more))) => {
            Err(AdminError::Invalid(faults.into_iter().chain(more).collect()))
        }
        (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        (Ok(value), Ok(())) => Ok(value),
    }
}

/// How often a change is made anew that met another one.
const MAX_TRIES: u32 = 8;

/// Makes a change that nobody bound to a version; where it meets another one, by what there is after that.
pub(super) async fn in_spite_of_others<T, F>(change: impl Fn() -> F) -> Result<T, AdminError>
where
    F: Future<Output = Result<T, AdminError>>,
{
    for _ in 0..MAX_TRIES {
        match change().await {
            Err(AdminError::Changed) => {}
            other => return other,
        }
    }
    Err(AdminError::busy())
}

/// Nothing where storage has no such row.
pub(super) fn if_there<T>(found: Result<T, StoreError>) -> Result<Option<T>, AdminError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Names what was looked for when storage has no such row.
pub(super) trait OrMissing<T> {
    /// Turns "not found" into a sentence that says what.
    fn or_missing(self, what: &str, name: impl std::fmt::Display) -> Result<T, AdminError>;
}

impl<T> OrMissing<T> for Result<T, StoreError> {
    fn or_missing(self, what: &str, name: impl std::fmt::Display) -> Result<T, AdminError> {
        self.map_err(|error| match error {
            StoreError::NotFound => AdminError::missing(what, name),
            other => other.into(),
        })
    }
}
