//! Our clock beside a time server's (SNTP, RFC 4330).

use super::{Finding, Severity};

/// Milliseconds that nobody minds.
const TOLERATED: i64 = 60_000;
/// From here on certificates and signatures are judged wrongly.
const FAR_OFF: i64 = 15 * 60_000;

/// How far our clock is ahead, in milliseconds, and by whose word; or why nobody could tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockFacts {
    /// The server.
    pub server: String,
    /// Ahead, or behind if negative.
    pub ahead: Result<i64, String>,
}

pub(super) fn judge(facts: &ClockFacts) -> Option<Finding> {
    let ahead = *facts.ahead.as_ref().ok()?;
    if ahead.abs() <= TOLERATED {
        return None;
    }
    let seconds = ahead.abs() / 1000;
    let way = if ahead > 0 { "ahead of" } else { "behind" };
    let finding = Finding::fault(
        "clock_off",
        &"clock",
        format!("This machine's clock is {seconds} s {way} that of {}.", facts.server),
        "Have it set: timedatectl set-ntp true (or install chrony). The gateway may go on running meanwhile.",
    );
    Some(if ahead.abs() < FAR_OFF { finding.graded(Severity::Warning) } else { finding })
}

pub(super) fn unknown(facts: &ClockFacts) -> Option<String> {
    let why = facts.ahead.as_ref().err()?;
    Some(format!("Whether the clock is right: {} could not be asked ({why}).", facts.server))
}
