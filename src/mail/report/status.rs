//! The part of a report that is written for machines (RFC 3464 §2): fields about the message, then for each recipient.

use super::{FailedRecipient, MAX_RECIPIENTS, Report, code, one_line, status_or_in};
use crate::mail::Mailbox;
use crate::mail::header::fields;
use crate::mail::wishes;

/// Reads it. Only recipients that failed for good count.
pub(super) fn read(text: &str) -> Report {
    let mut report = Report::default();
    for group in groups(text) {
        let group = Group::of(group.as_bytes());
        report.reporter = report.reporter.or_else(|| group.value("Reporting-MTA").map(|name| typed(&name).to_owned()));
        report.envelope_id = report.envelope_id.or_else(|| group.value("Original-Envelope-Id"));
        if report.original.message_id.is_none() {
            report.original.message_id = group.value("X-Original-Message-ID");
        }
        report.failed.extend(group.failed());
        if report.failed.len() >= MAX_RECIPIENTS {
            break;
        }
    }
    report
}

/// What stands between empty lines.
fn groups(text: &str) -> impl Iterator<Item = String> {
    let mut lines = text.lines().map(str::trim_end);
    std::iter::from_fn(move || {
        let first = lines.find(|line| !line.is_empty())?;
        let rest = lines.by_ref().take_while(|line| !line.is_empty());
        Some(std::iter::once(first).chain(rest).flat_map(|line| [line, "\r\n"]).collect())
    })
}

/// The fields of a group, unfolded.
struct Group(Vec<(String, String)>);

impl Group {
    fn of(group: &[u8]) -> Self {
        let text = |octets: &[u8]| one_line(&String::from_utf8_lossy(octets));
        Self(fields(group).map(|(name, value)| (text(name), text(value))).collect())
    }

    fn value(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_empty());
        found.map(|(_, value)| value.clone())
    }

    fn failed(&self) -> Option<FailedRecipient> {
        let (original, last) = (self.value("Original-Recipient"), self.value("Final-Recipient"));
        if original.is_none() && last.is_none() {
            return None;
        }
        let said = self.value("Diagnostic-Code").map(|said| typed(&said).to_owned());
        let status = self.value("Status");
        let words = said.or_else(|| status.clone()).unwrap_or_default();
        let status = status.as_deref().and_then(|status| code(first_word(status)));
        if !has_failed(self.value("Action").as_deref(), status) {
            return None;
        }
        let status = status_or_in(&words, status);
        let addresses = original.iter().chain(&last).flat_map(|value| addresses(value)).collect();
        Some(FailedRecipient { addresses, status, words })
    }
}

/// Some leave the action out; then a permanent status says the same. `delayed`, `delivered`, `relayed`, `expanded` and
/// whatever else there may be are no failure (RFC 3464 §2.3.3).
fn has_failed(action: Option<&str>, status: Option<(u8, u16, u16)>) -> bool {
    match action {
        Some(action) => first_word(action).eq_ignore_ascii_case("failed"),
        None => status.is_some_and(|(class, ..)| class == 5),
    }
}

fn first_word(text: &str) -> &str {
    text.split([' ', '(', ';']).next().unwrap_or_default()
}

/// Without the type in front: `dns; mx.example` is `mx.example`.
fn typed(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim()
}

/// The address of `rfc822; …` or `utf-8; …`, as it stands and decoded: not everybody decodes what ORCPT escaped
/// (RFC 3461 §4.2, RFC 6533 §3).
fn addresses(value: &str) -> Vec<Mailbox> {
    let text = typed(value);
    let text = text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text);
    let forms = [Some(text.to_owned()), wishes::decode_xtext(text), wishes::decode_utf8_text(text)];
    let mut found: Vec<Mailbox> = Vec::new();
    for mailbox in forms.iter().flatten().filter_map(|form| Mailbox::parse(form).ok()) {
        if !found.contains(&mailbox) {
            found.push(mailbox);
        }
    }
    found
}
