//! What each addressee of an attempt came to, and what the log keeps of it.

use std::sync::Arc;

use uuid::Uuid;

use super::connection::Peer;
use super::content::Sealed;
use super::failure::Failure;
use super::{Addressee, Parcel, Report};
use crate::clock::Clock;
use crate::mail::{Host, Mailbox, Moment};
use crate::policy::verdict::{Outcome, Stage};
use crate::store::activity::Attempt as AttemptRow;

/// The outcomes so far.
#[derive(Debug)]
pub(super) struct Fates {
    parcel: Arc<Parcel>,
    clock: Clock,
    began: Moment,
    fates: Vec<Option<Outcome>>,
    rows: Vec<(Uuid, AttemptRow)>,
    /// Of the failures so far, the one that counts.
    mildest: Option<Failure>,
}

impl Fates {
    /// Nobody has an outcome.
    pub(super) fn new(parcel: Arc<Parcel>, clock: Clock) -> Self {
        let began = clock.now();
        let fates = vec![None; parcel.addressees.len()];
        Self { parcel, clock, began, fates, rows: Vec::new(), mildest: None }
    }

    /// Whether everybody has.
    pub(super) fn are_decided(&self) -> bool {
        self.fates.iter().all(Option::is_some)
    }

    /// Who has none yet, by place in the parcel.
    pub(super) fn open(&self) -> impl Iterator<Item = usize> {
        self.fates.iter().enumerate().filter(|(_, fate)| fate.is_none()).map(|(index, _)| index)
    }

    /// Who has one, and which.
    pub(super) fn decided(&self) -> impl Iterator<Item = (&Mailbox, &Outcome)> {
        let fates = self.parcel.addressees.iter().zip(&self.fates);
        fates.filter_map(|(to, fate)| Some((&to.mailbox, fate.as_ref()?)))
    }

    /// This is the addressee's outcome.
    pub(super) fn decide(&mut self, index: usize, outcome: Outcome, peer: &Peer) {
        if self.fates[index].is_none() {
            self.note(index, &outcome, (&peer.host, Some(peer)));
            self.fates[index] = Some(outcome);
        }
    }

    /// Everybody without an outcome was not served by this host. After the dot that is their outcome.
    pub(super) fn failed(&mut self, failure: &Failure, host: &Host, peer: Option<&Peer>) {
        let outcome = failure.outcome();
        for index in self.open().collect::<Vec<_>>() {
            self.note(index, &outcome, (host, peer));
            if failure.stage == Stage::Dot {
                self.fates[index] = Some(outcome.clone());
            }
        }
        if self.mildest.as_ref().is_none_or(|mildest| failure.blame <= mildest.blame) {
            self.mildest = Some(failure.clone());
        }
    }

    /// Who has no outcome by now gets that of the mildest failure.
    pub(super) fn into_report(self, sealed: Option<Sealed>) -> Report {
        let open = self.mildest.as_ref().map_or_else(nobody_to_ask, Failure::outcome);
        let fates = self.fates.into_iter().map(|fate| fate.unwrap_or_else(|| open.clone()));
        let to_each =
            |(to, fate): (&Addressee, Outcome)| to.ids.iter().map(move |id| (*id, fate.clone())).collect::<Vec<_>>();
        Report {
            outcomes: self.parcel.addressees.iter().zip(fates).flat_map(to_each).collect(),
            attempts: self.rows,
            sha256_sent: sealed.map(|sealed| sealed.sha256),
            crlf_added: sealed.is_some_and(|sealed| sealed.crlf_added),
        }
    }

    fn note(&mut self, index: usize, outcome: &Outcome, (host, peer): (&Host, Option<&Peer>)) {
        let (word, reply) = in_words(outcome);
        let row = AttemptRow {
            at: self.began,
            ended_at: Some(self.clock.now()),
            mx: Some(host.to_string()),
            ip: peer.map(|peer| peer.ip),
            tls: peer.and_then(|peer| peer.tls.clone()),
            reply,
            outcome: word.to_owned(),
            fault: outcome.fault(),
            note: peer.and_then(|peer| peer.note.clone()),
        };
        let ids = &self.parcel.addressees[index].ids;
        self.rows.extend(ids.iter().map(|id| (*id, row.clone())));
    }
}

pub(super) fn nobody_to_ask() -> Outcome {
    Failure::silent(Stage::Resolve, "no host of the destination has an address").outcome()
}

/// What the log keeps of a try that came to nothing before any host was found.
pub(super) fn untried((began, ended): (Moment, Moment), outcome: &Outcome) -> AttemptRow {
    let (word, reply) = in_words(outcome);
    AttemptRow {
        at: began,
        ended_at: Some(ended),
        mx: None,
        ip: None,
        tls: None,
        reply,
        outcome: word.to_owned(),
        fault: outcome.fault(),
        note: None,
    }
}

/// As an attempt row writes it: a word, and what was said. That there is no way is said by nobody but us.
fn in_words(outcome: &Outcome) -> (&'static str, String) {
    if let Some(why) = outcome.not_offered() {
        return ("refused", format!("not offered: {why}"));
    }
    match outcome {
        Outcome::Delivered { reply } => ("delivered", reply.to_string()),
        Outcome::Refused { stage: Stage::Resolve | Stage::Connect, reply, .. } => ("refused", reply.text().to_owned()),
        Outcome::Refused { reply, .. } => ("refused", reply.to_string()),
        Outcome::Deferred { reply: Some(reply), .. } => ("deferred", reply.to_string()),
        Outcome::Deferred { reason, .. } => ("deferred", reason.clone()),
        Outcome::Unknown { reason } => ("unknown", reason.clone()),
    }
}
