//! Mail that the gateway itself wrote, told as such: it came from nobody, no alias decided, and nothing of it was checked.

use crate::mail::Moment;
use crate::policy::status::{OwnMail, Status, is_cancelled_by_hand};
use crate::store::activity::Row;

use super::look;
use super::story::{self, Happening};
use super::text::{self, When};

/// Who wrote it, where lists name a sender.
pub(super) const SENDER: &str = "Waypost itself";

/// What it is, and what became of it; nothing for mail that came.
pub(super) fn headline(row: &Row, now: Moment) -> Option<String> {
    let about = text::short_address(&row.recipient);
    let what = match row.own? {
        OwnMail::Notice => format!("notice to {about}"),
        OwnMail::Verification => format!("verification of {about}"),
        OwnMail::Password => format!("link for a new password of {about}"),
    };
    Some(format!("Waypost's own message: {what}, {}", fate(row, now)))
}

fn fate(row: &Row, now: Moment) -> String {
    match row.status {
        Status::Forwarded if row.bounced_at.is_some() => "delivered, and sent back from there".to_owned(),
        Status::Forwarded => format!("delivered{}", story::at_which_try(row)),
        Status::Queued if story::is_being_tried(row) => "being tried now".to_owned(),
        Status::Queued if row.attempts.is_empty() => "waiting for its first try".to_owned(),
        Status::Queued => "waiting for its next try".to_owned(),
        Status::Deferred => {
            format!("put off: {} {}{}", story::next_hop(row), story::put_off(row), story::next_try(row, now))
        }
        Status::Held => "on hold until it is released".to_owned(),
        Status::Failed => match story::no_way(row) {
            Some(why) => format!("not sent on: {why}"),
            None => format!("refused by {}", story::next_hop(row)),
        },
        Status::Expired => format!("given up after {}", story::tries(row.attempts.len())),
        Status::Cancelled if is_cancelled_by_hand(&row.reason) => "cancelled by hand".to_owned(),
        Status::Cancelled => "no longer in the queue".to_owned(),
        // What came ends in other ways too.
        _ => look::of(row).word.to_owned(),
    }
}

/// How it began.
pub(super) fn written(row: &Row, now: Moment) -> Happening {
    let words = "Waypost wrote it.".to_owned();
    Happening { look: look::DONE, words, at: Some(When::new(row.received_at, now)), reply: None }
}
