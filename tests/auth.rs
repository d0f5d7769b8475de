//! SPF, DKIM and organisational domains against the small DNS (CONFORMANCE 56 and 57).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::net::IpAddr;
use std::time::Duration;

use mail_auth::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::dkim::DkimSigner;
use mail_auth::headers::HeaderWriter;
use rustls::pki_types::PrivateKeyDer;
use tokio::time::Instant;
use waypost::auth::{Authenticator, MAX_SIGNATURES, Settings};
use waypost::demo::dns::{Dns, Failure};
use waypost::mail::{Domain, ReversePath};
use waypost::policy::facts::{DkimFacts, DkimResult, SpfFacts, SpfResult};

const PEER: &str = "192.0.2.1";
const MESSAGE: &str = "From: jane@sender.example\r\nTo: shop@my.example\r\nSubject: Hi\r\n\r\nHello.\r\n";

struct World {
    dns: Dns,
    auth: Authenticator,
}

impl World {
    async fn new() -> Self {
        let dns = Dns::start().await.unwrap();
        dns.set_ttl(60);
        let settings = Settings {
            servers: vec![dns.address()],
            timeout: Duration::from_millis(400),
            hostname: Domain::parse("mx.ours.example").unwrap(),
        };
        Self { auth: Authenticator::new(&settings).unwrap(), dns }
    }

    async fn spf(&self, from: &str) -> SpfFacts {
        self.spf_of(PEER, "client.example", from).await
    }

    async fn spf_of(&self, peer: &str, helo: &str, from: &str) -> SpfFacts {
        let peer: IpAddr = peer.parse().unwrap();
        self.auth.spf(peer, helo, &ReversePath::parse(from).unwrap()).await
    }

    async fn dkim(&self, message: &str) -> Vec<DkimFacts> {
        self.auth.dkim(message.as_bytes(), Instant::now() + Duration::from_secs(4)).await
    }

    async fn organisational(&self, name: &str) -> Option<String> {
        let found = self.auth.organisational(&Domain::parse(name).unwrap()).await;
        found.map(|domain| domain.as_str().to_owned())
    }

    /// Publishes a new key at `selector`, and gives the message with a signature by it.
    fn sign(&self, domain: &str, selector: &str, message: &str) -> String {
        let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
        let public = data_encoding::BASE64.encode(&key.public_key());
        self.dns.txt(&format!("{selector}._domainkey.{domain}"), &format!("v=DKIM1; k=ed25519; p={public}"));
        let signer = DkimSigner::from_key(key).domain(domain).selector(selector).headers(["From", "Subject"]);
        format!("{}{message}", signer.sign(message.as_bytes()).unwrap().to_header())
    }
}

#[tokio::test]
async fn spf_tells_its_seven_results_apart() {
    let world = World::new().await;
    for (domain, record) in [
        ("pass.example", "v=spf1 ip4:192.0.2.0/24 -all"),
        ("fail.example", "v=spf1 -all"),
        ("soft.example", "v=spf1 ~all"),
        ("neutral.example", "v=spf1 ?all"),
        ("broken.example", "v=spf1 ip4:nonsense -all"),
        ("includes.example", "v=spf1 include:pass.example -all"),
        ("redirects.example", "v=spf1 redirect=fail.example"),
        ("none.example", "some other text"),
    ] {
        world.dns.txt(domain, record);
    }
    world.dns.fail("servfail.example", Failure::ServFail);
    for (domain, wanted) in [
        ("pass.example", SpfResult::Pass),
        ("fail.example", SpfResult::Fail),
        ("soft.example", SpfResult::SoftFail),
        ("neutral.example", SpfResult::Neutral),
        ("broken.example", SpfResult::PermError),
        ("includes.example", SpfResult::Pass),
        ("redirects.example", SpfResult::Fail),
        ("none.example", SpfResult::None),
        ("unknown.example", SpfResult::None),
        ("servfail.example", SpfResult::TempError),
    ] {
        let facts = world.spf(&format!("a@{domain}")).await;
        assert_eq!((facts.result, facts.domain.as_str(), facts.by_plus_all), (wanted, domain, false));
    }
}

