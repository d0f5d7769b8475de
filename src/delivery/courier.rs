//! The courier: what the rest of the gateway knows of delivery.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, OwnedMutexGuard, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::asked_for::AskedFor;
use super::attempt::Job;
use super::exchangers::Way;
use super::fates::nobody_to_ask;
use super::give_up::Turns;
use super::in_hand::{Hand, InHand};
use super::jumps::Jumps;
use super::lanes::{Lanes, Place};
use super::outfit::Outfit;
use super::tell_sender::{Failed, Quota, Telling, ToReturn};
use super::tell_success::Told;
use super::waiting::Waiting;
use super::{Attempt, Direct, Parcel, Report, Settings, Tools, scheduler, settle, tell_sender, tell_success};
use crate::mail::{Domain, Host, Moment};
use crate::net::resolver::Dns;
use crate::policy::direct::{DirectFacts, ToQueue, direct};
use crate::policy::verdict::Outcome;
use crate::store::queue::{NewDelivery, NewMessage};

/// Refusals, and proofs about domains, that whoever listens may lag behind.
const MAX_UNHEARD: usize = 256;

/// What a delivery proves of a domain, against what was known of it.
#[derive(Debug, Clone)]
pub struct Proven {
    /// Which.
    pub domain: Domain,
    /// Whether it takes mail.
    pub takes_mail: bool,
}

/// Delivers; cheap to clone.
#[derive(Clone, Debug)]
pub struct Courier(Arc<Shared>);

/// What every attempt shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) outfit: ArcSwap<Outfit>,
    pub(super) tools: Tools,
    pub(super) dns: Dns,
    pub(super) waiting: Arc<Waiting>,
    pub(super) quota: Quota,
    pub(super) told: Told,
    pub(super) jumps: Jumps,
    pub(super) in_hand: InHand,
    pub(super) turns: Turns,
    pub(super) asked: AskedFor,
    /// Of deliveries that next hops refused as spam.
    pub(super) refused: broadcast::Sender<Uuid>,
    /// Of domains of which a delivery proves something new.
    proven: broadcast::Sender<Proven>,
    /// Deliveries that are claimed and not yet settled.
    pub(super) in_flight: AtomicUsize,
    /// More is due than there is room to claim, or may be: for which sites is not known.
    pub(super) is_behind: AtomicBool,
    /// Something was queued.
    pub(super) queued: Notify,
    /// When the scheduler looks at the queue by itself, in milliseconds since 1970.
    pub(super) next_look: AtomicI64,
    /// Set when the gateway stops.
    pub(super) stopping: CancellationToken,
    /// Attempts that run in the background.
    pub(super) running: TaskTracker,
}

impl Shared {
    /// The settings as they are now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.outfit.load().settings)
    }

    /// Tells whoever listens what an attempt that went by the DNS proves of its destination's domain, where that is news.
    pub(super) fn heed(&self, host: &Host, outcome: &Outcome) {
        let (Some(domain), Some(takes_mail)) = (host.name(), outcome.proves_of_domain()) else { return };
        if self.tools.store.directory.takes_no_mail(domain) == takes_mail {
            let _unheard = self.proven.send(Proven { domain: domain.clone(), takes_mail });
        }
    }

    /// Tells the scheduler that something is due at a moment, if it would sleep over it.
    pub(super) fn due_at(&self, due: Moment) {
        if due.millis() < self.next_look.load(Ordering::SeqCst) {
            self.queued.notify_one();
        }
    }
}

impl Courier {
    /// Builds it; nothing runs yet.
    #[must_use]
    pub fn new(settings: Settings, dns_timeout: Duration, tools: Tools) -> Self {
        let dns = Dns::new(tools.auth.resolver(), dns_timeout);
        Self(Arc::new(Shared {
            outfit: ArcSwap::from_pointee(Outfit::new(settings, dns.clone(), tools.clock.clone())),
            waiting: Arc::default(),
            quota: Quota::new(),
            told: Told::new(),
            jumps: Jumps::default(),
            in_hand: InHand::default(),
            turns: Turns::new(),
            asked: AskedFor::default(),
            refused: broadcast::channel(MAX_UNHEARD).0,
            proven: broadcast::channel(MAX_UNHEARD).0,
            in_flight: AtomicUsize::new(0),
            is_behind: AtomicBool::new(false),
            queued: Notify::new(),
            next_look: AtomicI64::new(i64::MAX),
            stopping: CancellationToken::new(),
            running: TaskTracker::new(),
            dns,
            tools,
        }))
    }

    /// Goes on with these settings: new attempts are made with them. Warm connections are closed, for they were made as
    /// things were.
    pub fn renew(&self, settings: &Settings) {
        let old = self.0.outfit.load_full();
        if let Some(outfit) = old.renewed(settings, &self.0.tools.clock) {
            self.0.outfit.store(Arc::new(outfit));
            old.exchangers.sites().for_each(|site| site.close_all());
        }
    }

    /// Hears of every delivery from the queue that a next hop refuses as spam.
    #[must_use]
    pub fn refusals(&self) -> broadcast::Receiver<Uuid> {
        self.0.refused.subscribe()
    }

