//! `waypost alias import`: the file goes to the API as it is read, and progress comes back line by line until the last one
//! says how it ended.

use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use axum::body::Body;
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::api::{Answer, Api, Call, problem_line};
use super::output::{Output, cell, harmless};

/// Octets that are read at a time.
const READ_OCTETS: usize = 256 << 10;
/// Octets of one line of an answer.
const MAX_LINE_OCTETS: usize = 64 << 20;
/// Bad lines that are named on the terminal.
const MAX_FAULTS_SHOWN: usize = 50;
/// Newline-delimited JSON.
const NDJSON: &str = "application/x-ndjson";

#[derive(Debug, Args)]
pub(super) struct Import {
    /// Lines of alias<TAB>destination; - for standard input
    file: PathBuf,
    /// Check every line and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(import: &Import, api: &Api, out: Output) -> anyhow::Result<()> {
    let path = if import.dry_run { "/v1/aliases/import?dry_run=true" } else { "/v1/aliases/import" };
    let call = Call { method: &Method::POST, path, accept: NDJSON, content: "text/tab-separated-values" };
    let response = api.send(call, body_of(import).await?).await?;
    let answer = follow(response.into_body()).await?;
    let faults = answer.value["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !faults.is_empty() || answer.value["status"].as_u64().is_some_and(|status| status >= 400) {
        name_faults(faults);
        bail!(
            "{}; nothing was changed",
            problem_line(&without_errors(&answer.value), StatusCode::BAD_REQUEST).trim_end_matches('.')
        );
    }
    out.object(&answer, |result| summary(result, import.dry_run))
}

async fn body_of(import: &Import) -> anyhow::Result<Body> {
    if import.file.as_os_str() == "-" {
        let input = std::io::stdin().as_fd().try_clone_to_owned().context("standard input cannot be read")?;
        return Ok(stream(File::from_std(input.into())));
    }
    let file = File::open(&import.file).await;
    Ok(stream(file.with_context(|| format!("{} cannot be read", import.file.display()))?))
}

fn stream(reader: impl AsyncRead + Unpin + Send + 'static) -> Body {
    Body::from_stream(futures_util::stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = bytes::BytesMut::with_capacity(READ_OCTETS);
        let read = reader.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (chunk.freeze(), reader)))
    }))
}

/// Shows progress lines as they come, and returns the last line, which is the result.
async fn follow(mut body: Body) -> anyhow::Result<Answer> {
    let bar = bar();
    let (mut pending, mut last) = (Vec::new(), Answer::default());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
        pending.extend_from_slice(frame.data_ref().map(bytes::Bytes::as_ref).unwrap_or_default());
        while let Some(end) = pending.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            last = take_line(&bar, &line, last)?;
        }
        if pending.len() > MAX_LINE_OCTETS {
            bail!("the answer has a line without end");
        }
    }
    last = take_line(&bar, &pending, last)?;
    bar.finish_and_clear();
    if last.value.is_null() {
        bail!("the answer broke off; nothing is known of the import")
    }
    Ok(last)
}

fn take_line(bar: &ProgressBar, line: &[u8], last: Answer) -> anyhow::Result<Answer> {
    let text = String::from_utf8_lossy(line).trim().to_owned();
    if text.is_empty() {
        return Ok(last);
    }
    let value: Value = serde_json::from_str(&text).context("the answer is not JSON")?;
    match (value["done"].as_u64(), value["total"].as_u64()) {
        (Some(done), Some(total)) => {
            bar.set_length(total);
            bar.set_position(done);
            Ok(last)
        }
        _ => Ok(Answer { text, value }),
    }
}

/// A bar on stderr where that is a terminal, else nothing.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} lines, {elapsed}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn name_faults(faults: &[Value]) {
    for fault in faults.iter().take(MAX_FAULTS_SHOWN) {
        let place = fault["line"].as_u64().map_or_else(|| cell(fault, "/field"), |line| format!("line {line}"));
        eprintln!("{place}: {}", harmless(fault["detail"].as_str().unwrap_or_default()));
    }
    if faults.len() > MAX_FAULTS_SHOWN {
        eprintln!("… and {} more", faults.len() - MAX_FAULTS_SHOWN);
    }
}

fn without_errors(problem: &Value) -> Value {
    let mut problem = problem.clone();
    problem["errors"] = Value::Null;
    problem
}

fn summary(result: &Value, dry_run: bool) -> String {
    let count =
        ["imported", "created", "lines", "total"].into_iter().find_map(|name| result[name].as_u64()).unwrap_or(0);
    match dry_run {
        true => format!("{count} aliases could be imported; nothing was changed."),
        false => format!("{count} aliases were imported."),
    }
}
