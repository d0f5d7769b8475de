//! Begins direct attempts, and waits for them while the sender waits: until all have ended, the time is up, the client has left, or the
//! gateway stops. What still runs then is handed over, never lost.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Tools;
use super::arrival::Arrival;
use super::outgoing::Packed;
use crate::delivery::{Attempt, Direct, Lanes, Report};

/// Ways that are looked for at the same time for one message.
const MAX_WAYS_SOUGHT: usize = 16;

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All attempts have ended.
    Settled,
    /// The time is up: what runs is queued, leased to its attempt.
    TimeUp,
    /// The client has left: unsent attempts were aborted, sent ones run on.
    ClientLeft,
    /// The gateway stops: unsent attempts were aborted.
    Stopping,
}

/// One attempt while it is waited for.
#[derive(Debug)]
pub(super) enum Run {
    /// Still running.
    Going(Attempt),
    /// Has ended.
    Ended(Report),
    /// Aborted before its dot: the next hop has not got the message.
    Aborted,
}

/// Ends when the client has left.
pub(super) type Leaving<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

/// What bounds the waiting.
pub(super) struct Bounds<'a> {
    pub(super) until: Instant,
    pub(super) leaving: Leaving<'a>,
    pub(super) stop: &'a CancellationToken,
}

/// Offers each parcel to direct delivery, several at a time; looking for their ways takes at most half of what is left
/// until `until`, so that a name server that is silent costs neither the sender's patience nor the other parcels' time.
pub(super) async fn begin(tools: &Tools, arrival: &Arrival, packed: &[Packed], until: Instant) -> Vec<Run> {
    let now = tools.clock.instant();
    let until = now + until.saturating_duration_since(now) / 2;
    let lanes = Lanes::of(arrival.connect.peer, until);
    if let [one] = packed {
        return vec![offer(tools, arrival, (one, &lanes), until).await];
    }
    let offers = packed.iter().map(|packed| offer(tools, arrival, (packed, &lanes), until)).collect::<Vec<_>>();
    futures_util::stream::iter(offers).buffered(MAX_WAYS_SOUGHT).collect().await
}

/// What goes straight to the queue is an attempt that never ran.
async fn offer(tools: &Tools, arrival: &Arrival, (packed, lanes): (&Packed, &Lanes), until: Instant) -> Run {
    match timeout_at(until, tools.courier.direct(lanes, packed.parcel.clone())).await {
        Ok(Direct::Known(report)) => Run::Ended(report),
        Ok(Direct::Trying(attempt)) => Run::Going(attempt),
        Ok(Direct::Queue(why)) => {
            tracing::debug!(id = %arrival.id, ?why, "straight to the queue");
            Run::Aborted
        }
        Err(_) => {
            tracing::debug!(id = %arrival.id, "straight to the queue: DNS did not answer in time");
            Run::Aborted
        }
    }
}

/// Drives the attempts.
pub(super) async fn wait(runs: &mut [Run], bounds: Bounds<'_>) -> Ending {
    let ending = tokio::select! {
        biased;
        done = timeout_at(bounds.until, all_ended(runs)) => {
            return if done.is_ok() { Ending::Settled } else { Ending::TimeUp };
        }
        () = bounds.leaving => Ending::ClientLeft,
        () = bounds.stop.cancelled() => Ending::Stopping,
    };
    abort_unsent(runs.iter_mut());
    ending
}

async fn all_ended(runs: &mut [Run]) {
    poll_fn(|context| poll_all(context, runs.iter_mut())).await;
}

/// Goes on with every attempt; ready when all have ended.
pub(super) fn poll_all<'r>(context: &mut Context<'_>, runs: impl Iterator<Item = &'r mut Run>) -> Poll<()> {
    let mut pending = false;
    for run in runs {
        let Run::Going(attempt) = run else { continue };
        match attempt.run.as_mut().poll(context) {
            Poll::Ready(report) => *run = Run::Ended(report),
            Poll::Pending => pending = true,
        }
    }
    if pending { Poll::Pending } else { Poll::Ready(()) }
}

/// Dropping an attempt before its dot aborts it.
pub(super) fn abort_unsent<'r>(runs: impl IntoIterator<Item = &'r mut Run>) {
    for run in runs {
        if matches!(run, Run::Going(attempt) if !attempt.sent.load(Ordering::Acquire)) {
            *run = Run::Aborted;
        }
    }
}
