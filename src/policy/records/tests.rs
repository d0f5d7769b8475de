//! Records other than SPF, and the whole.

use super::*;
use crate::policy::ids::AccountId;

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
    Hosted { srs_domain: name.clone(), name, proof: "waypost-verify=x".to_owned(), verified: false }
}

/// A domain whose records are all as they should be.
fn sound() -> Facts {
    let mut facts = Facts {
        mx: Answers::all(&["10 mx.gateway.example."]),
        txt: Answers::all(&["v=spf1 ip4:198.41.0.4 -all"]),
        dmarc: Answers::all(&["v=DMARC1; p=reject; rua=mailto:d@my.example"]),
        proof: Answers::all(&["waypost-verify=x"]),
        ..Facts::default()
    };
    facts.dkim = vec![("default".to_owned(), Answers::all(&[]))];
    facts
}

fn one(facts: &Facts, id: &str) -> Record {
    judge(&gateway(), &hosted(), facts).into_iter().find(|record| record.id == id).unwrap()
}

fn stands(facts: &Facts) -> Standing {
    standing(&judge(&gateway(), &hosted(), facts))
}

#[test]
fn a_sound_domain_is_ok() {
    let records = judge(&gateway(), &hosted(), &sound());
    let verdicts: Vec<_> = records.iter().map(|record| (record.id, record.verdict)).collect();
    let expected = [
        ("mx", Verdict::Ok),
        ("spf", Verdict::Ok),
        ("dmarc", Verdict::Ok),
        ("proof", Verdict::Ok),
        ("mta_sts", Verdict::Absent),
        ("tls_rpt", Verdict::Absent),
    ];
    assert_eq!(verdicts, expected);
    assert_eq!(stands(&sound()), Standing::Ok);
}

#[test]
fn mail_that_goes_elsewhere_is_drift() {
    for (values, verdict) in [
        (vec!["10 mx.elsewhere.example."], Verdict::Differs),
        (vec!["0 ."], Verdict::Differs),
        (vec![], Verdict::Missing),
    ] {
        let facts = Facts { mx: Answers::all(&values), ..sound() };
        let mx = one(&facts, "mx");
        assert_eq!((mx.verdict, stands(&facts)), (verdict, Standing::Drift), "{values:?}");
        assert_eq!(mx.wanted.as_deref(), Some("10 mx.gateway.example."));
    }
}

#[test]
fn hosts_behind_ours_are_no_drift_and_those_before_or_beside_it_are() {
    let backup = Facts { mx: Answers::all(&["10 mx.gateway.example.", "20 mx.backup.example."]), ..sound() };
    assert_eq!((one(&backup, "mx").verdict, stands(&backup)), (Verdict::Extra, Standing::Ok));
    let behind = Facts { mx: Answers::all(&["20 MX.gateway.example.", "10 mx.other.example."]), ..sound() };
    let mx = one(&behind, "mx");
    assert!(mx.verdict == Verdict::Differs && mx.is_shared() && mx.is_drift());
    assert!(mx.detail.contains("turn to mx.other.example before they turn to this gateway"), "{}", mx.detail);
    let equal = Facts { mx: Answers::all(&["10 mx.gateway.example.", "10 mx.other.example."]), ..sound() };
    assert!(one(&equal, "mx").detail.contains("as often as to this gateway"), "mail that comes by chance");
    assert_eq!(stands(&equal), Standing::Drift);
}

