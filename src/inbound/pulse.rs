//! Whether the accept loops are alive: each is asked in turn with whatever else it waits for, and answers itself.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::Tools;

/// Questions to one loop that wait, at most.
const MAX_ASKED: usize = 1;

/// What a loop hears: who wants to know.
pub(super) type Asked = mpsc::Receiver<oneshot::Sender<()>>;

/// The ways to all loops.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Vec<mpsc::Sender<oneshot::Sender<()>>>>);

impl Pulse {
    /// A loop begins.
    pub(super) fn join(&self) -> Asked {
        let (ask, asked) = mpsc::channel(MAX_ASKED);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ask);
        asked
    }

    fn loops(&self) -> Vec<mpsc::Sender<oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tools {
    /// Whether every accept loop runs; waits until each has answered.
    pub async fn accepts(&self) -> bool {
        for ask in self.pulse.loops() {
            let (answer, answered) = oneshot::channel();
            if ask.send(answer).await.is_err() || answered.await.is_err() {
                return false;
            }
        }
        true
    }
}
