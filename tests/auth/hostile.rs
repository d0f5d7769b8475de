//! What is made to cost a verifier its time, or to lead it astray (threat 19): a verdict for each, and bounded work.

use std::fmt::Write;
use std::time::Duration;

use waypost::auth::MAX_SIGNATURES;
use waypost::demo::dns::Failure;
use waypost::policy::facts::{ArcResult, DkimResult, DmarcResult, SpfResult};

use super::cpu::cpu;
use super::{MESSAGE, World, sealed};

/// No check of these may cost more, on however slow a machine tests run; honest ones cost a hundredth.
const MAX_CPU: Duration = Duration::from_secs(2);

async fn verdicts(world: &World, message: &str) -> waypost::policy::facts::AuthFacts {
    let begun = cpu();
    let facts = world.message(message, None).await;
    let took = cpu() - begun;
    assert!(took < MAX_CPU, "{took:?}");
    facts
}

#[tokio::test]
async fn a_hundred_signatures_cost_what_ten_do() {
    let world = World::new().await;
    let signed = world.sign("sender.example", "s", MESSAGE);
    let signature = signed.strip_suffix(MESSAGE).unwrap();
    let facts = verdicts(&world, &format!("{}{MESSAGE}", signature.repeat(100))).await;
    assert_eq!(facts.dkim.len(), MAX_SIGNATURES);
    assert!(facts.dkim.iter().all(|signature| signature.result == DkimResult::Pass), "{facts:?}");
}

/// A header of 5,000 lines is read; one whose every line a signature wants compared is not.
#[tokio::test]
async fn a_header_of_five_thousand_lines_is_verified_or_named_too_large() {
    let world = World::new().await;
    let mut lines = String::new();
    (0..5000).for_each(|number| write!(lines, "X-Line-{number}: of very many\r\n").unwrap());
    let long = format!("{lines}{MESSAGE}");
    assert_eq!(verdicts(&world, &world.sign("sender.example", "s", &long)).await.dkim[0].result, DkimResult::Pass);
    let names = (0..5000).fold("from".to_owned(), |names, number| format!("{names}:x-{number}"));
    let greedy =
        format!("DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=x; h={names}; bh=AAAA; b=AAAA\r\n{long}");
    let facts = verdicts(&world, &greedy).await;
    assert_eq!(facts.dkim[0].result, DkimResult::PermError);
    assert!(facts.dkim[0].detail.contains("too large"), "{facts:?}");
    assert_eq!(world.dns.count_of("x._domainkey.sender.example"), 0);
}

/// CONFORMANCE 60: fifty sets are validated, one more fails unasked.
#[tokio::test]
async fn a_chain_of_fifty_one_sets_fails() {
    let world = World::new().await;
    let mut message = MESSAGE.to_owned();
    for number in 0..50 {
        message = sealed(&world, &format!("sealer{number}.example"), &message).await;
    }
    let fifty = verdicts(&world, &message).await.arc.unwrap();
    assert_eq!((fifty.result, fifty.sets), (ArcResult::Pass, 50), "{fifty:?}");
    let set = |instance: usize| {
        format!(
            "ARC-Seal: i={instance}; a=rsa-sha256; cv=pass; d=one.example; s=x; b=AAAA\r\n\
             ARC-Message-Signature: i={instance}; a=rsa-sha256; d=one.example; s=x; h=from; bh=AAAA; b=AAAA\r\n\
             ARC-Authentication-Results: i={instance}; one.example; none\r\n"
        )
    };
    // By instance 51 the field itself is out of range (RFC 8617 section 4.2.1); by count, so is the chain.
    for message in [format!("{}{message}", set(51)), format!("{}{MESSAGE}", (1..=51).map(set).collect::<String>())] {
        let arc = verdicts(&world, &message).await.arc.unwrap();
        assert_eq!(arc.result, ArcResult::Fail);
        assert!(!arc.detail.is_empty());
    }
    assert_eq!(world.dns.count_of("x._domainkey.one.example"), 0);
}

