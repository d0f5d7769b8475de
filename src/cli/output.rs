//! How answers are printed: exactly as the API gave them with `--json`, else for people: tables with rules on a terminal,
//! aligned columns otherwise. What came from outside cannot move the cursor or turn the text.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::presets::{NOTHING, UTF8_FULL_CONDENSED};
use comfy_table::{ContentArrangement, Table};
use serde_json::{Map, Value};

use super::api::Answer;
use super::logging::is_unsafe;
use crate::mail::{Moment, in_unicode};

/// A column: its title, and where its value stands in a row (RFC 6901); of several places parted by bars, the first that
/// has one.
pub(super) type Column = (&'static str, &'static str);

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
    style: Style,
}

/// How tables look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// With rules, fitted into the width.
    Terminal,
    /// Columns that other programs can cut.
    Plain,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let style = if std::io::stdout().is_terminal() { Style::Terminal } else { Style::Plain };
        Self { json, style }
    }

    /// Prints a list; says so if it is empty.
    pub(super) fn list(&self, answer: &Answer, columns: &[Column]) -> anyhow::Result<()> {
        if self.json {
            self.line(&answer.text)?;
        } else if answer.items().is_empty() {
            eprintln!("There are none.");
        } else {
            self.line(&table(columns, answer.items(), self.style))?;
        }
        if answer.value["next_cursor"].is_string() {
            eprintln!("There are more; ask for them with --limit.");
        }
        Ok(())
    }

    /// Says something beside an answer, where people read.
    pub(super) fn aside(&self, words: &str) {
        if !self.json {
            eprintln!("{words}");
        }
    }

    /// Prints one object: a sentence for people, made by `say`.
    pub(super) fn object(&self, answer: &Answer, say: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
        if self.json { self.line(&answer.text) } else { self.line(&say(&answer.value)) }
    }

    /// Prints rows of our own making.
    pub(super) fn rows(&self, rows: &[Value], columns: &[Column]) -> anyhow::Result<()> {
        self.line(&table(columns, rows, self.style))
    }

    /// Whether `--json` was asked for.
    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a text and a line end.
    pub(super) fn line(&self, text: &str) -> anyhow::Result<()> {
        let text = text.trim_end_matches('\n');
        if text.is_empty() {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }
}

fn table(columns: &[Column], rows: &[Value], style: Style) -> String {
    let mut table = Table::new();
    match style {
        Style::Terminal => table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic),
        Style::Plain => table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled),
    };
    table.set_header(columns.iter().map(|(title, _)| *title));
    table.add_rows(rows.iter().map(|row| columns.iter().map(|(_, pointer)| cell(row, pointer))));
    if style == Style::Plain {
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
    }
    table.trim_fmt()
}

/// A value of a row as people read it.
pub(super) fn cell(row: &Value, pointer: &str) -> String {
    let mut places = pointer.split('|').filter_map(|place| row.pointer(place));
    shown(places.find(|value| !value.is_null()).unwrap_or(&Value::Null), pointer)
}

/// A time in a sentence: `22 Nov 2026, 18:56:24 UTC`.
pub(super) fn time(row: &Value, pointer: &str) -> String {
    let moment = row.pointer(pointer).and_then(Value::as_str).and_then(Moment::parse_rfc3339);
    moment.map_or_else(|| cell(row, pointer), Moment::in_words)
}

fn shown(value: &Value, pointer: &str) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) if is_of_ours(pointer) => harmless(&in_unicode(text)),
        Value::String(text) => harmless(&time_for_people(pointer, text)),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(|item| shown(item, pointer)).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => harmless(&written(fields)),
    }
}

/// `dmarc=observe, spf=enforce`, as `--policy` takes it; what is not set is left out.
fn written(fields: &Map<String, Value>) -> String {
    let field = |(name, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{name}={text}")),
        other => Some(format!("{name}={other}")),
    };
    let set: Vec<String> = fields.iter().filter_map(field).collect();
    if set.is_empty() { "-".to_owned() } else { set.join(", ") }
}

/// What is shown with its domain in U-labels: names of the owner's own. What strangers wrote stays as they wrote it, where no
/// name can pass for another, and records stay as they are published.
fn is_of_ours(pointer: &str) -> bool {
    const OURS: [&str; 11] = [
        "/address",
        "/recipient",
        "/destination",
        "/destinations",
        "/unverified",
        "/pattern",
        "/to",
        "/alias",
        "/contact",
        "/srs_domain",
        "/mirror_of",
    ];
    pointer.is_empty() || OURS.iter().any(|end| pointer.ends_with(end))
}

/// Characters of a time to the second.
const TIME_CHARS: usize = 19;

/// `2026-11-22T18:56:24.120Z` without what nobody reads in a table.
fn time_for_people(pointer: &str, text: &str) -> String {
    let is_time = ["_at", "/at", "since"].iter().any(|end| pointer.ends_with(end));
    match text.get(..TIME_CHARS).filter(|_| is_time && text.len() > TIME_CHARS) {
        Some(time) => time.replacen('T', " ", 1),
        None => text.to_owned(),
    }
}

/// The text with what would move a cursor, end a line or turn the text written as escapes.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

pub(super) fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().map(|text| cell(text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: [Column; 4] =
        [("ADDRESS", "/address"), ("TO", "/to"), ("ON", "/enabled"), ("LAST", "/last_mail_at")];

    fn rows() -> Vec<Value> {
        vec![
            json!({"address": "shop@a.example", "to": ["x@b", "y@b"], "enabled": true, "last_mail_at": "2026-11-22T18:56:24.120Z"}),
            json!({"address": "é\u{1b}[2J\n", "to": [], "enabled": false, "last_mail_at": null}),
        ]
    }

    #[test]
    fn plain_columns_are_aligned_and_harmless() {
        let expected = "ADDRESS          TO        ON   LAST\n\
                        shop@a.example   x@b, y@b  yes  2026-11-22 18:56:24\n\
                        é\\u{1b}[2J\\u{a}  -         no   -";
        assert_eq!(table(&COLUMNS, &rows(), Style::Plain), expected);
    }

    #[test]
    fn on_a_terminal_there_are_rules() {
        let text = table(&COLUMNS, &rows(), Style::Terminal);
        assert!(text.starts_with('┌') && text.contains("│ shop@a.example"), "{text}");
    }

    #[test]
    fn names_of_ours_are_shown_in_u_labels_and_those_of_strangers_as_they_came() {
        let row = json!({"recipient": "shop@xn--bcher-kva.example", "sender": "a@xn--bcher-kva.example",
            "destinations": ["b@xn--bcher-kva.example"]});
        assert_eq!(cell(&row, "/recipient"), "shop@bücher.example");
        assert_eq!(cell(&row, "/destinations"), "b@bücher.example");
        assert_eq!(cell(&row, "/sender"), "a@xn--bcher-kva.example");
    }

    #[test]
    fn a_time_that_is_no_time_does_not_panic() {
        assert_eq!(cell(&json!({"x_at": "soon"}), "/x_at"), "soon");
        assert_eq!(time(&json!({"at": "soon"}), "/at"), "soon");
        assert_eq!(time(&json!({"at": "2026-11-22T18:56:24.120Z"}), "/at"), "22 Nov 2026, 18:56:24 UTC");
    }

    #[test]
    fn a_policy_is_shown_as_it_is_set() {
        let policy = json!({"p": {"dmarc": "observe", "forwarded_headers": true, "spf": null}, "none": {}});
        assert_eq!(cell(&policy, "/p"), "dmarc=observe, forwarded_headers=true");
        assert_eq!(cell(&policy, "/none"), "-");
    }
}
