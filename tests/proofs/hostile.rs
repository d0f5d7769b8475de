//! Bounded work for hostile input: each has its verdict in the log, asks DNS no more than a bound, and holds nobody up.
//! What it cost is printed; only the counts are asserted, since the clock of a busy machine proves nothing.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use waypost::demo::dns::{Dns, Failure};

use crate::cpu::cpu;
use crate::dkim::{decoded, world_of};
use crate::python;
use crate::support::World;

const FROM: &str = "ann@author.example";
const HEAD: &str = "From: ann@author.example\r\nTo: shop@my.example\r\nSubject: A letter\r\n";
const BODY: &str = "Hello.\r\n";
/// Questions of a message that asks for nothing odd: SPF of the sender and of the greeting, DMARC, the inbox.
const USUAL: usize = 16;

/// One hostile message: what is published for it, and what is to come of it.
struct Hostile {
    name: &'static str,
    from: &'static str,
    octets: Vec<u8>,
    /// The reply to the final dot begins so.
    reply: &'static str,
    /// What the log says of its authentication holds this.
    verdict: &'static str,
    /// Questions to DNS, at most.
    questions: usize,
}

impl Hostile {
    fn new(name: &'static str, octets: impl Into<Vec<u8>>, verdict: &'static str) -> Self {
        Self { name, from: FROM, octets: octets.into(), reply: "250", verdict, questions: USUAL }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_get_a_verdict_for_bounded_work() {
    let world = world_of(&json!({})).await;
    publish(&world.dns);
    let mut faults = Vec::new();
    for case in signatures().into_iter().chain(headers()).chain(records()) {
        faults.extend(judge(&world, &case).await);
    }
    let chains = python::run("chains.py", &[], &Value::Null);
    for (name, record) in chains["records"].as_object().unwrap() {
        world.dns.txt(name, record.as_str().unwrap());
    }
    for (name, verdict, questions) in
        [("50 sets", "pass (i=50", USUAL + 50), ("51 sets", "fail (i=5", USUAL + 50), ("5000 seals", "fail (i=", USUAL)]
    {
        let octets = decoded(&chains["letters"][name]);
        faults.extend(judge(&world, &Hostile { questions, ..Hostile::new("ARC", octets, verdict) }).await);
    }
    assert!(faults.is_empty(), "{faults:#?}");
    world.stop().await;
}

/// What is not as it should be, if anything.
async fn judge(world: &World, case: &Hostile) -> Option<String> {
    let asked = world.dns.queries().len();
    let (began, before) = (Instant::now(), cpu());
    let answers = world.send(case.from, &["shop@my.example"], &case.octets).await;
    let (took, cpu) = (began.elapsed(), cpu() - before);
    let asked = world.dns.queries().len() - asked;
    let row = world.get("/v1/activity?limit=1").await["items"][0].clone();
    let auth = row["auth"].to_string();
    println!(
        "{}: {} octets, {asked} questions, {took:.1?}, {cpu:.1?} of CPU: {:.60} {:.200}",
        case.name,
        case.octets.len(),
        answers.last(),
        auth
    );
    let is_right = answers.last().starts_with(case.reply) && auth.contains(case.verdict) && asked <= case.questions;
    (!is_right).then(|| format!("{}: {asked} questions, {}, {auth:.300}", case.name, answers.last()))
}

/// A signature whose body hash is right, so that its key is asked for.
fn signature(tags: &str, signature: &str) -> String {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(BODY));
    format!("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; bh={hash};{tags}; b={signature}\r\n")
}

fn signatures() -> Vec<Hostile> {
    let many: String = (0..100).map(|at| signature(&format!(" d=d{at}.author.example; s=s; h=from"), "AAAA")).collect();
    let giant = data_encoding::BASE64.encode(&[0x5a; 2048]);
    let giant = signature(" d=author.example; s=giant; h=from", &giant);
    let names = vec!["x-field"; 20_000].join(":");
    let listing = signature(&format!(" d=author.example; s=s; h=from:{names}"), "AAAA");
    let fields: String = (0..5000).map(|at| format!("X-Field: {at}\r\n")).collect();
    let tags: String = (0..20_000).map(|at| format!(" t{at}=x;")).collect();
    let letter = |front: &str| format!("{front}{HEAD}\r\n{BODY}");
    vec![
        Hostile { questions: USUAL + 10, ..Hostile::new("100 signatures", letter(&many), "d9.author.example") },
        Hostile::new("a key of 16 kbit", letter(&giant), "s=giant"),
        Hostile::new("20000 names to sign, of 5000 fields", letter(&format!("{listing}{fields}")), "author.example"),
        // From lies beyond the mebibyte of header that is looked at.
        Hostile {
            reply: "550 5.7.1 ",
            ..Hostile::new("the same ten times", letter(&format!("{}{fields}", listing.repeat(10))), "permerror")
        },
        Hostile::new(
            "20000 tags",
            letter(&signature(&format!("{tags} d=author.example; s=s; h=from"), "AAAA")),
            "dkim",
        ),
        Hostile::new(
            "a signature of half a mebibyte",
            letter(&signature(" d=author.example; s=s; h=from", &"A".repeat(1 << 19))),
            "dkim",
        ),
    ]
}

fn headers() -> Vec<Hostile> {
    let folded = format!("X-Folded: a\r\n{}", " folded\r\n".repeat(5000));
    let many: String = (0..5000).map(|at| format!("X-Field-{at}: {at}\r\n")).collect();
    let received = "Received: from a.example by b.example with ESMTP id 1; Sun, 22 Nov 2026 20:00:00 +0000\r\n";
    let authors: Vec<_> = (0..10_000).map(|at| format!("a{at}@d{at}.example")).collect();
    let deep = format!("From: {}ann@author.example{}\r\n\r\n{BODY}", "(".repeat(50_000), ")".repeat(50_000));
    let words = format!("Subject: {}\r\n", "=?utf-8?q?=41?=\r\n ".repeat(20_000));
    vec![
        Hostile::new("a field of 5000 lines", format!("{folded}{HEAD}\r\n{BODY}"), "pass"),
        Hostile::new("5000 fields", format!("{many}{HEAD}\r\n{BODY}"), "pass"),
        Hostile {
            reply: "554 5.4.6",
            ..Hostile::new("10000 Received", format!("{}{HEAD}\r\n{BODY}", received.repeat(10_000)), "pass")
        },
        Hostile {
            reply: "",
            questions: USUAL + 64,
            ..Hostile::new("10000 authors", format!("From: {}\r\n\r\n{BODY}", authors.join(",\r\n ")), "pass")
        },
        Hostile { reply: "", ..Hostile::new("comments 50000 deep", deep, "pass") },
        Hostile::new("a subject of 20000 words", format!("{words}{HEAD}\r\n{BODY}"), "pass"),
    ]
}

/// Records that mean harm: what is published is in [`publish`].
fn records() -> Vec<Hostile> {
    let by = |name, from, verdict| Hostile { from, ..Hostile::new(name, format!("{HEAD}\r\n{BODY}"), verdict) };
    vec![
        Hostile {
            questions: USUAL + 12,
            ..by("SPF that includes ten that include ten", "a@fan.example", "\"spf\":\"permerror\"")
        },
        Hostile { questions: USUAL + 130, ..by("SPF of ten times ten exchangers", "a@mx.example", "\"spf\":\"fail\"") },
        by("SPF that includes itself", "a@self.example", "\"spf\":\"permerror\""),
        by("SPF of 64 KiB", "a@large.example", "\"spf\":\"fail\""),
        by("SPF whose names grow to mebibytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@grow.example", "\"spf\":\"fail\""),
        by("SPF that is none", "a@garbage.example", "\"spf\":\"permerror\""),
        by("SPF of 1000 records", "a@many.example", "\"spf\":\"permerror\""),
        by("an answer that is no DNS", "a@noise.example", "\"spf\":\"temperror\""),
        Hostile::new(
            "a key of 64 KiB",
            format!("{}{HEAD}\r\n{BODY}", signature(" d=author.example; s=large; h=from", "AAAA")),
            "s=large",
        ),
    ]
}

fn publish(dns: &Dns) {
    let all = |names: &[String], kind: &str| names.iter().map(|name| format!("{kind}:{name} ")).collect::<String>();
    let names = |of: &str| (0..10).map(|at| format!("n{at}.{of}")).collect::<Vec<_>>();
    dns.txt("fan.example", &format!("v=spf1 {}-all", all(&names("fan.example"), "include")));
    for name in names("fan.example") {
        dns.txt(&name, &format!("v=spf1 {}-all", all(&names(&name), "include")));
        names(&name).iter().for_each(|name| dns.txt(name, "v=spf1 ip4:203.0.113.1 -all"));
    }
    dns.txt("mx.example", &format!("v=spf1 {}-all", all(&names("mx.example"), "mx")));
    for name in names("mx.example") {
        for host in names(&name) {
            dns.mx(&name, 10, &host);
            dns.a(&host, [203, 0, 113, 1].into());
        }
    }
    dns.txt("self.example", "v=spf1 include:self.example a:%{p}.self.example -all");
    for (name, text) in [
        ("large.example", format!("v=spf1 {}-all", "ip4:203.0.113.1 ".repeat(3900))),
        (
            "grow.example",
            format!("v=spf1 {}-all", format!("exists:{}x.example ", "%{S}.%{ir}.".repeat(2000)).repeat(2)),
        ),
        ("garbage.example", format!("v=spf1 {}", "%{".repeat(30_000))),
        ("large._domainkey.author.example", format!("v=DKIM1; k=rsa; p={}", "A".repeat(60_000))),
        (
            "giant._domainkey.author.example",
            format!("v=DKIM1; k=rsa; p={}", data_encoding::BASE64.encode(&giant_key())),
        ),
    ] {
        dns.txt(name, &text);
        // Nothing of this size comes by UDP.
        dns.fail(name, Failure::Truncate);
    }
    for at in 0..1000 {
        dns.txt("many.example", &format!("v=spf1 {at}"));
    }
    dns.fail("many.example", Failure::Truncate);
    dns.fail("noise.example", Failure::Garbage);
}

/// A public RSA key of 16,384 bits, with an exponent as long: SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING }.
fn giant_key() -> Vec<u8> {
    let number = |last: u8| element(2, &[&[0, 0xc3][..], &[0x5a; 2046], &[last]].concat());
    let key = element(0x30, &[number(0x5b), number(0x5d)].concat());
    let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    element(0x30, &[&algorithm[..], &element(3, &[&[0][..], &key].concat())].concat())
}

/// An element of DER, its length in two octets.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &length, content].concat()
}
