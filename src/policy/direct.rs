//! Whether a message is tried at once, while the sender waits (DESIGN section 4).

/// What is known when the question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectFacts {
    /// The site is backing off.
    pub backing_off: bool,
    /// The site had a deferral that speaks of it in the last minute.
    pub deferred_lately: bool,
    /// A delivery for this site is due now and unclaimed.
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
    let _ = (facts, settings);
    todo!("policy")
}
