//! SRS addresses for people: what a sender becomes, and whom an address of ours stands for.

use crate::mail::{Domain, Host, LocalPart, Mailbox};
use crate::srs::{Reversed, Signed};

use super::{Actor, Admin, AdminError, Result};

impl Admin {
    /// The SRS address that stands for `sender`, on the shared SRS domain or on `domain`. A sender too long to be written
    /// into 64 octets is stored under a token.
    pub async fn srs_forward(&self, actor: &Actor, sender: &str, domain: Option<&str>) -> Result<Mailbox> {
        actor.must_be_admin("make SRS addresses")?;
        let sender = read_address(sender)?;
        let on = self.srs_domain(actor, domain).await?;
        Ok(Mailbox::new(self.srs_local(&sender).await?, Host::Name(on)))
    }

    /// The sender for whom an SRS address of ours stands.
    pub async fn srs_reverse(&self, actor: &Actor, address: &str) -> Result<Mailbox> {
        actor.must_be_admin("read SRS addresses")?;
        let address = read_address(address)?;
        let reversed = self.facts.reverse(address.local());
        match reversed.map_err(|why| AdminError::field("address", format!("{address}: {why}")))? {
            Reversed::Sender(sender) | Reversed::FirstHop(sender) => Ok(sender),
            Reversed::Token(token) => {
                let sender = self.store.queue.token_sender(&token).await?;
                sender.ok_or_else(|| AdminError::missing("sender stored for", address))
            }
        }
    }

    /// The local part of the SRS address for a sender, by a stored token where need be.
    pub(super) async fn srs_local(&self, sender: &Mailbox) -> Result<LocalPart> {
        match self.sign(sender) {
            Signed::Local(local) => Ok(local),
            Signed::TooLong => self.sign_token(sender).await,
        }
    }

    /// Signs a sender as a message of today would be.
    pub(super) fn sign(&self, sender: &Mailbox) -> Signed {
        self.facts.ring.load().sign(sender, self.clock.now().day())
    }

    async fn sign_token(&self, sender: &Mailbox) -> Result<LocalPart> {
        let now = self.clock.now();
        let too_long = || AdminError::field("address", "no SRS address can be made for this sender");
        let domain = sender.domain().ok_or_else(too_long)?;
        let token = self.store.queue.store_token(sender, now).await?;
        self.facts.ring.load().sign_token(domain, &token, now.day()).ok_or_else(too_long)
    }

    async fn srs_domain(&self, actor: &Actor, domain: Option<&str>) -> Result<Domain> {
        if let Some(name) = domain {
            return Ok(self.find_domain(actor, name).await?.name);
        }
        if let Some(shared) = self.facts.instance.load().srs_domain.clone() {
            return Ok(shared);
        }
        let first = self.domains(actor, None, &super::Paging { limit: Some(1), cursor: None }).await?;
        let name = first.items.first().and_then(|domain| Domain::parse(&domain.name).ok());
        name.ok_or_else(|| {
            AdminError::Conflict("Add a domain first: SRS addresses are made on one of yours.".to_owned())
        })
    }
}

fn read_address(text: &str) -> Result<Mailbox> {
    let parsed = Mailbox::parse(text.trim());
    parsed.map_err(|why| AdminError::field("address", format!("“{text}” is not an address: {why}")))
}
