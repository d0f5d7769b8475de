//! The queue: what was accepted is there, is claimed once, and goes when it is done.

use std::sync::Arc;

use waypost::mail::Moment;
use waypost::mail::wishes::{EnvelopeId, Notify, OriginalRecipient};
use waypost::policy::ids::DomainId;
use waypost::policy::status::Status;
use waypost::store::StoreError;
use waypost::store::octets::Octets;
use waypost::store::queue::{Acceptance, Claim, Entry, LEASE, NewDelivery, Settlement};

use crate::world::{MINUTE, World, mailbox};

pub(crate) async fn claim(world: &World) -> Vec<Claim> {
    world.store.queue.claim(world.clock.now(), 100).await.unwrap()
}

pub(crate) async fn read_all(octets: &Octets) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let some = octets.read(all.len() as u64).await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend_from_slice(&some);
    }
}

pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
}

#[tokio::test]
async fn what_is_accepted_is_claimed_once_with_its_octets_and_goes_when_done() {
    let world = World::new().await;
    let queue = &world.store.queue;
    let (message, mut delivery) = (world.message(bytes(4096)), world.due());
    delivery.wishes.message.envelope_id = EnvelopeId::parse("x+20y");
    delivery.wishes.recipient.notify = Some(Notify::Never);
    delivery.wishes.recipient.original = OriginalRecipient::parse("rfc822;a@b.example");
    queue.accept(message.clone(), vec![delivery.clone()], Vec::new()).await.unwrap();
    assert_eq!(queue.bytes_of(Some(DomainId(1))).await.unwrap(), 4096);
    let claims = claim(&world).await;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].delivery.id, delivery.id);
    assert_eq!(claims[0].delivery.prefix, delivery.prefix);
    assert_eq!(claims[0].delivery.wishes, delivery.wishes);
    assert_eq!(claims[0].message.reverse_path, message.reverse_path);
    assert_eq!(read_all(&claims[0].message.octets).await, bytes(4096));
    assert!(claim(&world).await.is_empty());
    queue.settle(vec![(delivery.id, Settlement::Done)]).await.unwrap();
    assert!(matches!(queue.get(delivery.id).await, Err(StoreError::NotFound)));
    assert_eq!(queue.bytes_of(Some(DomainId(1))).await.unwrap(), 0);
}

/// A domain is charged for a message as long as any of its deliveries there keeps it.
#[tokio::test]
async fn the_last_delivery_of_a_domain_takes_its_charge_along() {
    let world = World::new().await;
    let (queue, domain) = (&world.store.queue, Some(DomainId(1)));
    let other = NewDelivery { domain: Some(DomainId(2)), ..world.due() };
    let (first, second) = (world.due(), world.due());
    let ids = [first.id, second.id, other.id];
    queue.accept(world.message(bytes(4096)), vec![first, second, other], Vec::new()).await.unwrap();
    queue.settle(vec![(ids[0], Settlement::Done)]).await.unwrap();
    assert_eq!(queue.bytes_of(domain).await.unwrap(), 4096);
    queue.settle(vec![(ids[1], Settlement::Done)]).await.unwrap();
    assert_eq!(queue.bytes_of(domain).await.unwrap(), 0);
    assert_eq!(queue.bytes_of(Some(DomainId(2))).await.unwrap(), 4096);
    queue.cancel(ids[2]).await.unwrap();
    assert_eq!(queue.bytes_of(Some(DomainId(2))).await.unwrap(), 0);
}

#[tokio::test]
async fn octets_of_every_size_read_back_from_memory_and_from_a_file() {
    let world = World::new().await;
    for len in [0, 1, 16_384, 16_385, 262_144, 262_145, 1_000_000] {
        let file = world.store.spool.create(world.chance.id(world.clock.now())).unwrap();
        file.append(&bytes(len)).unwrap();
        let mut message = world.message(bytes(len));
        let file = Octets::File(Arc::new(file));
        // The same file for a second message too: each has one of its own.
        for octets in [message.octets.clone(), file.clone(), file] {
            message.octets = octets;
            let delivery = world.due();
            world.store.queue.accept(message.clone(), vec![delivery.clone()], Vec::new()).await.unwrap();
            let stored = world.store.queue.get(delivery.id).await.unwrap().message.octets;
            assert_eq!(stored.len(), len as u64);
            assert_eq!(read_all(&stored).await, bytes(len), "{len}");
        }
    }
}

