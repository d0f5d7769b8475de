//! Reports that are written for people only: qmail's (QSBMF) and those that copy it, Exim's and sendmail's of old.
//!
//! All of them say in a sentence of their own that mail has failed, then name each address on a line, with what was said
//! of it in the lines behind, and end with a line that announces the message.

use super::{FailedRecipient, MAX_RECIPIENTS, Report, code_in, one_line, status_or_in};
use crate::mail::Mailbox;

/// Sentences that say of the addresses behind them that mail has failed for good. Those of delays differ.
const FAILED: [&str; 5] = [
    "this is the qmail-send program at",
    "wasn't able to deliver your message to the following address",
    "unable to deliver your message to the following address",
    "could not be delivered to one or more of its",
    "addresses had permanent fatal errors",
];
/// Lines behind which the message stands.
const COPIES: [&str; 5] = [
    "--- below this line is a copy of the",
    "--- enclosed are the original headers",
    "------ this is a copy of",
    "----- original message follows -----",
    "----- unsent message follows -----",
];
/// Lines behind which nothing more is said of addresses.
const ENDS: [&str; 1] = ["----- transcript of session follows -----"];

/// Reads the addresses that failed.
pub(super) fn read(text: &str) -> Report {
    let report = Report::default();
    let lower = text.to_ascii_lowercase();
    let Some(begin) = FAILED.iter().filter_map(|sentence| lower.find(sentence)).min() else { return report };
    let ends = COPIES.iter().chain(&ENDS).filter_map(|line| lower[begin..].find(line));
    let end = ends.min().map_or(text.len(), |end| begin + end);
    Report { reporter: reporter(&text[begin..end]), failed: failed(&text[begin..end]), ..report }
}

/// OpenSMTPD gives its reasons to people only: `a@b: 550 5.1.1 no such user`.
pub(super) fn explain(mut report: Report, text: &str) -> Report {
    for (address, said) in text.lines().filter_map(|line| line.trim().split_once(": ")) {
        let Ok(address) = Mailbox::parse(address) else { continue };
        let is_meant = |one: &&mut FailedRecipient| one.is_unexplained() && one.addresses.contains(&address);
        for recipient in report.failed.iter_mut().filter(is_meant) {
            recipient.words = one_line(said);
            recipient.status = status_or_in(&recipient.words, recipient.status);
        }
    }
    report
}

/// The octets of the message behind the line that announces it.
pub(super) fn original(text: &str) -> Option<&[u8]> {
    let lower = text.to_ascii_lowercase();
    let copy = COPIES.iter().filter_map(|line| lower.find(line)).min()?;
    let behind = copy + text[copy..].find('\n')?;
    Some(text[behind..].trim_start().as_bytes())
}

/// "Hi. This is the qmail-send program at mx.example."
fn reporter(text: &str) -> Option<String> {
    let name = text.lines().next()?.rsplit_once(" at ")?.1.trim().trim_end_matches('.');
    (!name.is_empty() && !name.contains(' ')).then(|| one_line(name))
}

/// An address alone on its line, and what is said of it up to an empty line or the next address.
fn failed(text: &str) -> Vec<FailedRecipient> {
    let mut all: Vec<FailedRecipient> = Vec::new();
    let mut is_said_of_last = false;
    for line in text.lines().map(str::trim) {
        if let Some(address) = address(line) {
            if all.len() == MAX_RECIPIENTS {
                break;
            }
            all.push(FailedRecipient { addresses: vec![address], ..FailedRecipient::default() });
            is_said_of_last = true;
        } else if line.is_empty() {
            is_said_of_last = false;
        } else if let Some(last) = all.last_mut().filter(|_| is_said_of_last) {
            last.words = one_line(&[&last.words, " ", line].concat());
        }
    }
    for recipient in &mut all {
        recipient.status = code_in(&recipient.words);
    }
    all
}

/// `<a@b>:`, `<a@b>`, `a@b`.
fn address(line: &str) -> Option<Mailbox> {
    let line = line.trim_end_matches(':');
    let line = line.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(line);
    Mailbox::parse(line).ok()
}
