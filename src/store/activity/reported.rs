//! What became of a report of ours to a sender, on the rows that it is about: it has none of its own.

use sqlx::SqliteConnection;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::{Activity, DsnNote};
use crate::mail::Moment;
use crate::store::Result;
use crate::store::columns::json;

/// Of rows whose report went by another id, or did not go, this one says nothing.
pub(in crate::store) const REPORTED: &str = "update activity set dsn = ?3 where transaction_id = \
    (select transaction_id from activity where id = ?1) and dsn ->> '$.why' = ?2";

const SENT_AS: &str = "sent as ";
const IN_QUEUE: &str = "in the queue";
const TAKEN: &str = ", and taken by their server";

impl DsnNote {
    /// A report that was put into the queue, by its id there.
    #[must_use]
    pub fn sent(id: Uuid) -> Self {
        Self { dsn: "sent".to_owned(), why: format!("{SENT_AS}{id}") }
    }

    /// A report that the sender's server took.
    #[must_use]
    pub fn taken(id: Uuid) -> Self {
        Self { dsn: "sent".to_owned(), why: format!("{SENT_AS}{id}{TAKEN}") }
    }

    /// No report, or none that arrived.
    #[must_use]
    pub fn suppressed(why: String) -> Self {
        Self { dsn: "suppressed".to_owned(), why }
    }

    /// The report that was sent, and may be in the queue still.
    #[must_use]
    pub fn in_queue(&self) -> Option<Uuid> {
        Uuid::try_parse(self.why.strip_prefix(SENT_AS).filter(|_| self.dsn == "sent")?).ok()
    }

    /// When the report was written, where it was: its id says so.
    #[must_use]
    pub fn written_at(&self) -> Option<Moment> {
        let id = self.why.strip_prefix(SENT_AS).filter(|_| self.dsn == "sent")?.get(..Hyphenated::LENGTH)?;
        let (seconds, nanos) = Uuid::try_parse(id).ok()?.get_timestamp()?.to_unix();
        Some(Moment::from_millis(i64::try_from(seconds).ok()?.checked_mul(1000)? + i64::from(nanos / 1_000_000)))
    }

    /// A report that is in the queue still, and how it fares there.
    #[must_use]
    pub fn waiting(words: &str) -> Self {
        Self { dsn: "sent".to_owned(), why: format!("{IN_QUEUE}, {words}") }
    }

    /// Whether the report is known to be in the queue still.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.dsn == "sent" && self.why.starts_with(IN_QUEUE)
    }

    /// Whether the sender's server has the report.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.dsn == "sent" && self.why.ends_with(TAKEN)
    }
}

impl Activity {
    /// The end of a report: on the rows of its transaction that were said to be told by it.
    pub async fn reported(&self, (about, report): (Uuid, Uuid), note: &DsnNote) -> Result<()> {
        let needs = (about, DsnNote::sent(report).why, json(note));
        self.writer.change(needs, |c, needs| Box::pin(reported(c, needs))).await
    }
}

async fn reported(connection: &mut SqliteConnection, (about, sent, note): &(Uuid, String, String)) -> Result<()> {
    let ask = sqlx::query(REPORTED).bind(about.as_bytes().as_slice()).bind(sent.as_str()).bind(note.as_str());
    ask.execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_known_by_its_id_until_its_end() {
        let id = Uuid::from_u128(7);
        assert_eq!(DsnNote::sent(id).in_queue(), Some(id));
        assert!(!DsnNote::sent(id).is_taken() && DsnNote::taken(id).is_taken());
        assert_eq!(DsnNote::taken(id).in_queue(), None);
        assert_eq!(DsnNote::suppressed("no".to_owned()).in_queue(), None);
    }
}