#[tokio::test]
async fn a_lease_lapses_unless_it_is_renewed() {
    let world = World::new().await;
    let (one, two) = (world.due(), world.due());
    let both = vec![one.clone(), two.clone()];
    world.store.queue.accept(world.message(bytes(10)), both, Vec::new()).await.unwrap();
    assert_eq!(claim(&world).await.len(), 2);
    world.clock.advance(LEASE / 2);
    world.store.queue.renew(vec![two.id], world.clock.now()).await.unwrap();
    world.clock.advance(LEASE / 2);
    let again = claim(&world).await;
    assert_eq!(again.iter().map(|c| c.delivery.id).collect::<Vec<_>>(), [one.id]);
    assert_eq!(again[0].delivery.tries, 0);
    assert_eq!(world.store.queue.lapse_all(world.clock.now()).await.unwrap(), 2);
    assert_eq!(claim(&world).await.len(), 2);
}

#[tokio::test]
async fn a_deferred_delivery_is_due_again_with_one_more_try() {
    let world = World::new().await;
    let queue = &world.store.queue;
    let delivery = world.delivery(Entry::Leased);
    queue.accept(world.message(bytes(10)), vec![delivery.clone()], Vec::new()).await.unwrap();
    assert!(claim(&world).await.is_empty());
    let due = world.clock.now().after(5 * MINUTE);
    queue.settle(vec![(delivery.id, Settlement::Again(due))]).await.unwrap();
    assert_eq!(queue.next_due().await.unwrap(), Some(due));
    world.clock.advance(5 * MINUTE);
    assert_eq!(claim(&world).await[0].delivery.tries, 1);
    queue.give_back(vec![delivery.id], world.clock.now()).await.unwrap();
    assert_eq!(claim(&world).await[0].delivery.tries, 1);
}

#[tokio::test]
async fn a_message_lives_as_long_as_its_last_delivery_even_one_that_is_kept() {
    let world = World::new().await;
    let queue = &world.store.queue;
    let until = world.clock.now().after(60 * MINUTE);
    let (one, two) = (world.due(), world.due());
    queue.accept(world.message(bytes(300_000)), vec![one.clone(), two.clone()], Vec::new()).await.unwrap();
    queue.settle(vec![(one.id, Settlement::Done), (two.id, Settlement::Kept(until))]).await.unwrap();
    assert_eq!(read_all(&queue.get(two.id).await.unwrap().message.octets).await.len(), 300_000);
    assert_eq!(queue.drop_kept(world.clock.now()).await.unwrap(), 0);
    assert_eq!(queue.drop_kept(until).await.unwrap(), 1);
    assert!(queue.list(None, None, 10).await.unwrap().is_empty());
    world.store.close().await;
    assert!(world.spooled().is_empty(), "and its file with it");
}

