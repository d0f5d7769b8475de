//! `waypost destination`: the real inboxes, and whole domains that are trusted.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::api::{Api, escaped, with_query};
use super::listing::{self, Paging};
use super::output::{Column, Output, cell, texts, time};

const COLUMNS: [Column; 6] = [
    ("ADDRESS", "/address"),
    ("OWNER", "/owner"),
    ("VERIFIED", "/verified_at"),
    ("DEFAULT", "/default"),
    ("LAST DELIVERY", "/last_delivered_at"),
    ("FAILING SINCE", "/failing_since"),
];

/// How long a DNS is waited for that might know nothing of an inbox.
const DOUBT_WITHIN: Duration = Duration::from_secs(1);

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
    /// One destination: how it fares, and where it is used
    Show {
        /// Its address or id
        address: String,
    },
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
    /// Try what waits for it now, and new mail with it
    Retry {
        /// Its address or id
        address: String,
    },
    /// Let new aliases go to it unless they say otherwise
    Default {
        /// Its address or id
        address: String,
    },
    /// Put another destination in its place everywhere, in one step that the audit log takes back
    Replace {
        /// The address or id of the one that goes
        old: String,
        /// The address of the one that takes its place
        new: String,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
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
            out.object(&answer, state)?;
            if verified {
                tell_doubt(&address, api).await;
            }
            Ok(())
        }
        Destination::List(paging) => out.list(&listing::fetch(api, "/v1/destinations", &[], paging).await?, &COLUMNS),
        Destination::Show { address } => out.object(&api.get(&path(&address)).await?, told),
        Destination::Replace { old, new, dry_run } => {
            let body = json!({ "to": new, "dry_run": dry_run });
            let answer = api.post(&format!("{}/replace", path(&old)), &body).await?;
            out.object(&answer, replaced)
        }
        Destination::Verify { address } => {
            out.object(&api.post(&format!("{}/verify", path(&address)), &json!({})).await?, state)
        }
        Destination::Resend { address } => {
            out.object(&api.post(&format!("{}/resend", path(&address)), &json!({})).await?, state)
        }
        Destination::Retry { address } => {
            let answer = api.post(&format!("{}/retry", path(&address)), &json!({})).await?;
            out.object(&answer, |_| format!("Whatever waits for {address} is tried now, and new mail with it."))
        }
        Destination::Default { address } => {
            let answer = api.post(&format!("{}/default", path(&address)), &json!({})).await?;
            out.object(&answer, |_| format!("{address} is the default now."))
        }
        Destination::Remove { address } => {
            let seen = api.get(&path(&address)).await.ok();
            let uses = seen.map(|seen| seen.value["uses"].clone()).unwrap_or_default();
            out.object(&api.delete(&path(&address)).await?, |_| removed(&address, &uses))
        }
    }
}

/// An inbox that nobody asks is taken by somebody's word, in which a letter may be wrong. It is added already: what is not
/// known by now, or not asked for by the gateway that runs, is not told.
async fn tell_doubt(address: &str, api: &Api) {
    let path = with_query("/control/doubt", &[("address", Some(address.to_owned()))]);
    if let Ok(Ok(answer)) = tokio::time::timeout(DOUBT_WITHIN, api.get(&path)).await
        && answer.value["doubt"].is_string()
    {
        eprintln!("warning: {}.", cell(&answer.value, "/doubt"));
    }
}

pub(super) fn state(destination: &Value) -> String {
    let address = cell(destination, "/address");
    if destination["trusted"] == true {
        return format!("{address} is verified with its whole domain.");
    }
    match time(destination, "/verified_at").as_str() {
        "-" => format!("{address} gets no mail before it is verified. {}", asked(destination)),
        since => format!("{address} is verified since {since}."),
    }
}

/// Whether its inbox was asked.
fn asked(destination: &Value) -> String {
    match cell(destination, "/verification/status").as_str() {
        "forwarded" => "The mail with a link that verifies it has arrived there.".to_owned(),
        "queued" | "deferred" => "A mail with a link that verifies it is on its way there.".to_owned(),
        _ => cell(destination, "/verification/reply"),
    }
}

