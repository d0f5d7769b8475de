//! The records of a domain as the API shows them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::mail::Moment;
use crate::policy::records::{Record, Standing, lines_to_remove, zone_line};

/// `GET /v1/domains/{name}/dns`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Records)]
pub struct RecordsShape {
    /// The domain.
    pub domain: String,
    /// The whole: `ok`, `drift`, `unknown`.
    pub dns: Standing,
    /// When it was looked up.
    pub checked_at: Moment,
    /// The domain's records.
    pub records: Vec<RecordShape>,
    /// The gateway's own, on which every domain stands.
    pub host: Vec<RecordShape>,
}

/// A record, judged, with the line that publishes what is wanted.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RecordWithLine)]
pub struct RecordShape {
    /// The judgement.
    #[serde(flatten)]
    pub record: Record,
    /// To copy into a zone file: what is wanted, or is there and right; none where nothing is asked for.
    pub zone: Option<String>,
    /// The lines of the zone file that have to go for mail to come here.
    pub remove: Vec<String>,
}

impl From<Record> for RecordShape {
    fn from(record: Record) -> Self {
        Self { zone: zone_line(&record), remove: lines_to_remove(&record), record }
    }
}
