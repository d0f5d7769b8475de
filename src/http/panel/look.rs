//! How a status looks: a shape, a colour, and always the word beside them.

use crate::policy::checkup::Severity;
use crate::policy::notices::Kind;
use crate::policy::status::Status;
use crate::store::activity::Row;

/// Shape, colour and word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// The symbol of the sprite.
    pub(super) icon: &'static str,
    /// `ok`, `wait`, `bad`, or none: nothing is lost.
    pub(super) tone: &'static str,
    /// The word.
    pub(super) word: &'static str,
}

/// Something that went well.
pub(super) const DONE: Look = Look { icon: "done", tone: "ok", word: "done" };
/// Something that waits.
pub(super) const WAITING: Look = Look { icon: "wait", tone: "wait", word: "waiting" };
/// Something that is held.
pub(super) const HELD: Look = Look { icon: "held", tone: "wait", word: "held" };
/// Something that failed.
pub(super) const FAILED: Look = Look { icon: "fail", tone: "bad", word: "failed" };
/// Something that ended without loss.
pub(super) const ENDED: Look = Look { icon: "stop", tone: "", word: "ended" };

/// The look of a row.
pub(super) fn of(row: &Row) -> Look {
    if row.status == Status::Forwarded && row.bounced_at.is_some() {
        return Look { word: "bounced", ..FAILED };
    }
    of_status(row.status)
}

/// The look of a status as the API writes it; whatever is none of them has not gone yet.
pub(super) fn of_word(word: &str) -> Look {
    Status::parse(word).map_or(Look { word: "not sent", ..WAITING }, of_status)
}

/// The look of something to see to: mail that failed or is held looks as it does everywhere, however grave that is.
pub(super) fn of_cause(kind: Kind, severity: Severity) -> Look {
    match (kind, severity) {
        (Kind::Held, _) => HELD,
        (Kind::Untold, _) | (_, Severity::Fault) => FAILED,
        _ => WAITING,
    }
}

/// The look of a status, whatever came later.
fn of_status(status: Status) -> Look {
    let look = match status {
        Status::Forwarded => DONE,
        Status::Queued | Status::Deferred => WAITING,
        Status::Held => HELD,
        Status::Failed | Status::Expired => FAILED,
        Status::Refused
        | Status::RefusedTemporarily
        | Status::Dropped
        | Status::Cancelled
        | Status::Abandoned
        | Status::Duplicate
        | Status::Consumed => ENDED,
    };
    Look { word: word(status), ..look }
}

/// As people say it: that one waits for its first try and another for its next makes no difference to who looks for it.
const fn word(status: Status) -> &'static str {
    match status {
        Status::Queued | Status::Deferred => "waiting",
        Status::RefusedTemporarily => "refused for now",
        Status::Consumed => "report received",
        other => other.as_str(),
    }
}
