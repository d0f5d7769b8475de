//! What all messages that arrive, or wait with their sessions, may hold in memory: together, and those of one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Octets of all messages in memory.
pub(super) const MAX_MEMORY_IN_ALL: u64 = 64 << 20;
/// Octets of one client's messages, beside [`UNCOUNTED_OCTETS`] of each: a quarter, so that no client leaves the others
/// without.
pub(super) const MAX_MEMORY_PER_CLIENT: u64 = MAX_MEMORY_IN_ALL / 4;
/// Octets of a message that are not counted for its client: most messages have no more.
const UNCOUNTED_OCTETS: u64 = 64 * 1024;

/// All of it; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    held: AtomicU64,
    /// By network, of those that hold any that count.
    of_clients: Mutex<HashMap<IpAddr, u64>>,
}

impl Memory {
    /// What one message of a client will hold, by the network that it counts with.
    pub(super) fn of(&self, network: IpAddr) -> Held {
        Held { memory: self.clone(), network, octets: 0 }
    }

    fn take(&self, octets: u64) -> bool {
        let before = self.0.held.fetch_add(octets, Ordering::Relaxed);
        let fits = before + octets <= MAX_MEMORY_IN_ALL;
        if !fits {
            self.give_back(octets);
        }
        fits
    }

    fn give_back(&self, octets: u64) {
        self.0.held.fetch_sub(octets, Ordering::Relaxed);
    }

    fn take_share(&self, network: IpAddr, octets: u64) -> bool {
        let mut clients = self.clients();
        let held = clients.get(&network).copied().unwrap_or(0) + octets;
        let fits = held <= MAX_MEMORY_PER_CLIENT;
        if fits {
            clients.insert(network, held);
        }
        fits
    }

    fn give_share_back(&self, network: IpAddr, octets: u64) {
        let mut clients = self.clients();
        let left = clients.get(&network).map_or(0, |held| held.saturating_sub(octets));
        if left == 0 {
            clients.remove(&network);
        } else {
            clients.insert(network, left);
        }
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        self.0.of_clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one message holds; given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    memory: Memory,
    network: IpAddr,
    octets: u64,
}

impl Held {
    pub(super) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Holds more; false where there is no room for it.
    pub(super) fn grow(&mut self, octets: u64) -> bool {
        if !self.memory.take(octets) {
            return false;
        }
        let more = counted(self.octets + octets) - counted(self.octets);
        if more > 0 && !self.memory.take_share(self.network, more) {
            self.memory.give_back(octets);
            return false;
        }
        self.octets += octets;
        true
    }

    /// Gives all of it back, and goes on from nothing.
    pub(super) fn release(&mut self) {
        self.memory.give_back(self.octets);
        if counted(self.octets) > 0 {
            self.memory.give_share_back(self.network, counted(self.octets));
        }
        self.octets = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

const fn counted(octets: u64) -> u64 {
    octets.saturating_sub(UNCOUNTED_OCTETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn one_client_leaves_room_for_the_others() {
        let memory = Memory::default();
        let mut greedy: Vec<_> = (0..300).map(|_| memory.of(client(1))).collect();
        for held in &mut greedy {
            while held.octets() < 1 << 20 && held.grow(32 * 1024) {}
        }
        let in_all: u64 = greedy.iter().map(Held::octets).sum();
        assert_eq!(in_all, MAX_MEMORY_PER_CLIENT + 300 * UNCOUNTED_OCTETS);
        let mut other = memory.of(client(2));
        assert!(other.grow(1 << 20));
        greedy.clear();
        assert!(memory.of(client(1)).grow(MAX_MEMORY_PER_CLIENT));
        drop(other);
        assert_eq!(memory.0.held.load(Ordering::Relaxed), 0);
        assert!(memory.clients().is_empty(), "nobody is remembered who holds nothing");
    }

    #[test]
    fn together_they_hold_no_more_than_all() {
        let memory = Memory::default();
        let mut all: Vec<_> = (0..4).map(|last| memory.of(client(last))).collect();
        assert!(all.iter_mut().all(|held| held.grow(MAX_MEMORY_PER_CLIENT)));
        assert!(!memory.of(client(9)).grow(1));
        all[0].release();
        assert!(memory.of(client(9)).grow(1));
    }
}
