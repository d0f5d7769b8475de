//! Log rows of a message that was taken while the log could not be written: they are written as soon as that is possible
//! again, so that every reported outcome has its row. Few can wait at a time: MAIL is refused until storage is well.

use std::time::Duration;

use super::Tools;
use crate::store::StoreError;
use crate::store::activity::{Owed, Row, Rows};

/// Between two tries.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Tries until the rows are given up: about a day.
const MAX_TRIES: u32 = 86_400;

/// Rows that could not be written, and why.
#[derive(Debug)]
pub(super) struct Overdue {
    pub(super) error: StoreError,
    rows: Rows,
    _owed: Owed,
}

/// Writes rows into the log; gives back what could not be written.
pub(super) async fn record(tools: &Tools, rows: Vec<Row>) -> Result<(), Overdue> {
    let rows = Rows::new(rows);
    let log = &tools.store.activity;
    log.record_rows(&rows).await.map_err(|error| Overdue { error, rows, _owed: log.owe() })
}

impl Overdue {
    /// Tries again until the rows are written. A stop waits for it as for a session.
    pub(super) fn write_later(self, tools: &Tools) {
        let store = tools.store.clone();
        tools.sessions.spawn(async move {
            for _ in 0..MAX_TRIES {
                tokio::time::sleep(AGAIN_AFTER).await;
                match store.activity.record_rows(&self.rows).await {
                    Err(StoreError::Unwell(_)) => {}
                    // Anything but unwell means that they are there already.
                    Ok(()) | Err(_) => return tracing::info!("the log has caught up with a message that was taken"),
                }
            }
            tracing::error!(
                "the rows of a message that was taken are given up: the log could not be written for a day"
            );
        });
    }
}
