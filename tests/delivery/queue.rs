//! The queue's work: claims become parcels, outcomes become rows, retries, reports; nobody waits for a site that stalls.

use std::sync::atomic::Ordering;
use std::time::Duration;

use uuid::Uuid;
use waypost::clock::Clock;
use waypost::delivery::{Direct, ToReturn};
use waypost::demo::inbox::{Behaviour, MAX_WAIT, Rule, Stage};
use waypost::mail::Moment;
use waypost::mail::wishes::{EnvelopeId, Notify, OriginalRecipient, Returned};
use waypost::policy::ids::OWNER;
use waypost::policy::status::Status;
use waypost::policy::verdict::Outcome;
use waypost::store::queue::{Entry, LEASE, NewDelivery};

use crate::world::{CONTENT, PREFIX, World, delivery, mailbox, message, parcel, row, sha256, whole};

const SENDER: &str = "author@from.example";

impl World {
    async fn queue(&self, deliveries: Vec<NewDelivery>) -> Vec<Uuid> {
        let ids = deliveries.iter().map(|delivery| delivery.id).collect();
        self.accept(message(self.clock.now(), SENDER), deliveries).await;
        ids
    }

    pub(super) async fn queue_one(&self, to: &str) -> Uuid {
        self.verify(to).await;
        self.queue(vec![delivery(to, Entry::Due(self.clock.now()))]).await[0]
    }

    pub(super) async fn left(&self) -> Vec<(String, &'static str)> {
        let waiting = self.store.queue.list(None, None, 100).await.unwrap();
        waiting.into_iter().map(|waiting| (waiting.destination, waiting.state)).collect()
    }
}

/// Waits until `reached` holds; every change of the queue comes with a change of the log.
pub(super) async fn until(what: &str, reached: impl AsyncFn() -> bool) {
    let waiting = async {
        while !reached().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(MAX_WAIT, waiting).await.expect(what);
}

#[tokio::test]
async fn what_is_due_is_delivered_and_leaves_the_queue() {
    let world = World::new().await;
    world.work();
    let id = world.queue_one("me@inbox.example").await;
    let row = world.wait_for(id, Status::Forwarded).await;
    assert_eq!(row.sha256_sent, sha256(CONTENT));
    assert_eq!(row.attempts.len(), 1);
    assert_eq!(row.attempts[0].outcome, "delivered");
    assert_eq!(world.inbox.received()[0].octets, whole(CONTENT));
    until("the queue is empty", async || world.left().await.is_empty()).await;
}

/// DESIGN section 3, step 7: deliveries of one message to one host travel together.
#[tokio::test]
async fn deliveries_of_one_message_to_one_host_travel_together() {
    let world = World::new().await;
    let now = world.clock.now();
    let to = ["a@inbox.example", "b@inbox.example"];
    for to in to {
        world.verify(to).await;
    }
    let mut apart = delivery("c@inbox.example", Entry::Due(now));
    world.verify("c@inbox.example").await;
    apart.prefix = bytes::Bytes::from_static(b"Delivered-To: c@my.example\r\n");
    let mut deliveries = to.map(|to| delivery(to, Entry::Due(now))).to_vec();
    deliveries.push(apart);
    let ids = world.queue(deliveries).await;
    world.work();
    for id in ids {
        world.wait_for(id, Status::Forwarded).await;
    }
    let mut got = world.inbox.received().into_iter().map(|delivery| delivery.to).collect::<Vec<_>>();
    got.sort();
    assert_eq!(got, [vec!["a@inbox.example", "b@inbox.example"], vec!["c@inbox.example"]]);
}

/// Two aliases that meet in one inbox: one copy, two rows.
#[tokio::test]
async fn aliases_that_meet_in_one_inbox_are_one_recipient() {
    let world = World::new().await;
    world.verify("me@inbox.example").await;
    let both = [
        delivery("me@inbox.example", Entry::Due(world.clock.now())),
        delivery("me@inbox.example", Entry::Due(world.clock.now())),
    ];
    let ids = world.queue(both.to_vec()).await;
    world.work();
    for id in ids {
        world.wait_for(id, Status::Forwarded).await;
    }
    let got = world.inbox.received().into_iter().map(|delivery| delivery.to).collect::<Vec<_>>();
    assert_eq!(got, [vec!["me@inbox.example"]]);
}

#[tokio::test]
async fn a_deferral_waits_and_is_tried_again() {
    let world = World::with(|wishes| wishes.instance.retry = vec![Duration::from_millis(50)]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).times(2));
    world.work();
    let id = world.queue_one("me@inbox.example").await;
    let row = world.wait_for(id, Status::Forwarded).await;
    let outcomes = row.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect::<Vec<_>>();
    assert_eq!(outcomes, ["deferred", "deferred", "delivered"]);
    assert_eq!(row.attempts[0].reply, "450 4.2.1 later");
}

