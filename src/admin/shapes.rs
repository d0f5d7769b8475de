//! What the API shows: the shapes of INTERFACES, made from rows. `id` is the UUID in every one of them.

mod activity;
mod alias;
mod domain;
mod forms;
mod others;
mod people;
mod records;
mod tried;
mod uses;

use serde::Serialize;
use utoipa::ToSchema;

pub(super) use activity::status_word;
pub use activity::{ActivityDetail, ActivityShape, BounceShape, Envelopes};
pub use alias::{AliasShape, ExpiresAfter, alias_name};
pub use domain::{CatchAll, DomainShape};
pub use forms::{
    AliasForm, AliasTrialForm, BatchForm, DestinationForm, DomainForm, DomainsForm, MeForm, RandomAliasForm,
    ResendForm, RouteForm, SettingsForm, TokenForm, TotpForm, UserForm,
};
pub use others::{
    DestinationShape, EnvelopeChange, NoMailShape, QueueShape, RouteShape, TokenShape, VerificationShape,
    WaitingMailShape,
};
pub use people::{AuditShape, GrantShape, MeShape, NewTotpShape, SessionShape, TotpOnShape, UserShape};
pub use records::{RecordShape, RecordsShape};
pub use tried::{MatchedShape, RuleNamed, TriedShape};
pub use uses::{ComputedShape, ReplaceForm, ReplacedShape, UsesShape};

/// One page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = List)]
pub struct ListShape<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}
