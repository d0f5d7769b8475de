//! The first set-up: its link is used up in the step that makes the owner's account one to sign in to, or neither happens.

use sqlx::SqliteConnection;

use super::{AccountRow, Accounts, AuditEntry, LinkPurpose, credentials, people, sessions};
use crate::mail::Moment;
use crate::store::Result;

/// What the link sets up.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// The SHA-256 of the link's secret.
    pub link: [u8; 32],
    /// Now.
    pub at: Moment,
    /// The owner's account as it is to be.
    pub account: AccountRow,
    /// What the password is compared with.
    pub password_hash: String,
    /// Of the change of the account, and of its password.
    pub audit: [AuditEntry; 2],
}

impl Accounts {
    /// Uses the link up and sets the owner's address and password; `NotFound` where the link is good no more.
    pub async fn set_up(&self, set_up: SetUp) -> Result<()> {
        self.writer.change(set_up, |c, set_up| Box::pin(store(c, set_up))).await
    }
}

async fn store(connection: &mut SqliteConnection, set_up: &SetUp) -> Result<()> {
    let SetUp { link, at, account, password_hash, audit: [change, password] } = set_up;
    sessions::use_link(connection, (*link, LinkPurpose::Setup, *at)).await?;
    people::change(connection, &(account.clone(), change.clone())).await?;
    let password = (account.key, password_hash.clone(), None, password.clone());
    credentials::set_password(connection, &password).await
}
