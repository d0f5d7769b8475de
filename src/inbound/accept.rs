//! Accept the message: decide, write what goes out, try at once, answer, and keep what must be kept first.
//!
//! The order is the promise: a 250 is given only when the next hop has said 250 or the queue has committed and synced, and
//! the log rows are committed before any answer. One clock runs from the final dot: checks, direct delivery, commit.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::arrival::Arrival;
use super::handover::{self, Bounds, Ending, Leaving};
use super::ledger::Entries;
use super::outgoing::{self, Outgoing};
use super::overdue::{self, Overdue};
use super::rows::Unfinished;
use super::tally::{self, Came, Tally};
use super::transaction::Transaction;
use super::untaken::{self, Untaken};
use super::{Settings, Tools, abuse, create, ledger, quota, repeats, replies, returned, rows, served};
use crate::policy::admission::{self, MessageCase};
use crate::policy::facts::ConnectFacts;
use crate::policy::report::{self, Answer, Fate};
use crate::policy::routing;
use crate::policy::verdict::Outcome;
use crate::smtp::limits::CLIENT_DOT_TIMEOUT;
use crate::smtp::reply::Reply;
use crate::store::{Result, StoreError};

/// How the time from the dot to the answer is shared, in tenths: checks may take four, direct delivery ends at eight.
const CHECKS_TENTHS: u32 = 4;
const DIRECT_TENTHS: u32 = 8;

/// After a failed commit, an attempt whose dot was written is waited for so long: its reply is the truth.
pub const AFTER_DOT_WAIT: Duration = Duration::from_secs(30);

/// The instants of one message's answer.
#[derive(Debug, Clone, Copy)]
struct Deadlines {
    checks: Instant,
    direct: Instant,
}

impl Deadlines {
    fn from(dot: Instant, settings: &Settings) -> Self {
        let share = |tenths| settings.answer_within * tenths / 10;
        Self { checks: dot + share(CHECKS_TENTHS), direct: dot + share(DIRECT_TENTHS).min(settings.direct_timeout) }
    }
}

/// Decides what becomes of a message, and gives the answer to its final dot.
pub(super) async fn message(
    tools: &Tools,
    connect: &ConnectFacts,
    transaction: Transaction,
    leaving: Leaving<'_>,
) -> Reply {
    let deadlines = Deadlines::from(tools.clock.instant(), &tools.settings.load());
    let id = transaction.id;
    match accept(tools, connect, transaction, (leaving, deadlines)).await {
        Ok(reply) => reply,
        Err(error) => {
            tools.storage_failed("accepting a message", &error);
            tracing::warn!(%id, %error, "message refused for now");
            replies::unwell()
        }
    }
}

