//! What the next hop may do at each stage, and what it means: refuse, defer, hang, drop, garbage, before and after the dot.

use std::time::Duration;

use futures_util::future::join_all;
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::world::{World, parcel_of, words};

/// A world in which waiting for a reply ends soon, and not so soon that a busy machine misses one that comes.
async fn impatient() -> World {
    World::with(|wishes| {
        let soon = Duration::from_secs(2);
        let timeouts = &mut wishes.settings.timeouts;
        (timeouts.command, timeouts.data, timeouts.block, timeouts.dot) = (soon, soon, soon, soon);
    })
    .await
}

async fn come_of(world: World, stage: Stage, behaviour: Behaviour) -> String {
    world.inbox.script(Rule::at(stage, behaviour));
    let [word] = words(&world.send("me@inbox.example").await).try_into().unwrap();
    word
}

#[tokio::test]
async fn a_refusal_is_judged_by_its_stage() {
    for (stage, reply, expected) in [
        (Stage::Greeting, "554 5.7.1 no", "deferred 554 at Greeting of the site"),
        (Stage::Ehlo, "550 5.7.1 no", "deferred 550 at Hello of the site"),
        (Stage::Mail, "550 5.7.1 no", "deferred 550 at Mail of the site"),
        (Stage::Mail, "552 5.3.4 too large", "refused 552 Message at Mail"),
        (Stage::Rcpt, "550 5.1.1 unknown", "refused 550 Mailbox at Recipient"),
        (Stage::Rcpt, "552 5.2.2 full", "refused 552 Mailbox at Recipient"),
        (Stage::Data, "554 5.6.0 no", "refused 554 Message at Data"),
        (Stage::Dot, "550 5.7.1 spam", "refused 550 Message at Dot"),
        (Stage::Greeting, "450 4.3.2 busy", "deferred 450 at Greeting of the site"),
        (Stage::Mail, "451 4.7.1 later", "deferred 451 at Mail of the site"),
        (Stage::Rcpt, "450 4.2.1 greylisted", "deferred 450 at Recipient"),
        (Stage::Data, "451 4.3.0 later", "deferred 451 at Data"),
        (Stage::Dot, "452 4.3.1 disk", "deferred 452 at Dot"),
        (Stage::Dot, "421 4.3.2 bye", "deferred 421 at Dot of the site"),
    ] {
        assert_eq!(come_of(World::new().await, stage, Behaviour::reply(reply)).await, expected, "{stage:?} {reply}");
    }
}

/// CONFORMANCE 45 and 46: before the dot it goes later; after the dot nobody knows, and it never counts as delivered.
#[tokio::test]
async fn silence_and_noise_are_judged_by_the_dot() {
    let before = [
        (Stage::Connect, "Greeting"),
        (Stage::Greeting, "Greeting"),
        (Stage::Ehlo, "Hello"),
        (Stage::Mail, "Mail"),
        (Stage::Rcpt, "Recipient"),
        (Stage::Data, "Data"),
    ];
    let come_of = async |stage, behaviour| come_of(impatient().await, stage, behaviour).await;
    for behaviour in [Behaviour::Hang, Behaviour::Drop, Behaviour::Garbage(b"no reply\r\n".to_vec())] {
        let came = join_all(before.map(|(stage, _)| come_of(stage, behaviour.clone()))).await;
        for ((stage, name), came) in before.into_iter().zip(came) {
            // Before RCPT nobody has spoken of this message: it is the site that fails.
            let of_site = if matches!(stage, Stage::Rcpt | Stage::Data) { "" } else { " of the site" };
            assert_eq!(came, format!("deferred at {name}{of_site}"), "{stage:?} {behaviour:?}");
        }
        assert_eq!(come_of(Stage::Dot, behaviour).await, "unknown");
    }
    assert_eq!(come_of(Stage::Dot, Behaviour::DropAfterReading).await, "unknown");
}

