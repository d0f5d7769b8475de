//! Feeds the search index behind the log: terms to be found exactly or by prefix, words of subjects and replies.
//!
//! How far it is stands in the database with what it wrote, so a crash repeats nothing and leaves nothing out. Rows that
//! change after they were indexed are queued by the change itself and indexed again.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;

use super::{Activity, Row, row};
use crate::store::Result;
use crate::store::columns::json;

/// Rows that one step takes.
const STEP_ROWS: i64 = 500;
/// Steps of one call at most: the rest is for the next.
const MAX_STEPS: u32 = 200;

pub(in crate::store) const NEXT: &str = concat!(
    "select ",
    row::columns!(),
    " from activity where seq > (select seq from feeder where id = 1) order by seq limit ?1"
);
pub(in crate::store) const CHANGED: &str = concat!(
    "select ",
    row::columns!(),
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
        let rows = rows.iter().map(row::read).collect::<Result<Vec<_>>>()?;
        if let Some((last, _)) = rows.last() {
            let terms: Vec<_> = rows.iter().flat_map(|(seq, row)| terms(row).into_iter().map(|t| (t, *seq))).collect();
            let words: Vec<_> = rows.iter().map(|(seq, row)| (*seq, row.subject.as_deref(), replies(row))).collect();
            // Changed rows lie behind the feeder, so their last one moves it nowhere.
            let step = Step { terms: json(&terms), words: json(&words), last: *last };
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

/// What a row is found by, folded: addresses, their domains, ids.
pub(super) fn terms(row: &Row) -> BTreeSet<String> {
    let mut terms = BTreeSet::from([row.id.to_string(), row.transaction.to_string()]);
    let addresses = [Some(row.sender.as_str()), Some(row.recipient.as_str()), row.destination.as_deref()];
    for address in addresses.into_iter().flatten() {
        terms.insert(address.to_lowercase());
        terms.extend(address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()));
    }
    terms.extend(row.message_id.as_deref().map(message_term));
    terms.insert(row.client.ip.to_string());
    terms.remove("");
    terms
}

/// All that was said about it.
fn replies(row: &Row) -> String {
    let said = row.attempts.iter().map(|attempt| attempt.reply.as_str());
    std::iter::once(row.reason.as_str()).chain(said).collect::<Vec<_>>().join("\n")
}
