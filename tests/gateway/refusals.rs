//! What a next hop says, and what becomes of it: refused in the session, queued, retried, reported, kept.

use serde_json::{Value, json};
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::support::{LETTER, World, without_prefix};

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_does_not_exist_is_refused_in_the_session() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 <anna@inbox.example> unknown")));
    let answers = world.letter("shop@my.example").await;
    let dot = answers.dot.unwrap();
    assert!(dot.starts_with("550 5.2."), "{dot}");
    assert!(!dot.contains("anna"), "{dot}");
    let row = world.row().await;
    assert_eq!(row["status"], "refused");
    assert_eq!(row["attempts"][0]["reply"], "550 5.1.1 <anna@inbox.example> unknown");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_refused_is_refused_alike() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply("554 5.6.0 anna@inbox.example does not want this")));
    let dot = world.letter("shop@my.example").await.dot.unwrap();
    assert!(dot.starts_with("554 5.6.0") || dot.starts_with("550 5.6.0"), "{dot}");
    assert!(!dot.contains("anna"), "{dot}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferral_before_the_dot_is_queued_and_tried_again() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 greylisted")).times(1));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let arrived = &world.inbox.wait_for(1).await[0];
    assert_eq!(without_prefix(arrived, LETTER), LETTER);
    let row = world.until("shop@my.example", "forwarded").await;
    assert_eq!(row["attempts"].as_array().unwrap().len(), 2, "{row:#}");
    assert_eq!(row["sha256_received"], row["sha256_sent"]);
    world.until_queue_is_empty().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_trouble_never_refuses_the_sender() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Greeting, Behaviour::reply("554 5.7.1 your address is listed")).times(1));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.row().await;
    assert!(["queued", "deferred"].contains(&row["status"].as_str().unwrap()), "{row:#}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_4yz_after_the_dot_is_queued_only_for_a_sender_who_can_be_told() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
    world.dns.txt("unproved.example", "v=spf1 -all");
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply("451 4.3.0 later")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let passed_on = world.send("eve@unproved.example", &["shop@my.example"], LETTER).await;
    assert!(passed_on.dot.unwrap().starts_with("451 "));
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_does_not_exist_is_refused() {
    let world = World::start().await;
    world.destination("bob@nowhere.example").await;
    world.alias("bob@my.example", &["bob@nowhere.example"]).await;
    let last = world.letter("bob@my.example").await.last().to_owned();
    assert!(last.starts_with("550 5."), "{last}");
    assert!(!last.contains("nowhere"), "{last}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_that_fails_queues() {
    let world = World::start().await;
    world.dns.fail("inbox.example", waypost::demo::dns::Failure::ServFail);
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_survives_a_restart() {
    let world = World::start_with(&[("DELIVERY__RETRY", "2s")]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let world = world.restart().await;
    world.inbox.behave();
    let arrived = &world.inbox.wait_for(1).await[0];
    assert_eq!(without_prefix(arrived, LETTER), LETTER);
    world.until("shop@my.example", "forwarded").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mixed_recipients_get_250_and_the_failed_one_is_reported() {
    let world = World::start().await;
    world.alias("gone@my.example", &["gone@inbox.example"]).await;
    world.dns.mx("sender.example", 10, "mx.inbox.example");
    let gone = Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone@inbox.example is no more"));
    world.inbox.script(gone.to("gone@inbox.example"));
    let answers = world.send("ann@sender.example", &["shop@my.example", "gone@my.example"], LETTER).await;
    assert!(answers.is_accepted(), "{answers:?}");
    let arrived = world.inbox.wait_for(2).await;
    let report = arrived.iter().find(|delivery| delivery.from.is_empty()).expect("a DSN");
    assert_eq!(report.to, ["ann@sender.example"]);
    let text = String::from_utf8_lossy(&report.octets);
    assert!(text.contains("gone@my.example") && !text.contains("inbox.example is no more"), "{text}");
    assert!(!text.contains("gone@inbox.example"), "{text}");
    let failed = world.until("gone@my.example", "failed").await;
    assert_eq!(failed["dsn"]["dsn"], "sent", "{failed:#}");
    // Whose sender was told is kept no more, and nobody else is told that it was not.
    world.until_all_is_sent().await;
    assert_eq!(world.get("/v1/queue").await["items"], json!([]));
    let untold = world.get("/v1/notices").await;
    assert!(untold["items"].as_array().unwrap().iter().all(|one| one["kind"] != "untold"), "{untold:#}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_hears_nothing_of_one_destination_while_another_has_the_message() {
    let world = World::start().await;
    world.dns.mx("sender.example", 10, "mx.inbox.example");
    world.alias("pair@my.example", &["anna@inbox.example", "gone@inbox.example"]).await;
    let later = Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 later")).to("gone@inbox.example").times(1);
    world.inbox.script(later);
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 no more")).to("gone@inbox.example"));
    assert!(world.letter("pair@my.example").await.is_accepted());
    let failed = world.until("pair@my.example", "failed").await;
    assert_eq!(failed["dsn"]["dsn"], "suppressed", "{failed:#}");
    assert!(world.inbox.received().iter().all(|delivery| !delivery.from.is_empty()));
    world.stop().await;
}

/// One message, one report, whatever the number of destinations and recipients that failed.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_while_the_sender_waits_makes_one_report() {
    let world = World::start().await;
    world.dns.mx("sender.example", 10, "mx.inbox.example");
    world.alias("pair@my.example", &["ben@inbox.example", "gone@inbox.example"]).await;
    world.alias("lone@my.example", &["eve@inbox.example"]).await;
    for gone in ["ben@inbox.example", "gone@inbox.example", "eve@inbox.example"] {
        world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 no more")).to(gone));
    }
    let all = ["shop@my.example", "pair@my.example", "lone@my.example"];
    assert!(world.send("ann@sender.example", &all, LETTER).await.is_accepted());
    let arrived = world.inbox.wait_for(2).await;
    let report = arrived.iter().find(|delivery| delivery.from.is_empty()).expect("a DSN");
    let text = String::from_utf8_lossy(&report.octets);
    let named = |alias: &str| text.matches(&format!("Final-Recipient: rfc822; {alias}")).count();
    assert_eq!((named("pair@my.example"), named("lone@my.example"), named("shop@my.example")), (1, 1, 0), "{text}");
    assert!(text.contains("Status: 5.2.1"), "as the session would have said it: {text}");
    world.until_all_is_sent().await;
    assert_eq!(world.inbox.received().len(), 2, "and no other");
    let failed = world.rows().await.iter().filter(|row| row["dsn"]["dsn"] == "sent").count();
    assert_eq!(failed, 3);
    world.stop().await;
}

/// The sender hears that the mailbox takes no mail; the owner, whose typing error it may be, hears why.
#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_cannot_be_found_is_named_to_the_owner() {
    let world = World::start().await;
    world.destination("anna@nowhere.example").await;
    world.alias("typo@my.example", &["anna@nowhere.example"]).await;
    let answers = world.letter("typo@my.example").await;
    assert!(answers.last().starts_with("550 5.2.1 ") && !answers.last().contains("nowhere"), "{answers:?}");
    let reason = world.row().await["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("there is no way to the destination (550 5.1.2 "), "{reason}");
    // No server was asked, so none refused it: the try is in the log with our words.
    let pair = ["shop@my.example", "typo@my.example"];
    assert!(world.send("ann@sender.example", &pair, LETTER).await.is_accepted());
    let row = world.until("typo@my.example", "failed").await;
    assert_eq!(row["reason"], "There is no way to the destination: 550 5.1.2 the destination's domain does not exist");
    let tried = (&row["attempts"][0]["reply"], &row["attempts"][0]["mx"]);
    assert_eq!(tried, (&json!("the destination's domain does not exist"), &Value::Null), "{row:#}");
    world.stop().await;
}

/// Nobody is named yet when the size is announced, and still it is in the log, with many of them on one row.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_announced_too_big_is_in_the_log_without_a_recipient() {
    let world = World::start_with(&[("SMTP__MAX_MESSAGE_BYTES", "1000")]).await;
    for _ in 0..6 {
        let mut sender = world.sender().await;
        for _ in 0..10 {
            let answer = sender.command("MAIL FROM:<ann@sender.example> SIZE=2000").await.unwrap();
            assert_eq!(answer, "552 5.3.4 The message is too big");
        }
        let answer = sender.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap();
        assert!(answer.is_accepted(), "the session goes on: {answer:?}");
    }
    let refused = world.get("/v1/activity?status=refused&limit=500").await["items"].as_array().unwrap().clone();
    let counts: u64 = refused.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!((refused.len(), counts), (51, 60), "what one network does beyond fifty shares a row");
    let row = &refused[0];
    assert_eq!((&row["recipient"], &row["sender"]), (&json!(""), &json!("@sender.example")), "{row:#}");
    let reason =
        "Larger than what is taken: 2000 octets were announced, and at most 1000 are taken (smtp.max_message_bytes)";
    assert_eq!(row["reason"], reason);
    assert_eq!(row["client"]["helo"], "mail.sender.example");
    world.stop().await;
}
