//! Readers of single fields: a JSON value in, a value as meant out, or a sentence that says what would be right.

use std::time::Duration;

use serde::de::value::Error as Unknown;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_json::Value;

use crate::mail::{Domain, DomainError, Mailbox, Moment};

use super::form::{Form, Misread, Read};
use super::{AdminError, Result};

/// Characters of a note.
pub(super) const MAX_NOTE_CHARS: usize = 1000;
/// Labels of one alias.
const MAX_LABELS: usize = 20;
/// Characters of a label.
const MAX_LABEL_CHARS: usize = 50;
/// Characters of a name that people give to something.
pub(super) const MAX_NAME_CHARS: usize = 100;
/// Entries of a list of addresses.
pub(super) const MAX_ENTRIES: usize = 500;
/// The shortest idle time that can end an alias.
const MIN_IDLE: Duration = Duration::from_secs(60);
/// The longest: a hundred years.
const MAX_IDLE: Duration = Duration::from_secs(100 * 365 * 86_400);

/// `true` or `false`.
pub(super) fn boolean(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| "write true or false".into())
}

/// A whole number from 1.
pub(super) fn whole(value: &Value) -> Read<u64> {
    value.as_u64().filter(|n| *n > 0 && i64::try_from(*n).is_ok()).ok_or_else(|| "write a whole number from 1".into())
}

/// Any whole number within a million of zero.
pub(super) fn priority(value: &Value) -> Read<i64> {
    let within = |n: &i64| n.abs() <= 1_000_000;
    value.as_i64().filter(within).ok_or_else(|| "write a whole number between -1000000 and 1000000".into())
}

/// Any text.
pub(super) fn text(value: &Value) -> Read<&str> {
    value.as_str().ok_or_else(|| "write a text in quotes".into())
}

/// A text of people: line breaks are fine, other control characters are not.
pub(super) fn prose(value: &Value, max_chars: usize) -> Read<String> {
    let text = text(value)?.trim();
    if text.chars().count() > max_chars {
        return Err(format!("this is longer than {max_chars} characters").into());
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err("this has control characters in it".into());
    }
    Ok(text.to_owned())
}

/// A name: one line that is not empty.
pub(super) fn name(value: &Value) -> Read<String> {
    let text = prose(value, MAX_NAME_CHARS)?;
    if text.is_empty() || text.contains(['\n', '\t']) {
        return Err("write a name of one line".into());
    }
    Ok(text)
}

/// A mailbox.
pub(super) fn mailbox(value: &Value) -> Read<Mailbox> {
    let text = text(value)?.trim();
    Mailbox::parse(text).map_err(|why| format!("“{text}” is not an address: {why}").into())
}

/// A domain name.
pub(super) fn domain(value: &Value) -> Read<Domain> {
    let text = text(value)?.trim();
    Domain::parse(text).map_err(|why| match why {
        DomainError::Empty => "write a domain, such as my.example".into(),
        other => format!("“{text}” is not a domain name: {other}").into(),
    })
}

/// A time of RFC 3339, or a date alone, which means its first instant in UTC.
pub(super) fn moment(value: &Value) -> Read<Moment> {
    let text = text(value)?.trim();
    Moment::parse_rfc3339(text)
        .or_else(|| Moment::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| format!("“{text}” is not a time: write 2027-01-31 or 2027-01-31T12:00:00Z").into())
}

/// Notes that what is to end at a time would have ended already.
pub(super) fn refuse_past(form: &mut Form<'_>, field: &str, (end, now): (Option<Moment>, Moment)) {
    if end.is_some_and(|end| end <= now) {
        form.fault(field, "this time is over already");
    }
}

/// A value that serde reads from one of a few words.
pub(super) fn word<T: DeserializeOwned>(value: &Value, choices: &str) -> Read<T> {
    serde_json::from_value(value.clone()).map_err(|_| format!("write one of {choices}").into())
}

/// A word of a query; nothing where it is left out.
pub(super) fn read_word<T: DeserializeOwned>(field: &str, text: Option<&str>, choices: &str) -> Result<Option<T>> {
    let Some(text) = text else { return Ok(None) };
    let read = T::deserialize(IntoDeserializer::<Unknown>::into_deserializer(text));
    read.map(Some).map_err(|_| AdminError::field(field, format!("write one of {choices}")))
}

/// A list; each entry read by `read`.
pub(super) fn list<T>(value: &Value, max: usize, read: impl Fn(&Value) -> Read<T>) -> Read<Vec<T>> {
    let entries = value.as_array().ok_or_else(|| Misread::from("write a list in brackets"))?;
    if entries.len() > max {
        return Err(format!("there are more than {max} entries").into());
    }
    entries.iter().enumerate().map(|(index, entry)| read(entry).map_err(|fault| fault.at(index))).collect()
}

