//! `waypost show`: the story of one message: what came, who decided what, what went on, and every attempt.

use clap::Args;
use serde_json::Value;

use crate::mail::{Moment, span_in_words, told_in_unicode};
use crate::policy::left_out;
use crate::policy::status::TraceStep;

use super::api::{Api, escaped};
use super::listing::sheet;
use super::output::{Output, cell, harmless};
use super::route::{envelopes, trace};

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The id of a row of the log, or of a transaction (the id in our Received field)
    id: String,
}

pub(super) async fn run(show: Show, api: &Api, out: Output) -> anyhow::Result<()> {
    out.object(&api.get(&format!("/v1/activity/{}", escaped(&show.id))).await?, whole)
}

fn whole(message: &Value) -> String {
    match message["items"].as_array().filter(|rows| !rows.is_empty()) {
        Some(rows) => rows.iter().map(story).collect::<Vec<_>>().join("\n\n"),
        None => story(message),
    }
}

fn story(row: &Value) -> String {
    let mut lines = vec![headline(row)];
    lines.extend(many(row));
    lines.push(facts(row));
    lines.extend(left_out(row));
    lines.extend(envelopes(&row["envelope"]));
    lines.extend(proof(row));
    lines.extend(trace(&row["trace"]));
    lines.extend(attempts(&row["attempts"]));
    lines.extend(next(row));
    lines.join("\n")
}

fn headline(row: &Value) -> String {
    let reason = cell(row, "/reason");
    let why = if reason == "-" { String::new() } else { format!(": {reason}") };
    format!("{}{why}", cell(row, "/status").to_uppercase())
}

/// That many of a kind are counted on one row.
fn many(row: &Value) -> Option<String> {
    let count = row["count"].as_u64().filter(|count| *count > 1)?;
    Some(format!("{count} of one hour from the same network are counted here; this is the first of them"))
}

fn facts(row: &Value) -> String {
    let labels = [
        ("id", "/id"),
        ("transaction", "/transaction_id"),
        ("received", "/received_at"),
        ("waypost's own", "/own"),
        ("from", "/author"),
        ("envelope sender", "/sender"),
        ("to", "/recipient"),
        ("destination", "/destination"),
        ("subject", "/subject"),
        ("message-id", "/message_id"),
        ("size", "/size"),
        ("client", "/client/ip"),
        ("client name", "/client/name"),
        ("helo", "/client/helo"),
        ("tls", "/client/tls/version"),
        ("spf", "/auth/spf"),
        ("spf of helo", "/auth/spf_helo"),
        ("dkim", "/auth/dkim"),
        ("dmarc", "/auth/dmarc"),
        ("arc", "/auth/arc"),
        ("rule", "/rule/pattern"),
    ];
    let present: Vec<_> = labels.into_iter().filter(|(_, pointer)| cell(row, pointer) != "-").collect();
    sheet(row, &present)
}

/// Whom the alias leads to beside this row's inbox, and who has no row.
fn left_out(row: &Value) -> Vec<String> {
    let trace: Vec<TraceStep> = serde_json::from_value(row["trace"].clone()).unwrap_or_default();
    let told = left_out::read(&trace).filter(|_| row["destination"].is_string());
    told.map(|left| harmless(&told_in_unicode(&format!("no copy  to {}: {}", left.who, left.why)))).collect()
}

/// Both hashes: of the octets as they came, and as they were handed over.
fn proof(row: &Value) -> Vec<String> {
    let (received, sent) = (row["sha256_received"].as_str(), row["sha256_sent"].as_str());
    let verdict = match (received, sent) {
        (Some(received), Some(sent)) if received == sent => "handed over octet for octet",
        (Some(_), Some(_)) => "a missing line end was added; everything else is as it came in",
        _ => "not handed over",
    };
    received.map(|_| format!("sha-256  {} ({verdict})", cell(row, "/sha256_received"))).into_iter().collect()
}

fn attempts(attempts: &Value) -> Vec<String> {
    let attempts = attempts.as_array().map(Vec::as_slice).unwrap_or_default();
    let head = if attempts.is_empty() { None } else { Some("attempts".to_owned()) };
    head.into_iter().chain(attempts.iter().map(attempt)).collect()
}

fn attempt(attempt: &Value) -> String {
    let host = match (cell(attempt, "/mx").as_str(), cell(attempt, "/ip").as_str()) {
        ("-", "-") => String::new(),
        ("-", ip) => format!("  [{ip}]"),
        (mx, "-") => format!("  {mx}"),
        (mx, ip) => format!("  {mx} [{ip}]"),
    };
    let tls = if attempt["tls"].is_object() { format!("  {}", cell(attempt, "/tls/version")) } else { String::new() };
    let note = if attempt["note"].is_string() { format!(" ({})", cell(attempt, "/note")) } else { String::new() };
    let (at, outcome, reply) = (cell(attempt, "/at"), cell(attempt, "/outcome"), cell(attempt, "/reply"));
    format!("  {at}  {outcome}{}{host}{tls}  {reply}{note}", took(attempt))
}

