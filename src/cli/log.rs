//! `waypost log`: what became of the mail, newest first; with `--follow` as it happens.

use anyhow::bail;
use axum::body::Body;
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::Method;
use serde_json::Value;

use crate::mail::Mailbox;

use super::api::{Api, Call, with_query};
use super::listing::{self, Paging};
use super::output::{Column, Output, cell};
use super::since;

/// Who wrote it; where nobody is known to have, the sender of the envelope.
const FROM: &str = "/author|/sender";
const COLUMNS: [Column; 7] = [
    ("RECEIVED", "/received_at"),
    ("STATUS", "/status"),
    ("FROM", FROM),
    ("TO", "/recipient"),
    ("DESTINATION", "/destination"),
    ("REASON", "/reason"),
    ("ID", "/id"),
];
/// Octets of one event.
const MAX_EVENT_OCTETS: usize = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct Log {
    /// Go on with what happens from now
    #[arg(long, short)]
    follow: bool,
    /// Only mail to this alias
    #[arg(long, value_name = "ALIAS")]
    alias: Option<String>,
    /// Only with this status: forwarded, queued, deferred, held, refused, dropped, failed, bounced, …
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only since: 2026-11-22, 2026-11-22T12:00:00Z, or a span such as 2h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what has this: an address, a domain or an id, or its beginning; else words of author, subject and reply
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) async fn run(log: Log, api: &Api, out: Output) -> anyhow::Result<()> {
    if log.follow && !api.is_live() {
        bail!("no gateway is running, so nothing happens that could be followed; leave --follow away");
    }
    let filters = [
        ("alias", log.alias.clone()),
        ("status", log.status.clone()),
        ("since", log.since.as_deref().map(since::read).transpose()?),
        ("search", log.search.clone()),
    ];
    if log.follow {
        return follow(api, &filters, &log, out).await;
    }
    let mut found = listing::fetch(api, "/v1/activity", &filters, Paging { limit: log.limit }).await?;
    for row in found.value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        let told = status(row);
        row.get_mut("status").into_iter().for_each(|place| *place = told.clone().into());
    }
    out.list(&found, &COLUMNS)?;
    if found.items().is_empty() {
        let of_search = log.search.as_deref().and_then(by_domain_alone);
        let of_alias = log.alias.as_deref().and_then(by_another);
        of_search.iter().chain(&of_alias).for_each(|hint| out.aside(hint));
    }
    Ok(())
}

/// Where an alias took nothing: a catch-all or a pattern may have, before there was the alias.
fn by_another(alias: &str) -> Option<String> {
    let address = Mailbox::parse(alias.trim()).ok()?;
    Some(format!("Mail to {address} that another alias took, such as a catch-all: waypost log --search {address}"))
}

/// Where a search for an address found nothing: mail refused before a recipient keeps less.
fn by_domain_alone(search: &str) -> Option<String> {
    let domain = Mailbox::parse(search.trim()).ok()?.domain()?.to_string();
    let words = "Of mail that was refused before it named a recipient, as too large for example, only its sender's domain is kept";
    Some(format!("{words}: waypost log --search {domain}"))
}

/// What became of it; where the row stands for many, of how many.
fn status(row: &Value) -> String {
    let status = cell(row, "/status");
    match row["count"].as_u64() {
        Some(count) if count > 1 => format!("{status} ×{count}"),
        _ => status,
    }
}

async fn follow(api: &Api, filters: &[(&str, Option<String>)], log: &Log, out: Output) -> anyhow::Result<()> {
    let path = with_query("/v1/activity/stream", filters);
    let call = Call { method: &Method::GET, path: &path, accept: "text/event-stream", content: super::api::JSON };
    let mut events = Events { body: api.send(call, Body::empty()).await?.into_body(), pending: Vec::new() };
    while let Some(data) = events.next().await? {
        let Ok(row) = serde_json::from_str::<Value>(&data) else { continue };
        if let Some(missed) = row.as_u64() {
            eprintln!("{missed} rows came too fast and were left out; `waypost log` has them.");
        }
        if row["id"].is_string() && is_wanted(&row, log) {
            out.line(if out.is_json() { data.clone() } else { line(&row) }.as_str())?;
        }
    }
    bail!("the gateway stopped")
}

