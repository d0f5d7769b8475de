//! Messages whose client left while a next hop had them. Who left may come again at once: a repeat waits until it is known
//! what became of the first, so that it is sent once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::arrival::Arrival;

/// One sending: the same octets from the same sender for the same recipient.
type Sending = [u8; 32];

/// All of them, each with how many doubt it.
#[derive(Debug, Clone, Default)]
pub(super) struct Undecided(Arc<Mutex<HashMap<Sending, (usize, CancellationToken)>>>);

/// One message, until this is dropped.
#[derive(Debug)]
pub(super) struct Doubt {
    undecided: Undecided,
    sendings: Vec<Sending>,
}

impl Undecided {
    pub(super) fn begin(&self, arrival: &Arrival) -> Doubt {
        self.doubt(sendings(arrival))
    }

    /// Waits until nothing is in doubt that this may repeat; false where that takes longer. Only what has a Message-ID is ever
    /// taken for a repeat.
    pub(super) async fn settled(&self, arrival: &Arrival, until: Instant) -> bool {
        if self.with(|all| all.is_empty()) || arrival.facts.header.message_id.is_none() {
            return true;
        }
        self.wait(&sendings(arrival), until).await
    }

    fn doubt(&self, sendings: Vec<Sending>) -> Doubt {
        self.with(|all| sendings.iter().for_each(|sending| all.entry(*sending).or_default().0 += 1));
        Doubt { undecided: self.clone(), sendings }
    }

    async fn wait(&self, sendings: &[Sending], until: Instant) -> bool {
        for sending in sendings {
            let over = self.with(|all| all.get(sending).map(|(_, over)| over.clone()));
            if let Some(over) = over
                && timeout_at(until, over.cancelled()).await.is_err()
            {
                return false;
            }
        }
        true
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Sending, (usize, CancellationToken)>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        self.undecided.with(|all| self.sendings.iter().for_each(|sending| settle(all, sending)));
    }
}

/// The last doubt of a sending ends it.
fn settle(all: &mut HashMap<Sending, (usize, CancellationToken)>, sending: &Sending) {
    let Some((doubts, over)) = all.get_mut(sending) else { return };
    *doubts -= 1;
    if *doubts == 0 {
        over.cancel();
        all.remove(sending);
    }
}

fn sendings(arrival: &Arrival) -> Vec<Sending> {
    let from = arrival.mail.from.to_string();
    let of = |recipient: &str| {
        let parts = [&arrival.body.sha256, from.as_bytes(), b"\0", recipient.as_bytes()];
        parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
    };
    arrival.taken.iter().map(|(recipient, _)| of(&recipient.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sending_is_settled_when_its_last_doubt_is() {
        let undecided = Undecided::default();
        let soon = || Instant::now() + Duration::from_secs(8);
        let (first, second) = (undecided.doubt(vec![[1; 32], [2; 32]]), undecided.doubt(vec![[2; 32]]));
        assert!(undecided.wait(&[[3; 32]], soon()).await, "another sending waits for nobody");
        drop(first);
        assert!(undecided.wait(&[[1; 32]], soon()).await);
        assert!(!undecided.wait(&[[2; 32]], soon()).await);
        drop(second);
        assert!(undecided.wait(&[[2; 32]], soon()).await);
        assert!(undecided.with(|all| all.is_empty()), "nothing is remembered of what is settled");
    }
}
