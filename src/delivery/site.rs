//! A site: the set of MX hosts that serve a domain, or a fixed next hop. A thousand domains at one provider are one site.
//!
//! It lends connection slots, as many as `policy::shaping` finds right for it, and warm connections; it remembers hosts that
//! did not answer, and backs off as a whole when it takes no mail. Direct delivery and the queue share it; what befalls it
//! is nothing to any other site.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::connection::Connection;
use super::pool::Pool;
use crate::clock::Clock;
use crate::mail::Host;
use crate::policy::settings::TlsPolicy;
use crate::policy::shaping::{Concurrency, Era, Reaction};

/// A site backs off by the same waits as a delivery, but no longer than this.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3600);
/// A deferral that speaks of the site keeps new mail off the direct way for so long (DESIGN section 4).
const LATELY: Duration = Duration::from_secs(60);
/// A host that could not be reached is tried last for so long.
const UNREACHABLE_FOR: Duration = Duration::from_secs(60);
/// Parcels of the queue that may wait for a slot of one site: at first, and at most once it has shown that it takes mail.
const FIRST_WINDOW: usize = 35;
const WIDEST_WINDOW: usize = 512;

/// A site.
#[derive(Debug)]
pub(super) struct Site {
    /// Its hosts, for the log.
    pub(super) name: Box<str>,
    /// Senders that wait while it is tried.
    pub(super) waiting: AtomicUsize,
    /// Parcels of the queue that wait for a slot.
    parked: AtomicUsize,
    slots: Semaphore,
    /// Slots that are given up when they come back: there are fewer now than when they were lent.
    owed: AtomicUsize,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pool: Pool,
    unreachable: HashMap<Host, Instant>,
    /// Hosts that offer chunks and know no BDAT.
    without_chunks: HashSet<Host>,
    back_off: Option<BackOff>,
    deferred_at: Option<Instant>,
    /// Until then the queue has deliveries for it that found no slot.
    put_off_until: Option<Instant>,
    window: usize,
    concurrency: Concurrency,
}

#[derive(Debug, Clone, Copy)]
struct BackOff {
    began: Instant,
    until: Instant,
    /// How many went before it without a success.
    step: usize,
}

/// The right to use one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    site: Arc<Site>,
    era: Era,
}

impl Slot {
    /// When it was lent.
    pub(super) const fn era(&self) -> Era {
        self.era
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.site.one_more();
    }
}

impl Site {
    /// A site that nothing is known of.
    pub(super) fn new(name: &str, limit: usize, clock: Clock) -> Self {
        let state = State {
            pool: Pool::default(),
            unreachable: HashMap::new(),
            without_chunks: HashSet::new(),
            back_off: None,
            deferred_at: None,
            put_off_until: None,
            window: FIRST_WINDOW,
            concurrency: Concurrency::new(limit),
        };
        Self {
            name: name.into(),
            waiting: AtomicUsize::new(0),
            parked: AtomicUsize::new(0),
            slots: Semaphore::new(state.concurrency.width()),
            owed: AtomicUsize::new(0),
            clock,
            state: Mutex::new(state),
        }
    }

    /// A slot, if one is free now.
    pub(super) fn try_slot(self: &Arc<Self>) -> Option<Slot> {
        self.slots.try_acquire().ok()?.forget();
        Some(self.lent())
    }

    /// A slot for a message that has one already, if more than half of them are free.
    pub(super) fn spare_slot(self: &Arc<Self>) -> Option<Slot> {
        let width = self.state().concurrency.width();
        (self.slots.available_permits() > width / 2).then(|| self.try_slot()).flatten()
    }

    fn lent(self: &Arc<Self>) -> Slot {
        Slot { site: Arc::clone(self), era: self.state().concurrency.era() }
    }