/// The length octets of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(u8::try_from(length).unwrap()),
        _ => {
            let octets = u32::try_from(length).unwrap().to_be_bytes();
            let octets = &octets[octets.iter().position(|octet| *octet != 0).unwrap()..];
            out.push(0x80 | u8::try_from(octets.len()).unwrap());
            out.extend_from_slice(octets);
        }
    }
    out.extend_from_slice(content);
    out
}

/// An RSA public key of 16,384 bits costs sixty-four times one of 2,048.
#[tokio::test]
async fn a_key_of_sixteen_kilobits_is_not_worth_its_arithmetic() {
    let world = World::new().await;
    let modulus = [vec![0, 0xff], vec![0x55; 2046], vec![0xfd]].concat();
    let numbers = [der(2, &modulus), der(2, &[1, 0, 1])].concat();
    let algorithm = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = [vec![0], der(0x30, &numbers)].concat();
    let key = der(0x30, &[der(0x30, &algorithm), der(3, &bits)].concat());
    let public = data_encoding::BASE64.encode(&key);
    world.dns.txt("x._domainkey.sender.example", &format!("v=DKIM1; k=rsa; p={public}"));
    world.dns.fail("x._domainkey.sender.example", Failure::Truncate);
    // The hash of the body is right, so that the key is asked for.
    let body = data_encoding::BASE64.encode(&sha256(b"Hello.\r\n"));
    let signature = data_encoding::BASE64.encode(&[0x41; 2048]);
    let signed = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=x; h=from; bh={body}; b={signature}\r\n{MESSAGE}"
    );
    let facts = verdicts(&world, &signed).await;
    assert!(matches!(facts.dkim[0].result, DkimResult::Fail | DkimResult::PermError), "{facts:?}");
    assert!(world.dns.count_of("x._domainkey.sender.example") > 0);
}

fn sha256(octets: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets).as_ref().to_vec()
}

/// Answers as large as DNS can carry, and records that are broken in every way.
#[tokio::test]
async fn oversized_answers_and_broken_records_have_their_verdict() {
    let world = World::new().await;
    let long = "a:x.example ".repeat(5000);
    for (name, record) in [
        ("large.example", format!("v=spf1 {long}-all")),
        ("_dmarc.large.example", format!("v=DMARC1; p=reject; rua={}", "mailto:a@b.example,".repeat(3000))),
        ("x._domainkey.large.example", format!("v=DKIM1; p={}", "A".repeat(60_000))),
    ] {
        world.dns.txt(name, &record);
        world.dns.fail(name, Failure::Truncate);
    }
    let begun = cpu();
    assert_eq!(world.spf("a@large.example").await.result, SpfResult::PermError);
    assert!(cpu() - begun < MAX_CPU);
    let signed = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=large.example; s=x; h=from; bh={}; b=AAAA\r\n{}",
        data_encoding::BASE64.encode(&sha256(b"Hello.\r\n")),
        MESSAGE.replace("sender.example", "large.example")
    );
    let facts = verdicts(&world, &signed).await;
    assert!(matches!(facts.dkim[0].result, DkimResult::Fail | DkimResult::PermError), "{facts:?}");
    assert!(matches!(facts.dmarc.unwrap().result, DmarcResult::Fail | DmarcResult::PermError));
    for (number, record) in
        ["v=DMARC1;;;;", "v=DMARC1; p=", "v=DMARC1; p=reject; sp=\u{1}", "v=DMARC1 p=reject"].into_iter().enumerate()
    {
        world.dns.txt(&format!("_dmarc.broken{number}.example"), record);
        let dmarc = world.dmarc(&format!("a@broken{number}.example"), "other.example").await;
        assert!(matches!(dmarc.result, DmarcResult::None | DmarcResult::PermError), "{record}: {dmarc:?}");
    }
}
