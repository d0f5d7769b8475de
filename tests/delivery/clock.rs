//! The wall clock is set a month ahead and a day back while mail waits (DESIGN section 4).

use std::time::Duration;

use waypost::chance::Chance;
use waypost::clock::Clock;
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::mail::Moment;
use waypost::policy::retry::SHORTEST_JITTER;
use waypost::policy::status::Status;
use waypost::store::queue::Entry;

use super::queue::until;
use super::world::{World, delivery, message};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

async fn world(clock: &Clock) -> World {
    let world = World::with(|wishes| wishes.clock = clock.clone()).await;
    world.verify("me@inbox.example").await;
    world
}

fn clock() -> Clock {
    Clock::manual(Moment::from_millis(1_795_373_784_120))
}

#[tokio::test]
async fn young_mail_does_not_expire_for_a_clock_set_ahead() {
    let clock = clock();
    let world = world(&clock).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    let mut young = delivery("me@inbox.example", Entry::Due(clock.now()));
    young.tries = 50;
    world.accept(message(clock.now(), "ann@sender.example"), vec![young.clone()]).await;
    clock.set(clock.now().after(30 * DAY));
    world.work();
    let row = world.wait_for(young.id, Status::Deferred).await;
    assert!(row.next_attempt_at.unwrap() > clock.now());
    let only = [("me@inbox.example".to_owned(), "due")];
    until("only it waits", async || world.left().await == only).await;
}

#[tokio::test]
async fn old_mail_expires_as_ever() {
    let clock = clock();
    let world = world(&clock).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    let mut old = delivery("me@inbox.example", Entry::Due(clock.now()));
    old.tries = 50;
    world.accept(message(clock.now(), "ann@sender.example"), vec![old.clone()]).await;
    clock.advance(30 * DAY);
    world.work();
    world.wait_for(old.id, Status::Expired).await;
}

#[tokio::test]
async fn what_waits_an_hour_does_not_wait_a_day_for_a_clock_set_back() {
    let clock = clock();
    let world = world(&clock).await;
    let later = delivery("me@inbox.example", Entry::Due(clock.now().after(HOUR)));
    world.accept(message(clock.now(), "ann@sender.example"), vec![later.clone()]).await;
    world.work();
    // Each new delivery wakes the scheduler, which then sees what the clock shows.
    let first = world.queue_one("a@inbox.example").await;
    world.wait_for(first, Status::Forwarded).await;
    clock.set(clock.now().before(DAY));
    let second = world.queue_one("b@inbox.example").await;
    world.wait_for(second, Status::Forwarded).await;
    let only = [("me@inbox.example".to_owned(), "due")];
    until("only it waits", async || world.left().await == only).await;
    clock.advance(HOUR);
    let third = world.queue_one("c@inbox.example").await;
    world.wait_for(third, Status::Forwarded).await;
    world.wait_for(later.id, Status::Forwarded).await;
}

#[tokio::test]
async fn leases_lapse_by_the_time_that_passes_and_nothing_is_claimed_twice() {
    let clock = clock();
    let world = world(&clock).await;
    let mut ids = Vec::new();
    for to in ["a@inbox.example", "b@inbox.example"] {
        ids.push(world.queue_one(to).await);
    }
    let queue = &world.store.queue;
    assert_eq!(queue.claim(clock.now(), 10).await.unwrap().len(), 2);
    clock.set(clock.now().before(DAY));
    assert!(queue.claim(clock.now(), 10).await.unwrap().is_empty());
    assert_eq!(queue.bring_near(DAY, clock.now()).await.unwrap(), 2);
    assert!(queue.claim(clock.now(), 10).await.unwrap().is_empty(), "leased still");
    clock.advance(waypost::store::queue::LEASE);
    assert_eq!(queue.claim(clock.now(), 10).await.unwrap().len(), 2);
    // On a start after the clock was set back, nothing is due a day ahead.
    queue.give_back(ids, clock.now().after(DAY)).await.unwrap();
    assert_eq!(queue.not_after(clock.now().after(HOUR)).await.unwrap(), 2);
    assert_eq!(queue.next_due().await.unwrap(), Some(clock.now().after(HOUR)));
}

/// The step of the table is read off the age of a message: no wait may be shorter than is reckoned with there.
#[test]
fn no_wait_is_shorter_than_jitter_makes_it() {
    let chance = Chance::seeded(7);
    for _ in 0..10_000 {
        assert!(chance.jitter(HOUR) >= HOUR.mul_f64(SHORTEST_JITTER));
    }
}
