//! Direct delivery: octets, envelope, recipients, extensions, and the connections it uses.

use waypost::delivery::{Attempt, Direct};
use waypost::demo::inbox::{Behaviour, Extensions, Rule, Stage};
use waypost::mail::ReversePath;
use waypost::policy::direct::ToQueue;

use crate::world::{CONTENT, World, attempts, next_hop, parcel, parcel_of, sha256, whole, words};

#[tokio::test]
async fn a_message_arrives_octet_by_octet() {
    let world = World::new().await;
    let report = world.send("me@inbox.example").await;
    assert_eq!(words(&report), ["delivered 250"]);
    assert_eq!(attempts(&report), ["mx.inbox.example delivered"]);
    assert_eq!((report.sha256_sent, report.crlf_added), (sha256(CONTENT), false));
    let [got] = world.inbox.received().try_into().unwrap();
    assert_eq!(got.octets, whole(CONTENT));
    assert_eq!((got.from.as_str(), got.helo.as_str()), ("bounce@gw.example", "gw.example"));
    assert_eq!(got.to, ["me@inbox.example"]);
    assert_eq!(got.mail_params, format!("SIZE={}", whole(CONTENT).len()));
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
}

/// CONFORMANCE 49: lines of any length and a last line without CRLF; what was added is said.
#[tokio::test]
async fn large_and_unfinished_messages_arrive() {
    let world = World::new().await;
    let line = [b".".as_slice(), &[b'x'; 5000], b"\r\n"].concat();
    let large = line.repeat(300);
    let report = world.direct(parcel_of(&["me@inbox.example"], &large)).await;
    assert_eq!((words(&report), report.sha256_sent), (vec!["delivered 250".to_owned()], sha256(&large)));
    let report = world.direct(parcel_of(&["me@inbox.example"], b"no end")).await;
    assert!(report.crlf_added);
    assert_eq!(report.sha256_sent, sha256(b"no end\r\n"));
    let got = world.inbox.received();
    assert_eq!(got[0].octets, whole(&large));
    assert_eq!(got[1].octets, whole(b"no end\r\n"));
}

/// CONFORMANCE 47: each recipient keeps its own fate.
#[tokio::test]
async fn each_recipient_has_its_own_fate() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 unknown")).to("b@inbox.example"));
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).to("c@inbox.example"));
    let report = world.direct(parcel(&["a@inbox.example", "b@inbox.example", "c@inbox.example"])).await;
    let expected = ["delivered 250", "refused 550 Mailbox at Recipient", "deferred 450 at Recipient"];
    assert_eq!(words(&report), expected);
    assert_eq!(report.attempts.len(), 3);
    assert_eq!(world.inbox.received()[0].to, ["a@inbox.example"]);
}

/// CONFORMANCE 47 and 37: the rest goes in a new transaction, whether the server counts by 452 or announces it.
#[tokio::test]
async fn the_rest_goes_in_a_new_transaction() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("452 4.5.3 too many")).to("b@inbox.example").times(1));
    let report = world.direct(parcel(&["a@inbox.example", "b@inbox.example"])).await;
    assert_eq!(words(&report), ["delivered 250", "delivered 250"]);
    assert_eq!((world.inbox.received().len(), world.inbox.connections()), (2, 1));

    let world = World::new().await;
    world.inbox.offer(Extensions { others: vec!["LIMITS RCPTMAX=2".to_owned()], ..Extensions::default() });
    let to = ["a@inbox.example", "b@inbox.example", "c@inbox.example"];
    assert_eq!(words(&world.direct(parcel(&to)).await), ["delivered 250"; 3]);
    let got = world.inbox.received().into_iter().map(|delivery| delivery.to.len()).collect::<Vec<_>>();
    assert_eq!(got, [2, 1]);
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_of_1982_gets_its_mail() {
    let world = World::new().await;
    world.inbox.offer(Extensions::none());
    world.inbox.script(Rule::at(Stage::Ehlo, Behaviour::reply("500 what?")).times(1));
    let report =
        world.direct(parcel_of(&["a@inbox.example", "b@inbox.example"], "Subject: ä\r\n\r\n".as_bytes())).await;
    assert_eq!(words(&report), ["delivered 250", "delivered 250"]);
    // CONFORMANCE 31: 8-bit octets go as they are to a server without 8BITMIME.
    assert_eq!(world.inbox.received()[0].octets, whole("Subject: ä\r\n\r\n".as_bytes()));
    assert_eq!(world.inbox.received()[0].mail_params, "");
}