#[tokio::test]
async fn a_row_that_waits_says_why_and_until_when() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")));
    world.work();
    let id = world.queue_one("me@inbox.example").await;
    let row = world.wait_for(id, Status::Deferred).await;
    assert!(row.reason.contains("450 4.2.1 later"), "{}", row.reason);
    let wait = row.next_attempt_at.unwrap().since(world.clock.now());
    assert!((2800..=4400).contains(&wait.as_secs()), "an hour, more or less a fifth: {wait:?}");
}

/// Promise 5: who was authenticated is told, by the null sender, without the destination; then the octets go.
#[tokio::test]
async fn a_failure_is_reported_to_an_authenticated_sender() {
    let world = World::new().await;
    world.dns.mx("from.example", 10, "mx.inbox.example");
    world
        .inbox
        .script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 <me@inbox.example> unknown")).to("me@inbox.example"));
    world.work();
    let id = world.queue_one("me@inbox.example").await;
    let row = world.wait_for(id, Status::Failed).await;
    assert_eq!(row.dsn.unwrap().dsn, "sent");
    let [dsn] = world.inbox.wait_for(1).await.try_into().unwrap();
    assert_eq!((dsn.from.as_str(), dsn.to), ("", vec![SENDER.to_owned()]));
    let text = String::from_utf8(dsn.octets).unwrap();
    assert!(text.contains("shop@my.example"), "{text}");
    assert!(!text.contains("me@inbox.example"), "{text}");
    let remembered = world.store.directory.failing(&mailbox("me@inbox.example"));
    assert!(remembered.is_some_and(|reply| reply.code() == 550));
    until("the queue is empty", async || world.left().await.is_empty()).await;
}

/// RFC 3461: what the sender asked for, out of the queue; nothing of it is the prefix.
#[tokio::test]
async fn a_report_is_what_the_sender_asked_for() {
    let world = World::new().await;
    world.dns.mx("from.example", 10, "mx.inbox.example");
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 unknown")).to("me@inbox.example"));
    world.verify("me@inbox.example").await;
    world.work();
    let mut asked = delivery("me@inbox.example", Entry::Due(world.clock.now()));
    asked.wishes.message.returned = Some(Returned::Full);
    asked.wishes.message.envelope_id = EnvelopeId::parse("QQ+2B1");
    asked.wishes.recipient.original = OriginalRecipient::parse("rfc822;shop@old.example");
    let [id] = world.queue(vec![asked]).await.try_into().unwrap();
    world.wait_for(id, Status::Failed).await;
    let [dsn] = world.inbox.wait_for(1).await.try_into().unwrap();
    for wanted in ["Original-Envelope-Id: QQ+1\r\n", "Original-Recipient: rfc822; shop@old.example\r\n"] {
        assert!(memchr::memmem::find(&dsn.octets, wanted.as_bytes()).is_some(), "{wanted}");
    }
    assert!(memchr::memmem::find(&dsn.octets, &[b"Content-Type: message/rfc822\r\n\r\n", CONTENT].concat()).is_some());
    assert!(memchr::memmem::find(&dsn.octets, PREFIX).is_none());
}

/// The log could not be written when the message was taken, or not yet: what became of it is not written before its row is.
#[tokio::test]
async fn an_end_waits_for_the_row_that_the_log_is_owed() {
    for is_owed in [true, false] {
        row_comes_late(is_owed).await;
    }
}

async fn row_comes_late(is_owed: bool) {
    let world = World::new().await;
    world.verify("me@inbox.example").await;
    let (message, one) =
        (message(world.clock.now(), SENDER), delivery("me@inbox.example", Entry::Due(world.clock.now())));
    let (id, rows) = (one.id, vec![row(&message, &one)]);
    let owed = is_owed.then(|| world.store.activity.owe());
    world.store.queue.accept(message, vec![one], rows.clone()).await.unwrap();
    world.work();
    world.inbox.wait_for(1).await;
    world.store.activity.record(rows).await.unwrap();
    drop(owed);
    world.wait_for(id, Status::Forwarded).await;
    until("the queue is empty", async || world.left().await.is_empty()).await;
}

