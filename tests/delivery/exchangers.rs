//! Which hosts are asked: MX, addresses, loops, and what DNS does wrong (CONFORMANCE 38, 40, 41).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use waypost::delivery::NextHop;
use waypost::demo::dns::Failure;
use waypost::demo::inbox::{Behaviour, MAX_WAIT, Rule, Stage};

use crate::world::{World, attempts, domain, words};

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

#[tokio::test]
async fn the_preferred_host_is_asked_first_and_the_next_when_it_fails() {
    for behaviour in [
        Behaviour::reply("554 5.3.2 not here"),
        Behaviour::reply("421 4.3.2 closing"),
        Behaviour::Drop,
        Behaviour::Garbage(b"\0\0garbage\r\n".to_vec()),
    ] {
        let world = World::new().await;
        let backup = world.inbox_at(2).await;
        world.dns.mx("two.example", 20, "mx2.two.example");
        world.dns.mx("two.example", 10, "mx1.two.example");
        world.dns.a("mx1.two.example", at(1));
        world.dns.a("mx2.two.example", at(2));
        world.inbox.script(Rule::at(Stage::Greeting, behaviour));
        let report = world.send("me@two.example").await;
        assert_eq!(words(&report), ["delivered 250"]);
        assert_eq!(attempts(&report), ["mx1.two.example deferred", "mx2.two.example delivered"]);
        assert_eq!(backup.received().len(), 1);
    }
}

/// CONFORMANCE 45: 5yz to EHLO and HELO, and 421 anywhere before the dot, leave the host.
#[tokio::test]
async fn a_session_that_is_refused_goes_to_the_next_host() {
    for (stage, reply) in
        [(Stage::Ehlo, "550 no"), (Stage::Mail, "421 no"), (Stage::Rcpt, "421 no"), (Stage::Data, "421 no")]
    {
        let world = World::new().await;
        let backup = world.inbox_at(2).await;
        world.dns.mx("two.example", 20, "mx2.two.example");
        world.dns.mx("two.example", 10, "mx1.two.example");
        world.dns.a("mx1.two.example", at(1));
        world.dns.a("mx2.two.example", at(2));
        world.inbox.script(Rule::at(stage, Behaviour::reply(reply)));
        assert_eq!(words(&world.send("me@two.example").await), ["delivered 250"], "{stage:?}");
        assert_eq!(backup.received().len(), 1);
    }
}

#[tokio::test]
async fn equal_preferences_share_the_mail() {
    let world = World::with(|wishes| wishes.settings.messages_per_connection = 1).await;
    let other = world.inbox_at(2).await;
    for (host, last) in [("a.even.example", 1), ("b.even.example", 2)] {
        world.dns.mx("even.example", 10, host);
        world.dns.a(host, at(last));
    }
    for _ in 0..40 {
        world.send("me@even.example").await;
    }
    let (first, second) = (world.inbox.received().len(), other.received().len());
    assert_eq!(first + second, 40);
    assert!(first > 5 && second > 5, "{first} and {second}");
}

