//! Who may be told of a failure, and what the client is answered for a message with several recipients.

use super::facts::{AuthFacts, MessageFacts};
use super::settings::Custody;
use super::verdict::Outcome;
use crate::mail::ReversePath;
use crate::smtp::reply::Reply;

/// Promise 5: SPF pass of MAIL FROM not by `+all`, or a DKIM pass aligned with the reverse-path's domain; never null.
#[must_use]
pub fn reportable(reverse_path: &ReversePath, auth: &AuthFacts, facts: &MessageFacts) -> bool {
    let _ = (reverse_path, auth, facts);
    todo!("policy")
}

/// What one delivery of the transaction came to when the client must be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Tried, with this outcome.
    Tried(Outcome),
    /// Not tried, or still being tried: in the queue, or about to be.
    Waiting,
    /// Dropped by rule, held, consumed or created: taken without a next hop.
    Taken,
}

/// What becomes of one delivery once the answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Already done.
    Done,
    /// Into the queue.
    Queue,
    /// Failed, but the client was answered 250 for others: DSN if reportable, else kept.
    Fail,
    /// Refused with the client's answer.
    Refuse,
}

/// The answer to the final dot, and each delivery's fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the client gets; `None` is 250.
    pub refusal: Option<Reply>,
    /// In the order of the deliveries given.
    pub fates: Vec<Fate>,
}

/// "Several recipients" of DESIGN section 4: judged per RCPT first, then over RCPTs. `deliveries` names for each its RCPT.
#[must_use]
pub fn answer(deliveries: &[(usize, Standing)], reportable: bool, custody: Custody) -> Answer {
    let _ = (deliveries, reportable, custody);
    todo!("policy")
}
