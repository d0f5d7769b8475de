//! `GET /v1/activity/export`: the log as a file, in lines of JSON or as a table, read and sent page by page.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::admin::shapes::{ActivityShape, ListShape};
use crate::admin::{ActivityFilter, Actor, AdminError, MAX_LIMIT, Paging};
use crate::http::Site;
use crate::http::problem::Problem;
use crate::policy::status::OwnMail;

use super::activity::filter;
use super::exports::{CSV, Export, Pages, cell};
use super::{Ask, Caller};

const NDJSON: &str = "application/x-ndjson";
/// The columns of the table.
const COLUMNS: &str = "id,transaction_id,received_at,status,sender,recipient,destination,domain,subject,message_id,size,\
    reason,client_ip,client_name,spf,dkim,dmarc,bounced_at,count,own,author\r\n";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Lines,
    Table,
}

/// Exports the log, newest first: a million rows at most, as lines of JSON or as CSV.
///
/// `format` is `ndjson` or `csv`; where it is left out, the header field Accept decides. The filters are those of the list.
#[utoipa::path(
    get,
    path = "/activity/export",
    params(ActivityFilter, ("format" = Option<String>, Query, description = "`ndjson` or `csv`")),
    responses((status = 200, content((String = "application/x-ndjson"), (String = "text/csv"))))
)]
pub(in crate::http) async fn export(
    State(site): State<Site>,
    Caller(actor): Caller,
    ask: Ask,
    fields: HeaderMap,
) -> Result<Response, Problem> {
    let format = format(&ask, &fields)?;
    let log = Log { filter: filter(&ask)?, format };
    let (kind, name, head) = match format {
        Format::Lines => (NDJSON, "activity.ndjson", ""),
        Format::Table => (CSV, "activity.csv", COLUMNS),
    };
    Ok(Export::begun(site, actor, (head.to_owned(), log)).await?.saved(kind, name))
}

fn format(ask: &Ask, fields: &HeaderMap) -> Result<Format, Problem> {
    match ask.get("format") {
        Some("ndjson") => Ok(Format::Lines),
        Some("csv") => Ok(Format::Table),
        Some(_) => Err(AdminError::field("format", "write ndjson or csv").into()),
        None => {
            let accepted = fields.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            Ok(if accepted.contains("text/csv") { Format::Table } else { Format::Lines })
        }
    }
}

/// The rows that are asked for.
struct Log {
    filter: ActivityFilter,
    format: Format,
}

impl Pages for Log {
    async fn page(
        &mut self,
        site: &Site,
        actor: &Actor,
        cursor: Option<String>,
    ) -> Result<ListShape<String>, AdminError> {
        self.filter.paging = Paging { limit: Some(MAX_LIMIT), cursor };
        let page = site.admin.activity(actor, &self.filter).await?;
        let items = page.items.iter().map(|row| line(self.format, row)).collect();
        Ok(ListShape { items, next_cursor: page.next_cursor })
    }
}

fn line(format: Format, row: &ActivityShape) -> String {
    match format {
        Format::Lines => serde_json::to_string(row).map(|text| text + "\n").unwrap_or_default(),
        Format::Table => table_line(row),
    }
}

fn table_line(row: &ActivityShape) -> String {
    let word = |text: &Option<String>| cell(text.as_deref().unwrap_or_default());
    let cells = [
        row.id.to_string(),
        row.transaction_id.to_string(),
        row.received_at.rfc3339(),
        row.status.to_owned(),
        cell(&row.sender),
        cell(&row.recipient),
        word(&row.destination),
        word(&row.domain),
        word(&row.subject),
        word(&row.message_id),
        row.size.to_string(),
        cell(&row.reason),
        row.client.ip.to_string(),
        word(&row.client.name),
        word(&row.auth.spf),
        cell(&row.auth.dkim.join("; ")),
        word(&row.auth.dmarc),
        row.bounced_at.map(crate::mail::Moment::rfc3339).unwrap_or_default(),
        row.count.to_string(),
        row.own.map_or("", OwnMail::as_str).to_owned(),
        cell(&row.author.as_ref().map(ToString::to_string).unwrap_or_default()),
    ];
    cells.join(",") + "\r\n"
}
