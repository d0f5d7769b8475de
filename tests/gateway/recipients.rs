//! What a recipient is answered: role addresses, catch-alls, states and limits of a rule, duplicates, policies that differ.

use serde_json::{Value, json};
use waypost::demo::sender::stuffed;

use crate::support::{LETTER, World};

const UNKNOWN: &str = "550 5.1.1 No such address here";

/// CONFORMANCE 7 and 8: whatever the catch-all says, in any case, and for the null sender too.
#[tokio::test(flavor = "multi_thread")]
async fn postmaster_and_abuse_reach_the_contact_whatever_the_catch_all_says() {
    let world = World::start().await;
    let mut sent = 0;
    for catch_all in ["off", "drop", "reject"] {
        world.patch("/v1/domains/my.example", json!({ "contact": "anna@inbox.example", "catch_all": catch_all })).await;
        for to in ["postmaster", "PostMaster@gw.example", "POSTMASTER@my.example", "abuse@my.example"] {
            for from in ["ann@sender.example", ""] {
                let answers = world.send(from, &[to], LETTER).await;
                assert!(answers.is_accepted(), "{catch_all}, <{from}> to <{to}>: {answers:?}");
                sent += 1;
                let arrived = world.inbox.wait_for(sent).await;
                assert_eq!(arrived.last().unwrap().to, ["anna@inbox.example"]);
                assert_eq!(arrived.last().unwrap().from.is_empty(), from.is_empty());
            }
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catch_all_has_its_five_modes() {
    let world = World::start().await;
    let mode = async |mode: &str| {
        let body = json!({ "catch_all": mode, "catch_all_destinations": ["anna@inbox.example"] });
        world.patch("/v1/domains/my.example", body).await;
        let answers = world.letter(&format!("{mode}-it@my.example")).await;
        answers.last().get(..9).unwrap().to_owned()
    };
    assert_eq!(mode("forward").await, "250 2.0.0");
    assert_eq!(mode("create").await, "250 2.0.0");
    let says = "*@my.example forwards to anna@inbox.example, and makes the address an alias of its own.";
    let route = world.post("/v1/route", json!({ "to": "another@my.example", "from": "ann@sender.example" })).await;
    assert_eq!(route["reason"], says, "{route:#}");
    assert!(route["trace"].as_array().unwrap().iter().any(|step| step["detail"] == "another@my.example"), "{route:#}");
    assert_eq!(mode("drop").await, "250 2.0.0");
    assert_eq!(mode("reject").await, "550 5.7.1");
    assert_eq!(mode("off").await, "550 5.1.1");
    assert_eq!(world.inbox.received().len(), 2);
    assert_eq!(world.letter("create-it@my.example").await.last().get(..4), Some("250 "), "its alias has outlived it");
    let statuses: Vec<_> = world.rows().await.iter().rev().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses, ["forwarded", "forwarded", "dropped", "refused", "refused", "forwarded"]);
    world.stop().await;
}

/// CONFORMANCE 23, threat 14: nothing but silence about why.
#[tokio::test(flavor = "multi_thread")]
async fn disabled_expired_blocked_and_unknown_answer_the_very_same() {
    let world = World::start().await;
    let to_anna = |address: &str, more: serde_json::Value| {
        let mut body = json!({ "address": address, "destinations": ["anna@inbox.example"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (address, more) in [
        ("off@my.example", json!({ "enabled": false })),
        ("past@my.example", json!({ "expires_at": "2100-01-01T00:00:00Z" })),
        ("blocked@my.example", json!({ "block": ["@sender.example"] })),
        ("once@my.example", json!({ "expires_after": 1 })),
    ] {
        world.post("/v1/aliases", to_anna(address, more)).await;
    }
    world.change("waypost.db", "update aliases set expires_at = 1 where expires_at is not null").await;
    let world = world.restart().await;
    assert!(world.letter("once@my.example").await.is_accepted());
    for local in ["off", "past", "blocked", "once", "unknown"] {
        assert_eq!(world.letter(&format!("{local}@my.example")).await.recipients, [UNKNOWN], "{local}");
    }
    let by_another = String::from_utf8_lossy(LETTER).replace("ann@sender", "ann@other");
    assert!(world.send("x@other.example", &["blocked@my.example"], by_another.as_bytes()).await.is_accepted());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_had_no_mail_for_long_has_ended_and_one_that_had_lives() {
    let world = World::start().await;
    for address in ["quiet@my.example", "lively@my.example"] {
        let body = json!({ "address": address, "destinations": ["anna@inbox.example"], "expires_after": "1h" });
        world.post("/v1/aliases", body).await;
    }
    world.change("waypost.db", "update aliases set created_at = created_at - 7200000").await;
    let world = world.restart().await;
    assert_eq!(world.letter("quiet@my.example").await.recipients, [UNKNOWN]);
    world.patch("/v1/aliases/lively@my.example", json!({ "expires_after": null })).await;
    assert!(world.letter("lively@my.example").await.is_accepted());
    world.patch("/v1/aliases/lively@my.example", json!({ "expires_after": "1h" })).await;
    assert!(world.letter("lively@my.example").await.is_accepted());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_defers_what_is_beyond_it() {
    let world = World::start().await;
    world.patch("/v1/aliases/shop@my.example", json!({ "quota": 2 })).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert!(world.letter("shop@my.example").await.is_accepted());
    let answer = world.letter("shop@my.example").await.recipients.remove(0);
    assert!(answer.starts_with("450 4.2.1"), "{answer}");
    world.until("shop@my.example", "refused_temporarily").await;
    assert_eq!(world.get("/v1/aliases/shop@my.example").await["quota_used"], 2);
    world.change("activity.db", "update alias_hours set start = start - 90000000").await;
    let world = world.restart().await;
    assert!(world.letter("shop@my.example").await.is_accepted(), "yesterday's mail is yesterday's");
    world.stop().await;
}

/// Sessions that run beside each other have one share together; what one of them gives up is free again.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_side_by_side_pass_no_share() {
    for share in [json!({ "quota": 2 }), json!({ "expires_after": 2 })] {
        let world = World::start().await;
        world.patch("/v1/aliases/shop@my.example", share).await;
        world.alias("outer@my.example", &["shop@my.example"]).await;
        let mut senders = Vec::new();
        for to in ["shop@my.example", "outer@my.example", "shop@my.example", "outer@my.example"] {
            let mut sender = world.sender().await;
            sender.command("MAIL FROM:<ann@sender.example>").await.unwrap();
            let answer = sender.command(&format!("RCPT TO:<{to}>")).await.unwrap();
            senders.push((sender, answer));
        }
        let answers = senders.iter().map(|(_, answer)| &answer[..9]).collect::<Vec<_>>();
        assert_eq!(answers, ["250 2.1.5", "250 2.1.5", "450 4.2.1", "450 4.2.1"]);
        let reason = world.until("shop@my.example", "refused_temporarily").await["reason"].clone();
        assert_eq!(reason, "shop@my.example takes 2 more, and 2 are on their way.");
        let again = senders[0].0.command("RCPT TO:<outer@my.example>").await.unwrap();
        assert!(again.starts_with("250"), "it is one message, and promised already: {again}");
        senders[1].0.command("RSET").await.unwrap();
        assert!(world.letter("shop@my.example").await.is_accepted(), "what was given up is free again");
        senders[0].0.command("DATA").await.unwrap();
        senders[0].0.write(&stuffed(LETTER)).await.unwrap();
        assert!(senders[0].0.reply().await.unwrap().starts_with("250"));
        assert!(!world.letter("shop@my.example").await.is_accepted());
        assert_eq!(world.inbox.received().len(), 2);
        world.stop().await;
    }
}

/// Whoever writes to an alias by way of another one has written to it.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_passes_an_alias_counts_for_it() {
    let world = World::start().await;
    world.patch("/v1/aliases/shop@my.example", json!({ "quota": 3 })).await;
    world.alias("outer@my.example", &["shop@my.example", "ben@inbox.example"]).await;
    assert!(world.letter("outer@my.example").await.is_accepted());
    let twice = world.send("ann@sender.example", &["outer@my.example", "shop@my.example"], LETTER).await;
    assert!(twice.is_accepted(), "{twice:?}");
    let shop = world.get("/v1/aliases/shop@my.example").await;
    assert_ne!(shop["last_mail_at"], Value::Null, "{shop}");
    let route = world.post("/v1/route", json!({ "to": "shop@my.example", "from": "ann@sender.example" })).await;
    let says = |step: &Value| step["step"] == "quota" && step["detail"] == "2 of 3 messages in the last 24 h";
    assert!(route["trace"].as_array().unwrap().iter().any(says), "{route:#}");
    assert!(world.letter("outer@my.example").await.is_accepted());

    assert!(world.letter("outer@my.example").await.is_accepted(), "ben's copy has no quota");
    let delivered =
        |to: &str| world.inbox.received().iter().filter(|delivery| delivery.to.contains(&to.to_owned())).count();
    assert_eq!((delivered("anna@inbox.example"), delivered("ben@inbox.example")), (3, 4));
    assert!(world.letter("shop@my.example").await.recipients[0].starts_with("450 4.2.1"), "its quota is used up");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_is_named_twice_is_one() {
    let world = World::start().await;
    let to = ["shop@my.example", "SHOP@My.Example", "\"shop\"@my.example", "shop@my.example"];
    let answers = world.send("ann@sender.example", &to, LETTER).await;
    assert!(answers.is_accepted(), "{answers:?}");
    assert!(answers.recipients.iter().all(|reply| reply.starts_with("250 2.1.5")), "{answers:?}");
    assert_eq!(world.rows().await.len(), 1);
    let arrived = world.inbox.received();
    assert_eq!((arrived.len(), &arrived[0].to[..]), (1, &["anna@inbox.example".to_owned()][..]));
    world.stop().await;
}

/// DESIGN section 3: one DATA has one policy. What was taken before is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn recipients_under_another_policy_are_to_be_sent_separately() {
    let world = World::start().await;
    world.domain("strict.example").await;
    world.patch("/v1/domains/strict.example", json!({ "policy": { "unauthenticated": "reject" } })).await;
    world.alias("desk@strict.example", &["bob@inbox.example"]).await;
    let answers = world.send("ann@sender.example", &["shop@my.example", "desk@strict.example"], LETTER).await;
    assert!(answers.recipients[1].starts_with("452 4.5.3"), "{answers:?}");
    assert!(answers.is_accepted(), "{answers:?}");
    let rows = world.rows().await;
    let put_off = rows.iter().find(|row| row["status"] == "refused_temporarily").unwrap();
    assert_eq!(put_off["reason"], "Send separately: another policy holds for this recipient");
    assert!(world.letter("desk@strict.example").await.is_accepted());
    let to: Vec<_> = world.inbox.wait_for(2).await.into_iter().flat_map(|delivery| delivery.to).collect();
    assert_eq!(to, ["anna@inbox.example", "bob@inbox.example"]);
    world.stop().await;
}

/// A trusted domain verifies its destinations: without a contact, one of these is the owner's first verified one.
#[tokio::test(flavor = "multi_thread")]
async fn postmaster_without_a_contact_reaches_the_first_destination_of_a_trusted_domain() {
    let world = World::start().await;
    for to in ["postmaster", "abuse@my.example"] {
        assert!(world.letter(to).await.is_accepted());
    }
    let arrived = world.inbox.wait_for(2).await;
    assert!(arrived.iter().all(|delivery| delivery.to == ["anna@inbox.example"]), "{arrived:?}");
    world.stop().await;
}

/// DESIGN section 6: never mixed with other recipients, whichever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_takes_no_other_recipients() {
    let world = World::start().await;
    world.letter("shop@my.example").await;
    let srs = world.inbox.wait_for(1).await[0].from.clone();
    for to in [[&*srs, "shop@my.example"], ["shop@my.example", &*srs]] {
        let answers = world.send("", &to, LETTER).await;
        assert!(answers.recipients[0].starts_with("250 "), "{answers:?}");
        assert!(answers.recipients[1].starts_with("550 5.5.3"), "{answers:?}");
    }
    assert_eq!(world.inbox.wait_for(2).await.len(), 2);
    world.stop().await;
}

/// Not whichever was added first.
#[tokio::test(flavor = "multi_thread")]
async fn postmaster_without_a_contact_reaches_the_default_destination() {
    let world = World::start().await;
    world.destination("zoe@inbox.example").await;
    world.post("/v1/destinations/zoe@inbox.example/default", json!({})).await;
    for to in ["postmaster", "abuse@my.example", "postmaster@my.example"] {
        assert!(world.letter(to).await.is_accepted());
    }
    let arrived = world.inbox.wait_for(3).await;
    assert!(arrived.iter().all(|delivery| delivery.to == ["zoe@inbox.example"]), "{arrived:?}");
    world.stop().await;
}