    /// Hears what deliveries prove of domains, against what is known of them.
    #[must_use]
    pub fn proofs(&self) -> broadcast::Receiver<Proven> {
        self.0.proven.subscribe()
    }

    /// Resolves the site, asks `policy::direct` of the first of a message's parcels that goes there, takes a place in a
    /// lane, and begins.
    pub async fn direct(&self, lanes: &Lanes, parcel: Parcel) -> Direct {
        let began = self.0.tools.clock.now();
        let known =
            |outcome: &Outcome| Direct::Known(Report::of_all(&parcel, outcome, (began, self.0.tools.clock.now())));
        let Some(host) = parcel.addressees.first().map(|to| to.mailbox.host()) else {
            return known(&nobody_to_ask());
        };
        let outfit = self.0.outfit.load_full();
        let way = match outfit.exchangers.way(host).await {
            Ok(way) => way,
            Err(outcome) => {
                self.0.heed(host, &outcome);
                return known(&outcome);
            }
        };
        let place = match lanes.behind_others(&way.site) {
            Some(place) => place,
            None => match self.first_place(lanes, &parcel, &way) {
                Ok(place) => place,
                Err(why) => return Direct::Queue(why),
            },
        };
        let sent = Arc::new(AtomicBool::new(false));
        let connect = outfit.settings.timeouts.direct_connect;
        let (slot, ticket) = (Arc::clone(&place.slot), Some(Arc::clone(&place.ticket)));
        let parcel = Arc::new(parcel);
        let job = Job { shared: Arc::clone(&self.0), outfit, way, slot, parcel, sent: Arc::clone(&sent), connect };
        Direct::Trying(Attempt { run: Box::pin(place.attempt(job)), sent, ticket })
    }

    fn first_place(&self, lanes: &Lanes, parcel: &Parcel, way: &Way) -> Result<Place, ToQueue> {
        let slot = way.site.try_slot();
        let facts = DirectFacts { slot_free: slot.is_some(), ..self.facts(lanes.peer, parcel, way) };
        let why = direct(&facts, &self.0.tools.instance.load());
        let (None, Some(slot)) = (why, slot) else { return Err(why.unwrap_or(ToQueue::Busy)) };
        Ok(lanes.first(&way.site, slot, self.0.waiting.begin(lanes.peer, &way.site)))
    }

    fn facts(&self, peer: IpAddr, parcel: &Parcel, way: &Way) -> DirectFacts {
        let (backing_off, deferred_lately) = way.site.was_in_trouble();
        DirectFacts {
            backing_off,
            deferred_lately,
            backlog: self.0.is_behind.load(Ordering::Relaxed) || way.site.has_backlog(),
            slot_free: false,
            waiting_for_site: way.site.waiting.load(Ordering::Relaxed),
            waiting_in_all: self.0.waiting.all(),
            waiting_for_peer: self.0.waiting.of(peer),
            octets: parcel.message.octets.len(),
        }
    }

    /// Goes on in the background with an attempt whose deliveries were just accepted as leased, and settles it: renews the
    /// leases, then writes outcome, retry or DSN.
    pub fn adopt(&self, attempt: Attempt, ids: Vec<Uuid>) {
        let shared = Arc::clone(&self.0);
        // The sender no longer waits.
        let Attempt { run, sent, ticket } = attempt;
        drop(ticket);
        let ids = ids.into_iter().filter(|id| shared.in_hand.take(*id)).collect::<Vec<_>>();
        let hand = Hand::of(Arc::clone(&shared), ids.clone());
        self.0.running.spawn(async move {
            settle::adopted(shared, run, sent, ids).await;
            drop(hand);
        });
    }

    /// Tells the scheduler that something was queued.
    pub fn wake(&self) {
        self.0.queued.notify_one();
    }

    /// Somebody asks, at that moment, for a try of what is about to be due for this host: even if its site is left alone.
    pub fn ask_for(&self, host: &Host, asked: Instant) {
        self.0.asked.add(host, asked);
    }

    /// The turn to give up deliveries of a message: until it is dropped, the queue gives up none of them.
    pub async fn turn(&self, message: Uuid) -> OwnedMutexGuard<()> {
        self.0.turns.take(message).await
    }

    /// Writes the sender one DSN for these refused deliveries of a message, where they are reportable. It is sent once it
    /// is in the queue, with what it speaks of.
    pub async fn telling(
        &self,
        message: (&NewMessage, ToReturn),
        refused: &[(&NewDelivery, &Outcome)],
        at: Moment,
    ) -> Telling {
        let failed = refused.iter().map(|(delivery, outcome)| Failed::of(delivery, outcome)).collect::<Vec<_>>();
        tell_sender::telling(&self.0, message, &failed, at).await
    }

    /// Tells the sender of what was handed on while it waited, where it asked to hear of success.
    pub async fn tell_success(&self, message: &NewMessage, served: &[&NewDelivery], at: Moment) {
        tell_success::tell(&self.0, message, served, at).await;
    }

    /// Works the queue until `stop`; then returns unsent attempts to the queue and gives sent ones `stop_grace`. From this
    /// call until its first look at the queue is through, nothing is delivered directly: what is due there is older.
    pub fn run(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.0);
        shared.is_behind.store(true, Ordering::Relaxed);
        async move { scheduler::run(&shared, stop).await }
    }
}
