//! Turns what an attempt came to into what is stored: delivered, due again, or failed and perhaps told.
//!
//! The log is written before the queue lets go, so a crash between the two repeats and never loses. What a sender is told
//! enters the queue when the delivery that it speaks of goes, so a crash tells nobody twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::courier::Shared;
use super::give_up::{GivenUp, give_up};
use super::tell_sender::Failed;
use super::{Report, Running};
use super::{own_reports, tell_delay, tell_success};
use crate::chance::Pace;
use crate::mail::Moment;
use crate::policy::retry::{self, AFTER_UNKNOWN, Next, Tried};
use crate::policy::spam::is_refused_as_spam;
use crate::policy::status::Status;
use crate::policy::verdict::{Fault, Outcome, Stage};
use crate::store::activity::{Attempt as AttemptRow, DsnNote, Progress};
use crate::store::queue::{Acceptance, Claim, LEASE, Purpose, Settlement};
use crate::store::{self, StoreError};

/// Leases are renewed so often: two heartbeats may fail before one lapses.
const HEARTBEAT: Duration = Duration::from_secs(LEASE.as_secs() / 3);
/// Who could not write a row of the log says within this that it is owed.
const ROW_COMES_WITHIN: Duration = Duration::from_millis(200);
/// Storage that is unwell is tried again after so long, at first and at most.
const FIRST_STORE_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_STORE_PAUSE: Duration = Duration::from_secs(10);

/// Drives an attempt of leased deliveries to its end. `None`: the gateway stops, and the next hop has not got the message.
pub(super) async fn drive(shared: &Shared, mut run: Running, sent: &AtomicBool, ids: &[Uuid]) -> Option<Report> {
    let mut heartbeat = interval_at(shared.tools.clock.instant() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            report = &mut run => return Some(report),
            () = shared.stopping.cancelled() => break,
            _ = heartbeat.tick() => renew(shared, ids).await,
        }
    }
    if !sent.load(Ordering::SeqCst) {
        return None;
    }
    let ended = tokio::time::timeout(shared.settings().stop_grace, run).await;
    Some(ended.unwrap_or_else(|_| Report::unknown(ids, "the gateway stopped before the next hop answered")))
}

async fn renew(shared: &Shared, ids: &[Uuid]) {
    if let Err(error) = shared.tools.store.queue.renew(ids.to_vec(), shared.tools.clock.now()).await {
        tracing::warn!(%error, "leases could not be renewed; the deliveries may be tried twice");
    }
}

/// The end of an attempt that began while the sender waited.
pub(super) async fn adopted(shared: Arc<Shared>, run: Running, sent: Arc<AtomicBool>, ids: Vec<Uuid>) {
    let Some(report) = drive(&shared, run, &sent, &ids).await else {
        return give_back(&shared, ids, Duration::ZERO).await;
    };
    let mut claims = Vec::with_capacity(ids.len());
    for id in ids {
        claims.extend(claim(&shared, id).await);
    }
    settle(&shared, &claims, report).await;
}

/// The delivery as the queue holds it; `None` where somebody took it out meanwhile.
async fn claim(shared: &Shared, id: Uuid) -> Option<Claim> {
    let found = persist(&shared.stopping, || async {
        match shared.tools.store.queue.get(id).await {
            Err(StoreError::NotFound) => Ok(None),
            found => found.map(Some),
        }
    });
    found.await.flatten()
}

/// Gives leases back that led to no attempt.
pub(super) async fn give_back(shared: &Shared, ids: Vec<Uuid>, pause: Duration) {
    let due = shared.tools.clock.now().after(pause);
    if let Err(error) = shared.tools.store.queue.give_back(ids, due).await {
        tracing::warn!(%error, "leases could not be given back; they lapse by themselves");
    }
    shared.due_at(due);
}

