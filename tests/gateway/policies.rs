//! What authentication does at the end of data: SPF, DKIM, DMARC and ARC, observed and enforced (CONFORMANCE 56 to 60).

use mail_auth::crypto::Ed25519Key;
use mail_auth::dkim::DkimSigner;
use mail_auth::headers::HeaderWriter;
use serde_json::json;
use waypost::demo::dns::Failure;

use crate::support::{LETTER, World, prefix, without_prefix};

/// A message whose author is at this domain.
fn by(domain: &str) -> Vec<u8> {
    format!("From: Carl <carl@{domain}>\r\nTo: shop@my.example\r\nSubject: Hi\r\n\r\nHello.\r\n").into_bytes()
}

/// The message with a signature of this domain, whose key is published.
fn signed(world: &World, domain: &str, message: &[u8]) -> Vec<u8> {
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    let public = data_encoding::BASE64.encode(&key.public_key());
    world.dns.txt(&format!("s._domainkey.{domain}"), &format!("v=DKIM1; k=ed25519; p={public}"));
    let signer = DkimSigner::from_key(key).domain(domain).selector("s").headers(["From", "Subject"]);
    [signer.sign(message).unwrap().to_header().as_bytes(), message].concat()
}

/// By default DMARC is enforced: what a domain disowns does not go on in its name.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_authors_domain_asks_to_refuse_is_refused_at_the_end_of_data() {
    let world = World::start().await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    let dot = world.send("eve@sender.example", &["shop@my.example"], &by("bank.example")).await.dot.unwrap();
    assert!(dot.starts_with("550 5.7.1 ") && dot.contains("bank.example"), "{dot}");
    assert_eq!(world.inbox.connections(), 0);
    let row = world.row().await;
    assert_eq!((&row["status"], &row["auth"]["dmarc"]), (&"refused".into(), &"fail p=reject d=bank.example".into()));
    assert_eq!(row["auth"]["spf"], "pass", "{row}");
    let steps = row["trace"].to_string();
    assert!(steps.contains("bank.example asks for reject"), "{steps}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_authors_domain_signed_is_forwarded() {
    let world = World::start().await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    let letter = signed(&world, "bank.example", &by("bank.example"));
    assert!(world.send("eve@sender.example", &["shop@my.example"], &letter).await.is_accepted());
    let arrived = &world.inbox.wait_for(1).await[0];
    assert_eq!(without_prefix(arrived, &letter), letter);
    let prefix = prefix(arrived, &letter);
    let results = "Authentication-Results: gw.example;\r\n\tspf=pass smtp.mailfrom=eve@sender.example;\r\n\t\
        spf=none smtp.helo=mail.sender.example;\r\n\tdkim=pass header.d=bank.example header.s=s;\r\n\t\
        dmarc=pass (p=reject) header.from=bank.example\r\n";
    assert!(prefix.starts_with(results), "{prefix}");
    world.stop().await;
}

