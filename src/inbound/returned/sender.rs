//! What the original sender of returned mail is told: one DSN of our own, as if its mail had been refused in the session.

use super::Failed;
use crate::delivery::{Telling, ToReturn, WITH_ANOTHER, why_with_another};
use crate::inbound::Tools;
use crate::mail::report::FailedRecipient;
use crate::mail::{Mailbox, ReversePath};
use crate::policy::settings::TlsPolicy;
use crate::policy::verdict::{Outcome, Sender, Stage, fault};
use crate::smtp::reply::Reply;
use crate::store::Result;
use crate::store::activity::{DsnNote, Row};
use crate::store::octets::Octets;
use crate::store::queue::{Entry, NewDelivery, NewMessage, Purpose};

/// What was told of the aliases that are lost, and why nothing was of the others.
#[derive(Debug)]
pub(super) struct Told {
    others: Vec<(String, &'static str)>,
    pub(super) telling: Option<Telling>,
}

impl Told {
    /// What its sender hears of one of the rows.
    pub(super) fn note(&self, row: &Row) -> DsnNote {
        let other = self.others.iter().find(|(alias, _)| *alias == row.recipient);
        match (other, &self.telling) {
            (None, Some(telling)) => telling.note.clone(),
            (other, _) => DsnNote::suppressed(other.map_or(WITH_ANOTHER, |(_, why)| why).to_owned()),
        }
    }
}

/// Tells the sender of the rows that bounce now, as far as no other destination of their alias has the message, or may still
/// get it.
pub(super) async fn tell(tools: &Tools, sender: &Mailbox, failed: &[Failed<'_>]) -> Result<Told> {
    let mut told = Told { others: Vec::new(), telling: None };
    let Some((first, _)) = failed.first() else { return Ok(told) };
    let all = tools.store.activity.transaction(first.transaction).await?;
    let mut lost: Vec<&Failed<'_>> = Vec::new();
    for one in failed {
        let alias = &one.0.recipient;
        if lost.iter().any(|(known, _)| known.recipient == *alias)
            || told.others.iter().any(|(known, _)| known == alias)
        {
            continue;
        }
        match with_another(&all, alias, failed) {
            Some(why) => told.others.push((alias.clone(), why)),
            None => lost.push(one),
        }
    }
    if lost.is_empty() {
        return Ok(told);
    }
    let refused = lost.iter().filter_map(|one| as_refused(sender, one)).collect::<Vec<_>>();
    let refused = refused.iter().map(|(delivery, outcome)| (delivery, outcome)).collect::<Vec<_>>();
    let message = message_of(sender, first);
    told.telling = Some(tools.courier.telling((&message, ToReturn::Fields), &refused, tools.clock.now()).await);
    Ok(told)
}

/// Why there is nothing to tell, where another destination of the alias has the message, or may still get it.
fn with_another(all: &[Row], alias: &str, failed: &[Failed<'_>]) -> Option<&'static str> {
    let fails = |row: &Row| failed.iter().any(|(failed, _)| failed.id == row.id);
    why_with_another(all.iter().filter(|row| row.recipient == alias && !fails(row)))
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
