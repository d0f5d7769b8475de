//! What a next hop offers beyond the oldest SMTP, and what it gets then: chunks, reports asked for, limits kept.

use waypost::delivery::{Addressee, Parcel};
use waypost::demo::inbox::{Behaviour, Extensions, Rule, Stage};
use waypost::mail::ReversePath;
use waypost::mail::wishes::{Notify, RecipientWishes};
use waypost::policy::settings::TlsPolicy;

use crate::world::{CONTENT, World, mailbox, parcel, parcel_of, sha256, whole, words};

async fn offering(others: &[&str]) -> World {
    let world = World::new().await;
    let others = others.iter().map(|&other| other.to_owned()).collect();
    world.inbox.offer(Extensions { others, ..Extensions::default() });
    world
}

fn heard(world: &World, verb: &str) -> Vec<String> {
    let commands = world.inbox.commands().into_iter().map(|(_, line)| line);
    commands.filter(|line| line.starts_with(verb)).collect()
}

/// RFC 3030: one chunk with exactly the octets, dots and a missing last CRLF included.
#[tokio::test]
async fn a_next_hop_that_takes_chunks_gets_the_octets_themselves() {
    let unfinished = b"Subject: x\r\n\r\n.\r\n..\r\nno end".as_slice();
    let large = [CONTENT, &b".0123456789abcdef\r\n".repeat(100_000), b"."].concat();
    for content in [CONTENT, unfinished, b"", &large[..]] {
        let world = offering(&["CHUNKING"]).await;
        let mut sent = parcel_of(&["me@inbox.example"], content);
        sent.tls = TlsPolicy::Opportunistic;
        let report = world.direct(sent).await;
        assert_eq!(words(&report), ["delivered 250"]);
        assert_eq!((report.sha256_sent, report.crlf_added), (sha256(content), false));
        assert_eq!(world.inbox.received()[0].octets, whole(content));
        assert_eq!(heard(&world, "BDAT"), [format!("BDAT {} LAST", whole(content).len())]);
        assert_eq!(heard(&world, "DATA"), Vec::<String>::new());
        assert_eq!(world.inbox.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn chunks_without_pipelining_and_over_a_warm_connection() {
    let world = World::new().await;
    world.inbox.offer(Extensions { others: vec!["CHUNKING".to_owned()], ..Extensions::none() });
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 unknown")).to("no@inbox.example"));
    let refused = ["refused 550 Mailbox at Recipient"];
    for (to, expected) in [
        ("me@inbox.example", ["delivered 250"]),
        ("no@inbox.example", refused),
        ("me@inbox.example", ["delivered 250"]),
    ] {
        assert_eq!(words(&world.send(to).await), expected);
    }
    assert_eq!((world.inbox.connections(), world.inbox.received().len(), heard(&world, "BDAT").len()), (1, 2, 2));
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
}

/// Before the last octet is out a failure defers; after it nobody knows, as with the dot.
#[tokio::test]
async fn a_chunk_is_judged_like_a_message_with_a_dot() {
    for (behaviour, expected) in [
        (Behaviour::reply("550 5.7.1 spam"), "refused 550 Message at Dot"),
        (Behaviour::reply("452 4.3.1 disk"), "deferred 452 at Dot"),
        (Behaviour::DropAfterReading, "unknown"),
        (Behaviour::Garbage(b"what?\r\n".to_vec()), "unknown"),
    ] {
        let world = offering(&["CHUNKING"]).await;
        world.inbox.script(Rule::at(Stage::Dot, behaviour.clone()));
        assert_eq!(words(&world.send("me@inbox.example").await), [expected], "{behaviour:?}");
    }
}

/// Whoever offers chunks and knows no BDAT has read the chunk as commands: over a new connection it gets DATA, from then on.
#[tokio::test]
async fn a_next_hop_that_knows_no_bdat_gets_data() {
    for unknown in ["500 5.5.1 what?", "502 5.5.1 not here", "503 5.5.1 not now"] {
        let world = offering(&["CHUNKING"]).await;
        world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply(unknown)).times(1));
        assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"], "{unknown}");
        assert_eq!(words(&world.send("me@inbox.example").await), ["delivered 250"]);
        let count = |verb| heard(&world, verb).len();
        assert_eq!((count("BDAT"), count("DATA"), world.inbox.received().len()), (1, 2, 2));
    }
}

/// It has the message, and says that it goes: a second copy is not sent. Where it takes one answer back by another, it may have
/// the message.
#[tokio::test]
async fn what_a_next_hop_says_behind_its_answer_to_a_chunk_makes_no_second_copy() {
    for (said, expected) in [
        ("250 2.0.0 kept\r\n421 4.3.2 stopping", "delivered 250"),
        ("250 2.0.0 kept\r\n250 2.0.0 and again", "delivered 250"),
        ("250 2.0.0 early\r\n550 5.7.1 no", "unknown"),
        ("250 2.0.0 early\r\n502 5.5.1 what?", "unknown"),
    ] {
        let world = offering(&["CHUNKING"]).await;
        world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply(said)));
        assert_eq!(words(&world.send("me@inbox.example").await), [expected], "{said}");
        assert_eq!((heard(&world, "BDAT").len(), heard(&world, "DATA").len()), (1, 0), "{said}");
    }
}

