//! Whether a message is tried at once, while the sender waits (DESIGN section 4).

/// One peer may hold this part of `delivery.direct_total`: a quarter.
const PEER_SHARE: usize = 4;

/// What is known when the question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectFacts {
    /// The site is backing off.
    pub backing_off: bool,
    /// The site had a deferral that speaks of it in the last minute.
    pub deferred_lately: bool,
    /// A delivery for this site is due now and unclaimed, or may be.
    pub backlog: bool,
    /// A connection slot is free now.
    pub slot_free: bool,
    /// Sessions that wait for this site.
    pub waiting_for_site: usize,
    /// Sessions that wait in all.
    pub waiting_in_all: usize,
    /// Of them, of this peer.
    pub waiting_for_peer: usize,
    /// Octets of the message.
    pub octets: u64,
}

/// Why a message goes straight to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToQueue {
    /// See [`DirectFacts::backing_off`].
    BackingOff,
    /// See [`DirectFacts::deferred_lately`].
    DeferredLately,
    /// See [`DirectFacts::backlog`].
    Backlog,
    /// No slot, or too many waiting.
    Busy,
    /// Over `delivery.direct_max_bytes`.
    TooLarge,
}

/// `None`: try at once.
#[must_use]
pub fn direct(facts: &DirectFacts, settings: &super::settings::Instance) -> Option<ToQueue> {
    let peer_share = (settings.direct_total / PEER_SHARE).max(1);
    let busy = !facts.slot_free
        || facts.waiting_for_site >= settings.direct_per_site
        || facts.waiting_in_all >= settings.direct_total
        || facts.waiting_for_peer >= peer_share;
    let reasons = [
        (facts.backing_off, ToQueue::BackingOff),
        (facts.deferred_lately, ToQueue::DeferredLately),
        (facts.backlog, ToQueue::Backlog),
        (facts.octets > settings.direct_max_bytes, ToQueue::TooLarge),
        (busy, ToQueue::Busy),
    ];
    reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples::instance;

    const FREE: DirectFacts = DirectFacts {
        backing_off: false,
        deferred_lately: false,
        backlog: false,
        slot_free: true,
        waiting_for_site: 19,
        waiting_in_all: 499,
        waiting_for_peer: 124,
        octets: 2 << 20,
    };

    #[test]
    fn each_reason_sends_to_the_queue_and_no_limit_is_off_by_one() {
        let settings = instance();
        assert_eq!(direct(&FREE, &settings), None);
        for (facts, reason) in [
            (DirectFacts { backing_off: true, ..FREE }, ToQueue::BackingOff),
            (DirectFacts { deferred_lately: true, ..FREE }, ToQueue::DeferredLately),
            (DirectFacts { backlog: true, ..FREE }, ToQueue::Backlog),
            (DirectFacts { slot_free: false, ..FREE }, ToQueue::Busy),
            (DirectFacts { waiting_for_site: 20, ..FREE }, ToQueue::Busy),
            (DirectFacts { waiting_in_all: 500, ..FREE }, ToQueue::Busy),
            (DirectFacts { waiting_for_peer: 125, ..FREE }, ToQueue::Busy),
            (DirectFacts { octets: (2 << 20) + 1, ..FREE }, ToQueue::TooLarge),
        ] {
            assert_eq!(direct(&facts, &settings), Some(reason), "{facts:?}");
        }
    }

    #[test]
    fn a_small_total_still_leaves_one_for_a_peer() {
        let settings = crate::policy::settings::Instance { direct_total: 3, ..instance() };
        let alone = DirectFacts { waiting_in_all: 0, waiting_for_site: 0, waiting_for_peer: 0, ..FREE };
        assert_eq!(direct(&alone, &settings), None);
    }
}
