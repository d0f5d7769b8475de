//! The hand-over of DESIGN section 4, in each of its cases: what runs when the sender must be answered is never lost.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use waypost::demo::dns::Failure;
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::demo::sender::stuffed;

use crate::support::{LETTER, PATIENCE, World, prefix, without_prefix};

/// Short, so that the deadline comes soon: direct delivery ends at 1.6 s.
const SHORT: &[(&str, &str)] = &[("SMTP__ANSWER_WITHIN", "2s")];
/// A reply so long after the dot comes when the queue has been tried.
const LATER: Duration = Duration::from_secs(3);
/// The queue takes nothing.
const FULL: &str = "create trigger full before insert on deliveries begin select raise(abort, 'no room'); end";

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_inbox_costs_a_commit_and_no_second_copy() {
    let world = World::start_with(SHORT).await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::SlowBytes(Duration::from_millis(100))).times(1));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.until("shop@my.example", "forwarded").await;
    assert_eq!(row["attempts"].as_array().unwrap().len(), 1, "{row:#}");
    assert_eq!(world.inbox.received().len(), 1);
    world.until_queue_is_empty().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_after_the_dot_is_queued_as_unknown() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::DropAfterReading).times(1));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.row().await;
    assert_eq!(row["status"], "deferred", "{row:#}");
    assert_eq!(row["attempts"][0]["outcome"], "unknown");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_before_the_dot_is_tried_again() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Data, Behaviour::Drop).times(1));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.until("shop@my.example", "deferred").await;
    world.post(&format!("/v1/queue/{}/retry", row["id"].as_str().unwrap()), serde_json::Value::Null).await;
    let arrived = &world.inbox.wait_for(1).await[0];
    assert_eq!(without_prefix(arrived, LETTER), LETTER);
    world.until("shop@my.example", "forwarded").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_dot_is_sent_on_abandons_its_message() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::Hang).times(1));
    let mut sender = world.sender().await;
    for line in ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>", "DATA"] {
        sender.command(line).await.unwrap();
    }
    sender.write(&stuffed(LETTER)).await.unwrap();
    world.until_inbox_hears("RCPT").await;
    drop(sender);
    world.until("shop@my.example", "abandoned").await;
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), 0);
    world.stop().await;
}

/// A client that has said all it has to say, QUIT included, and closes its own half of the connection, reads its answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_only_closed_its_own_half_is_answered() {
    let world = World::start().await;
    let mut sender = world.sender().await;
    for line in ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>", "DATA"] {
        sender.command(line).await.unwrap();
    }
    sender.write(&[&stuffed(LETTER), b"QUIT\r\n".as_slice()].concat()).await.unwrap();
    let mut stream = sender.into_stream();
    stream.shutdown().await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert!(answers.starts_with("250 2.0.0 ") && answers.ends_with("221 2.0.0 Bye\r\n"), "{answers}");
    assert_eq!(world.row().await["status"], "forwarded");
    world.stop().await;
}

/// The client keeps its message: how the next hop decides is no reason to go on running.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_the_delivery_of_a_client_that_left() {
    let world = World::start_with(&[("DELIVERY__STOP_GRACE", "5m")]).await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::SlowBytes(Duration::from_secs(60))));
    let mut sender = world.sender().await;
    for line in ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>", "DATA"] {
        sender.command(line).await.unwrap();
    }
    sender.write(&stuffed(LETTER)).await.unwrap();
    world.inbox.wait_for(1).await;
    drop(sender);
    // Whoever is greeted now came after the other had left.
    drop(world.sender().await);
    let restarted = tokio::time::timeout(PATIENCE, world.restart()).await;
    let world = restarted.expect("a stop that takes a moment");
    let row = world.row().await;
    assert_eq!(row["status"], "abandoned", "{row:#}");
    assert!(row["reason"].as_str().unwrap().starts_with("It may have been delivered"), "{row:#}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_commits_what_was_not_sent() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::Hang).times(1));
    let mut sender = world.sender().await;
    for line in ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>", "DATA"] {
        sender.command(line).await.unwrap();
    }
    sender.write(&stuffed(LETTER)).await.unwrap();
    world.until_inbox_hears("RCPT").await;
    let (world, answer) = tokio::join!(world.restart(), sender.reply());
    assert!(answer.unwrap().starts_with("250 "));
    world.until("shop@my.example", "forwarded").await;
    let arrived = &world.inbox.wait_for(1).await[0];
    assert_eq!(without_prefix(arrived, LETTER), LETTER);
    world.until("shop@my.example", "forwarded").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_inbox_ends_in_the_queue_within_the_time() {
    let world = World::start_with(SHORT).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::Hang));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.row().await;
    assert_eq!(row["status"], "queued", "{row:#}");
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), 1);
    world.stop().await;
}

