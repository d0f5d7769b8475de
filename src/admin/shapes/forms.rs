//! What changes are written as: the bodies that the API takes, for its description. `Form` reads them field by field, and
//! a test holds both together. A field that is left out keeps what is there; `null` sets the default.

use utoipa::ToSchema;

use crate::policy::rule::{Action, After, Privacy};
use crate::policy::settings::Overrides;

use super::{CatchAll, ExpiresAfter, GrantShape};

/// An alias, new or changed. A new one has `address`, or `local_part` with `domain`; neither changes later.
#[derive(Debug, ToSchema)]
#[schema(as = AliasForm)]
#[serde(deny_unknown_fields)]
pub struct AliasForm {
    /// An address, a glob, a regular expression between slashes, or `*@…`, the catch-all.
    #[schema(example = "shop@my.example")]
    pub address: Option<String>,
    /// What stands before the @, where `address` is left out.
    pub local_part: Option<String>,
    /// The domain, where `address` is left out; by default the token's.
    pub domain: Option<String>,
    /// What it does; `create` is for the catch-all alone.
    #[schema(required = false)]
    pub action: Action,
    /// Where to; by default the token's or the account's default destination.
    #[schema(max_items = 100)]
    pub destinations: Option<Vec<String>>,
    /// Switched on.
    #[schema(required = false)]
    pub enabled: bool,
    /// The smaller is tried first.
    #[schema(minimum = -1_000_000, maximum = 1_000_000)]
    pub priority: Option<i64>,
    /// A note.
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// Labels.
    #[schema(max_items = 20)]
    pub labels: Option<Vec<String>>,
    /// Ends at this time (RFC 3339, or a date alone).
    pub expires_at: Option<String>,
    /// Ends after so many messages in all, those that have come already included, or after so long without one (`30d`). A
    /// number that is reached already is refused.
    pub expires_after: Option<ExpiresAfter>,
    /// What is done once it has ended.
    #[schema(required = false)]
    pub then: After,
    /// Senders let in whatever else blocks them: an address, `@domain`, or a glob.
    #[schema(max_items = 500)]
    pub allow: Option<Vec<String>>,
    /// Kept out, as senders of the envelope or as authors (From).
    #[schema(max_items = 500)]
    pub block: Option<Vec<String>>,
    /// Messages in rolling 24 hours.
    #[schema(minimum = 1)]
    pub quota: Option<u64>,
    /// What the log keeps.
    #[schema(required = false)]
    pub privacy: Privacy,
    /// What senders are told where it rejects: one line of ASCII.
    #[schema(max_length = 200)]
    pub reject_message: Option<String>,
    /// Settings of this alias.
    pub policy: Option<Overrides>,
}

/// Many changes of aliases.
#[derive(Debug, ToSchema)]
#[schema(as = BatchForm)]
#[serde(deny_unknown_fields)]
pub struct BatchForm {
    /// All or none (true, as where it is left out), or each by itself.
    pub atomic: Option<bool>,
    /// What is to be done, in this order.
    #[schema(min_items = 1, max_items = 1000)]
    pub operations: Vec<BatchOperation>,
}

/// One change: beside these two it has the fields of an alias.
#[derive(Debug, ToSchema)]
#[schema(as = BatchOperation)]
pub struct BatchOperation {
    /// What is done.
    pub op: BatchOperationKind,
    /// Which alias, where it is not a new one: its id, or the alias as it is written.
    pub id: Option<String>,
}

/// What is done.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum BatchOperationKind {
    /// Make.
    Create,
    /// Change.
    Update,
    /// Remove.
    Delete,
    /// Switch on.
    Enable,
    /// Switch off.
    Disable,
}

/// An alias of a random name.
#[derive(Debug, ToSchema)]
#[schema(as = RandomAliasForm)]
#[serde(deny_unknown_fields)]
pub struct RandomAliasForm {
    /// `words`, `characters`, `hex`, `uuid` or `site`; by default the token's, else the domain's.
    pub format: Option<String>,
    /// The website that it is for, whose name begins the alias where the format is `site`.
    #[schema(example = "shop.example")]
    pub r#for: Option<String>,
    /// The domain; by default the token's, or the only one.
    pub domain: Option<String>,
    /// Where to; by default the token's or the account's default destination.
    #[schema(max_items = 100)]
    pub destinations: Option<Vec<String>>,
    /// A note.
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// Labels.
    #[schema(max_items = 20)]
    pub labels: Option<Vec<String>>,
}

