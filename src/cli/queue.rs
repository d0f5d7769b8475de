//! `waypost queue`: what waits, is held, or is kept after it failed.

use clap::Subcommand;
use serde_json::{Value, json};

use super::api::{Api, escaped};
use super::listing::{self, Paging};
use super::output::{Column, Output};
use super::show::{self, Show};

const COLUMNS: [Column; 8] = [
    ("ID", "/id"),
    ("STATE", "/state"),
    ("TO", "/recipient"),
    ("DESTINATION", "/destination"),
    ("SIZE", "/size"),
    ("TRIES", "/tries"),
    ("RECEIVED", "/received_at"),
    ("NEXT TRY", "/next_attempt_at"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Queue {
    /// What is in the queue, oldest first
    List(Paging),
    /// One message with its attempts
    Show(Show),
    /// Try at once what waits, or has failed and is kept
    Retry {
        /// The id of its row
        id: String,
    },
    /// Hold it back until it is released
    Hold {
        /// The id of its row
        id: String,
    },
    /// Let a held one go on
    Release {
        /// The id of its row
        id: String,
    },
    /// Take it out of the queue; nobody gets it
    Cancel {
        /// The id of its row
        id: String,
    },
    /// Send a failed or held one again, to another destination if you name one
    Resend {
        /// The id of its row
        id: String,
        /// Another verified destination
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
    },
}

pub(super) async fn run(command: Queue, api: &Api, out: Output) -> anyhow::Result<()> {
    let (id, verb, done, body) = match command {
        Queue::List(paging) => return list(paging, api, out).await,
        Queue::Show(one) => return show::run(one, api, out).await,
        Queue::Retry { id } => (id, "retry", "is tried at once", json!({})),
        Queue::Hold { id } => (id, "hold", "is held", json!({})),
        Queue::Release { id } => (id, "release", "goes on", json!({})),
        Queue::Cancel { id } => (id, "cancel", "is taken out of the queue", json!({})),
        Queue::Resend { id, to } => (id, "resend", "is sent again", resend_body(to)),
    };
    let answer = api.post(&format!("/v1/queue/{}/{verb}", escaped(&id)), &body).await?;
    out.object(&answer, |_| format!("{id} {done}."))
}

async fn list(paging: Paging, api: &Api, out: Output) -> anyhow::Result<()> {
    let mut found = listing::fetch(api, "/v1/queue", &[], paging).await?;
    found.value["items"].as_array_mut().into_iter().flatten().for_each(put_in_words);
    out.list(&found, &COLUMNS)
}

/// Its state as people say it. When it would be tried again if this try did not end is no news of what is being tried.
fn put_in_words(item: &mut Value) {
    let words = match item["state"].as_str() {
        Some("due") => "waiting",
        Some("leased") => "being tried",
        Some("kept") if item["purpose"] == "returned" => "report, kept",
        Some("kept") => "failed, kept",
        _ => return,
    };
    if words == "being tried" {
        item["next_attempt_at"] = json!("now");
    }
    item["state"] = json!(words);
}

fn resend_body(to: Option<String>) -> Value {
    to.map_or_else(|| json!({}), |address| json!({"destination": address}))
}
