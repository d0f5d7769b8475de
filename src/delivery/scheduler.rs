//! Works the queue: claims what is due, makes parcels of it, and gives each its own task, so that a site which stalls
//! delays nobody else's mail.
//!
//! A parcel waits a bounded time for a slot of its site; what finds none goes back to the queue and comes again later.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::attempt::{self, Job};
use super::courier::Shared;
use super::exchangers::Way;
use super::in_hand::Hand;
use super::outfit::Outfit;
use super::settle::{drive, give_back, settle};
use super::site::Slot;
use super::{Addressee, Message, Parcel, Report};
use crate::mail::{Host, ReversePath};
use crate::policy::settings::TlsPolicy;
use crate::policy::shaping::may_wait;
use crate::policy::verdict::{Outcome, Stage};
use crate::store::queue::{Claim, NewDelivery, Purpose};

/// Deliveries that are claimed at a time.
const CLAIM_BATCH: usize = 256;
/// Deliveries that are claimed and not yet settled, in all.
const MAX_IN_FLIGHT: usize = 4096;
/// Recipients of one transaction (RFC 5321 §4.5.3.1.8: every server takes a hundred).
const MAX_RECIPIENTS: usize = 100;
/// A parcel waits so long for a slot.
const SLOT_WAIT: Duration = Duration::from_secs(10);
/// And comes again after so long if there was none, or too many waited already: soon where mail is being taken.
const NO_SLOT_PAUSE: Duration = Duration::from_secs(15);
const SHORT_PAUSE: Duration = Duration::from_secs(2);
/// The queue is looked at so often even if nobody says that something is due.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Where it could not be read, sooner: nobody says when a disk has room again.
const UNREAD_PAUSE: Duration = Duration::from_secs(2);
/// And not more often than this when nobody does.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// After the grace for attempts, so long is given to storing how they ended.
const SETTLE_GRACE: Duration = Duration::from_secs(5);

