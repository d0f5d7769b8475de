//! What the log says a client is called: by DNS, where the name leads back to the client; asked behind every reply.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use tokio::time::Instant;
use tower::ServiceExt as _;
use waypost::demo::dns::{Failure, reverse_name};
use waypost::demo::sender::{Answers, Sender};

use crate::support::{LETTER, PATIENCE, World};

/// Resolvers have a name of their own for loopback addresses (RFC 6761 §6.3).
const PROXIES: (&str, &str) = ("SMTP__PROXY_PROTOCOL_FROM", "127.0.0.1");
const CLIENT: [u8; 4] = [192, 0, 2, 77];

async fn letter(world: &World, to: &str) -> Answers {
    let header = b"PROXY TCP4 192.0.2.77 192.0.2.25 4711 25\r\n";
    let mut sender = Sender::connect_behind(world.smtp(), header, "mail.sender.example").await.unwrap();
    sender.send("ann@sender.example", &[to], LETTER).await.unwrap()
}

/// Sends letters until the log has a name for their client.
async fn named(world: &World) -> String {
    let look = async {
        loop {
            assert!(letter(world, "shop@my.example").await.is_accepted());
            if let Some(name) = world.rows().await[0]["client"]["name"].as_str() {
                return name.to_owned();
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the client must get its name")
}

async fn table(world: &World) -> String {
    let request = Request::get("/v1/activity/export?format=csv").body(Body::empty()).unwrap();
    let answer = world.gateway.control().oneshot(request).await.unwrap();
    let octets = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(octets.to_vec()).unwrap()
}

/// RFC 8601 §3 (`iprev`): anybody may have any name stand at the reverse name of an address.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_called_by_the_name_that_leads_back_to_it() {
    let world = World::start_with(&[PROXIES]).await;
    for (name, address) in [("liar.example", [192, 0, 2, 9]), ("Mail.Sender.example", CLIENT)] {
        world.dns.ptr(CLIENT.into(), name);
        world.dns.a(name, address.into());
    }
    assert_eq!(named(&world).await, "mail.sender.example");
    assert!(world.dns.count_of("liar.example") > 0);
    assert!(table(&world).await.contains(",192.0.2.77,mail.sender.example,"), "{}", table(&world).await);
    let asked = world.dns.count_of(&reverse_name(CLIENT.into()));
    for to in ["shop@my.example", "unknown@my.example"] {
        letter(&world, to).await;
        assert_eq!(world.rows().await[0]["client"]["name"], "mail.sender.example", "{to}");
    }
    assert_eq!(world.dns.count_of(&reverse_name(CLIENT.into())), asked, "what was asked a moment ago is known");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_dns_does_not_tell_delays_no_answer() {
    let world = World::start_with(&[PROXIES, ("DNS__TIMEOUT", "20s")]).await;
    let reverse = reverse_name(CLIENT.into());
    world.dns.fail(&reverse, Failure::Timeout);
    let began = Instant::now();
    assert!(letter(&world, "shop@my.example").await.is_accepted());
    assert!(began.elapsed() < Duration::from_secs(4), "as long as is asked: {:?}", began.elapsed());
    assert_eq!(world.dns.count_of(&reverse), 1);
    assert_eq!(world.row().await["client"]["name"], serde_json::Value::Null);
    world.stop().await;
}
