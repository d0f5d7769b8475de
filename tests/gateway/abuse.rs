//! Clients that guess, that send what nobody takes, or that do not wait for our greeting.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::demo::sender::Sender;
use waypost::policy::guessing::MAX_DIFFERENT;
use waypost::policy::spam::MAX_REFUSALS;

use crate::support::{LETTER, PATIENCE, World};

const METRICS: (&str, &str) = ("HTTP__METRICS_LISTEN", "127.0.0.1:0");
const PROXIES: (&str, &str) = ("SMTP__PROXY_PROTOCOL_FROM", "127.0.0.1");

/// Waits until a counter stands at `wanted`.
async fn until_counted(world: &World, counter: &str, wanted: u64) {
    let line = format!("\nwaypost_{counter} {wanted}\n");
    let look = async {
        loop {
            let mut stream = TcpStream::connect(world.gateway.listening.metrics[0]).await.unwrap();
            stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            if text.contains(&line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{counter} never became {wanted}"));
}

async fn neighbour(world: &World) -> Sender {
    let mut sender = Sender::open(world.smtp(), Some("127.0.0.2:0".parse().unwrap())).await.unwrap();
    sender.command("EHLO neighbour.example").await.unwrap();
    sender
}

/// Threat 14: a dictionary meets a catch-all that takes everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_dictionary_attack_closes_the_catch_all_for_that_client_only() {
    let world = World::start().await;
    let body = json!({ "catch_all": "forward", "catch_all_destinations": ["anna@inbox.example"] });
    world.patch("/v1/domains/my.example", body).await;
    let mut guesser = world.sender().await;
    guesser.command("MAIL FROM:<eve@guesser.example>").await.unwrap();
    for guess in 0..MAX_DIFFERENT {
        let reply = guesser.command(&format!("RCPT TO:<guess{guess}@my.example>")).await.unwrap();
        assert!(reply.starts_with("250 "), "{guess}: {reply}");
    }
    let refused = guesser.command("RCPT TO:<another@my.example>").await.unwrap();
    assert_eq!(refused, "450 4.7.1 Too many unknown recipients from your address, try again later");
    let row = world.until("another@my.example", "refused_temporarily").await;
    assert_eq!(row["reason"], "This client guesses at addresses: the catch-all is closed to it for a while.");
    let named = guesser.command("RCPT TO:<shop@my.example>").await.unwrap();
    assert!(named.starts_with("250 "), "aliases of their own stay open: {named}");
    let mut other = neighbour(&world).await;
    assert!(other.send("bob@neighbour.example", &["another@my.example"], LETTER).await.unwrap().is_accepted());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_mail_is_refused_as_spam_is_slowed_before_the_next_hop_is_asked_again() {
    let world = World::start().await;
    world.inbox.script(
        Rule::at(Stage::Dot, Behaviour::reply("550 5.7.1 this is spam")).times(usize::try_from(MAX_REFUSALS).unwrap()),
    );
    for _ in 0..MAX_REFUSALS {
        assert!(world.letter("shop@my.example").await.dot.unwrap().starts_with("554 5.7.1 "));
    }
    let slowed = world.letter("shop@my.example").await;
    assert_eq!(slowed.recipients, ["450 4.7.1 Too much of your mail was refused as spam, try again later"]);
    let row = world.until("shop@my.example", "refused_temporarily").await;
    assert!(row["reason"].as_str().unwrap().contains("5 messages refused by next hops"), "{row:#}");
    let heard = world.inbox.commands().iter().filter(|(_, command)| command.starts_with("MAIL")).count();
    assert_eq!(heard as u64, MAX_REFUSALS, "the next hop was not asked again");
    let mut other = neighbour(&world).await;
    assert!(other.send("bob@neighbour.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
    world.stop().await;
}

/// What is found out behind the sender's back counts like what it was told.
#[tokio::test(flavor = "multi_thread")]
async fn spam_that_next_hops_refuse_from_the_queue_slows_its_client_too() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
    let times = usize::try_from(MAX_REFUSALS).unwrap();
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 later")).times(times));
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply("550 5.7.1 this is spam")).times(times));
    for _ in 0..times {
        assert!(world.letter("shop@my.example").await.is_accepted());
    }
    for item in world.get("/v1/queue").await["items"].as_array().unwrap() {
        world.post(&format!("/v1/queue/{}/retry", item["id"].as_str().unwrap()), json!(null)).await;
    }
    world.until_rows(|rows| rows.iter().all(|row| row["status"] == "failed")).await;
    let slowed = async {
        loop {
            let mut sender = world.sender().await;
            sender.command("MAIL FROM:<ann@sender.example>").await.unwrap();
            if sender.command("RCPT TO:<shop@my.example>").await.unwrap().starts_with("450 4.7.1 ") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, slowed).await.unwrap();
    world.stop().await;
}

/// What a proxy hands over at once behind its header was said before any greeting could be read.
#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_before_the_greeting_is_heard_and_gives_no_mail() {
    let world = World::start_with(&[PROXIES]).await;
    let header = "PROXY TCP4 192.0.2.77 192.0.2.25 4711 25\r\n";
    let early = format!("{header}NOOP\r\n");
    let mut sender = Sender::connect_behind(world.smtp(), early.as_bytes(), "early.example").await.unwrap();
    assert!(sender.reply().await.unwrap().starts_with("250"), "of its EHLO, behind that of its NOOP");
    for to in ["shop@my.example", "unknown@my.example"] {
        let answers = sender.send("ann@sender.example", &[to], LETTER).await.unwrap();
        assert_eq!(answers.recipients, ["550 5.5.1 Protocol error: you spoke before the greeting"]);
    }
    for role in ["postmaster@my.example", "abuse@my.example", "postmaster"] {
        let answers = sender.send("ann@sender.example", &[role], LETTER).await.unwrap();
        assert!(answers.is_accepted(), "RFC 5321 §4.5.1: {role} hears everybody: {answers:?}");
    }
    let row = world.until("shop@my.example", "refused").await;
    assert_eq!(row["reason"], "The client spoke before our greeting, as mail servers never do.");
    let mut patient = Sender::connect_behind(world.smtp(), header.as_bytes(), "patient.example").await.unwrap();
    assert!(patient.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
    world.stop().await;
}

/// A client from the Internet that is not known yet gets its greeting a moment later, so that one which does not listen is
/// heard: what it says comes behind the connection, not with it. Whose mail was taken is greeted at once.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_yet_shows_its_manners_before_the_greeting() {
    let world = World::start_with(&[PROXIES, METRICS]).await;
    let begun = async |client: &str| {
        let mut stream = TcpStream::connect(world.smtp()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let header = format!("PROXY TCP4 {client} 192.0.2.25 4711 25\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        stream
    };
    let mut rude = begun("198.41.0.9").await;
    until_counted(&world, "smtp_greetings_held_total", 1).await;
    rude.write_all(b"HELO rude.example\r\nMAIL FROM:<>\r\nRCPT TO:<shop@my.example>\r\nQUIT\r\n").await.unwrap();
    let mut said = String::new();
    rude.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("\n550 5.5.1 Protocol error: you spoke before the greeting"), "{said}");
    until_counted(&world, "smtp_early_talkers_total", 1).await;

    for (client, held) in [("198.41.0.10", 2), ("198.41.0.10", 2), ("198.41.0.9", 3), ("10.1.2.3", 3)] {
        let header = format!("PROXY TCP4 {client} 192.0.2.25 4711 25\r\n");
        let mut patient = Sender::connect_behind(world.smtp(), header.as_bytes(), "patient.example").await.unwrap();
        assert!(patient.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
        until_counted(&world, "smtp_greetings_held_total", held).await;
    }
    until_counted(&world, "smtp_early_talkers_total", 1).await;
    world.stop().await;
}

/// Threat 14. The stop ends what would be a second of waiting.
#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_on_and_on_waits_for_each_refusal() {
    let world = World::start_with(&[METRICS]).await;
    let mut guesser = world.sender().await;
    guesser.command("MAIL FROM:<eve@guesser.example>").await.unwrap();
    for guess in 0..20 {
        let reply = guesser.command(&format!("RCPT TO:<guess{guess}@my.example>")).await.unwrap();
        assert!(reply.starts_with("550 5.1.1 "), "{guess}: {reply}");
    }
    until_counted(&world, "smtp_held_back_total", 0).await;
    guesser.write(b"RCPT TO:<one-more@my.example>\r\n").await.unwrap();
    until_counted(&world, "smtp_held_back_total", 1).await;
    world.until("one-more@my.example", "refused").await;
    let early = tokio::time::timeout(Duration::from_millis(1), guesser.reply()).await;
    assert!(early.is_err(), "it is held back: {early:?}");
    world.stop().await;
    assert!(guesser.reply().await.unwrap().starts_with("550 5.1.1 "));
}
