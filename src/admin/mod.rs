//! What an account may do, one function for each change, taking the actor: checks rights, validates, writes the audit row,
//! announces the change; and what it may ask. `http`, `cli` and `upkeep` reach rules only through here.
//!
//! A change arrives as written (a JSON object, `Form`), is read field by field with every fault named at once, and
//! becomes a value as meant before storage sees it. Creating and changing read the same fields by the same function.

mod activity;
mod actor;
mod alias_changes;
mod alias_lines;
mod alias_mail;
mod alias_table;
mod aliases;
mod another_try;
mod audit;
mod backup;
mod batch;
mod catch_all;
mod consent;
mod destinations;
mod doctor;
mod domains;
mod door;
mod doubts;
mod elsewhere;
mod error;
mod expiry;
mod fields;
mod first_run;
mod forgotten;
mod form;
mod found;
mod guesses;
mod import;
mod leaving;
mod letters;
mod links;
mod lookalike;
mod looks;
mod loops;
mod many;
mod me;
mod name;
mod new_domains;
mod next_hops;
mod no_mail;
mod notices;
mod over;
mod password_links;
mod passwords;
mod patterns;
mod people;
mod plain;
mod policy_field;
mod proposals;
mod queue;
mod random;
mod records;
mod refused;
mod relay;
mod remembered;
mod replacement;
mod roles;
mod route;
mod second_factor;
mod senders;
mod settings;
pub mod shapes;
mod sign_in;
mod spec;
mod srs;
mod standing;
mod stats;
mod table;
mod tokens;
mod tried;
mod verification;
mod ways;

use std::sync::Arc;

use serde::Serialize;
use utoipa::IntoParams;

use crate::certificates::Certificates;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::delivery::Courier;
use crate::facts::Facts;
use crate::facts::outside::Outside;
use crate::meter::Meter;
use crate::policy::deeds::Deed;
use crate::store::Store;
use crate::store::accounts::AuditEntry;

pub use crate::store::rules::Order;
pub use activity::ActivityFilter;
pub use actor::{Access, Actor, ActorName, Area, Credential, Reach, Scope};
pub use alias_lines::{AliasLine, DAYS};
pub use alias_table::{AliasTable, MAX_TABLE_OCTETS, MAX_TABLE_ROWS, NewRow, too_large_a_table};
pub use aliases::AliasFilter;
pub use another_try::AnotherTry;
pub use audit::AuditFilter;
pub use backup::{Archive, BackupSettings, Backups, names as backup_names};
pub use batch::{AliasBatch, MAX_OPERATIONS};
pub use consent::Unheard;
pub use doctor::MAX_DOMAINS as MAX_LOOKED_AT;
pub use elsewhere::Redirected;
pub use error::{AdminError, Fault};
pub use first_run::TryNow;
use form::Form;
pub use found::Found;
pub use guesses::Guesses;
pub use import::{ImportPlan, Importer, MAX_IMPORT_LINES};
pub use links::{LINK_LIFETIME, RESET_LIFETIME, SESSION_LIFETIME, Secret};
pub use looks::{KnownRecords, LookAge};
pub use many::{Many, Undone};
pub use name::AliasName;
pub use next_hops::NextHops;
pub use no_mail::Looked;
pub use notices::{Beat, Heartbeat, NoticeFilter, NoticeShape, Notify, TestShape};
pub use password_links::{NewPassword, PasswordLink};
pub use passwords::Passwords;
pub use queue::{QueueAction, QueueFilter, QueuePowers};
pub use relay::RELAY_PASSWORD_FILE;
pub use remembered::is_doubt;
pub use replacement::DefaultContact;
pub use route::RouteQuestion;
pub use senders::{CaughtAddress, Judgement, SenderSeen};
pub use settings::{PanelSettings, Setting, SettingPlace, Settings, is_sensitive, read_hostname};
pub use sign_in::{DEVICE_LIFETIME, Opened, SignIn, Visitor};
pub use stats::{CAME_IN, SeriesShape, StatsBy, StatsFilter, StatsShape, StatsStep};
pub use table::{ALIAS_COLUMNS, is_formula, labels_in_a_cell};
pub use tokens::Bearer;
pub use verification::{Proof, VERIFICATION_LIFETIME};

/// Result of a change or a question.
pub type Result<T> = std::result::Result<T, AdminError>;

/// Rows of a list where nobody says how many.
pub const DEFAULT_LIMIT: u32 = 50;
/// Rows of a list at most.
pub const MAX_LIMIT: u32 = 500;

/// All that `admin` works with; cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Storage.
    pub store: Store,
    /// The simulator's facts; also the SRS ring and the instance's settings.
    pub facts: Facts,
    /// How things look from outside.
    pub outside: Outside,
    /// What the doctor has found so far.
    pub found: Found,
    /// Woken when something is to be tried again; `None` when no gateway runs (commands offline).
    pub courier: Option<Courier>,
    /// Where links lead that are sent by mail; none where people elsewhere could not reach the gateway.
    pub links_at: Option<Arc<str>>,
    /// What SMTP and HTTPS present.
    pub certificates: Certificates,
    /// The clock.
    pub clock: Clock,
    /// Ids and tokens.
    pub chance: Chance,
    /// Counters.
    pub meter: Arc<Meter>,
    /// The work with passwords.
    pub passwords: Passwords,
    /// How often somebody guessed one.
    pub guesses: Guesses,
    /// What is called as long as all is well.
    pub heartbeat: Heartbeat,
    /// What makes backups.
    pub backups: Backups,
    /// What the gateway runs with.
    pub settings: Arc<dyn Settings>,
}

/// Which page of a list is wanted.
#[derive(Debug, Clone, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// At most so many rows (50 where it is left out).
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Paging {
    /// How many rows to ask for.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }
}

/// What is to be changed, and the version that the change was made for, where the client holds on to one.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a, V> {
    /// An id, or the thing as it is written.
    pub id: &'a str,
    /// What it must still be.
    pub version: Option<V>,
}

/// What a change was made to, for the audit log: before and after where there is one.
struct Subject<'a, T> {
    object: &'a str,
    before: Option<&'a T>,
    after: Option<&'a T>,
}

impl Admin {
    /// The audit row of a change.
    fn audit<T: Serialize>(&self, actor: &Actor, action: Deed, subject: &Subject<'_, T>) -> AuditEntry {
        let value = |side: Option<&T>| side.and_then(|s| serde_json::to_value(s).ok());
        AuditEntry {
            at: self.clock.now(),
            account: actor.account,
            actor: actor.name.to_string(),
            action: action.as_str().to_owned(),
            object: subject.object.to_owned(),
            before: value(subject.before),
            after: value(subject.after),
        }
    }

    /// Why no work can be done now, if none can.
    pub async fn unready(&self) -> Option<&'static str> {
        if !self.store.is_writable().await {
            return Some("the databases cannot be written");
        }
        let is_full = self.outside.disk().is_some_and(|disk| disk.is_refusing());
        is_full.then_some("the disk is nearly full, and no mail is taken")
    }

    /// The audit row of a change that needs no before and after.
    fn audit_plain(&self, actor: &Actor, action: Deed, object: &str) -> AuditEntry {
        self.audit::<()>(actor, action, &Subject { object, before: None, after: None })
    }
}

/// `before` and `after` of a change to a rule: its version must still be the one that the client saw.
fn check_version(wanted: Option<i64>, is: i64) -> Result<()> {
    match wanted {
        Some(wanted) if wanted != is => Err(AdminError::Changed),
        _ => Ok(()),
    }
}
