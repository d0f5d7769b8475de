//! What people are: of the whole gateway, and of single domains that are not theirs. Ordered by how far each goes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Of the whole gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Has domains of their own, and sees nothing of others.
    Member,
    /// Sees and changes everything but the owner and other admins.
    Admin,
    /// Account 1: everything.
    Owner,
}

impl Role {
    /// As it is stored and written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Reads what [`Role::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Member, Self::Admin, Self::Owner].into_iter().find(|role| role.as_str() == text)
    }
}

/// Of one domain that belongs to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainRole {
    /// Sees the domain, its aliases and its log without subjects.
    Viewer,
    /// Does there what its owner may, but for removing it.
    Manager,
}

impl DomainRole {
    /// As it is stored and written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Manager => "manager",
        }
    }

    /// Reads what [`DomainRole::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Manager].into_iter().find(|role| role.as_str() == text)
    }
}