/// Runs until `stop`, then until every attempt has ended.
pub(super) async fn run(shared: &Arc<Shared>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // What becomes due while the queue is read must wake us, whenever that is.
        shared.next_look.store(i64::MAX, Ordering::SeqCst);
        bring_near(shared).await;
        let pause = claim(shared).await;
        shared.next_look.store(shared.tools.clock.now().after(pause).millis(), Ordering::SeqCst);
        tokio::select! {
            () = stop.cancelled() => {}
            () = shared.queued.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    shared.stopping.cancel();
    shared.running.close();
    let _ = tokio::time::timeout(shared.settings().stop_grace + SETTLE_GRACE, shared.running.wait()).await;
    shared.outfit.load().exchangers.sites().for_each(|site| site.close_all());
}

/// Where the clock was set back, what waits for a time of day does not wait longer for it.
async fn bring_near(shared: &Shared) {
    let Some(by) = shared.jumps.set_back(&shared.tools.clock) else { return };
    match shared.tools.store.queue.bring_near(by, shared.tools.clock.now()).await {
        Ok(deliveries) => tracing::info!(deliveries, "the clock was set back, and the next tries with it"),
        Err(error) => tracing::error!(%error, "the clock was set back; the next tries are late by as much"),
    }
}

/// Claims until nothing is due or nothing more fits; says how long there is nothing to do.
async fn claim(shared: &Arc<Shared>) -> Duration {
    let queue = &shared.tools.store.queue;
    loop {
        let room = MAX_IN_FLIGHT.saturating_sub(shared.in_flight.load(Ordering::Relaxed)).min(CLAIM_BATCH);
        if room == 0 {
            shared.is_behind.store(true, Ordering::Relaxed);
            return LONGEST_PAUSE;
        }
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let claims = match queue.claim(shared.tools.clock.now(), limit).await {
            Ok(claims) => claims,
            Err(error) => {
                // That a database fails, and that it is well again, is told once by who writes it.
                tracing::debug!(%error, "the queue could not be read; trying again");
                return UNREAD_PAUSE;
            }
        };
        let all = claims.len() < room;
        dispatch(shared, claims);
        if all {
            shared.is_behind.store(false, Ordering::Relaxed);
            return until_next(shared).await;
        }
    }
}

async fn until_next(shared: &Shared) -> Duration {
    let now = shared.tools.clock.now();
    match shared.tools.store.queue.next_due().await {
        Ok(Some(due)) => due.since(now).clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
        _ => LONGEST_PAUSE,
    }
}

fn dispatch(shared: &Arc<Shared>, mut claims: Vec<Claim>) {
    claims.retain(|claim| shared.in_hand.take(claim.delivery.id));
    for claims in parcelled(claims) {
        let place = Place::take(shared, claims.len());
        let hand = Hand::of(Arc::clone(shared), claims.iter().map(|claim| claim.delivery.id).collect());
        let shared = Arc::clone(shared);
        shared.running.clone().spawn(async move {
            deliver(&shared, claims).await;
            drop((hand, place));
        });
    }
}

/// Deliveries of one message that one transaction can carry, together.
fn parcelled(claims: Vec<Claim>) -> Vec<Vec<Claim>> {
    type Key = (i64, Host, TlsPolicy, ReversePath, Bytes);
    let mut places = HashMap::<Key, usize>::new();
    let mut parcels = Vec::<Vec<Claim>>::new();
    for claim in claims {
        let d = &claim.delivery;
        let key = (claim.message_key, d.destination.host().clone(), d.tls, d.reverse_path.clone(), d.prefix.clone());
        let place = places.entry(key).or_insert(parcels.len());
        match parcels.get_mut(*place) {
            Some(parcel) if parcel.len() < MAX_RECIPIENTS => parcel.push(claim),
            _ => {
                *place = parcels.len();
                parcels.push(vec![claim]);
            }
        }
    }
    parcels
}

async fn deliver(shared: &Arc<Shared>, claims: Vec<Claim>) {
    let claims = still_verified(shared, claims).await;
    let Some(parcel) = parcel_of(&claims) else { return };
    let Some(host) = claims.first().map(|claim| claim.delivery.destination.host()) else { return };
    let ids = claims.iter().map(|claim| claim.delivery.id).collect::<Vec<_>>();
    let (outfit, began) = (shared.outfit.load_full(), shared.tools.clock.now());
    let found = tokio::select! {
        found = outfit.exchangers.way(host) => found,
        () = shared.stopping.cancelled() => return give_back(shared, ids, Duration::ZERO).await,
    };
    let way = match found {
        Ok(way) => way,
        Err(outcome) => {
            shared.heed(host, &outcome);
            let report = Report::of_all(&parcel, &outcome, (began, shared.tools.clock.now()));
            return settle(shared, &claims, report).await;
        }
    };
    if let Some(asked) = shared.asked.take(host) {
        way.site.end_pause(asked);
    }
    match slot(shared, &way).await {
        Ok(slot) => {
            let report = attempt(shared, (outfit, way, slot, parcel), &ids).await;
            match report {
                Some(report) => settle(shared, &claims, report).await,
                None => give_back(shared, ids, Duration::ZERO).await,
            }
        }
        Err(pause) => give_back(shared, ids, pause).await,
    }
}

async fn attempt(
    shared: &Arc<Shared>,
    (outfit, way, slot, parcel): (Arc<Outfit>, Arc<Way>, Slot, Parcel),
    ids: &[Uuid],
) -> Option<Report> {
    let sent = Arc::new(AtomicBool::new(false));
    let connect = outfit.settings.timeouts.connect;
    let (slot, parcel) = (Arc::new(slot), Arc::new(parcel));
    let job = Job { shared: Arc::clone(shared), outfit, way, slot, parcel, sent: Arc::clone(&sent), connect };
    drive(shared, Box::pin(attempt::run(job)), &sent, ids).await
}

/// A slot of the site, or how long to leave it alone.
async fn slot(shared: &Shared, way: &Way) -> Result<Slot, Duration> {
    if let Some(rest) = way.site.backs_off_for() {
        return Err(shared.tools.chance.jitter(rest).max(rest));
    }
    if let Some(slot) = way.site.try_slot() {
        return Ok(slot);
    }
    let is_proven = way.site.is_proven();
    let pause = || {
        let pause = shared.tools.chance.jitter(if is_proven { SHORT_PAUSE } else { NO_SLOT_PAUSE });
        // It may be claimed a moment after it is due.
        way.site.put_off(pause + SHORTEST_PAUSE);
        pause
    };
    if !may_wait(is_proven, shared.in_flight.load(Ordering::Relaxed), MAX_IN_FLIGHT) {
        return Err(pause());
    }
    let parked = way.site.park().ok_or_else(pause)?;
    tokio::select! {
        slot = parked.slot(SLOT_WAIT) => slot.ok_or_else(pause),
        () = shared.stopping.cancelled() => Err(Duration::ZERO),
    }
}

/// A destination may have lost its owner's word since the message came: then it waits, and is not sent.
async fn still_verified(shared: &Shared, claims: Vec<Claim>) -> Vec<Claim> {
    let mut verified = Vec::with_capacity(claims.len());
    for claim in claims {
        let d = &claim.delivery;
        let known = match d.purpose {
            Purpose::Dsn | Purpose::Verification | Purpose::Notice => Ok(true),
            Purpose::Forward | Purpose::Returned => {
                shared.tools.store.directory.is_verified(d.account, &d.destination).await
            }
        };
        match known {
            Ok(true) => verified.push(claim),
            Ok(false) => wait(shared, claim, "the destination is not verified any more").await,
            Err(error) => {
                wait(shared, claim, &format!("it is not known whether the destination is verified: {error}")).await
            }
        }
    }
    verified
}

async fn wait(shared: &Shared, claim: Claim, reason: &str) {
    let outcome = Outcome::Deferred { stage: Stage::Resolve, reply: None, reason: reason.to_owned(), of_site: false };
    let report = Report { outcomes: vec![(claim.delivery.id, outcome)], ..Report::default() };
    settle(shared, &[claim], report).await;
}

fn parcel_of(claims: &[Claim]) -> Option<Parcel> {
    let Claim { delivery, message, .. } = claims.first()?;
    let mut addressees = Vec::with_capacity(claims.len());
    for claim in claims {
        Addressee::join(&mut addressees, addressee(&claim.delivery));
    }
    Some(Parcel {
        id: message.id,
        message: Arc::new(Message {
            octets: message.octets.clone(),
            eight_bit: message.eight_bit,
            international: message.international,
        }),
        prefix: delivery.prefix.clone(),
        reverse_path: delivery.reverse_path.clone(),
        addressees,
        tls: delivery.tls,
    })
}

fn addressee(delivery: &NewDelivery) -> Addressee {
    match delivery.purpose {
        Purpose::Forward | Purpose::Returned => {
            let of_alias = (&delivery.recipient, &delivery.wishes.recipient);
            Addressee::of(delivery.id, &delivery.destination, of_alias)
        }
        Purpose::Dsn | Purpose::Verification | Purpose::Notice => {
            Addressee::unreported(delivery.id, &delivery.destination)
        }
    }
}

/// Room for deliveries in flight; given back when dropped, and the scheduler told if it had run out.
struct Place {
    shared: Arc<Shared>,
    deliveries: usize,
}

impl Place {
    fn take(shared: &Arc<Shared>, deliveries: usize) -> Self {
        shared.in_flight.fetch_add(deliveries, Ordering::Relaxed);
        Self { shared: Arc::clone(shared), deliveries }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.shared.in_flight.fetch_sub(self.deliveries, Ordering::Relaxed) >= MAX_IN_FLIGHT {
            self.shared.queued.notify_one();
        }
    }
}
