//! How many senders wait while their message is being tried: in all, for a site, and of one peer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::site::Site;

/// The counts in all and of each peer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    all: AtomicUsize,
    /// Only peers that wait now are in it, so direct delivery's own limit bounds it.
    peers: Mutex<HashMap<IpAddr, usize>>,
}

impl Waiting {
    /// In all.
    pub(super) fn all(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// Of one peer.
    pub(super) fn of(&self, peer: IpAddr) -> usize {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).get(&peer).copied().unwrap_or(0)
    }

    /// Counts one more until the ticket is dropped.
    pub(super) fn begin(self: &Arc<Self>, peer: IpAddr, site: &Arc<Site>) -> Ticket {
        self.all.fetch_add(1, Ordering::Relaxed);
        site.waiting.fetch_add(1, Ordering::Relaxed);
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner).entry(peer).or_default() += 1;
        Ticket { waiting: Arc::clone(self), site: Arc::clone(site), peer }
    }
}

/// One sender that waits.
#[derive(Debug)]
pub(super) struct Ticket {
    waiting: Arc<Waiting>,
    site: Arc<Site>,
    peer: IpAddr,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.waiting.all.fetch_sub(1, Ordering::Relaxed);
        self.site.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut peers = self.waiting.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}
