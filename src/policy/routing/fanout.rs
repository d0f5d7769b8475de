//! Follows destinations that lie on hosted domains to the aliases there, until only real inboxes are left.
//!
//! Pure: who asks the directory takes a leg with [`Fanout::next_leg`], and gives it back with [`Fanout::leaves`] (its domain
//! is not hosted) or [`Fanout::enters`] (with the decision on it). A leg that fails takes nothing from the others; only
//! when none is left does the recipient fail.

use std::collections::VecDeque;

use super::super::admission::{Decision, Disposition, Leg};
use super::super::left_out;
use super::super::replies;
use super::super::status::TraceStep;
use crate::mail::Mailbox;

/// Aliases that one leg may pass on its way out.
pub const MAX_DEPTH: usize = 8;
/// Inboxes that one recipient may reach, and aliases that are asked for it.
pub const MAX_FAN_OUT: usize = 100;
/// Steps that the trace of one recipient may have.
const MAX_TRACE_STEPS: usize = 200;

/// The ways of one recipient that are still open.
#[derive(Debug)]
pub struct Fanout {
    decision: Decision,
    waiting: VecDeque<Leg>,
    legs: Vec<Leg>,
    followed: usize,
    /// What the recipient gets if no leg arrives, the mildest that was met; and why that way ended.
    otherwise: Option<(Disposition, String)>,
}

impl Fanout {
    /// Takes the decision on the recipient; one that does not forward is finished already.
    #[must_use]
    pub fn new(mut decision: Decision) -> Self {
        let mut waiting = VecDeque::new();
        if let Disposition::Forward(legs) = &mut decision.disposition {
            waiting.extend(std::mem::take(legs));
        }
        Self { decision, waiting, legs: Vec::new(), followed: 0, otherwise: None }
    }

    /// The next leg to look at.
    pub fn next_leg(&mut self) -> Option<Leg> {
        self.waiting.pop_front()
    }

    /// The leg's destination is a real inbox.
    pub fn leaves(&mut self, leg: Leg) {
        self.legs.push(leg);
        self.stop_over_limit();
    }

    /// The leg's destination is an address on a hosted domain, and `inner` the decision on that.
    pub fn enters(&mut self, leg: &Leg, mut inner: Decision) {
        self.followed += 1;
        if let Some(trouble) = loop_of(leg) {
            self.fails(leg, Disposition::Reject(replies::routing_loop()), trouble);
            return;
        }
        self.note(TraceStep::new("hosted destination", "followed", format!("{}: {}", leg.destination, inner.reason)));
        let is_ours = inner.account == self.decision.account;
        let told = |step| if is_ours { step } else { left_out::unnamed(step) };
        inner.trace.drain(..).for_each(|step| self.note(told(step)));
        if matches!(inner.disposition, Disposition::Forward(_)) {
            self.decision.passes(&inner);
        }
        match inner.disposition {
            Disposition::Forward(legs) => self.waiting.extend(legs.into_iter().map(|next| lengthened(leg, next))),
            // An SRS address is no way out: reports come from outside only.
            Disposition::Report(_) => self.fails(leg, Disposition::Reject(replies::unknown()), "an SRS address"),
            other => self.fails(leg, other, &inner.reason),
        }
        self.stop_over_limit();
    }

    /// The decision, with every leg at a real inbox.
    #[must_use]
    pub fn finish(mut self) -> Decision {
        if !matches!(self.decision.disposition, Disposition::Forward(_)) {
            return self.decision;
        }
        if !self.legs.is_empty() {
            self.decision.disposition = Disposition::Forward(self.legs);
            return self.decision;
        }
        self.decision.create = false;
        let name = self.decision.rule.as_ref().map_or("The alias", |rule| rule.pattern.as_str());
        let nowhere = || (Disposition::Reject(replies::routing_loop()), "no way is left".to_owned());
        let (disposition, why) = self.otherwise.unwrap_or_else(nowhere);
        self.decision.reason = format!("{name} leads to no inbox: {}.", why.trim_end_matches('.'));
        self.decision.disposition = disposition;
        self.decision
    }

    /// Too many ways are a mistake or an attack; nobody gets the mail rather than some.
    fn stop_over_limit(&mut self) {
        if self.followed <= MAX_FAN_OUT && self.legs.len() + self.waiting.len() <= MAX_FAN_OUT {
            return;
        }
        self.waiting.clear();
        self.legs.clear();
        let why = format!("more than {MAX_FAN_OUT} ways lead on from here");
        self.otherwise = Some((Disposition::Reject(replies::routing_loop()), why.clone()));
        self.note(TraceStep::new("fan-out", "refused", why));
    }

    fn fails(&mut self, leg: &Leg, with: Disposition, why: &str) {
        self.note(TraceStep::new("hosted destination", "ends", format!("{}: {why}", leg.destination)));
        if self.otherwise.as_ref().is_none_or(|(known, _)| mildness(&with) > mildness(known)) {
            self.otherwise = Some((with, why.to_owned()));
        }
    }

    fn note(&mut self, step: TraceStep) {
        if self.decision.trace.len() < MAX_TRACE_STEPS {
            self.decision.trace.push(step);
        }
    }
}

/// `Delivered-To` of an inner leg: the outer aliases, then the inner ones.
fn lengthened(outer: &Leg, inner: Leg) -> Leg {
    let mut delivered_to = outer.delivered_to.clone();
    delivered_to.extend(inner.delivered_to);
    Leg { destination: inner.destination, delivered_to }
}

fn loop_of(leg: &Leg) -> Option<&'static str> {
    let passed = |mailbox: &Mailbox| mailbox.key() == leg.destination.key();
    if leg.delivered_to.iter().any(passed) {
        return Some("the way leads back to where it came by");
    }
    (leg.delivered_to.len() >= MAX_DEPTH).then_some("the way passes too many aliases")
}

/// What may yet be delivered outweighs what was dropped by rule, and that outweighs what was refused.
const fn mildness(disposition: &Disposition) -> u8 {
    match disposition {
        Disposition::Forward(_) | Disposition::Report(_) | Disposition::Reject(_) => 0,
        Disposition::Discard | Disposition::Repeat => 1,
        Disposition::Hold => 2,
        Disposition::Defer(_) => 3,
    }
}