/// An alias that is tried before it is saved: `address`, or `local_part` with `domain`.
#[derive(Debug, ToSchema)]
#[schema(as = AliasTrialForm)]
#[serde(deny_unknown_fields)]
pub struct AliasTrialForm {
    /// An address, a glob, a regular expression between slashes, or `*@…`.
    #[schema(example = "shop-*@my.example")]
    pub address: Option<String>,
    /// What stands before the @, where `address` is left out.
    pub local_part: Option<String>,
    /// The domain, where `address` is left out; by default the token's.
    pub domain: Option<String>,
    /// The smaller is tried first.
    #[schema(minimum = -1_000_000, maximum = 1_000_000)]
    pub priority: Option<i64>,
    /// Days to look back (7 where it is left out).
    #[schema(required = false, minimum = 1, maximum = 90)]
    pub days: u64,
}

/// A domain, new or changed.
#[derive(Debug, ToSchema)]
#[schema(as = DomainForm)]
#[serde(deny_unknown_fields)]
pub struct DomainForm {
    /// The name of a new domain; it does not change later.
    #[schema(example = "my.example")]
    pub name: Option<String>,
    /// `shop+tag` finds `shop`.
    #[schema(required = false)]
    pub subaddressing: bool,
    /// The tag is passed on to the destination.
    #[schema(required = false)]
    pub keep_tag: bool,
    /// The domain of its SRS addresses, where not its own: one of yours.
    pub srs_domain: Option<String>,
    /// How its random aliases look: `words`, `characters`, `hex`, `uuid` or `site`.
    pub alias_format: Option<String>,
    /// Who gets mail for postmaster and abuse: one of your destinations.
    pub contact: Option<String>,
    /// What is done with mail that no alias takes.
    pub catch_all: Option<CatchAll>,
    /// Where such mail goes.
    #[schema(max_items = 100)]
    pub catch_all_destinations: Option<Vec<String>>,
    /// Senders let in: an address, `@domain`, or a glob.
    #[schema(max_items = 500)]
    pub allow: Option<Vec<String>>,
    /// Senders kept out.
    #[schema(max_items = 500)]
    pub block: Option<Vec<String>>,
    /// Settings of this domain.
    pub policy: Option<Overrides>,
    /// One of your domains, whose aliases are then this one's too: a mirror.
    pub mirror_of: Option<String>,
    /// One of your domains, with whose settings and aliases a new one begins.
    pub like: Option<String>,
}

/// Many new domains.
#[derive(Debug, ToSchema)]
#[schema(as = DomainsForm)]
#[serde(deny_unknown_fields)]
pub struct DomainsForm {
    /// The names.
    #[schema(min_items = 1, max_items = 100)]
    pub names: Vec<String>,
    /// `shop+tag` finds `shop`.
    #[schema(required = false)]
    pub subaddressing: bool,
    /// The tag is passed on to the destination.
    #[schema(required = false)]
    pub keep_tag: bool,
    /// The domain of their SRS addresses, where not their own: one of yours.
    pub srs_domain: Option<String>,
    /// How their random aliases look: `words`, `characters`, `hex`, `uuid` or `site`.
    pub alias_format: Option<String>,
    /// Who gets mail for postmaster and abuse: one of your destinations.
    pub contact: Option<String>,
    /// What is done with mail that no alias takes.
    pub catch_all: Option<CatchAll>,
    /// Where such mail goes.
    #[schema(max_items = 100)]
    pub catch_all_destinations: Option<Vec<String>>,
    /// Senders let in: an address, `@domain`, or a glob.
    #[schema(max_items = 500)]
    pub allow: Option<Vec<String>>,
    /// Senders kept out.
    #[schema(max_items = 500)]
    pub block: Option<Vec<String>>,
    /// Settings of these domains.
    pub policy: Option<Overrides>,
    /// One of your domains, whose aliases are then theirs too: mirrors.
    pub mirror_of: Option<String>,
    /// One of your domains, with whose settings and aliases they begin.
    pub like: Option<String>,
}

