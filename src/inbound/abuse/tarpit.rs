//! The tarpit: who names unknown recipients again and again waits for each refusal. What is held is an idle session, so it
//! costs nothing; nobody is held where many are held already.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Sessions that are held at the same time.
const MAX_HELD: usize = 200;

/// The places.
#[derive(Debug)]
pub(super) struct Tarpit(Semaphore);

impl Default for Tarpit {
    fn default() -> Self {
        Self(Semaphore::new(MAX_HELD))
    }
}

impl Tarpit {
    /// Lets so much time pass, if there is a place; a stop ends it.
    pub(super) async fn hold(&self, delay: Duration, stop: &CancellationToken) {
        let Ok(_place) = self.0.try_acquire() else { return };
        let _stopped = tokio::time::timeout(delay, stop.cancelled()).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::Instant;

    use super::*;

    const DELAY: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn holds_as_many_as_there_are_places_and_nobody_over_a_stop() {
        let (tarpit, stop) = (Tarpit::default(), CancellationToken::new());
        let held = async || {
            let began = Instant::now();
            tarpit.hold(DELAY, &stop).await;
            began.elapsed()
        };
        let all = join_all((0..=MAX_HELD).map(|_| held())).await;
        assert_eq!(all.iter().filter(|time| **time >= DELAY).count(), MAX_HELD);
        assert_eq!(all.last(), Some(&Duration::ZERO), "one too many does not wait");
        stop.cancel();
        assert_eq!(held().await, Duration::ZERO);
    }
}
