//! The heartbeat: a web address that is called every few minutes as long as the gateway can do its work. Whoever is called
//! tells the owner when the calls stop, which no mail of a dead gateway could.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::mail::Moment;
use crate::net::fetch::Fetcher;

use super::super::Admin;

/// From one call to the next.
const EVERY: Duration = Duration::from_secs(300);
/// After a call that failed, the next one comes sooner.
const AGAIN: Duration = Duration::from_secs(60);

/// Calls; cheap to clone.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    fetcher: Fetcher,
    last: Arc<Mutex<Option<Beat>>>,
}

/// The last call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// When.
    pub at: Moment,
    /// Where to.
    pub url: String,
    /// Why it did not count, if it did not.
    pub failure: Option<String>,
}

impl Heartbeat {
    /// Calls by `fetcher`.
    #[must_use]
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, last: Arc::default() }
    }

    /// The last call since the start.
    #[must_use]
    pub fn last(&self) -> Option<Beat> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_due(&self, url: &str, now: Moment) -> bool {
        let Some(last) = self.last().filter(|last| last.url == url) else { return true };
        let wait = if last.failure.is_some() { AGAIN } else { EVERY };
        now.since(last.at) >= wait || now < last.at
    }

    async fn call(&self, url: &str) -> Option<String> {
        match self.fetcher.knock(url).await {
            Ok(Ok(())) => None,
            Ok(Err(status)) => Some(format!("the answer was {status}")),
            Err(error) => Some(error.to_string()),
        }
    }

    fn note(&self, beat: Beat) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.as_ref().map(|last| last.failure.is_some());
        match &beat.failure {
            Some(why) if before != Some(true) => tracing::warn!(%why, "the heartbeat was not heard"),
            None if before == Some(true) => tracing::info!("the heartbeat is heard again"),
            _ => {}
        }
        *last = Some(beat);
    }
}

impl Admin {
    /// Calls, if it is time and all is well.
    pub(super) async fn beat(&self) {
        let (now, heartbeat) = (self.clock.now(), &self.heartbeat);
        let Some(url) = self.settings.notify().heartbeat_url else { return };
        if !heartbeat.is_due(&url, now) || !self.can_work().await {
            return;
        }
        let failure = heartbeat.call(&url).await;
        heartbeat.note(Beat { at: now, url, failure });
    }

    /// Mail is taken and sent on, and the disk has room for it.
    async fn can_work(&self) -> bool {
        self.courier.is_some() && self.unready().await.is_none()
    }
}
