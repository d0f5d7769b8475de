//! How much a client may do within a minute or an hour, each limit over real sockets: the reply, the row of the log, who
//! is not concerned, and that a change counts at once.

use std::net::SocketAddr;

use serde_json::{Value, json};
use waypost::demo::sender::{Answers, Sender};

use crate::support::{LETTER, World};

/// Another client of the same machine.
const NEIGHBOUR: &str = "127.0.0.2:0";

async fn from_neighbour(world: &World, to: &str) -> Answers {
    let source: SocketAddr = NEIGHBOUR.parse().unwrap();
    let mut sender = Sender::open(world.smtp(), Some(source)).await.unwrap();
    sender.command("EHLO neighbour.example").await.unwrap();
    sender.send("bob@neighbour.example", &[to], LETTER).await.unwrap()
}

/// The step of the trace that speaks of a limit.
fn step(row: &Value) -> (&str, &str) {
    let steps = row["trace"].as_array().unwrap();
    let found = steps.iter().find(|step| step["step"] == "limit").unwrap_or_else(|| panic!("no limit in {row:#}"));
    (found["verdict"].as_str().unwrap(), found["detail"].as_str().unwrap())
}

async fn newest(world: &World) -> Value {
    let rows = world.rows().await;
    world.get(&format!("/v1/activity/{}", rows[0]["id"].as_str().unwrap())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_one_address_in_a_minute() {
    let world = World::start_with(&[("LIMITS__CONNECTIONS_PER_IP_PER_MINUTE", "2")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert!(world.letter("shop@my.example").await.is_accepted());
    let third = Sender::open(world.smtp(), None).await.unwrap();
    assert_eq!(third.greeting, "421 4.7.0 Too many connections from your address, try again later");
    let row = newest(&world).await;
    assert_eq!((&row["status"], &row["client"]["ip"]), (&"refused_temporarily".into(), &"127.0.0.1".into()));
    assert_eq!(row["reason"], "There were 2 of 2 connections of 127.0.0.1 in the last minute.");
    assert_eq!(step(&row).0, "used up");
    assert!(from_neighbour(&world, "shop@my.example").await.is_accepted());
    world.reload_with(&[("LIMITS__CONNECTIONS_PER_IP_PER_MINUTE", "0")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_address_in_an_hour() {
    let world = World::start_with(&[("LIMITS__MESSAGES_PER_IP_PER_HOUR", "2")]).await;
    world.alias("desk@my.example", &["bob@inbox.example"]).await;
    let both = world.send("ann@sender.example", &["shop@my.example", "desk@my.example"], LETTER).await;
    assert!(both.is_accepted(), "a message counts once, whatever the number of its recipients: {both:?}");
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = newest(&world).await;
    assert_eq!(step(&row), ("below", "1 of 2 messages of 127.0.0.1 in the last hour"));
    let third = world.letter("desk@my.example").await;
    assert_eq!(third.last(), "450 4.7.1 Too many messages from your address, try again later");
    assert_eq!(newest(&world).await["status"], "refused_temporarily");
    assert!(from_neighbour(&world, "shop@my.example").await.is_accepted());
    world.reload_with(&[("LIMITS__MESSAGES_PER_IP_PER_HOUR", "3")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert!(world.letter("shop@my.example").await.last().starts_with("450 4.7.1 "));
    world.stop().await;
}

/// What it costs to learn who is known is bounded: beyond the limit all recipients are answered alike, and no rule is asked.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_recipients_of_one_address_in_an_hour() {
    let world = World::start_with(&[("LIMITS__UNKNOWN_RECIPIENTS_PER_IP_PER_HOUR", "3")]).await;
    for guess in ["a", "b", "c"] {
        let answer = world.letter(&format!("{guess}@my.example")).await;
        assert_eq!(answer.last(), "550 5.1.1 No such address here");
    }
    for to in ["d@my.example", "shop@my.example", "postmaster", "any@elsewhere.example"] {
        let answer = world.letter(to).await;
        assert_eq!(answer.last(), "450 4.7.1 Too many unknown recipients from your address, try again later", "{to}");
        assert_eq!(newest(&world).await["status"], "refused_temporarily");
    }
    assert!(from_neighbour(&world, "shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.received().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_one_alias_in_an_hour() {
    let world = World::start_with(&[("LIMITS__MESSAGES_PER_ALIAS_PER_HOUR", "1")]).await;
    world.alias("desk@my.example", &["anna@inbox.example"]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let second = from_neighbour(&world, "SHOP@my.example").await;
    assert_eq!(second.last(), "450 4.7.28 Too much mail for this address, try again later");
    let row = newest(&world).await;
    assert_eq!(row["status"], "refused_temporarily");
    assert_eq!(step(&row), ("used up", "1 of 1 messages for shop@my.example in the last hour"));
    assert!(world.letter("desk@my.example").await.is_accepted());
    world.stop().await;
}

/// The simulator asks the very counts of the door, and counts nothing itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_says_how_much_of_each_limit_is_used() {
    let keys = ["CONNECTIONS_PER_IP_PER_MINUTE", "MESSAGES_PER_IP_PER_HOUR", "UNKNOWN_RECIPIENTS_PER_IP_PER_HOUR"];
    let others = ["SENDER_DOMAIN", "ALIAS", "DESTINATION"].map(|whose| format!("MESSAGES_PER_{whose}_PER_HOUR"));
    let keys = keys.into_iter().map(str::to_owned).chain(others).map(|key| format!("LIMITS__{key}"));
    let keys: Vec<_> = keys.collect();
    let settings: Vec<_> =
        keys.iter().map(|key| (key.as_str(), if key.contains("ALIAS") { "1" } else { "9" })).collect();
    let world = World::start_with(&settings).await;
    let ask = async |ip: Option<&str>| {
        world.post("/v1/route", json!({ "to": "shop@my.example", "from": "ann@sender.example", "ip": ip })).await
    };
    let limits = |route: &Value| -> Vec<String> {
        let steps = route["trace"].as_array().unwrap().iter().filter(|step| step["step"] == "limit");
        steps.map(|step| step["detail"].as_str().unwrap().to_owned()).collect()
    };
    world.letter("nobody@my.example").await;
    for _ in 0..2 {
        let route = ask(Some("127.0.0.1")).await;
        assert_eq!(route["disposition"], "forward", "{route:#}");
        let wanted = [
            "1 of 9 connections of 127.0.0.1 in the last minute",
            "1 of 9 unknown recipients of 127.0.0.1 in the last hour",
            "0 of 9 messages of 127.0.0.1 in the last hour",
            "0 of 1 messages for shop@my.example in the last hour",
            "0 of 9 messages for anna@inbox.example in the last hour",
            "0 of 9 authenticated messages of sender.example in the last hour",
        ];
        assert_eq!(limits(&route), wanted);
    }
    assert!(world.letter("shop@my.example").await.is_accepted());
    for ip in [None, Some("127.0.0.1")] {
        let route = ask(ip).await;
        assert_eq!(route["reply"], "450 4.7.28 Too much mail for this address, try again later", "{route:#}");
        assert_eq!(limits(&route).last().unwrap(), "1 of 1 messages for shop@my.example in the last hour");
    }
    world.stop().await;
}

/// Nobody uses up an alias's share, or another client's of the same address, by naming recipients and sending nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_never_came_has_not_counted() {
    let one = ["IP", "ALIAS", "DESTINATION"].map(|whose| format!("LIMITS__MESSAGES_PER_{whose}_PER_HOUR"));
    let world = World::start_with(&one.each_ref().map(|key| (key.as_str(), "1"))).await;
    let mut sender = world.sender().await;
    for end in ["RSET", "EHLO mail.sender.example", "QUIT"] {
        for line in ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>"] {
            assert!(sender.command(line).await.unwrap().starts_with("250 "), "{line} before {end}");
        }
        sender.command(end).await.unwrap();
    }
    world.until_rows(|rows| rows.len() == 3).await;
    let reasons = world.rows().await.iter().map(|row| row["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(reasons[0], "The session ended before the end of the message");
    assert_eq!(reasons[1], "The client withdrew its message before the end");
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert!(world.letter("shop@my.example").await.last().starts_with("450 4.7.1 "));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_for_one_destination_in_an_hour() {
    let world = World::start_with(&[("LIMITS__MESSAGES_PER_DESTINATION_PER_HOUR", "1")]).await;
    world.alias("desk@my.example", &["bob@inbox.example", "ANNA@inbox.example"]).await;
    world.alias("help@my.example", &["bob@inbox.example"]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let second = world.letter("desk@my.example").await;
    assert_eq!(second.last(), "450 4.7.28 Too much mail for this address, try again later");
    assert!(world.letter("help@my.example").await.is_accepted(), "what was refused has not counted");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_one_proved_domain_in_an_hour() {
    let world = World::start_with(&[("LIMITS__MESSAGES_PER_SENDER_DOMAIN_PER_HOUR", "1")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let second = world.letter("shop@my.example").await;
    assert_eq!(second.last(), "451 4.7.28 Too much mail from your domain, try again later");
    let row = newest(&world).await;
    assert_eq!(row["status"], "refused_temporarily");
    assert_eq!(step(&row), ("used up", "1 of 1 authenticated messages of sender.example in the last hour"));
    let forged = Sender::open(world.smtp(), Some(NEIGHBOUR.parse().unwrap())).await;
    let mut forged = forged.unwrap();
    forged.command("EHLO neighbour.example").await.unwrap();
    let answers = forged.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap();
    assert!(answers.is_accepted(), "nobody can use up the share of a domain that is not his: {answers:?}");
    world.stop().await;
}
