//! Plays the table of verdicts (`tests/verdicts/table.txt`: `stage [unrewritten] | reply => verdict`) and that of answers
//! to several recipients (`tests/verdicts/answers.txt`).
//!
//! `UPDATE_EXPECT=1 cargo test --test verdicts` writes what came out into the tables, to be looked at.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use waypost::policy::report::{Standing, answer};
use waypost::policy::settings::Custody;
use waypost::policy::verdict::{Outcome, Sender, Stage, judge, judge_from};
use waypost::smtp::reply::Reply;

#[test]
fn every_verdict_holds() {
    assert!(hold("table.txt", verdict) > 60, "the table has shrunk");
}

#[test]
fn every_answer_holds() {
    assert!(hold("answers.txt", answer_of) > 30, "the table has shrunk");
}

/// Plays each `case => expected` line of a table; gives their number.
fn hold(table: &str, play: fn(&str) -> String) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts").join(table);
    let text = std::fs::read_to_string(&path).unwrap();
    let case_of = |line: &str| Some(line.rsplit_once(" => ").filter(|_| !line.starts_with('#'))?.0.to_owned());
    let played = |line: &str| case_of(line).map_or(line.to_owned(), |case| format!("{case} => {}", play(&case)));
    let played: Vec<String> = text.lines().map(played).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, played.join("\n") + "\n").unwrap();
    }
    let wrong: Vec<_> = text.lines().zip(&played).filter(|(expected, came)| expected != came).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    text.lines().filter_map(case_of).count()
}

fn verdict(case: &str) -> String {
    let (place, reply) = case.split_once('|').expect("stage | reply");
    let mut words = place.split_whitespace();
    let stage = stage(words.next().unwrap());
    let sender = if words.next() == Some("unrewritten") { Sender::Theirs } else { Sender::Ours };
    in_words(&judge_from(stage, reply_of(reply.trim()), sender))
}

fn answer_of(case: &str) -> String {
    let reportable = !case.contains("unreportable");
    let custody = if case.contains("always") { Custody::Always } else { Custody::Careful };
    let delivery = |word: &str| word.split_once('=').map(|(rcpt, word)| (rcpt.parse().unwrap(), standing(word)));
    let deliveries: Vec<_> = case.split_whitespace().filter_map(delivery).collect();
    let answer = answer(&deliveries, reportable, custody);
    let fates: Vec<_> = answer.fates.iter().map(|fate| format!("{fate:?}").to_lowercase()).collect();
    format!("{}; {}", answer.refusal.map_or("250".to_owned(), |reply| reply.to_string()), fates.join(" "))
}

fn standing(word: &str) -> Standing {
    let said = |stage, reply: &str| Standing::Tried(judge(stage, reply_of(reply)));
    match word {
        "delivered" => said(Stage::Dot, "250 2.0.0 queued"),
        "message" => said(Stage::Dot, "550 5.7.1 likely unsolicited"),
        "mailbox" => said(Stage::Recipient, "550 5.1.1 <anna@inbox.example> unknown"),
        "full" => said(Stage::Recipient, "552 5.2.2 full"),
        "before" => said(Stage::Recipient, "450 4.2.0 greylisted"),
        "dot" => said(Stage::Dot, "451 4.7.1 later"),
        "ours" => said(Stage::Dot, "550 5.7.25 no PTR"),
        "unknown" => Standing::Tried(Outcome::Unknown { reason: "connection lost".to_owned() }),
        "waiting" => Standing::Waiting,
        "taken" => Standing::Taken,
        other => panic!("no such standing: {other}"),
    }
}

fn stage(word: &str) -> Stage {
    match word {
        "greeting" => Stage::Greeting,
        "EHLO" => Stage::Hello,
        "STARTTLS" => Stage::Tls,
        "AUTH" => Stage::SignIn,
        "MAIL" => Stage::Mail,
        "RCPT" => Stage::Recipient,
        "DATA" => Stage::Data,
        "dot" => Stage::Dot,
        other => panic!("no such stage: {other}"),
    }
}

fn reply_of(text: &str) -> Reply {
    let (code, rest) = text.split_once(' ').unwrap();
    let code: u16 = code.parse().unwrap();
    let (first, words) = rest.split_once(' ').unwrap_or((rest, ""));
    let numbers: Option<Vec<u16>> = first.split('.').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some([class, subject, detail]) if *class == code / 100 => Reply::new(code, *subject, *detail, words.to_owned()),
        _ => Reply::plain(code, rest.to_owned()),
    }
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { .. } => "delivered".to_owned(),
        Outcome::Refused { fault, .. } => format!("refused, {fault:?}").to_lowercase(),
        Outcome::Deferred { of_site: true, reply: Some(reply), .. } if reply.is_permanent() => {
            "deferred, us".to_owned()
        }
        Outcome::Deferred { of_site: true, .. } => "deferred, site".to_owned(),
        Outcome::Deferred { of_site: false, .. } => "deferred".to_owned(),
        Outcome::Unknown { .. } => "unknown".to_owned(),
    }
}

#[test]
fn words_that_are_broken_over_lines_are_found() {
    let reply = Reply::new(
        550,
        7,
        1,
        "Unfortunately, messages from [192.0.2.1] weren't sent: part of\ntheir network is on our\nblock list (S3140).",
    );
    assert_eq!(in_words(&judge(Stage::Mail, reply.clone())), "deferred, us");
    assert_eq!(in_words(&judge(Stage::Dot, reply)), "deferred, us");
}
