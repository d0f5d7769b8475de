//! SRS against fixed vectors of postsrsd and Mail::SRS, its rules (CONFORMANCE 65 to 70), and its properties.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use proptest::prelude::*;
use waypost::mail::{Domain, LocalPart, Mailbox};
use waypost::srs::{MAX_DAYS_AHEAD, Reversed, Ring, Secret, Signed, SrsError, looks_like_srs};

const DAY: i64 = 20_779;

fn ring(secrets: &[(&str, usize)], hash_length: usize) -> Ring {
    let secrets = secrets.iter().map(|(key, min)| Secret { key: (*key).into(), min_hash: *min }).collect();
    Ring { secrets, hash_length, max_age_days: 21 }
}

fn ours() -> Ring {
    ring(&[("a secret of ours", 8)], 8)
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

fn signed(ring: &Ring, sender: &str) -> LocalPart {
    match ring.sign(&mailbox(sender), DAY) {
        Signed::Local(local) => local,
        Signed::TooLong => panic!("{sender} is too long"),
    }
}

fn plain(text: &str) -> LocalPart {
    LocalPart::from_plain(text).unwrap()
}

#[test]
fn signs_and_reverses_as_postsrsd_and_mail_srs_do() {
    let mut lines = 0;
    for line in include_str!("srs/vectors.txt").lines().filter(|line| !line.starts_with('#')) {
        let [secret, length, day, sender, forwarded, reversed] = *line.split('\t').collect::<Vec<_>>() else {
            panic!("{line}")
        };
        let length = length.parse().unwrap();
        let day = waypost::mail::Moment::parse_rfc3339(&format!("{day}T12:00:00Z")).unwrap().day();
        let ring = ring(&[(secret, length)], length);

        let forwarded = mailbox(forwarded);
        let Signed::Local(local) = ring.sign(&mailbox(sender), day) else { panic!("{line}") };
        // Our domains are in lower case; the hash does not mind.
        assert!(local.as_str().eq_ignore_ascii_case(forwarded.local().as_str()), "{line}: {local}");
        let hash = |local: &LocalPart| local.as_str().split('=').nth(1).unwrap().to_owned();
        assert_eq!(hash(&local), hash(forwarded.local()), "{line}");

        let (Ok(Reversed::Sender(back)) | Ok(Reversed::FirstHop(back))) = ring.reverse(forwarded.local(), day) else {
            panic!("{line}")
        };
        assert_eq!(back, mailbox(reversed), "{line}");
        lines += 1;
    }
    assert_eq!(lines, 144);
}

#[test]
fn a_foreign_srs0_becomes_srs1_and_is_never_nested() {
    let first = signed(&ours(), "SRS0+AbCd=XY=first.example=bob@hop.example");
    assert!(first.as_str().starts_with("SRS1=") && first.as_str().ends_with("=hop.example=+AbCd=XY=first.example=bob"));
    let wanted = Reversed::FirstHop(mailbox("SRS0+AbCd=XY=first.example=bob@hop.example"));
    assert_eq!(ours().reverse(&first, DAY), Ok(wanted.clone()));

    let second = signed(&ring(&[("of another", 8)], 8), &format!("{first}@ours.example"));
    assert_eq!(second.as_str().matches("SRS").count(), 1, "{second}");
    assert_eq!(ring(&[("of another", 8)], 8).reverse(&second, DAY), Ok(wanted));
}

#[test]
fn lives_for_max_age_and_survives_a_clock_that_is_set_back_a_day() {
    let local = signed(&ours(), "a@x.example");
    let days =
        [(0, true), (21, true), (22, false), (-MAX_DAYS_AHEAD, true), (-MAX_DAYS_AHEAD - 1, false), (1022, false)];
    for (day, alive) in days.map(|(later, alive)| (DAY + later, alive)) {
        let wanted = if alive { Ok(Reversed::Sender(mailbox("a@x.example"))) } else { Err(SrsError::Expired) };
        assert_eq!(ours().reverse(&local, day), wanted, "day {}", day - DAY);
    }
}

#[test]
fn remotes_may_fold_the_case() {
    let local = signed(&ours(), "Alice@x.example");
    let folded = plain(&local.as_str().to_lowercase());
    assert_eq!(ours().reverse(&folded, DAY), Ok(Reversed::Sender(mailbox("alice@x.example"))));
    assert_eq!(
        ours().reverse(&plain(&local.as_str().to_uppercase()), DAY),
        Ok(Reversed::Sender(mailbox("ALICE@x.example")))
    );
}

#[test]
fn the_first_secret_signs_and_all_verify() {
    let old = signed(&ring(&[("old", 8)], 8), "a@x.example");
    let rotated = ring(&[("new", 8), ("old", 8)], 8);
    assert!(rotated.reverse(&old, DAY).is_ok());
    assert_eq!(signed(&rotated, "a@x.example"), signed(&ring(&[("new", 8)], 8), "a@x.example"));
    assert_eq!(ring(&[("new", 8)], 8).reverse(&old, DAY), Err(SrsError::BadHash));
}

#[test]
fn a_short_hash_wants_a_secret_that_allows_it() {
    let short = signed(&ring(&[("of postsrsd", 4)], 4), "a@x.example");
    assert!(ring(&[("ours", 8), ("of postsrsd", 4)], 8).reverse(&short, DAY).is_ok());
    assert_eq!(ring(&[("ours", 8), ("of postsrsd", 8)], 8).reverse(&short, DAY), Err(SrsError::BadHash));
}

#[test]
fn long_senders_travel_as_a_token() {
    let long = format!("{}@a-long-domain.example", "x".repeat(30));
    assert_eq!(ours().sign(&mailbox(&long), DAY), Signed::TooLong);
    let local = ours().sign_token(&Domain::parse("a-long-domain.example").unwrap(), "k3jd92", DAY).unwrap();
    assert!(local.as_str().ends_with("=a-long-domain.example=~k3jd92"), "{local}");
    assert_eq!(ours().reverse(&local, DAY), Ok(Reversed::Token("k3jd92".to_owned())));
    let domain = "em1234.mail.large-provider.co.example";
    let local = ours().sign_token(&Domain::parse(domain).unwrap(), "k3jd92abcdefghij", DAY).unwrap();
    assert!(local.as_str().ends_with("=large-provider.co.example=~k3jd92abcdefghij"), "{local}");
    assert_eq!(ours().reverse(&local, DAY), Ok(Reversed::Token("k3jd92abcdefghij".to_owned())));
    assert_eq!(ours().sign_token(&Domain::parse(&"a".repeat(50)).unwrap(), "k3jd92", DAY), None);
}

#[test]
fn a_sender_that_looks_like_a_token_travels_as_one() {
    assert_eq!(ours().sign(&mailbox("~k3jd92@x.example"), DAY), Signed::TooLong);
}

#[test]
fn quoting_counts_towards_the_64_octets() {
    let base = signed(&ours(), "a@x.example").as_str().len() - 1;
    let fits = "b".repeat(64 - base);
    assert!(matches!(ours().sign(&mailbox(&format!("{fits}@x.example")), DAY), Signed::Local(_)));
    let quoted = format!("\"{} b\"@x.example", &fits[2..]);
    assert_eq!(ours().sign(&mailbox(&quoted), DAY), Signed::TooLong);
}

#[test]
fn tells_malformed_from_foreign() {
    for (text, wanted) in [
        ("alice", SrsError::NotSrs),
        ("SRS0", SrsError::NotSrs),
        ("SRS2=a=b=c=d", SrsError::NotSrs),
        ("SRS0=hash=TT=host", SrsError::Malformed),
        ("SRS1=hash=hop", SrsError::Malformed),
        ("SRS0====", SrsError::BadHash),
        ("srs0+hashhash=AA=x.example=a", SrsError::BadHash),
    ] {
        assert_eq!(ours().reverse(&plain(text), DAY), Err(wanted), "{text}");
    }
    for (text, looks) in [("SRS0=x", true), ("srs1-", true), ("SRS0", false), ("SRS0x", false), ("srsé=", false)] {
        assert_eq!(looks_like_srs(&plain(text)), looks, "{text}");
    }
}

fn senders() -> impl Strategy<Value = Mailbox> {
    "[A-Za-z0-9!#$%&'*+/=?^_`{|}-][A-Za-z0-9 .\"@éü=~+-]{0,14}@[a-z0-9]{1,8}\\.[a-z]{2,8}".prop_filter_map(
        "parses",
        |text| {
            let (user, host) = text.rsplit_once('@')?;
            Some(Mailbox::new(LocalPart::from_plain(user).ok()?, waypost::mail::Host::parse(host).ok()?))
        },
    )
}

proptest! {
    #[test]
    fn reverse_of_sign_is_the_sender(sender in senders(), day in 0..100_000_i64, later in -MAX_DAYS_AHEAD..=21) {
        let Signed::Local(local) = ours().sign(&sender, day) else { return Ok(()) };
        prop_assert_eq!(ours().reverse(&local, day + later), Ok(Reversed::Sender(sender)));
    }

    #[test]
    fn any_changed_octet_is_refused(sender in senders(), at in 5..64_usize, new in 0x20..0x7f_u8) {
        let Signed::Local(local) = ours().sign(&sender, DAY) else { return Ok(()) };
        let mut octets = local.as_str().as_bytes().to_vec();
        let at = 5 + at % (octets.len() - 5);
        prop_assume!(octets[at].is_ascii() && !octets[at].eq_ignore_ascii_case(&new));
        octets[at] = new;
        let changed = LocalPart::from_plain(std::str::from_utf8(&octets).unwrap()).unwrap();
        prop_assert!(ours().reverse(&changed, DAY).is_err(), "{}", changed);
    }

    #[test]
    fn nothing_that_comes_in_brings_it_down(text in "(SRS[01])?[=+-]?\\PC{0,30}") {
        if let Ok(local) = LocalPart::from_plain(&text) {
            prop_assert!(ours().reverse(&local, DAY).is_err());
            let _ = ours().sign(&Mailbox::new(local, waypost::mail::Host::parse("x.example").unwrap()), DAY);
        }
    }
}
