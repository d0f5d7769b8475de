//! The whole test suite of RFC 7208, over SMTP: the client address comes by the PROXY protocol, HELO and MAIL FROM as the
//! case says, the zone from a DNS on loopback, and the verdict is read from the log.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::http::Method;
use serde_json::{Value, json};
use waypost::demo::dns::Failure;
use waypost::demo::sender::Sender;

use crate::python;
use crate::support::World;

/// Cases in the suite: one that is passed over would be noticed.
const CASES: usize = 203;
const LETTER: &[u8] = b"From: Ann <ann@author.example>\r\nTo: shop@my.example\r\nSubject: A letter\r\n\r\nHello.\r\n";

/// Cases that never come to SPF, since what they greet or send with is no command of SMTP: by name, and our reply to it.
/// They are cases for who asks SPF by other ways than SMTP; none of their senders can be written in MAIL (RFC 5321 §4.1.2).
const REFUSED: [(&str, &str); 4] = [
    // A label is empty.
    (
        "emptylabel",
        "501 5.1.7 Bad sender address: between the dots of a domain name stand 1 to 63 characters, and no hyphen first or last",
    ),
    // The name has a blank.
    ("invalid-hello-macro", "501 5.5.4 Syntax: EHLO your.host.name"),
    // Nothing stands before the `@`.
    ("nolocalpart", "501 5.1.7 Bad sender address: the part before the @ is malformed"),
    // A label has 64 octets.
    (
        "toolonglabel",
        "501 5.1.7 Bad sender address: between the dots of a domain name stand 1 to 63 characters, and no hyphen first or last",
    ),
];

struct Case {
    name: String,
    helo: String,
    host: IpAddr,
    from: String,
    results: Vec<String>,
}

impl Case {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        Self {
            name: text("name"),
            helo: text("helo"),
            host: text("host").parse().unwrap(),
            from: quoted(&text("mailfrom")),
            results: value["results"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect(),
        }
    }
}

/// A local part with a blank is written in quotes in SMTP (RFC 5321 §4.1.2).
fn quoted(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) if local.contains(' ') => format!("\"{local}\"@{domain}"),
        _ => address.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_of_rfc_7208_whole_over_smtp() {
    let suite = python::run("suite.py", &[python::installed("rfc7208-tests.yml")], &Value::Null);
    let scenarios = suite.as_array().unwrap().iter();
    let verdicts: BTreeMap<_, _> =
        futures_util::future::join_all(scenarios.map(play)).await.into_iter().flatten().collect();
    assert_eq!(verdicts.len(), CASES);
    let mut wrong = Vec::new();
    let mut refused = Vec::new();
    for (name, verdict) in &verdicts {
        match verdict {
            Ok(()) => {}
            Err(Wrong::Verdict(text)) => wrong.push(format!("{name}: {text}")),
            Err(Wrong::Refused(text)) => refused.push((name.as_str(), text.as_str())),
        }
    }
    println!(
        "RFC 7208: {} of {CASES} pass, {} are refused before SPF",
        CASES - wrong.len() - refused.len(),
        refused.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?} {refused:#?}");
    assert_eq!(refused, REFUSED);
}

enum Wrong {
    Refused(String),
    Verdict(String),
}

async fn play(scenario: &Value) -> Vec<(String, Result<(), Wrong>)> {
    let world = World::bare(&[
        ("SMTP__PROXY_PROTOCOL_FROM", "127.0.0.1"),
        ("SMTP__MAX_CONNECTIONS_PER_IP", "1000"),
        ("POLICY__DMARC", "off"),
        ("DNS__TIMEOUT", "1s"),
    ])
    .await;
    publish(&world, &scenario["zone"]);
    world.domain("my.example").await;
    world.post("/v1/aliases", json!({ "address": "shop@my.example", "action": "drop" })).await;
    let mut verdicts = Vec::new();
    for case in scenario["tests"].as_array().unwrap().iter().map(Case::read) {
        let verdict = judge(&world, &case).await;
        verdicts.push((case.name, verdict));
    }
    world.stop().await;
    verdicts
}

async fn judge(world: &World, case: &Case) -> Result<(), Wrong> {
    let mut sender = Sender::connect_behind(world.smtp(), &proxy_header(case.host), "[192.0.2.1]").await.unwrap();
    let greeted = sender.command(&format!("EHLO {}", case.helo)).await.unwrap();
    if !greeted.starts_with("250") {
        return Err(Wrong::Refused(greeted));
    }
    let answers = sender.send(&case.from, &["shop@my.example"], LETTER).await.unwrap();
    if answers.dot.is_none() {
        return Err(Wrong::Refused(answers.last().to_owned()));
    }
    let (_, rows) = world.ask(Method::GET, "/v1/activity?limit=1", Value::Null).await;
    let spf = rows["items"][0]["auth"]["spf"].as_str().unwrap_or("nothing").to_owned();
    let spf = spf.strip_suffix(" by +all").unwrap_or(&spf);
    if case.results.iter().any(|result| result == spf) {
        return Ok(());
    }
    Err(Wrong::Verdict(format!("{spf} and not {:?}", case.results)))
}

/// Version 2 of the PROXY protocol: the signature, PROXY over TCP, both ends.
fn proxy_header(client: IpAddr) -> Vec<u8> {
    let (family, ends): (u8, Vec<u8>) = match client {
        IpAddr::V4(client) => (0x11, [client.octets(), [192, 0, 2, 25]].concat()),
        IpAddr::V6(client) => (0x21, [client.octets(), [0x20; 16]].concat()),
    };
    let rest = [&ends[..], &[0x12, 0x67, 0, 25]].concat();
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x21, family][..], &length, &rest].concat()
}

fn publish(world: &World, zone: &Value) {
    for (name, records) in zone.as_object().unwrap() {
        for record in records.as_array().unwrap() {
            if record == "TIMEOUT" {
                world.dns.fail_otherwise(name, Failure::Timeout);
                continue;
            }
            let value = &record[1];
            let text = || value.as_str().unwrap();
            match record[0].as_str().unwrap() {
                "TXT" => {
                    // A record of no strings at all cannot be sent (RFC 1035 §3.3.14); one of an empty string can.
                    let strings: Vec<_> =
                        value.as_array().unwrap().iter().map(|string| octets(string.as_str().unwrap())).collect();
                    let strings: Vec<_> = strings.iter().map(Vec::as_slice).collect();
                    world.dns.txt_strings(name, if strings.is_empty() { &[b""] } else { &strings });
                }
                "A" => world.dns.a(name, text().parse().unwrap()),
                "AAAA" => world.dns.aaaa(name, text().parse().unwrap()),
                "MX" => {
                    let preference = u16::try_from(value[0].as_u64().unwrap()).unwrap();
                    world.dns.mx(name, preference, value[1].as_str().unwrap());
                }
                "CNAME" => world.dns.cname(name, text()),
                "PTR" => world.dns.ptr_of(name, text()),
                other => panic!("the suite has a record of type {other}"),
            }
        }
    }
}

/// Each character of the suite stands for an octet.
fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}
