//! How long a client may take. Here alone the clock is moved: the world runs in one thread, and its time is paused.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use waypost::demo::sender::Sender;
use waypost::smtp::limits::{COMMAND_TIMEOUT, TRANSACTION_TIMEOUT};

use crate::support::{PATIENCE, World};

async fn later(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

async fn begun(world: &World) -> Sender {
    let mut sender = world.sender().await;
    assert!(sender.command("MAIL FROM:<ann@sender.example>").await.unwrap().starts_with("250 "));
    sender
}

/// CONFORMANCE 18: each command comes in time, and the whole does not.
#[tokio::test]
async fn a_transaction_that_dribbles_ends_within_the_hour() {
    let world = World::start().await;
    let mut sender = begun(&world).await;
    let step = COMMAND_TIMEOUT - Duration::from_secs(1);
    let mut taken = Duration::ZERO;
    let last = loop {
        later(step).await;
        taken += step;
        assert!(taken < 2 * TRANSACTION_TIMEOUT, "it never ends");
        let reply = sender.command("RCPT TO:<shop@my.example>").await.unwrap();
        if !reply.starts_with("250 ") {
            break reply;
        }
    };
    assert!(last.starts_with("421 4.4.2"), "{last}");
    assert!(taken >= TRANSACTION_TIMEOUT && taken < TRANSACTION_TIMEOUT + step, "after {taken:?}");
    world.until("shop@my.example", "abandoned").await;
    world.stop().await;
}

/// CONFORMANCE 18: where places run short, whoever says nothing for ten seconds gives its own up.
#[tokio::test]
async fn the_silent_give_up_their_places_where_they_run_short() {
    let world = World::start_with(&[("SMTP__MAX_CONNECTIONS", "5")]).await;
    let mut silent = world.sender().await;
    later(Duration::from_secs(250)).await;
    assert!(silent.command("NOOP").await.unwrap().starts_with("250 "), "nobody else needs its place");
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(world.sender().await);
    }
    for _ in 0..2 {
        later(Duration::from_secs(6)).await;
        for other in &mut others {
            assert!(other.command("NOOP").await.unwrap().starts_with("250 "));
        }
    }
    assert_eq!(silent.reply().await.unwrap(), "421 4.4.2 Waited too long for you, closing");
    later(Duration::from_secs(250)).await;
    for other in &mut others {
        assert!(other.command("NOOP").await.unwrap().starts_with("250 "), "four of five places are no crowd");
    }
    world.stop().await;
}

/// A transaction that ends in time leaves no deadline behind for the next.
#[tokio::test]
async fn each_transaction_has_its_own_hour() {
    let world = World::start().await;
    let mut sender = begun(&world).await;
    for _ in 0..TRANSACTION_TIMEOUT.as_secs() / 240 + 1 {
        later(Duration::from_secs(240)).await;
        assert!(sender.command("RSET").await.unwrap().starts_with("250 "));
        assert!(sender.command("MAIL FROM:<ann@sender.example>").await.unwrap().starts_with("250 "));
    }
    world.stop().await;
}

/// Sends a request whose body comes an octet at a time, each in time; what is answered, and after how long.
async fn dribbled(world: &World, head: &str) -> (String, Duration) {
    let mut stream = tokio::net::TcpStream::connect(world.gateway.listening.http[0]).await.unwrap();
    let head = format!("POST {head}Host: localhost\r\nContent-Length: 4000\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (step, mut taken, mut answer) = (Duration::from_secs(29), Duration::ZERO, String::new());
    while taken < Duration::from_secs(600) {
        // What was sent is read before the clock moves.
        let heard = tokio::time::timeout(Duration::from_millis(100), stream.read_to_string(&mut answer)).await;
        if heard.is_ok() {
            return (answer, taken);
        }
        later(step).await;
        taken += step;
        let _gone = stream.write_all(b" ").await;
    }
    panic!("it never ends: {answer}");
}

#[tokio::test]
async fn a_request_that_dribbles_in_ends_before_it_outlives_its_rights_for_long() {
    let world = World::start().await;
    let made = world.post("/v1/tokens", serde_json::json!({ "name": "slow", "scopes": ["aliases"] })).await;
    let with = format!("Authorization: Bearer {}\r\n", made["token"].as_str().unwrap());
    for (path, more) in [("/v1/aliases", ""), ("/v1/aliases", "Idempotency-Key: k\r\n"), ("/v1/aliases/import", "")] {
        let head = format!("{path} HTTP/1.1\r\n{with}{more}");
        let (answer, taken) = dribbled(&world, &head).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path} {more}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("connection: close"), "{answer}");
        assert!(taken < Duration::from_secs(120), "{path} {more}: {taken:?}");
    }
    let form = "/sign-in HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let (answer, _) = dribbled(&world, form).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("did not come to its end in time"), "{answer}");
    assert!(answer.contains("<!doctype html>") || answer.contains("<!DOCTYPE html>"), "{answer}");
    world.stop().await;
}

/// The close is seen at once, not after the five minutes that a command has.
#[tokio::test(flavor = "multi_thread")]
async fn tls_without_starttls_is_answered_at_once() {
    let world = World::start().await;
    let mut stream = tokio::net::TcpStream::connect(world.smtp()).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    let mut said = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    ended.expect("the end of the session").unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.lines().nth(1).unwrap().starts_with("421 4.7.0 TLS begins with STARTTLS"), "{said}");
    world.stop().await;
}
