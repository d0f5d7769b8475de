//! Notices end to end: a destination refuses while hours pass, and the owner hears of it in an inbox that works.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use waypost::clock::Clock;
use waypost::demo::inbox::{Behaviour, Delivery, Rule, Stage};
use waypost::upkeep::Pace;

use crate::support::{PATIENCE, World};

pub(crate) const BOSS: &str = "boss@office.example";
pub(crate) const PAUSE: Duration = Duration::from_millis(25);
pub(crate) const MINUTES: Duration = Duration::from_secs(60);

/// A world on whose clock hours pass at a word, with an inbox for the owner that nothing else goes to.
async fn world(clock: &Clock, settings: &[(&str, &str)]) -> World {
    world_with(clock, settings, |_| {}).await
}

/// The same, with what no key says changed.
pub(crate) async fn world_with(
    clock: &Clock,
    settings: &[(&str, &str)],
    change: impl FnOnce(&mut waypost::config::Config),
) -> World {
    let settings = [&[("NOTIFY__TO", BOSS)], settings].concat();
    let world = World::bare_with(&settings, |config, dns| {
        hasten(config, clock);
        dns.mx("office.example", 10, "mx.inbox.example");
        change(config);
    })
    .await;
    world.domain("my.example").await;
    world.destination("@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    world
}

pub(crate) fn hasten(config: &mut waypost::config::Config, clock: &Clock) {
    config.clock = Some(clock.clone());
    config.notices_pace = Pace { first: PAUSE, every: PAUSE };
}

/// Lets time pass until the owner has so many mails; gives their subjects.
pub(crate) async fn told(world: &World, clock: &Clock, (count, step): (usize, Duration)) -> Vec<String> {
    let look = async {
        while subjects(&world.inbox.received()).len() < count {
            clock.advance(step);
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the owner must be told");
    subjects(&world.inbox.received())
}

/// Lets time pass, with a look after each step.
pub(crate) async fn pass(clock: &Clock, (times, step): (u32, Duration)) {
    for _ in 0..times {
        clock.advance(step);
        tokio::time::sleep(PAUSE).await;
    }
}

/// The mails that an address got, each on one line.
pub(crate) fn mails(world: &World, to: &str) -> Vec<String> {
    let all = world.inbox.received();
    let octets = all.into_iter().filter(|delivery| delivery.to == [to]).map(|delivery| delivery.octets);
    octets.map(|octets| String::from_utf8(octets).unwrap().replace("\r\n", " ")).collect()
}

pub(crate) fn subjects(all: &[Delivery]) -> Vec<String> {
    let to_boss = all.iter().filter(|delivery| delivery.to == [BOSS]);
    let mails = to_boss.map(|delivery| String::from_utf8(delivery.octets.clone()).unwrap());
    mails.filter_map(|mail| Some(mail.lines().find_map(|line| line.strip_prefix("Subject: "))?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_refuses_for_an_hour_is_told_once_over_a_restart_and_so_is_its_end() {
    let clock = Clock::hastened();
    let world = world(&clock, &[]).await;
    let refusal = Behaviour::reply("451 4.3.0 not now");
    world.inbox.script(Rule::at(Stage::Rcpt, refusal).to("anna@inbox.example"));
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.until("shop@my.example", "deferred").await;
    let step = 10 * MINUTES;
    assert_eq!(told(&world, &clock, (1, step)).await, ["inbox.example takes no mail"]);
    let mail = world.inbox.received().remove(0);
    assert!(mail.from.ends_with("=my.example=postmaster@my.example"), "what comes back is read: {}", mail.from);

    let world = world.restart_with(|config| hasten(config, &clock)).await;
    let open = world.get("/v1/notices?state=open").await;
    assert_eq!(open["items"].as_array().unwrap().len(), 1, "{open}");
    pass(&clock, (20, step)).await;
    assert_eq!(subjects(&world.inbox.received()).len(), 1, "quiet in between");

    world.inbox.behave();
    world.until("shop@my.example", "forwarded").await;
    let all = told(&world, &clock, (2, step)).await;
    assert_eq!(all, ["inbox.example takes no mail", "Over: inbox.example takes no mail"]);
    // Each has its row, which follows the mail.
    let is_told = |row: &&Value| row["recipient"] == BOSS && row["status"] == "forwarded";
    world.until_rows(|rows| rows.iter().filter(is_told).count() == 2).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_says_it_is_gone_is_told_though_every_sender_hears_so_at_once() {
    let clock = Clock::hastened();
    let world = world(&clock, &[]).await;
    let gone = Behaviour::reply("550 5.1.1 nobody of that name");
    world.inbox.script(Rule::at(Stage::Rcpt, gone).to("anna@inbox.example"));
    assert!(!world.letter("shop@my.example").await.is_accepted());
    let hour = told(&world, &clock, (1, 20 * MINUTES)).await;
    assert_eq!(hour, ["anna@inbox.example takes no mail"]);
    let days = told(&world, &clock, (2, 600 * MINUTES)).await;
    assert_eq!(days[1], "anna@inbox.example has refused its mail for days");
    let kept = world.get("/v1/destinations?search=anna").await;
    assert_eq!(kept["items"].as_array().unwrap().len(), 1, "never removed: {kept}");
    world.stop().await;
}

/// A monitor that answers each request with this status.
async fn monitor(status: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ping?up=1", listener.local_addr().unwrap());
    let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 2048];
            let read = stream.read(&mut request).await.unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if heard.send(String::from_utf8_lossy(&request[..read]).into_owned()).is_err() {
                return;
            }
        }
    });
    (url, hears)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heartbeat_is_called_every_five_minutes_and_never_in_our_own_network_unless_that_is_allowed() {
    let clock = Clock::hastened();
    let (url, mut hears) = monitor("204 No Content").await;
    let world = world(&clock, &[]).await;
    world.patch("/v1/settings", json!({ "notify.heartbeat_url": url })).await;
    for _ in 0..3 {
        let heard = tokio::time::timeout(PATIENCE, hears.recv()).await.unwrap().unwrap();
        assert!(heard.starts_with("GET /ping?up=1 HTTP/1.1\r\n"), "{heard}");
        assert!(hears.try_recv().is_err(), "once in five minutes");
        clock.advance(5 * MINUTES);
    }
    world.stop().await;

    let (url, mut hears) = monitor("200 OK").await;
    let settings = [("NOTIFY__HEARTBEAT_URL", url.as_str()), ("DELIVERY__ALLOW_PRIVATE", "false")];
    let world = self::world(&clock, &settings).await;
    let page = async {
        loop {
            if let Some(beat) = world.gateway.last_heartbeat() {
                return beat;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let beat = tokio::time::timeout(PATIENCE, page).await.unwrap();
    assert!(beat.failure.as_deref().unwrap().ends_with("which is never connected to"), "{beat:?}");
    assert!(hears.try_recv().is_err());
    world.stop().await;
}
