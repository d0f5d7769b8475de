//! Header fields in every split, and what is read of them.

use proptest::prelude::*;

use super::*;

fn scan(message: &str) -> HeaderFacts {
    scan_in(message.as_bytes(), message.len().max(1))
}

fn scan_in(message: &[u8], piece: usize) -> HeaderFacts {
    let mut scan = HeaderScan::new(Domain::parse("mx.ours.example").unwrap());
    message.chunks(piece).for_each(|octets| scan.push(octets));
    scan.finish()
}

fn authors(from: &str) -> Option<Vec<String>> {
    let facts = scan(&format!("From: {from}\r\n\r\n"));
    Some(facts.author_domains?.iter().map(ToString::to_string).collect())
}

const MESSAGE: &str = "Received: from a.example ([192.0.2.1])\r\n\tby MX.ours.example. with ESMTP id 1;\r\n date\r\n\
    Received: from by ([192.0.2.1]) by b.example; x\r\nDelivered-To: <Shop@My.example>\r\nDelivered-To: nonsense\r\n\
    DKIM-Signature: v=1\r\nFrom: \"Doe, Jane\" <jane@Shop.example>\r\nsubject : =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n \tvon mir\r\n\
    Message-Id:  <1@x.example>\r\n\r\nFrom: body@body.example\r\n\r\nReceived: x\r\n";

#[test]
fn reads_the_header_in_any_split() {
    let facts = scan(MESSAGE);
    assert_eq!(facts.subject.as_deref(), Some("Grüße von mir"));
    assert_eq!(facts.message_id.as_deref(), Some("<1@x.example>"));
    assert_eq!(facts.author_domains, Some(vec![Domain::parse("shop.example").unwrap()]));
    assert_eq!(facts.delivered_to, [Mailbox::parse("Shop@my.example").unwrap()]);
    assert_eq!((facts.received, facts.received_by_us), (2, 1));
    assert!(facts.signed && !facts.eight_bit);
    assert_eq!(facts.octets, MESSAGE.find("\r\n\r\n").unwrap() + 4);
    for piece in 1..20 {
        assert_eq!(scan_in(MESSAGE.as_bytes(), piece), facts, "{piece} octets at a time");
    }
}

#[test]
fn the_one_author_is_named_as_people_read_it() {
    for (from, wanted) in [
        ("=?utf-8?q?M=C3=BCller?= <Real@Author.test>", Some("Müller <Real@author.test>")),
        ("\"Doe, Jane\" <jane@shop.example>", Some("Doe, Jane <jane@shop.example>")),
        ("jane@shop.example (Jane)", Some("Jane <jane@shop.example>")),
        ("jane@shop.example <jane@shop.example>", Some("jane@shop.example")),
        ("<jane@shop.example>", Some("jane@shop.example")),
        ("\"Boss <boss@bank.test>\" <evil@evil.test>", Some("Boss <boss@bank.test> <evil@evil.test>")),
        ("=?utf-8?q?Boss_=3Cboss=40bank.test=3E?= <evil@evil.test>", Some("Boss <boss@bank.test> <evil@evil.test>")),
        ("=?utf-8?b?G1sySm0u4oCu?=<a@b.example>", Some("\u{fffd}[2Jm.\u{fffd} <a@b.example>")),
        ("folded\r\n name <a@b.example>", Some("folded name <a@b.example>")),
        ("Jür <a@bücher.example>", Some("Jür <a@xn--bcher-kva.example>")),
        ("a\u{202e}b@c.example", Some("a\u{fffd}b@c.example")),
        ("A <a@b.example>, C <c@d.example>", None),
        ("A <a@b.example>, <a@b.example>", None),
        ("nobody at all", None),
        ("\"a b\"@c.example", None),
    ] {
        let facts = scan(&format!("From: {from}\r\n\r\n"));
        assert_eq!(facts.author.map(|author| author.to_string()).as_deref(), wanted, "{from:?}");
    }
    assert_eq!(scan("From: a@b.example\r\nFrom: c@d.example\r\n\r\n").author, None);
}

