//! Each step of storage fails in turn, on the whole way of a message from acceptance over delivery to its end: step N, then
//! N+1, until none fails. What was accepted arrives and ends; what was not is the sender's still.

use std::time::Duration;

use waypost::clock::Clock;
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::mail::Moment;
use waypost::policy::status::Status;
use waypost::store::faults::Faults;
use waypost::store::queue::Entry;

use super::world::{World, delivery, message};

/// More steps than there are: a way that never ends is a fault too.
const MOST_STEPS: i64 = 200;
const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = waypost::demo::inbox::MAX_WAIT;

/// Puts a message into the queue and works until it is gone and has come to this; false if it was not accepted.
async fn goes_its_way(world: &World, end: Status) -> bool {
    let one = delivery("me@inbox.example", Entry::Due(world.clock.now()));
    let id = one.id;
    if !world.try_accept(message(world.clock.now(), "ann@sender.example"), vec![one]).await {
        return false;
    }
    world.work();
    let over = async {
        loop {
            // Whoever failed tries again after a rest, or when a lease has lapsed; nobody has to wait for it here.
            world.clock.advance(SECOND);
            world.courier.wake();
            let left = world.store.queue.list(None, None, 10).await.unwrap_or_default().len();
            let row = world.store.activity.get(id).await;
            if left == 0 && row.is_ok_and(|row| row.status == end) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, over).await;
    assert!(in_time.is_ok(), "accepted, and its end is not seen: {:?}", world.store.activity.get(id).await);
    true
}

async fn fail_each_step(end: Status, script: impl Fn(&World)) {
    let (mut step, mut refused) = (1, 0);
    loop {
        let faults = Faults::armed();
        let clock = Clock::manual(Moment::from_millis(1_795_373_784_120));
        let world = World::with(|wishes| {
            (wishes.faults, wishes.clock) = (faults.clone(), clock.clone());
            wishes.instance.retry = vec![SECOND];
        })
        .await;
        world.verify("me@inbox.example").await;
        script(&world);
        faults.fail_at(step);
        let accepted = goes_its_way(&world, end).await;
        if accepted {
            assert_eq!(world.inbox.received().len(), 1, "step {step}: it arrived, or its sender was told, and once");
        } else {
            refused += 1;
        }
        if !faults.happened() {
            break;
        }
        step += 1;
        assert!(step < MOST_STEPS, "the way never ends");
    }
    assert!(step > 5 && refused > 0 && refused < step - 1, "{step} steps, {refused} refused: nothing was proved");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_whichever_step_of_storage_fails() {
    fail_each_step(Status::Forwarded, |_| {}).await;
}

/// What failed may have been a full disk, and nobody says when that has room again.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_could_not_be_read_is_soon_looked_at_again() {
    let faults = Faults::armed();
    let world = World::with(|wishes| wishes.faults = faults.clone()).await;
    let id = world.queue_one("me@inbox.example").await;
    faults.fail_at(1);
    world.work();
    let delivered = world.wait_for(id, Status::Forwarded);
    tokio::time::timeout(Duration::from_secs(20), delivered).await.expect("no longer than that");
    assert!(faults.happened());
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_where_the_first_try_is_deferred() {
    let busy = || Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")).times(1);
    fail_each_step(Status::Forwarded, |world| world.inbox.script(busy())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_told_once_whichever_step_of_storage_fails() {
    fail_each_step(Status::Failed, |world| {
        world.dns.mx("sender.example", 10, "mx.inbox.example");
        let gone = Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone")).to("me@inbox.example");
        world.inbox.script(gone);
    })
    .await;
}