#[tokio::test]
async fn eight_bit_octets_are_declared_where_that_is_offered() {
    let world = World::new().await;
    world.direct(parcel_of(&["a@inbox.example"], "Subject: ä\r\n\r\n".as_bytes())).await;
    assert!(world.inbox.received()[0].mail_params.ends_with(" BODY=8BITMIME"));
}

/// CONFORMANCE 32: SMTPUTF8 is passed on, or the message is refused for what it is without being sent.
#[tokio::test]
async fn international_mail_needs_an_international_server() {
    let world = World::new().await;
    let international = || {
        let mut parcel = parcel(&["a@inbox.example", "ä@inbox.example"]);
        parcel.reverse_path = ReversePath::parse("bounce@gw.example").unwrap();
        parcel
    };
    assert_eq!(words(&world.direct(international()).await), ["delivered 250", "delivered 250"]);
    assert!(world.inbox.received()[0].mail_params.ends_with(" SMTPUTF8"));

    let world = World::new().await;
    world.inbox.offer(Extensions { smtp_utf8: false, ..Extensions::default() });
    let report = world.direct(international()).await;
    assert_eq!(words(&report), ["delivered 250", "refused 553 Message at Hello"]);
    assert_eq!(world.inbox.received()[0].to, ["a@inbox.example"]);
}

/// RFC 1870 §6: a message over the server's limit is not even tried.
#[tokio::test]
async fn a_message_over_the_servers_size_is_refused() {
    let world = World::new().await;
    world.inbox.offer(Extensions { size: Some(20), ..Extensions::default() });
    let report = world.send("me@inbox.example").await;
    assert_eq!(words(&report), ["refused 552 Message at Hello"]);
    let said = &report.attempts[0].1.reply;
    assert!(said.starts_with("not offered: the message has ") && said.ends_with("takes 20"), "nobody said it: {said}");
    assert!(world.inbox.commands().iter().all(|(_, line)| !line.starts_with("MAIL")));
}

#[tokio::test]
async fn connections_are_reused_up_to_the_limit() {
    let world = World::with(|wishes| wishes.settings.messages_per_connection = 2).await;
    for _ in 0..5 {
        assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
    }
    let used = world.inbox.received().into_iter().map(|delivery| delivery.connection).collect::<Vec<_>>();
    assert_eq!(used, [1, 1, 2, 2, 3]);
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refusal_leaves_the_connection_usable() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 unknown")).to("no@inbox.example"));
    assert_eq!(words(&world.send("no@inbox.example").await), ["refused 550 Mailbox at Recipient"]);
    assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
    assert_eq!(world.inbox.connections(), 1);
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
}

