//! Where a rule's mail goes: its destinations that are verified, computed ones included.

use std::time::Duration;

use super::super::left_out;
use super::super::replies;
use super::super::routing::{Selection, expand};
use super::super::rule::{Destination, HostedDomain, Target};
use super::super::status::{RuleRef, TraceStep};
use super::{Disposition, Leg, RecipientCase, Ruling};
use crate::mail::{LocalPart, Mailbox, Moment};

/// So long after a destination was added, mail is only deferred while its owner has not verified it.
pub const TIME_TO_VERIFY: Duration = Duration::from_secs(3 * 86_400);
/// What is said of a rule that leads nowhere, behind its name.
pub const NO_DESTINATION: &str = "has no destination.";
/// Destinations that the trace names one by one; the others are counted.
pub const MAX_TRACED_DESTINATIONS: usize = 10;

/// The addresses that a rule's templates give for these captures: who gathers facts asks whether they are verified.
pub fn computed(selection: &Selection) -> impl Iterator<Item = Mailbox> {
    selection.rule.targets.iter().filter_map(|target| match target {
        Target::Template(template) => expand(template, &selection.captures),
        Target::Fixed(_) => None,
    })
}

/// A leg for each verified destination; without any, why not.
pub(super) fn legs(
    case: &RecipientCase<'_>,
    domain: &HostedDomain,
    selection: &Selection,
    trace: &mut Vec<TraceStep>,
) -> Ruling {
    let verified: Vec<_> = selection.rule.targets.iter().map(|target| verified(case, selection, target)).collect();
    note(selection, &verified, trace);
    let verified: Vec<_> = verified.into_iter().flatten().map(|(address, _)| address).collect();
    let name = RuleRef::of(&selection.rule, &domain.name).pattern;
    if verified.is_empty() {
        return nowhere(selection, &name, case.facts.now);
    }
    let reason = match &verified[..] {
        [only] => format!("{name} forwards to {only}."),
        all => format!("{name} forwards to {} destinations.", all.len()),
    };
    let tag = selection.tag.as_deref().filter(|_| domain.keep_tag);
    let leg = |address: Mailbox| Leg {
        destination: tag.and_then(|tag| tagged(&address, tag)).unwrap_or(address),
        delivered_to: vec![case.facts.recipient.clone()],
    };
    Ruling::new(Disposition::Forward(verified.into_iter().map(leg).collect()), reason)
}

/// An address that gets the mail, and by what it does.
fn verified(case: &RecipientCase<'_>, selection: &Selection, target: &Target) -> Option<(Mailbox, &'static str)> {
    let admitted = |address: &Mailbox| case.facts.admitted.contains(address);
    match target {
        Target::Fixed(Destination { address, verified_at: Some(_), .. }) => Some((address.clone(), "verified")),
        Target::Fixed(Destination { address, .. }) => {
            admitted(address).then(|| (address.clone(), "verified by its domain"))
        }
        Target::Template(template) => Some((expand(template, &selection.captures).filter(admitted)?, "verified")),
    }
}

/// A computed address that nobody verified is an address that does not exist. One that somebody added gets its time.
fn nowhere(selection: &Selection, name: &str, now: Moment) -> Ruling {
    let targets = &selection.rule.targets;
    let fixed = targets.iter().filter_map(|target| match target {
        Target::Fixed(destination) => Some(destination.added_at),
        Target::Template(_) => None,
    });
    match fixed.max() {
        Some(added) if now.since(added) < TIME_TO_VERIFY => {
            Ruling::defer(replies::not_ready(), format!("No destination of {name} is verified yet."))
        }
        Some(_) => Ruling::reject(replies::never_ready(), format!("No destination of {name} was ever verified.")),
        None if targets.is_empty() => Ruling::reject(replies::never_ready(), format!("{name} {NO_DESTINATION}")),
        None => Ruling::reject(replies::unknown(), computes_nothing(selection, name)),
    }
}

fn computes_nothing(selection: &Selection, name: &str) -> String {
    let mut all = computed(selection);
    match (all.next(), all.count()) {
        (None, _) => format!("What {name} computes is no address."),
        (Some(only), 0) => format!("{name} computes {only}, which is no verified destination."),
        (Some(first), more) => format!("{name} computes {first} and {more} more, and none is a verified destination."),
    }
}

/// `anna@inbox.example` with `+news`; none where the local part would grow too long.
fn tagged(address: &Mailbox, tag: &str) -> Option<Mailbox> {
    let local = LocalPart::from_plain(&format!("{}{tag}", address.local().as_str())).ok()?;
    Some(Mailbox::new(local, address.host().clone()))
}

/// Where each target leads, in their order; and of those that lead nowhere, which.
fn note(selection: &Selection, verified: &[Option<(Mailbox, &'static str)>], trace: &mut Vec<TraceStep>) {
    let step = |(address, how): &(Mailbox, &'static str)| TraceStep::new("destination", *how, address.to_string());
    note_some(verified.iter().flatten().map(step), "verified", trace);
    let targets = selection.rule.targets.iter().zip(verified);
    let left_out = targets.filter(|(_, verified)| verified.is_none()).map(|(target, _)| target);
    note_some(left_out.map(|target| left_out::step(&named(selection, target))), left_out::VERDICT, trace);
}

fn note_some(steps: impl Iterator<Item = TraceStep>, verdict: &'static str, trace: &mut Vec<TraceStep>) {
    let mut steps = steps;
    trace.extend(steps.by_ref().take(MAX_TRACED_DESTINATIONS));
    let more = steps.count();
    if more > 0 {
        trace.push(TraceStep::new("destination", verdict, format!("{more} more")));
    }
}

/// The address of a target, or what gives none.
fn named(selection: &Selection, target: &Target) -> String {
    match target {
        Target::Fixed(destination) => destination.address.to_string(),
        Target::Template(template) => expand(template, &selection.captures)
            .map_or_else(|| format!("{template}, which gives no address here"), |address| address.to_string()),
    }
}
