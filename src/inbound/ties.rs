//! Which deliveries a report is about. What it says was written by a stranger, so it counts only for mail that left under
//! the very SRS address that the report came to, or for the sender behind it.

use crate::mail::report::{FailedRecipient, Report};
use crate::mail::{Mailbox, ReversePath};
use crate::policy::status::Status;
use crate::store::activity::Row;

/// By what the rows were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundBy {
    /// An id of ours: that is one transaction, and a recipient may be told by being the only one.
    OurId,
    /// The Message-ID, which says nothing without the recipient.
    MessageId,
}

/// Where the report came to, and whose address that stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Return<'a> {
    pub(super) address: &'a Mailbox,
    pub(super) sender: &'a Mailbox,
}

impl Return<'_> {
    /// Whether a row's mail left under this address, or came from this sender.
    fn is_of(&self, row: &Row) -> bool {
        let same = |known: &Mailbox, text: &str| known.to_string().eq_ignore_ascii_case(text);
        let left_under = match row.envelope.after.as_ref().map(|after| &after.from) {
            Some(ReversePath::Mailbox(from)) => from.key() == self.address.key(),
            _ => false,
        };
        // With privacy, of the sender only the domain is kept.
        let is_domain = || row.sender.strip_prefix('@') == Some(self.sender.host().to_string().as_str());
        left_under || same(self.sender, &row.sender) || is_domain()
    }
}

/// The rows among these that the report says of that they came to nothing, each with what it says. Mail of one message
/// with one destination has one fate, however many aliases met there.
pub(super) fn tied<'r>(
    rows: &[Row],
    report: &'r Report,
    (returned, by): (Return<'_>, FoundBy),
) -> Vec<(Row, &'r FailedRecipient)> {
    let ours = |row: &&Row| row.status == Status::Forwarded && returned.is_of(row);
    let rows: Vec<&Row> = rows.iter().filter(ours).collect();
    let mut tied: Vec<(Row, &FailedRecipient)> = Vec::new();
    for failed in &report.failed {
        for row in meant(&rows, failed).or_else(|| by_what_is_left(&rows, (report, by))).unwrap_or_default() {
            if tied.iter().all(|(known, _)| known.id != row.id) {
                tied.push((row.clone(), failed));
            }
        }
    }
    newest(tied)
}

/// The rows that the failed recipient names: by the destination, else by the alias where it leads to one place only.
fn meant<'a>(rows: &[&'a Row], failed: &FailedRecipient) -> Option<Vec<&'a Row>> {
    let names = |text: &str| {
        let known = Mailbox::parse(text).ok().map(|mailbox| mailbox.key());
        known.is_some_and(|key| failed.addresses.iter().any(|address| address.key() == key))
    };
    let of_destination = rows.iter().copied().filter(|row| row.destination.as_deref().is_some_and(names));
    some(of_destination).or_else(|| one_place(rows.iter().copied().filter(|row| names(&row.recipient))))
}

/// The report of somebody whom the destination sent it on to names nobody we know: then Delivered-To tells, or that there
/// was no other.
fn by_what_is_left<'a>(rows: &[&'a Row], (report, by): (&Report, FoundBy)) -> Option<Vec<&'a Row>> {
    if report.failed.len() > 1 {
        return None;
    }
    let passed = |row: &&Row| {
        let known = Mailbox::parse(&row.recipient).ok().map(|mailbox| mailbox.key());
        known.is_some_and(|key| report.original.delivered_to.iter().any(|to| to.key() == key))
    };
    let by_alias = one_place(rows.iter().copied().filter(passed));
    by_alias.or_else(|| one_place(rows.iter().copied()).filter(|_| by == FoundBy::OurId))
}

fn some<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<Vec<&'a Row>> {
    Some(rows.collect::<Vec<_>>()).filter(|rows| !rows.is_empty())
}

/// All of them, if they went to one destination.
fn one_place<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<Vec<&'a Row>> {
    let rows = some(rows)?;
    rows.iter().all(|row| row.destination == rows[0].destination).then_some(rows)
}

/// A report is about one transaction; of several with one Message-ID the latest.
fn newest(mut tied: Vec<(Row, &FailedRecipient)>) -> Vec<(Row, &FailedRecipient)> {
    if let Some(latest) = tied.iter().max_by_key(|(row, _)| row.received_at).map(|(row, _)| row.transaction) {
        tied.retain(|(row, _)| row.transaction == latest);
    }
    tied
}