/// A reply too many is never taken for the answer to a chunk, which nothing marks as 354 does for DATA.
#[tokio::test]
async fn a_reply_too_many_is_no_answer_to_a_chunk() {
    for (stage, twice) in [
        (Stage::Greeting, "220 inbox.example ESMTP\r\n250-inbox.example\r\n250 CHUNKING"),
        (Stage::Ehlo, "250-inbox.example\r\n250 CHUNKING\r\n250 ok"),
        (Stage::Mail, "250 2.1.0 ok\r\n250 2.1.0 extra"),
        (Stage::Rcpt, "250 2.1.5 ok\r\n250 2.1.5 extra"),
    ] {
        let world = World::new().await;
        world.inbox.offer(Extensions { others: vec!["CHUNKING".to_owned()], ..Extensions::none() });
        world.inbox.script(Rule::at(stage, Behaviour::reply(twice)));
        world.inbox.script(Rule::at(Stage::Dot, Behaviour::reply("554 5.6.0 not this one")));
        let came = words(&world.send("me@inbox.example").await);
        assert!(came[0].starts_with("deferred"), "{stage:?}: {came:?}");
        assert_eq!(world.inbox.received().len(), 0);
    }
}

fn of_alias(alias: &str, notify: Option<Notify>) -> Parcel {
    let wishes = RecipientWishes { notify, original: None };
    let to = Addressee::of(
        parcel(&["a@b.example"]).addressees[0].ids[0],
        &mailbox("me@inbox.example"),
        (&mailbox(alias), &wishes),
    );
    Parcel { addressees: vec![to], ..parcel(&["me@inbox.example"]) }
}

/// DESIGN section 6: confidential forwarding. Our own ENVID, the alias as ORCPT, headers only, failure or nothing.
#[tokio::test]
async fn reports_are_asked_for_where_they_are_offered() {
    let world = offering(&["DSN"]).await;
    let mut null = of_alias("shop@my.example", None);
    null.reverse_path = ReversePath::Null;
    for sent in [
        of_alias("sh+op@my.example", None),
        of_alias("shop@my.example", Some(Notify::Of { success: false, failure: false, delay: true })),
        of_alias("shop@my.example", Some(Notify::Never)),
        null,
        parcel(&["me@inbox.example"]),
    ] {
        assert_eq!(words(&world.direct(sent).await), ["delivered 250"]);
    }
    let told = world.inbox.received().into_iter().map(|got| (got.mail_params, got.rcpt_params.concat()));
    let told = told.map(|(mail, rcpt)| (mail.split_once(" RET").map_or("", |(_, rest)| rest).to_owned(), rcpt));
    let ours = "=HDRS ENVID=00000000-0000-0000-0000-0000000000e1";
    let expected = [
        (ours, "NOTIFY=FAILURE ORCPT=rfc822;sh+2Bop@my.example"),
        (ours, "NOTIFY=FAILURE ORCPT=rfc822;shop@my.example"),
        (ours, "NOTIFY=NEVER ORCPT=rfc822;shop@my.example"),
        ("", "NOTIFY=NEVER ORCPT=rfc822;shop@my.example"),
        (ours, "NOTIFY=NEVER"),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected.map(|(mail, rcpt)| (mail.to_owned(), rcpt.to_owned())));
    assert_eq!(world.inbox.violations(), Vec::<String>::new());
}

/// RFC 9422: RCPTMAX parts a parcel, MAILMAX a connection.
#[tokio::test]
async fn the_limits_of_a_next_hop_are_kept() {
    let world = offering(&["LIMITS RCPTMAX=2 MAILMAX=2 RCPTDOMAINMAX=1"]).await;
    let report = world.direct(parcel(&["a@inbox.example", "b@inbox.example", "c@inbox.example"])).await;
    assert_eq!(words(&report), ["delivered 250"; 3]);
    assert_eq!(world.inbox.received().iter().map(|got| got.to.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(words(&world.send("d@inbox.example").await), ["delivered 250"]);
    assert_eq!(world.inbox.received().iter().map(|got| got.connection).collect::<Vec<_>>(), [1, 1, 2]);

    let world = offering(&["LIMITS RCPTMAX=1 MAILMAX=1"]).await;
    let report = world.direct(parcel(&["a@inbox.example", "b@inbox.example"])).await;
    assert_eq!(words(&report), ["delivered 250", "deferred at Mail"], "the rest comes later, and nobody is to blame");
}