#[tokio::test]
async fn a_pass_for_everyone_proves_nothing() {
    let world = World::new().await;
    for (domain, record) in [
        ("plus.example", "v=spf1 mx +all"),
        ("bare.example", "v=spf1 all"),
        ("includes.example", "v=spf1 include:bare.example -all"),
        ("redirects.example", "v=spf1 redirect=plus.example"),
        ("network.example", "v=spf1 ip4:0.0.0.0/0 ip6:::/0 -all"),
    ] {
        world.dns.txt(domain, record);
    }
    for peer in [PEER, "2001:db8::1"] {
        for domain in ["plus.example", "bare.example", "includes.example", "redirects.example", "network.example"] {
            let facts = world.spf_of(peer, "client.example", &format!("a@{domain}")).await;
            assert_eq!((facts.result, facts.by_plus_all), (SpfResult::Pass, true), "{domain} from {peer}");
        }
    }
}

#[tokio::test]
async fn the_null_path_is_checked_by_its_greeting() {
    let world = World::new().await;
    world.dns.txt("client.example", "v=spf1 ip4:192.0.2.1 -all");
    let facts = world.spf_of(PEER, "Client.example", "").await;
    assert_eq!((facts.result, facts.domain.as_str()), (SpfResult::Pass, "client.example"));
    for helo in ["[192.0.2.1]", "", "not a name", "localhost"] {
        assert_eq!(world.spf_of(PEER, helo, "").await.result, SpfResult::None, "{helo:?}");
    }
    assert_eq!(world.spf("a@[192.0.2.1]").await.result, SpfResult::None);
    assert_eq!(world.spf_of("::ffff:192.0.2.1", "client.example", "").await.result, SpfResult::Pass);
}

#[tokio::test]
async fn an_answer_is_kept_as_long_as_it_lives() {
    let world = World::new().await;
    world.dns.txt("pass.example", "v=spf1 ip4:192.0.2.0/24 -all");
    for _ in 0..5 {
        assert_eq!(world.spf("a@pass.example").await.result, SpfResult::Pass);
    }
    assert_eq!(world.dns.count_of("pass.example"), 1);
}