#[tokio::test]
async fn every_address_of_a_host_is_tried_with_ipv6_first() {
    let world = World::new().await;
    world.dns.mx("many.example", 10, "mx.many.example");
    // Nobody listens at these; the last one is the inbox.
    world.dns.aaaa("mx.many.example", Ipv6Addr::LOCALHOST);
    world.dns.a("mx.many.example", at(7));
    world.dns.a("mx.many.example", at(1));
    let report = world.send("me@many.example").await;
    assert_eq!(words(&report), ["delivered 250"]);
    let ips = report.attempts.iter().map(|(_, row)| row.ip.unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(ips.first().map(String::as_str), Some("::1"));
    assert_eq!(ips.last().map(String::as_str), Some("127.0.0.1"));
}

/// CONFORMANCE 40: five addresses at most in one attempt.
#[tokio::test]
async fn an_attempt_connects_to_five_addresses_at_most() {
    let world = World::new().await;
    world.dns.mx("dead.example", 10, "mx.dead.example");
    (20..30).for_each(|last| world.dns.a("mx.dead.example", at(last)));
    let report = world.send("me@dead.example").await;
    assert_eq!(words(&report), ["deferred at Connect of the site"]);
    assert_eq!(report.attempts.len(), 5);
}

#[tokio::test]
async fn without_mx_the_domain_itself_is_the_host() {
    let world = World::new().await;
    world.dns.a("plain.example", at(1));
    assert_eq!(words(&world.send("me@plain.example").await), ["delivered 250"]);
    world.dns.cname("alias.example", "inbox.example");
    assert_eq!(words(&world.send("me@alias.example").await), ["delivered 250"]);
    world.dns.mx("named.example", 10, "cname.named.example");
    world.dns.cname("cname.named.example", "mx.inbox.example");
    assert_eq!(words(&world.send("me@named.example").await), ["delivered 250"]);
}

#[tokio::test]
async fn an_address_literal_is_its_own_host() {
    let world = World::new().await;
    assert_eq!(words(&world.send("me@[127.0.0.1]").await), ["delivered 250"]);
    assert_eq!(world.dns.queries(), []);
}

#[tokio::test]
async fn what_dns_says_for_good_refuses() {
    let world = World::new().await;
    world.dns.null_mx("null.example");
    world.dns.txt("bare.example", "no address");
    world.dns.mx("loop.example", 10, "gw.example");
    world.dns.mx("loop.example", 20, "mx.inbox.example");
    for (to, expected) in [
        ("me@unknown.example", "refused 550 Mailbox at Resolve"),
        ("me@null.example", "refused 556 Mailbox at Resolve"),
        ("me@bare.example", "refused 550 Mailbox at Resolve"),
        ("me@loop.example", "refused 554 Mailbox at Resolve"),
    ] {
        assert_eq!(words(&world.send(to).await), [expected], "{to}");
    }
    assert_eq!(world.inbox.connections(), 0);
}

/// CONFORMANCE 41: a failure is no answer; it may hide MX records, so the domain's addresses do not count.
#[tokio::test]
async fn what_dns_does_not_say_defers() {
    for failure in [Failure::ServFail, Failure::Refused, Failure::Garbage, Failure::WrongId, Failure::Timeout] {
        let world = World::with(|wishes| wishes.dns_timeout = Duration::from_millis(300)).await;
        world.dns.a("broken.example", at(1));
        world.dns.fail("broken.example", failure);
        let report = tokio::time::timeout(MAX_WAIT, world.send("me@broken.example")).await.unwrap();
        assert_eq!(words(&report), ["deferred at Resolve of the site"], "{failure:?}");
        assert_eq!(world.inbox.connections(), 0);
    }
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_by_tcp() {
    let world = World::new().await;
    world.dns.fail("inbox.example", Failure::Truncate);
    assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
}

/// Threat 9: a destination must not lead into the network that we stand in.
#[tokio::test]
async fn private_addresses_are_never_connected_to() {
    let world = World::with(|wishes| wishes.settings.allow_private = false).await;
    world.dns.mx("mapped.example", 10, "mx.mapped.example");
    world.dns.aaaa("mx.mapped.example", "::ffff:127.0.0.1".parse().unwrap());
    for to in ["me@inbox.example", "me@[127.0.0.1]", "me@[IPv6:::1]", "me@mapped.example"] {
        assert_eq!(words(&world.send(to).await), ["refused 550 Mailbox at Connect"], "{to}");
    }
    assert_eq!(world.inbox.connections(), 0);
}

/// Nor is a connection used that a route of the operator has opened there.
#[tokio::test]
async fn a_connection_that_a_route_has_opened_serves_nobody_else() {
    let world = World::with(|wishes| {
        let host = waypost::mail::Host::parse("mx.inbox.example").unwrap();
        let hop = NextHop { host, port: wishes.settings.port, implicit_tls: false };
        wishes.settings.routes = [(domain("corp.example"), hop)].into();
        wishes.settings.allow_private = false;
    })
    .await;
    assert_eq!(words(&world.send("me@corp.example").await), ["delivered 250"]);
    assert_eq!(words(&world.send("me@inbox.example").await), ["refused 550 Mailbox at Connect"]);
    assert_eq!(words(&world.send("me@corp.example").await), ["delivered 250"]);
    assert_eq!(world.inbox.connections(), 1);
}

/// Of several failures the mildest counts: a host that may come back outweighs one that is forbidden.
#[tokio::test]
async fn one_forbidden_host_among_others_defers() {
    let world = World::with(|wishes| wishes.settings.allow_private = false).await;
    world.dns.mx("mixed.example", 10, "gone.mixed.example");
    world.dns.mx("mixed.example", 20, "mx.inbox.example");
    assert_eq!(words(&world.send("me@mixed.example").await), ["deferred at Resolve of the site"]);
}

#[tokio::test]
async fn a_busy_destination_costs_no_look_up() {
    let world = World::new().await;
    for _ in 0..10 {
        world.send("me@inbox.example").await;
    }
    assert_eq!(world.dns.count_of("inbox.example"), 1);
}
