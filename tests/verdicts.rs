//! Plays the table of verdicts in `tests/verdicts/table.txt`: `stage [unrewritten] | reply => verdict`.
//!
//! `UPDATE_EXPECT=1 cargo test --test verdicts` writes what came out into the table, to be looked at.

use std::path::Path;

use waypost::policy::verdict::{Outcome, Sender, Stage, judge, judge_from};
use waypost::smtp::reply::Reply;

#[test]
fn the_table_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts/table.txt");
    let text = std::fs::read_to_string(&path).unwrap();
    let played: Vec<String> = text.lines().map(play).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, played.join("\n") + "\n").unwrap();
    }
    let wrong: Vec<_> = text.lines().zip(&played).filter(|(expected, came)| expected != came).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(played.iter().filter(|line| line.contains(" => ")).count() > 60, "the table has shrunk");
}

fn play(line: &str) -> String {
    let Some((case, _)) = line.rsplit_once(" => ").filter(|_| !line.starts_with('#')) else { return line.to_owned() };
    let (place, reply) = case.split_once('|').expect("stage | reply");
    let mut words = place.split_whitespace();
    let stage = stage(words.next().unwrap());
    let sender = if words.next() == Some("unrewritten") { Sender::Theirs } else { Sender::Ours };
    format!("{case} => {}", in_words(&judge_from(stage, reply_of(reply.trim()), sender)))
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
