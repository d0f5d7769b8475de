//! The clock of the machine is set a month ahead and a day back, over real sockets: no mail is lost for it, none is given up, and
//! every way back stays open.

use std::time::Duration;

use serde_json::json;
use waypost::clock::Clock;
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::returned::report;
use crate::support::{LETTER, PATIENCE, World};

const ANN: &str = "ann@sender.example";
const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_a_month_ahead_and_a_day_back_costs_no_mail_and_no_way_back() {
    let clock = Clock::manual(Clock::system().now());
    let world = World::bare_with(&[], |config, dns| {
        config.clock = Some(clock.clone());
        dns.mx("sender.example", 10, "mx.inbox.example");
    })
    .await;
    world.domain("my.example").await;
    world.destination("@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    world.alias("later@my.example", &["busy@inbox.example"]).await;
    let seldom =
        json!({ "address": "seldom@my.example", "destinations": ["anna@inbox.example"], "expires_after": "20d" });
    world.post("/v1/aliases", seldom).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")).to("busy@inbox.example"));
    assert!(world.letter("later@my.example").await.is_accepted());
    world.until("later@my.example", "deferred").await;
    let (start, of_today) = (clock.now(), world.forward(ANN, "shop@my.example", LETTER).await);

    clock.set(start.after(30 * DAY));
    for _ in 0..12 {
        clock.advance(MINUTE);
        assert!(world.letter("shop@my.example").await.is_accepted(), "each of them wakes the queue");
    }
    world.until("later@my.example", "deferred").await;
    assert!(world.letter("seldom@my.example").await.is_accepted(), "no day has passed without mail for it");
    let of_ahead = world.forward(ANN, "shop@my.example", LETTER).await;
    world.comes_back(&of_today).await;

    clock.set(start.before(DAY));
    assert!(world.letter("seldom@my.example").await.is_accepted());
    world.comes_back(&of_ahead).await;
    world.inbox.behave();
    let delivered = async {
        while !world
            .rows()
            .await
            .iter()
            .any(|row| row["recipient"] == "later@my.example" && row["status"] == "forwarded")
        {
            clock.advance(MINUTE);
            assert!(world.letter("shop@my.example").await.is_accepted());
        }
    };
    tokio::time::timeout(PATIENCE, delivered).await.expect("what waits is not put off by a month");
    world.stop().await;
}

impl World {
    /// A report on a letter that was sent on finds back to it.
    async fn comes_back(&self, (srs, transaction): &(String, String)) {
        self.give_back(srs, &report(transaction, "anna@inbox.example")).await;
        assert_eq!(self.get("/v1/activity?status=bounced").await["items"][0]["transaction_id"], **transaction);
    }
}
