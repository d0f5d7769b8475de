//! What a whole message is answered: loops, senders on hosted domains; and what a signed one proves on the other side.

use std::time::Duration;

use mail_auth::crypto::Ed25519Key;
use mail_auth::dkim::DkimSigner;
use mail_auth::headers::HeaderWriter;
use tokio::time::Instant;
use waypost::auth::{Asked, Authenticator, Content, Settings};
use waypost::demo::dns::Failure;
use waypost::mail::header::HeaderFacts;
use waypost::policy::facts::DkimResult;
use waypost::policy::settings::Enforcement;

use crate::support::{LETTER, PATIENCE, World, prefix, without_prefix};

/// CONFORMANCE 22: by the count of all, by the count of ours, whichever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn received_fields_are_counted() {
    let world = World::start().await;
    let came_by = |host: &str, times: usize| {
        let field =
            format!("Received: from a.example by {host} with ESMTP id 1;\r\n Sun, 22 Nov 2026 20:00:00 +0000\r\n");
        [field.repeat(times).as_bytes(), LETTER].concat()
    };
    for (host, times, looped) in
        [("gw.example", 5, false), ("GW.example", 6, true), ("b.example", 50, false), ("b.example", 51, true)]
    {
        let answers = world.send("ann@sender.example", &["shop@my.example"], &came_by(host, times)).await;
        let wanted = if looped { "554 5.4.6" } else { "250 2.0.0" };
        assert!(answers.last().starts_with(wanted), "{times} by {host}: {answers:?}");
    }
    world.stop().await;
}

/// What a header asks DNS for is known when its message is whole: the last of it is held back here.
#[tokio::test(flavor = "multi_thread")]
async fn keys_and_policies_are_asked_for_while_a_message_is_on_its_way() {
    let world = World::start().await;
    world.dns.set_ttl(60);
    let (key, policy) = ("ahead._domainkey.sender.example", "_dmarc.author.example");
    world.dns.txt(key, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    world.dns.txt(policy, "v=DMARC1; p=none");
    let mut sender = world.sender().await;
    for command in ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>", "DATA"] {
        let reply = sender.command(command).await.unwrap();
        assert!(reply.starts_with(['2', '3']), "{command}: {reply}");
    }
    let signature = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.example;\r\n s=ahead; h=from;\r\n \
                     bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n";
    let begun = format!("{signature}From: Ann <ann@author.example>\r\n\r\nIts end ");
    sender.write(begun.as_bytes()).await.unwrap();
    let asked = async {
        while [key, policy].iter().any(|name| world.dns.count_of(name) == 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("they must be asked for before the end");
    sender.write(b"comes late\r\n.\r\n").await.unwrap();
    assert!(sender.reply().await.unwrap().starts_with("250 "));
    let row = world.row().await;
    assert!(row["auth"]["dkim"][0].as_str().unwrap().contains("sender.example"), "{row:#}");
    assert_eq!(world.dns.count_of(key), 1, "what was asked ahead is not asked again");
    world.stop().await;
}

/// DESIGN section 6: a name server that fails must not cost the owner's own mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_on_a_hosted_domain_that_cannot_be_checked_is_asked_to_come_again() {
    let world = World::start().await;
    world.dns.fail("my.example", Failure::ServFail);
    let dot = world.send("boss@my.example", &["shop@my.example"], LETTER).await.dot.unwrap();
    assert!(dot.starts_with("451 4.7.5"), "{dot}");
    assert_eq!(world.row().await["status"], "refused_temporarily");
    assert_eq!(world.inbox.connections(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proven_sender_on_a_hosted_domain_leaves_as_it_is() {
    let world = World::start().await;
    world.dns.txt("my.example", "v=spf1 ip4:127.0.0.1 -all");
    assert!(world.send("boss@my.example", &["shop@my.example"], LETTER).await.is_accepted());
    assert_eq!(world.inbox.wait_for(1).await[0].from, "boss@my.example");
    world.stop().await;
}

/// Forged mail "From" a hosted domain must not get our address's blessing by the rewritten reverse-path.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_author_on_a_hosted_domain_leaves_unrewritten() {
    let world = World::start().await;
    let forged = b"From: The boss <boss@my.example>\r\nSubject: Pay\r\n\r\nNow.\r\n";
    assert!(world.send("eve@sender.example", &["shop@my.example"], forged).await.is_accepted());
    assert_eq!(world.inbox.wait_for(1).await[0].from, "eve@sender.example");
    world.stop().await;
}

/// Promise 1, seen from the other side: the signature verifies over what arrived, prefix and all.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_still_verifies_at_the_inbox() {
    let world = World::start().await;
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    let public = data_encoding::BASE64.encode(&key.public_key());
    world.dns.txt("s._domainkey.sender.example", &format!("v=DKIM1; k=ed25519; p={public}"));
    let signer = DkimSigner::from_key(key).domain("sender.example").selector("s").headers(["From", "To", "Subject"]);
    let signed = [signer.sign(LETTER).unwrap().to_header().as_bytes(), LETTER].concat();
    assert!(world.send("ann@sender.example", &["shop@my.example"], &signed).await.is_accepted());

    let arrived = &world.inbox.wait_for(1).await[0];
    assert_eq!(without_prefix(arrived, &signed), signed);
    let logged = world.row().await["auth"]["dkim"][0].as_str().unwrap().to_owned();
    assert!(logged.starts_with("pass ") && logged.contains("sender.example"), "{logged}");
    let settings = Settings { servers: vec![world.dns.address()], timeout: Duration::from_secs(5) };
    let inbox = Authenticator::new(&settings).unwrap();
    let (content, header) = (Content::Whole(&arrived.octets), &HeaderFacts::default());
    let asked = Asked { content, header, dmarc: Enforcement::Off };
    let until = Instant::now() + Duration::from_secs(5);
    let verdicts = inbox.message(&asked, std::future::ready(None), until).await.dkim;
    assert_eq!(verdicts.iter().map(|found| found.result).collect::<Vec<_>>(), [DkimResult::Pass]);
    world.stop().await;
}

/// CONFORMANCE 73: they would tell a private address to whoever gets the mail next.
#[tokio::test(flavor = "multi_thread")]
async fn forwarded_fields_stand_only_where_they_are_switched_on() {
    for (setting, wanted) in [("false", false), ("true", true)] {
        let world = World::start_with(&[("POLICY__FORWARDED_HEADERS", setting)]).await;
        assert!(world.letter("shop@my.example").await.is_accepted());
        let prefix = prefix(&world.inbox.wait_for(1).await[0], LETTER);
        assert_eq!(prefix.contains("X-Forwarded-To: anna@inbox.example\r\n"), wanted, "{prefix}");
        assert_eq!(prefix.contains("X-Forwarded-For: "), wanted, "{prefix}");
        world.stop().await;
    }
}
