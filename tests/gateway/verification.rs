//! An inbox is asked by mail, says yes by a button, and gets its mail from then on.

use serde_json::{Value, json};
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::https::plain;
use crate::support::World;

const LINKED: [(&str, &str); 1] = [("HTTP__PUBLIC_URL", "https://gw.example")];

async fn world_that_asks() -> World {
    let world = World::bare(&LINKED).await;
    world.domain("my.example").await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_says_yes_gets_its_mail_from_then_on() {
    let world = world_that_asks().await;
    world.post("/v1/destinations", json!({ "address": "new@inbox.example" })).await;
    world.alias("shop@my.example", &["new@inbox.example"]).await;
    let asked = world.inbox.wait_for(1).await.remove(0);
    assert!(asked.from.ends_with("=my.example=postmaster@my.example"), "what comes back is read: {}", asked.from);
    assert_eq!(asked.to, ["new@inbox.example"]);
    let mail = String::from_utf8(asked.octets).unwrap();
    assert!(
        mail.contains("\r\nAuto-Submitted: auto-generated\r\n") && mail.contains("\r\nTo: <new@inbox.example>\r\n")
    );
    let path = mail.lines().find_map(|line| line.strip_prefix("https://gw.example")).unwrap().to_owned();
    let row = world.until("new@inbox.example", "forwarded").await;
    let seen = world.get("/v1/destinations/new@inbox.example").await;
    assert_eq!(seen["verification"]["status"], "forwarded", "{seen}");
    assert_eq!(seen["verification"]["activity_id"], row["id"]);
    assert!(seen["verification"]["reply"].as_str().unwrap().starts_with("250 "), "{seen}");

    let http = world.gateway.listening.http[0];
    assert!(plain(http, &format!("GET {path}"), "").await.contains("Yes, deliver mail here"));
    assert!(!world.letter("shop@my.example").await.is_accepted(), "looking verifies nothing");
    let button = "Sec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n";
    assert!(plain(http, &format!("POST {path}"), button).await.contains("This inbox is verified"));
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.wait_for(2).await[1].to, ["new@inbox.example"]);
    let words = "select count(*) from audit where action = 'destination.verify' and actor = 'verification link'";
    assert_eq!(world.count("waypost.db", words).await, 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_remote_says_to_the_mail_is_shown() {
    let world = world_that_asks().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 nobody of that name")));
    world.post("/v1/destinations", json!({ "address": "gone@inbox.example" })).await;
    world.until("gone@inbox.example", "failed").await;
    let seen = world.get("/v1/destinations/gone@inbox.example").await;
    assert_eq!(seen["verification"]["status"], "failed", "{seen}");
    assert!(seen["verification"]["reply"].as_str().unwrap().contains("nobody of that name"), "{seen}");
    assert_eq!(seen["verified_at"], Value::Null);
    world.until_queue_is_empty().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_s_own_mail_is_in_the_log_and_in_no_counter() {
    let world = world_that_asks().await;
    world.post("/v1/destinations", json!({ "address": "new@inbox.example" })).await;
    world.until("new@inbox.example", "forwarded").await;
    let own = world.get("/v1/activity?own=true").await;
    assert_eq!((own["items"].as_array().unwrap().len(), &own["items"][0]["own"]), (1, &json!("verification")), "{own}");
    assert_eq!(world.get("/v1/activity?own=true&status=failed").await["items"], json!([]));
    assert_eq!(world.get("/v1/activity?own=false").await["items"], json!([]));
    assert_eq!(world.get("/v1/stats").await["series"], json!([]), "it did not come in");

    world.destination("@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let rest = world.get("/v1/activity?own=false").await;
    assert_eq!((&rest["items"][0]["status"], &rest["items"][0]["own"]), (&json!("forwarded"), &Value::Null), "{rest}");
    assert_eq!(world.get("/v1/activity").await["items"].as_array().unwrap().len(), 2, "the log shows everything");
    for by in ["status", "site", "domain"] {
        let counted = world.get(&format!("/v1/stats?by={by}")).await;
        let series = counted["series"].as_array().unwrap();
        assert_eq!((series.len(), &series[0]["total"]), (1, &json!(1)), "{counted}");
    }
    world.stop().await;
}
