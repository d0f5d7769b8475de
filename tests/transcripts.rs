//! Plays the transcripts of `tests/transcripts/*.txt` against the server's side of a session.
//!
//! Each is played line by line, whole, octet by octet and in random pieces: the answers must be equal, and as written.
//! `UPDATE_EXPECT=1 cargo test --test transcripts` writes down what is answered now; look at the difference before you
//! commit it. What a transcript may say stands in `transcripts/script.rs`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "transcripts/play.rs"]
mod play;
#[path = "transcripts/script.rs"]
mod script;

use std::path::PathBuf;

use play::{Pieces, Played, play};
use script::Script;

/// Seeds of the random pieces; any number does.
const SEEDS: std::ops::Range<u64> = 0..8;

fn transcripts() -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    assert!(!files.is_empty(), "no transcripts in {}", folder.display());
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn answers_are_as_written() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for (path, text) in transcripts() {
        let script = Script::parse(&text);
        let pieces = if script.whole_only { Pieces::Whole } else { Pieces::Lines };
        let rendered = script.render(&play(&script, pieces));
        if rendered == text {
            continue;
        }
        if update {
            std::fs::write(&path, rendered).unwrap();
        } else {
            wrong.push(format!("{}\n{}", path.display(), difference(&text, &rendered)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn answers_do_not_depend_on_how_octets_arrive() {
    for (path, text) in transcripts() {
        let script = Script::parse(&text);
        if script.whole_only {
            continue;
        }
        let by_line = play(&script, Pieces::Lines);
        let others = [Pieces::Whole, Pieces::Octets].into_iter().chain(SEEDS.map(Pieces::Random));
        for pieces in others {
            let played = play(&script, pieces);
            assert_eq!(Summary::of(&played), Summary::of(&by_line), "{} played {pieces:?}", path.display());
        }
    }
}

/// What must be equal however the octets come.
#[derive(PartialEq, Eq)]
struct Summary {
    said: String,
    remains: Vec<String>,
}

impl Summary {
    fn of(played: &Played) -> Self {
        let said = played.said.concat();
        Self { said: String::from_utf8(said).unwrap(), remains: played.remains.clone() }
    }
}

impl std::fmt::Debug for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}{}\n", self.said, self.remains.join("\n"))
    }
}

/// The first lines that differ.
fn difference(written: &str, answered: &str) -> String {
    let line = |text: &str, number: usize| text.lines().nth(number).unwrap_or("(nothing)").to_owned();
    let longest = written.lines().count().max(answered.lines().count());
    let first = (0..longest).find(|&n| line(written, n) != line(answered, n)).unwrap_or(longest);
    let show = |text: &str| (first..first + 4).map(|n| format!("    {}\n", line(text, n))).collect::<String>();
    format!("  line {}, written:\n{}  answered:\n{}", first + 1, show(written), show(answered))
}
