//! How many connections are open, in all and per client address, for SMTP and HTTP alike.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::policy::limits::network_of;

/// Open connections, in all and per address; bounded, since an entry goes with its last connection.
#[derive(Debug, Default)]
pub struct Doors {
    open: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

/// One open connection's place; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    doors: Arc<Doors>,
    network: Option<IpAddr>,
}

impl Doors {
    /// A place in all; `None` if `max` are taken.
    #[must_use]
    pub fn enter(self: &Arc<Self>, max: usize) -> Option<Permit> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.0 >= max {
            return None;
        }
        open.0 += 1;
        Some(Permit { doors: Arc::clone(self), network: None })
    }

    /// Places that are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Permit {
    /// The place is this client's, if its address has room for one more.
    #[must_use]
    pub fn of(mut self, client: IpAddr, max_per_ip: usize) -> Option<Self> {
        let network = network_of(client);
        let mut open = self.doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.1.entry(network).or_default();
        if *here >= max_per_ip {
            drop(open);
            return None;
        }
        *here += 1;
        drop(open);
        self.network = Some(network);
        Some(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 -= 1;
        let Some(network) = self.network else { return };
        if let Some(here) = open.1.get_mut(&network) {
            *here -= 1;
            if *here == 0 {
                open.1.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_per_address_and_in_all_and_given_back() {
        let doors = Arc::new(Doors::default());
        let (a, b) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let enter = |client| doors.enter(3).and_then(|permit| permit.of(client, 2));
        let first = enter(a).unwrap();
        let _second = enter(a).unwrap();
        assert!(enter(a).is_none());
        let _third = enter(b).unwrap();
        assert!(enter(b).is_none());
        assert_eq!(doors.taken(), 3);
        drop(first);
        assert!(enter(a).is_some());
        let unnamed = doors.enter(3).unwrap();
        assert!(enter(a).is_none(), "who is behind a proxy counts before it is known");
        drop(unnamed);
        assert!(enter(b).is_some());
    }
}
