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
            let key = alias.key();
            if self.delivered_to.iter().all(|known| known.key() != key) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::admission::AfterData;
    use crate::policy::ids::OWNER;
    use crate::policy::rule::Privacy;
    use crate::policy::samples::{domain, instance, mailbox, message};
    use crate::policy::settings::{Enforcement, Unauthenticated};

    /// A recipient whose alias forwards along `ways`, each the aliases passed and the inbox: `a@d b@d > x@y`.
    fn forward(recipient: &str, ways: &[&str]) -> (Mailbox, Decision) {
        let leg = |way: &&str| {
            let (aliases, inbox) = way.split_once(" > ").unwrap();
            Leg { destination: mailbox(inbox), delivered_to: aliases.split(' ').map(mailbox).collect() }
        };
        let decision = decision(Disposition::Forward(ways.iter().map(leg).collect()));
        let srs_domain = mailbox(recipient).domain().cloned();
        (mailbox(recipient), Decision { srs_domain, ..decision })
    }

    fn decision(disposition: Disposition) -> Decision {
        let after_data = AfterData {
            account: OWNER,
            spf: Enforcement::Observe,
            dkim: Enforcement::Observe,
            dmarc: Enforcement::Enforce,
            unauthenticated: Unauthenticated::Accept,
            senders: None,
            inner: Vec::new(),
        };
        Decision {
            disposition,
            rule: None,
            let_in: false,
            alias: None,
            passed: Vec::new(),
            create: false,
            domain: None,
            account: OWNER,
            privacy: Privacy::Off,
            after_data,
            tls: TlsPolicy::Opportunistic,
            forwarded_headers: false,
            srs_domain: None,
            reason: String::new(),
            trace: Vec::new(),
        }
    }

    fn planned(decisions: &[(Mailbox, Decision)]) -> Vec<Planned> {
        plan(decisions, &message("a@sender.test", "sender.test"), &instance())
    }

    #[test]
    fn two_aliases_that_meet_in_one_inbox_are_one_delivery() {
        let planned = planned(&[
            forward("a@my.domain", &["a@my.domain > anna@inbox.example", "a@my.domain > bert@inbox.example"]),
            (mailbox("drop@my.domain"), decision(Disposition::Discard)),
            forward("b@my.domain", &["b@my.domain > Anna@INBOX.example"]),
        ]);
        let [bert, anna] = &planned[..] else { panic!("{planned:#?}") };
        assert_eq!((bert.recipients.as_slice(), anna.recipients.as_slice()), (&[0][..], &[0, 2][..]));
        assert_eq!(anna.delivered_to, ["a@my.domain", "b@my.domain"].map(mailbox));
        assert_eq!(anna.destination, mailbox("anna@inbox.example"));
    }

    #[test]
    fn two_ways_of_one_recipient_to_one_inbox_are_one_row() {
        let ways = ["a@my.domain > anna@inbox.example", "a@my.domain b@my.domain > anna@inbox.example"];
        let planned = planned(&[forward("a@my.domain", &ways)]);
        assert_eq!(planned.len(), 1);
        assert_eq!(planned[0].recipients, [0]);
        assert_eq!(planned[0].delivered_to, ["a@my.domain", "b@my.domain"].map(mailbox));
    }

    #[test]
    fn the_stricter_setting_counts_where_aliases_meet() {
        let mut strict = forward("b@my.domain", &["b@my.domain > anna@inbox.example"]);
        strict.1.tls = TlsPolicy::Require;
        strict.1.forwarded_headers = true;
        let planned = planned(&[forward("a@my.domain", &["a@my.domain > anna@inbox.example"]), strict]);
        assert_eq!((planned[0].tls, planned[0].forwarded_headers), (TlsPolicy::Require, true));
    }

    #[test]
    fn deliveries_that_may_share_a_transaction_lie_side_by_side() {
        let ways =
            ["a@my.domain > anna@inbox.example", "a@my.domain > x@other.example", "a@my.domain > bert@inbox.example"];
        let planned =
            planned(&[forward("a@my.domain", &ways), forward("b@my.domain", &["b@my.domain > carl@inbox.example"])]);
        let parcels: Vec<usize> = planned.chunk_by(Planned::shares_parcel).map(<[Planned]>::len).collect();
        assert_eq!(parcels, [2, 1, 1]);
    }

    #[test]
    fn the_guard_has_the_last_word_and_another_aliass_domain_may_do() {
        let both = [
            forward("a@my.domain", &["a@my.domain > anna@inbox.example"]),
            forward("b@our.domain", &["b@our.domain > anna@inbox.example"]),
        ];
        let forged = message("a@sender.test", "my.domain");
        let settings = instance();
        assert_eq!(plan(&both[..1], &forged, &settings)[0].srs_on, Rewrite::Leave);
        assert_eq!(plan(&both, &forged, &settings)[0].srs_on, Rewrite::On(domain("our.domain")));
        let plain = message("a@sender.test", "sender.test");
        assert_eq!(plan(&both, &plain, &settings)[0].srs_on, Rewrite::On(domain("my.domain")));
    }
}