/// RFC 3461, NOTIFY=DELAY: after four hours, once, by the first destination that waits; nobody who did not ask.
#[tokio::test]
async fn who_asks_hears_once_that_its_message_takes_long() {
    let clock = Clock::manual(Moment::from_millis(1_795_373_784_120));
    let world = World::with(|wishes| wishes.clock = clock.clone()).await;
    world.dns.mx("from.example", 10, "mx.inbox.example");
    let asks = |to: &str, delay| {
        let mut delivery = delivery(to, Entry::Due(clock.now()));
        delivery.wishes.recipient.notify = Some(Notify::Of { success: false, failure: true, delay });
        delivery
    };
    for to in ["me@inbox.example", "you@inbox.example", "quiet@inbox.example"] {
        world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).to(to));
        world.verify(to).await;
    }
    let asked = world.queue(vec![asks("me@inbox.example", true), asks("you@inbox.example", true)]).await;
    let silent = world.queue(vec![asks("quiet@inbox.example", false)]).await;
    world.work();
    for tries in 1..=8 {
        for id in asked.iter().chain(&silent) {
            let tried = async || world.store.activity.get(*id).await.unwrap().attempts.len() >= tries;
            until("it is tried", tried).await;
        }
        assert!(tries > 3 || world.inbox.received().is_empty(), "told after {tries} tries");
        clock.advance(Duration::from_secs(5000));
        world.courier.wake();
    }
    until("the report is delivered", async || world.left().await.len() == 3).await;
    assert_eq!(world.inbox.received().len(), 1);
    let text = String::from_utf8(world.inbox.wait_for(1).await[0].octets.clone()).unwrap();
    assert!(text.contains("Action: delayed\r\nStatus: 4.4.7\r\n") && text.contains("Will-Retry-Until: "), "{text}");
    assert!(!text.contains("inbox.example"), "{text}");
}

#[tokio::test]
async fn who_wants_no_report_gets_none_and_the_owner_keeps_the_message() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 unknown")));
    world.verify("me@inbox.example").await;
    world.work();
    for notify in [Notify::Never, Notify::Of { success: false, failure: false, delay: true }] {
        let mut silent = delivery("me@inbox.example", Entry::Due(world.clock.now()));
        silent.wishes.recipient.notify = Some(notify);
        let [id] = world.queue(vec![silent]).await.try_into().unwrap();
        let dsn = world.wait_for(id, Status::Failed).await.dsn.unwrap();
        assert_eq!((dsn.dsn.as_str(), dsn.why.as_str()), ("suppressed", "the sender asked for no report of failure"));
        let entry = async || world.store.queue.get(id).await.unwrap().delivery.entry;
        until("it is kept", async || matches!(entry().await, Entry::Kept(_))).await;
    }
    assert!(world.inbox.received().is_empty());
}

#[tokio::test]
async fn a_failure_that_nobody_may_be_told_of_is_kept_for_the_owner() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply("554 5.6.0 no")));
    world.work();
    world.verify("me@inbox.example").await;
    let mut quiet = delivery("me@inbox.example", Entry::Due(world.clock.now()));
    quiet.reportable = false;
    let id = world.queue(vec![quiet]).await[0];
    let row = world.wait_for(id, Status::Failed).await;
    assert_eq!(row.dsn.unwrap().dsn, "suppressed");
    until("it is kept", async || world.left().await == [("me@inbox.example".to_owned(), "kept")]).await;
}

/// The null sender never makes a DSN, and a DSN that fails makes none either.
#[tokio::test]
async fn nothing_is_ever_reported_to_nobody() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 unknown")));
    world.work();
    world.verify("me@inbox.example").await;
    let lost = delivery("me@inbox.example", Entry::Due(world.clock.now()));
    let id = lost.id;
    world.accept(message(world.clock.now(), ""), vec![lost]).await;
    let row = world.wait_for(id, Status::Failed).await;
    assert_eq!(row.dsn.unwrap().dsn, "suppressed");

    world.dns.mx("from.example", 10, "mx.inbox.example");
    let id = world.queue_one("other@inbox.example").await;
    world.wait_for(id, Status::Failed).await;
    until("the report was refused too", async || {
        let asked = world.inbox.commands();
        asked.iter().any(|(_, line)| line == &format!("RCPT TO:<{SENDER}>"))
    })
    .await;
    until("only the kept one is left", async || world.left().await.len() == 1).await;
}

