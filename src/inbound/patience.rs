//! How long a client may take with its next command: five minutes (RFC 5321 §4.5.3.2.7), and far less while places run short,
//! so that whoever keeps silent gives its place to one that does not (CONFORMANCE 18; Postfix: stress mode).

use std::time::Duration;

use super::{Settings, Tools};
use crate::smtp::limits::CROWDED_COMMAND_TIMEOUT;
use crate::smtp::server::Session;

/// Places run short when fewer than so many are free, and fewer than a fifth of all.
const FEW_PLACES: usize = 64;

/// How long is waited, and when it is looked again whether that still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) in_all: Duration,
    pub(super) at_a_time: Duration,
}

impl Patience {
    /// With what this session waits for. Content has its own time: who sends it is not silent.
    pub(super) fn with(session: &Session, tools: &Tools, settings: &Settings) -> Self {
        let usual = session.timeout();
        if session.is_receiving() {
            return Self { in_all: usual, at_a_time: usual };
        }
        let in_all = if is_crowded(tools.doors.taken(), settings.max_connections) {
            usual.min(CROWDED_COMMAND_TIMEOUT)
        } else {
            usual
        };
        Self { in_all, at_a_time: CROWDED_COMMAND_TIMEOUT }
    }
}

fn is_crowded(taken: usize, most: usize) -> bool {
    most.saturating_sub(taken) < (most / 5).clamp(1, FEW_PLACES)
}

#[cfg(test)]
mod tests {
    use super::is_crowded;

    #[test]
    fn a_crowd_leaves_less_than_a_fifth_of_the_places_and_few_of_many() {
        let crowded = |most| (0..=most).find(|taken| is_crowded(*taken, most));
        assert_eq!([1, 2, 5, 100, 10_000].map(crowded), [Some(1), Some(2), Some(5), Some(81), Some(9937)]);
    }
}