/// Stores what became of claimed deliveries.
pub(super) async fn settle(shared: &Shared, claims: &[Claim], mut report: Report) {
    let mut settlements = Vec::with_capacity(claims.len());
    let mut changes = Vec::with_capacity(claims.len());
    let (mut given_up, mut reports) = (GivenUp::default(), Vec::new());
    let pace = shared.tools.chance.pace(shared.tools.clock.now());
    for claim in claims {
        let Some((_, outcome)) = report.outcomes.iter().find(|(id, _)| *id == claim.delivery.id) else { continue };
        let mut end = end_of(shared, Case { claim, given_up: &mut given_up, pace }, outcome).await;
        settlements.push((claim.delivery.id, end.settlement.clone()));
        reports.extend(end.report.take());
        if claim.delivery.purpose == Purpose::Forward {
            tell_of_spam(shared, claim, outcome);
        }
        let attempts = taken(&mut report.attempts, claim.delivery.id);
        if claim.delivery.purpose == Purpose::Dsn {
            own_reports::note(shared, (claim, &end), attempts).await;
        } else {
            changes.extend(end.progress(claim.delivery.id, attempts, report.sha256_sent));
        }
    }
    let (tools, stop) = (&shared.tools, &shared.stopping);
    if !changes.is_empty() {
        persist(stop, || write_down(shared, &changes)).await;
    }
    drop(given_up);
    reports.extend(tell_success::of_claims(shared, claims, &report.outcomes).await);
    persist(stop, || tools.store.queue.settle_and_tell(settlements.clone(), reports.clone())).await;
    let again = settlements.iter().filter_map(|(_, end)| match end {
        Settlement::Again(due) | Settlement::Told(due) => Some(*due),
        Settlement::Done | Settlement::Kept(_) => None,
    });
    again.chain(reports.iter().map(|report| report.message.received_at)).for_each(|due| shared.due_at(due));
}

/// Behind the rows that it changes. One that is missing is on its way, or owed in a moment; else it is gone for good.
async fn write_down(shared: &Shared, changes: &[Progress]) -> store::Result<()> {
    let (log, stop) = (&shared.tools.store.activity, &shared.stopping);
    match log.progress_of_all(changes.to_vec()).await {
        Err(StoreError::NotFound) => {
            let row_comes = async {
                tokio::time::sleep(ROW_COMES_WITHIN).await;
                log.is_paid().await;
            };
            let _over = stop.run_until_cancelled(row_comes).await;
            log.progress(changes.to_vec()).await
        }
        done => done,
    }
}

/// Nobody may be listening.
fn tell_of_spam(shared: &Shared, claim: &Claim, outcome: &Outcome) {
    if is_refused_as_spam(outcome) {
        let _unheard = shared.refused.send(claim.delivery.id);
    }
}

/// Tries until storage is well again: what became of a message is never forgotten while the process lives. On stop one
/// last try is enough; the lease lapses and the delivery is repeated.
pub(super) async fn persist<T, F: Future<Output = store::Result<T>>>(
    stop: &CancellationToken,
    store: impl Fn() -> F,
) -> Option<T> {
    let mut pause = FIRST_STORE_PAUSE;
    loop {
        match store().await {
            Ok(done) => return Some(done),
            Err(error) => tracing::error!(%error, "what became of a delivery could not be stored; trying again"),
        }
        if stop.is_cancelled() {
            return None;
        }
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
        pause = (pause * 2).min(LONGEST_STORE_PAUSE);
    }
}

fn taken(attempts: &mut Vec<(Uuid, AttemptRow)>, id: Uuid) -> Vec<AttemptRow> {
    attempts.extract_if(.., |(of, _)| *of == id).map(|(_, attempt)| attempt).collect()
}

/// A claim that is being settled, and those settled with it that were given up.
pub(super) struct Case<'a> {
    pub(super) claim: &'a Claim,
    pub(super) given_up: &'a mut GivenUp,
    pace: Pace,
}

/// How a claim ends.
pub(super) struct End {
    pub(super) settlement: Settlement,
    pub(super) status: Status,
    pub(super) reason: String,
    pub(super) next: Option<Moment>,
    pub(super) dsn: Option<DsnNote>,
    /// What the sender is told, to be kept with the settlement.
    pub(super) report: Option<Acceptance>,
}

impl End {
    /// Nothing follows, and nobody is told.
    pub(super) const fn new(settlement: Settlement, status: Status, reason: String) -> Self {
        Self { settlement, status, reason, next: None, dsn: None, report: None }
    }

