//! The lanes of one message: connections over which its parcels go to a site, one after the other, while the sender waits.
//!
//! A message for ten aliases is ten parcels, for each has its own prefix. A connection each would cost the next hop ten
//! sessions for one message, and send to the queue what finds none free. So the first parcel asks for the site's slot, and
//! those that follow stand behind it, or open another lane while the site has slots to spare.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as Turns;
use tokio::time::{Instant, timeout_at};

use super::Report;
use super::attempt::{self, Job};
use super::site::{Site, Slot};
use super::waiting::Ticket;

/// Parcels that stand in the lanes of one message, in all (recipients of one transaction, RFC 5321 §4.5.3.1.8).
const MAX_STANDING: usize = 100;

/// Where the parcels of one message stand.
#[derive(Debug)]
pub struct Lanes {
    /// Whose message it is.
    pub(super) peer: IpAddr,
    /// Whoever has not got its turn by then goes to the queue.
    until: Instant,
    lanes: Mutex<Vec<Lane>>,
}

/// A connection's worth of a message's parcels.
#[derive(Debug)]
struct Lane {
    site: Arc<Site>,
    standing: usize,
    place: Place,
}

/// A parcel's place in a lane.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) slot: Arc<Slot>,
    /// The session waits for this site, however many of its parcels go there.
    pub(super) ticket: Arc<Ticket>,
    /// Whoever holds it may go.
    turns: Arc<Turns<()>>,
    until: Instant,
}

impl Lanes {
    /// Of a message of this peer, whose parcels all begin before `until`.
    #[must_use]
    pub fn of(peer: IpAddr, until: Instant) -> Self {
        Self { peer, until, lanes: Mutex::default() }
    }

    /// A place behind other parcels for the site, or in a new lane where the site has slots to spare.
    pub(super) fn behind_others(&self, site: &Arc<Site>) -> Option<Place> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.iter().map(|lane| lane.standing).sum::<usize>() >= MAX_STANDING {
            return None;
        }
        let shortest =
            lanes.iter_mut().filter(|lane| Arc::ptr_eq(&lane.site, site)).min_by_key(|lane| lane.standing)?;
        if let Some(slot) = site.spare_slot() {
            let ticket = Arc::clone(&shortest.place.ticket);
            return Some(open(&mut lanes, self.until, (site, slot, ticket)));
        }
        shortest.standing += 1;
        Some(shortest.place.clone())
    }

    /// The first place for a site.
    pub(super) fn first(&self, site: &Arc<Site>, slot: Slot, ticket: Ticket) -> Place {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        open(&mut lanes, self.until, (site, slot, Arc::new(ticket)))
    }
}

fn open(lanes: &mut Vec<Lane>, until: Instant, (site, slot, ticket): (&Arc<Site>, Slot, Arc<Ticket>)) -> Place {
    let place = Place { slot: Arc::new(slot), ticket, turns: Arc::default(), until };
    lanes.push(Lane { site: Arc::clone(site), standing: 1, place: place.clone() });
    place
}

impl Place {
    /// Makes the attempt when those before it have ended. An empty report, which leaves the parcel to the queue, where they
    /// took too long or have found the site in trouble. Of the place it takes the turn and the time along: the ticket goes
    /// when the sender is answered, and the slot when the job is done.
    pub(super) fn attempt(self, job: Job) -> impl Future<Output = Report> + Send {
        let Self { turns, until, .. } = self;
        async move {
            let Ok(_turn) = timeout_at(until, turns.lock_owned()).await else { return Report::default() };
            let (_, deferred_lately) = job.way.site.was_in_trouble();
            if deferred_lately { Report::default() } else { attempt::run(job).await }
        }
    }
}