#[tokio::test]
async fn one_sender_gets_a_bounded_number_of_reports() {
    let world = World::new().await;
    world.dns.mx("from.example", 10, "mx.inbox.example");
    let told = async |n: usize| {
        let failed = delivery("me@inbox.example", Entry::Held);
        let message = message(world.clock.now(), &format!("s{n}@from.example"));
        let outcome = Outcome::Unknown { reason: String::new() };
        world.courier.telling((&message, ToReturn::Received), &[(&failed, &outcome)], world.clock.now()).await.note.dsn
    };
    for _ in 0..20 {
        assert_eq!(told(1).await, "sent");
    }
    assert_eq!(told(1).await, "suppressed");
    assert_eq!(told(2).await, "sent");
}

#[tokio::test]
async fn what_cannot_be_delivered_in_time_expires() {
    let world = World::with(|wishes| {
        wishes.instance.retry = vec![Duration::from_millis(10)];
        wishes.instance.lifetime = Duration::from_millis(1);
    })
    .await;
    world.dns.mx("from.example", 10, "mx.inbox.example");
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).to("me@inbox.example"));
    world.work();
    let id = world.queue_one("me@inbox.example").await;
    let row = world.wait_for(id, Status::Expired).await;
    assert!(row.attempts.len() >= 8, "at least eight tries: {}", row.attempts.len());
    let text = String::from_utf8(world.inbox.wait_for(1).await[0].octets.clone()).unwrap();
    assert!(text.contains("5.4.7"), "{text}");
}

#[tokio::test]
async fn an_unknown_outcome_waits_five_minutes_at_least() {
    let world = World::with(|wishes| wishes.instance.retry = vec![Duration::from_millis(10)]).await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::DropAfterReading));
    world.work();
    let id = world.queue_one("me@inbox.example").await;
    let row = world.wait_for(id, Status::Deferred).await;
    assert_eq!(row.attempts[0].outcome, "unknown");
    assert!(row.next_attempt_at.unwrap().since(world.clock.now()) > Duration::from_secs(290));
}

#[tokio::test]
async fn a_destination_that_lost_its_verification_waits() {
    let world = World::new().await;
    world.work();
    let id = world.queue(vec![delivery("me@inbox.example", Entry::Due(world.clock.now()))]).await[0];
    let row = world.wait_for(id, Status::Deferred).await;
    assert!(row.reason.contains("not verified"), "{}", row.reason);
    assert_eq!(world.inbox.connections(), 0);
}

/// One bad destination does not hurt others: a site that hangs with more mail than it has slots delays nobody else.
#[tokio::test]
async fn a_site_that_stalls_delays_nobody_else() {
    let world = World::with(|wishes| wishes.settings.connections_per_site = 2).await;
    let stalled = world.inbox_at(2).await;
    stalled.script(Rule::at(Stage::Mail, Behaviour::Hang));
    world.dns.a("stalled.example", std::net::Ipv4Addr::new(127, 0, 0, 2));
    world.verify("@stalled.example").await;
    for n in 0..300 {
        let late = delivery(&format!("u{n}@stalled.example"), Entry::Due(world.clock.now()));
        world.accept(message(world.clock.now(), SENDER), vec![late]).await;
    }
    world.work();
    let id = world.queue_one("me@inbox.example").await;
    world.wait_for(id, Status::Forwarded).await;
    assert_eq!(stalled.most_connections(), 2);
    assert!(stalled.received().is_empty());
}

#[tokio::test]
async fn an_adopted_attempt_is_settled() {
    let world = World::new().await;
    world.work();
    let begin = async |to: &str| {
        world.verify(to).await;
        let leased = delivery(to, Entry::Leased);
        let mut parcel = parcel(&[to]);
        parcel.addressees[0].ids = vec![leased.id];
        let Direct::Trying(attempt) = world.courier.direct(&world.lanes(), parcel).await else { panic!("not tried") };
        let ids = world.queue(vec![leased]).await;
        world.courier.adopt(attempt, ids.clone());
        ids[0]
    };
    let id = begin("me@inbox.example").await;
    world.wait_for(id, Status::Forwarded).await;
    until("the queue is empty", async || world.left().await.is_empty()).await;

    world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply("451 4.3.0 later")));
    let id = begin("you@inbox.example").await;
    world.wait_for(id, Status::Deferred).await;
    until("it is due again", async || world.left().await == [("you@inbox.example".to_owned(), "due")]).await;
    assert_eq!(world.store.queue.get(id).await.unwrap().delivery.tries, 1);
}

