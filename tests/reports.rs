//! Reports of failure in the shapes that the systems of the world give them, against what must be read out of each.
//!
//! `UPDATE_EXPECT=1` rewrites `tests/dsn/returned/expected.txt` after a look.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use waypost::mail::Domain;
use waypost::mail::report::{MAX_READ_OCTETS, Report, read};

#[path = "support/cpu.rs"]
mod cpu;
use cpu::cpu;

/// Far more CPU than any of them takes.
const BOUNDED: Duration = Duration::from_secs(10);

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dsn/returned")
}

fn ours() -> Domain {
    Domain::parse("gw.example").unwrap()
}

/// The files with their names, in order.
fn files() -> Vec<(String, String)> {
    let named = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = named.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
    files.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn shown(report: Option<&Report>) -> String {
    let Some(report) = report else { return "no report of a failure\n".to_owned() };
    let mut text = String::new();
    let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let (reporter, envelope) = (said(&report.reporter), said(&report.envelope_id));
    writeln!(text, "by {reporter}, envelope {envelope}").unwrap();
    let original = &report.original;
    let delivered: Vec<_> = original.delivered_to.iter().map(ToString::to_string).collect();
    let (id, ids) = (said(&original.message_id), original.ids.join(" "));
    writeln!(text, "of {id}, ours {ids}, delivered to {}", delivered.join(" ")).unwrap();
    for failed in &report.failed {
        let addresses: Vec<_> = failed.addresses.iter().map(ToString::to_string).collect();
        let status = failed.status.map_or_else(|| "-".to_owned(), |(a, b, c)| format!("{a}.{b}.{c}"));
        writeln!(text, "failed {}: {status}: {}", addresses.join(" "), failed.words).unwrap();
    }
    text
}

#[test]
fn every_shape_is_read_for_what_it_says() {
    let mut all = String::new();
    for (name, text) in files() {
        let with_crlf = text.replace('\n', "\r\n");
        let report = read(with_crlf.as_bytes(), &ours());
        assert_eq!(report, read(text.as_bytes(), &ours()), "{name}: line ends make no difference");
        writeln!(all, "# {name}\n{}", shown(report.as_ref())).unwrap();
    }
    let path = directory().join("expected.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &all).unwrap();
    }
    assert_eq!(all, std::fs::read_to_string(path).unwrap());
}

/// Each file is cut at every octet, as a connection or a limit may cut it; nothing breaks, and no failure is invented.
#[test]
fn a_report_that_is_cut_says_no_more_than_the_whole() {
    for (name, text) in files() {
        let whole = read(text.as_bytes(), &ours());
        for cut in 0..text.len() {
            let part = read(&text.as_bytes()[..cut], &ours());
            let count = |report: &Option<Report>| report.as_ref().map_or(0, |report| report.failed.len());
            assert!(count(&part) <= count(&whole), "{name} cut at {cut}: {part:?}");
        }
    }
}

fn report_of(status: &str) -> String {
    let kind = "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n";
    format!("From: <>\r\nMIME-Version: 1.0\r\n{kind}{status}\r\n--b--\r\n")
}

#[test]
fn a_giant_is_read_in_bounds() {
    let began = cpu();
    let one = "Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n";
    let many = report_of(&one.repeat(40_000));
    assert_eq!(read(many.as_bytes(), &ours()).unwrap().failed.len(), 100);
    let long = report_of(&format!("{}Diagnostic-Code: smtp; {}\r\n", &one[..one.len() - 2], "word ".repeat(100_000)));
    assert!(read(long.as_bytes(), &ours()).unwrap().failed[0].words.len() <= 1000);
    let late = [vec![b'x'; MAX_READ_OCTETS], report_of(one).into_bytes()].concat();
    assert_eq!(read(&late, &ours()), None, "what is not in front is not looked for");
    let prose =
        format!("Subject: x\r\n\r\nHi. This is the qmail-send program at x\r\n{}", "<a@b.example>:\r\n".repeat(20_000));
    assert_eq!(read(prose.as_bytes(), &ours()).unwrap().failed.len(), 100);
    assert!(cpu() - began < BOUNDED, "{:?}", cpu() - began);
}

/// The reason stands in the part for people, and the stranger wrote that too.
#[test]
fn a_reason_told_to_people_is_read_in_bounds() {
    let began = cpu();
    let status: String = (0..200)
        .map(|n| format!("Final-Recipient: rfc822; a{n}@b.example\r\nAction: failed\r\nStatus: 5.0.0\r\n\r\n"))
        .collect();
    let said = format!("a1@b.example: 550 \u{1b}[31m\u{202e}bell\u{7} {}\r\n", "word ".repeat(1000));
    let prose =
        format!("{said}a1@b.example: 550 5.1.1 gone\r\na2@b.example:\r\n{}", "c@d.example: no\r\n".repeat(10_000));
    let text = report_of(&status).replacen("--b\r\n", &format!("--b\r\n\r\n{prose}--b\r\n"), 1);
    let failed = read(text.as_bytes(), &ours()).unwrap().failed;
    assert_eq!((failed.len(), failed[2].words.as_str()), (100, "5.0.0"), "nothing is said of the third");
    let words = &failed[1].words;
    assert!(words.starts_with("550 ") && words.len() <= 1000, "the first line counts: {words:?}");
    assert!(!words.chars().any(|c| c.is_control() || c == '\u{202e}'), "{words:?}");
    assert!(cpu() - began < BOUNDED, "{:?}", cpu() - began);
}

#[test]
fn a_hostile_one_is_read_in_bounds() {
    let began = cpu();
    let nested = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(4000);
    let headers = "Received: by gw.example id x;\r\n".repeat(20_000);
    let words = "Diagnostic-Code: smtp; \u{1b}[31m\u{202e}bell\u{7}\r\n\r\nBcc: x@y\r\n";
    let status = format!("Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n{words}");
    for text in
        [nested, headers, "(".repeat(200_000), "=?".repeat(100_000), "<".repeat(100_000), "\r\n".repeat(100_000)]
    {
        let text = format!("{text}{}", report_of(&status));
        let _whatever = read(text.as_bytes(), &ours());
    }
    let report = read(report_of(&status).as_bytes(), &ours()).unwrap();
    assert!(!report.failed[0].words.chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", report.failed[0].words);
    assert!(cpu() - began < BOUNDED, "{:?}", cpu() - began);
}

proptest! {
    #[test]
    fn nothing_is_too_odd(
        lines in proptest::collection::vec(
            "(Final-Recipient: rfc822; |Action: |Status: |--b|Content-Type: )?[ -~\u{e9}\\x00]{0,20}", 0..30
        )
    ) {
        let text = report_of(&lines.join("\r\n"));
        if let Some(report) = read(text.as_bytes(), &ours()) {
            prop_assert!(!report.failed.is_empty() && report.failed.len() <= lines.len());
        }
    }
}
