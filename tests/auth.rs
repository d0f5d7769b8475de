//! SPF, DKIM, DMARC, ARC and organisational domains against the small DNS (CONFORMANCE 56, 57, 58 and 60).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/cpu.rs"]
mod cpu;
#[path = "auth/hostile.rs"]
mod hostile;

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use mail_auth::MessageAuthenticator;
use mail_auth::arc::ArcSealer;
use mail_auth::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::dkim::DkimSigner;
use mail_auth::headers::HeaderWriter;
use rustls::pki_types::PrivateKeyDer;
use tokio::time::Instant;
use waypost::auth::{Asked, Authenticator, Content, MAX_SIGNATURES, Settings};
use waypost::demo::dns::{Dns, Failure};
use waypost::mail::header::HeaderScan;
use waypost::mail::{Domain, ReversePath};
use waypost::policy::facts::{
    ArcResult, AuthFacts, DkimFacts, DkimResult, DmarcFacts, DmarcPolicy, DmarcResult, SpfFacts, SpfResult,
};
use waypost::policy::settings::Enforcement;

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
        let settings = Settings { servers: vec![dns.address()], timeout: Duration::from_secs(2) };
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
        self.message(message, None).await.dkim
    }

    /// All checks of a message whose SPF came out so.
    async fn message(&self, message: &str, spf: Option<SpfFacts>) -> AuthFacts {
        self.message_until(message, spf, Instant::now() + Duration::from_secs(30)).await
    }

    async fn message_until(&self, message: &str, spf: Option<SpfFacts>, until: Instant) -> AuthFacts {
        let mut scan = HeaderScan::new(Domain::parse("mx.ours.example").unwrap());
        scan.push(message.as_bytes());
        let content = Content::Whole(message.as_bytes());
        let asked = Asked { content, header: &scan.finish(), dmarc: Enforcement::Enforce };
        self.auth.message(&asked, std::future::ready(spf), until).await
    }

    /// DMARC of an unsigned message with this From, from an envelope domain that passed SPF.
    async fn dmarc(&self, from: &str, spf: &str) -> DmarcFacts {
        let spf = SpfFacts { result: SpfResult::Pass, domain: spf.to_owned(), by_plus_all: false };
        let message = format!("From: {from}\r\nSubject: Hi\r\n\r\nHello.\r\n");
        self.message(&message, Some(spf)).await.dmarc.unwrap()
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
    assert!(begun.elapsed() < Duration::from_secs(15));
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
    world.dns.txt("_dmarc.sender.example", "v=DMARC1; p=reject");
    world.organisational("sender.example").await;
    let facts = world.message_until(&signed, None, Instant::now() + Duration::from_millis(500)).await;
    assert_eq!((facts.dkim[0].result, facts.dkim[0].domain.as_str()), (DkimResult::TempError, "sender.example"));
    assert_eq!(facts.dmarc.unwrap().result, DmarcResult::TempError, "a signature may yet pass");
}

