//! Each planted fault is found under its word; a sound gateway has none.

use std::time::Duration;

use super::*;
use crate::mail::Domain;
use crate::policy::lists::Verdict;
use crate::policy::records::{self, Answers, Gateway, HostFacts, Hosted, Reverse, Said};

const NOW: i64 = 1_795_373_784_000;

fn now() -> Moment {
    Moment::from_millis(NOW)
}

fn gateway() -> Gateway {
    Gateway {
        hostname: Domain::parse("mx.gateway.example").unwrap(),
        addresses: vec!["198.41.0.4".parse().unwrap(), "2620:fe::4".parse().unwrap()],
        by_hostname: true,
        relay: None,
    }
}

fn said(values: &[&str]) -> Said {
    Said::new(Ok(values.iter().map(|value| (*value).to_owned()).collect()))
}

fn all(values: &[&str]) -> Answers {
    Answers { servers: Vec::new(), resolver: said(values) }
}

/// The facts before they are judged as records.
struct World {
    host: HostFacts,
    domain: records::Facts,
    facts: Facts,
}

impl World {
    fn sound() -> Self {
        let reverse = |address: &str, name: &str| Reverse {
            address: address.parse().unwrap(),
            name: name.to_owned(),
            ptr: said(&["mx.gateway.example."]),
            forward: vec![("mx.gateway.example.".to_owned(), said(&["198.41.0.4", "2620:fe::4"]))],
        };
        Self {
            host: HostFacts {
                addresses: all(&["198.41.0.4", "2620:fe::4"]),
                mx: all(&[]),
                reverse: vec![reverse("198.41.0.4", "4.0.41.198.in-addr.arpa"), reverse("2620:fe::4", "4.ip6.arpa")],
            },
            domain: records::Facts {
                mx: all(&["10 mx.gateway.example."]),
                txt: all(&["v=spf1 ip4:198.41.0.4 ip6:2620:fe::4 -all"]),
                dmarc: all(&["v=DMARC1; p=none"]),
                ..records::Facts::default()
            },
            facts: facts(),
        }
    }

    fn checkup(mut self) -> Checkup {
        let name = Domain::parse("my.example").unwrap();
        let hosted = Hosted { srs_domain: name.clone(), name, proof: "p".to_owned(), verified: true };
        self.facts.host = records::host(&gateway(), &self.host);
        self.facts.domains = vec![("my.example".to_owned(), records::judge(&gateway(), &hosted, &self.domain))];
        judge(&self.facts)
    }

    fn found(self) -> Vec<(String, Severity)> {
        self.checkup().findings.into_iter().map(|finding| (finding.id, finding.severity)).collect()
    }
}

fn facts() -> Facts {
    let greeted = Tried { host: "mx.far.example".to_owned(), outcome: Ok("220 mx.far.example".to_owned()) };
    Facts {
        now: now(),
        out: PortOut { tried: vec![greeted], port: 25, ..PortOut::default() },
        is_laboratory: false,
        ports: PortFacts { runs: true, listeners: vec![listener(Holder::Us)], port_25: None },
        host: Vec::new(),
        domains: Vec::new(),
        certificate: Some(certificate()),
        lists: vec![listing(Verdict::NotListed)],
        clients: ClientFacts {
            seen: Vec::new(),
            private: Vec::new(),
            last: None,
            offer: "postmaster@my.example".to_owned(),
        },
        clock: ClockFacts { server: "time.example".to_owned(), ahead: Ok(-300) },
        disk: Some(DiskFacts { free: 50 << 30, total: 100 << 30 }),
        backup: None,
        addresses: gateway().addresses,
        sources: SourceFacts::default(),
    }
}

fn backup(failure: Option<&str>) -> BackupFacts {
    let newest = ("waypost-gw.example-20261122T185624Z.tar".to_owned(), now().before(Duration::from_secs(7200)));
    BackupFacts { dir: "/backups".to_owned(), newest: Some(newest), failure: failure.map(str::to_owned) }
}

fn listener(holder: Holder) -> Listener {
    Listener { key: "smtp.listen", address: "[::]:25".parse().unwrap(), holder }
}

fn postfix() -> Holder {
    Holder::Other { program: Some("master".to_owned()), process: Some(812) }
}

fn certificate() -> CertificateFacts {
    CertificateFacts {
        not_after: now().after(Duration::from_secs(60 * 86_400)),
        names: vec!["mx.gateway.example".to_owned()],
        hostname: "mx.gateway.example".to_owned(),
        self_signed: false,
    }
}

fn listing(said: Verdict) -> OwnListing {
    OwnListing { list: "list.example".to_owned(), about: Own::Address("198.41.0.4".parse().unwrap()), said }
}

#[test]
fn a_name_that_nobody_checks_is_no_fault() {
    for (self_signed, severity) in [(true, Severity::Warning), (false, Severity::Fault)] {
        let facts = CertificateFacts { names: vec!["vm".to_owned()], self_signed, ..certificate() };
        let found = super::certificate::judge(&facts, now());
        assert_eq!((found[0].id.as_str(), found[0].severity), ("certificate_wrong_name", severity));
    }
}