#[test]
fn a_header_may_be_empty_or_never_end() {
    for piece in 1..5 {
        let facts = scan_in(b"\r\nFrom: a@x.example\r\n\r\n", piece);
        assert_eq!((facts.octets, facts.author_domains), (2, None));
        let facts = scan_in(b"From: a@x.example\r\nSubject: s\r\n", piece);
        assert_eq!((facts.octets, facts.subject.as_deref()), (31, Some("s")));
    }
    assert_eq!(scan(""), HeaderFacts::default());
}

#[test]
fn looks_at_one_mebibyte_and_no_more() {
    let mut scan = HeaderScan::new(Domain::parse("mx.ours.example").unwrap());
    for _ in 0..200_000 {
        scan.push(b"Received: by mx.ours.example\r\n");
    }
    scan.push(b"From: a@x.example\r\n\r\n");
    let facts = scan.finish();
    assert_eq!((facts.octets, scan.head().len()), (MAX_SCANNED_OCTETS, MAX_SCANNED_OCTETS));
    assert_eq!(facts.received, facts.octets.div_ceil(30));
}

#[test]
fn authors_are_all_or_none() {
    let one = |domain: &str| Some(vec![domain.to_owned()]);
    assert_eq!(authors("a@x.example"), one("x.example"));
    assert_eq!(authors("Jane <a@x.example>, \"b, c\" <b@X.example>"), one("x.example"));
    assert_eq!(authors("a@x.example, b@y.example").unwrap(), ["x.example", "y.example"]);
    assert_eq!(authors("People: a@x.example, Bob <b@y.example>;").unwrap(), ["x.example", "y.example"]);
    assert_eq!(authors("a@bücher.example"), one("xn--bcher-kva.example"));
    assert_eq!(authors("a..b@x.example, .c.@x.example"), one("x.example"));
    assert_eq!(authors("a@victim.example <b@y.example>"), one("y.example"));
    assert_eq!(authors("\"a <b@z.example>\" <c@y.example> (<d@w.example>)"), one("y.example"));
    let doubtful = [
        "",
        "Jane",
        "undisclosed:;",
        "a@",
        "@",
        "a@x y",
        "a@[192.0.2.1]",
        "a@x.example, Jane",
        "<a@x.example> <b@y.example>",
        "a@x..example",
        "\u{1}@\u{2}",
        "b@y.example a@x.example",
        "b@y.example\ta@x.example",
        "b@y.example:a@x.example",
        "b@y.example@x.example",
        "b@y.example(c)@x.example",
        "<b@y.example\0@x.example>",
        "<b@y.example\0a@x.example>",
        "<@y.example:a@x.example>",
        "<b@y.example a@x.example>",
    ];
    for from in doubtful {
        assert_eq!(authors(from), None, "{from:?}");
    }
    assert_eq!(scan("From: a@x.example\r\nFrom: b@x.example\r\n\r\n").author_domains, None);
    assert_eq!(authors(&(0..30).map(|n| format!("a@{n}.example, ")).collect::<String>()), None);
}

#[test]
fn obsolete_and_broken_lines_do_not_mislead() {
    let facts = scan(" folded nothing\r\nno field here\r\nFROM \t: a@x.example\r\n:\r\nSubject:\r\n\r\n");
    assert_eq!(facts.author_domains, Some(vec![Domain::parse("x.example").unwrap()]));
    assert_eq!(facts.subject, None);
}

/// Whoever writes the field anew on the way hides no loop by it.
#[test]
fn a_recipient_is_read_however_its_field_is_written() {
    for field in [
        "Delivered-To: shop@my.example",
        "DELIVERED-TO:<shop@my.example>",
        "Delivered-To \t : shop@my.example",
        "Delivered-To:\r\n\tshop@my.example\r\n ",
        "Delivered-To: shop@my.example (the shop)",
        "Delivered-To: (a (nested) comment) <shop@my.example>",
        "Delivered-To : \"The, shop\" <shop@my.example> (x)",
    ] {
        let facts = scan(&format!("{field}\r\n\r\n"));
        assert_eq!(facts.delivered_to, [Mailbox::parse("shop@my.example").unwrap()], "{field:?}");
    }
    for field in ["Delivered-To: (shop@my.example)", "Delivered-To (x): shop@my.example", "Delivered-To: nobody"] {
        assert_eq!(scan(&format!("{field}\r\n\r\n")).delivered_to, [], "{field:?}");
    }
}

