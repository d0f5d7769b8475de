//! How inboxes fare over real sockets: asked when they come with an alias, flagged in their next hop's words when they
//! refuse, and well again when they take mail.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::clock::Clock;
use waypost::demo::dns::Failure;
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::mail::Moment;
use waypost::upkeep::Pace;

use crate::support::{PATIENCE, World};

const ANNA: &str = "/v1/destinations/anna@inbox.example";

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_comes_with_an_alias_is_asked_by_mail() {
    let world = World::bare(&[("HTTP__PUBLIC_URL", "https://gw.example")]).await;
    world.domain("my.example").await;
    world.alias("shop@my.example", &["new@inbox.example"]).await;
    let asked = world.inbox.wait_for(1).await.remove(0);
    assert_eq!(asked.to, ["new@inbox.example"]);
    assert!(String::from_utf8(asked.octets).unwrap().contains("https://gw.example/verify/"));
    world.until("new@inbox.example", "forwarded").await;
    let seen = world.get("/v1/destinations/new@inbox.example").await;
    assert!(seen["verification"]["reply"].as_str().unwrap().starts_with("250 "), "{seen}");
    world.alias("news@my.example", &["new@inbox.example"]).await;
    assert_eq!(world.rows().await.len(), 1, "it is asked once");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_refuses_is_flagged_in_its_words_until_it_takes_mail() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply("554 5.7.1 this is spam")).times(1));
    assert!(world.letter("shop@my.example").await.last().starts_with("554"));
    assert_eq!(world.get(ANNA).await["failing_since"], Value::Null, "that was the message's fault");

    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 no such person")).times(1));
    assert!(world.letter("shop@my.example").await.last().starts_with("550"));
    let seen = world.get(ANNA).await;
    assert_eq!(seen["failing_reply"], "550 no such person", "{seen}");
    let row = world.get(&format!("/v1/activity/{}", seen["failing_activity_id"].as_str().unwrap())).await;
    assert_eq!((&row["status"], &row["attempts"][0]["fault"]), (&json!("refused"), &json!("mailbox")), "{row:#}");
    let since = seen["failing_since"].clone();
    assert!(since.is_string());

    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 still nobody")).times(1));
    assert!(world.letter("shop@my.example").await.last().starts_with("550"));
    let seen = world.get(ANNA).await;
    assert_eq!((&seen["failing_since"], &seen["failing_reply"]), (&since, &json!("550 still nobody")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let seen = world.get(ANNA).await;
    assert_eq!((&seen["failing_since"], &seen["failing_reply"]), (&Value::Null, &Value::Null), "{seen}");
    world.stop().await;
}

/// Nobody is told no, and nothing arrives: an hour of that is a failure too.
#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_only_puts_off_for_an_hour_is_flagged_until_it_takes_mail() {
    let clock = Clock::hastened();
    let world = World::bare_with(&[], |config, _| config.clock = Some(clock.clone())).await;
    world.domain("my.example").await;
    world.destination("anna@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("451 4.3.2 not now")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.until("shop@my.example", "deferred").await;
    assert_eq!(world.get(ANNA).await["failing_since"], Value::Null, "it may be a matter of minutes");
    clock.advance(Duration::from_secs(3700));
    let flagged = async {
        loop {
            let seen = world.get(ANNA).await;
            if seen["failing_since"].is_string() {
                return seen;
            }
            clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, flagged).await.expect("it must be flagged");
    assert_eq!(seen["failing_reply"], "451 4.3.2 not now", "{seen}");
    let row = world.rows().await.remove(0);
    assert_eq!(seen["failing_activity_id"], row["id"]);
    world.inbox.behave();
    world.until("shop@my.example", "forwarded").await;
    let seen = world.get(ANNA).await;
    assert_eq!((&seen["failing_since"], &seen["failing_reply"]), (&Value::Null, &Value::Null), "{seen}");
    world.stop().await;
}

/// Its owner has mended it, and does not wait for the clock.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_inbox_is_tried_when_its_owner_says_so() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("451 4.3.2 not now")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.until("shop@my.example", "deferred").await;
    world.inbox.behave();
    world.post(&format!("{ANNA}/retry"), Value::Null).await;
    let done = world.until("shop@my.example", "forwarded").await;
    assert_eq!((&done["id"], done["attempts"].as_array().unwrap().len()), (&row["id"], 2), "{done:#}");
    assert_eq!(world.get("/v1/notices").await["items"], json!([]));
    world.stop().await;
}

/// Whoever asks for a try asks for one more: it takes no step of the table, and the waits grow no faster for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_somebody_asked_for_leaves_the_rhythm_as_it_was() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1m,5m,15m,30m,1h,2h,4h")]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("451 4.3.2 not now")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let id = world.until("shop@my.example", "deferred").await["id"].as_str().unwrap().to_owned();
    for asked in 1..=4 {
        let way = if asked % 2 == 0 { format!("{ANNA}/retry") } else { format!("/v1/queue/{id}/retry") };
        world.post(&way, Value::Null).await;
        let tried = |rows: &[Value]| rows[0]["attempts"].as_array().unwrap().len() == 1 + asked;
        world.until_rows(tried).await;
        let row = world.until("shop@my.example", "deferred").await;
        let at = |moment: &Value| Moment::parse_rfc3339(moment.as_str().unwrap()).unwrap();
        let wait = at(&row["next_attempt_at"]).since(at(&row["attempts"][asked]["at"]));
        assert!(wait <= Duration::from_secs(80), "the table's first wait is a minute, and this is {wait:?}");
    }
    world.stop().await;
}