/// DESIGN section 4: a reused connection that fails before our dot is replaced once and blames nobody.
#[tokio::test]
async fn a_warm_connection_that_fails_is_replaced() {
    for (stage, behaviour) in [
        (Stage::Mail, Behaviour::Drop),
        (Stage::Mail, Behaviour::reply("421 4.4.2 idle too long")),
        (Stage::Rcpt, Behaviour::Garbage(b"%&!\r\n".to_vec())),
        (Stage::Data, Behaviour::Drop),
    ] {
        let world = World::new().await;
        assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
        world.inbox.script(Rule::at(stage, behaviour).on_connection(1));
        let report = world.send("me@inbox.example").await;
        assert_eq!(words(&report), ["delivered 250"]);
        assert_eq!(attempts(&report), ["mx.inbox.example delivered"], "nobody is blamed");
        assert_eq!(world.inbox.connections(), 2);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let world = World::with(|wishes| wishes.settings.timeouts.idle = std::time::Duration::from_millis(50)).await;
    world.send("me@inbox.example").await;
    assert!(world.inbox.wait_until_left().await);
    assert_eq!(world.inbox.commands().last().map(|(_, line)| line.as_str()), Some("QUIT"));
}

/// Dropping an attempt before `sent` closes its connection: the next hop has not got the message, nor does another
/// message ever follow on the same connection.
#[tokio::test]
async fn an_attempt_that_is_dropped_closes_its_connection() {
    let world = World::new().await;
    world.inbox.script(Rule::at(Stage::Data, Behaviour::Hang).times(1));
    let Direct::Trying(attempt) = world.courier.direct(&world.lanes(), parcel(&["me@inbox.example"])).await else {
        panic!("not tried")
    };
    let Attempt { mut run, sent, .. } = attempt;
    tokio::select! {
        _ = &mut run => panic!("it hangs"),
        _ = world.inbox.wait_for_connections(1) => {}
    }
    assert!(!sent.load(std::sync::atomic::Ordering::SeqCst));
    drop(run);
    assert!(world.inbox.wait_until_left().await);
    world.inbox.behave();
    assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
    assert_eq!((world.inbox.received().len(), world.inbox.connections()), (1, 2));
}

#[tokio::test]
async fn what_the_site_has_no_room_for_goes_to_the_queue() {
    let world = World::with(|wishes| {
        wishes.settings.connections_per_site = 1;
        wishes.instance.direct_max_bytes = 1000;
    })
    .await;
    let Direct::Trying(first) = world.courier.direct(&world.lanes(), parcel(&["me@inbox.example"])).await else {
        panic!("not tried")
    };
    let second = world.courier.direct(&world.lanes(), parcel(&["me@inbox.example"])).await;
    assert!(matches!(second, Direct::Queue(ToQueue::Busy)), "{second:?}");
    drop(first);
    let large = world.courier.direct(&world.lanes(), parcel_of(&["me@inbox.example"], &[b'x'; 2000])).await;
    assert!(matches!(large, Direct::Queue(ToQueue::TooLarge)), "{large:?}");
    assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
}

/// Anything before RCPT speaks of the site: for a while nothing is tried directly there, and elsewhere it is.
#[tokio::test]
async fn a_site_that_defers_keeps_new_mail_in_the_queue() {
    let world = World::new().await;
    world.dns.a("other.example", std::net::Ipv4Addr::new(127, 0, 0, 2));
    let other = world.inbox_at(2).await;
    world.inbox.script(Rule::at(Stage::Mail, Behaviour::reply("451 4.7.1 not you")).times(1));
    assert_eq!(words(&world.send("me@inbox.example").await), ["deferred 451 at Mail of the site"]);
    let next = world.courier.direct(&world.lanes(), parcel(&["me@inbox.example"])).await;
    assert!(matches!(next, Direct::Queue(ToQueue::BackingOff)), "{next:?}");
    assert_eq!(words(&world.send("me@other.example").await), ["delivered 250"]);
    assert_eq!(other.received().len(), 1);
}

#[tokio::test]
async fn a_relay_takes_all_and_a_route_its_domain() {
    let world = World::with(|wishes| {
        wishes.settings.allow_private = false;
    })
    .await;
    let hop = next_hop(&world.inbox);
    let relayed = World::with(|wishes| {
        wishes.settings.relay = Some(hop.clone());
        wishes.settings.allow_private = false;
    })
    .await;
    assert_eq!(words(&relayed.send("me@nowhere.example").await), ["delivered 250"]);
    let routed = World::with(|wishes| {
        wishes.settings.routes = [(crate::world::domain("corp.example"), hop)].into();
        wishes.settings.allow_private = false;
    })
    .await;
    assert_eq!(words(&routed.send("me@corp.example").await), ["delivered 250"]);
    assert_eq!(world.inbox.received().len(), 2);
    assert_eq!(routed.dns.count_of("corp.example"), 0, "never looked up by MX");
}

/// Behind a translation of addresses the machine has none of those that it is known by. Mail leaves by what it has.
#[tokio::test]
async fn mail_leaves_by_no_address_that_the_machine_does_not_have() {
    let known_by = [192, 0, 2, 1].into();
    for sources in [vec![known_by], vec![known_by, [127, 0, 0, 8].into()]] {
        let world = World::with(|wishes| wishes.settings.source_addresses = sources).await;
        assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
    }
}