#[tokio::test]
async fn a_next_hop_that_stops_reading_defers() {
    let world = impatient().await;
    world.inbox.script(Rule::at(Stage::Content, Behaviour::Hang));
    let large = b"0123456789abcdef\r\n".repeat(1_000_000);
    let report = world.direct(parcel_of(&["me@inbox.example"], &large[..2_000_000 / 18 * 18])).await;
    assert!(
        words(&report)[0].starts_with("deferred at Content") || words(&report) == ["unknown"],
        "{:?}",
        words(&report)
    );
    assert!(world.inbox.received().is_empty());
}

/// What claims the message while it is on its way would lose it; a refusal may come early.
#[tokio::test]
async fn an_answer_before_the_end_of_the_message_takes_nothing() {
    for (early, expected) in [
        ("250 2.0.0 taken", "deferred at Content"),
        ("hello", "deferred at Content"),
        ("552 5.3.4 too large", "refused 552 Message at Dot"),
    ] {
        let world = World::with(|wishes| wishes.instance.direct_max_bytes = 32 << 20).await;
        world.inbox.script(Rule::at(Stage::Content, Behaviour::Early(early.to_owned())));
        // More than the sockets hold between them, so that it is heard while the rest is still with us.
        let large = [&[b'x'; 998][..], b"\r\n"].concat().repeat(16_000);
        let report = world.direct(parcel_of(&["me@inbox.example"], &large)).await;
        assert_eq!(words(&report), [expected], "{early}");
    }
}

/// Each octet comes in time, and the whole reply does not.
#[tokio::test]
async fn a_reply_that_dribbles_has_no_more_time_than_one_that_comes_whole() {
    let stages = [
        (Stage::Greeting, "deferred at Greeting of the site"),
        (Stage::Ehlo, "deferred at Hello of the site"),
        (Stage::Rcpt, "deferred at Recipient"),
        (Stage::Dot, "unknown"),
    ];
    let slow = Behaviour::SlowBytes(Duration::from_millis(400));
    let come_of = async |stage| come_of(impatient().await, stage, slow.clone()).await;
    assert_eq!(join_all(stages.map(|(stage, _)| come_of(stage))).await, stages.map(|(_, expected)| expected));
}

/// Each ends the attempt with a reason that names it.
#[tokio::test]
async fn hostile_replies_end_the_attempt_with_a_reason() {
    for (octets, reason) in [
        (&b"\0\x01\xff\xfe\r\n"[..], "the reply is garbled"),
        (b"150 wait\r\n", "the reply is garbled"),
        (b"250-one\r\n550 two\r\n", "the lines of the reply have different codes"),
        (&[b"250-".as_slice(), &[b'x'; 4096]].concat(), "the reply does not end"),
        (&b"250-x\r\n".repeat(1000), "the reply does not end"),
    ] {
        let world = World::new().await;
        world.inbox.script(Rule::at(Stage::Mail, Behaviour::Garbage(octets.to_vec())));
        let report = world.send("me@inbox.example").await;
        assert_eq!(words(&report), ["deferred at Mail of the site"]);
        assert_eq!(report.attempts[0].1.reply, reason);
    }
}

/// A reply that never ends is given up, whether it dribbles or floods.
#[tokio::test]
async fn an_endless_reply_is_given_up() {
    let flood = Behaviour::Garbage(b"250-more\r\n".repeat(100_000));
    assert_eq!(come_of(World::new().await, Stage::Ehlo, flood).await, "deferred at Hello of the site");
    let long = Behaviour::Garbage(vec![b'2'; 1 << 20]);
    assert_eq!(come_of(World::new().await, Stage::Mail, long).await, "deferred at Mail of the site");
}

/// CONFORMANCE 43: no less than RFC 5321 §4.5.3.2 gives it, except to connect while a sender waits.
#[test]
fn a_next_hop_has_the_time_that_the_standard_gives_it() {
    let times = waypost::delivery::Timeouts::default();
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert!(times.command >= minutes(5), "the greeting, EHLO, MAIL and RCPT");
    assert!(times.data >= minutes(2) && times.block >= minutes(3) && times.dot >= minutes(10));
    assert!(times.connect >= Duration::from_secs(30) && times.direct_connect < times.connect);
}
