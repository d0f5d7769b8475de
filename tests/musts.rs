//! Holds `tests/musts.md` to what is there: every number has its row, and every test that a row names exists.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// Items of the checklist, and threats.
const CHECKLIST: usize = 75;
const THREATS: usize = 28;

/// Before these versions, a zone could keep the resolver busy for ever (RUSTSEC-2026-0118 to -0120).
const DNS_CRATES: [(&str, [u64; 3]); 2] = [("hickory-resolver", [0, 26, 1]), ("hickory-proto", [0, 26, 1])];

struct Row {
    number: usize,
    holders: Vec<String>,
    later: bool,
}

#[test]
fn every_number_has_its_row() {
    for (part, count) in [("## Checklist", CHECKLIST), ("## Threats", THREATS)] {
        let numbers: Vec<_> = rows(part).iter().map(|row| row.number).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{part}");
    }
}

#[test]
fn every_row_is_held_by_tests_that_exist_or_says_when_it_will_be() {
    let mut faults = Vec::new();
    for row in rows("## Checklist").into_iter().chain(rows("## Threats")) {
        if row.holders.is_empty() && !row.later {
            faults.push(format!("{}: nothing holds it", row.number));
        }
        faults.extend(row.holders.iter().filter(|name| !exists(name)).map(|name| format!("{}: no {name}", row.number)));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_name_that_is_not_there_is_noticed() {
    assert!(exists("tests/transcripts/greeting.txt"));
    assert!(exists("tests/musts.rs::every_number_has_its_row"));
    assert!(!exists("tests/transcripts/no-such.txt"));
    assert!(!exists("tests/musts.rs::rows"), "a function is no test");
    assert!(!exists("tests/musts.rs::every_number_has_its"), "half a name is none");
}

#[test]
fn dns_is_newer_than_its_known_holes() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for (name, oldest) in DNS_CRATES {
        let mut found = 0;
        for entry in lock.split("[[package]]").filter(|entry| entry.contains(&format!("name = \"{name}\"\n"))) {
            let (_, version) = entry.split_once("version = \"").unwrap();
            let parts: Vec<u64> = version.split(['.', '"']).take(3).map(|part| part.parse().unwrap()).collect();
            assert!(parts.as_slice() >= oldest.as_slice(), "{name} {parts:?}");
            found += 1;
        }
        assert!(found > 0, "{name} is gone: who asks DNS now?");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of all tables between a heading and the next of its level.
fn rows(part: &str) -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/musts.md")).unwrap();
    let from = text.find(&format!("{part}\n")).unwrap() + part.len();
    let to = text[from..].find("\n## ").map_or(text.len(), |at| from + at);
    text[from..to].lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let number = cells.next()?.parse().ok()?;
    let held_by = cells.nth(1).unwrap_or_else(|| panic!("{number} has no third cell"));
    let holders = held_by.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let later = (3..=6).any(|issue| held_by.contains(&format!("issue {issue}"))) || held_by.contains("a later issue");
    Some(Row { number, holders, later })
}

/// Whether a transcript, or a test in its file, is there.
fn exists(name: &str) -> bool {
    let (path, function) = name.split_once("::").map_or((name, None), |(path, function)| (path, Some(function)));
    let path: PathBuf = root().join(path);
    let Ok(text) = fs::read_to_string(&path) else { return false };
    function.is_none_or(|function| is_test(&text, function))
}

/// Whether `function` is marked as a test: by the attribute above it, or by the macro around it.
fn is_test(text: &str, function: &str) -> bool {
    let Some((before, _)) = text.split_once(&format!("fn {function}(")) else { return false };
    let Some((above, _)) = before.rsplit_once('\n') else { return false };
    let above = above.lines().rev().take_while(|line| !line.trim().is_empty());
    above.map(str::trim).any(|line| line.starts_with("#[") && line.contains("test"))
}
