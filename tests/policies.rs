//! Plays the tables in `tests/policies/*.txt`: what a whole message is answered, by what authenticated it and by the policies
//! in effect.
//!
//! ```text
//! @ spf=observe dkim=observe dmarc=enforce unauthenticated=accept
//! spf=pass dkim=fail:sender.example dmarc=fail:reject => 550 5.7.1
//!     ~ words that the trace must hold
//! ```
//! The message is from `ann@sender.example`, by an author of the same domain, unless `from=` and `author=` say otherwise.
//! `UPDATE_EXPECT=1 cargo test --test policies` writes what came out into the tables, to be looked at.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "policies/world.rs"]
mod world;

use std::path::{Path, PathBuf};

use waypost::policy::admission::{MessageCase, message};
use waypost::policy::status::TraceStep;
use world::World;

#[test]
fn every_table_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
    let mut tables: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    tables.retain(|path| path.extension().is_some_and(|ext| ext == "txt"));
    assert!(tables.len() >= 4, "the tables are missing");
    let failures: Vec<String> = tables.iter().flat_map(|path| play(path)).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Plays one table; says which cases came out otherwise.
fn play(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut table = Table { name: path.file_name().unwrap().to_string_lossy().into(), ..Table::default() };
    let lines: Vec<String> = text.lines().map(|line| table.line(line)).collect();
    assert!(table.cases > 0, "{} has no cases", table.name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    table.failures
}

#[derive(Default)]
struct Table {
    name: String,
    world: World,
    trace: Vec<TraceStep>,
    cases: usize,
    failures: Vec<String>,
}

impl Table {
    /// Plays one line, and gives it as it should read.
    fn line(&mut self, line: &str) -> String {
        if let Some(settings) = line.strip_prefix("@ ") {
            self.world.set(settings);
        } else if let Some(words) = line.trim_start().strip_prefix("~ ") {
            self.explains(words);
        } else if let Some((facts, expected)) = line.split_once(" => ") {
            return self.case(facts, expected);
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{}: what is this? {line}", self.name);
        }
        line.to_owned()
    }

    fn case(&mut self, words: &str, expected: &str) -> String {
        let (facts, settings, after_data) = (self.world.facts(words), self.world.instance(), self.world.after_data());
        let case = MessageCase { settings: &settings, facts: &facts, recipients: &[], after_data: Some(&after_data) };
        self.trace.clear();
        let came = message(&case, &mut self.trace).map_or_else(|| "250".to_owned(), |reply| codes(&reply.to_string()));
        if came != expected {
            self.failures.push(format!("{}: {words}\n  expected {expected}\n  came     {came}", self.name));
        }
        self.cases += 1;
        format!("{words} => {came}")
    }

    fn explains(&mut self, words: &str) {
        let story: Vec<_> =
            self.trace.iter().map(|step| format!("{} {}: {}", step.step, step.verdict, step.detail)).collect();
        if !story.iter().any(|sentence| sentence.contains(words)) {
            self.failures.push(format!("{}: nothing says {words:?} in\n  {}", self.name, story.join("\n  ")));
        }
    }
}

/// The two codes of a reply.
fn codes(reply: &str) -> String {
    reply.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