/// A record of another provider that senders turn to as well takes mail away: what has to go is said, and not only what comes.
#[test]
fn what_has_to_go_for_mail_to_come_here_is_said() {
    let (ours, backup) = ("10 mx.gateway.example.", "20 mx.backup.example.");
    let words = |values: &[&str]| {
        let mx = one(&Facts { mx: Answers::all(values), ..sound() }, "mx");
        (mx.detail.clone(), lines_to_remove(&mx).join("\n"))
    };
    assert_eq!(words(&[ours]).1, "");
    assert_eq!(words(&[]).1, "");
    let (detail, lines) = words(&["10 mx1.old.example.", "20 mx2.old.example."]);
    assert!(detail.contains("Put the record shown in their place"), "{detail}");
    assert_eq!(lines, "my.example. IN MX 10 mx1.old.example.\nmy.example. IN MX 20 mx2.old.example.");
    let alone = one(&Facts { mx: Answers::all(&["10 mx1.old.example."]), ..sound() }, "mx");
    assert!(alone.detail.contains("Put the record shown in its place: if it stays beside it"), "{}", alone.detail);
    assert!(alone.in_words().ends_with(" Wanted: “10 mx.gateway.example.”."), "{}", alone.in_words());
    assert_eq!(words(&["0 ."]).1, "my.example. IN MX 0 .");
    let (detail, lines) = words(&[ours, "5 mx1.old.example.", "10 mx2.old.example.", backup]);
    assert!(detail.contains("turn to mx1.old.example, mx2.old.example no later than to this gateway"), "{detail}");
    assert!(detail.contains("Remove those records, unless those hosts know"), "{detail}");
    assert_eq!(lines, "my.example. IN MX 5 mx1.old.example.\nmy.example. IN MX 10 mx2.old.example.");
    let (detail, lines) = words(&[ours, backup]);
    assert!(detail.contains("mx.backup.example takes it while this host does not answer"), "{detail}");
    assert!(detail.contains("Remove it unless it hands that mail on to this gateway"), "{detail}");
    assert_eq!(lines, "");
    let (detail, _) = words(&[ours, backup, "30 mx2.backup.example."]);
    assert!(detail.contains("mx.backup.example, mx2.backup.example take it while"), "{detail}");
    assert!(detail.contains("Remove them unless they hand that mail on"), "{detail}");
}

#[test]
fn silence_is_unknown_and_what_is_wrong_outweighs_it() {
    let silent = Facts { mx: Answers::silent(), ..sound() };
    assert_eq!((one(&silent, "mx").verdict, stands(&silent)), (Verdict::Unknown, Standing::Unknown));
    let wrong = Facts { txt: Answers::all(&[]), ..silent };
    assert_eq!(stands(&wrong), Standing::Drift);
}

#[test]
fn name_servers_count_and_a_resolver_lags() {
    let mut facts = sound();
    facts.mx.resolver = Said::new(Ok(vec!["10 mx.elsewhere.example.".to_owned()]));
    let mx = one(&facts, "mx");
    assert!(mx.verdict == Verdict::Ok && mx.detail.contains("old answer"), "{}", mx.detail);
    let other = Heard { server: "ns2.example".to_owned(), said: facts.mx.resolver.clone() };
    facts.mx.servers.push(other);
    assert!(one(&facts, "mx").detail.contains("contradict each other: ns2.example"));
}

#[test]
fn dmarc_is_proposed_inherited_and_judged() {
    let none = Facts { dmarc: Answers::all(&[]), ..sound() };
    let record = one(&none, "dmarc");
    assert_eq!((record.verdict, record.wanted.as_deref()), (Verdict::Missing, Some("v=DMARC1; p=none")));
    assert_eq!(stands(&none), Standing::Ok, "a proposal is no drift");
    let above = ("_dmarc.example".to_owned(), Said::new(Ok(vec!["v=DMARC1;p=none".to_owned()])));
    assert_eq!(one(&Facts { dmarc_above: Some(above), ..none }, "dmarc").verdict, Verdict::Ok);
    for broken in
        [vec!["v=DMARC1; p=maybe"], vec!["v=DMARC1; rua=mailto:x@y"], vec!["v=DMARC1; p=none", "v=DMARC1; p=reject"]]
    {
        let facts = Facts { dmarc: Answers::all(&broken), ..sound() };
        assert_eq!((one(&facts, "dmarc").verdict, stands(&facts)), (Verdict::Differs, Standing::Drift), "{broken:?}");
    }
}

