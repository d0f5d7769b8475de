//! `waypost alias import`: the file goes to the API as it is read, and progress comes back line by line until the last one
//! says how it ended.

use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use axum::body::Body;
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::Method;
use indicatif::ProgressBar;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::alias;
use super::api::{Answer, Api, Call, problem_line};
use super::output::{Output, cell};
use super::progress;

/// Octets that are read at a time.
const READ_OCTETS: usize = 256 << 10;
/// Octets of one line of an answer.
const MAX_LINE_OCTETS: usize = 64 << 20;
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
    let lines = Arc::new(AtomicU64::new(0));
    let response = api.exchange(call, body_of(import, &lines).await?).await?;
    let answer = follow(response.into_body(), &lines).await?;
    if answer.value["imported"].is_u64() {
        return out.object(&answer, |result| summary(result, import.dry_run));
    }
    let faults = answer.value["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    name_faults(faults);
    let line =
        if faults.is_empty() { problem_line(&answer.value) } else { format!("{} is not sound", import.file.display()) };
    bail!("{}; nothing was imported", line.trim_end_matches('.'))
}

async fn body_of(import: &Import, lines: &Arc<AtomicU64>) -> anyhow::Result<Body> {
    if import.file.as_os_str() == "-" {
        let input = std::io::stdin().as_fd().try_clone_to_owned().context("standard input cannot be read")?;
        return Ok(stream(File::from_std(input.into()), Arc::clone(lines)));
    }
    let file = File::open(&import.file).await;
    let file = file.with_context(|| format!("{} cannot be read", import.file.display()))?;
    Ok(stream(file, Arc::clone(lines)))
}

/// The file as it is read; its lines are counted on the way, for progress.
fn stream(file: File, lines: Arc<AtomicU64>) -> Body {
    Body::from_stream(futures_util::stream::try_unfold((file, lines), |(mut file, lines)| async move {
        let mut chunk = bytes::BytesMut::with_capacity(READ_OCTETS);
        let read = file.read_buf(&mut chunk).await?;
        lines.fetch_add(memchr::memchr_iter(b'\n', &chunk).count() as u64, Ordering::Relaxed);
        Ok::<_, std::io::Error>((read > 0).then(|| (chunk.freeze(), (file, lines))))
    }))
}

/// Shows progress lines as they come, and returns the last line, which is the result.
async fn follow(mut body: Body, lines: &AtomicU64) -> anyhow::Result<Answer> {
    let bar = progress::lines(lines.load(Ordering::Relaxed));
    let (mut pending, mut last) = (Vec::new(), Answer::default());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
        pending.extend_from_slice(frame.data_ref().map(bytes::Bytes::as_ref).unwrap_or_default());
        while let Some(end) = memchr::memchr(b'\n', &pending) {
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

/// A step goes to the bar; anything else is the result.
fn take_line(bar: &ProgressBar, line: &[u8], last: Answer) -> anyhow::Result<Answer> {
    let text = String::from_utf8_lossy(line).trim().to_owned();
    if text.is_empty() {
        return Ok(last);
    }
    let value: Value = serde_json::from_str(&text).context("the answer is not JSON")?;
    let Some(done) = value["done"].as_u64() else { return Ok(Answer { text, value }) };
    bar.set_position(done);
    Ok(last)
}

fn name_faults(faults: &[Value]) {
    for fault in faults {
        eprintln!("{}: {}", cell(fault, "/field"), cell(fault, "/detail"));
    }
}

fn summary(result: &Value, dry_run: bool) -> String {
    let aliases = if result["imported"] == 1 { "alias" } else { "aliases" };
    let count = format!("{} {aliases}", cell(result, "/imported"));
    let known = match result["known"].as_u64() {
        None | Some(0) => None,
        Some(1) => Some("one was there already".to_owned()),
        Some(known) => Some(format!("{known} were there already")),
    };
    let done = match (dry_run, known) {
        (true, _) => format!("{count} could be imported; nothing was changed."),
        (false, Some(known)) if result["imported"] == 0 => format!("No alias was imported: {known}."),
        (false, known) => {
            let were = if result["imported"] == 1 { "was" } else { "were" };
            let known = known.map(|known| format!("; {known}")).unwrap_or_default();
            format!("{count} {were} imported{known}.")
        }
    };
    format!("{done}{}", alias::unverified(result))
}
