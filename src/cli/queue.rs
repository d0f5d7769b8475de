//! `waypost queue`: what waits, is held, or is kept after it failed.

use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};

use super::api::{Answer, Api, escaped};
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
    /// One message with its attempts; of a report, the message that it is about
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
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All that are held
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Take it out of the queue and delete it: nobody gets it, and it cannot be sent again. Of a report, its sender is not told
    Cancel {
        /// The id of its row
        id: String,
    },
    /// Send a failed or held one again, to another destination if you name one; a cancelled one is deleted, and cannot be sent
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
        Queue::Release { id: Some(id), .. } => (id, "release", "goes on", json!({})),
        Queue::Release { id: None, .. } => return release_all(api, out).await,
        Queue::Cancel { id } => (id, "cancel", "is taken out of the queue", json!({})),
        Queue::Resend { id, to } => (id, "resend", "is sent again", resend_body(to)),
    };
    let answer = api.post(&format!("/v1/queue/{}/{verb}", escaped(&id)), &body).await?;
    out.object(&answer, |_| format!("{id} {done}."))
}

/// One by one: what somebody else has released or cancelled meanwhile is theirs.
async fn release_all(api: &Api, out: Output) -> anyhow::Result<()> {
    let all = listing::fetch(api, "/v1/queue", &[], Paging { limit: u32::MAX }).await?;
    let held = all.value["items"].as_array().into_iter().flatten().filter(|item| item["state"] == "held");
    let (mut released, mut failed) = (0_u32, 0_u32);
    for id in held.filter_map(|item| item["id"].as_str()) {
        match api.post(&format!("/v1/queue/{}/release", escaped(id)), &json!({})).await {
            Ok(_) => released += 1,
            Err(error) => {
                eprintln!("{id}: {error:#}");
                failed += 1;
            }
        }
    }
    if failed > 0 {
        bail!("{released} go on, {failed} do not");
    }
    let value = json!({ "released": released });
    out.object(&Answer { text: value.to_string(), value }, |_| match released {
        0 => "Nothing was held.".to_owned(),
        1 => "1 message goes on.".to_owned(),
        some => format!("{some} messages go on."),
    })
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
