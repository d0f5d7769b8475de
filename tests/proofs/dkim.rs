//! DKIM beside dkimpy: what dkimpy has signed still verifies there after it went through the gateway, and odd signatures
//! get the verdict that the RFC wants.

use std::fmt::Write as _;

use serde_json::{Value, json};
use waypost::demo::dns::Failure;
use waypost::demo::inbox::Extensions;
use waypost::demo::sender::Sender;

use crate::python;
use crate::support::World;

const FROM: &str = "ann@author.example";

/// How octets travel, to the gateway and from it.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Data,
    Bdat,
}

struct Letter {
    name: String,
    octets: Vec<u8>,
    signatures: usize,
    /// Its last line has no end, which DATA cannot say.
    is_unended: bool,
}

impl Letter {
    fn read(value: &Value) -> Self {
        Self {
            name: value["name"].as_str().unwrap().to_owned(),
            octets: decoded(&value["octets"]),
            signatures: usize::try_from(value["signatures"].as_u64().unwrap()).unwrap(),
            is_unended: value["unended"] == true,
        }
    }
}

pub(crate) fn decoded(text: &Value) -> Vec<u8> {
    data_encoding::BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap()
}

/// A world where the letters' author sends from here, and the records are published.
pub(crate) async fn world_of(records: &Value) -> World {
    let world = World::start_with(&[("DNS__TIMEOUT", "1s")]).await;
    world.dns.txt("author.example", "v=spf1 ip4:127.0.0.1 -all");
    for (name, record) in records.as_object().unwrap() {
        world.dns.txt(name, record.as_str().unwrap());
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_of_every_shape_still_verify_after_forwarding() {
    let corpus = python::run("corpus.py", &[], &Value::Null);
    let letters: Vec<_> = corpus["letters"].as_array().unwrap().iter().map(Letter::read).collect();
    assert!(letters.len() >= 100, "the corpus has become small");
    let (by_data, by_bdat) =
        tokio::join!(forwarded(&corpus, &letters, By::Data), forwarded(&corpus, &letters, By::Bdat));
    let arrived = json!([by_data, by_bdat].concat());
    let count = arrived.as_array().unwrap().len();
    let faults = python::run("verify.py", &[], &json!({ "records": corpus["records"], "letters": arrived }));
    assert_eq!(faults, json!({}));
    println!("{count} letters arrived, and all of their signatures verify");
}

/// Sends every letter, and gives what arrived of each, prefix and all.
async fn forwarded(corpus: &Value, letters: &[Letter], by: By) -> Vec<Value> {
    let world = world_of(&corpus["records"]).await;
    if by == By::Bdat {
        world.inbox.offer(Extensions { others: vec!["CHUNKING".to_owned()], ..Extensions::default() });
    }
    let mut sender = world.sender().await;
    for letter in letters {
        let by = if letter.is_unended { By::Bdat } else { by };
        let reply = send(&mut sender, &letter.octets, by).await;
        assert!(reply.starts_with("250"), "{}: {reply}", letter.name);
        let row = world.get("/v1/activity?limit=1").await["items"][0].clone();
        let verdicts = row["auth"]["dkim"].as_array().unwrap();
        let passed = verdicts.iter().filter(|verdict| verdict.as_str().unwrap().starts_with("pass ")).count();
        // What may go on behind its end proves nothing here, though it verifies.
        let is_weak = letter.name.starts_with("with a length");
        assert_eq!(passed, if is_weak { 0 } else { letter.signatures }, "{}: {verdicts:?}", letter.name);
    }
    let arrived = world.inbox.wait_for(letters.len()).await;
    // What the content breaks is the sender's doing, and goes on as it came.
    let violations = world.inbox.violations().into_iter().filter(|what| !what.contains("content")).collect::<Vec<_>>();
    assert_eq!(violations, Vec::<String>::new());
    world.stop().await;
    let with_names = arrived.iter().zip(letters);
    with_names
        .map(|(arrived, letter)| {
            assert!(holds(&arrived.octets, &letter.octets), "{} was changed", letter.name);
            let octets = data_encoding::BASE64.encode(&arrived.octets);
            json!({ "name": letter.name, "octets": octets, "signatures": letter.signatures })
        })
        .collect()
}

/// Whether the end of what arrived is what was sent; to a hop that takes only DATA, a missing line end is added.
fn holds(arrived: &[u8], sent: &[u8]) -> bool {
    arrived.ends_with(sent) || arrived.strip_suffix(b"\r\n").is_some_and(|arrived| arrived.ends_with(sent))
}

/// Sends one message, and gives the last reply.
async fn send(sender: &mut Sender, octets: &[u8], by: By) -> String {
    if by == By::Data {
        return sender.send(FROM, &["shop@my.example"], octets).await.unwrap().last().to_owned();
    }
    sender.command(&format!("MAIL FROM:<{FROM}>")).await.unwrap();
    sender.command("RCPT TO:<shop@my.example>").await.unwrap();
    // In two chunks, cut where it hurts.
    let (front, rest) = octets.split_at(octets.len() / 2 + 1);
    for (chunk, last) in [(front, ""), (rest, " LAST")] {
        sender.write(format!("BDAT {}{last}\r\n", chunk.len()).as_bytes()).await.unwrap();
        sender.write(chunk).await.unwrap();
        let reply = sender.reply().await.unwrap();
        if !last.is_empty() || !reply.starts_with("250") {
            return reply;
        }
    }
    unreachable!("the last chunk has its answer")
}

/// Each odd letter, with the verdicts of its signatures and of DMARC as the log has them.
const ODDITIES: &str = include_str!("oddities.txt");

#[tokio::test(flavor = "multi_thread")]
async fn every_oddity_has_its_verdict() {
    let oddities = python::run("oddities.py", &[], &Value::Null);
    let world = world_of(&oddities["records"]).await;
    world.dns.txt("_dmarc.author.example", "v=DMARC1; p=none");
    world.dns.txt("_dmarc.other.example", "v=DMARC1; p=none");
    // Where DKIM stands alone.
    world.dns.clear("author.example");
    world.dns.fail("down._domainkey.author.example", Failure::ServFail);
    let verdicts = verdicts_of(&world, &oddities["letters"], |auth| {
        let dkim: Vec<_> = auth["dkim"].as_array().unwrap().iter().map(|verdict| verdict.as_str().unwrap()).collect();
        format!(
            "{}; dmarc {}",
            if dkim.is_empty() { "none".to_owned() } else { dkim.join(", ") },
            auth["dmarc"].as_str().unwrap_or("-")
        )
    });
    compare(&verdicts.await, ODDITIES);
    world.stop().await;
}

/// Sends each letter, and writes down what the log says of it, a line each.
pub(crate) async fn verdicts_of(world: &World, letters: &Value, words: impl Fn(&Value) -> String) -> String {
    let mut lines = String::new();
    let mut sender = world.sender().await;
    for (name, octets) in letters.as_object().unwrap() {
        let reply = send(&mut sender, &decoded(octets), By::Data).await;
        let row = world.get("/v1/activity?limit=1").await["items"][0].clone();
        let refused = if reply.starts_with("250") { String::new() } else { format!("; {}", &reply[..9]) };
        let _ = writeln!(lines, "{name}: {}{refused}", words(&row["auth"]));
    }
    lines
}

/// Compares line by line, comments aside, in any order.
pub(crate) fn compare(came: &str, wanted: &str) {
    let mut wanted: Vec<_> = wanted.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let mut came: Vec<_> = came.lines().collect();
    wanted.sort_unstable();
    came.sort_unstable();
    let more: Vec<_> = came.iter().filter(|line| !wanted.contains(line)).collect();
    let less: Vec<_> = wanted.iter().filter(|line| !came.contains(line)).collect();
    assert!(more.is_empty() && less.is_empty(), "came: {more:#?}\nwanted: {less:#?}");
}
