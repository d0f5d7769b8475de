//! Where a destination leads to nobody, to ourselves or into our own network; and one that hangs beside one that does not.

use waypost::demo::dns::Failure;
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

fn numbered(number: usize) -> Vec<u8> {
    format!("From: Ann <ann@sender.example>\r\nSubject: number {number}\r\n\r\nHello.\r\n").into_bytes()
}

/// CONFORMANCE 41: name servers that come and go while mail flows cost none of it, and nobody is told a failure. What they
/// say again counts at the next try.
#[tokio::test(flavor = "multi_thread")]
async fn a_dns_that_flaps_loses_no_mail_and_bounces_none() {
    let world = World::start_with(&[("DNS__TIMEOUT", "1s")]).await;
    world.dns.mx("sender.example", 10, "mx.inbox.example");
    let failures = [Failure::ServFail, Failure::Timeout, Failure::Refused, Failure::Garbage];
    let names = ["inbox.example", "mx.inbox.example"];
    let turns = failures.into_iter().zip(names.into_iter().cycle());
    let mut sent = Vec::new();
    for (failure, name) in turns {
        for is_down in [true, false] {
            if is_down {
                world.dns.fail(name, failure);
            } else {
                world.dns.recover(name);
            }
            sent.push(numbered(sent.len()));
            let answers = world.send("ann@sender.example", &["shop@my.example"], sent.last().unwrap()).await;
            assert!(answers.is_accepted(), "{failure:?} of {name}: {answers:?}");
        }
    }
    world.until_rows(|rows| rows.iter().all(|row| row["status"] == "forwarded")).await;
    world.until_queue_is_empty().await;
    let mut arrived: Vec<_> = world.inbox.received().iter().map(|got| subject(&got.octets)).collect();
    arrived.sort();
    assert_eq!(arrived, sent.iter().map(|octets| subject(octets)).collect::<Vec<_>>(), "each once, and no report");
    world.stop().await;
}

fn subject(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.lines().find(|line| line.starts_with("Subject: ")).unwrap().to_owned()
}

/// CONFORMANCE 41: that there is no such domain is an answer: what waited for one that is no more is reported.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_domain_that_is_no_more_is_reported() {
    let world = World::start().await;
    world.dns.mx("sender.example", 10, "mx.inbox.example");
    world.destination("me@brief.example").await;
    world.alias("brief@my.example", &["me@brief.example"]).await;
    world.dns.fail("brief.example", Failure::ServFail);
    assert!(world.letter("brief@my.example").await.is_accepted());
    world.until("brief@my.example", "deferred").await;
    world.dns.recover("brief.example");
    let row = world.until("brief@my.example", "failed").await;
    assert!(row["reason"].as_str().unwrap().contains("does not exist"), "{row:#}");
    let report = &world.inbox.wait_for(1).await[0];
    assert_eq!((report.from.as_str(), &report.to[..]), ("", &["ann@sender.example".to_owned()][..]));
    let text = String::from_utf8_lossy(&report.octets);
    assert!(text.contains("Action: failed\r\n") && !text.contains("brief.example"), "{text}");
    world.stop().await;
}

/// A report to a sender whose mail comes to this very gateway would turn round: nobody is said to be told, and the owner
/// keeps the message.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_to_whom_there_is_no_way_is_not_said_to_be_told() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1s")]).await;
    world.dns.mx("my.example", 10, "gw.example");
    world.dns.txt("my.example", "v=spf1 ip4:127.0.0.1 -all");
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).times(1));
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone")));
    let letter = String::from_utf8_lossy(LETTER).replace("sender.example", "my.example").into_bytes();
    assert!(world.send("ann@my.example", &["shop@my.example"], &letter).await.is_accepted());
    world.until("shop@my.example", "failed").await;
    world.until_all_is_sent().await;
    let row = world.row().await;
    assert_eq!(row["dsn"]["dsn"], "suppressed", "{row:#}");
    let kept = world.get("/v1/queue").await;
    assert_eq!((kept["items"].as_array().unwrap().len(), &kept["items"][0]["state"]), (1, &"kept".into()), "{kept:#}");
    world.stop().await;
}