#[tokio::test]
async fn unsigned_and_malformed_messages_have_no_pass() {
    let world = World::new().await;
    for message in
        [MESSAGE, "", "DKIM-Signature: v=1\r\n\r\n", "DKIM-Signature: v=9; d=x; s=y; bh=; b=; h=from\r\n\r\n"]
    {
        assert!(world.dkim(message).await.iter().all(|facts| facts.result == DkimResult::Neutral), "{message}");
    }
    assert!(world.dns.queries().iter().all(|asked| !asked.name.contains("_domainkey")));
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
    let keys = world.dns.queries().into_iter().filter(|asked| asked.name.contains("_domainkey"));
    assert_eq!(keys.count(), MAX_SIGNATURES);
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

/// CONFORMANCE 58: p, sp and np, and the two ways to align.
#[tokio::test]
async fn dmarc_finds_the_policy_that_applies_and_what_is_aligned() {
    let world = World::new().await;
    for (name, record) in [
        ("_dmarc.big.example", "v=DMARC1; p=reject; sp=quarantine; np=reject"),
        ("_dmarc.own.big.example", "v=DMARC1; p=none"),
        ("_dmarc.strict.example", "v=DMARC1; p=quarantine; aspf=s; adkim=s"),
        ("_dmarc.testing.example", "v=DMARC1; p=reject; t=y"),
        ("there.big.example", "a name that exists"),
        ("_dmarc.broken.example", "v=DMARC1; p=perhaps"),
        ("_dmarc.empty.example", "v=DMARC1"),
    ] {
        world.dns.txt(name, record);
    }
    world.dns.fail("_dmarc.down.example", Failure::ServFail);
    let table = [
        ("big.example", "big.example", "pass reject"),
        ("big.example", "mail.big.example", "pass reject"),
        ("big.example", "notbig.example", "fail reject"),
        ("big.example", "other.example", "fail reject"),
        ("there.big.example", "other.example", "fail quarantine"),
        ("nowhere.big.example", "other.example", "fail reject"),
        ("own.big.example", "other.example", "fail none"),
        ("strict.example", "mail.strict.example", "fail quarantine"),
        ("strict.example", "strict.example", "pass quarantine"),
        ("testing.example", "other.example", "fail quarantine"),
        ("nothing.test", "other.example", "none none"),
        ("broken.example", "other.example", "permerror none"),
        ("empty.example", "other.example", "none none"),
        ("down.example", "other.example", "temperror unknown"),
    ];
    for (author, spf, wanted) in table {
        let facts = world.dmarc(&format!("Jane <jane@{author}>"), spf).await;
        let policy = facts.policy.map_or("unknown", DmarcPolicy::as_str);
        assert_eq!((format!("{} {policy}", facts.result.as_str()).as_str(), facts.domain.as_str()), (wanted, author));
    }
}

/// CONFORMANCE 58: exactly one From with one domain.
#[tokio::test]
async fn without_one_author_domain_dmarc_fails() {
    let world = World::new().await;
    world.dns.txt("_dmarc.strict.example", "v=DMARC1; p=reject");
    world.dns.txt("_dmarc.mild.example", "v=DMARC1; p=quarantine");
    for (from, policy) in [
        ("a@mild.example, b@strict.example", DmarcPolicy::Reject),
        ("a@mild.example, b@nothing.test", DmarcPolicy::Quarantine),
        ("a@nothing.test, b@other.test", DmarcPolicy::None),
        ("a@mild.example\r\nFrom: b@mild.example", DmarcPolicy::Reject),
        ("Jane", DmarcPolicy::Reject),
        ("a@a.test, b@b.test, c@c.test, d@d.test, e@e.test", DmarcPolicy::Reject),
    ] {
        let facts = world.dmarc(from, "mild.example").await;
        assert_eq!((facts.result, facts.policy), (DmarcResult::Fail, Some(policy)), "{from}");
        assert!(!facts.detail.is_empty() && facts.domain.is_empty());
    }
    assert_eq!(world.dmarc("a@mild.example, b@MILD.example", "mild.example").await.result, DmarcResult::Pass);
    let nobody = world.message("Subject: no author\r\n\r\n", None).await.dmarc.unwrap();
    assert_eq!((nobody.result, nobody.policy), (DmarcResult::None, Some(DmarcPolicy::None)), "there is nobody to ask");
}

#[tokio::test]
async fn an_aligned_signature_passes_dmarc_and_anothers_does_not() {
    let world = World::new().await;
    world.dns.txt("_dmarc.sender.example", "v=DMARC1; p=reject");
    for (signer, wanted) in [
        ("sender.example", DmarcResult::Pass),
        ("mail.sender.example", DmarcResult::Pass),
        ("other.example", DmarcResult::Fail),
    ] {
        let signed = world.sign(signer, "s1", MESSAGE);
        assert_eq!(world.message(&signed, None).await.dmarc.unwrap().result, wanted, "{signer}");
    }
    let signed = world.sign("sender.example", "down", MESSAGE);
    world.dns.fail("down._domainkey.sender.example", Failure::ServFail);
    assert_eq!(world.message(&signed, None).await.dmarc.unwrap().result, DmarcResult::TempError);
}

/// A verifier of the test's own that asks the small DNS.
fn reader(world: &World) -> MessageAuthenticator {
    let mut udp = ConnectionConfig::udp();
    udp.port = world.dns.address().port();
    let server = NameServerConfig::new(world.dns.address().ip(), true, vec![udp]);
    MessageAuthenticator::new(ResolverConfig::from_parts(None, Vec::new(), vec![server]), ResolverOpts::default())
        .unwrap()
}

/// The message with one more ARC set, by a key of its own at `domain`.
async fn sealed(world: &World, domain: &str, message: &str) -> String {
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    let public = data_encoding::BASE64.encode(&key.public_key());
    world.dns.txt(&format!("arc._domainkey.{domain}"), &format!("v=DKIM1; k=ed25519; p={public}"));
    let apart = mail_auth::AuthenticatedMessage::parse(message.as_bytes()).unwrap();
    let results = mail_auth::AuthenticationResults::new(domain);
    let sealer = ArcSealer::from_key(key).domain(domain).selector("arc").headers(["From", "Subject"]);
    let chain = reader(world).verify_arc(&apart).await;
    let set = sealer.seal(&apart, &results, &chain).unwrap();
    format!("{}{message}", set.to_header())
}

/// CONFORMANCE 60.
#[tokio::test]
async fn a_chain_is_validated_from_its_newest_set_to_its_first() {
    let world = World::new().await;
    assert_eq!(world.message(MESSAGE, None).await.arc, None);
    let one = sealed(&world, "one.example", MESSAGE).await;
    let two = sealed(&world, "two.example", &one).await;
    for (message, sets, sealer) in [(&one, 1, "one.example"), (&two, 2, "two.example")] {
        let arc = world.message(message, None).await.arc.unwrap();
        assert_eq!((arc.result, arc.sets, arc.sealer.as_str()), (ArcResult::Pass, sets, sealer), "{arc:?}");
    }
    let changed = two.replace("Hello.", "Hullo.");
    let seal_lost = two.replacen("ARC-Seal:", "X-Seal:", 1);
    let other_results = two.replace("i=1; one.example", "i=1; won.example");
    for broken in [changed, seal_lost, other_results] {
        let arc = world.message(&broken, None).await.arc.unwrap();
        assert_eq!(arc.result, ArcResult::Fail, "{arc:?} {broken}");
        assert!(!arc.detail.is_empty());
    }
}

/// Most greeting names and most names of a walk have no record.
#[tokio::test]
async fn that_there_is_no_record_is_kept_whether_or_not_dns_says_for_how_long() {
    for has_soa in [true, false] {
        let world = World::new().await;
        world.dns.txt("_dmarc.sender.example", "v=DMARC1; p=none");
        if !has_soa {
            world.dns.leave_out_soa();
        }
        for round in 0..2 {
            let asked = world.dns.queries().len();
            assert_eq!(world.spf_of(PEER, "client.example", "").await.result, SpfResult::None);
            assert_eq!(world.dmarc("jane@mail.sender.example", "other.example").await.result, DmarcResult::Fail);
            assert_eq!(world.dmarc("jane@nothing.example", "other.example").await.result, DmarcResult::None);
            assert_eq!(world.dns.queries().len() == asked, round == 1, "SOA: {has_soa}, round {round}");
        }
    }
}