    /// A row's change for each host that was tried; only the last one speaks of the end.
    fn progress(self, id: Uuid, attempts: Vec<AttemptRow>, sha256_sent: Option<[u8; 32]>) -> Vec<Progress> {
        let mut attempts = attempts;
        let last = attempts.pop();
        let before = attempts.into_iter().map(|attempt| Progress {
            id,
            status: Status::Deferred,
            reason: self.reason.clone(),
            attempt: Some(attempt),
            next_attempt_at: None,
            sha256_sent: None,
            dsn: None,
        });
        let mut changes = before.collect::<Vec<_>>();
        changes.push(Progress {
            id,
            status: self.status,
            sha256_sent: sha256_sent.filter(|_| self.status == Status::Forwarded),
            reason: self.reason,
            attempt: last,
            next_attempt_at: self.next,
            dsn: self.dsn,
        });
        changes
    }
}

async fn end_of(shared: &Shared, case: Case<'_>, outcome: &Outcome) -> End {
    match outcome {
        Outcome::Delivered { reply } => {
            End::new(Settlement::Done, Status::Forwarded, format!("The next hop took it: {reply}"))
        }
        Outcome::Refused { fault: Fault::Us, reply, .. } => {
            again_or_expired(shared, case, format!("refused for what we are: {reply}"), Certainty::NotDelivered).await
        }
        Outcome::Refused { .. } => failed(shared, case, outcome).await,
        Outcome::Deferred { reply, reason, .. } => {
            let words = reply.as_ref().map_or_else(|| reason.clone(), |reply| format!("{reason}: {reply}"));
            again_or_expired(shared, case, words, Certainty::NotDelivered).await
        }
        Outcome::Unknown { reason } => {
            let words = format!("it may or may not have been delivered: {reason}");
            again_or_expired(shared, case, words, Certainty::Unknown).await
        }
    }
}

async fn failed(shared: &Shared, case: Case<'_>, outcome: &Outcome) -> End {
    let not_offered = outcome.not_offered().map(|why| format!("not offered to the next hop: {why}"));
    let reason = not_offered.unwrap_or_else(|| match outcome {
        Outcome::Refused { stage: Stage::Resolve | Stage::Connect, reply, .. } => {
            format!("there is no way to the destination: {reply}")
        }
        Outcome::Refused { reply, fault: Fault::Message, .. } => format!("the next hop refused the message: {reply}"),
        Outcome::Refused { reply, .. } => format!("the next hop refused the mailbox: {reply}"),
        other => other.to_string(),
    });
    let told = Failed::of(&case.claim.delivery, outcome);
    give_up(shared, case, told, (Status::Failed, reason)).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    NotDelivered,
    Unknown,
}

async fn again_or_expired(shared: &Shared, case: Case<'_>, reason: String, certainty: Certainty) -> End {
    let now = case.pace.now;
    let tried = Tried {
        tries: case.claim.delivery.tries + 1,
        accepted_at: now.before(shared.tools.clock.age(case.claim.message.received_at)),
        now,
        null_sender: case.claim.message.reverse_path.is_null(),
        unknown: certainty == Certainty::Unknown,
        frozen: shared.jumps.freeze(&shared.tools.clock),
    };
    match retry::next(&tried, &shared.tools.instance.load()) {
        Next::Wait(wait) => {
            let floor = if tried.unknown { AFTER_UNKNOWN } else { Duration::ZERO };
            let due = case.pace.after(wait, floor);
            let report = tell_delay::report(shared, case.claim, &tried).await;
            let settlement = if report.is_some() { Settlement::Told(due) } else { Settlement::Again(due) };
            End { next: Some(due), report, ..End::new(settlement, Status::Deferred, reason) }
        }
        Next::Expire => {
            let words = "it could not be delivered in the time that it had".to_owned();
            let told = Failed { delivery: &case.claim.delivery, status: (5, 4, 7), reason: words };
            give_up(shared, case, told, (Status::Expired, format!("given up after the last try: {reason}"))).await
        }
    }
}
