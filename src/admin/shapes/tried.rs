//! What trying an alias shows.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::mail::Moment;
use crate::policy::admission::reserved::Reserved;

/// What an alias would take of the last days' mail.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AliasTrial)]
pub struct TriedShape {
    /// How many days were looked back.
    pub days: u64,
    /// How many recipients of that mail were compared with the alias.
    pub looked_at: usize,
    /// Those that it matches, whose last mail is newest first.
    pub matched: Vec<MatchedShape>,
}

/// A recipient that an alias matches.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AliasTrialMatch)]
pub struct MatchedShape {
    /// The address.
    pub recipient: String,
    /// How much mail came for it.
    pub messages: u64,
    /// When the last of it came.
    pub last_at: Moment,
    /// Whether the alias would take its mail; else another one is nearer.
    pub wins: bool,
    /// The alias that takes its mail now.
    pub now: Option<RuleNamed>,
    /// The alias that would take it all the same.
    pub then: Option<RuleNamed>,
    /// What the address is for where no pattern speaks for it: mail for the domain's contact, or reports that come back.
    pub reserved: Option<Reserved>,
}

/// An alias by its name.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AliasName)]
pub struct RuleNamed {
    /// Its id.
    pub id: Uuid,
    /// As written.
    pub address: String,
    /// Whether it sends mail on at present: it is on, has not ended, and is not set to refuse or to drop.
    pub sends_on: bool,
}