/// How it fares and where it is used, a line each.
fn told(destination: &Value) -> String {
    let mut lines = vec![state(destination)];
    if destination["owner"].is_string() {
        lines.push(format!("It belongs to {}.", cell(destination, "/owner")));
    }
    if destination["takes_no_mail"].is_object() {
        let said = |key| cell(destination, key);
        lines.push(format!("{} {}", said("/takes_no_mail/what"), said("/takes_no_mail/remedy")));
    }
    match (time(destination, "/failing_since").as_str(), time(destination, "/last_delivered_at").as_str()) {
        ("-", "-") => lines.push("No mail has been delivered there yet.".to_owned()),
        ("-", at) => lines.push(format!("Mail last reached it at {at}.")),
        (since, at) => {
            let said = cell(destination, "/failing_reply");
            let what = if destination["sends_back"] == true { "sent back what it took" } else { "refuses mail" };
            let since =
                if destination["sends_back"] == true { format!("at {since}") } else { format!("since {since}") };
            lines.push(format!("It {what} {since}: {said}"));
            if destination["last_delivered_at"].as_str() > destination["failing_since"].as_str() {
                lines.push(format!("Mail was taken there all the same, last at {at}."));
            }
        }
    }
    if destination["waiting"].is_object() {
        lines.push(waiting(&destination["waiting"]));
    }
    if destination["not_asked_until"].is_string() {
        lines.push(format!(
            "New mail of aliases that lead to it alone is refused, and for that it is not asked again until {}. If it is mended: waypost destination retry {}",
            time(destination, "/not_asked_until"),
            cell(destination, "/address")
        ));
    }
    let more = if destination["uses"]["more"] == true { "More than " } else { "" };
    lines.push(format!("{more}{} to it.", aliases_lead(&destination["uses"]["aliases"])));
    lines.extend(texts(&destination["uses"]["newest"]).map(|alias| format!("  {alias}")));
    if destination["default"] == true {
        lines.push("New aliases lead to it where nothing else is said.".to_owned());
    }
    let named = |key: &str| texts(&destination["uses"][key]).collect::<Vec<_>>().join(", ");
    for (key, words, more) in [
        ("contact_of", "It is the contact of", ""),
        ("default_contact_of", "It gets mail for postmaster and abuse of", ", as no other inbox is named for it"),
        ("tokens", "It comes with the tokens", ""),
    ] {
        if !named(key).is_empty() {
            lines.push(format!("{words} {}{more}.", named(key)));
        }
    }
    lines.extend(computed(&destination["uses"]["computed"]).map(|one| format!("{one} may lead to it.")));
    lines.join("\n")
}

/// `2 messages wait for it, the oldest since …; its last try: 451 not now`
fn waiting(waits: &Value) -> String {
    let count = match (waits["messages"].as_u64(), waits["more"] == true) {
        (Some(1), false) => "One message waits".to_owned(),
        (_, true) => format!("More than {} messages wait", waits["messages"]),
        (_, false) => format!("{} messages wait", waits["messages"]),
    };
    let held = waits["held"].as_u64().filter(|held| *held > 0);
    let held = held.map(|held| format!(" ({held} on hold)")).unwrap_or_default();
    format!("{count} for it{held}, the oldest since {}; its last try: {}", time(waits, "/since"), cell(waits, "/reply"))
}

fn replaced(done: &Value) -> String {
    let (from, to) = (cell(done, "/from"), cell(done, "/to"));
    let mut lines = Vec::new();
    if done["dry_run"] == true {
        lines.push("Nothing was changed. This is how it would be:".to_owned());
    }
    lines.push(format!("{} to {to} instead of {from}.", aliases_lead(&done["aliases"])));
    if done["default"] == true {
        lines.push(format!("{to} is the default."));
    }
    let names = |key: &str| texts(&done[key]).collect::<Vec<_>>().join(", ");
    for (key, words) in [("contact_of", "the contact of"), ("tokens", "brought along by the tokens")] {
        if !names(key).is_empty() {
            lines.push(format!("It is {words} {}.", names(key)));
        }
    }
    if !names("default_contact_of").is_empty() {
        lines.push(format!("Mail for postmaster and abuse of {} goes to {to}.", names("default_contact_of")));
    }
    lines.extend(computed(&done["untouched"]).map(|one| format!("{one} stays, and may still lead to {from}.")));
    lines.join("\n")
}

/// That it is gone, and where mail goes from now on that nobody names an inbox for.
fn removed(address: &str, uses: &Value) -> String {
    let gone = format!("{address} is no destination any more.");
    let of: Vec<_> = texts(&uses["contact_of"]).chain(texts(&uses["default_contact_of"])).collect();
    if of.is_empty() {
        return gone;
    }
    let goes = match uses["contact_after"].as_str() {
        Some(_) => format!("goes to {} from now on.", cell(uses, "/contact_after")),
        None => "has nobody to go to from now on, and is held: waypost domain set NAME --contact ADDRESS".to_owned(),
    };
    format!("{gone}\nMail for postmaster and abuse of {} {goes}", of.join(", "))
}

fn aliases_lead(count: &Value) -> String {
    match count.as_u64() {
        Some(1) => "One alias leads".to_owned(),
        _ => format!("{count} aliases lead"),
    }
}

/// Patterns that compute where their mail goes.
fn computed(list: &Value) -> impl Iterator<Item = String> {
    let one = |one: &Value| format!("{} by {}", cell(one, "/alias"), cell(one, "/destination"));
    list.as_array().into_iter().flatten().map(one)
}

pub(super) fn path(name: &str) -> String {
    format!("/v1/destinations/{}", escaped(name))
}
