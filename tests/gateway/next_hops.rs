//! Where a destination leads to nobody, to ourselves or into our own network; and one that hangs beside one that does not.

use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::support::{LETTER, World};

/// CONFORMANCE 38: refused while the sender waits, no way round by A, and not a word about whose domain it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_null_mx_is_refused_without_naming_the_domain() {
    let world = World::start().await;
    world.dns.null_mx("silent.example");
    world.dns.a("silent.example", [127, 0, 0, 1].into());
    world.destination("bob@silent.example").await;
    world.alias("bob@my.example", &["bob@silent.example"]).await;
    let last = world.letter("bob@my.example").await.last().to_owned();
    assert!(last.starts_with("550 5.1.10 ") || last.starts_with("556 5.1.10 "), "{last}");
    assert!(!last.contains("silent"), "{last}");
    assert_eq!(world.inbox.connections(), 0);
    assert_eq!(world.row().await["status"], "refused");
    world.stop().await;
}

/// RFC 5321 §5.1: our own name cuts equal and worse exchangers, so that mail never turns round to us.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_name_among_the_exchangers_cuts_the_worse() {
    let world = World::start().await;
    world.dns.mx("ours.example", 10, "gw.example");
    world.dns.mx("ours.example", 20, "mx.inbox.example");
    world.dns.mx("backed.example", 5, "mx.inbox.example");
    world.dns.mx("backed.example", 10, "GW.example");
    for (alias, destination) in [("ours@my.example", "me@ours.example"), ("backed@my.example", "me@backed.example")] {
        world.destination(destination).await;
        world.alias(alias, &[destination]).await;
    }
    let last = world.letter("ours@my.example").await.last().to_owned();
    assert!(last.starts_with("550 5.") && !last.contains("ours.example"), "{last}");
    assert_eq!(world.inbox.connections(), 0);
    assert!(world.letter("backed@my.example").await.is_accepted());
    assert_eq!(world.inbox.wait_for(1).await[0].to, ["me@backed.example"]);
    world.stop().await;
}

/// Threat 9, with the setting as it is in service: nothing connects into the network that we stand in.
#[tokio::test(flavor = "multi_thread")]
async fn a_destination_within_our_own_network_is_refused_and_never_connected_to() {
    let world = World::start_with(&[("DELIVERY__ALLOW_PRIVATE", "false")]).await;
    world.dns.mx("mapped.example", 10, "mx.mapped.example");
    world.dns.aaaa("mx.mapped.example", "::ffff:127.0.0.1".parse().unwrap());
    world.destination("me@mapped.example").await;
    world.destination("me@[127.0.0.1]").await;
    world.alias("mapped@my.example", &["me@mapped.example"]).await;
    world.alias("literal@my.example", &["me@[127.0.0.1]"]).await;
    for to in ["shop@my.example", "mapped@my.example", "literal@my.example"] {
        let last = world.letter(to).await.last().to_owned();
        assert!(last.starts_with("550 5.2.1 "), "{to}: {last}");
        assert!(!last.contains("127.0.0.1") && !last.contains("inbox.example"), "{last}");
        assert_eq!(world.until(to, "refused").await["attempts"].as_array().unwrap().len(), 1);
    }
    assert_eq!(world.inbox.connections(), 0);
    world.stop().await;
}

/// A route that the operator wrote is meant as it is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_may_be_within_our_own_network() {
    let inbox = waypost::demo::inbox::Inbox::start().await.unwrap();
    let relay = format!("smtp://{}", inbox.address());
    let world = World::start_with(&[("DELIVERY__ALLOW_PRIVATE", "false"), ("DELIVERY__RELAY", &relay)]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(inbox.wait_for(1).await[0].to, ["anna@inbox.example"]);
    world.stop().await;
}

/// One inbox has the message and the other hangs: the sender is answered in time, and nobody gets it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_whose_inbox_hangs_delays_no_answer_and_doubles_nothing() {
    let world = World::start_with(&[("SMTP__ANSWER_WITHIN", "2s"), ("DELIVERY__RETRY", "1h")]).await;
    world.alias("slow@my.example", &["bob@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::Hang).to("bob@inbox.example"));
    let answers = world.send("ann@sender.example", &["shop@my.example", "slow@my.example"], LETTER).await;
    assert!(answers.is_accepted(), "{answers:?}");
    world.until("shop@my.example", "forwarded").await;
    world.until("slow@my.example", "queued").await;
    let waiting = world.get("/v1/queue").await;
    assert_eq!(waiting["items"].as_array().unwrap().len(), 1, "{waiting:#}");
    let arrived = world.inbox.received();
    assert_eq!((arrived.len(), &arrived[0].to[..]), (1, &["anna@inbox.example".to_owned()][..]));
    world.stop().await;
}
