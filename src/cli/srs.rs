//! `waypost srs`: what a sender becomes, and whom a rewritten one stands for.

use clap::Subcommand;

use super::api::{Api, with_query};
use super::output::{Output, harmless};

#[derive(Debug, Subcommand)]
pub(super) enum Srs {
    /// The address that a sender is rewritten to
    Forward {
        /// The sender
        address: String,
        /// On this hosted domain
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
    },
    /// The sender behind a rewritten address
    Reverse {
        /// SRS0=… or SRS1=…
        address: String,
    },
}

pub(super) async fn run(command: Srs, api: &Api, out: Output) -> anyhow::Result<()> {
    let path = match command {
        Srs::Forward { address, domain } => {
            with_query("/control/srs/forward", &[("address", Some(address)), ("domain", domain)])
        }
        Srs::Reverse { address } => with_query("/control/srs/reverse", &[("address", Some(address))]),
    };
    out.object(&api.get(&path).await?, |answer| harmless(answer["address"].as_str().unwrap_or_default()))
}
