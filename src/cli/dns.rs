//! `waypost dns`: the records that a domain wants, what DNS says of each, and the text to publish.

use clap::Args;
use serde_json::{Value, json};

use super::api::{Api, escaped};
use super::output::{Column, Output, cell};

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
        return out.line(&zone(&answer.value));
    }
    if out.is_json() {
        return out.line(&answer.text);
    }
    let all: Vec<Value> = all(&answer.value).cloned().collect();
    out.rows(&all, &COLUMNS)?;
    let remarks = all.iter().filter(|record| needs_words(record)).map(remark);
    out.line(&remarks.collect::<Vec<_>>().join("\n"))
}

fn all(answer: &Value) -> impl Iterator<Item = &Value> {
    ["records", "host"].into_iter().filter_map(|part| answer[part].as_array()).flatten()
}

fn needs_words(record: &Value) -> bool {
    !matches!(record["verdict"].as_str(), Some("ok" | "absent"))
}

fn remark(record: &Value) -> String {
    format!("{} {}: {}", cell(record, "/type"), cell(record, "/name"), cell(record, "/detail"))
}

/// The lines of what is wanted; comments say which are there already.
fn zone(answer: &Value) -> String {
    let line = |record: &Value| {
        let line = record["zone"].as_str()?;
        let is_there = record["verdict"] == json!("ok") || record["verdict"] == json!("extra");
        Some(if is_there { format!("; there already: {line}") } else { line.to_owned() })
    };
    answer["records"].as_array().into_iter().flatten().filter_map(line).collect::<Vec<_>>().join("\n")
}
