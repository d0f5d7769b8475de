//! What the original sender of returned mail is told: one DSN of our own, as if its mail had been refused in the session.

use super::Failed;
use crate::delivery::{Telling, ToReturn};
use crate::inbound::Tools;
use crate::mail::report::FailedRecipient;
use crate::mail::{Mailbox, ReversePath};
use crate::policy::settings::TlsPolicy;
use crate::policy::verdict::{Outcome, Sender, Stage, fault};
use crate::smtp::reply::Reply;
use crate::store::Result;
use crate::store::activity::Row;
use crate::store::octets::Octets;
use crate::store::queue::{Entry, NewDelivery, NewMessage, Purpose};

/// What was told, and of which aliases.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) aliases: Vec<String>,
    pub(super) telling: Telling,
}

/// Tells the sender of the rows that bounce now. `None` where no alias is lost: another destination has the message.
pub(super) async fn tell(tools: &Tools, sender: &Mailbox, failed: &[Failed<'_>]) -> Result<Option<Told>> {
    let Some((first, _)) = failed.first() else { return Ok(None) };
    let all = tools.store.activity.transaction(first.transaction).await?;
    let mut lost: Vec<&Failed<'_>> = Vec::new();
    for one in failed {
        let is_new = lost.iter().all(|(known, _)| known.recipient != one.0.recipient);
        if is_new && !is_with_another(&all, &one.0.recipient, failed) {
            lost.push(one);
        }
    }
    if lost.is_empty() {
        return Ok(None);
    }
    let refused = lost.iter().filter_map(|one| as_refused(sender, one)).collect::<Vec<_>>();
    let refused = refused.iter().map(|(delivery, outcome)| (delivery, outcome)).collect::<Vec<_>>();
    let message = message_of(sender, first);
    let telling = tools.courier.telling((&message, ToReturn::Fields), &refused, tools.clock.now()).await;
    Ok(Some(Told { aliases: lost.iter().map(|(row, _)| row.recipient.clone()).collect(), telling }))
}

/// Whether another destination of the alias has the message, or may still get it.
fn is_with_another(all: &[Row], alias: &str, failed: &[Failed<'_>]) -> bool {
    let fails = |row: &Row| failed.iter().any(|(failed, _)| failed.id == row.id);
    all.iter().any(|row| row.recipient == alias && !fails(row) && (row.has_arrived() || row.may_arrive()))
}

/// The message as far as the log still knows it: what a report to its sender gives back of it is in our own words.
fn message_of(sender: &Mailbox, row: &Row) -> NewMessage {
    let field = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{name}: {value}\r\n")).unwrap_or_default()
    };
    let header = [field("Subject", &row.subject), field("Message-ID", &row.message_id), "\r\n".to_owned()].concat();
    NewMessage {
        id: row.transaction,
        sha256: row.sha256_received.unwrap_or_default(),
        received_at: row.received_at,
        reverse_path: ReversePath::Mailbox(sender.clone()),
        header_octets: header.len() as u64,
        eight_bit: !header.is_ascii(),
        international: false,
        octets: Octets::Memory(header.into_bytes().into()),
    }
}

/// The delivery as it was, refused as it would have been in the session.
fn as_refused(sender: &Mailbox, (row, said): &Failed<'_>) -> Option<(NewDelivery, Outcome)> {
    let recipient = Mailbox::parse(&row.recipient).ok()?;
    let delivery = NewDelivery {
        id: row.id,
        purpose: Purpose::Forward,
        account: row.account,
        domain: row.domain,
        alias: row.alias,
        recipient,
        destination: sender.clone(),
        reverse_path: ReversePath::Null,
        prefix: bytes::Bytes::new(),
        tls: TlsPolicy::Opportunistic,
        reportable: row.auth.reportable,
        tries: 0,
        entry: Entry::Held,
        wishes: row.wishes.clone(),
        about: None,
    };
    Some((delivery, refusal(said)))
}

/// What a report says, as if it had been said in the session.
pub(super) fn refusal(said: &FailedRecipient) -> Outcome {
    let (_, subject, detail) = said.status.unwrap_or((5, 0, 0));
    let reply = Reply::new(550, subject, detail, said.words.clone());
    let fault = fault(Stage::Dot, &reply, Sender::Ours);
    Outcome::Refused { stage: Stage::Dot, reply, fault }
}
