//! What is kept: large messages, a queue that is full, the log, and the account of every message that was answered 250.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::support::{LETTER, World, without_prefix};

const ANN: &str = "ann@sender.example";

/// Larger than what is held in memory, and than what is delivered at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_three_mebibytes_goes_through_spool_and_queue_unchanged() {
    let world = World::start().await;
    let mut large = LETTER.to_vec();
    for number in 0..48 * 1024_u32 {
        large.extend_from_slice(format!(".{number:010} {:>50}\r\n", "\u{e9}").as_bytes());
    }
    assert!(large.len() > 3 << 20);
    assert!(world.send(ANN, &["shop@my.example"], &large).await.is_accepted());
    let arrived = &world.inbox.wait_for(1).await[0];
    assert!(without_prefix(arrived, &large) == large, "changed on its way");
    world.until("shop@my.example", "forwarded").await;
    let row = world.row().await;
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&large));
    assert_eq!((&row["sha256_received"], &row["sha256_sent"]), (&json!(hash), &json!(hash)));
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
    world.until_queue_is_empty().await;
    let world = world.restart().await;
    assert_eq!(std::fs::read_dir(world.data.path().join("spool")).unwrap().count(), 0);
    world.stop().await;
}

/// Two aliases that meet in one inbox: what was put off together comes again together, as one copy.
#[tokio::test(flavor = "multi_thread")]
async fn what_meets_in_one_inbox_is_one_copy_after_it_was_put_off_too() {
    let world = World::start_with(&[("DELIVERY__RETRY", "2s,2s,1h")]).await;
    world.alias("desk@my.example", &["anna@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")).to("anna@inbox.example").times(2));
    assert!(world.send(ANN, &["shop@my.example", "desk@my.example"], LETTER).await.is_accepted());
    let rows = world.rows().await;
    assert_eq!(rows.iter().map(|row| &row["status"]).collect::<Vec<_>>(), ["deferred", "deferred"]);
    assert_eq!(rows[0]["next_attempt_at"], rows[1]["next_attempt_at"], "at first");
    world.until_all_is_sent().await;
    assert_eq!(world.inbox.received().len(), 1);
    let refused = world.inbox.commands().into_iter().filter(|(_, line)| line.starts_with("RCPT")).count();
    assert_eq!(refused, 3, "once while the sender waited, then twice together");
    world.stop().await;
}

/// A domain whose queue is full: only what nobody has may be handed back.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_hands_back_only_what_nobody_has() {
    let world = World::start_with(&[("QUEUE__MAX_BYTES_PER_DOMAIN", "1"), ("DELIVERY__RETRY", "1h")]).await;
    world.alias("later@my.example", &["bob@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")).to("bob@inbox.example"));
    let full = world.letter("later@my.example").await.last().to_owned();
    assert!(full.starts_with("452 4.2.2"), "{full}");
    let mixed = world.send(ANN, &["shop@my.example", "later@my.example"], LETTER).await;
    assert!(mixed.is_accepted(), "a second copy for shop otherwise: {mixed:?}");
    world.until("shop@my.example", "forwarded").await;
    world.until("later@my.example", "deferred").await;
    let mut sender = world.sender().await;
    sender.command("MAIL FROM:<ann@sender.example>").await.unwrap();
    assert!(sender.command("RCPT TO:<shop@my.example>").await.unwrap().starts_with("250 "));
    let apart = sender.command("RCPT TO:<later@my.example>").await.unwrap();
    assert!(apart.starts_with("452 4.5.3"), "with another nobody could hand it back: {apart}");
    world.stop().await;
}

/// INTERFACES: accepted = forwarded + bounced + consumed + failed + expired + cancelled + dropped + queued + deferred +
/// held, over rows whose recipient was in a transaction answered 250.
#[tokio::test(flavor = "multi_thread")]
async fn every_recipient_that_was_accepted_is_accounted_for_at_every_instant() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h"), ("SMTP__ANSWER_WITHIN", "2s")]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone")).to("gone@inbox.example"));
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")).to("later@inbox.example"));
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::Hang).to("hang@inbox.example"));
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply("552 5.2.2 full")).to("full@inbox.example"));
    for name in ["gone", "later", "hang", "full"] {
        world.alias(&format!("{name}@my.example"), &[&format!("{name}@inbox.example")]).await;
    }
    world.post("/v1/aliases", json!({ "address": "void@my.example", "action": "drop" })).await;

    let mut accepted = 0;
    for to in [
        &["shop@my.example"][..],
        &["void@my.example"],
        &["nobody@my.example"],
        &["later@my.example", "nobody@my.example"],
        &["gone@my.example"],
        &["gone@my.example", "shop@my.example", "void@my.example"],
        &["postmaster@my.example", "abuse@my.example"],
        &["later@my.example"],
        &["full@my.example", "shop@my.example"],
        &["hang@my.example", "later@my.example"],
    ] {
        accepted += accepted_of(&world.send(ANN, to, LETTER).await);
        assert_eq!(accounted(&world).await, accepted, "{to:?}: {:#?}", world.rows().await);
    }
    let srs = world.inbox.received()[0].from.clone();
    accepted += accepted_of(&world.send("", &[&srs], LETTER).await);
    assert_eq!(accounted(&world).await, accepted);

    let rows = world.rows().await;
    let mut deferred = rows.iter().filter(|row| row["status"] == "deferred").map(|row| row["id"].as_str().unwrap());
    for action in ["cancel", "hold"] {
        world.post(&format!("/v1/queue/{}/{action}", deferred.next().unwrap()), Value::Null).await;
    }
    assert_eq!(accounted(&world).await, accepted);
    assert_eq!(
        statuses_of(&world).await,
        ["cancelled", "consumed", "deferred", "dropped", "failed", "forwarded", "held", "queued", "refused",]
    );
    let world = world.restart().await;
    assert_eq!(accounted(&world).await, accepted, "a restart forgets nothing");
    world.stop().await;
}