/// SIGTERM: what is not sent goes back to the queue as it was; what is sent gets its time.
#[tokio::test]
async fn on_stop_unsent_attempts_go_back_and_sent_ones_end() {
    let world = World::new().await;
    let slow = world.inbox_at(2).await;
    world.dns.a("slow.example", std::net::Ipv4Addr::new(127, 0, 0, 2));
    world.inbox.script(Rule::at(Stage::Data, Behaviour::Hang));
    slow.script(Rule::at(Stage::Dot, Behaviour::SlowBytes(Duration::from_millis(20))));
    let running = world.work();
    let unsent = world.queue_one("me@inbox.example").await;
    let sent = world.queue_one("me@slow.example").await;
    until("both are under way", async || {
        let data = |commands: Vec<(usize, String)>| commands.iter().any(|(_, line)| line == "DATA");
        data(world.inbox.commands()) && slow.received().len() == 1
    })
    .await;
    world.stop();
    running.await.unwrap();
    assert_eq!(world.store.activity.get(sent).await.unwrap().status, Status::Forwarded);
    assert_eq!(world.store.activity.get(unsent).await.unwrap().status, Status::Queued);
    let claim = world.store.queue.get(unsent).await.unwrap();
    assert_eq!((claim.delivery.tries, claim.delivery.account), (0, OWNER));
    assert!(matches!(claim.delivery.entry, Entry::Due(_)), "{:?}", claim.delivery.entry);
    assert!(world.inbox.received().is_empty());
}

#[tokio::test]
async fn counters_of_waiting_sessions_end_with_them() {
    let world = World::with(|wishes| wishes.instance.direct_per_site = 1).await;
    let Direct::Trying(first) = world.courier.direct(&world.lanes(), parcel(&["me@inbox.example"])).await else {
        panic!("no")
    };
    assert!(matches!(world.courier.direct(&world.lanes(), parcel(&["me@inbox.example"])).await, Direct::Queue(_)));
    assert!(!first.sent.load(Ordering::SeqCst));
    drop(first);
    assert!(matches!(world.courier.direct(&world.lanes(), parcel(&["me@inbox.example"])).await, Direct::Trying(_)));
}

/// Who has had its answer waits no longer, however long the next hop takes.
#[tokio::test]
async fn a_session_that_was_answered_counts_as_waiting_no_longer() {
    let world = World::with(|wishes| wishes.instance.direct_per_site = 1).await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::Hang).times(1));
    let Direct::Trying(first) = world.courier.direct(&world.lanes(), parcel(&["me@inbox.example"])).await else {
        panic!("no")
    };
    world.courier.adopt(first, vec![Uuid::from_u128(1)]);
    let next = world.courier.direct(&world.lanes(), parcel(&["you@inbox.example"])).await;
    assert!(matches!(next, Direct::Trying(_)), "{next:?}");
}

/// The clock jumps over the lease of an attempt under way (a machine wakes up): one attempt goes on, and no second begins.
#[tokio::test]
async fn a_lease_that_lapses_under_its_attempt_doubles_nothing() {
    let clock = Clock::manual(Moment::from_millis(1_795_373_784_120));
    let world = World::with(|wishes| wishes.clock = clock.clone()).await;
    world.inbox.script(Rule::at(Stage::Data, Behaviour::Hang).times(1));
    world.work();
    let stalled = world.queue_one("me@inbox.example").await;
    let heard = |what: &str| world.inbox.commands().iter().filter(|(_, said)| said.starts_with(what)).count();
    until("the attempt is under way", async || heard("DATA") == 1).await;
    clock.advance(LEASE * 2);
    for to in ["a@inbox.example", "b@inbox.example", "c@inbox.example"] {
        let other = world.queue_one(to).await;
        world.wait_for(other, Status::Forwarded).await;
    }
    assert_eq!(heard("RCPT TO:<me@inbox.example>"), 1);
    assert_eq!(world.store.activity.get(stalled).await.unwrap().status, Status::Queued);
    let only = [("me@inbox.example".to_owned(), "leased")];
    until("the others are gone", async || world.left().await == only).await;
}
