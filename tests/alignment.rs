//! The alignment guard with forged and genuine mail (DESIGN section 6): no mail leaves us with an SPF pass that blesses an
//! author who has not proven itself.
//!
//! Every combination of author, sender, proof and what is known of organisational domains is enumerated and judged by an
//! oracle that restates the rule in one sentence; the cases that a postmaster would name follow by name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use waypost::mail::header::HeaderFacts;
use waypost::mail::{Domain, Moment, ReversePath};
use waypost::policy::alignment::{Rewrite, questions, rewrite};
use waypost::policy::facts::{AuthFacts, DkimFacts, DkimResult, MessageFacts, SpfFacts, SpfResult};
use waypost::policy::report::reportable;

const ALIAS: &str = "my.example";
const SHARED: &str = "srs.example.net";

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

/// Whether the tree walk found something.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Walk {
    Known,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Proof {
    None,
    SpfPass,
    SpfPlusAll,
    SpfFail,
    SpfTempError,
    DkimPass(&'static str),
    DkimFail(&'static str),
}

const PROOFS: [Proof; 11] = [
    Proof::None,
    Proof::SpfPass,
    Proof::SpfPlusAll,
    Proof::SpfFail,
    Proof::SpfTempError,
    Proof::DkimPass("my.example"),
    Proof::DkimPass("news.my.example"),
    Proof::DkimPass("evil.example"),
    Proof::DkimPass("srs.example.net"),
    Proof::DkimFail("my.example"),
    Proof::DkimFail("srs.example.net"),
];
const SENDERS: [&str; 6] =
    ["", "a@evil.example", "a@my.example", "a@news.my.example", "a@srs.example.net", "a@other.example"];
const AUTHORS: [&[&str]; 9] = [
    &[],
    &["evil.example"],
    &["my.example"],
    &["news.my.example"],
    &["srs.example.net"],
    &["example.net"],
    &["evil.example", "my.example"],
    &["my.example", "srs.example.net"],
    &["notmy.example"],
];

/// The organisational domain as DNS would tell: all names here have two labels.
fn organisation(name: &str) -> String {
    let labels: Vec<_> = name.rsplit('.').take(2).collect();
    labels.into_iter().rev().collect::<Vec<_>>().join(".")
}

fn auth(proof: Proof, sender: &str) -> AuthFacts {
    let mailfrom = sender.rsplit_once('@').map_or("helo.example", |(_, host)| host).to_owned();
    let spf = |result, by_plus_all| AuthFacts {
        spf: Some(SpfFacts { result, domain: mailfrom.clone(), by_plus_all }),
        ..AuthFacts::default()
    };
    let dkim = |result, name: &str| {
        let signature = DkimFacts { result, domain: name.into(), selector: "s".into(), detail: String::new() };
        AuthFacts { dkim: vec![signature], ..AuthFacts::default() }
    };
    match proof {
        Proof::None => AuthFacts::default(),
        Proof::SpfPass => spf(SpfResult::Pass, false),
        Proof::SpfPlusAll => spf(SpfResult::Pass, true),
        Proof::SpfFail => spf(SpfResult::Fail, false),
        Proof::SpfTempError => spf(SpfResult::TempError, false),
        Proof::DkimPass(name) => dkim(DkimResult::Pass, name),
        Proof::DkimFail(name) => dkim(DkimResult::Fail, name),
    }
}

/// The facts as they are gathered: only what the guard asks for is known.
fn facts(authors: Option<&[&str]>, sender: &str, proof: Proof, walk: Walk) -> MessageFacts {
    let author_domains = authors.map(|names| names.iter().map(|name| domain(name)).collect());
    let mut facts = MessageFacts {
        now: Moment::from_millis(0),
        reverse_path: ReversePath::parse(sender).unwrap(),
        header: HeaderFacts { author_domains, ..HeaderFacts::default() },
        auth: auth(proof, sender),
        sender_is_hosted: false,
        organisational: Vec::new(),
    };
    if walk == Walk::Known {
        let asked = questions(&facts, &[domain(ALIAS), domain(SHARED)]);
        facts.organisational =
            asked.into_iter().map(|name| (name.clone(), domain(&organisation(name.as_str())))).collect();
    }
    facts
}

/// The rule in one sentence: every author in the organisation of `on` must be in the organisation (or, where that is
/// unknown, have the very name) of a domain that SPF without `+all` or DKIM proved.
fn may_leave_on(on: &str, authors: &[&str], proven: Option<&str>, walk: Walk) -> bool {
    let proves = |author: &str| {
        proven.is_some_and(|by| author == by || (walk == Walk::Known && organisation(author) == organisation(by)))
    };
    !authors.is_empty() && authors.iter().all(|author| organisation(author) != organisation(on) || proves(author))
}

fn proven_domain(proof: Proof, sender: &str) -> Option<String> {
    match proof {
        Proof::SpfPass => sender.rsplit_once('@').map(|(_, host)| host.to_owned()),
        Proof::DkimPass(name) => Some(name.to_owned()),
        _ => None,
    }
}

#[test]
fn no_unproven_author_is_blessed_in_any_combination() {
    let mut rewritten = 0;
    for walk in [Walk::Known, Walk::Failed] {
        for proof in PROOFS {
            for sender in SENDERS {
                for authors in AUTHORS {
                    let came =
                        rewrite(&facts(Some(authors), sender, proof, walk), &domain(ALIAS), Some(&domain(SHARED)));
                    let proven = proven_domain(proof, sender);
                    let allowed = |on: &&str| may_leave_on(on, authors, proven.as_deref(), walk);
                    let on = [ALIAS, SHARED].into_iter().find(|on| allowed(on) && !sender.is_empty());
                    let expected = match on {
                        Some(on) if sender.ends_with(&format!("@{on}")) => Rewrite::Leave,
                        Some(on) => Rewrite::On(domain(on)),
                        None => Rewrite::Leave,
                    };
                    assert_eq!(came, expected, "{authors:?} from {sender:?}, {proof:?}, {walk:?}");
                    rewritten += usize::from(came != Rewrite::Leave);
                }
            }
        }
    }
    assert!(rewritten > 300, "the enumeration has become empty: {rewritten}");
}

fn rewritten(authors: Option<&[&str]>, sender: &str, proof: Proof) -> Rewrite {
    rewrite(&facts(authors, sender, proof, Walk::Known), &domain(ALIAS), None)
}

#[test]
fn ordinary_mail_is_rewritten_on_the_aliass_domain_without_asking_anything() {
    let ordinary = facts(Some(&["evil.example"]), "a@evil.example", Proof::None, Walk::Failed);
    // Both lie below "example" only, so they share one label and no question is worth asking.
    assert_eq!(questions(&ordinary, &[domain(ALIAS)]), []);
    assert_eq!(rewrite(&ordinary, &domain(ALIAS), None), Rewrite::On(domain(ALIAS)));
}

#[test]
fn forged_mail_of_the_owner_leaves_unrewritten() {
    let forged = ["a@evil.example", "a@my.example", "a@news.my.example"];
    for sender in forged {
        assert_eq!(rewritten(Some(&["my.example"]), sender, Proof::None), Rewrite::Leave, "{sender}");
        assert_eq!(rewritten(Some(&["news.my.example"]), sender, Proof::SpfFail), Rewrite::Leave, "{sender}");
    }
    // An SPF pass for somebody else's domain proves nothing about the author.
    assert_eq!(rewritten(Some(&["my.example"]), "a@evil.example", Proof::SpfPass), Rewrite::Leave);
    assert_eq!(rewritten(Some(&["my.example"]), "a@evil.example", Proof::DkimPass("evil.example")), Rewrite::Leave);
}

#[test]
fn genuine_mail_of_the_owner_is_rewritten() {
    let newsletter = rewritten(Some(&["my.example"]), "bounce@sender.example", Proof::DkimPass("news.my.example"));
    assert_eq!(newsletter, Rewrite::On(domain(ALIAS)));
    let subdomain = rewritten(Some(&["my.example"]), "a@news.my.example", Proof::SpfPass);
    assert_eq!(subdomain, Rewrite::On(domain(ALIAS)));
}

#[test]
fn several_or_no_parsable_authors_count_as_anybody() {
    assert_eq!(rewritten(None, "a@evil.example", Proof::SpfPass), Rewrite::Leave);
    assert_eq!(rewritten(Some(&[]), "a@evil.example", Proof::SpfPass), Rewrite::Leave);
    assert_eq!(rewritten(Some(&["evil.example", "my.example"]), "a@evil.example", Proof::SpfPass), Rewrite::Leave);
}

#[test]
fn the_shared_domain_stands_in_where_it_is_not_aligned_either() {
    let forged = facts(Some(&["my.example"]), "a@evil.example", Proof::None, Walk::Known);
    assert_eq!(rewrite(&forged, &domain(ALIAS), Some(&domain(SHARED))), Rewrite::On(domain(SHARED)));
    let below = domain("srs.my.example");
    assert_eq!(rewrite(&forged, &domain(ALIAS), Some(&below)), Rewrite::Leave);
}

#[test]
fn where_the_walk_fails_two_shared_labels_are_enough_to_hold_back() {
    let neighbour = facts(Some(&["a.co.example"]), "a@evil.example", Proof::None, Walk::Failed);
    assert_eq!(rewrite(&neighbour, &domain("b.co.example"), None), Rewrite::Leave);
    let mut known = neighbour;
    known.organisational = ["a.co.example", "b.co.example"].map(|name| (domain(name), domain(name))).to_vec();
    assert_eq!(rewrite(&known, &domain("b.co.example"), None), Rewrite::On(domain("b.co.example")));
}

#[test]
fn the_null_path_and_our_own_srs_addresses_are_left() {
    assert_eq!(rewritten(Some(&["evil.example"]), "", Proof::None), Rewrite::Leave);
    let mut ours =
        facts(Some(&["evil.example"]), "SRS0=abcdefgh=AB=evil.example=a@my.example", Proof::None, Walk::Known);
    ours.sender_is_hosted = true;
    assert_eq!(rewrite(&ours, &domain("other.example"), None), Rewrite::Leave);
    ours.sender_is_hosted = false;
    assert_eq!(rewrite(&ours, &domain("other.example"), None), Rewrite::On(domain("other.example")));
}

#[test]
fn questions_are_bounded_and_asked_once() {
    let many: Vec<String> = (0..100).map(|n| format!("a{n}.my.example")).collect();
    let authors: Vec<&str> = many.iter().map(String::as_str).collect();
    let asked = questions(&facts(Some(&authors), "a@evil.example", Proof::None, Walk::Failed), &[domain(ALIAS)]);
    assert_eq!(asked.len(), waypost::policy::alignment::MAX_QUESTIONS);
    assert!(asked.iter().enumerate().all(|(at, name)| !asked[..at].contains(name)));
}

#[test]
fn a_sender_is_told_of_failures_only_if_it_is_the_sender() {
    let told = |sender: &str, proof, walk| {
        let facts = facts(Some(&["any.example"]), sender, proof, walk);
        reportable(&facts.reverse_path, &facts.auth, &facts)
    };
    for (sender, proof, expected) in [
        ("a@evil.example", Proof::SpfPass, true),
        ("a@evil.example", Proof::SpfPlusAll, false),
        ("a@evil.example", Proof::SpfFail, false),
        ("a@evil.example", Proof::None, false),
        ("", Proof::SpfPass, false),
        ("", Proof::DkimPass("evil.example"), false),
        ("a@evil.example", Proof::DkimPass("evil.example"), true),
        ("a@evil.example", Proof::DkimFail("my.example"), false),
        ("a@news.my.example", Proof::DkimPass("my.example"), true),
        ("a@other.example", Proof::DkimPass("my.example"), false),
    ] {
        assert_eq!(told(sender, proof, Walk::Known), expected, "{sender} {proof:?}");
    }
    // What the walk could not tell proves nothing.
    assert!(!told("a@news.my.example", Proof::DkimPass("my.example"), Walk::Failed));
}