/// The stream may know fewer filters than the list.
fn is_wanted(row: &Value, log: &Log) -> bool {
    let is_status = log.status.as_deref().is_none_or(|status| row["status"] == status);
    let is_alias = log.alias.as_deref().is_none_or(|alias| {
        let matches = |value: &Value| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(alias));
        matches(&row["recipient"]) || matches(&row["rule"]["pattern"]) || matches(&row["alias_id"])
    });
    is_status && is_alias
}

fn line(row: &Value) -> String {
    let sender = match cell(row, FROM).as_str() {
        "-" => "<>".to_owned(),
        sender => sender.to_owned(),
    };
    let onwards = row["destination"].as_str().map(|_| format!(" -> {}", cell(row, "/destination"))).unwrap_or_default();
    let reason =
        row["reason"].as_str().filter(|reason| !reason.is_empty()).map(|_| format!("  {}", cell(row, "/reason")));
    format!(
        "{}  {:10}  {sender} -> {}{onwards}{}",
        cell(row, "/received_at"),
        status(row),
        cell(row, "/recipient"),
        reason.unwrap_or_default()
    )
}

/// Server-sent events: the data of each, comments and other fields left out.
struct Events {
    body: Body,
    pending: Vec<u8>,
}

impl Events {
    async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(data) = take_event(&mut self.pending) {
                if !data.is_empty() {
                    return Ok(Some(data));
                }
                continue;
            }
            if self.pending.len() > MAX_EVENT_OCTETS {
                bail!("the gateway sends an event without end");
            }
            // A gateway that stops cuts its streams: an error here is the same end.
            let Some(Ok(frame)) = self.body.frame().await else { return Ok(None) };
            self.pending.extend_from_slice(frame.data_ref().map(bytes::Bytes::as_ref).unwrap_or_default());
        }
    }
}

/// Takes one whole event from the front, where there is one; events end with an empty line.
fn take_event(pending: &mut Vec<u8>) -> Option<String> {
    let end = pending.windows(2).position(|pair| pair == b"\n\n")?;
    let event: Vec<u8> = pending.drain(..end + 2).collect();
    let text = String::from_utf8_lossy(&event);
    let data =
        text.lines().filter_map(|line| line.strip_prefix("data:")).map(|data| data.strip_prefix(' ').unwrap_or(data));
    Some(data.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text = b": hello\n\nevent: activity\ndata: {\"a\":1}\n\ndata:x\ndata: y\n\nda";
        let (mut pending, mut events) = (Vec::new(), Vec::new());
        for octet in text {
            pending.push(*octet);
            events.extend(take_event(&mut pending));
        }
        assert_eq!(events, ["", "{\"a\":1}", "x\ny"]);
        assert_eq!(pending, b"da");
    }

    #[test]
    fn a_line_tells_one_outcome() {
        let row = json!({"received_at": "2026-11-22T18:56:24.120Z", "status": "refused", "sender": "", "recipient": "x@a.example",
            "destination": null, "reason": "no such address"});
        assert_eq!(line(&row), "2026-11-22 18:56:24  refused     <> -> x@a.example  no such address");
        let many =
            Value::from_iter(row.as_object().unwrap().clone().into_iter().chain([("count".to_owned(), json!(69))]));
        assert_eq!(line(&many), "2026-11-22 18:56:24  refused ×69  <> -> x@a.example  no such address");
        let row = json!({"received_at": "2026-11-22T18:56:24.120Z", "status": "forwarded", "sender": "b@bounces.test",
            "author": "Müller <real@author.test>", "recipient": "x@a.example", "destination": "me@inbox.example", "reason": ""});
        let told = "2026-11-22 18:56:24  forwarded   Müller <real@author.test> -> x@a.example -> me@inbox.example";
        assert_eq!(line(&row), told);
    }
}
