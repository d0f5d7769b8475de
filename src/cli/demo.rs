//! `waypost demo`: the whole gateway on loopback with throw-away data and an inbox of its own.

use clap::Args;

use super::logging;
use crate::config::Log;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Stop after the proof: exit code 0 only if every message was handed over octet for octet
    #[arg(long)]
    once: bool,
}

/// The story speaks for itself; the log only when something is wrong.
pub(super) async fn run(demo: &Demo) -> anyhow::Result<()> {
    let span = std::time::Duration::from_secs(86_400);
    logging::start(&Log { retention: span, max_bytes: 1 << 30, json: false, level: "warn".to_owned() });
    crate::demo::story::run(demo.once).await
}
