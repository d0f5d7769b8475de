//! Rows of the log that wait for mail which is not there any more: of a backup without its queue, or after a power cut that
//! took from the log what became of it.

use uuid::Uuid;

use super::activity::{Progress, Query};
use super::{Result, Store};
use crate::policy::status::Status;

/// Rows that are looked at together.
const BATCH: u32 = 500;

impl Store {
    /// Ends them for this reason, or they would wait for ever; says how many there were.
    pub async fn end_lost(&self, reason: &str) -> Result<usize> {
        let waiting = vec![Status::Queued, Status::Deferred, Status::Held];
        let mut query = Query { statuses: waiting, limit: BATCH, ..Query::default() };
        let mut ended = 0;
        loop {
            let page = self.activity.list(query.clone()).await?;
            let lost = self.lost(page.rows.iter().map(|row| row.id).collect()).await?;
            ended += lost.len();
            self.activity.progress(lost.into_iter().map(|id| cancelled(id, reason)).collect()).await?;
            match page.next_cursor {
                Some(next) => query.cursor = Some(next),
                None => return Ok(ended),
            }
        }
    }

    /// The log hears of an end before the queue lets go: what still waits there and is not in the queue is lost.
    async fn lost(&self, waiting: Vec<Uuid>) -> Result<Vec<Uuid>> {
        let there = self.queue.among(&waiting).await?;
        let mut lost = Vec::new();
        for id in waiting.into_iter().filter(|id| !there.contains(id)) {
            if matches!(self.activity.get(id).await?.status, Status::Queued | Status::Deferred | Status::Held) {
                lost.push(id);
            }
        }
        Ok(lost)
    }
}

fn cancelled(id: Uuid, reason: &str) -> Progress {
    Progress {
        id,
        status: Status::Cancelled,
        reason: reason.to_owned(),
        attempt: None,
        next_attempt_at: None,
        sha256_sent: None,
        dsn: None,
    }
}