#[test]
fn the_proof_is_of_one_account_and_one_domain() {
    let id = uuid::Uuid::from_u128(1);
    let (ours, theirs) = ((id, AccountId(1)), (id, AccountId(2)));
    let (a, b) = (Domain::parse("a.example").unwrap(), Domain::parse("b.example").unwrap());
    let text = proof(ours, &a);
    assert!(text.starts_with("waypost-verify=") && text.len() == 39, "{text}");
    assert_ne!(text, proof(theirs, &a));
    assert_ne!(text, proof(ours, &b));
    let foreign = Facts { proof: Answers::all(&["waypost-verify=y"]), ..sound() };
    assert_eq!(one(&foreign, "proof").verdict, Verdict::Differs);
    let none = Facts { proof: Answers::all(&[]), ..sound() };
    assert_eq!((one(&none, "proof").weight, stands(&none)), (Weight::Needed, Standing::Drift), "it gets no mail");
    let verified = Hosted { verified: true, ..hosted() };
    let records = judge(&gateway(), &verified, &Facts { proof: Answers::all(&[]), ..sound() });
    assert_eq!(records.iter().find(|record| record.id == "proof").unwrap().verdict, Verdict::Absent);
}

#[test]
fn a_policy_that_does_not_name_the_host_is_drift() {
    let policy = |text: &str| Facts {
        mta_sts: Answers::all(&["v=STSv1; id=1"]),
        mta_sts_policy: Some(Ok(text.to_owned())),
        ..sound()
    };
    let head = "version: STSv1\nmode: enforce\nmax_age: 86400\n";
    for (mx, verdict) in [
        ("mx: mx.gateway.example\n", Verdict::Ok),
        ("mx: *.gateway.example\r\n", Verdict::Ok),
        ("mx: *.example\n", Verdict::Differs),
        ("mx: mx.old.example\n", Verdict::Differs),
    ] {
        let facts = policy(&format!("{head}{mx}"));
        assert_eq!(one(&facts, "mta_sts").verdict, verdict, "{mx}");
    }
    assert_eq!(one(&policy("mode: enforce"), "mta_sts").verdict, Verdict::Differs);
    let unfetched = Facts { mta_sts_policy: Some(Err("timed out".to_owned())), ..policy("") };
    assert!(one(&unfetched, "mta_sts").detail.contains("timed out"));
}

#[test]
fn keys_and_reports_that_are_there_are_judged() {
    let key = |text: &str| {
        let facts = Facts { dkim: vec![("default".to_owned(), Answers::all(&[text]))], ..sound() };
        one(&facts, "dkim").verdict
    };
    let long = data_encoding::BASE64.encode(&[7; 162]);
    assert_eq!(key(&format!("v=DKIM1; k=rsa; p={long}")), Verdict::Ok);
    assert_eq!(key("v=DKIM1; k=rsa; p=AAAA"), Verdict::Differs);
    assert_eq!(key("v=DKIM1; p="), Verdict::Differs);
    assert_eq!(key("v=DKIM1; p=!"), Verdict::Differs);
    let reports = |text| one(&Facts { tls_rpt: Answers::all(&[text]), ..sound() }, "tls_rpt").verdict;
    assert_eq!(reports("v=TLSRPTv1; rua=mailto:t@my.example"), Verdict::Ok);
    assert_eq!(reports("v=TLSRPTv1"), Verdict::Differs);
}