/// Labels: short names, each once, in the order in which they are read back.
pub(super) fn labels(value: &Value) -> Read<Vec<String>> {
    let mut labels = list(value, MAX_LABELS, |entry| {
        let label = name(entry)?;
        if label.chars().count() > MAX_LABEL_CHARS {
            return Err(format!("a label has at most {MAX_LABEL_CHARS} characters").into());
        }
        Ok(label)
    })?;
    labels.sort_unstable();
    labels.dedup();
    Ok(labels)
}

/// When an alias ends by use: after messages, or after idle time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpiresAfter {
    /// So many messages.
    Messages(u64),
    /// So long without one.
    Idle(Duration),
}

impl ExpiresAfter {
    /// The number, where it is one.
    pub(super) const fn messages(self) -> Option<u64> {
        match self {
            Self::Messages(messages) => Some(messages),
            Self::Idle(_) => None,
        }
    }

    /// The idle time, where it is one.
    pub(super) const fn idle(self) -> Option<Duration> {
        match self {
            Self::Messages(_) => None,
            Self::Idle(idle) => Some(idle),
        }
    }
}

/// `100`, `"100"` or `"30d"`.
pub(super) fn expires_after(value: &Value) -> Read<ExpiresAfter> {
    const HOW: &str = "write a number of messages (100) or an idle time (30d, 12h)";
    if value.is_number() {
        return whole(value).map(ExpiresAfter::Messages).map_err(|_| HOW.into());
    }
    let text = value.as_str().map(str::trim).ok_or_else(|| Misread::from(HOW))?;
    if let Ok(messages) = text.parse::<u32>() {
        return if messages > 0 { Ok(ExpiresAfter::Messages(messages.into())) } else { Err(HOW.into()) };
    }
    let idle = span(text).ok_or_else(|| Misread::from(HOW))?;
    if !(MIN_IDLE..=MAX_IDLE).contains(&idle) {
        return Err("an idle time lies between 1m and 36500d".into());
    }
    Ok(ExpiresAfter::Idle(idle))
}

/// Reads `90s`, `5m`, `12h`, `30d`.
pub(super) fn span(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(unit).map(Duration::from_secs)
}

/// Writes what [`span`] reads, in the largest unit that leaves no rest.
pub(super) fn write_span(span: Duration) -> String {
    let secs = span.as_secs();
    let (count, unit) = match secs {
        s if s > 0 && s % 86_400 == 0 => (s / 86_400, 'd'),
        s if s > 0 && s % 3600 == 0 => (s / 3600, 'h'),
        s if s > 0 && s % 60 == 0 => (s / 60, 'm'),
        s => (s, 's'),
    };
    format!("{count}{unit}")
}

/// The text of reject: one line of printable ASCII, which may begin with a code of class 4 or 5 and an enhanced code of the
/// same class (RFC 5321 §4.2, RFC 3463).
pub(super) fn reject_message(value: &Value) -> Read<String> {
    const MAX_CHARS: usize = 200;
    let text = text(value)?.trim();
    if text.is_empty() || text.len() > MAX_CHARS || !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Err(format!("write one line of at most {MAX_CHARS} ASCII characters").into());
    }
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    if first.len() != 3 || !first.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    if !first.starts_with(['4', '5']) {
        return Err("a reply code that refuses begins with 4 or 5".into());
    }
    match words.next().filter(|word| is_enhanced(word)) {
        Some(enhanced) if enhanced[..1] != first[..1] => {
            Err(format!("{first} and {enhanced} disagree: both begin with the same digit").into())
        }
        _ => Ok(text.to_owned()),
    }
}

fn is_enhanced(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expiry_is_a_count_or_a_span() {
        assert_eq!(expires_after(&json!(10)), Ok(ExpiresAfter::Messages(10)));
        assert_eq!(expires_after(&json!("10")), Ok(ExpiresAfter::Messages(10)));
        assert_eq!(expires_after(&json!("30d")), Ok(ExpiresAfter::Idle(Duration::from_secs(30 * 86_400))));
        for wrong in [json!(0), json!("0"), json!(-1), json!(1.5), json!("d"), json!("1y"), json!("30s"), json!(true)] {
            assert!(expires_after(&wrong).is_err(), "{wrong}");
        }
        assert!(expires_after(&json!("99999999999999999999d")).is_err());
    }

    #[test]
    fn spans_read_what_they_write() {
        for text in ["90s", "5m", "12h", "30d"] {
            assert_eq!(write_span(span(text).unwrap()), text);
        }
        assert_eq!(span("é"), None);
    }

    #[test]
    fn reject_texts_have_one_line_and_agreeing_codes() {
        for text in ["Go away", "550 no", "450 4.2.1 later", "550 5.7.1 no", "1234 miles"] {
            assert_eq!(reject_message(&json!(text)), Ok(text.to_owned()), "{text}");
        }
        for text in ["", "250 fine", "450 5.7.1 no", "a\r\n250 ok", "grüße"] {
            assert!(reject_message(&json!(text)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_date_alone_is_its_first_instant() {
        assert_eq!(moment(&json!("2027-01-31")).unwrap().rfc3339(), "2027-01-31T00:00:00.000Z");
        assert!(moment(&json!("tomorrow")).is_err());
    }
}