async fn accept(
    tools: &Tools,
    connect: &ConnectFacts,
    transaction: Transaction,
    (leaving, deadlines): (Leaving<'_>, Deadlines),
) -> Result<Reply> {
    let mut arrival = gather(tools, connect, transaction, deadlines.checks).await?;
    if let Some(refusal) = admit(tools, &mut arrival).or_else(|| abuse::message(tools, &mut arrival)) {
        return untaken::refuse_all(tools, &arrival, refusal).await;
    }
    if !tools.undecided.settled(&arrival, deadlines.direct).await {
        return untaken::refuse_all(tools, &arrival, replies::unwell()).await;
    }
    repeats::recognise(tools, &mut arrival);
    read_report(tools, &mut arrival).await?;
    let outgoing = plan(tools, &arrival).await?;
    let packed = outgoing::pack(&arrival, &outgoing);
    let mut runs = handover::begin(tools, &arrival, &packed, deadlines.direct).await;
    let bounds = Bounds { until: deadlines.direct, leaving, stop: &tools.stop };
    let ending = handover::wait(&mut runs, bounds).await;
    let tally = Tally::of(&outgoing, packed, runs);
    match ending {
        Ending::ClientLeft => client_left(tools, &arrival, (&outgoing, tally)).await,
        Ending::Settled | Ending::TimeUp | Ending::Stopping => conclude(tools, &arrival, (&outgoing, tally)).await,
    }
}

async fn gather(tools: &Tools, connect: &ConnectFacts, transaction: Transaction, until: Instant) -> Result<Arrival> {
    let mut transaction = transaction;
    match Arrival::gather(tools, connect, &mut transaction, until).await {
        Ok(arrival) => Ok(arrival),
        Err(error) => {
            let rows = rows::unfinished(tools, connect, &transaction, Unfinished::Refused(&replies::unwell()));
            Err(untaken::hand_back(tools, rows, error).await)
        }
    }
}

/// Loops, forged senders, policy; the steps go into every recipient's trace.
fn admit(tools: &Tools, arrival: &mut Arrival) -> Option<Reply> {
    let recipients: Vec<_> = arrival.taken.iter().map(|(recipient, _)| recipient.clone()).collect();
    let mut trace = Vec::new();
    let case = MessageCase {
        settings: &tools.facts.instance.load(),
        facts: &arrival.facts,
        recipients: &recipients,
        after_data: arrival.policies().filter(|_| !arrival.is_own),
    };
    trace.extend(arrival.is_own.then(admission::not_checked));
    let refusal = admission::message(&case, &mut trace);
    for (_, decision) in &mut arrival.taken {
        decision.trace.extend(trace.iter().cloned());
    }
    refusal
}

/// Mail to an SRS address of ours: which delivery it reports on, and what its sender is told.
async fn read_report(tools: &Tools, arrival: &mut Arrival) -> Result<()> {
    match returned::read(tools, arrival).await {
        Ok(returned) => {
            arrival.returned = returned.map(Box::new);
            Ok(())
        }
        Err(error) => {
            let rows = untaken::refused(tools, arrival, &replies::unwell());
            Err(untaken::hand_back(tools, rows, error).await)
        }
    }
}

/// Fan-out, de-duplication, the alignment guard, SRS once, the prefix of each delivery.
async fn plan(tools: &Tools, arrival: &Arrival) -> Result<Vec<Outgoing>> {
    let planned = routing::plan(&arrival.taken, &arrival.facts, &tools.facts.instance.load());
    match outgoing::write(tools, arrival, planned).await {
        Ok(outgoing) => Ok(outgoing),
        Err(error) => {
            let rows = untaken::refused(tools, arrival, &replies::unwell());
            Err(untaken::hand_back(tools, rows, error).await)
        }
    }
}

/// Answers by what the deliveries came to, and keeps what the answer promises before it is given.
async fn conclude(tools: &Tools, arrival: &Arrival, (outgoing, mut tally): (&[Outgoing], Tally)) -> Result<Reply> {
    abuse::outcomes(tools, arrival.connect.peer, tally.came.iter().filter_map(|came| came.outcome.as_ref()));
    let answer = answer(tools, arrival, (outgoing, &tally.came));
    let may_refuse = answer.refusal.is_none() && !tally.is_out_of_our_hands();
    if may_refuse && quota::is_passed(tools, arrival, &answer).await? {
        return untaken::refuse_all(tools, arrival, replies::queue_full()).await;
    }
    let Entries { kept, rows } = ledger::write(tools, arrival, (outgoing, &tally.came), &answer).await;
    let is_kept = !kept.is_empty() || tally.is_out_of_our_hands();
    if !kept.is_empty()
        && let Err(error) = tools.store.queue.accept_together(kept).await
    {
        tally.finish_sent(outgoing, sleep(tools.settings.load().after_dot_wait)).await;
        return give_the_truth(tools, arrival, (outgoing, &tally.came), error).await;
    }
    let recorded = overdue::record(tools, rows).await;
    returned::record(tools, arrival).await;
    tally.adopt_running(tools, outgoing);
    served::tell(tools, arrival, (outgoing, &answer)).await;
    after(tools, arrival, (&answer, is_kept), recorded).await
}

fn answer(tools: &Tools, arrival: &Arrival, (outgoing, came): (&[Outgoing], &[Came])) -> Answer {
    let mut standings = tally::standings(outgoing, came);
    standings.extend(ledger::standings_without_next_hop(arrival));
    report::answer(&standings, arrival.reportable, tools.facts.instance.load().custody)
}

/// The queue could not commit. What was not sent is aborted; where everything was sent and answered, that answer holds.
/// What was to be held here is lost without the queue, so the client keeps it: then all hear the same, and the rows say
/// what a next hop has all the same.
async fn give_the_truth(
    tools: &Tools,
    arrival: &Arrival,
    (outgoing, came): (&[Outgoing], &[Came]),
    error: StoreError,
) -> Result<Reply> {
    let answer = answer(tools, arrival, (outgoing, came));
    if ledger::keeps(arrival) || answer.fates.iter().any(|fate| matches!(fate, Fate::Queue | Fate::Fail)) {
        let rows = Untaken::Unkept(&replies::unwell()).rows(tools, arrival, (outgoing, came));
        return Err(untaken::hand_back(tools, rows, error).await);
    }
    tools.storage_failed("keeping a message that its next hop has answered", &error);
    let entries = ledger::write(tools, arrival, (outgoing, came), &answer).await;
    let recorded = overdue::record(tools, entries.rows).await;
    after(tools, arrival, (&answer, true), recorded).await
}

/// The answer, once all that it promises is kept.
async fn after(
    tools: &Tools,
    arrival: &Arrival,
    (answer, is_kept): (&Answer, bool),
    recorded: std::result::Result<(), Overdue>,
) -> Result<Reply> {
    if let Err(overdue) = recorded {
        // To refuse what the next hop or the queue has would double it: its rows are written when that is possible again.
        if answer.refusal.is_some() || !is_kept {
            return Err(overdue.error);
        }
        tools.storage_failed("writing the log of a message that was taken", &overdue.error);
        overdue.write_later(tools);
    }
    if let Some(refusal) = &answer.refusal {
        tracing::info!(id = %arrival.id, peer = %arrival.connect.peer, reply = %refusal, "message refused");
        return Ok(refusal.clone());
    }
    create::aliases(tools, arrival).await;
    repeats::answered(tools, arrival).await;
    let is_queued = answer.fates.contains(&Fate::Queue);
    if is_queued {
        tools.meter.queued.raise()
    } else {
        tools.meter.direct.raise()
    }
    if is_queued || answer.fates.contains(&Fate::Fail) {
        tools.courier.wake();
    }
    tracing::info!(id = %arrival.id, peer = %arrival.connect.peer, from = %arrival.from(), octets = arrival.body.octets.len(), "message taken");
    Ok(replies::taken(arrival.id))
}

/// The client left before its answer: what was sent is waited for and written down. Where next hops took all that was to be
/// sent on, the message is taken like any other, and who has only ended their own side of the connection hears so; else the
/// rest was abandoned, and nothing is queued, since the client still has the message. A stop waits for none of it.
async fn client_left(tools: &Tools, arrival: &Arrival, (outgoing, mut tally): (&[Outgoing], Tally)) -> Result<Reply> {
    let _doubt = tally.is_out_of_our_hands().then(|| tools.undecided.begin(arrival));
    let enough = timeout(CLIENT_DOT_TIMEOUT, tools.stop.cancelled());
    tally.finish_sent(outgoing, enough.map(drop)).await;
    tracing::info!(id = %arrival.id, peer = %arrival.connect.peer, "the client left before its answer");
    let delivered = |came: &Came| matches!(came.outcome, Some(Outcome::Delivered { .. }));
    let reply = if !tally.came.is_empty() && tally.came.iter().all(delivered) {
        conclude(tools, arrival, (outgoing, tally)).await?
    } else {
        let rows = Untaken::ClientLeft.rows(tools, arrival, (outgoing, &tally.came));
        tools.store.activity.record(rows).await?;
        replies::unwell()
    };
    tools.unheard(&[arrival.id]).await;
    Ok(reply)
}

impl Tools {
    /// Says once, where it is handled, that storage failed; MAIL asks again before it takes more.
    pub(super) fn storage_failed(&self, doing: &'static str, error: &StoreError) {
        self.unwell.store(true, std::sync::atomic::Ordering::Relaxed);
        tracing::error!(%error, doing, "storage failed");
    }

    /// The answers to these transactions may not have reached their client: its repeats are to be known.
    pub(super) async fn unheard(&self, transactions: &[Uuid]) {
        if let Err(error) = self.store.activity.unheard(transactions).await {
            self.storage_failed("noting a message whose answer may not have reached its client", &error);
        }
    }

    /// Whether mail can be kept: asked again after a failure.
    pub(super) async fn is_well(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        let in_doubt = self.unwell.load(Relaxed) || self.store.is_in_doubt();
        if in_doubt {
            self.unwell.store(!self.store.is_writable().await, Relaxed);
        }
        !self.unwell.load(Relaxed)
    }
}
