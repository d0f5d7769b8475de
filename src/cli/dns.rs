//! `waypost dns`: the records that a domain wants, what DNS says of each, and the text to publish.

use clap::Args;
use serde_json::{Value, json};

use super::api::{Api, escaped};
use super::output::{Column, Output, cell, texts};

const COLUMNS: [Column; 6] = [
    ("RECORD", "/id"),
    ("VERDICT", "/verdict"),
    ("NAME", "/name"),
    ("TYPE", "/type"),
    ("PUBLISH", "/wanted"),
    ("FOUND", "/found"),
];

#[derive(Debug, Args)]
pub(super) struct Dns {
    /// The domain name
    domain: String,
    /// Print lines for a zone file instead
    #[arg(long)]
    zone: bool,
}

pub(super) async fn run(command: &Dns, api: &Api, out: Output) -> anyhow::Result<()> {
    let answer = api.get(&format!("/v1/domains/{}/dns", escaped(&command.domain))).await?;
    if command.zone {
        let remarks = remarks(&answer.value).into_iter().map(|remark| format!("; {remark}"));
        return out.line(&zone(&answer.value).into_iter().chain(remarks).collect::<Vec<_>>().join("\n"));
    }
    if out.is_json() {
        return out.line(&answer.text);
    }
    out.rows(&all(&answer.value).cloned().collect::<Vec<_>>(), &COLUMNS)?;
    out.line(&remarks(&answer.value).join("\n"))
}

fn all(answer: &Value) -> impl Iterator<Item = &Value> {
    ["records", "host"].into_iter().filter_map(|part| answer[part].as_array()).flatten()
}

/// What is to be said of each record, and in the end what is left to do.
fn remarks(answer: &Value) -> Vec<String> {
    all(answer).filter(|record| needs_words(record)).map(remark).chain(std::iter::once(left(answer))).collect()
}

/// What is needed and missing, and what is wrong. Whether something is does not change how the command ends.
fn left(answer: &Value) -> String {
    let those = |is_meant: fn(&Value) -> bool| {
        let named = all(answer).filter(|record| is_meant(record));
        named
            .map(|record| format!("{} of {}", cell(record, "/type"), cell(record, "/name")))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let missing = those(|record| record["verdict"] == "missing" && record["weight"] == "needed");
    let wrong = those(|record| record["verdict"] == "differs");
    let unknown = those(|record| record["verdict"] == "unknown" && record["weight"] == "needed");
    let told = [("Missing", missing), ("Wrong", wrong), ("Not known", unknown)].into_iter();
    let told: Vec<String> =
        told.filter(|(_, records)| !records.is_empty()).map(|(what, records)| format!("{what}: {records}.")).collect();
    if told.is_empty() { "All that is needed is published.".to_owned() } else { told.join(" ") }
}

fn needs_words(record: &Value) -> bool {
    !matches!(record["verdict"].as_str(), Some("ok" | "absent"))
}

fn remark(record: &Value) -> String {
    format!("{} {}: {}", cell(record, "/type"), cell(record, "/name"), cell(record, "/detail"))
}

/// The lines of what is wanted; comments say which are there already, and which have to go.
fn zone(answer: &Value) -> Vec<String> {
    let line = |record: &Value| {
        let line = record["zone"].as_str()?;
        let is_there =
            matches!(record["verdict"].as_str(), Some("ok" | "extra")) || record["cause"] == json!("mx_shared");
        Some(if is_there { format!("; there already: {line}") } else { line.to_owned() })
    };
    let goes = |record: &Value| texts(&record["remove"]).map(|line| format!("; remove: {line}")).collect::<Vec<_>>();
    let lines = |record: &Value| line(record).into_iter().chain(goes(record)).collect::<Vec<_>>();
    answer["records"].as_array().into_iter().flatten().flat_map(lines).collect()
}