/// CONFORMANCE 58 and 71: forwarded, marked in our log, and not blessed by our own domain.
#[tokio::test(flavor = "multi_thread")]
async fn quarantine_is_forwarded_and_marked() {
    let world = World::start().await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=quarantine");
    assert!(world.send("eve@sender.example", &["shop@my.example"], &by("bank.example")).await.is_accepted());
    let arrived = &world.inbox.wait_for(1).await[0];
    assert!(prefix(arrived, &by("bank.example")).contains("dmarc=fail (p=quarantine) header.from=bank.example\r\n"));
    let row = world.row().await;
    assert_eq!(
        (&row["status"], &row["auth"]["dmarc"]),
        (&"forwarded".into(), &"fail p=quarantine d=bank.example".into())
    );
    let marked = row["trace"].as_array().unwrap().iter().any(|step| step["verdict"] == "quarantine");
    assert!(marked, "{row}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_asked_puts_off_only_where_it_could_refuse() {
    let world = World::start().await;
    world.dns.fail("_dmarc.bank.example", Failure::ServFail);
    world.dns.fail("_dmarc.sender.example", Failure::ServFail);
    let dot = world.send("eve@sender.example", &["shop@my.example"], &by("bank.example")).await.dot.unwrap();
    assert!(dot.starts_with("451 4.7.5 "), "{dot}");
    // Her own name passed to the letter: whatever the record says, she is aligned.
    assert!(world.send("ann@sender.example", &["shop@my.example"], LETTER).await.is_accepted());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn observed_checks_show_their_verdicts_and_refuse_nobody() {
    let world = World::start_with(&[("POLICY__DMARC", "observe")]).await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    world.dns.txt("fail.example", "v=spf1 -all");
    let letter = [
        b"DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=x; h=from; bh=AAAA; b=AAAA\r\n".as_slice(),
        &by("bank.example"),
    ]
    .concat();
    assert!(world.send("eve@fail.example", &["shop@my.example"], &letter).await.is_accepted());
    let row = world.row().await;
    let auth = &row["auth"];
    assert_eq!((&auth["spf"], &auth["dkim"][0]), (&"fail".into(), &"fail d=bank.example s=x".into()), "{auth}");
    assert_eq!(
        (&auth["dmarc"], &auth["spf_helo"]),
        (&"fail p=reject d=bank.example".into(), &"none mail.sender.example".into())
    );
    let steps: Vec<_> = row["trace"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    for step in ["spf", "spf of greeting", "dkim", "dmarc"] {
        assert!(steps.contains(&step), "{step} in {steps:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_off_is_neither_asked_nor_shown() {
    let world = World::start_with(&[("POLICY__DMARC", "off"), ("POLICY__SPF", "off")]).await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    assert!(world.send("eve@sender.example", &["shop@my.example"], &by("bank.example")).await.is_accepted());
    let row = world.row().await;
    assert_eq!((&row["auth"]["dmarc"], row["auth"].get("spf_helo")), (&serde_json::Value::Null, None));
    assert_eq!(world.dns.count_of("_dmarc.bank.example") + world.dns.count_of("mail.sender.example"), 0);
    let steps = row["trace"].to_string();
    assert!(!steps.contains("\"dmarc\"") && !steps.contains("\"spf\""), "{steps}");
    world.stop().await;
}

/// A domain's own word on SPF holds for the greeting name as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_greeting_is_checked_where_the_recipient_s_domain_asks_for_it() {
    let world = World::start_with(&[("POLICY__SPF", "off")]).await;
    world.patch("/v1/domains/my.example", json!({ "policy": { "spf": "observe" } })).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.row().await;
    assert_eq!(row["auth"]["spf_helo"], "none mail.sender.example", "{row}");
    assert!(row["trace"].to_string().contains("spf of greeting"), "{row}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn enforced_spf_and_dkim_refuse_with_their_own_codes() {
    let world = World::start_with(&[("POLICY__SPF", "enforce"), ("POLICY__DKIM", "enforce")]).await;
    world.dns.txt("fail.example", "v=spf1 -all");
    let dot = world.send("eve@fail.example", &["shop@my.example"], LETTER).await.dot.unwrap();
    assert!(dot.starts_with("550 5.7.23 "), "{dot}");
    let changed = [signed(&world, "sender.example", LETTER).as_slice(), b"One line more.\r\n"].concat();
    let dot = world.send("ann@sender.example", &["shop@my.example"], &changed).await.dot.unwrap();
    assert!(dot.starts_with("550 5.7.20 "), "{dot}");
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.stop().await;
}

/// The simulator asks the same functions, and tells which policies hold.
#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_knows_the_policies() {
    let world = World::start().await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    let question = json!({
        "to": "shop@my.example", "from": "eve@sender.example", "ip": "127.0.0.1", "headers": "From: carl@bank.example"
    });
    let answer = world.post("/v1/route", question).await;
    assert_eq!(answer["disposition"], "reject", "{answer}");
    assert!(answer["reply"].as_str().unwrap().starts_with("550 5.7.1 "), "{answer}");
    let told = answer["trace"].to_string();
    assert!(told.contains("bank.example asks for reject") && told.contains("dmarc enforce (instance)"), "{told}");
    world.stop().await;
}

/// A domain or an alias may say otherwise than the instance; recipients under different policies come one by one.
#[tokio::test(flavor = "multi_thread")]
async fn domains_and_aliases_have_policies_of_their_own() {
    let world = World::start().await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    world.alias("strict@my.example", &["anna@inbox.example"]).await;
    world.patch("/v1/domains/my.example", json!({ "policy": { "dmarc": "observe" } })).await;
    world.patch("/v1/aliases/strict@my.example", json!({ "policy": { "dmarc": "enforce" } })).await;
    let to = ["shop@my.example", "strict@my.example"];
    let answers = world.send("eve@sender.example", &to, &by("bank.example")).await;
    assert!(answers.recipients[1].starts_with("452 4.5.3 "), "{answers:?}");
    assert!(answers.is_accepted());
    let dot = world.send("eve@sender.example", &to[1..], &by("bank.example")).await.dot.unwrap();
    assert!(dot.starts_with("550 5.7.1 "), "{dot}");
    world.stop().await;
}

/// Who leads mail through an alias that asks for more does not get round what is asked there.
#[tokio::test(flavor = "multi_thread")]
async fn an_alias_on_the_way_asks_what_it_asks_of_everybody() {
    let world = World::start_with(&[("LIMITS__MESSAGES_PER_ALIAS_PER_HOUR", "1")]).await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    world.patch("/v1/domains/my.example", json!({ "policy": { "dmarc": "off" } })).await;
    world.alias("strict@my.example", &["anna@inbox.example"]).await;
    world.patch("/v1/aliases/strict@my.example", json!({ "policy": { "dmarc": "enforce" } })).await;
    world.alias("team@my.example", &["strict@my.example"]).await;
    world.alias("more@my.example", &["strict@my.example"]).await;
    let question = json!({
        "to": "team@my.example", "from": "eve@sender.example", "ip": "127.0.0.1", "headers": "From: carl@bank.example"
    });
    assert_eq!(world.post("/v1/route", question.clone()).await["disposition"], "reject");
    let forged = world.send("eve@sender.example", &["team@my.example"], &by("bank.example")).await;
    assert!(forged.dot.as_ref().is_some_and(|dot| dot.starts_with("550 5.7.1 ")), "{forged:?}");
    assert_eq!(world.post("/v1/route", question).await["disposition"], "defer", "its share is used up");
    let apart = world.send("eve@sender.example", &["shop@my.example", "more@my.example"], &by("bank.example")).await;
    assert!(apart.is_accepted() && apart.recipients[1].starts_with("450 4.7.28 "), "{apart:?}");
    world.reload_with(&[("LIMITS__MESSAGES_PER_ALIAS_PER_HOUR", "0")]).await;
    let apart = world.send("eve@sender.example", &["shop@my.example", "more@my.example"], &by("bank.example")).await;
    assert!(apart.is_accepted() && apart.recipients[1].starts_with("452 4.5.3 "), "{apart:?}");
    assert!(world.letter("more@my.example").await.is_accepted());
    world.stop().await;
}

/// The owner lets in a sender whose mail is broken, and nobody who only takes its name.
#[tokio::test(flavor = "multi_thread")]
async fn a_wanted_sender_that_proves_itself_is_let_in_whatever_its_dmarc_says() {
    let world = World::start().await;
    world.dns.txt("_dmarc.bank.example", "v=DMARC1; p=reject");
    world.dns.txt("esp.example", "v=spf1 ip4:127.0.0.1 -all");
    world.patch("/v1/aliases/shop@my.example", json!({ "allow": ["@esp.example"] })).await;
    assert!(world.send("bounce@esp.example", &["shop@my.example"], &by("bank.example")).await.is_accepted());
    let told = world.row().await["trace"].to_string();
    assert!(told.contains("@esp.example (alias) lets it in, proved by SPF"), "{told}");
    // Its signature is enough, under another envelope; a changed one is not, nor its name in From.
    let letter = signed(&world, "esp.example", &by("bank.example"));
    assert!(world.send("x@sender.example", &["shop@my.example"], &letter).await.is_accepted());
    let changed = [letter.as_slice(), b"More.\r\n"].concat();
    assert!(!world.send("x@sender.example", &["shop@my.example"], &changed).await.is_accepted());
    world.dns.txt("_dmarc.esp.example", "v=DMARC1; p=reject");
    assert!(!world.send("x@sender.example", &["shop@my.example"], &by("esp.example")).await.is_accepted());
    // The guard holds all the same: our own domain blesses nobody's mail but its owner's.
    assert_eq!(world.inbox.received().len(), 2);
    world.stop().await;
}

/// A block for all but proven friends is judged when the message is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_lifted_for_who_proves_to_be_the_friend() {
    let world = World::start().await;
    let entries = json!({ "block": ["*@*"], "allow": ["authenticated:@sender.example"] });
    world.patch("/v1/aliases/shop@my.example", entries).await;
    world.dns.txt("fail.example", "v=spf1 -all");
    assert!(world.letter("shop@my.example").await.is_accepted());
    let dot = world.send("ann@other.example", &["shop@my.example"], LETTER).await.dot.unwrap();
    assert!(dot.starts_with("550 5.1.1 "), "{dot}");
    let row = world.until("shop@my.example", "refused").await;
    assert_eq!(
        row["reason"], "The entry *@* (alias) keeps this sender out.",
        "the owner reads why, the sender does not"
    );
    world.dns.clear("sender.example");
    world.dns.txt("sender.example", "v=spf1 -all");
    let dot = world.letter("shop@my.example").await.dot.unwrap();
    assert!(dot.starts_with("550 5.1.1 "), "{dot}");
    let question = json!({ "to": "shop@my.example", "from": "ann@sender.example", "ip": "127.0.0.1" });
    assert_eq!(world.post("/v1/route", question).await["disposition"], "reject");
    world.stop().await;
}

/// Threat 19: each gets a verdict in the log, and no more of our time than an honest message.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_to_cost_us_is_answered_with_a_verdict() {
    let world = World::start().await;
    let head = b"From: <ann@sender.example>\r\nSubject: x\r\n".as_slice();
    let field = |line: &str, times: usize| [line.repeat(times).as_bytes(), head, b"\r\nHello.\r\n"].concat();
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=x; h=from; bh=AAAA; b=AAAA\r\n";
    let names = "a:".repeat(5000);
    let greedy = "X-Line: one of very many\r\n".repeat(5000)
        + &format!("DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=x; h={names}from; bh=AAAA; b=AAAA\r\n");
    let sets = (1..=51).map(set).collect::<String>();
    for (letter, dot, verdict) in [
        (field(signature, 100), "250 ", "fail d=sender.example s=x"),
        (field("X-Line: one of very many\r\n", 5000), "250 ", ""),
        (field(&greedy, 1), "250 ", "permerror d=sender.example s=x"),
        (field(&sets, 1), "250 ", "fail (i=50 sealed by sealer.example)"),
        (field("Received: from a by b; Sun, 22 Nov 2026 20:00:00 +0000\r\n", 5000), "554 5.4.6 ", ""),
    ] {
        let answer = world.send("ann@sender.example", &["shop@my.example"], &letter).await;
        assert!(answer.last().starts_with(dot), "{answer:?}");
        let newest = &world.rows().await[0];
        let auth = newest["auth"].to_string();
        assert!(auth.contains(verdict), "{verdict}: {auth}");
        assert!(newest["auth"]["dkim"].as_array().unwrap().len() <= 10, "{auth}");
    }
    assert!(world.dns.queries().len() < 100, "{}", world.dns.queries().len());
    world.stop().await;
}

/// An ARC set that is well formed and signed by nobody.
fn set(instance: usize) -> String {
    let cv = if instance == 1 { "none" } else { "pass" };
    format!(
        "ARC-Seal: i={instance}; a=rsa-sha256; cv={cv}; d=sealer.example; s=x; b=AAAA\r\n\
         ARC-Message-Signature: i={instance}; a=rsa-sha256; c=relaxed/relaxed; d=sealer.example; s=x; h=from; \
         bh=AAAA; b=AAAA\r\nARC-Authentication-Results: i={instance}; sealer.example; none\r\n"
    )
}
