//! Who may be told of a failure, and what the client is answered for a message with several recipients.

use std::collections::BTreeMap;

use super::alignment::{is_aligned, signers, spf_domain};
use super::facts::{AuthFacts, DkimResult, MessageFacts};
use super::replies;
use super::settings::Custody;
use super::verdict::{Fault, Outcome, Stage};
use crate::mail::ReversePath;
use crate::smtp::reply::Reply;

/// Promise 5: SPF pass of MAIL FROM not by `+all`, or a DKIM pass aligned with the reverse-path's domain; never null.
#[must_use]
pub fn reportable(reverse_path: &ReversePath, auth: &AuthFacts, facts: &MessageFacts) -> bool {
    let Some(domain) = reverse_path.domain() else { return false };
    spf_domain(reverse_path, auth).is_some()
        || signers(auth, DkimResult::Pass).any(|signer| is_aligned(facts, &signer, domain))
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
    /// Failed, and so has its whole RCPT, but the client was answered 250 for others: DSN if reportable, else kept.
    Fail,
    /// Failed, while another destination of its RCPT took the message or may still: kept, the owner's to know, no DSN.
    Keep,
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
    let may_take = reportable || custody == Custody::Always;
    let view: Vec<_> = deliveries.iter().map(|(rcpt, standing)| (*rcpt, Progress::of(standing, may_take))).collect();
    let rcpts = by_rcpt(&view);
    let refusal = refusal(deliveries, &rcpts);
    let fate = |(rcpt, progress): &(usize, Progress)| match progress {
        Progress::Took => Fate::Done,
        _ if refusal.is_some() => Fate::Refuse,
        Progress::Waits | Progress::HandedBack => Fate::Queue,
        Progress::Failed if rcpts.get(rcpt) == Some(&Progress::Failed) => Fate::Fail,
        Progress::Failed => Fate::Keep,
    };
    Answer { fates: view.iter().map(fate).collect(), refusal }
}

/// How far one delivery is, worst first, so that the best of a RCPT is its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// Refused for good.
    Failed,
    /// Deferred after the dot, and nobody could be told later: the client had better keep it.
    HandedBack,
    /// Deferred, or not tried yet.
    Waits,
    /// Delivered, or taken without a next hop.
    Took,
}

impl Progress {
    fn of(standing: &Standing, may_take: bool) -> Self {
        match standing {
            Standing::Taken | Standing::Tried(Outcome::Delivered { .. }) => Self::Took,
            Standing::Tried(Outcome::Refused { fault: Fault::Message | Fault::Mailbox, .. }) => Self::Failed,
            Standing::Tried(outcome) if deferred_after_dot(outcome).is_some() && !may_take => Self::HandedBack,
            Standing::Tried(_) | Standing::Waiting => Self::Waits,
        }
    }
}

/// The 4yz to our final dot. A 5yz there that is our own fault is queued, whoever the sender is.
fn deferred_after_dot(outcome: &Outcome) -> Option<&Reply> {
    match outcome {
        Outcome::Deferred { stage: Stage::Dot, reply: Some(reply), .. } if reply.is_transient() => Some(reply),
        _ => None,
    }
}

/// A RCPT is as far as the best of its deliveries.
fn by_rcpt(view: &[(usize, Progress)]) -> BTreeMap<usize, Progress> {
    let mut rcpts = BTreeMap::new();
    for &(rcpt, progress) in view {
        let best = rcpts.entry(rcpt).or_insert(progress);
        *best = progress.max(*best);
    }
    rcpts
}

/// All RCPTs alike give that answer; mixed ones are 250, which is `None`.
fn refusal(deliveries: &[(usize, Standing)], rcpts: &BTreeMap<usize, Progress>) -> Option<Reply> {
    let all = |progress: Progress| !rcpts.is_empty() && rcpts.values().all(|of_rcpt| *of_rcpt == progress);
    if all(Progress::Failed) {
        failure(deliveries)
    } else if all(Progress::HandedBack) {
        Some(replies::try_again(outcomes(deliveries).find_map(deferred_after_dot)))
    } else {
        None
    }
}

fn outcomes(deliveries: &[(usize, Standing)]) -> impl Iterator<Item = &Outcome> {
    deliveries.iter().filter_map(|(_, standing)| match standing {
        Standing::Tried(outcome) => Some(outcome),
        Standing::Waiting | Standing::Taken => None,
    })
}

/// What the sender hears of refusals: of the message if any was, for that is what it can change.
fn failure(deliveries: &[(usize, Standing)]) -> Option<Reply> {
    let of = |wanted: Fault| {
        outcomes(deliveries).find_map(|outcome| match outcome {
            Outcome::Refused { reply, fault, .. } if *fault == wanted => Some(reply),
            _ => None,
        })
    };
    let message = of(Fault::Message).map(replies::message_refused);
    message.or_else(|| of(Fault::Mailbox).map(replies::mailbox_refused))
}
