//! Who a message says that it is from: kept with its rows beside the sender of its envelope, and found by both.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{PATIENCE, World};

const BOUNCES: &str = "env2@bounces.test";

fn letter(from: &str) -> Vec<u8> {
    format!("{from}To: shop@my.example\r\nSubject: News\r\nMessage-ID: <1@author.test>\r\n\r\nText\r\n").into_bytes()
}

/// What a search for words finds, once the index has it.
async fn found(world: &World, words: &str) -> Vec<Value> {
    let path = format!("/v1/activity?search={}", words.replace(' ', "%20").replace('ü', "%C3%BC"));
    let look = async {
        loop {
            let items = world.get(&path).await["items"].as_array().unwrap().clone();
            if !items.is_empty() {
                return items;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_found_by_its_author_and_by_the_sender_of_its_envelope() {
    let world = World::start().await;
    let sent = letter("From: =?utf-8?q?M=C3=BCller?= <real@author.test>\r\n");
    assert!(world.send(BOUNCES, &["shop@my.example"], &sent).await.is_accepted());
    let row = world.row().await;
    assert_eq!(row["author"], "Müller <real@author.test>");
    assert_eq!(row["sender"], BOUNCES);
    for words in
        ["real@author.test", "author.test", "Müller", "muller", "real@", "müller author", BOUNCES, "bounces.test"]
    {
        assert_eq!(found(&world, words).await.len(), 1, "{words}");
    }
    world.stop().await;
}

/// As DESIGN section 5 has it for subjects: what an alias, or the server, does not keep is nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_author_is_kept_where_a_subject_is_kept() {
    for (setting, privacy, kept) in
        [("true", "off", true), ("true", "subject", false), ("true", "envelope", false), ("false", "off", false)]
    {
        let world = World::start_with(&[("LOG__SUBJECTS", setting)]).await;
        world.alias("quiet@my.example", &["anna@inbox.example"]).await;
        world.patch("/v1/aliases/quiet@my.example", json!({ "privacy": privacy })).await;
        let sent = letter("From: Secretive <hidden@author.test>\r\n");
        assert!(world.send(BOUNCES, &["quiet@my.example"], &sent).await.is_accepted());
        let row = world.row().await;
        assert_eq!(row["author"].is_string(), kept, "{setting} {privacy}: {row}");
        assert_eq!(row["subject"].is_string(), kept, "{setting} {privacy}: {row}");
        assert_eq!(row.to_string().contains("hidden"), kept, "{setting} {privacy}: {row}");
        let folder = world.data.path().to_owned();
        for file in ["activity.db", "activity.db-wal"].map(|name| folder.join(name)) {
            let octets = std::fs::read(&file).unwrap_or_default();
            assert!(
                kept || !octets.windows(6).any(|part| part == b"hidden"),
                "{setting} {privacy}: {}",
                file.display()
            );
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wrote_it_is_left_out_where_nobody_could_tell() {
    let world = World::start().await;
    for from in [
        "",
        "From: nobody at all\r\n",
        "From: A <a@author.test>\r\nFrom: B <b@author.test>\r\n",
        "From: A <a@author.test>, B <b@author.test>\r\n",
    ] {
        // DMARC refuses some of them; they stand in the log all the same.
        world.send(BOUNCES, &["shop@my.example"], &letter(from)).await;
    }
    let rows = world.rows().await;
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert_eq!((&row["author"], &row["sender"]), (&Value::Null, &json!(BOUNCES)));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_writes_for_a_name_is_inert_and_bounded() {
    let world = World::start().await;
    let name = format!("Evil \u{1b}[2J\u{202e}moc\u{0} {}", "x".repeat(5000));
    let sent = letter(&format!("From: {name} <evil@author.test>\r\n"));
    assert!(world.send(BOUNCES, &["shop@my.example"], &sent).await.is_accepted());
    let row = world.row().await;
    let author = row["author"].as_str().unwrap();
    assert!(author.starts_with("Evil \u{fffd}[2J\u{fffd}moc\u{fffd} xx"), "{author}");
    assert!(author.ends_with("x <evil@author.test>") && author.len() < 400, "{author}");
    let (status, _) = world.ask(Method::GET, "/v1/activity/export?format=csv", Value::Null).await;
    assert!(status.is_success());
    world.stop().await;
}

/// Whom a block means, the sender of the envelope hears at RCPT, and the author at the end of data: in the same words.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_keeps_out_its_author_whatever_the_envelope_says() {
    let world = World::start().await;
    let sent = letter("From: M\u{fc}ller <real@author.test>\r\n");
    for entry in ["real@author.test", "@author.test", "*@author.*"] {
        world.patch("/v1/aliases/shop@my.example", json!({ "block": [entry] })).await;
        let answers = world.send(BOUNCES, &["shop@my.example"], &sent).await;
        assert!(answers.recipients[0].starts_with("250 "), "{entry}: {answers:?}");
        let by_name = world.send("real@author.test", &["shop@my.example"], &sent).await;
        assert_eq!(answers.last(), by_name.recipients[0], "{entry}");
        let rows = world.rows().await;
        assert_eq!(rows[0]["reason"], format!("The entry {entry} (alias) keeps this sender out."));
        assert_eq!(rows[1]["reason"], format!("The entry {entry} (alias) keeps this author out."));
        assert_eq!((&rows[1]["status"], &rows[1]["sender"]), (&json!("refused"), &json!(BOUNCES)));
        let null = world.send("", &["shop@my.example"], &sent).await;
        assert!(null.last().starts_with("550 5.1.1 "), "{null:?}");
    }
    assert!(world.send(BOUNCES, &["shop@my.example"], &letter("From: other@elsewhere.test\r\n")).await.is_accepted());
    world.patch("/v1/aliases/shop@my.example", json!({ "allow": ["real@author.test"] })).await;
    assert!(world.send(BOUNCES, &["shop@my.example"], &sent).await.is_accepted());
    world.stop().await;
}

/// One DATA has one policy: no answer could be true for a recipient that keeps the author out and one that does not.
#[tokio::test(flavor = "multi_thread")]
async fn recipients_that_differ_in_whom_they_keep_out_are_taken_one_after_another() {
    let world = World::start().await;
    for alias in ["like@my.example", "open@my.example"] {
        world.alias(alias, &["anna@inbox.example"]).await;
    }
    for alias in ["shop@my.example", "like@my.example"] {
        world.patch(&format!("/v1/aliases/{alias}"), json!({ "block": ["real@author.test"] })).await;
    }
    let sent = letter("From: real@author.test\r\n");
    let both = world.send(BOUNCES, &["shop@my.example", "open@my.example", "like@my.example"], &sent).await;
    assert!(both.recipients[1].starts_with("452 4.5.3 "), "{both:?}");
    assert!(both.recipients[2].starts_with("250 ") && both.last().starts_with("550 5.1.1 "), "{both:?}");
    assert!(world.send(BOUNCES, &["open@my.example"], &sent).await.is_accepted());
    assert_eq!(world.inbox.received().len(), 1);
    world.stop().await;
}

/// Everybody may write to postmaster; and what the domain keeps out its aliases keep out.
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_keeps_an_author_out_but_not_from_its_postmaster() {
    let world = World::start().await;
    world.patch("/v1/domains/my.example", json!({ "block": ["@author.test"] })).await;
    let sent = letter("From: real@author.test\r\n");
    let refused = world.send(BOUNCES, &["shop@my.example"], &sent).await;
    assert!(refused.last().starts_with("550 5.1.1 "), "{refused:?}");
    let taken = world.send(BOUNCES, &["postmaster@my.example"], &sent).await;
    assert!(taken.is_accepted(), "{taken:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_knows_an_author() {
    let world = World::start().await;
    world.patch("/v1/aliases/shop@my.example", json!({ "block": ["real@author.test"] })).await;
    let asked = json!({ "to": "shop@my.example", "from": BOUNCES });
    assert_eq!(world.post("/v1/route", asked.clone()).await["disposition"], "forward");
    for more in [
        json!({ "author": "real@author.test" }),
        json!({ "author": "real@author.test", "ip": "127.0.0.1" }),
        json!({ "headers": "From: M <real@author.test>\nSubject: x" }),
    ] {
        let mut question = asked.clone();
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let told = world.post("/v1/route", question).await;
        assert_eq!(told["disposition"], "reject", "{more}: {told}");
        assert_eq!(told["reason"], "The entry real@author.test (alias) keeps this author out.");
    }
    world.stop().await;
}
