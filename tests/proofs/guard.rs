//! The alignment guard (DESIGN section 6) once more, over SMTP and with every policy on: what is let in, and on which
//! reverse-path it leaves. No mail may leave with an SPF pass of ours that blesses an author who has not proven itself.

use mail_auth::crypto::Ed25519Key;
use mail_auth::dkim::DkimSigner;
use mail_auth::headers::HeaderWriter;
use waypost::demo::dns::Dns;
use waypost::demo::sender::Sender;

use crate::support::World;

const POLICIES: [(&str, &str); 5] = [
    ("POLICY__SPF", "enforce"),
    ("POLICY__DKIM", "enforce"),
    ("POLICY__DMARC", "enforce"),
    ("POLICY__UNAUTHENTICATED", "reject"),
    ("SMTP__PROXY_PROTOCOL_FROM", "127.0.0.1"),
];

/// From where the message comes: the owner's own server, somebody's with good records, or a forger's, with as good ones.
const OWNER: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";
const FORGER: &str = "192.0.2.66";

/// Where it goes from here.
#[derive(Debug, PartialEq)]
enum Fate {
    Refused(&'static str),
    /// Our own domain stands behind it.
    Rewritten,
    /// As it came; at the next hop it fails SPF, or passes by its own right.
    LeftAs(&'static str),
}
use Fate::{LeftAs, Refused, Rewritten};

/// By whom it is signed: with which key, and in which domain's name.
#[derive(Clone, Copy)]
enum Signed {
    Nobody,
    By(&'static str),
    /// In that domain's name, by a key that is not its.
    Forged(&'static str),
}
use Signed::{By, Forged, Nobody};

type Row = (&'static str, &'static str, &'static str, Signed, Fate);

/// Client, MAIL FROM, From, signature, and what comes of it where the owner's domain publishes `p=none`.
const WITHOUT_REJECT: &[Row] = &[
    // Genuine mail of others.
    (OTHER, "ann@other.example", "ann@other.example", Nobody, Rewritten),
    (OTHER, "ann@other.example", "ann@other.example", By("other.example"), Rewritten),
    (FORGER, "x@forger.example", "ann@other.example", By("other.example"), Rewritten),
    (OTHER, "", "ann@other.example", By("other.example"), LeftAs("")),
    // Genuine mail of the owner.
    (OWNER, "boss@my.example", "boss@my.example", Nobody, LeftAs("boss@my.example")),
    (FORGER, "boss@my.example", "boss@my.example", By("my.example"), Refused("550 5.7.23")),
    (OTHER, "bounce@other.example", "boss@my.example", By("my.example"), Rewritten),
    (OTHER, "bounce@other.example", "boss@my.example", By("news.my.example"), Rewritten),
    (OWNER, "a@news.my.example", "boss@my.example", Nobody, Rewritten),
    // The owner's name, forged, by somebody whose own records are good.
    (FORGER, "x@forger.example", "boss@my.example", Nobody, LeftAs("x@forger.example")),
    (FORGER, "x@forger.example", "boss@my.example", By("forger.example"), LeftAs("x@forger.example")),
    (FORGER, "x@forger.example", "boss@news.my.example", By("forger.example"), LeftAs("x@forger.example")),
    (FORGER, "x@forger.example", "x@forger.example, boss@my.example", Nobody, LeftAs("x@forger.example")),
    (FORGER, "x@forger.example", "boss@my.example", Forged("my.example"), Refused("550 5.7.20")),
    (FORGER, "x@forger.example", "boss", Nobody, Refused("550 5.7.1")),
    (FORGER, "", "boss@my.example", Nobody, LeftAs("")),
    (FORGER, "boss@my.example", "x@forger.example", Nobody, Refused("550 5.7.1")),
    (FORGER, "a@news.my.example", "boss@my.example", Nobody, Refused("550 5.7.23")),
    (FORGER, "boss@my.example", "x@forger.example", By("forger.example"), Refused("550 5.7.1")),
    // Everyone may send as this one, which proves nothing.
    (FORGER, "x@open.example", "x@open.example", Nobody, Refused("550 5.7.26")),
    (FORGER, "x@open.example", "boss@my.example", By("open.example"), Refused("550 5.7.26")),
    // Nobody has said anything.
    (FORGER, "x@silent.example", "x@silent.example", Nobody, Refused("550 5.7.26")),
];

/// The same where the owner's domain asks to refuse what it disowns: of the forged ones none is left.
const WITH_REJECT: &[Row] = &[
    (OTHER, "ann@other.example", "ann@other.example", Nobody, Rewritten),
    (OWNER, "boss@my.example", "boss@my.example", Nobody, LeftAs("boss@my.example")),
    (OTHER, "bounce@other.example", "boss@my.example", By("my.example"), Rewritten),
    (OTHER, "bounce@other.example", "boss@my.example", By("news.my.example"), Rewritten),
    (OWNER, "a@news.my.example", "boss@my.example", Nobody, Rewritten),
    (FORGER, "x@forger.example", "boss@my.example", Nobody, Refused("550 5.7.1")),
    (FORGER, "x@forger.example", "boss@my.example", By("forger.example"), Refused("550 5.7.1")),
    (FORGER, "x@forger.example", "boss@news.my.example", By("forger.example"), Refused("550 5.7.1")),
    (FORGER, "x@forger.example", "x@forger.example, boss@my.example", Nobody, Refused("550 5.7.1")),
    (FORGER, "", "boss@my.example", Nobody, Refused("550 5.7.1")),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_unproven_author_is_blessed_with_every_policy_on() {
    for (policy, rows) in [("none", WITHOUT_REJECT), ("reject", WITH_REJECT)] {
        let world = World::start_with(&POLICIES).await;
        let keys = Keys::publish(&world.dns);
        world.dns.txt("_dmarc.my.example", &format!("v=DMARC1; p={policy}"));
        let mut faults = Vec::new();
        for (client, from, author, signed, fate) in rows {
            let letter = keys.sign(*signed, author);
            let came = fate_of(&world, (client, from), &letter).await;
            if came != shown(fate, from) {
                faults.push(format!("p={policy}: {from:?} with From {author} from {client}: {came} and not {fate:?}"));
            }
        }
        assert!(faults.is_empty(), "{faults:#?}");
        world.stop().await;
    }
}

fn shown(fate: &Fate, from: &str) -> String {
    match fate {
        Refused(code) => (*code).to_owned(),
        LeftAs(path) => format!("<{path}>"),
        Rewritten => {
            let (local, domain) = from.split_once('@').unwrap();
            format!("SRS of {domain}={local} on my.example")
        }
    }
}

async fn fate_of(world: &World, (client, from): (&str, &str), letter: &[u8]) -> String {
    let header = format!("PROXY TCP4 {client} 192.0.2.25 4711 25\r\n");
    let helo = if client == OWNER { "mx.my.example" } else { "mx.other.example" };
    let mut sender = Sender::connect_behind(world.smtp(), header.as_bytes(), helo).await.unwrap();
    let before = world.inbox.received().len();
    let answers = sender.send(from, &["shop@my.example"], letter).await.unwrap();
    if !answers.is_accepted() {
        assert_eq!(world.inbox.received().len(), before, "what is refused goes nowhere");
        return answers.last()[..answers.last().match_indices(' ').nth(1).unwrap().0].to_owned();
    }
    let arrived = world.inbox.wait_for(before + 1).await.pop().unwrap().from;
    let rewritten = arrived.strip_prefix("SRS0=").and_then(|rest| rest.strip_suffix("@my.example"));
    // The hash and the day stand before the original address.
    let original = rewritten.map(|rest| rest.splitn(3, '=').nth(2).unwrap());
    original.map_or(format!("<{arrived}>"), |original| format!("SRS of {original} on my.example"))
}

/// One key, published by everyone who signs.
struct Keys {
    right: Vec<u8>,
    wrong: Vec<u8>,
}

impl Keys {
    fn publish(dns: &Dns) -> Self {
        let [right, wrong] = [(); 2].map(|()| Ed25519Key::generate_pkcs8().unwrap());
        let public = data_encoding::BASE64.encode(&Ed25519Key::from_pkcs8_der(&right).unwrap().public_key());
        for (domain, spf) in [
            ("my.example", "v=spf1 ip4:192.0.2.1 ip4:127.0.0.1 -all"),
            ("news.my.example", "v=spf1 ip4:192.0.2.1 -all"),
            ("other.example", "v=spf1 ip4:192.0.2.2 -all"),
            ("mx.other.example", "v=spf1 a -all"),
            ("forger.example", "v=spf1 ip4:192.0.2.66 -all"),
            ("open.example", "v=spf1 +all"),
        ] {
            dns.txt(domain, spf);
            dns.txt(&format!("s._domainkey.{domain}"), &format!("v=DKIM1; k=ed25519; p={public}"));
        }
        // The greeting of a null path is what stands for it.
        dns.a("mx.other.example", [192, 0, 2, 2].into());
        dns.a("mx.other.example", [192, 0, 2, 66].into());
        Self { right, wrong }
    }

    fn sign(&self, signed: Signed, author: &str) -> Vec<u8> {
        let letter = format!("From: {author}\r\nTo: shop@my.example\r\nSubject: Hi\r\n\r\nHello.\r\n");
        let (key, domain) = match signed {
            Nobody => return letter.into_bytes(),
            By(domain) => (&self.right, domain),
            Forged(domain) => (&self.wrong, domain),
        };
        let key = Ed25519Key::from_pkcs8_der(key).unwrap();
        let signer = DkimSigner::from_key(key).domain(domain).selector("s").headers(["From", "Subject"]);
        format!("{}{letter}", signer.sign(letter.as_bytes()).unwrap().to_header()).into_bytes()
    }
}
