//! `waypost alias`: the addresses that people give away, and the patterns among them.

use clap::Subcommand;
use serde_json::{Value, json};

use super::alias_fields::{Fields, What};
use super::alias_import::{self, Import};
use super::api::{Answer, Api, escaped};
use super::destination;
use super::listing::{self, Paging};
use super::output::{Column, Output, cell, texts};

const COLUMNS: [Column; 6] = [
    ("ADDRESS", "/address"),
    ("ACTION", "/action"),
    ("TO", "/destinations"),
    ("ON", "/enabled"),
    ("LAST MAIL", "/last_mail_at"),
    ("NOTE", "/description"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Alias {
    /// Add an address, a glob (shop-*@…), a regular expression ('/^n([0-9]+)$/@…') or the catch-all ('*@…')
    Add {
        /// The alias with its domain
        alias: String,
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// All aliases, newest first
    List {
        /// Only of this domain
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// Only with this in address, note, label or destination; one or two characters begin the address
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// One alias
    Show {
        /// The alias with its domain, or its id
        alias: String,
    },
    /// Change an alias
    Set {
        /// The alias with its domain, or its id
        alias: String,
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Switch an alias on
    Enable {
        /// The alias with its domain, or its id
        alias: String,
    },
    /// Switch an alias off: it answers as if it did not exist
    Disable {
        /// The alias with its domain, or its id
        alias: String,
    },
    /// Remove an alias
    Remove {
        /// The alias with its domain, or its id
        alias: String,
    },
    /// Make an alias with a name that nobody guesses
    Random {
        /// Of this domain
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// How it looks: words, characters, hex, uuid or site
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// The website that it is for: its name begins the alias
        #[arg(long = "for", value_name = "SITE")]
        site: Option<String>,
        /// Where its mail goes
        #[arg(long, value_name = "ADDRESS")]
        to: Vec<String>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Add many at once, from lines of alias<TAB>destination: all or nothing
    Import(Import),
}

pub(super) async fn run(command: Alias, api: &Api, out: Output) -> anyhow::Result<()> {
    match command {
        Alias::Add { alias, what, fields } => {
            let mut body = fields.body(&what);
            body.insert("address".to_owned(), alias.into());
            made(api, out, &api.post("/v1/aliases", &Value::Object(body)).await?).await
        }
        Alias::List { domain, search, paging } => {
            let filters = [("domain", domain), ("search", search)];
            let mut found = listing::fetch(api, "/v1/aliases", &filters, paging).await?;
            found.value["items"].as_array_mut().into_iter().flatten().for_each(|alias| {
                hide_unused_destinations(alias);
                tell_end(alias);
            });
            out.list(&found, &COLUMNS)
        }
        Alias::Show { alias } => out.object(&api.get(&path(&alias)).await?, show),
        Alias::Set { alias, what, fields } => {
            let body = Value::Object(fields.body(&what));
            out.object(&api.patch(&path(&alias), &body).await?, show)
        }
        Alias::Enable { alias } => switch(api, out, &alias, &json!({"enabled": true})).await,
        Alias::Disable { alias } => switch(api, out, &alias, &json!({"enabled": false})).await,
        Alias::Remove { alias } => out.object(&api.delete(&path(&alias)).await?, |_| format!("{alias} is removed.")),
        Alias::Random { domain, format, site, to, note } => {
            let body = random_body([("domain", domain), ("format", format), ("for", site), ("description", note)], to);
            made(api, out, &api.post("/v1/aliases/random", &body).await?).await
        }
        Alias::Import(import) => alias_import::run(&import, api, out).await,
    }
}

fn path(alias: &str) -> String {
    format!("/v1/aliases/{}", escaped(alias))
}

/// An alias that sends nothing on keeps its destinations for the day when it does; a table does not show them.
fn hide_unused_destinations(alias: &mut Value) {
    if matches!(alias["action"].as_str(), Some("drop" | "reject")) {
        alias["destinations"] = json!([]);
    }
}

/// What has ended is switched on, and sends nothing on all the same.
fn tell_end(alias: &mut Value) {
    if alias["enabled"] == Value::Bool(true) && alias["ended"].is_string() {
        alias["enabled"] = alias["ended"].take();
    }
}

async fn switch(api: &Api, out: Output, alias: &str, body: &Value) -> anyhow::Result<()> {
    out.object(&api.patch(&path(alias), body).await?, summary)
}

fn random_body(texts: [(&str, Option<String>); 4], to: Vec<String>) -> Value {
    let destinations = Some(to).filter(|to| !to.is_empty()).map(Value::from);
    let given = texts.into_iter().map(|(name, text)| (name, text.map(Value::from)));
    let given = given.chain([("destinations", destinations)]);
    given.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A new alias, and of each inbox that is not verified whether it was asked: that is done while the alias is made.
async fn made(api: &Api, out: Output, alias: &Answer) -> anyhow::Result<()> {
    let mut told = what_it_does(&alias.value);
    for address in texts(&alias.value["unverified"]).filter(|_| is_on(&alias.value)) {
        told.push('\n');
        match api.get(&destination::path(&address)).await {
            Ok(inbox) => told.push_str(&asked(&address, &inbox.value)),
            Err(_) => told.push_str(&is_unverified(&address)),
        }
    }
    out.object(alias, |_| told)
}

fn asked(address: &str, inbox: &Value) -> String {
    format!(
        "{} If it is yours, your word verifies it too: waypost destination verify {address}",
        destination::state(inbox)
    )
}

fn summary(alias: &Value) -> String {
    format!("{}{}", what_it_does(alias), unverified(alias))
}

/// What keeps mail from its destinations, and what to do about it.
pub(super) fn unverified(alias: &Value) -> String {
    let addresses = texts(&alias["unverified"]).filter(|_| is_on(alias));
    addresses.map(|address| format!("\n{}", is_unverified(&address))).collect()
}

fn is_on(alias: &Value) -> bool {
    alias["enabled"] != Value::Bool(false)
}

fn is_unverified(address: &str) -> String {
    format!("{address} is not verified and gets no mail; if it is yours: waypost destination verify {address}")
}

fn what_it_does(alias: &Value) -> String {
    let address = cell(alias, "/address");
    if alias["enabled"] == Value::Bool(false) {
        return format!("{address} is switched off.");
    }
    if let Some(how) = alias["ended"].as_str() {
        return format!("{address} {how}.");
    }
    match alias["action"].as_str().unwrap_or_default() {
        "forward" => format!("{address} forwards to {}.", cell(alias, "/destinations")),
        "create" => format!("{address} makes aliases that forward to {}.", cell(alias, "/destinations")),
        "drop" => format!("{address} drops its mail."),
        "reject" => format!("{address} refuses its mail."),
        other => format!("{address}: {other}"),
    }
}

fn show(alias: &Value) -> String {
    let mut alias = alias.clone();
    tell_end(&mut alias);
    let labels = [
        ("alias", "/address"),
        ("id", "/id"),
        ("kind", "/kind"),
        ("action", "/action"),
        ("to", "/destinations"),
        ("not verified", "/unverified"),
        ("on", "/enabled"),
        ("priority", "/priority"),
        ("note", "/description"),
        ("labels", "/labels"),
        ("expires", "/expires_at"),
        ("expires after", "/expires_after"),
        ("then", "/then"),
        ("allow", "/allow"),
        ("block", "/block"),
        ("policy", "/policy"),
        ("quota", "/quota"),
        ("privacy", "/privacy"),
        ("reject text", "/reject_message"),
        ("last mail", "/last_mail_at"),
        ("forwarded", "/counts/forwarded"),
        ("refused", "/counts/refused"),
        ("dropped", "/counts/dropped"),
        ("failed", "/counts/failed"),
        ("bounced", "/counts/bounced"),
    ];
    listing::sheet(&alias, &labels)
}
