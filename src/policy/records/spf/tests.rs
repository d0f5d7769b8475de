//! Records of every kind, judged for one gateway.

use super::super::Said;
use super::*;
use crate::mail::Domain;

fn gateway() -> Gateway {
    Gateway {
        hostname: Domain::parse("mx.gateway.example").unwrap(),
        addresses: vec!["198.41.0.4".parse().unwrap()],
        by_hostname: true,
        relay: None,
    }
}

fn hosted() -> Hosted {
    let name = Domain::parse("my.example").unwrap();
    Hosted { srs_domain: name.clone(), name, proof: String::new(), verified: true }
}

fn judged(texts: &[&str], tree: &Tree) -> Record {
    judge(&gateway(), &hosted(), (&Answers::all(texts), tree))
}

/// The MX host of the domain is the gateway; `inc.example` lets 192.0.2.0/24 pass.
fn tree() -> Tree {
    let mut tree = Tree::default();
    tree.addresses.insert(Ask::Mx("my.example".to_owned()), vec!["198.41.0.4".parse().unwrap()]);
    tree.records.insert("inc.example".to_owned(), vec![Spf::parse("v=spf1 ip4:192.0.2.0/24 -all")]);
    tree
}

#[test]
fn none_is_missing_and_the_text_lets_our_host_pass() {
    let record = judged(&["google-site-verification=x"], &Tree::default());
    assert_eq!((record.verdict, record.wanted.as_deref()), (Verdict::Missing, Some("v=spf1 mx -all")));
    assert!(record.found.is_empty(), "other texts are no SPF: {record:?}");
    let said = "If you also send as my.example through a provider, add its include: before -all.";
    assert!(record.detail.ends_with(said), "{record:?}");
}

#[test]
fn a_relay_passes_by_its_name_or_by_its_address() {
    for (relay, wanted) in [
        ("smtp://relay.example:587", "v=spf1 a:relay.example ~all"),
        ("smtp://198.41.0.9:25", "v=spf1 ip4:198.41.0.9 ~all"),
        ("smtps://[2620:fe::9]:465", "v=spf1 ip6:2620:fe::9 ~all"),
    ] {
        let gateway = Gateway { relay: Some(relay.to_owned()), ..gateway() };
        let record = judge(&gateway, &hosted(), (&Answers::all(&[] as &[&str]), &Tree::default()));
        assert_eq!(record.wanted.as_deref(), Some(wanted), "{relay}");
        assert!(record.detail.contains("its operator tells to include"), "{record:?}");
    }
}

#[test]
fn a_relay_in_the_own_network_sends_as_we_would() {
    for relay in ["smtp://10.0.0.5:25", "smtp://[::1]:25"] {
        let gateway = Gateway { relay: Some(relay.to_owned()), ..gateway() };
        let record = judge(&gateway, &hosted(), (&Answers::all(&[] as &[&str]), &Tree::default()));
        assert_eq!(record.wanted.as_deref(), Some("v=spf1 mx ~all"), "{relay}");
        assert!(record.detail.contains("if that has other public addresses"), "{record:?}");
    }
}

#[test]
fn what_covers_our_addresses_is_well() {
    for text in [
        "v=spf1 mx -all",
        "V=SPF1 MX -ALL",
        "v=spf1 ip4:198.41.0.4 ~all",
        "v=spf1 ip4:198.41.0.0/24 ?all",
        "v=spf1 include:inc.example ip4:198.41.0.4 -all",
        "v=spf1 ip4:198.41.0.4 exists:%{i}.list.example -all",
    ] {
        assert_eq!(judged(&[text], &tree()).verdict, Verdict::Ok, "{text}");
    }
}

#[test]
fn what_does_not_is_merged_and_nothing_of_it_is_lost() {
    let record = judged(&["v=spf1 include:inc.example a:other.example ~all"], &{
        let mut tree = tree();
        tree.addresses.insert(Ask::Host("other.example".to_owned()), Vec::new());
        tree
    });
    assert_eq!(record.verdict, Verdict::Differs);
    assert_eq!(record.wanted.as_deref(), Some("v=spf1 include:inc.example a:other.example mx ~all"));
    assert!(record.detail.contains("198.41.0.4"), "{}", record.detail);
    let redirected = judged(&["v=spf1 redirect=inc.example"], &tree());
    assert_eq!(redirected.wanted.as_deref(), Some("v=spf1 mx redirect=inc.example"));
}

