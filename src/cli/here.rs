//! The data opened in this very process, because no gateway runs. Where there are none, a command with which a gateway's life
//! may begin makes them and says so; any other leaves nothing behind, and is answered as by a new gateway only if it is clear
//! which one was meant.

use std::path::Path;

use anyhow::bail;

use super::alias::Alias;
use super::api::Api;
use super::arguments::Client;
use super::destination::Destination;
use super::domain::Domain;
use super::owner;
use super::token::Token;
use super::user::User;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{Config, Loaded};
use crate::gateway::{Offline, Places};

/// What a command does where there are no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absence {
    /// Makes them.
    Begins,
    /// Is answered as by a new gateway.
    IsNew,
    /// Is no answer.
    Refuses,
}

impl Absence {
    /// A backup of nothing would only look like one; the doctor looks at the machine, whoever's it is.
    fn of(client: &Client, loaded: &Loaded) -> Self {
        match client {
            Client::Backup(_) => Self::Refuses,
            Client::Doctor { .. } => Self::IsNew,
            other if begins(other) => Self::Begins,
            _ if loaded.data_named_by().is_some() => Self::IsNew,
            _ => Self::Refuses,
        }
    }
}

/// Whether it makes something that needs nothing before it, or that says itself what it misses.
const fn begins(client: &Client) -> bool {
    match client {
        Client::Domain(command) => matches!(command, Domain::Add(_)),
        Client::Destination(command) => matches!(command, Destination::Add { .. }),
        Client::Alias(command) => matches!(command, Alias::Add { .. } | Alias::Random { .. } | Alias::Import(_)),
        Client::User(command) => matches!(command, User::Add(_) | User::Set(_) | User::SetPassword { .. }),
        Client::Token(command) => matches!(command, Token::Create(_)),
        // An address is signed by secrets, which are made with the rest.
        Client::Srs(_) | Client::PanelLink => true,
        _ => false,
    }
}

/// Opens the data, and says what is to be told if there were none.
pub(super) async fn open(client: &Client, loaded: &Loaded) -> anyhow::Result<(Api, Option<String>)> {
    let config = &loaded.config;
    owner::require_owner(config)?;
    if Places::of(config).are_changing() {
        let remark = "a restore that was cut short is finished now; the data of before are kept, in before-restore-…";
        return Ok((here(config).await?, Some(remark.to_owned())));
    }
    // One that cannot be seen is not missing: to open it says why.
    if config.database.try_exists().unwrap_or(true) {
        return Ok((here(config).await?, None));
    }
    let place = place(loaded);
    match Absence::of(client, loaded) {
        Absence::Begins => Ok((here(config).await?, Some(format!("a new database was made at {place}")))),
        Absence::IsNew => {
            let remark = format!("no gateway runs, and no database is at {place}; this is how a new one answers");
            Ok((aside(config).await?, Some(remark)))
        }
        Absence::Refuses => bail!(
            "no gateway runs, and no database is at {place}; name your configuration with --config, or begin with waypost serve"
        ),
    }
}

/// Where the database should be, and who says so.
fn place(loaded: &Loaded) -> String {
    let database = &loaded.config.database;
    let database = std::path::absolute(database).unwrap_or_else(|_| database.clone());
    let by = loaded.data_named_by().map_or_else(
        || {
            "the default, as no configuration is at --config FILE, $WAYPOST_CONFIG, ./waypost.toml or /etc/waypost/waypost.toml"
                .to_owned()
        },
        |place| format!("as {place} says"),
    );
    format!("{} ({by})", database.display())
}

async fn here(config: &Config) -> anyhow::Result<Api> {
    Ok(Api::Here(Box::new(Offline::open(config).await?)))
}

/// A new gateway's data in a folder of their own.
async fn aside(config: &Config) -> anyhow::Result<Api> {
    let id = Chance::system().id(Clock::system().now());
    let folder = std::env::temp_dir().join(format!("waypost-{id}"));
    let offline = Offline::open(&moved(config, &folder)).await?;
    Ok(Api::Aside(Box::new(offline), folder))
}

fn moved(config: &Config, folder: &Path) -> Config {
    let mut moved = config.clone();
    folder.clone_into(&mut moved.data_dir);
    moved.database = folder.join("waypost.db");
    if !moved.srs.secrets_file.exists() {
        moved.srs.secrets_file = folder.join("srs.secrets");
    }
    moved
}
