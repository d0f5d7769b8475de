//! Whether whoever was let in would be let in again: what outlives a request asks for it over and over.

use super::actor::Credential;
use super::error::if_there;
use super::{Actor, Admin, AdminError, Result};

impl Admin {
    /// Who asks, with the rights of now; nobody where the token was revoked, the session has ended, or the account was switched
    /// off or removed.
    pub async fn again(&self, actor: &Actor) -> Result<Option<Actor>> {
        let (accounts, now) = (&self.store.accounts, self.clock.now());
        let found = async {
            Ok(match actor.by {
                Credential::Inherent => actor.clone(),
                Credential::Session(id) => {
                    let row = accounts.session_by_id(id, now).await?;
                    Actor::session(&row, accounts.standing(row.account).await?)
                }
                Credential::Token(id) => {
                    let row = accounts.token(id, now).await?;
                    Actor::token(&row, accounts.standing(row.account).await?)
                }
            })
        };
        if_there(found.await)
    }

    /// The same, where nobody may go on.
    pub async fn still(&self, actor: &Actor) -> Result<Actor> {
        let ended = || AdminError::Forbidden("Your right to this ended meanwhile.".to_owned());
        self.again(actor).await?.ok_or_else(ended)
    }
}