#[test]
fn a_sound_gateway_has_no_findings() {
    let checkup = World::sound().checkup();
    assert_eq!((checkup.findings, checkup.unknown), (Vec::new(), Vec::<String>::new()));
    assert!(checkup.unproven[0].contains("postmaster@my.example"), "{:?}", checkup.unproven);
}

#[test]
fn advice_on_the_dns_names_whom_the_gateway_asks() {
    let remedy = |server: Option<&str>| {
        let dns = server.map(|server| DnsServer { address: server.parse().unwrap(), place: "w.toml:3".to_owned() });
        PortOut { dns, ..PortOut::default() }.dns_remedy()
    };
    for (server, begin) in [
        (
            None,
            "Try “dig gmail.com MX” on this machine. If it has no answer either, mend /etc/resolv.conf, or set dns.servers, ",
        ),
        (
            Some("192.0.2.1:53"),
            "Try “dig @192.0.2.1 gmail.com MX” on this machine. If it has no answer either, correct ",
        ),
        (Some("192.0.2.1:5353"), "Try “dig @192.0.2.1 -p 5353 gmail.com MX” on this machine. "),
        (Some("[2001:db8::1]:53"), "Try “dig @2001:db8::1 gmail.com MX” on this machine. "),
    ] {
        assert!(remedy(server).starts_with(begin), "{}", remedy(server));
        assert_eq!(remedy(server).contains("correct dns.servers in w.toml:3, before mail comes"), server.is_some());
    }
}

