//! How inboxes fare: when mail last reached them, and since when none does.

use std::collections::HashMap;

use super::Activity;
use crate::mail::Moment;
use crate::store::Result;
use crate::store::columns::{Columns, json};

pub(in crate::store) const STATES: &str = "select address, last_delivered_at, failing_since from destination_state \
    where address in (select value from json_each(?1))";

/// How an inbox fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct InboxState {
    pub(in crate::store) last_delivered_at: Option<Moment>,
    pub(in crate::store) failing_since: Option<Moment>,
}

impl Activity {
    /// What is known of these addresses.
    pub(in crate::store) async fn inbox_states(&self, addresses: &[&str]) -> Result<HashMap<String, InboxState>> {
        self.settle_counts().await?;
        let found = sqlx::query(STATES).bind(json(&addresses)).fetch_all(&self.readers).await?;
        let read = found.iter().map(|row| {
            let mut columns = Columns::of(row);
            let address = columns.take()?;
            let (last_delivered_at, failing_since) = (columns.maybe_moment()?, columns.maybe_moment()?);
            Ok((address, InboxState { last_delivered_at, failing_since }))
        });
        read.collect()
    }
}
