//! Notices: what the owner is told without having asked. Facts in, causes in words out ([`causes`]); what is remembered of
//! causes and what is seen now, news out ([`memory`]): one mail when a cause begins, one when it is over, and quiet in
//! between, however it flickers. Whom to tell never leads through what fails ([`recipients`]).
//!
//! The overview and the mails are fed by the same table, so that neither knows what the other does not.

pub mod causes;
pub mod digest;
pub mod memory;
pub mod recipients;
pub mod words;

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::checkup::Severity;
use crate::mail::Moment;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// The cause that the DNS finds.
const NO_MAIL: &str = "no_mail";

/// What kind of cause it is; mail is chosen for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NoticeKind)]
pub enum Kind {
    /// A destination takes no mail.
    Refusing,
    /// A provider takes some, and slowly.
    Throttled,
    /// Mail waits, and no next hop is to blame.
    Waiting,
    /// A message failed and its sender could not be told.
    Untold,
    /// An inbox has refused its mail for days.
    Bouncing,
    /// Mail is held until somebody releases it.
    Held,
    /// Records of a domain are not as they must be.
    Drift,
    /// The certificate ends, is for another name, or is not renewed.
    Certificate,
    /// The disk of the data is low.
    Disk,
    /// A backup that is made by itself failed.
    Backup,
    /// An address of the gateway is on a list.
    Listed,
    /// What else the doctor finds of the gateway and its host.
    Gateway,
}

impl Kind {
    /// All, as people choose among them.
    pub const ALL: [Self; 12] = [
        Self::Refusing,
        Self::Throttled,
        Self::Waiting,
        Self::Untold,
        Self::Bouncing,
        Self::Held,
        Self::Drift,
        Self::Certificate,
        Self::Disk,
        Self::Backup,
        Self::Listed,
        Self::Gateway,
    ];

    /// As it is stored, and as `notify.mute` writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refusing => "refusing",
            Self::Throttled => "throttled",
            Self::Waiting => "waiting",
            Self::Untold => "untold",
            Self::Bouncing => "bouncing",
            Self::Held => "held",
            Self::Drift => "drift",
            Self::Certificate => "certificate",
            Self::Disk => "disk",
            Self::Backup => "backup",
            Self::Listed => "listed",
            Self::Gateway => "gateway",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// In the words of a list to choose from.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Refusing => "A destination has taken no mail for an hour, or its domain takes none",
            Self::Throttled => "A provider has taken mail slowly for an hour",
            Self::Waiting => "Mail has waited for hours",
            Self::Untold => "A message failed and its sender was not told",
            Self::Bouncing => "An inbox has refused its mail for three days",
            Self::Held => "Mail is held until you release it",
            Self::Drift => "DNS records of a domain differ",
            Self::Certificate => "The certificate ends, is wrong, or is not renewed",
            Self::Disk => "The disk is low",
            Self::Backup => "A backup failed",
            Self::Listed => "The gateway's address is on a blocklist",
            Self::Gateway => "What else keeps the gateway from working well",
        }
    }

    /// How long a cause must stand before it is told; those whose definition says how long wait no longer.
    const fn patience(self) -> Duration {
        match self {
            Self::Drift | Self::Held | Self::Certificate => HOUR,
            // Once a site is back, what has waited for it is gone in a while.
            Self::Throttled => MINUTE.saturating_mul(30),
            // What has just been mended is on its way.
            Self::Refusing | Self::Disk => MINUTE.saturating_mul(2),
            _ => Duration::ZERO,
        }
    }

    /// Where people see to it, in the panel.
    fn page(self, subject: &str) -> String {
        match self {
            // One inbox, and not all of its host.
            Self::Refusing if subject.contains('@') => "/destinations".to_owned(),
            Self::Bouncing => "/destinations".to_owned(),
            Self::Refusing | Self::Throttled | Self::Waiting | Self::Untold | Self::Held => "/queue".to_owned(),
            Self::Drift => format!("/domains/{subject}"),
            Self::Backup => "/settings/server".to_owned(),
            Self::Certificate | Self::Disk | Self::Listed | Self::Gateway => "/settings/notices".to_owned(),
        }
    }

    /// Whether its subject is where mail goes.
    const fn speaks_of_destination(self) -> bool {
        matches!(self, Self::Refusing | Self::Throttled | Self::Waiting | Self::Untold | Self::Bouncing)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is found of how the server is set, and is seen there.
const SET: [&str; 5] = ["clients_hidden", "dns_does_not_answer", "not_on_port_25", "port_taken", "source_not_here"];

/// Something that somebody should see to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// A word that stays the same; with the subject, what a cause is known again by.
    pub id: String,
    /// Of what kind.
    pub kind: Kind,
    /// Which domain, destination or address it is about.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when it stands, where that is known.
    pub since: Option<Moment>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Cause {
    /// What it is known again by.
    #[must_use]
    pub fn key(&self) -> (String, String) {
        (self.id.clone(), self.subject.clone())
    }

    /// Whether it speaks of a destination, which is then no way to tell it by.
    #[must_use]
    pub const fn is_in_the_way(&self) -> bool {
        self.kind.speaks_of_destination()
    }

    /// Where people see to it, in the panel.
    #[must_use]
    pub fn page(&self) -> String {
        if self.id == NO_MAIL {
            return format!("/destinations?q={}", self.subject);
        }
        match self.id.as_str() {
            "port_25_out_blocked" => "/help/port-25".to_owned(),
            id if SET.contains(&id) => "/settings/server".to_owned(),
            _ => self.kind.page(&self.subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_looked_at_is_where_something_is_to_be_seen() {
        let page = |id: &str| {
            let cause = Cause {
                id: id.to_owned(),
                kind: Kind::Gateway,
                subject: "192.0.2.7".to_owned(),
                severity: Severity::Fault,
                since: None,
                what: String::new(),
                remedy: String::new(),
            };
            cause.page()
        };
        assert_eq!(page("port_25_out_blocked"), "/help/port-25");
        for id in ["clients_hidden", "dns_does_not_answer", "not_on_port_25"] {
            assert_eq!(page(id), "/settings/server", "{id}");
        }
    }

    #[test]
    fn every_kind_reads_its_own_word_and_no_two_share_one() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("no such"), None);
        let words: std::collections::BTreeSet<_> = Kind::ALL.map(Kind::title).into();
        assert_eq!(words.len(), Kind::ALL.len());
    }
}
