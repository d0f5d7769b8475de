//! Feeds the search index behind the log: terms to be found exactly or by prefix, words of authors, subjects and
//! replies.
//!
//! How far it is stands in the database with what it wrote, so a crash repeats nothing and leaves nothing out. Rows that
//! change after they were indexed are queued by the change itself and indexed again.

use std::collections::BTreeSet;

use serde::Deserialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::Activity;
use crate::mail::Author;
use crate::store::Result;
use crate::store::columns::{Columns, json};

/// Rows that one step takes.
const STEP_ROWS: i64 = 500;
/// Steps of one call at most: the rest is for the next.
const MAX_STEPS: u32 = 200;

/// What a row is found by, in the order of [`Indexed::read`].
macro_rules! indexed {
    () => {
        "seq, id, transaction_id, sender, recipient, destination, message_id, facts ->> '$.client.ip', subject, reason, \
         attempts, author"
    };
}
pub(super) use indexed;

pub(in crate::store) const NEXT: &str = concat!(
    "select ",
    indexed!(),
    " from activity where seq > (select seq from feeder where id = 1) order by seq limit ?1"
);
pub(in crate::store) const CHANGED: &str = concat!(
    "select ",
    indexed!(),
    " from activity where seq in (select seq from feeder_again order by seq limit ?1) order by seq"
);
/// Terms, words, how far the feeder is, which changed rows are done.
pub(in crate::store) const FEED: &str = concat!(
    "insert or ignore into terms (term, seq) select value ->> 0, value ->> 1 from json_each(?); ",
    "insert or replace into words (rowid, subject, replies) select value ->> 0, value ->> 1, value ->> 2 \
     from json_each(?); ",
    "update feeder set seq = max(seq, ?) where id = 1; ",
    "delete from feeder_again where seq in (select value ->> 0 from json_each(?))"
);
/// Rows whose words changed after the feeder had them.
pub(in crate::store) const AGAIN: &str = "insert or ignore into feeder_again (seq) select value from json_each(?1) \
    where value <= (select seq from feeder where id = 1)";

/// One step's rows, as the statement takes them.
#[derive(Debug)]
struct Step {
    terms: String,
    words: String,
    last: i64,
}

impl Activity {
    /// Feeds the search index, and writes the counts that wait; called by upkeep every few seconds. Returns how many rows it took.
    pub async fn index(&self) -> Result<u64> {
        self.settle_counts().await?;
        let mut taken = 0;
        for statement in [NEXT, CHANGED] {
            for _ in 0..MAX_STEPS {
                let rows = self.feed(statement).await?;
                taken += rows;
                if rows < STEP_ROWS.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(taken)
    }

    async fn feed(&self, statement: &'static str) -> Result<u64> {
        let rows = sqlx::query(statement).bind(STEP_ROWS).fetch_all(&self.readers).await?;
        let rows = rows.iter().map(Indexed::read).collect::<Result<Vec<_>>>()?;
        if let Some(last) = rows.last() {
            let terms: Vec<_> = rows.iter().flat_map(Indexed::terms).collect();
            let words: Vec<_> = rows.iter().map(Indexed::words).collect();
            // Changed rows lie behind the feeder, so their last one moves it nowhere.
            let step = Step { terms: json(&terms), words: json(&words), last: last.seq };
            self.writer.change(step, |c, step| Box::pin(write(c, step))).await?;
        }
        Ok(rows.len() as u64)
    }
}

async fn write(connection: &mut SqliteConnection, step: &Step) -> Result<()> {
    let feed = sqlx::query(FEED).bind(step.terms.as_str()).bind(step.words.as_str()).bind(step.last);
    feed.bind(step.words.as_str()).execute(connection).await?;
    Ok(())
}

/// The term of a Message-ID.
pub(super) fn message_term(id: &str) -> String {
    id.trim_matches(['<', '>']).to_lowercase()
}

/// What of a row is indexed.
#[derive(Debug)]
pub(super) struct Indexed {
    pub(super) seq: i64,
    ids: [Uuid; 2],
    addresses: [Option<String>; 3],
    message_id: Option<String>,
    ip: Option<String>,
    subject: Option<String>,
    reason: String,
    attempts: Vec<Said>,
    author: Option<Author>,
}

/// What an attempt was told.
#[derive(Debug, Deserialize)]
struct Said {
    reply: String,
}

impl Indexed {
    pub(super) fn read(row: &SqliteRow) -> Result<Self> {
        let mut columns = Columns::of(row);
        Ok(Self {
            seq: columns.take()?,
            ids: [columns.uuid()?, columns.uuid()?],
            addresses: [columns.take()?, columns.take()?, columns.take()?],
            message_id: columns.take()?,
            ip: columns.take()?,
            subject: columns.take()?,
            reason: columns.take()?,
            attempts: columns.json("the attempts of a row")?,
            author: columns.take::<Option<String>>()?.map(Author::from),
        })
    }

    /// What it is found by, folded: addresses, their domains, ids.
    pub(super) fn terms(&self) -> impl Iterator<Item = (String, i64)> + use<> {
        let mut terms: BTreeSet<String> = self.ids.iter().map(Uuid::to_string).collect();
        let author = self.author.as_ref().map(Author::address);
        for address in self.addresses.iter().flatten().map(String::as_str).chain(author) {
            terms.insert(address.to_lowercase());
            terms.extend(address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()));
        }
        terms.extend(self.message_id.as_deref().map(message_term));
        terms.extend(self.ip.clone());
        terms.remove("");
        let seq = self.seq;
        terms.into_iter().map(move |term| (term, seq))
    }

    /// Its author and subject, which share a column, and all that was said about it.
    fn words(&self) -> (i64, String, String) {
        let said = self.attempts.iter().map(|attempt| attempt.reply.as_str());
        let replies = std::iter::once(self.reason.as_str()).chain(said).collect::<Vec<_>>().join("\n");
        let author = self.author.as_ref().map(ToString::to_string);
        let written = self.subject.iter().chain(&author).map(String::as_str).collect::<Vec<_>>().join("\n");
        (self.seq, written, replies)
    }
}
