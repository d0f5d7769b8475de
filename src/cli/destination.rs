//! `waypost destination`: the real inboxes, and whole domains that are trusted.

use clap::Subcommand;
use serde_json::json;

use super::api::{Api, escaped};
use super::listing::{self, Paging};
use super::output::{Column, Output, cell};

const COLUMNS: [Column; 5] = [
    ("ADDRESS", "/address"),
    ("VERIFIED", "/verified_at"),
    ("DEFAULT", "/default"),
    ("LAST DELIVERY", "/last_delivered_at"),
    ("FAILING SINCE", "/failing_since"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Destination {
    /// Add an inbox, or @DOMAIN to trust a whole domain
    Add {
        /// The address, or @DOMAIN
        address: String,
        /// On your word that it is yours, without asking it
        #[arg(long)]
        verified: bool,
        /// Where new aliases go unless they say otherwise
        #[arg(long)]
        default: bool,
    },
    /// All destinations
    List(Paging),
    /// Verify one on your word that it is yours
    Verify {
        /// Its address or id
        address: String,
    },
    /// Send it another mail with a link that verifies it
    Resend {
        /// Its address or id
        address: String,
    },
    /// Let new aliases go to it unless they say otherwise
    Default {
        /// Its address or id
        address: String,
    },
    /// Remove one that no alias uses
    Remove {
        /// Its address or id
        address: String,
    },
}

pub(super) async fn run(command: Destination, api: &Api, out: Output) -> anyhow::Result<()> {
    match command {
        Destination::Add { address, verified, default } => {
            let body = json!({"address": address, "verified": verified, "default": default});
            let answer = api.post("/v1/destinations", &body).await?;
            out.object(&answer, state)
        }
        Destination::List(paging) => out.list(&listing::fetch(api, "/v1/destinations", &[], paging).await?, &COLUMNS),
        Destination::Verify { address } => {
            out.object(&api.post(&format!("{}/verify", path(&address)), &json!({})).await?, state)
        }
        Destination::Resend { address } => {
            out.object(&api.post(&format!("{}/resend", path(&address)), &json!({})).await?, state)
        }
        Destination::Default { address } => {
            let answer = api.post(&format!("{}/default", path(&address)), &json!({})).await?;
            out.object(&answer, |_| format!("{address} is the default now."))
        }
        Destination::Remove { address } => {
            out.object(&api.delete(&path(&address)).await?, |_| format!("{address} is no destination any more."))
        }
    }
}

fn state(destination: &serde_json::Value) -> String {
    let address = cell(destination, "/address");
    match cell(destination, "/verified_at").as_str() {
        "-" => format!("{address} gets no mail before it is verified. {}", asked(destination)),
        since => format!("{address} is verified since {since}."),
    }
}

/// Whether its inbox was asked.
fn asked(destination: &serde_json::Value) -> String {
    match cell(destination, "/verification/sent_at").as_str() {
        "-" => cell(destination, "/verification/reply"),
        _ => "A mail with a link that verifies it is on its way there.".to_owned(),
    }
}

fn path(name: &str) -> String {
    format!("/v1/destinations/{}", escaped(name))
}
