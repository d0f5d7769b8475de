//! Ways within a batch. Circles are looked for among the aliases that there are: so an alias of a batch does not lead to one
//! that the same batch makes or changes, nor is one changed twice.

use std::collections::HashMap;

use crate::mail::{Domain, Mailbox};
use crate::store::rules::AliasSpec;

use super::AdminError;
use super::aliases::sends_on;
use super::patterns::Matching;
use super::spec::Named;

/// An alias as it will be.
pub(super) struct End {
    pub(super) named: Named,
    /// Where it leads.
    targets: Vec<Mailbox>,
    /// Whether there will be such an alias.
    stays: bool,
}

impl End {
    /// Without `spec` it goes.
    pub(super) fn new(named: Named, spec: Option<&AliasSpec>) -> Self {
        let destinations = spec.filter(|spec| sends_on(spec.action)).map(|spec| spec.destinations.as_slice());
        let read = |text: &String| Mailbox::parse(text).ok();
        let targets = destinations.unwrap_or_default().iter().filter_map(read).collect();
        Self { named, targets, stays: spec.is_some() }
    }

    /// Octets that its compiled pattern will take.
    pub(super) fn octets(&self) -> usize {
        let stays = self.named.matching.as_ref().ok().filter(|_| self.stays);
        stays.map_or(0, Matching::octets)
    }
}

/// What is wrong with a batch: with which of its operations, and why.
pub(super) fn within(ends: &[End]) -> Option<(usize, AdminError)> {
    let twice = twice(ends).map(|index| (index, twice_why(&ends[index])));
    let way = way(ends).map(|(from, to)| (from.max(to), way_why(&ends[from], &ends[to])));
    twice.into_iter().chain(way).min_by_key(|(index, _)| *index)
}

/// Which of these lead to another one of them, and to which, so that none of the rest leads to one of the rest. There is a
/// rest, even where they lead to each other.
pub(super) fn to_make_later(ends: &[End]) -> Vec<Option<usize>> {
    let (goals, mut later) = (Goals::of(ends), vec![None; ends.len()]);
    for (from, end) in ends.iter().enumerate() {
        let mut met = end.targets.iter().flat_map(|target| goals.met_by(target));
        later[from] = met.find(|to| *to != from && later[*to].is_none());
    }
    later
}

/// The first alias that stands there a second time.
fn twice(ends: &[End]) -> Option<usize> {
    let mut seen = std::collections::HashSet::new();
    ends.iter().position(|end| !seen.insert(end.named.name.to_string()))
}

fn twice_why(end: &End) -> AdminError {
    AdminError::Conflict(format!("{} stands in this batch twice.", end.named.name))
}

/// An alias that leads to another one: from where to where.
fn way(ends: &[End]) -> Option<(usize, usize)> {
    let goals = Goals::of(ends);
    let ways = ends.iter().enumerate().flat_map(|(from, end)| {
        let met = end.targets.iter().flat_map(|target| goals.met_by(target)).filter(move |to| *to != from);
        met.map(move |to| (from, to))
    });
    ways.min_by_key(|(from, to)| *from.max(to))
}

fn way_why(from: &End, to: &End) -> AdminError {
    let (from, to) = (&from.named.name, &to.named.name);
    let why = format!("{from} leads to {to}, which is in the same batch: send two, one after the other");
    AdminError::field("destinations", why)
}

/// What can be led to: addresses by what they are, others by their domain.
struct Goals<'a> {
    addresses: HashMap<(&'a Domain, &'a str), usize>,
    others: HashMap<&'a Domain, Vec<(usize, &'a Matching)>>,
}

impl<'a> Goals<'a> {
    fn of(ends: &'a [End]) -> Self {
        let mut goals = Self { addresses: HashMap::new(), others: HashMap::new() };
        for (index, end) in ends.iter().enumerate().filter(|(_, end)| end.stays) {
            let domain = &end.named.name.domain;
            match &end.named.matching {
                Ok(Matching::Exactly(key)) => drop(goals.addresses.insert((domain, key), index)),
                Ok(other) => goals.others.entry(domain).or_default().push((index, other)),
                Err(_) => {}
            }
        }
        goals
    }

    fn met_by(&self, target: &Mailbox) -> Vec<usize> {
        let Some(domain) = target.domain() else { return Vec::new() };
        let key = target.local().key();
        let exact = self.addresses.get(&(domain, key.as_str())).copied();
        let others = self.others.get(domain).into_iter().flatten();
        let met = others.filter(|(_, matching)| matching.matches(target.local())).map(|(index, _)| *index);
        exact.into_iter().chain(met).collect()
    }
}
