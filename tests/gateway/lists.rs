//! DNS lists, asked about clients and senders by a gateway on real sockets: who is refused, who is let in all the same,
//! and that a list which does not answer, or may not be asked, keeps nobody out.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::auth::{self, Authenticator};
use waypost::clock::Clock;
use waypost::demo::dns::{Dns, Failure};
use waypost::facts::Lists;
use waypost::net::resolver;
use waypost::policy::lists::{DnsList, Verdict};

use crate::support::{LETTER, World};

/// 127.0.0.1 on a list.
const US: &str = "1.0.0.127.zen.example";
const LISTED: &str = "550 5.7.1 Your address is on the list zen.example";

async fn world() -> World {
    World::start_with(&[("POLICY__DNS_LISTS", "zen.example, domain:dbl.example")]).await
}

async fn newest(world: &World) -> Value {
    let rows = world.rows().await;
    world.get(&format!("/v1/activity/{}", rows[0]["id"].as_str().unwrap())).await
}

/// The verdicts and details of the lists in the trace of a row.
fn steps(row: &Value) -> Vec<(&str, &str)> {
    let steps = row["trace"].as_array().unwrap().iter().filter(|step| step["step"] == "dns list");
    steps.map(|step| (step["verdict"].as_str().unwrap(), step["detail"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_client_is_refused_whatever_it_asks_for() {
    let world = world().await;
    world.dns.a(US, [127, 0, 0, 2].into());
    world.dns.txt(US, "https://zen.example/query/127.0.0.1");
    for to in ["shop@my.example", "unknown@my.example"] {
        assert_eq!(world.letter(to).await.recipients, [LISTED], "{to}");
    }
    let row = newest(&world).await;
    assert_eq!(
        (&row["status"], &row["reason"]),
        (&"refused".into(), &"The client's address is on the DNS list zen.example.".into())
    );
    assert_eq!(
        steps(&row),
        [
            ("listed", "zen.example: https://zen.example/query/127.0.0.1"),
            ("not listed", "domain:dbl.example"),
            ("refused", "zen.example"),
        ]
    );
    assert!(world.letter("postmaster@my.example").await.is_accepted(), "the listed may complain");
    let elsewhere = world.letter("a@elsewhere.example").await;
    assert!(elsewhere.last().starts_with("550 5.7.1 Relaying denied"), "{elsewhere:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allow_entry_overrides_a_list() {
    let world = world().await;
    world.dns.a(US, [127, 0, 0, 2].into());
    world.patch("/v1/aliases/shop@my.example", json!({ "allow": ["@sender.example"] })).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = newest(&world).await;
    assert_eq!(steps(&row)[2].0, "allowed");
    assert_eq!(world.send("eve@other.example", &["shop@my.example"], LETTER).await.recipients, [LISTED]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_sender_domain_is_refused_and_the_null_sender_has_none() {
    let world = world().await;
    world.dns.a("spam.example.dbl.example", [127, 0, 1, 2].into());
    let refused = world.send("eve@spam.example", &["shop@my.example"], LETTER).await;
    assert_eq!(refused.recipients, ["550 5.7.1 The sender's domain is on the list dbl.example"]);
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert!(world.send("", &["shop@my.example"], LETTER).await.is_accepted());
    let asked = json!({ "from": "eve@spam.example", "to": "shop@my.example", "ip": "192.0.2.7" });
    let told = world.post("/v1/route", asked).await;
    assert_eq!(told["disposition"], "reject", "the simulator asks the same lists: {told:#}");
    assert_eq!(world.dns.count_of("7.2.0.192.zen.example"), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_fail_or_may_not_be_asked_list_nobody_and_the_log_says_so() {
    let world = world().await;
    world.dns.a(US, [127, 255, 255, 254].into());
    world.dns.fail("sender.example.dbl.example", Failure::ServFail);
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = newest(&world).await;
    let found = steps(&row);
    assert_eq!(found[0].0, "may not be asked", "{row:#}");
    assert_eq!(found[1].0, "unknown", "{row:#}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_configured_while_it_runs_count_at_once() {
    let world = World::start().await;
    world.dns.a(US, [127, 0, 0, 2].into());
    let mut sender = world.sender().await;
    assert!(sender.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
    assert_eq!(world.dns.count_of(US), 0, "what is not configured costs nothing");
    world.reload_with(&[("POLICY__DNS_LISTS", "zen.example")]).await;
    let answers = sender.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap();
    assert_eq!(answers.recipients, [LISTED]);
    world.stop().await;
}

/// A list is not asked more than it must be.
#[tokio::test]
async fn what_lists_say_is_kept_and_who_does_not_answer_is_left_alone() {
    let dns = Dns::start().await.unwrap();
    let settings = auth::Settings { servers: vec![dns.address()], timeout: Duration::from_secs(2) };
    let resolver = Authenticator::new(&settings).unwrap().resolver();
    let lists = Lists::new(resolver::Dns::new(resolver, settings.timeout), Clock::system());
    let zones = ["zen.example", "closed.example", "silent.example", "parked.example"];
    let configured: Vec<_> = zones.iter().map(|zone| DnsList::parse(zone).unwrap()).collect();
    dns.set_ttl(60);
    dns.a("1.2.0.192.zen.example", [127, 0, 0, 4].into());
    dns.a("1.2.0.192.closed.example", [127, 255, 255, 252].into());
    dns.fail("1.2.0.192.silent.example", Failure::Timeout);
    dns.a("1.2.0.192.parked.example", [203, 0, 113, 80].into());
    for _ in 0..2 {
        let found = lists.about_client(&configured, [192, 0, 2, 1].into()).await;
        let verdicts: Vec<_> = found.iter().map(|finding| &finding.verdict).collect();
        assert!(
            matches!(
                verdicts[..],
                [Verdict::Listed(None), Verdict::MayNotAsk, Verdict::Unknown(_), Verdict::Unknown(_)]
            ),
            "{verdicts:?}"
        );
    }
    let asked =
        |zone: &str| dns.queries().iter().filter(|asked| asked.name.ends_with(zone) && asked.kind == "A").count();
    assert_eq!((asked("zen.example"), asked("closed.example"), asked("parked.example")), (1, 1, 1));
}
