//! `waypost user`: who has an account here.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::api::{Api, escaped};
use super::listing::{self, Paging};
use super::output::{Column, Output, cell};
use super::secret;

const COLUMNS: [Column; 7] = [
    ("EMAIL", "/email"),
    ("NAME", "/name"),
    ("ROLE", "/role"),
    ("PASSWORD", "/has_password"),
    ("AUTHENTICATOR", "/totp"),
    ("DISABLED", "/disabled"),
    ("CREATED", "/created_at"),
];

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Make an account; its password is read from standard input, or asked for
    Add(Add),
    /// All accounts
    List(Paging),
    /// Change what an account is
    Set(Set),
    /// Set a password, read from standard input or asked for; every session ends
    SetPassword {
        /// The address that signs in, or owner
        email: String,
    },
    /// Switch an account off: its sessions end and its tokens open nothing
    Disable {
        /// The address that signs in
        email: String,
    },
    /// Switch it on again
    Enable {
        /// The address that signs in
        email: String,
    },
    /// Remove an account; one that has domains hands them over
    Remove {
        /// The address that signs in
        email: String,
        /// Who gets its domains with their aliases, its inboxes, and what waits in the queue
        #[arg(long, value_name = "EMAIL")]
        hand_over_to: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The address that signs in
    email: String,
    /// Sees and changes everything but the owner and other admins
    #[arg(long)]
    admin: bool,
    /// A name
    #[arg(long)]
    name: Option<String>,
    /// Print a link where they set their password themselves, and ask for none
    #[arg(long)]
    link: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Member,
    Admin,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(super) struct Set {
    /// The address that signs in, or owner
    email: String,
    /// Another address to sign in with
    #[arg(long = "email", value_name = "EMAIL", group = "change")]
    new_email: Option<String>,
    /// A name
    #[arg(long, group = "change")]
    name: Option<String>,
    /// What it is
    #[arg(long, group = "change")]
    role: Option<Role>,
    /// Manager of this domain of somebody else; several times for several; replaces what was
    #[arg(long, value_name = "DOMAIN", group = "change")]
    manager: Vec<String>,
    /// Viewer of this domain of somebody else: all but the subjects of mail
    #[arg(long, value_name = "DOMAIN", group = "change")]
    viewer: Vec<String>,
    /// No roles on domains of others any more
    #[arg(long, group = "change", conflicts_with_all = ["manager", "viewer"])]
    no_domains: bool,
    /// Switch the authenticator off, for somebody who lost theirs
    #[arg(long, group = "change")]
    no_authenticator: bool,
}

pub(super) async fn run(command: User, api: &Api, out: Output) -> anyhow::Result<()> {
    match command {
        User::Add(add) => {
            let answer = api.post("/v1/users", &added(&add)?).await?;
            out.object(&answer, made)
        }
        User::List(paging) => {
            let mut found = listing::fetch(api, "/v1/users", &[], paging).await?;
            found.value["items"].as_array_mut().into_iter().flatten().for_each(put_in_words);
            out.list(&found, &COLUMNS)
        }
        User::Set(set) => {
            let answer = api.patch(&path(&set.email), &changed(&set)).await?;
            out.object(&answer, |user| format!("{} is {} now.", cell(user, "/email"), cell(user, "/role")))
        }
        User::SetPassword { email } => {
            let answer = api.patch(&path(&email), &json!({"password": secret::read("New password")?})).await?;
            out.object(&answer, |_| format!("The password of {email} is set, and every session of it has ended."))
        }
        User::Disable { email } => {
            let answer = api.patch(&path(&email), &json!({"disabled": true})).await?;
            out.object(&answer, |_| format!("{email} is switched off."))
        }
        User::Enable { email } => {
            let answer = api.patch(&path(&email), &json!({"disabled": false})).await?;
            out.object(&answer, |_| format!("{email} is switched on."))
        }
        User::Remove { email, hand_over_to } => {
            let heir = hand_over_to.map(|heir| format!("?hand_over_to={}", escaped(&heir))).unwrap_or_default();
            let answer = api.delete(&format!("{}{heir}", path(&email))).await?;
            out.object(&answer, |_| format!("{email} has no account any more."))
        }
    }
}

/// The owner is there from the beginning, without an address before somebody has set the gateway up.
fn put_in_words(user: &mut Value) {
    if user["email"].is_null() {
        user["email"] = json!("(not set up)");
    }
}

fn path(email: &str) -> String {
    format!("/v1/users/{}", escaped(email))
}

fn added(add: &Add) -> anyhow::Result<Value> {
    let mut body = json!({"email": add.email, "role": if add.admin { "admin" } else { "member" }});
    if let Some(name) = &add.name {
        body["name"] = name.clone().into();
    }
    if !add.link {
        body["password"] = secret::read("Password")?.into();
    }
    Ok(body)
}

fn made(user: &Value) -> String {
    let email = cell(user, "/email");
    match user["link"].as_str() {
        None => format!("{email} can sign in."),
        Some(link) => {
            eprintln!("{email} sets a password here, once, within 24 hours:");
            link.to_owned()
        }
    }
}

fn changed(set: &Set) -> Value {
    let mut body = json!({});
    for (key, value) in [("email", &set.new_email), ("name", &set.name)] {
        if let Some(value) = value {
            body[key] = value.clone().into();
        }
    }
    if let Some(role) = set.role {
        body["role"] = if matches!(role, Role::Admin) { "admin" } else { "member" }.into();
    }
    if set.no_domains || !set.manager.is_empty() || !set.viewer.is_empty() {
        let grant = |role: &'static str| move |domain: &String| json!({"domain": domain, "role": role});
        let (managers, viewers) = (set.manager.iter().map(grant("manager")), set.viewer.iter().map(grant("viewer")));
        body["domains"] = managers.chain(viewers).collect();
    }
    if set.no_authenticator {
        body["totp"] = false.into();
    }
    body
}
