//! `waypost token`: what programs sign in with.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::{Api, escaped};
use super::listing::{self, Paging};
use super::output::{Column, Output, cell};

const COLUMNS: [Column; 6] = [
    ("NAME", "/name"),
    ("PREFIX", "/prefix"),
    ("SCOPES", "/scopes"),
    ("DOMAINS", "/domains"),
    ("EXPIRES", "/expires_at"),
    ("LAST USED", "/last_used_at"),
];

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make one; it is shown once
    Create(Create),
    /// All tokens, without their secret
    List(Paging),
    /// End one at once
    Revoke {
        /// Its name, its prefix or its id
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it is for
    name: String,
    /// What it may do: domains, aliases, destinations, activity, queue, account or admin, each alone or with :read, as
    /// admin:read, or aliases:create; several times for several
    #[arg(long, value_name = "SCOPE", required = true)]
    scope: Vec<String>,
    /// Only for this domain; several times for several
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// The domain of new aliases that name none
    #[arg(long, value_name = "DOMAIN")]
    default_domain: Option<String>,
    /// How random aliases look
    #[arg(long, value_name = "FORMAT", value_parser = ["words", "characters", "hex", "uuid", "site"])]
    format: Option<String>,
    /// Where new aliases go that name no destination
    #[arg(long, value_name = "ADDRESS")]
    destination: Option<String>,
    /// When it ends: 2027-01-31 or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
}

pub(super) async fn run(command: Token, api: &Api, out: Output) -> anyhow::Result<()> {
    match command {
        Token::Create(create) => {
            let answer = api.post("/v1/tokens", &body(&create)).await?;
            out.object(&answer, |token| {
                eprintln!("This token is shown only now:");
                cell(token, "/token")
            })
        }
        Token::List(paging) => out.list(&listing::fetch(api, "/v1/tokens", &[], paging).await?, &COLUMNS),
        Token::Revoke { name } => {
            let answer = api.delete(&format!("/v1/tokens/{}", escaped(&name))).await?;
            out.object(&answer, |_| format!("{name} is revoked."))
        }
    }
}

fn body(create: &Create) -> Value {
    let mut body = json!({"name": create.name, "scopes": create.scope});
    if !create.domain.is_empty() {
        body["domains"] = create.domain.clone().into();
    }
    for (key, value) in [
        ("default_domain", &create.default_domain),
        ("alias_format", &create.format),
        ("default_destination", &create.destination),
        ("expires_at", &create.expires),
    ] {
        if let Some(value) = value {
            body[key] = value.clone().into();
        }
    }
    body
}
