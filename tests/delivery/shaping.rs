//! How many connections a site gets, and that what befalls it is nothing to its neighbours.

use std::net::Ipv4Addr;
use std::time::Duration;

use uuid::Uuid;
use waypost::delivery::{Attempt, Direct};
use waypost::demo::inbox::{Behaviour, Inbox, Rule, Stage};
use waypost::policy::direct::ToQueue;
use waypost::policy::status::Status;
use waypost::policy::verdict::Outcome;
use waypost::store::queue::{Entry, NewDelivery};

use crate::world::{World, delivery, message, parcel};

/// Healthy mail arrives within this time beside stalled mail, on however busy a machine. Who waited for what stalls would
/// wait for twice as long at least.
const SOON: Duration = Duration::from_secs(30);
/// Destinations, of which a fifth stalls.
const SITES: usize = 50;
const STALLED: usize = SITES / 5;

impl World {
    /// Gives each of so many domains an MX of its own name: a fifth of them at an inbox that stalls, by turns in one of
    /// five ways.
    async fn town(&self) -> Vec<Inbox> {
        let ways = [Stage::Greeting, Stage::Ehlo, Stage::Rcpt, Stage::Data, Stage::Dot];
        let mut stalled = Vec::new();
        for site in 0..SITES {
            let (name, mx) = (format!("d{site}.example"), format!("mx{site}.example"));
            self.dns.mx(&name, 10, &mx);
            self.verify(&format!("@{name}")).await;
            let mut at = 1;
            if site < STALLED {
                at = u8::try_from(10 + site).unwrap();
                let inbox = self.inbox_at(at).await;
                inbox.script(Rule::at(ways[site % ways.len()], Behaviour::Hang));
                stalled.push(inbox);
            }
            self.dns.a(&mx, Ipv4Addr::new(127, 0, 0, at));
        }
        stalled
    }

    /// Mail for each healthy site, by way of the queue.
    async fn queue_healthy(&self) {
        let mut healthy = Vec::new();
        for site in STALLED..SITES {
            healthy.push(self.accept_one(delivery(&format!("u@d{site}.example"), Entry::Due(self.clock.now()))).await);
        }
        for id in healthy {
            self.wait_for(id, Status::Forwarded).await;
        }
    }

    /// Mail for each healthy site, while its sender waits.
    async fn send_healthy(&self) {
        for site in STALLED..SITES {
            let report = self.send(&format!("u@d{site}.example")).await;
            assert!(matches!(report.outcomes[0].1, Outcome::Delivered { .. }), "{report:?}");
        }
    }

    async fn accept_one(&self, delivery: NewDelivery) -> Uuid {
        let id = delivery.id;
        self.accept(message(self.clock.now(), "author@from.example"), vec![delivery]).await;
        id
    }

    async fn try_direct(&self, to: &str) -> Result<Attempt, Option<ToQueue>> {
        match self.courier.direct(&self.lanes(), parcel(&[to])).await {
            Direct::Trying(attempt) => Ok(attempt),
            Direct::Queue(why) => Err(Some(why)),
            Direct::Known(_) => Err(None),
        }
    }

    /// How many attempts to a destination are let begin beside one another.
    async fn room(&self, to: &str) -> usize {
        let mut begun = Vec::new();
        while let Ok(attempt) = self.try_direct(to).await {
            begun.push(attempt);
        }
        begun.len()
    }
}

/// Says what it took: on a machine that does nothing else it is to be under 2 s, which no test can assert on a busy one.
async fn soon(way: &str, work: impl Future<Output = ()>) {
    let began = tokio::time::Instant::now();
    tokio::time::timeout(SOON, work).await.expect("healthy mail waits for nobody");
    println!("beside stalled mail, {way}: {:?}", began.elapsed());
}

/// The queue path: twice as many messages as there are connections wait for each stalled site before the healthy ones come.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_fifth_of_the_destinations_stalled_healthy_mail_leaves_the_queue_at_once() {
    let world = World::new().await;
    let stalled = world.town().await;
    for number in 0..STALLED * 10 {
        let to = format!("u{number}@d{}.example", number % STALLED);
        world.accept_one(delivery(&to, Entry::Due(world.clock.now()))).await;
    }
    world.work();
    soon("from the queue", world.queue_healthy()).await;
    for inbox in stalled {
        assert!(inbox.most_connections() <= 5, "{} connections to a site that stalls", inbox.most_connections());
    }
    world.stop();
}

/// The direct way: senders wait at every stalled site, as many as are let, and the others are served.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_fifth_of_the_destinations_stalled_healthy_mail_is_delivered_while_its_sender_waits() {
    let world = World::with(|wishes| wishes.instance.direct_total = 400).await;
    let _stalled = world.town().await;
    let mut waiting = Vec::new();
    for site in 0..STALLED {
        while let Ok(Attempt { run, .. }) = world.try_direct(&format!("u@d{site}.example")).await {
            waiting.push(tokio::spawn(run));
        }
    }
    assert_eq!(waiting.len(), STALLED * 5);
    soon("while its sender waits", world.send_healthy()).await;
    assert!(waiting.iter().all(|stalled| !stalled.is_finished()), "what stalls stalls still");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_takes_mail_gets_more_connections_and_one_in_trouble_half_as_many() {
    let world = World::with(|wishes| wishes.settings.connections_per_site = 12).await;
    assert_eq!(world.room("me@inbox.example").await, 5);
    for _ in 0..20 {
        world.send("me@inbox.example").await;
    }
    assert_eq!(world.room("me@inbox.example").await, 12);

    world.inbox.script(Rule::at(Stage::Mail, Behaviour::reply("421 4.7.0 too many connections")).times(2));
    world.send("me@inbox.example").await;
    assert!(
        matches!(world.try_direct("me@inbox.example").await, Err(Some(ToQueue::DeferredLately))),
        "not backing off"
    );
    let other = world.inbox_at(2).await;
    world.dns.a("other.example", Ipv4Addr::new(127, 0, 0, 2));
    world.send("me@other.example").await;
    assert_eq!(
        (world.room("me@other.example").await, other.received().len()),
        (6, 1),
        "a neighbour hears nothing of it"
    );

    // The first time it was a warm connection, which is replaced and blames nobody. The queue goes on, slower.
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::SlowBytes(Duration::from_millis(1))));
    world.verify("@inbox.example").await;
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(world.accept_one(delivery(&format!("u{number}@inbox.example"), Entry::Due(world.clock.now()))).await);
    }
    let before = world.inbox.received().len();
    world.work();
    for id in &ids[..6] {
        world.wait_for(*id, Status::Forwarded).await;
    }
    assert!(world.inbox.received().len() > before);
    world.stop();
}

/// What cannot be connected to is left alone at once if it never took mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_cannot_be_reached_is_left_alone() {
    let world = World::new().await;
    world.dns.a("dead.example", Ipv4Addr::new(127, 0, 0, 77));
    world.send("me@dead.example").await;
    assert!(matches!(world.try_direct("me@dead.example").await, Err(Some(ToQueue::BackingOff))));
    world.send("me@inbox.example").await;
    assert_eq!(world.inbox.received().len(), 1);
}