    /// A slot comes back, or there is one more than before.
    fn one_more(&self) {
        let pays = self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |owed| owed.checked_sub(1));
        if pays.is_err() {
            self.slots.add_permits(1);
        }
    }

    /// There are fewer than before: free ones go at once, lent ones when they come back.
    fn fewer(&self, slots: usize) {
        let gone = self.slots.forget_permits(slots);
        self.owed.fetch_add(slots - gone, Ordering::AcqRel);
    }

    /// Whether deliveries of the queue wait for a slot, or for their next turn because they found none.
    pub(super) fn has_backlog(&self) -> bool {
        let put_off = || self.state().put_off_until;
        self.parked.load(Ordering::Relaxed) > 0 || put_off().is_some_and(|until| until > self.clock.instant())
    }

    /// A delivery of the queue found no slot, and comes again after so long.
    pub(super) fn put_off(&self, pause: Duration) {
        let until = Some(self.clock.instant() + pause);
        let mut state = self.state();
        state.put_off_until = state.put_off_until.max(until);
    }

    /// A place among the parcels that may wait for a slot; `None` when there are enough.
    pub(super) fn park(self: &Arc<Self>) -> Option<Parked> {
        if self.parked.fetch_add(1, Ordering::Relaxed) < self.state().window {
            return Some(Parked(Arc::clone(self)));
        }
        self.parked.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// Takes a warm connection to `host` that suits the policy.
    pub(super) fn warm(&self, host: &Host, policy: TlsPolicy) -> Option<Connection> {
        self.state().pool.take(host, policy)
    }

    /// Makes room for a new connection: idle ones count against the limit too.
    pub(super) fn make_room(&self) {
        let mut state = self.state();
        let width = state.concurrency.width();
        let in_use = (width + self.owed.load(Ordering::Acquire)).saturating_sub(self.slots.available_permits());
        let surplus = if state.pool.len() + in_use > width { state.pool.take_oldest() } else { None };
        drop(state);
        surplus.into_iter().for_each(Connection::quit);
    }

    /// Keeps a connection warm for whoever comes next within `idle`.
    pub(super) fn keep(self: &Arc<Self>, mut connection: Connection, idle: Duration) {
        connection.rest();
        let unwatched = self.state().pool.put(connection, self.clock.instant());
        if unwatched {
            tokio::spawn(Arc::clone(self).reap(idle));
        }
    }

    /// Closes connections that nobody wanted for `idle`; ends when none is left.
    async fn reap(self: Arc<Self>, idle: Duration) {
        loop {
            let (old, next) = self.state().pool.take_old(self.clock.instant(), idle);
            old.into_iter().for_each(Connection::quit);
            let Some(next) = next else { return };
            tokio::time::sleep_until(next).await;
        }
    }

    /// Closes all idle connections.
    pub(super) fn close_all(&self) {
        let all = self.state().pool.take_all();
        all.into_iter().for_each(Connection::quit);
    }

    /// Remembers that a host could not be reached.
    pub(super) fn host_failed(&self, host: &Host) {
        let until = self.clock.instant() + UNREACHABLE_FOR;
        self.state().unreachable.insert(host.clone(), until);
    }

    /// Remembers that a host did not know BDAT, though it offered it.
    pub(super) fn knows_no_chunks(&self, host: &Host) {
        self.state().without_chunks.insert(host.clone());
    }

    /// Whether a host is sent chunks where it offers to take them.
    pub(super) fn takes_chunks(&self, host: &Host) -> bool {
        !self.state().without_chunks.contains(host)
    }

    /// Which of these hosts could not be reached lately.
    pub(super) fn unreachable<'a>(&self, hosts: impl Iterator<Item = &'a Host>) -> Vec<bool> {
        let state = self.state();
        if state.unreachable.is_empty() {
            return hosts.map(|_| false).collect();
        }
        let now = self.clock.instant();
        hosts.map(|host| state.unreachable.get(host).is_some_and(|until| *until > now)).collect()
    }

    /// A failure that speaks of the site, of an attempt that began in `era`: it is slowed, and if it takes no mail at all it
    /// backs off, for the next of these waits. Failures of attempts that were under way by then change nothing.
    pub(super) fn deferred(&self, era: Era, waits: &[Duration], jitter: impl FnOnce(Duration) -> Duration) {
        let now = self.clock.instant();
        let mut state = self.state();
        state.deferred_at = Some(now);
        let (fewer, leave) = match state.concurrency.troubled(era) {
            Reaction::Known => return,
            Reaction::Slow(fewer) => (fewer, false),
            Reaction::Leave(fewer) => (fewer, true),
        };
        let width = state.concurrency.width();
        let wait = if leave { state.back_off(now, waits, jitter) } else { None };
        let surplus = state.pool.take_surplus(width);
        drop(state);
        self.fewer(fewer);
        surplus.into_iter().for_each(Connection::quit);
        match wait {
            Some(wait) => {
                tracing::warn!(site = %self.name, seconds = wait.as_secs(), "the site takes no mail now and is left alone");
            }
            None => {
                tracing::info!(site = %self.name, connections = width, "the site is in trouble and gets mail slower")
            }
        }
    }

    /// It spoke to us as a server should: whatever it said of the message, it is well.
    pub(super) fn is_well(&self) {
        let mut state = self.state();
        state.back_off = None;
        state.window = (state.window + 1).min(WIDEST_WINDOW);
        let grows = state.concurrency.succeeded();
        drop(state);
        if grows {
            self.one_more();
        }
    }

    /// Whether it has taken mail since its last trouble.
    pub(super) fn is_proven(&self) -> bool {
        self.state().concurrency.is_proven()
    }

    /// A parcel waited in vain for a slot: fewer may wait from now on.
    pub(super) fn is_slow(&self) {
        let mut state = self.state();
        state.window = (state.window / 2).max(FIRST_WINDOW);
    }

    /// Somebody asked for a try at that moment: a pause that had begun by then is over. If the try fails, the site is left
    /// alone for as long again, and no longer for having been asked.
    pub(super) fn end_pause(&self, asked: Instant) {
        let mut state = self.state();
        let now = self.clock.instant();
        if let Some(pause) = state.back_off.filter(|pause| pause.until > now && pause.began <= asked) {
            state.back_off = pause.step.checked_sub(1).map(|step| BackOff { until: now, step, ..pause });
        }
    }

    /// How much longer it backs off.
    pub(super) fn backs_off_for(&self) -> Option<Duration> {
        let until = self.state().back_off?.until;
        until.checked_duration_since(self.clock.instant()).filter(|rest| !rest.is_zero())
    }

    /// Whether it backs off now, and whether it deferred in the last minute.
    pub(super) fn was_in_trouble(&self) -> (bool, bool) {
        let state = self.state();
        let Some(at) = state.deferred_at else { return (false, false) };
        let now = self.clock.instant();
        (state.back_off.is_some_and(|back_off| back_off.until > now), at + LATELY > now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Backs off for the next of these waits, unless it does so already.
    fn back_off(
        &mut self,
        now: Instant,
        waits: &[Duration],
        jitter: impl FnOnce(Duration) -> Duration,
    ) -> Option<Duration> {
        let step = match self.back_off {
            Some(old) if old.until > now => return None,
            Some(old) => old.step + 1,
            None => 0,
        };
        let wait = waits.get(step).or(waits.last()).copied().unwrap_or(LONGEST_BACK_OFF).min(LONGEST_BACK_OFF);
        self.back_off = Some(BackOff { began: now, until: now + jitter(wait), step });
        Some(wait)
    }
}

/// A parcel of the queue that waits for a slot.
#[derive(Debug)]
pub(super) struct Parked(Arc<Site>);

impl Parked {
    /// Waits at most `limit`.
    pub(super) async fn slot(self, limit: Duration) -> Option<Slot> {
        match tokio::time::timeout(limit, self.0.slots.acquire()).await {
            Ok(slot) => {
                slot.ok()?.forget();
                Some(self.0.lent())
            }
            Err(_) => {
                self.0.is_slow();
                None
            }
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.parked.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