#[test]
fn a_line_of_the_zone_splits_long_texts() {
    let record = Record { wanted: Some("x".repeat(300)), ..one(&sound(), "spf") };
    let line = zone_line(&record).unwrap();
    assert_eq!(line, format!("my.example.\tIN\tTXT\t\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45)));
    assert_eq!(zone_line(&one(&sound(), "mx")).unwrap(), "my.example.\tIN\tMX\t10 mx.gateway.example.");
}

fn reverse(ptr: &[&str], forward: &[(&str, &str)]) -> Reverse {
    let said = |values: &[&str]| Said::new(Ok(values.iter().map(|value| (*value).to_owned()).collect()));
    Reverse {
        address: "198.41.0.4".parse().unwrap(),
        name: "4.0.41.198.in-addr.arpa".to_owned(),
        ptr: said(ptr),
        forward: forward.iter().map(|(name, address)| ((*name).to_owned(), said(&[address]))).collect(),
    }
}

#[test]
fn reverse_names_are_confirmed_forwards() {
    let judged = |reverse: Reverse| {
        let facts =
            HostFacts { addresses: Answers::all(&["198.41.0.4"]), reverse: vec![reverse], ..HostFacts::default() };
        host(&gateway(), &facts).into_iter().find(|record| record.id == "ptr").unwrap()
    };
    let verdict = |reverse: Reverse| judged(reverse).verdict;
    let ours = "mx.gateway.example.";
    assert_eq!(verdict(reverse(&[ours], &[(ours, "198.41.0.4")])), Verdict::Ok);
    assert_eq!(verdict(reverse(&[ours], &[(ours, "192.0.2.1")])), Verdict::Differs);
    assert_eq!(verdict(reverse(&["x.hoster.example."], &[("x.hoster.example.", "198.41.0.4")])), Verdict::Extra);
    assert_eq!(verdict(reverse(&[], &[])), Verdict::Missing);
    let told = judged(reverse(&["localhost."], &[])).detail;
    assert!(told.contains("is called localhost, which does not lead back"), "{told}");
}

#[test]
fn the_host_must_have_the_address_that_mail_leaves_by() {
    let judged = |addresses: &[&str], mx: &[&str]| {
        let facts = HostFacts { addresses: Answers::all(addresses), mx: Answers::all(mx), ..HostFacts::default() };
        host(&gateway(), &facts).into_iter().map(|record| record.verdict).collect::<Vec<_>>()
    };
    assert_eq!(judged(&["198.41.0.4"], &[]), [Verdict::Ok, Verdict::Absent]);
    assert_eq!(judged(&["192.0.2.1"], &["10 mx.gateway.example."]), [Verdict::Differs, Verdict::Ok]);
    assert_eq!(judged(&[], &["10 mx.elsewhere.example."]), [Verdict::Missing, Verdict::Differs]);
}

#[test]
fn a_value_that_ends_with_a_dot_ends_a_sentence_with_one() {
    let facts = Facts { mx: Answers::all(&["10 mx.elsewhere.example.", "20 mx2.elsewhere.example."]), ..sound() };
    let told = one(&facts, "mx").in_words();
    assert!(told.contains(" DNS says: 10 mx.elsewhere.example, 20 mx2.elsewhere.example. Wanted: “10 mx"), "{told}");
    let spf = Facts { txt: Answers::all(&["v=spf1 ip4:198.41.0.4 -all", "v=spf1 include:x.example -all"]), ..sound() };
    let told = one(&spf, "spf").in_words();
    let wanted = one(&spf, "spf").wanted.unwrap();
    assert!(told.contains(": publish the one that is wanted, and take the others away. DNS says: v=spf1 "), "{told}");
    assert!(told.ends_with(&format!("-all. Wanted: “{wanted}”.")), "{told}");
    let unheard = Facts { mx: Answers::unheard("DNS failed for now: no route."), ..sound() };
    assert_eq!(one(&unheard, "mx").detail, "DNS gave no answer: no route. It is asked again by itself.");
    let late = Facts { mx: Answers::unheard("DNS failed for now: no answer within 5 s"), ..sound() };
    assert_eq!(one(&late, "mx").detail, "DNS gave no answer within 5 s. It is asked again by itself.");
    let unfetched = Facts {
        mta_sts: Answers::all(&["v=STSv1; id=1"]),
        mta_sts_policy: Some(Err("the host closed the connection.".to_owned())),
        ..sound()
    };
    assert_eq!(one(&unfetched, "mta_sts").detail, "Its policy cannot be fetched: the host closed the connection.");
}
