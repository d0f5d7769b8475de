//! What each delivery of a message came to while its sender waited, and the attempts that still run.

use std::future::poll_fn;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::Tools;
use super::handover::{Run, abort_unsent, poll_all};
use super::outgoing::{Outgoing, Packed};
use crate::delivery::{Attempt, Report};
use crate::policy::report::Standing;
use crate::policy::verdict::Outcome;
use crate::store::activity::Attempt as AttemptRow;

/// What one delivery came to.
#[derive(Debug)]
pub(super) struct Came {
    /// `None`: not tried, aborted before its dot, or still running.
    pub(super) outcome: Option<Outcome>,
    pub(super) attempts: Vec<AttemptRow>,
    pub(super) sha256_sent: Option<[u8; 32]>,
    pub(super) crlf_added: bool,
    /// Its attempt still runs: it enters the queue leased.
    pub(super) running: bool,
}

/// All deliveries of a message, in the order of `outgoing`.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) came: Vec<Came>,
    runs: Vec<(Run, Vec<usize>)>,
}

impl Tally {
    /// Takes the runs in the order of the parcels.
    pub(super) fn of(outgoing: &[Outgoing], packed: Vec<Packed>, runs: Vec<Run>) -> Self {
        let untried =
            || Came { outcome: None, attempts: Vec::new(), sha256_sent: None, crlf_added: false, running: false };
        let deliveries = packed.into_iter().map(|packed| packed.deliveries);
        let mut tally = Self {
            came: outgoing.iter().map(|_| untried()).collect(),
            runs: runs.into_iter().zip(deliveries).collect(),
        };
        tally.take_reports(outgoing);
        tally
    }

    /// Takes what has ended into `came`.
    fn take_reports(&mut self, outgoing: &[Outgoing]) {
        for (run, deliveries) in std::mem::take(&mut self.runs) {
            match run {
                Run::Ended(report) => self.take_report(outgoing, &deliveries, report),
                Run::Aborted => deliveries.iter().for_each(|index| self.came[*index].running = false),
                Run::Going(attempt) => {
                    deliveries.iter().for_each(|index| self.came[*index].running = true);
                    self.runs.push((Run::Going(attempt), deliveries));
                }
            }
        }
    }

    fn take_report(&mut self, outgoing: &[Outgoing], deliveries: &[usize], report: Report) {
        let mut places = deliveries.iter().map(|index| (outgoing[*index].id, *index)).collect::<Vec<_>>();
        places.sort_unstable();
        let of = |id: Uuid| places.binary_search_by_key(&id, |place| place.0).ok().map(|found| places[found].1);
        for (id, outcome) in report.outcomes {
            let Some(index) = of(id) else { continue };
            let came = &mut self.came[index];
            came.running = false;
            came.crlf_added = report.crlf_added;
            came.sha256_sent = report.sha256_sent.filter(|_| matches!(outcome, Outcome::Delivered { .. }));
            came.outcome = Some(outcome);
        }
        for (id, attempt) in report.attempts {
            if let Some(index) = of(id) {
                self.came[index].attempts.push(attempt);
            }
        }
    }

    /// Aborts what was not sent, and waits for the replies to what was, until it is `enough`.
    pub(super) async fn finish_sent(&mut self, outgoing: &[Outgoing], enough: impl Future<Output = ()>) {
        abort_unsent(self.runs.iter_mut().map(|(run, _)| run));
        let all_ended = poll_fn(|context| poll_all(context, self.runs.iter_mut().map(|(run, _)| run)));
        tokio::select! {
            biased;
            () = all_ended => {}
            () = enough => {}
        }
        self.take_reports(outgoing);
    }

    /// Gives what still runs to the courier, which settles it against the queue.
    pub(super) fn adopt_running(&mut self, tools: &Tools, outgoing: &[Outgoing]) {
        for (run, deliveries) in std::mem::take(&mut self.runs) {
            if let Run::Going(attempt) = run {
                tools.courier.adopt(attempt, deliveries.iter().map(|index| outgoing[*index].id).collect());
            }
        }
    }

    /// Whether a next hop has, or may have, the message.
    pub(super) fn is_out_of_our_hands(&self) -> bool {
        let sent = |run: &Run| matches!(run, Run::Going(Attempt { sent, .. }) if sent.load(Ordering::Acquire));
        self.came.iter().any(|came| matches!(came.outcome, Some(Outcome::Delivered { .. } | Outcome::Unknown { .. })))
            || self.runs.iter().any(|(run, _)| sent(run))
    }
}

/// For each delivery its recipient and how it stands.
pub(super) fn standings(outgoing: &[Outgoing], came: &[Came]) -> Vec<(usize, Standing)> {
    let stands = |came: &Came| came.outcome.clone().map_or(Standing::Waiting, Standing::Tried);
    outgoing.iter().zip(came).map(|(delivery, came)| (delivery.taken, stands(came))).collect()
}