/// A change to a sound world, and the word under which it is found.
type Plant = (&'static str, fn(&mut World));

const PLANTS: &[Plant] = &[
    ("backup_failed", |world| world.facts.backup = Some(backup(Some("No space left on device")))),
    ("backup_newest", |world| world.facts.backup = Some(backup(None))),
    ("port_25_out_blocked", |world| {
        let unknown = Tried { host: "x".to_owned(), outcome: Err(Unreached::Unknown("timed out".to_owned())) };
        world.facts.out.tried[0].outcome = Err(Unreached::Silent("timed out".to_owned()));
        world.facts.out.tried.push(unknown);
    }),
    ("dns_does_not_answer", |world| {
        world.facts.out.tried[0].outcome = Err(Unreached::Unknown("timed out".to_owned()));
    }),
    ("port_taken", |world| world.facts.ports.listeners = vec![listener(postfix())]),
    ("port_taken", |world| world.facts.ports.port_25 = Some(postfix())),
    ("not_on_port_25", |world| world.facts.ports.port_25 = Some(Holder::Nobody)),
    ("not_running", |world| world.facts.ports.runs = false),
    ("ptr_missing", |world| {
        world.host.reverse[0].ptr = said(&[]);
        world.host.reverse[0].forward.clear();
    }),
    ("ptr_wrong", |world| {
        world.host.reverse[0].ptr = said(&["4-0-41-198.hoster.example."]);
        world.host.reverse[0].forward = vec![("4-0-41-198.hoster.example.".to_owned(), said(&[]))];
    }),
    ("ipv6_without_ptr", |world| {
        world.host.reverse[1].ptr = said(&[]);
        world.host.reverse[1].forward.clear();
    }),
    ("address_missing", |world| world.host.addresses = all(&[])),
    ("address_differs", |world| world.host.addresses = all(&["198.41.0.4"])),
    ("spf_missing", |world| world.domain.txt = all(&["other"])),
    ("spf_doubled", |world| world.domain.txt = all(&["v=spf1 ip4:198.41.0.4 -all", "v=spf1 mx -all"])),
    ("spf_lookups", |world| {
        world.domain.txt = all(&["v=spf1 ip4:198.41.0.4 a:1 a:2 a:3 a:4 a:5 a:6 a:7 a:8 a:9 a:10 a:11 -all"]);
    }),
    ("spf_uncovered", |world| world.domain.txt = all(&["v=spf1 ip4:198.41.0.4 -all"])),
    ("mx_elsewhere", |world| world.domain.mx = all(&["10 mx.elsewhere.example."])),
    ("mx_missing", |world| world.domain.mx = all(&[])),
    ("mx_shared", |world| world.domain.mx = all(&["10 mx.elsewhere.example.", "20 mx.gateway.example."])),
    ("null_mx", |world| world.domain.mx = all(&["0 ."])),
    ("mta_sts_differs", |world| {
        world.domain.mta_sts = all(&["v=STSv1; id=1"]);
        world.domain.mta_sts_policy = Some(Ok("version: STSv1\nmode: enforce\nmx: mx.old.example\n".to_owned()));
    }),
    ("certificate_expired", |world| {
        world.facts.certificate = Some(CertificateFacts { not_after: now(), ..certificate() });
    }),
    ("certificate_expires", |world| {
        let not_after = now().after(Duration::from_secs(86_400));
        world.facts.certificate = Some(CertificateFacts { not_after, ..certificate() });
    }),
    ("certificate_wrong_name", |world| {
        let names = vec!["www.gateway.example".to_owned(), "*.example".to_owned()];
        world.facts.certificate = Some(CertificateFacts { names, ..certificate() });
    }),
    ("certificate_self_signed", |world| {
        world.facts.certificate = Some(CertificateFacts { self_signed: true, ..certificate() });
    }),
    ("address_listed", |world| world.facts.lists = vec![listing(Verdict::Listed(Some("spam".to_owned())))]),
    ("resolver_refused_by_lists", |world| world.facts.lists = vec![listing(Verdict::MayNotAsk)]),
    ("clients_hidden", |world| {
        let proxy: IpAddr = "172.17.0.1".parse().unwrap();
        world.facts.clients.seen = vec![proxy; 10];
        world.facts.clients.private = vec![proxy];
    }),
    ("clock_off", |world| world.facts.clock.ahead = Ok(3_600_000)),
    ("clock_off", |world| world.facts.clock.ahead = Ok(-90_000)),
    ("disk_low", |world| world.facts.disk = Some(DiskFacts { free: 500 << 20, total: 100 << 30 })),
    ("disk_low", |world| world.facts.disk = Some(DiskFacts { free: 1 << 20, total: 10 << 20 })),
];

#[test]
fn each_planted_fault_is_found_and_nothing_else() {
    for (id, plant) in PLANTS {
        let mut world = World::sound();
        plant(&mut world);
        let checkup = world.checkup();
        let found: Vec<&str> = checkup.findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(found, [*id]);
        let finding = &checkup.findings[0];
        assert!(finding.what.ends_with('.') && finding.remedy.len() > 10 && !finding.subject.is_empty(), "{finding:?}");
        assert!(!id.ends_with("_missing") || finding.remedy.starts_with("Publish "), "{finding:?}");
    }
}

#[test]
fn what_is_near_a_fault_is_none() {
    let mut world = World::sound();
    let proxy: IpAddr = "172.17.0.1".parse().unwrap();
    world.facts.clients.seen = vec![proxy; 9];
    world.facts.clients.private = vec![proxy];
    world.facts.clock.ahead = Ok(60_000);
    world.facts.disk = Some(DiskFacts { free: 300 << 20, total: 1 << 30 });
    world.facts.out.tried.push(Tried { host: "x".to_owned(), outcome: Err(Unreached::Silent("timed out".to_owned())) });
    let names = vec!["*.gateway.example".to_owned()];
    world.facts.certificate = Some(CertificateFacts { names, ..certificate() });
    assert_eq!(world.found(), []);
}

#[test]
fn the_worst_comes_first() {
    let mut world = World::sound();
    world.facts.certificate = Some(CertificateFacts { self_signed: true, ..certificate() });
    world.facts.lists = vec![listing(Verdict::MayNotAsk)];
    world.domain.mx = all(&[]);
    let severities: Vec<_> = world.found().into_iter().map(|(_, severity)| severity).collect();
    assert_eq!(severities, [Severity::Fault, Severity::Warning, Severity::Note]);
}

#[test]
fn what_could_not_be_found_out_is_said() {
    let mut world = World::sound();
    world.facts.clock.ahead = Err("timed out".to_owned());
    world.facts.lists = vec![listing(Verdict::Unknown("timed out".to_owned()))];
    world.facts.certificate = None;
    world.domain.mx = Answers { servers: Vec::new(), resolver: Said::Error("timed out".to_owned()) };
    let checkup = world.checkup();
    assert_eq!((checkup.findings.len(), checkup.unknown.len()), (0, 4), "{:?}", checkup.unknown);
}

#[test]
fn with_a_relay_port_25_need_not_lead_out() {
    let mut world = World::sound();
    world.facts.out.relay = Some("smtp://relay.example".to_owned());
    world.facts.out.tried[0].outcome = Err(Unreached::Silent("timed out".to_owned()));
    assert_eq!(world.found(), []);
}

/// Most clouds translate addresses; a machine with a public one of its own is seen by that.
#[test]
fn an_address_of_no_machine_of_ours_is_a_translation_unless_we_have_a_public_one() {
    let mut world = World::sound();
    let [v4, v6]: [IpAddr; 2] = ["198.41.0.9", "2620:fe::4"].map(|address| address.parse().unwrap());
    world.facts.sources = SourceFacts { elsewhere: vec![v4], public: vec![v6] };
    assert_eq!(world.found(), [("source_translated".to_owned(), Severity::Note)]);
    let mut world = World::sound();
    world.facts.sources = SourceFacts { elsewhere: vec![v4], public: vec!["198.41.0.4".parse().unwrap()] };
    let checkup = world.checkup();
    let [finding] = checkup.findings.as_slice() else { panic!("{checkup:?}") };
    assert_eq!((finding.id.as_str(), finding.severity), ("source_not_here", Severity::Warning));
    assert!(finding.what.contains("has the public address 198.41.0.4: mail leaves by that one"), "{}", finding.what);
}
