//! What clients are called by DNS, for the log. It is asked in the background with a client's first MAIL and kept a while, so
//! that the next of its messages asks nothing. No reply waits for it: a row that is written before the answer has no name.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Tools;

/// How long is asked.
const WITHIN: Duration = Duration::from_secs(4);
/// How long the answer is kept, whatever it is.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Clients whose answer is kept, some 4 MiB of them.
const MAX_KEPT: u64 = 10_000;
/// Clients that are asked about at the same time; those beyond have no name this time.
const MAX_ASKED: usize = 256;

/// What is known, and who is asked about.
#[derive(Debug)]
pub(super) struct Names {
    kept: Cache<IpAddr, Option<Arc<str>>>,
    places: Arc<Semaphore>,
}

impl Default for Names {
    fn default() -> Self {
        let kept = Cache::builder().max_capacity(MAX_KEPT).time_to_live(KEPT_FOR).build();
        Self { kept, places: Arc::new(Semaphore::new(MAX_ASKED)) }
    }
}

/// Has DNS asked what a client is called, unless that was done a moment ago.
pub(super) fn ask(tools: &Tools, peer: IpAddr) {
    let Names { kept, places } = &tools.names;
    if kept.contains_key(&peer) {
        return;
    }
    let Ok(place) = Arc::clone(places).try_acquire_owned() else { return };
    // It has no name until there is an answer, and is not asked about again meanwhile.
    kept.insert(peer, None);
    let (kept, auth) = (kept.clone(), tools.facts.auth.clone());
    tokio::spawn(async move {
        if let Ok(Some(name)) = timeout(WITHIN, auth.client_name(peer)).await {
            kept.insert(peer, Some(name.into()));
        }
        drop(place);
    });
}

/// What a client is called, as far as is known now.
pub(super) fn of(tools: &Tools, peer: IpAddr) -> Option<String> {
    tools.names.kept.get(&peer).flatten().map(|name| name.as_ref().to_owned())
}
