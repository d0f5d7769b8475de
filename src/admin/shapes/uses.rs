//! Where a destination is used, and what it is to have another one in its place.

use serde::Serialize;
use utoipa::ToSchema;

/// Where a destination is used. `GET /v1/aliases?destination=` lists the aliases.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DestinationUses)]
pub struct UsesShape {
    /// How many aliases lead to it, as far as they are counted.
    pub aliases: u64,
    /// There are more than are counted.
    pub more: bool,
    /// The newest of them, fifty at most.
    pub newest: Vec<String>,
    /// New aliases lead to it where nothing else is said.
    pub default: bool,
    /// Domains whose mail for postmaster and abuse goes there, as they say.
    pub contact_of: Vec<String>,
    /// Domains that name nobody for that mail who gets any: it goes there as to the account's default, or to its first verified
    /// destination where no default is verified.
    pub default_contact_of: Vec<String>,
    /// Where the mail of both goes once this destination is removed; nothing where it is held then.
    pub contact_after: Option<String>,
    /// Tokens whose aliases lead to it where nothing else is said, by name.
    pub tokens: Vec<String>,
    /// Patterns that may compute it.
    pub computed: Vec<ComputedShape>,
}

/// A pattern that computes where its mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ComputedDestination)]
pub struct ComputedShape {
    /// The alias.
    pub alias: String,
    /// What it computes by, such as `$1@inbox.example`.
    pub destination: String,
}

/// A destination that is to take another one's place.
#[derive(Debug, ToSchema)]
#[schema(as = ReplaceForm)]
#[serde(deny_unknown_fields)]
pub struct ReplaceForm {
    /// Its address: a verified destination.
    #[schema(example = "new@inbox.example")]
    pub to: String,
    /// Only says what would change.
    pub dry_run: Option<bool>,
}

/// What leads to the new destination now.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ReplacedDestination)]
pub struct ReplacedShape {
    /// The destination of before.
    pub from: String,
    /// The new one.
    pub to: String,
    /// How many aliases lead to it instead; where it was only asked for, as far as they are counted.
    pub aliases: u64,
    /// It is the account's default instead.
    pub default: bool,
    /// Domains whose contact it is instead.
    pub contact_of: Vec<String>,
    /// Domains that name no contact, whose mail for postmaster and abuse goes to the new one as to the default.
    pub default_contact_of: Vec<String>,
    /// Tokens that bring it along instead, by name.
    pub tokens: Vec<String>,
    /// Patterns that may still compute the old one: they are as they were.
    pub untouched: Vec<ComputedShape>,
    /// Nothing was changed: it was only asked for.
    pub dry_run: bool,
}
