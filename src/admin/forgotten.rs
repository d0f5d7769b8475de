//! A forgotten password: whoever asks hears the same at once, and where there is such an account, a mail brings it a link.
//!
//! Nothing of the answer, nor the time that it takes, depends on whether there is one: the work is done behind it. How many
//! mails that makes is bounded for an account, for a network and in all.

use std::net::IpAddr;

use serde_json::json;

use crate::mail::link_mail::LinkFor;
use crate::mail::{Mailbox, told_in_unicode};
use crate::policy::deeds::Deed;
use crate::policy::ids::AccountId;
use crate::policy::status::OwnMail;

use super::letters::Letter;
use super::password_links::PasswordLink;
use super::sign_in::folded_email;
use super::{Actor, Admin, AdminError, RESET_LIFETIME, Result, Subject};

/// Why no mail can bring a link, and who can.
const NO_ADDRESS: &str = "This gateway has no address that a link in a mail could lead to. Whoever looks after it makes you a \
                          link in Settings, under People (Password link), or sets your password (waypost user \
                          set-password). With http.public_url set, a mail can bring the link.";

impl Admin {
    /// Why nobody can be sent a link, where that is so.
    #[must_use]
    pub fn no_link_by_mail(&self) -> Option<&'static str> {
        self.links_at.is_none().then_some(NO_ADDRESS)
    }

    /// Has a link sent that sets a new password, if there is such an account; the answer is the same if there is none.
    pub fn forgotten_password(&self, email: &str, ip: IpAddr) -> Result<()> {
        if let Some(why) = self.no_link_by_mail() {
            return Err(AdminError::Conflict(why.to_owned()));
        }
        let email = folded_email(email);
        if !self.guesses.may_ask_for_link(&email, ip, self.clock.now())? {
            return Ok(());
        }
        let admin = self.clone();
        tokio::spawn(async move {
            if let Err(error) = admin.send_password_link(&email).await {
                tracing::warn!(%error, "no mail is sent to somebody who forgot their password");
            }
        });
        Ok(())
    }

    async fn send_password_link(&self, email: &str) -> Result<()> {
        let Some(base) = &self.links_at else { return Ok(()) };
        let Some((account, email)) = self.account_to_help(email).await? else { return Ok(()) };
        let no_inbox = |_| AdminError::Conflict(format!("{email} is no address that mail could go to"));
        let about = Mailbox::parse(&email).map_err(no_inbox)?;
        let to = match self.way_to(&about).await? {
            Way::To(inbox) => inbox,
            Way::Nowhere(why) => return self.note_unsent((account, &email), &why).await,
        };
        let Some(PasswordLink { account, secret, .. }) = self.password_link(&email).await? else { return Ok(()) };
        let link = format!("{}/reset/{}", base.trim_end_matches('/'), secret.text());
        let letter = Letter {
            own: OwnMail::Password,
            subject: LinkFor::NewPassword.subject().to_owned(),
            account,
            to,
            about,
            reason: "A mail of the gateway itself, for somebody who forgot their password; it waits for its first try",
        };
        let sending = self.begin_letter().await?;
        let text = sending.text_of_link(&letter, (LinkFor::NewPassword, &link, RESET_LIFETIME));
        self.send_letter(sending, letter, &text).await
    }

    /// Whoever looks after the gateway finds in the audit log why no mail came.
    async fn note_unsent(&self, (account, email): (AccountId, &str), why: &str) -> Result<()> {
        let why = format!("{email} is an address of this gateway that leads nowhere: {why}");
        tracing::warn!(%why, "no mail is sent to somebody who forgot their password");
        let told = json!({ "why": why });
        let subject = Subject { object: email, before: None, after: Some(&told) };
        let entry = self.audit(&Actor::upkeep(account), Deed::LinkUnsent, &subject);
        Ok(self.store.accounts.audit(entry).await?)
    }

    /// Why no mail of the gateway reaches whoever signs in with this address, in sentences; none where nothing speaks against it.
    pub async fn lost_to(&self, actor: &Actor) -> Result<Option<String>> {
        let row = self.store.accounts.account(actor.account).await?;
        let Some(address) = row.email.as_deref().and_then(|email| Mailbox::parse(email).ok()) else { return Ok(None) };
        Ok(match self.way_to(&address).await? {
            Way::To(_) => None,
            Way::Nowhere(_) => Some(told_in_unicode(&format!(
                "Mail to {address} reaches nobody: it is on a domain of this gateway, and no alias leads it on to an inbox. A \
                 link for a forgotten password would not arrive, nor would a notice. Make it an alias that leads to your \
                 inbox, or sign in with another address. Without either, waypost panel-link on the server lets the owner in."
            ))),
        })
    }

    /// Where mail for an address goes: to itself, or, where it is an alias of this gateway, to its first destination. Whoever
    /// merely claims a domain must not be brought the links of others.
    async fn way_to(&self, address: &Mailbox) -> Result<Way> {
        let hosted = address.domain().and_then(|domain| self.store.directory.domain(domain));
        if !hosted.is_some_and(|hosted| hosted.verified) {
            return Ok(Way::To(address.clone()));
        }
        let decision = self.own_mail(address).await?;
        let first = decision.destinations().next().cloned();
        Ok(first.map_or_else(|| Way::Nowhere(decision.reason), Way::To))
    }
}

/// Where mail for an address goes.
enum Way {
    /// To this inbox.
    To(Mailbox),
    /// To none, and why.
    Nowhere(String),
}
