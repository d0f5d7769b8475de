//! What came lately of clients, senders and for addresses: the counts behind `[limits]`, each bounded in memory and forgotten
//! with the process. The door asks and counts; the simulator asks the same and counts nothing.
//!
//! What is too much is said by `policy`. Where a limit is off nothing is counted for it, so it costs nothing.

mod table;

use std::fmt::Display;
use std::net::IpAddr;

use crate::mail::{Domain, Moment};
use crate::policy::admission::{Decision, Refusal};
use crate::policy::ids::AliasId;
use crate::policy::limits::{Limit, Limits};
use crate::policy::status::TraceStep;

pub use table::{Key, Table};

/// The counts.
#[derive(Debug)]
pub struct Counts {
    /// Connections of a client.
    pub connections: Table<IpAddr>,
    /// Messages of a client.
    pub messages: Table<IpAddr>,
    /// Unknown recipients that a client has named; counted without a limit too, since their refusals are held back by it.
    pub unknown: Table<IpAddr>,
    /// Messages of an authenticated sender domain.
    pub sender_domains: Table<Domain>,
    aliases: Table<AliasId>,
    /// By their keys.
    destinations: Table<String>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            connections: Table::of(Limit::Connections),
            messages: Table::of(Limit::Messages),
            unknown: Table::of(Limit::UnknownRecipients),
            sender_domains: Table::of(Limit::SenderDomain),
            aliases: Table::of(Limit::Alias),
            destinations: Table::of(Limit::Destination),
        }
    }
}

/// Who asks how much there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A client at the door, or somebody who sees the whole gateway and names one.
    Client(IpAddr),
    /// Somebody who names no client: what is counted of clients is not known then.
    Nobody,
    /// Somebody who sees their own aliases only: what others got is not theirs to know.
    Member,
}

/// A question about one message or recipient.
#[derive(Debug, Clone, Copy)]
pub struct Inquest<'a> {
    /// The counts.
    pub counts: &'a Counts,
    /// The limits that are set.
    pub limits: Limits,
    /// When, by the steady clock.
    pub now: Moment,
    /// Who asks.
    pub asker: Asker,
    /// No recipient of this transaction was taken before: with this one, a message begins.
    pub begins_message: bool,
}

/// Which way a recipient counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It was taken.
    Taken,
    /// No message came for it after all.
    GivenBack,
}

impl Counted {
    fn of<K: Key>(self, table: &Table<K>, key: K, now: Moment) {
        match self {
            Self::Taken => table.add(key, now),
            Self::GivenBack => table.take_back(&key),
        }
    }
}

/// A step of the trace where there is a limit, or the refusal.
type Judged = Result<Option<TraceStep>, Box<Refusal>>;

impl Inquest<'_> {
    /// Whether one more recipient may come, by the limits in the order of how little they tell: of the client first.
    pub fn judge(&self, decision: &Decision) -> Result<Vec<TraceStep>, Box<Refusal>> {
        let mut steps = Vec::new();
        if self.limits == Limits::default() {
            return Ok(steps);
        }
        if self.begins_message {
            steps.extend(self.of_client(Limit::Messages, &self.counts.messages)?);
        }
        for (alias, rule) in decision.aliases() {
            steps.extend(self.within(Limit::Alias, &self.counts.aliases, (&alias, &rule.pattern))?);
        }
        for destination in decision.destinations() {
            let whose = (&destination.key(), destination);
            steps.extend(self.within(Limit::Destination, &self.counts.destinations, whose)?);
        }
        Ok(steps)
    }

    /// Whether the client may go on connecting, or asking for recipients: one that has named too many unknown ones learns
    /// nothing any more.
    pub fn of_client(&self, limit: Limit, table: &Table<IpAddr>) -> Judged {
        match self.asker {
            Asker::Client(client) => self.within(limit, table, (&client, &client)),
            Asker::Nobody | Asker::Member => Ok(self.limits.of(limit).map(|most| limit.applies(most, &"one client"))),
        }
    }

    /// Whether one more message of an authenticated sender domain may come.
    pub fn of_sender(&self, domain: &Domain) -> Judged {
        self.within(Limit::SenderDomain, &self.counts.sender_domains, (domain, domain))
    }

    fn within<K: Key>(&self, limit: Limit, table: &Table<K>, (key, whose): (&K, &impl Display)) -> Judged {
        let Some(most) = self.limits.of(limit) else { return Ok(None) };
        if self.asker == Asker::Member && limit != Limit::Alias {
            return Ok(Some(limit.applies(most, whose)));
        }
        limit.judge(most, table.count(key, self.now), whose).map(Some)
    }

    /// Counts a recipient.
    pub fn count(&self, decision: &Decision, counted: Counted) {
        let counts = |limit| self.limits.of(limit).is_some();
        if let (Asker::Client(client), true) = (self.asker, self.begins_message && counts(Limit::Messages)) {
            counted.of(&self.counts.messages, client, self.now);
        }
        if counts(Limit::Alias) {
            decision.aliases().for_each(|(alias, _)| counted.of(&self.counts.aliases, alias, self.now));
        }
        if counts(Limit::Destination) {
            decision.destinations().for_each(|to| counted.of(&self.counts.destinations, to.key(), self.now));
        }
    }
}
