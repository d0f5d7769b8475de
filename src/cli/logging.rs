//! The log on stderr: one line per event, as text for people or as JSON for machines, with the event's fields.
//!
//! Whatever an outsider can put into a field (a greeting, a subject, a remote reply) stays inside its line and its quotes:
//! control characters, line separators and the marks that turn the direction of text are written as escapes.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Clock;
use crate::config::Log;

/// Other crates speak up only when something is wrong.
const LEVEL_OF_OTHERS: LevelFilter = LevelFilter::WARN;

/// Starts the log of this process; a second call changes nothing.
pub(super) fn start(settings: &Log) {
    begin(settings.level.parse().unwrap_or(LevelFilter::INFO), settings.json);
}

/// Starts a log that speaks up only when something is wrong, for commands that tell their own story.
pub(super) fn start_quiet() {
    begin(LevelFilter::WARN, false);
}

fn begin(level: LevelFilter, json: bool) {
    let filter = Targets::new().with_default(LEVEL_OF_OTHERS.min(level)).with_target("waypost", level);
    let lines = Lines { clock: Clock::system(), json };
    // The only error is that a log has been started already, which then goes on.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

struct Lines {
    clock: Clock,
    json: bool,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let head = Head { at: self.clock.now().rfc3339(), level: *event.metadata().level() };
        let line = if self.json { as_json(&head, fields) } else { as_text(&head, &fields) };
        // There is nobody to tell when stderr is gone.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

struct Head {
    at: String,
    level: Level,
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(message)) => self.message = message,
            ("message", value) => self.message = value.to_string(),
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }
}

fn as_text(head: &Head, fields: &Fields) -> String {
    let mut line = format!("{} {:5} ", head.at, head.level);
    escape(&fields.message, &mut line);
    for (name, value) in &fields.others {
        let _ = write!(line, " {name}=");
        match value {
            Value::String(text) if is_plain(text) => line.push_str(text),
            Value::String(text) => quote(text, &mut line),
            other => line.push_str(&other.to_string()),
        }
    }
    line.push('\n');
    line
}

fn as_json(head: &Head, fields: Fields) -> String {
    let mut object = Map::new();
    object.insert("at".to_owned(), head.at.clone().into());
    object.insert("level".to_owned(), head.level.as_str().to_ascii_lowercase().into());
    object.insert("message".to_owned(), fields.message.into());
    object.extend(fields.others.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let mut line = String::new();
    for c in Value::Object(object).to_string().chars() {
        if is_unsafe(c) { escape_json(c, &mut line) } else { line.push(c) }
    }
    line.push('\n');
    line
}

/// JSON has its own escapes for what is below the space; the rest that we keep from terminals is written in UTF-16.
fn escape_json(c: char, line: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(line, "\\u{unit:04x}");
    }
}

/// Needs no quotes: a bare word.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.:/@+<>[]~*,".contains(c))
}

fn quote(text: &str, line: &mut String) {
    line.push('"');
    for part in text.split_inclusive(['"', '\\']) {
        let whole = part.strip_suffix(['"', '\\']);
        escape(whole.unwrap_or(part), line);
        if whole.is_some() {
            line.push('\\');
            line.push_str(&part[part.len() - 1..]);
        }
    }
    line.push('"');
}

fn escape(text: &str, line: &mut String) {
    for c in text.chars() {
        if is_unsafe(c) {
            let _ = write!(line, "{}", c.escape_unicode());
        } else {
            line.push(c);
        }
    }
}

/// Controls (C0, DEL, C1), line and paragraph separators, and the marks that turn the direction of text.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: fn() -> Head = || Head { at: "2026-11-22T18:56:24.120Z".to_owned(), level: Level::INFO };

    fn fields(helo: &str) -> Fields {
        Fields { message: "refused".to_owned(), others: vec![("helo", helo.into()), ("code", 550.into())] }
    }

    #[test]
    fn words_stand_bare_and_the_rest_in_quotes() {
        assert_eq!(
            as_text(&HEAD(), &fields("mx.example")),
            "2026-11-22T18:56:24.120Z INFO  refused helo=mx.example code=550\n"
        );
        assert_eq!(
            as_text(&HEAD(), &fields(r#"a "b\" c=1"#)),
            "2026-11-22T18:56:24.120Z INFO  refused helo=\"a \\\"b\\\\\\\" c=1\" code=550\n"
        );
    }

    #[test]
    fn nothing_breaks_out_of_its_line() {
        for evil in ["a\r\nb", "\x1b[2J", "\u{9b}2J", "\u{2028}x", "\u{202e}x", "\x7f", "\0"] {
            let text = as_text(&HEAD(), &fields(evil));
            let json = as_json(&HEAD(), fields(evil));
            for line in [&text, &json] {
                assert!(!line.trim_end_matches('\n').chars().any(is_unsafe), "{line:?}");
            }
            let read: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(read["helo"], evil);
        }
    }

    #[test]
    fn a_message_cannot_forge_a_field_line() {
        let forged = Fields { message: "x\n2026-11-22T18:56:24.120Z INFO  all is well".to_owned(), others: Vec::new() };
        assert_eq!(as_text(&HEAD(), &forged).matches('\n').count(), 1);
    }
}