#[test]
fn two_records_become_one() {
    let record =
        judged(&["v=spf1 mx include:inc.example -all", "v=spf1 include:inc.example ip4:192.0.2.9 ~all"], &tree());
    assert_eq!(record.verdict, Verdict::Differs);
    let wanted = record.wanted.unwrap();
    assert_eq!(wanted, "v=spf1 include:inc.example ip4:192.0.2.9 mx ~all", "sorted as DNS gave them");
    assert!(record.detail.starts_with("There are 2 SPF records"), "{}", record.detail);
}

#[test]
fn more_than_ten_look_ups_are_counted_through_includes() {
    let mut tree = tree();
    let five = "v=spf1 include:a.example include:b.example mx a exists:%{i}.c.example -all";
    tree.records.insert("deep.example".to_owned(), vec![Spf::parse(five)]);
    tree.records.insert("more.example".to_owned(), vec![Spf::parse(five)]);
    let within = judged(&["v=spf1 ip4:198.41.0.4 include:deep.example mx a -all"], &tree);
    assert_eq!(within.verdict, Verdict::Ok, "{}", within.detail);
    let beyond = judged(&["v=spf1 include:deep.example include:more.example -all"], &tree);
    assert_eq!(beyond.verdict, Verdict::Differs);
    assert!(beyond.detail.contains("12 look-ups"), "{}", beyond.detail);
    let wanted = "v=spf1 ip4:198.41.0.4 include:deep.example include:more.example -all";
    assert_eq!(beyond.wanted.as_deref(), Some(wanted));
}

#[test]
fn a_circle_of_includes_ends() {
    let mut tree = tree();
    tree.records.insert("ring.example".to_owned(), vec![Spf::parse("v=spf1 include:ring.example -all")]);
    let record = judged(&["v=spf1 include:ring.example mx -all"], &tree);
    assert_eq!(record.verdict, Verdict::Differs, "{}", record.detail);
}

#[test]
fn what_nobody_knows_is_said_to_be_unknown() {
    let record = judged(&["v=spf1 include:silent.example -all"], &tree());
    assert_eq!(record.verdict, Verdict::Unknown, "{}", record.detail);
    let silent = judge(&gateway(), &hosted(), (&Answers::silent(), &Tree::default()));
    assert_eq!((silent.verdict, silent.resolver), (Verdict::Unknown, Said::Error("timed out".to_owned())));
}

#[test]
fn faults_of_the_text_itself_are_named() {
    for (text, word) in [
        ("v=spf1 mx ipv4:198.41.0.4 -all", "“ipv4:198.41.0.4”"),
        ("v=spf1 mx ip4:198.41.0.400 -all", "“ip4:198.41.0.400”"),
        ("v=spf1 mx/33 -all", "“mx/33”"),
        ("v=spf1 mx +all", "everyone"),
        ("v=spf1 mx all", "everyone"),
    ] {
        let record = judged(&[text], &tree());
        assert_eq!(record.verdict, Verdict::Differs, "{text}");
        assert!(record.detail.contains(word), "{text}: {}", record.detail);
        let wanted = record.wanted.unwrap();
        assert!(judged(&[&wanted], &tree()).verdict == Verdict::Ok, "{wanted}");
    }
}

#[test]
fn other_addresses_than_the_hosts_are_named_one_by_one() {
    let gateway = Gateway {
        addresses: vec!["198.41.0.9".parse().unwrap(), "2620:fe::9".parse().unwrap()],
        by_hostname: false,
        ..gateway()
    };
    let record = judge(&gateway, &hosted(), (&Answers::all(&["v=spf1 mx -all"]), &tree()));
    assert_eq!(record.wanted.as_deref(), Some("v=spf1 mx ip4:198.41.0.9 ip6:2620:fe::9 -all"));
}
