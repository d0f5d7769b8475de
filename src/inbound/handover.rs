//! Waits for direct attempts while the sender waits: until all have ended, the time is up, the client has left, or the
//! gateway stops. What still runs then is handed over, never lost.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::delivery::{Attempt, Report};

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All attempts have ended.
    Settled,
    /// The time is up: what runs is queued, leased to its attempt.
    TimeUp,
    /// The client has left: unsent attempts were aborted, sent ones have ended or run on.
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

/// What bounds the waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) until: Instant,
    pub(super) client: &'a TcpStream,
    pub(super) stop: &'a CancellationToken,
}

/// Drives the attempts.
pub(super) async fn wait(runs: &mut [Run], bounds: Bounds<'_>) -> Ending {
    let ending = tokio::select! {
        biased;
        done = timeout_at(bounds.until, all_ended(runs)) => {
            return if done.is_ok() { Ending::Settled } else { Ending::TimeUp };
        }
        () = left(bounds.client) => Ending::ClientLeft,
        () = bounds.stop.cancelled() => Ending::Stopping,
    };
    abort_unsent(runs);
    if ending == Ending::ClientLeft {
        let _ = timeout_at(bounds.until, all_ended(runs)).await;
    }
    ending
}

async fn all_ended(runs: &mut [Run]) {
    poll_fn(|context| {
        let mut pending = false;
        for run in runs.iter_mut() {
            let Run::Going(attempt) = run else { continue };
            match attempt.run.as_mut().poll(context) {
                Poll::Ready(report) => *run = Run::Ended(report),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// Dropping an attempt before its dot aborts it.
pub(super) fn abort_unsent(runs: &mut [Run]) {
    for run in runs {
        if matches!(run, Run::Going(attempt) if !attempt.sent.load(Ordering::Acquire)) {
            *run = Run::Aborted;
        }
    }
}

/// Returns when the client has closed or reset its connection. A client that has sent more commands is there.
async fn left(client: &TcpStream) {
    let mut octet = [0];
    match client.peek(&mut octet).await {
        Ok(0) => {}
        Ok(_) => std::future::pending().await,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => std::future::pending().await,
        Err(_) => {}
    }
}