#[tokio::test]
async fn a_dns_that_says_nothing_is_a_temperror_in_time() {
    let world = World::new().await;
    world.dns.fail("silent.example", Failure::Timeout);
    let begun = Instant::now();
    assert_eq!(world.spf("a@silent.example").await.result, SpfResult::TempError);
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_signature_passes_and_a_changed_message_fails() {
    let world = World::new().await;
    let signed = world.sign("sender.example", "s1", MESSAGE);
    let facts = world.dkim(&signed).await;
    let wanted = DkimFacts {
        result: DkimResult::Pass,
        domain: "sender.example".into(),
        selector: "s1".into(),
        detail: String::new(),
    };
    assert_eq!(facts, [wanted]);
    for (from, to) in [("Hello.", "Hullo."), ("Subject: Hi", "Subject: Ho"), ("jane@", "joan@")] {
        let facts = world.dkim(&signed.replace(from, to)).await;
        assert_eq!(facts[0].result, DkimResult::Fail, "{to}");
        assert!(!facts[0].detail.is_empty());
    }
}

#[tokio::test]
async fn an_rsa_signature_passes() {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    let world = World::new().await;
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let key = RsaKey::<Sha256>::from_key_der(PrivateKeyDer::Pkcs8(der.as_ref().into())).unwrap();
    let public = data_encoding::BASE64.encode(&key.public_key());
    world.dns.txt("rsa._domainkey.sender.example", &format!("v=DKIM1; p={public}"));
    let signer = DkimSigner::from_key(key).domain("sender.example").selector("rsa").headers(["From", "Subject"]);
    let signed = format!("{}{MESSAGE}", signer.sign(MESSAGE.as_bytes()).unwrap().to_header());
    assert_eq!(world.dkim(&signed).await[0].result, DkimResult::Pass);
}

#[tokio::test]
async fn a_key_that_is_missing_or_unreachable_is_told_apart() {
    let world = World::new().await;
    let signed = world.sign("sender.example", "gone", MESSAGE);
    world.dns.clear("gone._domainkey.sender.example");
    assert_eq!(world.dkim(&signed).await[0].result, DkimResult::PermError);
    let signed = world.sign("sender.example", "down", MESSAGE);
    world.dns.fail("down._domainkey.sender.example", Failure::ServFail);
    assert_eq!(world.dkim(&signed).await[0].result, DkimResult::TempError);
}

#[tokio::test]
async fn what_is_not_done_at_the_deadline_is_a_temperror() {
    let world = World::new().await;
    let signed = world.sign("sender.example", "slow", MESSAGE);
    world.dns.fail("slow._domainkey.sender.example", Failure::Timeout);
    let facts = world.auth.dkim(signed.as_bytes(), Instant::now()).await;
    assert_eq!((facts[0].result, facts[0].domain.as_str()), (DkimResult::TempError, "sender.example"));
}

#[tokio::test]
async fn unsigned_and_malformed_messages_have_no_pass() {
    let world = World::new().await;
    for message in
        [MESSAGE, "", "DKIM-Signature: v=1\r\n\r\n", "DKIM-Signature: v=9; d=x; s=y; bh=; b=; h=from\r\n\r\n"]
    {
        assert!(world.dkim(message).await.iter().all(|facts| facts.result == DkimResult::Neutral), "{message}");
    }
    assert!(world.dns.queries().is_empty());
}

/// CONFORMANCE 57: the first ten, whatever a sender piles up.
#[tokio::test]
async fn only_the_first_ten_signatures_are_verified() {
    let world = World::new().await;
    let mut message = MESSAGE.to_owned();
    for number in 0..MAX_SIGNATURES + 5 {
        let signed = world.sign(&format!("d{number}.example"), "s", MESSAGE);
        message = format!("{}{message}", signed.strip_suffix(MESSAGE).unwrap());
    }
    let facts = world.dkim(&message).await;
    assert_eq!(facts.len(), MAX_SIGNATURES);
    assert!(facts.iter().all(|facts| facts.result == DkimResult::Pass), "{facts:?}");
    assert_eq!(facts[0].domain, "d14.example");
    assert_eq!(world.dns.queries().len(), MAX_SIGNATURES);
}

#[tokio::test]
async fn a_signature_that_leaves_out_from_proves_nothing() {
    let world = World::new().await;
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    let public = data_encoding::BASE64.encode(&key.public_key());
    world.dns.txt("s._domainkey.sender.example", &format!("v=DKIM1; k=ed25519; p={public}"));
    let signer = DkimSigner::from_key(key).domain("sender.example").selector("s").headers(["Subject"]);
    let signed = format!("{}{MESSAGE}", signer.sign(MESSAGE.as_bytes()).unwrap().to_header());
    assert_ne!(world.dkim(&signed).await[0].result, DkimResult::Pass);
}

#[tokio::test]
async fn the_organisation_is_found_by_walking_up() {
    let world = World::new().await;
    world.dns.txt("_dmarc.shop.example", "v=DMARC1; p=none");
    world.dns.txt("_dmarc.co.example", "v=DMARC1; p=none; psd=y");
    world.dns.txt("_dmarc.dept.big.example", "v=DMARC1; p=none; psd=n");
    world.dns.txt("_dmarc.big.example", "v=DMARC1; p=reject");
    world.dns.fail("_dmarc.down.example", Failure::ServFail);
    for (name, wanted) in [
        ("shop.example", Some("shop.example")),
        ("a.b.shop.example", Some("shop.example")),
        ("mail.firm.co.example", Some("firm.co.example")),
        ("firm.co.example", Some("firm.co.example")),
        ("co.example", Some("co.example")),
        ("x.dept.big.example", Some("dept.big.example")),
        ("other.big.example", Some("big.example")),
        ("nothing.test", None),
        ("mail.down.example", None),
    ] {
        assert_eq!(world.organisational(name).await.as_deref(), wanted, "{name}");
    }
    let asked = world.dns.queries().len();
    world.organisational("a.b.shop.example").await;
    assert_eq!(world.dns.queries().len(), asked, "kept");
    world.dns.clear("_dmarc.down.example");
    world.dns.txt("_dmarc.down.example", "v=DMARC1; p=none");
    assert_eq!(world.organisational("mail.down.example").await.as_deref(), Some("down.example"));
}
