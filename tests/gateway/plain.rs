//! The main job: one message from a socket through a route to an inbox.

use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::mail::Moment;

use crate::support::{LETTER, World, prefix, without_prefix};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_the_inbox_octet_by_octet() {
    let world = World::start().await;
    let answers = world.letter("shop@my.example").await;
    assert!(answers.is_accepted(), "{answers:?}");

    let arrived = &world.inbox.wait_for(1).await[0];
    assert_eq!(without_prefix(arrived, LETTER), LETTER);
    assert_eq!(arrived.to, ["anna@inbox.example"]);
    assert!(arrived.from.starts_with("SRS0=") && arrived.from.ends_with("=sender.example=ann@my.example"));
    assert_eq!(arrived.helo, "gw.example");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_is_trace_fields_and_nothing_else() {
    let world = World::start().await;
    world.letter("shop@my.example").await;
    let prefix = prefix(&world.inbox.wait_for(1).await[0], LETTER);
    let fields: Vec<_> = prefix.lines().filter(|line| !line.starts_with([' ', '\t'])).collect();
    let names: Vec<_> = fields.iter().map(|field| field.split(':').next().unwrap()).collect();
    assert_eq!(names, ["Authentication-Results", "Received", "Delivered-To"]);
    assert!(prefix.contains("Delivered-To: shop@my.example\r\n"), "{prefix}");
    let unfolded = prefix.replace("\r\n\t", " ").replace("\r\n ", " ");
    assert!(unfolded.contains("gw.example; spf=pass"), "{prefix}");
    assert!(!prefix.contains("anna") && !prefix.contains(" for "), "{prefix}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_the_whole_story() {
    let world = World::start().await;
    world.letter("shop@my.example").await;
    let row = world.row().await;
    assert_eq!(row["status"], "forwarded");
    assert_eq!(row["sender"], "ann@sender.example");
    assert_eq!(row["recipient"], "shop@my.example");
    assert_eq!(row["destination"], "anna@inbox.example");
    assert_eq!(row["subject"], "A letter");
    assert_eq!(row["message_id"], "<1@sender.example>");
    assert_eq!(row["size"], LETTER.len());
    assert_eq!(row["auth"]["spf"], "pass");
    assert_eq!(row["rule"]["pattern"], "shop@my.example");
    assert!(row["sha256_received"].is_string());
    assert_eq!(row["sha256_received"], row["sha256_sent"]);
    assert_eq!(row["envelope"]["before"]["from"], "ann@sender.example");
    assert_eq!(row["envelope"]["after"]["to"][0], "anna@inbox.example");
    assert_eq!(row["attempts"][0]["mx"], "mx.inbox.example");
    assert_eq!(row["attempts"][0]["outcome"], "delivered");
    assert!(!row["trace"].as_array().unwrap().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_travel_over_one_connection() {
    let world = World::start().await;
    let mut sender = world.sender().await;
    for _ in 0..5 {
        assert!(sender.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
    }
    sender.quit().await.unwrap();
    assert_eq!(world.inbox.wait_for(5).await.len(), 5);
    assert_eq!(world.inbox.connections(), 1);
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_alias_is_refused_at_rcpt_and_logged() {
    let world = World::start().await;
    let answers = world.letter("nobody@my.example").await;
    assert_eq!(answers.recipients, ["550 5.1.1 No such address here"]);
    let row = world.row().await;
    assert_eq!((row["status"].as_str(), row["recipient"].as_str()), (Some("refused"), Some("nobody@my.example")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_for_others_is_not_relayed() {
    let world = World::start().await;
    let answers = world.letter("anna@inbox.example").await;
    assert!(answers.recipients[0].starts_with("550 5.7.1"), "{answers:?}");
    assert_eq!(world.inbox.connections(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_changed_by_a_command_counts_at_once() {
    let world = World::start().await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.patch("/v1/aliases/shop@my.example", serde_json::json!({ "enabled": false })).await;
    assert!(world.letter("shop@my.example").await.last().starts_with("550 5.1.1"));
    world.patch("/v1/aliases/shop@my.example", serde_json::json!({ "enabled": true })).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.stop().await;
}

/// Each attempt says when it began and when it had its outcome: direct or from the queue.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_tells_how_long_it_took() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")).times(1));
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::SlowBytes(std::time::Duration::from_millis(5))));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.until("shop@my.example", "forwarded").await;
    let moment = |text: &serde_json::Value| Moment::parse_rfc3339(text.as_str().unwrap()).unwrap();
    let spans = row["attempts"].as_array().unwrap().iter().map(|a| (moment(&a["at"]), moment(&a["ended_at"])));
    let spans = spans.collect::<Vec<_>>();
    let [(_, first), (began, ended)] = spans[..] else { panic!("{row:#}") };
    assert!(first <= began && ended.since(began).as_millis() >= 75, "{spans:?}");
    world.stop().await;
}
