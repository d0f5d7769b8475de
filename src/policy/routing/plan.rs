//! From the decisions on a transaction's recipients to its deliveries: fan-out, de-duplication, one choice of SRS domain.

use std::collections::HashMap;

use super::super::admission::{Decision, Disposition, Leg};
use super::super::alignment::{self, Rewrite};
use super::super::facts::MessageFacts;
use super::super::settings::{Instance, TlsPolicy};
use crate::mail::Mailbox;

/// One delivery of a transaction: one copy for one inbox, however many aliases led there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Indexes of the decisions that meet in this inbox, in the order of RCPT: an activity row for each.
    pub recipients: Vec<usize>,
    /// The real inbox.
    pub destination: Mailbox,
    /// A Delivered-To line for each, the aliases of the first recipient first; none twice.
    pub delivered_to: Vec<Mailbox>,
    /// The stricter one where the aliases differ.
    pub tls: TlsPolicy,
    /// Where the reverse-path is rewritten.
    pub srs_on: Rewrite,
    /// Whether the prefix of this delivery has X-Forwarded-To and -For.
    pub forwarded_headers: bool,
}

impl Planned {
    /// Whether both may travel in one SMTP transaction: same host, same prefix, same reverse-path, same TLS policy.
    /// [`plan`] puts such deliveries side by side.
    #[must_use]
    pub fn shares_parcel(&self, other: &Self) -> bool {
        // X-Forwarded-To names the destination, so a prefix with it is never shared.
        !self.forwarded_headers
            && !other.forwarded_headers
            && self.destination.host() == other.destination.host()
            && self.tls == other.tls
            && self.srs_on == other.srs_on
            && self.delivered_to == other.delivered_to
    }

    fn new(index: usize, decision: &Decision, leg: &Leg, srs_on: Rewrite) -> Self {
        Self {
            recipients: vec![index],
            destination: leg.destination.clone(),
            delivered_to: leg.delivered_to.clone(),
            tls: decision.tls,
            srs_on,
            forwarded_headers: decision.forwarded_headers,
        }
    }

    /// Two aliases meet in one inbox: one delivery serves both.
    fn merge(&mut self, other: Self) {
        for index in other.recipients {
            if !self.recipients.contains(&index) {
                self.recipients.push(index);
            }
        }
        for alias in other.delivered_to {
            if self.delivered_to.iter().all(|known| known.key() != alias.key()) {
                self.delivered_to.push(alias);
            }
        }
        if other.tls == TlsPolicy::Require {
            self.tls = TlsPolicy::Require;
        }
        if self.srs_on == Rewrite::Leave {
            self.srs_on = other.srs_on;
        }
        self.forwarded_headers |= other.forwarded_headers;
    }
}

/// The deliveries of one transaction. `decisions` are those of the recipients that were answered 250, each with its
/// recipient as written; only [`Disposition::Forward`] makes deliveries. Those that may share an SMTP transaction
/// ([`Planned::shares_parcel`]) lie side by side.
#[must_use]
pub fn plan(decisions: &[(Mailbox, Decision)], facts: &MessageFacts, settings: &Instance) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    let mut inboxes: HashMap<String, usize> = HashMap::new();
    for (index, (_, decision)) in decisions.iter().enumerate() {
        let Disposition::Forward(legs) = &decision.disposition else { continue };
        let srs_on = srs_on(decision, facts, settings);
        for leg in legs {
            let delivery = Planned::new(index, decision, leg, srs_on.clone());
            match inboxes.get(&leg.destination.key()) {
                Some(&known) => planned[known].merge(delivery),
                None => {
                    inboxes.insert(leg.destination.key(), planned.len());
                    planned.push(delivery);
                }
            }
        }
    }
    planned.sort_by(|a, b| parcel_order(a).cmp(&parcel_order(b)));
    planned
}

fn parcel_order(planned: &Planned) -> (&crate::mail::Host, &[Mailbox], bool) {
    (planned.destination.host(), &planned.delivered_to, planned.tls == TlsPolicy::Require)
}

fn srs_on(decision: &Decision, facts: &MessageFacts, settings: &Instance) -> Rewrite {
    match &decision.srs_domain {
        Some(wanted) => alignment::rewrite(facts, wanted, settings.srs_domain.as_ref()),
        None => Rewrite::Leave,
    }
}