/// Recipients of a transaction that was answered 250.
fn accepted_of(answers: &waypost::demo::sender::Answers) -> usize {
    let taken = answers.recipients.iter().filter(|reply| reply.starts_with("250 ")).count();
    if answers.is_accepted() { taken } else { 0 }
}

/// Rows in one of the states of the equation.
async fn accounted(world: &World) -> usize {
    const STATES: &[&str] = &[
        "forwarded",
        "bounced",
        "consumed",
        "failed",
        "expired",
        "cancelled",
        "dropped",
        "queued",
        "deferred",
        "held",
    ];
    let is_accounted = |row: &&Value| STATES.contains(&row["status"].as_str().unwrap());
    world.rows().await.iter().filter(is_accounted).count()
}

async fn statuses_of(world: &World) -> Vec<String> {
    let mut statuses: Vec<_> =
        world.rows().await.iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect();
    statuses.sort();
    statuses.dedup();
    statuses
}

/// `log.retention` is looked after from the first minute on.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_retention_leaves_the_log_and_what_waits_does_not() {
    let world = World::start_with(&[("LOG__RETENTION", "2d"), ("DELIVERY__RETRY", "1h")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    world.alias("later@my.example", &["bob@inbox.example"]).await;
    assert!(world.letter("later@my.example").await.is_accepted());
    world.change("activity.db", "update activity set received_at = received_at - 604800000").await;
    world.change("activity.db", "update activity_hours set hour = hour - 604800000").await;
    let world = world.restart().await;
    world.until_rows(|rows| rows.len() == 1).await;
    assert_eq!(world.row().await["recipient"], "later@my.example");
    world.stop().await;
}

/// A power cut may take the log's last second: what left the queue in it does not wait in the log for ever.
#[tokio::test(flavor = "multi_thread")]
async fn mail_whose_end_the_log_has_lost_does_not_wait_there_for_ever() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    world.alias("later@my.example", &["bob@inbox.example"]).await;
    assert!(world.letter("later@my.example").await.is_accepted());
    world.change("activity.db", "update activity set status = 'deferred' where recipient = 'shop@my.example'").await;
    let world = world.restart().await;
    let row = world.until("shop@my.example", "cancelled").await;
    assert!(row["reason"].as_str().unwrap().contains("a power cut took from the log"), "{row}");
    assert_eq!(world.until("later@my.example", "deferred").await["status"], "deferred");
    world.stop().await;
}

/// The row for this recipient that has failed.
async fn failed(world: &World, recipient: &str) -> Value {
    let is = |row: &Value| row["recipient"] == recipient && row["status"] == "failed";
    world.until_rows(|rows| rows.iter().any(is)).await;
    world.rows().await.into_iter().find(is).unwrap()
}

/// Why nobody was told of an inbox that refused, by what the others of its alias came to.
#[tokio::test(flavor = "multi_thread")]
async fn why_no_report_went_out_is_told_by_how_the_other_inboxes_stand() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone")).to("gone@inbox.example"));
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")).to("later@inbox.example"));
    for (alias, other, why) in [
        ("has", "ben@inbox.example", "another destination of this alias has the message"),
        ("waits", "later@inbox.example", "at that time the message still waited for another destination of this alias"),
    ] {
        let address = format!("{alias}@my.example");
        world.alias(&address, &["gone@inbox.example", other]).await;
        assert!(world.letter(&address).await.is_accepted());
        let row = failed(&world, &address).await;
        assert_eq!((&row["dsn"]["dsn"], &row["dsn"]["why"]), (&json!("suppressed"), &json!(why)), "{row:#}");
        let shown = world.get(&format!("/v1/activity/{}", row["id"].as_str().unwrap())).await;
        assert_eq!(shown["dsn"]["why"], why, "{shown:#}");
    }
    // One that is given up at a later try.
    world.inbox.behave();
    for (inbox, reply) in [("turns@inbox.example", "450 4.2.0 not now"), ("later@inbox.example", "450 4.2.0 not now")] {
        world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply(reply)).to(inbox));
    }
    world.alias("turns@my.example", &["turns@inbox.example", "later@inbox.example"]).await;
    assert!(world.letter("turns@my.example").await.is_accepted());
    let queue = world.get("/v1/queue").await["items"].clone();
    let first = queue.as_array().unwrap().iter().find(|one| one["destination"] == "turns@inbox.example").unwrap();
    world.inbox.behave();
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone")).to("turns@inbox.example"));
    world.post(&format!("/v1/queue/{}/retry", first["id"].as_str().unwrap()), Value::Null).await;
    let row = failed(&world, "turns@my.example").await;
    assert_eq!(
        row["dsn"]["why"], "at that time the message still waited for another destination of this alias",
        "{row:#}"
    );
    world.stop().await;
}
