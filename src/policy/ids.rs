//! Integer keys, one type each, so that none is taken for another.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);
    )+};
}

id! {
    /// An account; 1 is the owner.
    AccountId,
    /// A hosted domain.
    DomainId,
    /// An alias.
    AliasId,
    /// A destination.
    DestinationId,
}

/// No account: whoever asks on its behalf is shown nothing but what lies beside it.
pub const NOBODY: AccountId = AccountId(0);
/// The owner's account.
pub const OWNER: AccountId = AccountId(1);
