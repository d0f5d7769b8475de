//! Direct delivery stands back while mail of the queue is due for the site and nobody has it in hand (DESIGN section 4): new
//! mail overtakes none that is older. And how many senders may wait at a time.

use std::net::{IpAddr, Ipv4Addr};

use tokio_util::sync::CancellationToken;
use waypost::delivery::{Direct, Lanes};
use waypost::demo::inbox::{Behaviour, MAX_WAIT, Rule, Stage};
use waypost::policy::direct::ToQueue;
use waypost::policy::status::Status;
use waypost::store::queue::{Entry, WaitingQuery};

use crate::queue::until;
use crate::world::{World, delivery, message, parcel};

const SENDER: &str = "author@from.example";
/// Deliveries that the scheduler has in hand at most, and some more.
const MOST_IN_HAND: usize = 4096;
const MORE: usize = MOST_IN_HAND + 4;

impl World {
    async fn directly(&self, to: &str) -> Direct {
        self.courier.direct(&self.lanes(), parcel(&[to])).await
    }

    async fn stands_back(&self, to: &str) {
        let direct = self.directly(to).await;
        assert!(matches!(direct, Direct::Queue(ToQueue::Backlog)), "{direct:?}");
    }

    async fn until_free(&self, to: &str) {
        until("the way is free", async || matches!(self.directly(to).await, Direct::Trying(_))).await;
    }

    /// Deliveries of one message for so many people of a domain, due now.
    async fn queue_many(&self, count: usize, domain: &str) {
        let due = Entry::Due(self.clock.now());
        let all = (0..count).map(|number| delivery(&format!("u{number}@{domain}"), due)).collect();
        self.accept(message(self.clock.now(), SENDER), all).await;
    }

    /// How many deliveries somebody has in hand, and how many nobody has.
    async fn in_hand(&self) -> (usize, usize) {
        let (all, _) = self.store.queue.outline(&WaitingQuery::default()).await.unwrap();
        let leased = all.iter().filter(|one| one.state == "leased").count();
        (leased, all.len() - leased)
    }
}

/// Whose the mail is that a restart finds in the queue is not known before the first look at it is through.
#[tokio::test]
async fn new_mail_does_not_overtake_what_a_restart_has_not_looked_at_yet() {
    let world = World::new().await;
    let older = world.queue_one("me@inbox.example").await;
    let stop = CancellationToken::new();
    let running = world.courier.run(stop.clone());
    world.stands_back("you@inbox.example").await;
    let running = tokio::spawn(running);
    world.wait_for(older, Status::Forwarded).await;
    world.until_free("you@inbox.example").await;
    stop.cancel();
    running.await.unwrap();
}

/// What finds no slot, nor a place to wait for one, comes again after some seconds. Other sites hear nothing of it.
#[tokio::test]
async fn new_mail_does_not_overtake_what_is_put_off_for_want_of_a_slot() {
    let world = World::with(|wishes| wishes.settings.connections_per_site = 1).await;
    let _other = world.inbox_at(2).await;
    world.dns.a("other.example", Ipv4Addr::new(127, 0, 0, 2));
    world.verify("@inbox.example").await;
    let Direct::Trying(first) = world.directly("me@inbox.example").await else { panic!("not tried") };
    for number in 0..60 {
        let one = delivery(&format!("u{number}@inbox.example"), Entry::Due(world.clock.now()));
        world.accept(message(world.clock.now(), SENDER), vec![one]).await;
    }
    world.work();
    until("some wait and some are put off", async || matches!(world.in_hand().await, (1.., 1..))).await;
    drop(first);
    until("whoever had a place has gone", async || world.in_hand().await.0 == 0).await;
    let put_off = world.in_hand().await.1;
    assert_eq!((world.inbox.received().len(), put_off > 0), (60 - put_off, true));
    world.stands_back("you@inbox.example").await;
    let elsewhere = world.directly("me@other.example").await;
    assert!(matches!(elsewhere, Direct::Trying(_)), "{elsewhere:?}");
}

/// More is due than may be in hand at a time: whose the rest is nobody knows, until there is room to claim it.
#[tokio::test]
async fn new_mail_does_not_overtake_what_there_is_no_room_to_claim() {
    let world = World::new().await;
    let stalls = world.inbox_at(2).await;
    world.dns.a("stalls.example", Ipv4Addr::new(127, 0, 0, 2));
    world.verify("@stalls.example").await;
    // It has taken mail, so that plenty may wait for it.
    for _ in 0..20 {
        world.send("me@stalls.example").await;
    }
    stalls.script(Rule::at(Stage::Rcpt, Behaviour::Hang));
    world.queue_many(MORE, "stalls.example").await;
    let older = world.queue_one("me@inbox.example").await;
    world.work();
    until("as many are in hand as may be", async || world.in_hand().await.0 == MOST_IN_HAND).await;
    world.stands_back("you@inbox.example").await;
    drop(stalls);
    world.wait_for(older, Status::Forwarded).await;
    world.until_free("you@inbox.example").await;
}

/// However many sites there are: a peer has a quarter of all who may wait, and nobody waits who would be one too many.
#[tokio::test]
async fn who_waits_is_counted_for_each_peer_and_in_all() {
    let world = World::with(|wishes| wishes.instance.direct_total = 8).await;
    let _other = world.inbox_at(2).await;
    world.dns.a("other.example", Ipv4Addr::new(127, 0, 0, 2));
    let begin = async |peer: u8, to: &str| {
        let lanes = Lanes::of(IpAddr::from([192, 0, 2, peer]), world.clock.instant() + MAX_WAIT);
        match world.courier.direct(&lanes, parcel(&[to])).await {
            Direct::Trying(attempt) => Ok(attempt),
            Direct::Queue(why) => Err(why),
            Direct::Known(report) => panic!("{report:?}"),
        }
    };
    let mut waiting = Vec::new();
    for peer in 1..=4 {
        for to in ["me@inbox.example", "me@other.example"] {
            waiting.push(begin(peer, to).await.unwrap());
        }
        assert_eq!(begin(peer, "me@inbox.example").await.unwrap_err(), ToQueue::Busy, "peer {peer} has its quarter");
    }
    assert_eq!(begin(5, "me@inbox.example").await.unwrap_err(), ToQueue::Busy, "eight wait");
    waiting.pop();
    begin(5, "me@inbox.example").await.expect("one has gone");
}