/// What a next hop has taken is not refused for want of room in the queue: each repeat would deliver it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_does_not_refuse_what_was_delivered() {
    let world = World::start_with(&[("QUEUE__MAX_BYTES_PER_DOMAIN", "1")]).await;
    world.alias("both@my.example", &["anna@inbox.example", "ben@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).to("ben@inbox.example").times(1));
    assert!(world.letter("both@my.example").await.is_accepted());
    world.until_queue_is_empty().await;
    assert_eq!(world.inbox.received().len(), 2);
    assert!(world.rows().await.iter().all(|row| row["status"] == "forwarded"), "{:#?}", world.rows().await);
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")));
    assert!(!world.letter("shop@my.example").await.is_accepted(), "nothing of it was delivered, and there is no room");
    world.stop().await;
}

/// A name server that says nothing costs neither the answer's time, nor the other destinations, nor a stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_name_server_does_not_hold_up_the_answer() {
    let world = World::start_with(&[("SMTP__ANSWER_WITHIN", "2s"), ("DNS__TIMEOUT", "5m")]).await;
    let silent = (0..4).map(|number| format!("d{number}.example")).collect::<Vec<_>>();
    let mut to = vec!["anna@inbox.example".to_owned()];
    for domain in &silent {
        world.dns.fail(domain, Failure::Timeout);
        world.destination(&format!("@{domain}")).await;
        to.push(format!("ben@{domain}"));
    }
    world.alias("all@my.example", &to.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let answer = tokio::time::timeout(PATIENCE, world.letter("all@my.example")).await;
    assert!(answer.expect("an answer before the name servers give up").is_accepted());
    assert_eq!(world.inbox.wait_for(1).await.len(), 1);
    world.until_rows(|rows| rows.iter().filter(|row| row["status"] == "forwarded").count() == 1).await;
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), silent.len());
    tokio::time::timeout(PATIENCE, world.stop()).await.expect("a stop does not wait for name servers either");
}

/// Organisational domains are asked for after SPF and DKIM, and have no time of their own: the delivery keeps its share.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_name_server_of_the_author_does_not_use_up_the_time_for_delivery() {
    let settings = [("SMTP__ANSWER_WITHIN", "8s"), ("DNS__TIMEOUT", "5m"), ("POLICY__DMARC", "observe")];
    let world = World::start_with(&settings).await;
    world.dns.fail("_dmarc.news.my.example", Failure::Timeout);
    let akin = [b"From: <ann@news.my.example>\r\n", &LETTER[LETTER.iter().position(|o| *o == b'\n').unwrap() + 1..]];
    assert!(world.send("ann@sender.example", &["shop@my.example"], &akin.concat()).await.is_accepted());
    let row = world.row().await;
    assert_eq!(row["reason"], "Delivered while the sender waited", "{row:#}");
    assert_eq!(world.inbox.received()[0].from, "ann@sender.example", "what is not known counts as aligned");
    world.stop().await;
}

/// Anybody may write to postmaster: what is held there is bounded like any other mail that waits.
#[tokio::test(flavor = "multi_thread")]
async fn held_mail_has_its_share_of_the_disk_and_no_more() {
    let world = World::bare(&[("QUEUE__MAX_BYTES_PER_DOMAIN", "500")]).await;
    let (mut taken, mut last) = (0, true);
    for _ in 0..6 {
        last = world.letter("postmaster@gw.example").await.is_accepted();
        taken += usize::from(last);
    }
    assert!(taken >= 1 && !last, "{taken} letters of {} octets were taken", LETTER.len());
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), taken);
    world.stop().await;
}