/// The next try of a message, as the queue has it and as its own page.
async fn next_tries(world: &World, id: &Value) -> (Value, Value) {
    let queue = world.get("/v1/queue").await;
    let waiting =
        queue["items"].as_array().unwrap().iter().find(|one| one["id"] == *id).unwrap()["next_attempt_at"].clone();
    let row = world.get(&format!("/v1/activity/{}", id.as_str().unwrap())).await;
    (waiting, row["next_attempt_at"].clone())
}

/// Waits until so many tries of a message have ended.
async fn until_tried(world: &World, id: &Value, tries: usize) {
    let has = |row: &Value| row["id"] == *id && row["attempts"].as_array().unwrap().len() == tries;
    world.until_rows(|rows| rows.iter().any(has)).await;
}

/// Whoever asks for a try means one: the pause of a site that took no mail is over for it, however often it fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_somebody_asks_for_ends_the_pause_of_a_site_that_is_left_alone() {
    let world = World::start_with(&[("DELIVERY__RETRY", "3h")]).await;
    world.inbox.script(Rule::at(Stage::Greeting, Behaviour::reply("421 4.3.2 not now")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let first = world.until("shop@my.example", "deferred").await["id"].clone();
    until_tried(&world, &first, 1).await;
    world.post(&format!("/v1/queue/{}/retry", first.as_str().unwrap()), Value::Null).await;
    until_tried(&world, &first, 2).await;
    world.post(&format!("{ANNA}/retry"), Value::Null).await;
    until_tried(&world, &first, 3).await;
    world.post(&format!("/v1/queue/{}/resend", first.as_str().unwrap()), json!({})).await;
    until_tried(&world, &first, 4).await;

    // It is left alone for as long as at first, and what comes meanwhile waits as well.
    assert!(world.letter("shop@my.example").await.is_accepted());
    let second = world.rows().await.remove(0)["id"].clone();
    let settled = async {
        loop {
            let (queue, log) = next_tries(&world, &second).await;
            let at = queue.as_str().and_then(Moment::parse_rfc3339);
            if at.is_some_and(|at| at > Clock::system().now().after(Duration::from_secs(600))) {
                return (queue, log);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (queue, log) = tokio::time::timeout(PATIENCE, settled).await.expect("it must be left alone");
    assert_eq!(queue, log, "what waits for a site that is left alone has one next try");
    assert_eq!(world.inbox.connections(), 4, "one for each try that was asked for");
    world.inbox.behave();
    world.post(&format!("{ANNA}/retry"), Value::Null).await;
    world.until_rows(|rows| rows.iter().all(|row| row["status"] == "forwarded")).await;
    world.stop().await;
}

/// The notices of inboxes that take no mail.
async fn refusing(world: &World) -> Vec<Value> {
    let all = world.get("/v1/notices").await["items"].as_array().unwrap().clone();
    all.into_iter().filter(|notice| notice["kind"] == "refusing").collect()
}

/// Nothing was lost there yet, and nothing will ever arrive: that need not wait until a message is given up.
#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_whose_domain_takes_no_mail_is_told_of_until_it_does() {
    let pace = Pace { first: Duration::from_millis(25), every: Duration::from_millis(25) };
    let world = World::bare_with(&[], |config, dns| {
        config.records_pace = pace;
        dns.null_mx("null.example");
        dns.fail("broken.example", Failure::ServFail);
        dns.a("bare.example", [127, 0, 0, 1].into());
    })
    .await;
    world.domain("my.example").await;
    for domain in ["gmial.example", "null.example", "broken.example", "bare.example"] {
        world.destination(&format!("me@{domain}")).await;
    }
    world.alias("shop@my.example", &["me@gmial.example"]).await;
    let of = async |domain: &str| world.get(&format!("/v1/destinations/me@{domain}")).await["takes_no_mail"].clone();
    let until = async |domain: &str, stands: bool| {
        let looked = async {
            while of(domain).await.is_object() != stands {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looked).await.expect(domain);
    };
    until("gmial.example", true).await;
    until("null.example", true).await;
    let seen = of("gmial.example").await;
    assert_eq!(seen["what"], "gmial.example takes no mail: the DNS knows no such domain.", "{seen}");
    assert_eq!(of("null.example").await["why"], "null_mx");
    for domain in ["broken.example", "bare.example"] {
        assert_eq!(of(domain).await, Value::Null, "{domain}");
    }
    let told = refusing(&world).await;
    assert_eq!(told.len(), 1, "no alias leads to the others: {told:#?}");
    let (subject, page) = (&told[0]["subject"], &told[0]["page"]);
    assert_eq!((subject, page), (&json!("gmial.example"), &json!("/destinations?q=gmial.example")), "{told:#?}");
    world.dns.fail("gmial.example", Failure::ServFail);
    // They are looked at one after the other: when the one behind it is asked, that one was asked in vain and left as it was.
    let asked_again = async |domain: &str| {
        let before = world.dns.count_of(domain);
        let asked = async {
            while world.dns.count_of(domain) == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect(domain);
    };
    for domain in ["gmial.example", "broken.example"] {
        asked_again(domain).await;
    }
    assert_eq!(of("gmial.example").await["since"], seen["since"], "no answer washes nothing away");
    world.dns.clear("gmial.example");
    world.dns.mx("gmial.example", 10, "mx.inbox.example");
    until("gmial.example", false).await;
    assert_eq!(refusing(&world).await, Vec::<Value>::new());
    world.stop().await;
}

/// All aliases of an inbox lead elsewhere from one moment on, and mail does too.
#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_where_the_new_destination_is() {
    let world = World::start().await;
    world.alias("*@my.example", &["anna@inbox.example"]).await;
    world.destination("ben@inbox.example").await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let done = world.post(&format!("{ANNA}/replace"), json!({ "to": "ben@inbox.example" })).await;
    assert_eq!(done["aliases"], 2, "{done}");
    for alias in ["shop@my.example", "other@my.example"] {
        assert!(world.letter(alias).await.is_accepted());
    }
    let arrived = world.inbox.wait_for(3).await;
    let to: Vec<_> = arrived.iter().map(|letter| letter.to[0].as_str()).collect();
    assert_eq!(to, ["anna@inbox.example", "ben@inbox.example", "ben@inbox.example"]);
    world.stop().await;
}

/// Mail proves it before the clock would ask: who answers for no such domain, or says that it takes none, is believed at once,
/// and so is a delivery that works.
#[tokio::test(flavor = "multi_thread")]
async fn what_mail_proves_of_the_domain_of_an_inbox_is_known_at_once() {
    let world = World::bare_with(&[], |_, dns| {
        dns.null_mx("null.example");
        dns.txt("text.example", "no mail here");
        dns.fail("broken.example", Failure::ServFail);
    })
    .await;
    world.domain("my.example").await;
    for name in ["gmial", "null", "text", "broken"] {
        world.destination(&format!("me@{name}.example")).await;
        world.alias(&format!("{name}@my.example"), &[&format!("me@{name}.example")]).await;
    }
    let of =
        async |name: &str| world.get(&format!("/v1/destinations/me@{name}.example")).await["takes_no_mail"].clone();
    let until = async |name: &str, stands: bool| {
        let learnt = async {
            while of(name).await.is_object() != stands {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, learnt).await.expect(name);
    };
    assert!(world.letter("broken@my.example").await.is_accepted());
    let waits = world.until("broken@my.example", "deferred").await;
    for (name, why) in [("gmial", "no_such_domain"), ("null", "null_mx"), ("text", "no_address")] {
        assert!(world.letter(&format!("{name}@my.example")).await.last().starts_with("55"), "{name}");
        until(name, true).await;
        assert_eq!(of(name).await["why"], why);
    }
    assert_eq!(refusing(&world).await.len(), 3);
    assert_eq!(of("broken").await, Value::Null, "no answer proves nothing");
    world.dns.recover("broken.example");
    world.post(&format!("/v1/queue/{}/retry", waits["id"].as_str().unwrap()), Value::Null).await;
    until("broken", true).await;

    world.dns.clear("null.example");
    world.dns.mx("null.example", 10, "mx.inbox.example");
    assert!(world.letter("null@my.example").await.is_accepted());
    until("null", false).await;
    world.stop().await;
}
