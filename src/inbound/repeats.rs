//! Repeats of messages whose 250 may never have reached their client: answered 250, logged `duplicate`, not sent again.
//!
//! Which messages are in doubt is the store's to know (`store::activity::repeats`). Only one with a Message-ID is ever
//! taken for a repeat: what has one and is equal octet for octet is the same message, while the bare words of a device
//! that says the same thing every hour may well be meant each time.

use super::Tools;
use super::arrival::Arrival;
use super::rows::shown_sender;
use crate::mail::Mailbox;
use crate::policy::admission::{Decision, Disposition};
use crate::policy::status::TraceStep;
use crate::store::activity::Sending;

/// Gives every recipient of whom this is a repeat the disposition that says so.
pub(super) fn recognise(tools: &Tools, arrival: &mut Arrival) {
    if !tools.store.activity.is_in_doubt() || arrival.facts.header.message_id.is_none() {
        return;
    }
    let (sha256, from) = (&arrival.body.sha256, &arrival.mail.from);
    for (recipient, decision) in &mut arrival.taken {
        let (sender, recipient) = (shown_sender(from, decision.privacy), recipient.to_string());
        let sending = Sending { sha256, sender: &sender, recipient: &recipient };
        let Some(first) = tools.store.activity.repeats(&sending) else { continue };
        decision.reason = format!("A repeat of {first}, whose answer may not have reached the client: not sent again.");
        decision.trace.push(TraceStep::new("repeat", "recognised", format!("The same octets came as {first}")));
        decision.disposition = Disposition::Repeat;
        decision.create = false;
    }
}

/// The repeats are in the log and about to be answered: whoever sends the same once more means it.
pub(super) async fn answered(tools: &Tools, arrival: &Arrival) {
    let repeats = arrival.taken.iter().filter(|(_, decision)| decision.disposition == Disposition::Repeat);
    let shown = repeats.map(|taken| shown(arrival, taken)).collect::<Vec<_>>();
    if shown.is_empty() {
        return;
    }
    let sha256 = &arrival.body.sha256;
    let sendings = shown.iter().map(|(sender, recipient)| Sending { sha256, sender, recipient }).collect::<Vec<_>>();
    if let Err(error) = tools.store.activity.repeats_answered(&sendings).await {
        tools.storage_failed("forgetting a repeat that was answered", &error);
    }
}

fn shown(arrival: &Arrival, (recipient, decision): &(Mailbox, Decision)) -> (String, String) {
    (shown_sender(arrival.from(), decision.privacy), recipient.to_string())
}