/// Ten aliases of ten inboxes are ten prefixes and so ten transactions: over the connections that there are, while the
/// sender waits, and none by way of the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_many_aliases_is_handed_over_at_once() {
    let world = World::start().await;
    let aliases = (0..10).map(|n| format!("list-{n}@my.example")).collect::<Vec<_>>();
    for (n, alias) in aliases.iter().enumerate() {
        world.alias(alias, &[&format!("member-{n}@inbox.example")]).await;
    }
    let to = aliases.iter().map(String::as_str).collect::<Vec<_>>();
    let answers = world.send("ann@sender.example", &to, LETTER).await;
    assert!(answers.is_accepted(), "{answers:?}");
    let arrived = world.inbox.received();
    assert_eq!(arrived.len(), 10, "all arrived before the answer");
    for (alias, got) in aliases.iter().zip(&arrived) {
        let others = aliases.iter().filter(|other| prefix(got, LETTER).contains(other.as_str())).count();
        assert_eq!((without_prefix(got, LETTER), others), (LETTER, 1), "{alias}: nobody learns of the others");
    }
    let statuses = world.rows().await.iter().map(|row| row["status"].clone()).collect::<Vec<_>>();
    assert_eq!(statuses, ["forwarded"; 10]);
    world.stop().await;
}

/// The next hop has the message, or will say that it has not: where the queue cannot be written, its reply is the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_behind_the_dot_leaves_the_answer_to_the_next_hop() {
    tokio::join!(
        late_reply("250 2.0.0 kept", ("250 2.0.0", "forwarded")),
        late_reply("550 5.6.0 not this", ("554 5.6.0", "refused")),
        late_reply("450 4.2.0 not now", ("451 4.3.0", "refused_temporarily")),
    );
}

async fn late_reply(said: &str, (heard, status): (&str, &str)) {
    let world = World::start_with(SHORT).await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::Late(LATER, said.to_owned())).times(1));
    world.change("waypost.db", FULL).await;
    let dot = world.letter("shop@my.example").await.dot.unwrap();
    assert!(dot.starts_with(heard), "{said}: {dot}");
    let row = world.row().await;
    assert_eq!((&row["status"], &row["attempts"][0]["reply"]), (&status.into(), &said.into()), "{row:#}");
    world.until_queue_is_empty().await;
    world.stop().await;
}

/// Nobody knows what became of it: the client keeps it, and the log says that it may have been delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_behind_a_dot_without_a_reply_ends_in_451() {
    let world = World::bare_with(SHORT, |config, _| config.after_dot_wait = Duration::from_millis(500)).await;
    let world = world.furnished().await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::Hang).times(1));
    world.change("waypost.db", FULL).await;
    let dot = world.letter("shop@my.example").await.dot.unwrap();
    assert!(dot.starts_with("451 4.3.0"), "{dot}");
    let row = world.row().await;
    assert_eq!(row["status"], "refused_temporarily", "{row:#}");
    assert!(row["reason"].as_str().unwrap().starts_with("It may have been delivered"), "{row:#}");
    assert!(world.inbox.wait_until_left().await, "nobody waits for it any more");
    world.until_queue_is_empty().await;
    world.stop().await;
}

/// Without the queue and without a dot there is nothing to wait for: the client comes again, and it is delivered once.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_before_the_dot_aborts_the_attempt() {
    let [rcpt, data] = [Stage::Rcpt, Stage::Data].map(unsent);
    tokio::join!(rcpt, data);
}

async fn unsent(stage: Stage) {
    let world = World::start_with(SHORT).await;
    world.inbox.script(Rule::at(stage, Behaviour::Hang).times(1));
    world.change("waypost.db", FULL).await;
    let dot = world.letter("shop@my.example").await.dot.unwrap();
    assert!(dot.starts_with("451 4.3.0"), "{stage:?}: {dot}");
    let row = world.row().await;
    assert_eq!(row["status"], "refused_temporarily", "{stage:?}: {row:#}");
    assert!(!row["reason"].as_str().unwrap().contains("may have been delivered"), "{stage:?}: {row:#}");
    assert!(world.inbox.wait_until_left().await, "{stage:?}: its connection is closed");
    world.change("waypost.db", "drop trigger full").await;
    assert!(world.letter("shop@my.example").await.is_accepted(), "{stage:?}");
    assert_eq!(world.inbox.received().len(), 1, "{stage:?}");
    world.until("shop@my.example", "forwarded").await;
    world.stop().await;
}