fn took(attempt: &Value) -> String {
    let moment = |key: &str| attempt[key].as_str().and_then(Moment::parse_rfc3339);
    let length = moment("at").zip(moment("ended_at")).map(|(at, end)| end.since(at));
    length.map(|length| format!(" in {}", span_in_words(length))).unwrap_or_default()
}

fn next(row: &Value) -> Vec<String> {
    // What became of a report in the queue says more than that it went there.
    let is_sent = row["dsn"]["dsn"] == "sent" && cell(row, "/dsn/why") != "-";
    let report: &[_] =
        if is_sent { &[("report", "/dsn/why")] } else { &[("report", "/dsn/dsn"), ("because", "/dsn/why")] };
    let said = [("next try", "/next_attempt_at"), ("bounced", "/bounced_at")];
    let there = said.iter().chain(report).filter(|(_, pointer)| cell(row, pointer) != "-");
    let there = there.map(|(label, pointer)| format!("{label}  {}", cell(row, pointer)));
    being_tried(row).into_iter().chain(there).collect()
}

/// What waits and has no next try is at it.
fn being_tried(row: &Value) -> Option<String> {
    let waits = matches!(row["status"].as_str(), Some("queued" | "deferred"));
    (waits && row["next_attempt_at"].is_null()).then(|| "next try  being tried".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_the_whole_story() {
        let row = json!({
            "id": "7", "status": "forwarded", "reason": "", "sender": "a@b.example", "recipient": "shop@my.example",
            "sha256_received": "ab", "sha256_sent": "ab", "client": {"ip": "192.0.2.1", "tls": null},
            "envelope": {"before": {"from": "a@b.example", "to": ["shop@my.example"]}, "after": null},
            "trace": [], "attempts": [{"at": "2026-11-22T18:56:24.120Z", "mx": "mx.example", "ip": "192.0.2.9",
                "ended_at": "2026-11-22T18:56:24.960Z", "tls": {"version": "TLSv1.3"}, "reply": "250 ok", "outcome": "delivered"}],
        });
        let text = whole(&row);
        assert!(text.starts_with("FORWARDED\nid               7\nenvelope sender  a@b.example\n"), "{text}");
        let told = facts(&json!({ "author": "Müller <real@author.test>", "sender": "a@b.example" }));
        assert_eq!(told, "from             Müller <real@author.test>\nenvelope sender  a@b.example");
        assert!(text.contains("sha-256  ab (handed over octet for octet)"), "{text}");
        assert!(
            text.ends_with(
                "attempts\n  2026-11-22 18:56:24  delivered in 0.8 s  mx.example [192.0.2.9]  TLSv1.3  250 ok"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_row_that_stands_for_many_says_so() {
        let told = |count: u64| whole(&json!({ "status": "refused", "count": count, "id": "7" }));
        assert_eq!(told(1), "REFUSED\nid  7");
        let many = "69 of one hour from the same network are counted here; this is the first of them";
        assert_eq!(told(69), format!("REFUSED\n{many}\nid  7"));
    }

    #[test]
    fn what_waits_without_a_next_try_is_being_tried() {
        let end = |row: Value| next(&row).join("\n");
        assert_eq!(end(json!({"status": "deferred", "next_attempt_at": null})), "next try  being tried");
        assert_eq!(end(json!({"status": "queued", "next_attempt_at": null})), "next try  being tried");
        let waits = json!({"status": "queued", "next_attempt_at": "2026-11-22T18:56:24.120Z"});
        assert_eq!(end(waits), "next try  2026-11-22 18:56:24");
        assert_eq!(end(json!({"status": "forwarded", "next_attempt_at": null})), "");
    }

    #[test]
    fn a_report_is_told_by_what_became_of_it_and_not_as_sent() {
        let end = |dsn: &str, why: &str| next(&json!({"status": "failed", "dsn": {"dsn": dsn, "why": why}})).join("\n");
        assert_eq!(end("sent", "in the queue, waiting, tried once"), "report  in the queue, waiting, tried once");
        assert_eq!(end("suppressed", "it was cancelled"), "report  suppressed\nbecause  it was cancelled");
    }

    #[test]
    fn a_missing_line_end_is_no_alarm() {
        let told = proof(&json!({"sha256_received": "ab", "sha256_sent": "cd"}));
        assert_eq!(told, ["sha-256  ab (a missing line end was added; everything else is as it came in)"]);
    }

    #[test]
    fn a_transaction_shows_each_of_its_rows() {
        let text = whole(&json!({"items": [{"status": "refused"}, {"status": "dropped"}]}));
        assert!(text.starts_with("REFUSED\n") && text.contains("\n\nDROPPED"), "{text}");
    }
}