#[test]
fn texts_are_printable_and_short() {
    let facts = scan("Subject: =?utf-8?q?a=1b[31mb=0d=0ac=e2=80=aed?=\r\nMessage-ID: <a\u{7}@b>\r\n\r\n");
    assert_eq!(facts.subject.as_deref(), Some("a\u{fffd}[31mbc\u{fffd}d"));
    assert_eq!(facts.message_id.as_deref(), Some("<a\u{fffd}@b>"));
    let long = scan(&format!("Subject: x{}\r\n\r\n", "é".repeat(600)));
    assert_eq!(long.subject.unwrap().len(), 997);
    assert!(long.eight_bit);
}

#[test]
fn knows_received_fields_of_ours_among_tricks() {
    for (field, ours) in [
        ("by mx.ours.example; d", true),
        ("from x (by mx.ours.example) by (a (nested \\) ) c) mx.OURS.example (y)", true),
        ("from \"by mx.ours.example\" by other.example", false),
        ("from by by mx.ours.example", true),
        ("from x; by mx.ours.example", false),
        ("by mx.ours.example.evil.example", false),
        ("by", false),
        ("(unclosed by mx.ours.example", false),
    ] {
        let facts = scan(&format!("Received: {field}\r\n\r\n"));
        assert_eq!(facts.received_by_us, usize::from(ours), "{field}");
    }
}

proptest! {
    #[test]
    fn any_octets_in_any_split_say_the_same(
        pieces in prop::collection::vec("(From|Subject|Received|Delivered-To|X)? ?:?[ -~\r\n\t\\PC]{0,20}(\r\n){0,2}", 0..12),
        size in 1..40_usize,
    ) {
        let message = pieces.concat();
        let whole = scan(&message);
        prop_assert!(whole.octets <= message.len());
        prop_assert_eq!(scan_in(message.as_bytes(), size), whole);
    }

    #[test]
    fn any_author_field_is_read_or_refused(from in prop::collection::vec(any::<u8>(), 0..60)) {
        let found = author::of(&from);
        prop_assert!(found.as_ref().is_none_or(|authors| !authors.domains.is_empty()));
        let only = found.and_then(|authors| authors.only);
        prop_assert!(only.as_ref().is_none_or(|author| crate::mail::Author::read(&author.to_string()) == *author));
    }
}

/// A second From behind what is looked at could name anybody: then nobody is the author.
#[test]
fn a_header_too_long_to_be_read_has_no_author() {
    let filler = |octets: usize| [b"X: ".as_slice(), &vec![b'x'; octets], b"\r\n"].concat();
    let head = [b"From: a@own.example\r\n".as_slice(), &filler(MAX_SCANNED_OCTETS)].concat();
    for behind in [b"From: b@victim.example\r\n\r\nText\r\n".as_slice(), b"\r\nText\r\n"] {
        for piece in [1000, 32 * 1024, usize::MAX] {
            let mut scan = HeaderScan::new(Domain::parse("gw.example").unwrap());
            [head.as_slice(), behind].concat().chunks(piece).for_each(|piece| scan.push(piece));
            assert_eq!(scan.finish().author_domains, None);
        }
    }
    let mut scan = HeaderScan::new(Domain::parse("gw.example").unwrap());
    let most = MAX_SCANNED_OCTETS - b"From: a@own.example\r\nX: \r\n\r\n".len();
    scan.push(&[b"From: a@own.example\r\n".as_slice(), &filler(most), b"\r\nText\r\n"].concat());
    assert_eq!(scan.finish().author_domains, Some(vec![Domain::parse("own.example").unwrap()]));
}