#[tokio::test]
async fn people_hold_retry_redirect_and_cancel_but_not_what_is_being_delivered() {
    let world = World::new().await;
    let queue = &world.store.queue;
    let (now, delivery) = (world.clock.now(), world.due());
    queue.accept(world.message(bytes(10)), vec![delivery.clone()], Vec::new()).await.unwrap();
    queue.hold(delivery.id, now).await.unwrap();
    assert_eq!(queue.list(None, None, 10).await.unwrap()[0].state, "held");
    assert!(claim(&world).await.is_empty());
    queue.redirect(delivery.id, mailbox("you@else.example"), now).await.unwrap();
    assert_eq!(claim(&world).await[0].delivery.destination, mailbox("you@else.example"));
    assert!(matches!(queue.hold(delivery.id, now).await, Err(StoreError::Invalid(_))));
    assert!(matches!(queue.cancel(delivery.id).await, Err(StoreError::Invalid(_))));
    queue.lapse_all(now).await.unwrap();
    queue.cancel(delivery.id).await.unwrap();
    assert!(matches!(queue.retry(delivery.id, now).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn rows_that_a_crash_kept_from_the_log_are_found_in_the_queue() {
    let world = World::new().await;
    let (lost, logged) = (world.row(Status::Queued), world.row(Status::Queued));
    let entry = Entry::Due(Moment::from_millis(0));
    let deliveries = vec![world.delivery_as(lost.id, entry), world.delivery_as(logged.id, entry)];
    let rows = vec![lost.clone(), logged.clone()];
    world.store.queue.accept(world.message(bytes(10)), deliveries, rows).await.unwrap();
    world.store.activity.record(vec![logged]).await.unwrap();
    assert_eq!(world.store.queue.rows_to_restore().await.unwrap(), [lost]);
}

#[tokio::test]
async fn a_sender_keeps_its_token() {
    let world = World::new().await;
    let (queue, now) = (&world.store.queue, world.clock.now());
    let sender = mailbox("a.very.long.name@sender.example");
    let token = queue.store_token(&sender, now).await.unwrap();
    assert_eq!(queue.store_token(&sender, now).await.unwrap(), token);
    assert_eq!(queue.token_sender(&token.to_uppercase()).await.unwrap(), Some(sender));
    assert_eq!(queue.token_sender("nothing").await.unwrap(), None);
}

#[tokio::test]
async fn a_fault_at_any_step_of_acceptance_never_loses_what_was_answered() {
    let mut world = World::new().await;
    for step in 1.. {
        let delivery = world.due();
        let message = world.message(bytes(600_000));
        world.faults.fail_at(step);
        let answer = world.store.queue.accept(message, vec![delivery.clone()], Vec::new()).await;
        let happened = world.faults.happened();
        world.reopen().await;
        match world.store.queue.get(delivery.id).await {
            Ok(found) => assert_eq!(read_all(&found.message.octets).await, bytes(600_000)),
            Err(error) => assert!(matches!(error, StoreError::NotFound) && answer.is_err(), "step {step}"),
        }
        let waiting = world.store.queue.list(None, None, 100).await.unwrap().len();
        assert_eq!(world.spooled().len(), waiting, "step {step}: a file for each message, and no other");
        if !happened {
            assert!(answer.is_ok() && step > 10);
            return;
        }
    }
}

#[tokio::test]
async fn a_fault_at_any_step_of_claim_and_settlement_never_loses_a_delivery() {
    let mut world = World::new().await;
    for step in 1.. {
        let delivery = world.due();
        world.store.queue.accept(world.message(bytes(10)), vec![delivery.clone()], Vec::new()).await.unwrap();
        world.faults.fail_at(step);
        let claimed = world.store.queue.claim(world.clock.now(), 1).await;
        let settled = world.store.queue.settle(vec![(delivery.id, Settlement::Done)]).await;
        let happened = world.faults.happened();
        world.reopen().await;
        let there = world.store.queue.get(delivery.id).await.is_ok();
        assert!(there || settled.is_ok() || happened, "step {step}");
        assert!(!there || settled.is_err(), "step {step}: settled, and still there");
        world.store.queue.lapse_all(world.clock.now()).await.unwrap();
        assert_eq!(claim(&world).await.len(), usize::from(there), "step {step}");
        world.store.queue.settle(vec![(delivery.id, Settlement::Done)]).await.unwrap();
        if !happened {
            assert!(claimed.is_ok() && settled.is_ok() && step > 6);
            return;
        }
    }
}

/// A crash between the two would tell a sender twice.
#[tokio::test]
async fn a_delivery_goes_when_the_report_on_it_comes_and_not_without() {
    let mut world = World::new().await;
    for step in 1.. {
        let (delivery, report) = (world.due(), world.due());
        world.store.queue.accept(world.message(bytes(10)), vec![delivery.clone()], Vec::new()).await.unwrap();
        let told = Acceptance { message: world.message(bytes(20)), deliveries: vec![report.clone()], rows: Vec::new() };
        world.faults.fail_at(step);
        let settled = world.store.queue.settle_and_tell(vec![(delivery.id, Settlement::Done)], vec![told]).await;
        let happened = world.faults.happened();
        world.reopen().await;
        let there = async |id| world.store.queue.get(id).await.is_ok();
        assert_ne!(there(delivery.id).await, there(report.id).await, "step {step}");
        if !happened {
            assert!(settled.is_ok() && there(report.id).await && step > 4, "{step} steps");
            return;
        }
    }
}

#[tokio::test]
async fn who_was_told_of_a_delay_is_not_told_again() {
    let world = World::new().await;
    let notify = |delay| Some(Notify::Of { success: false, failure: true, delay });
    let mut delivery = world.due();
    delivery.wishes.recipient.notify = notify(true);
    world.store.queue.accept(world.message(bytes(10)), vec![delivery.clone()], Vec::new()).await.unwrap();
    let told = async |end| {
        world.store.queue.settle(vec![(delivery.id, end)]).await.unwrap();
        world.store.queue.get(delivery.id).await.unwrap().delivery
    };
    let now = world.clock.now();
    assert_eq!(told(Settlement::Again(now)).await.wishes.recipient.notify, notify(true));
    let after = told(Settlement::Told(now)).await;
    assert_eq!((after.wishes.recipient.notify, after.entry), (notify(false), Entry::Due(now)));
}
