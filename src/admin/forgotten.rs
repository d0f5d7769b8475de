//! A forgotten password: whoever asks hears the same at once, and where there is such an account, a mail brings it a link.
//!
//! Nothing of the answer, nor the time that it takes, depends on whether there is one: the work is done behind it. How many
//! mails that makes is bounded for an account, for a network and in all.

use std::net::IpAddr;

use crate::mail::Mailbox;
use crate::mail::link_mail::LinkFor;
use crate::policy::status::OwnMail;

use super::letters::Letter;
use super::people::PasswordLink;
use super::sign_in::folded_email;
use super::{Admin, AdminError, RESET_LIFETIME, Result};

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
        let Some(PasswordLink { account, email, secret }) = self.password_link(email).await? else { return Ok(()) };
        let no_inbox = |_| AdminError::Conflict(format!("{email} is no address that mail could go to"));
        let about = Mailbox::parse(&email).map_err(no_inbox)?;
        let link = format!("{}/reset/{}", base.trim_end_matches('/'), secret.text());
        let letter = Letter {
            own: OwnMail::Password,
            subject: LinkFor::NewPassword.subject().to_owned(),
            account,
            to: self.inbox_of(&about).await?,
            about,
            reason: "A mail of the gateway itself, for somebody who forgot their password; it waits for its first try",
        };
        let sending = self.begin_letter().await?;
        let text = sending.text_of_link(&letter, (LinkFor::NewPassword, &link, RESET_LIFETIME));
        self.send_letter(sending, letter, &text).await
    }

    /// Where mail for an address goes: to itself, or, where it is an alias of this gateway, to its first destination. Whoever
    /// merely claims a domain must not be brought the links of others.
    async fn inbox_of(&self, address: &Mailbox) -> Result<Mailbox> {
        let hosted = address.domain().and_then(|domain| self.store.directory.domain(domain));
        if !hosted.is_some_and(|hosted| hosted.verified) {
            return Ok(address.clone());
        }
        let decision = self.own_mail(address).await?;
        decision.destinations().next().cloned().ok_or_else(|| {
            let why = &decision.reason;
            AdminError::Conflict(format!("{address} is an address of this gateway that leads nowhere: {why}"))
        })
    }
}