/// A new destination.
#[derive(Debug, ToSchema)]
#[schema(as = DestinationForm)]
#[serde(deny_unknown_fields)]
pub struct DestinationForm {
    /// An inbox, or `@domain` to trust a whole domain.
    #[schema(example = "me@inbox.example")]
    pub address: String,
    /// The operator's word that the inbox is the owner's.
    pub verified: Option<bool>,
    /// New aliases use it.
    pub default: Option<bool>,
}

/// A new token.
#[derive(Debug, ToSchema)]
#[schema(as = TokenForm)]
#[serde(deny_unknown_fields)]
pub struct TokenForm {
    /// How people know it.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// `domains`, `aliases`, `destinations`, `activity`, `queue`, `account`, `admin`, each alone or with `:read` or
    /// `:write`; or `aliases:create`.
    #[schema(min_items = 1, max_items = 20)]
    pub scopes: Vec<String>,
    /// Only these domains.
    #[schema(max_items = 500)]
    pub domains: Option<Vec<String>>,
    /// The domain of new aliases that name none.
    pub default_domain: Option<String>,
    /// The format of random aliases: `words`, `characters`, `hex`, `uuid` or `site`.
    pub alias_format: Option<String>,
    /// Where new aliases send mail that name nothing.
    pub default_destination: Option<String>,
    /// Ends at this time (RFC 3339, or a date alone).
    pub expires_at: Option<String>,
}

/// A message that might come.
#[derive(Debug, ToSchema)]
#[schema(as = RouteForm)]
#[serde(deny_unknown_fields)]
pub struct RouteForm {
    /// The recipient.
    #[schema(example = "shop@my.example")]
    pub to: String,
    /// The sender; left out or empty for the null path.
    pub from: Option<String>,
    /// The client's address, where its SPF is to count.
    pub ip: Option<String>,
    /// The author that From names, where there is no header.
    pub author: Option<String>,
    /// The header, where its authors are to count: its text, or a list of its lines.
    pub headers: Option<serde_json::Value>,
}

/// To whom a delivery is sent again.
#[derive(Debug, ToSchema)]
#[schema(as = ResendForm)]
#[serde(deny_unknown_fields)]
pub struct ResendForm {
    /// Another verified destination; left out for the same one.
    pub destination: Option<String>,
}

/// An account, or what is to change of it. On changing, what is left out stays as it is.
#[derive(Debug, ToSchema)]
#[schema(as = UserForm)]
#[serde(deny_unknown_fields)]
pub struct UserForm {
    /// The address that the person signs in with; needed for a new account.
    #[schema(example = "anna@my.example")]
    pub email: Option<String>,
    /// A name.
    #[schema(max_length = 100)]
    pub name: Option<String>,
    /// `member` (of new accounts), or `admin`.
    pub role: Option<String>,
    /// Roles on domains of others.
    #[schema(max_items = 100)]
    pub domains: Option<Vec<GrantShape>>,
    /// A password. Left out of a new account, the answer has a link with which the person sets one.
    #[schema(min_length = 12)]
    pub password: Option<String>,
    /// Switched off.
    pub disabled: Option<bool>,
    /// `false` switches the authenticator off, for somebody who lost theirs.
    pub totp: Option<bool>,
}

/// What is to change of one's own account.
#[derive(Debug, ToSchema)]
#[schema(as = MeForm)]
#[serde(deny_unknown_fields)]
pub struct MeForm {
    /// Another address to sign in with.
    pub email: Option<String>,
    /// A name.
    #[schema(max_length = 100)]
    pub name: Option<String>,
    /// Another password; every other session ends.
    #[schema(min_length = 12)]
    pub password: Option<String>,
    /// The present password, which all but the name asks for.
    pub current_password: Option<String>,
}

/// An authenticator to be switched on (`secret`, `code` and `current_password`; empty to be given a secret) or off (`code`).
#[derive(Debug, ToSchema)]
#[schema(as = TotpForm)]
#[serde(deny_unknown_fields)]
pub struct TotpForm {
    /// The secret that was given.
    pub secret: Option<String>,
    /// What the authenticator shows, or a recovery code to switch it off.
    pub code: Option<String>,
    /// The present password, which switching on asks for.
    pub current_password: Option<String>,
}

/// Settings by their keys, such as `{"policy.spf": "enforce"}`; `null` takes back what was set here.
#[derive(Debug, ToSchema)]
#[schema(as = SettingsForm, value_type = Object)]
pub struct SettingsForm(pub std::collections::BTreeMap<String, serde_json::Value>);
