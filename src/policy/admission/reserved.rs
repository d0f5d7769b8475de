//! Addresses that have no rule of their own: postmaster and abuse, which every mail domain must answer to (RFC 5321
//! §4.5.1, RFC 2142), and the SRS addresses that we made.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::facts::Usage;
use super::super::replies;
use super::super::rule::Rule;
use super::super::status::TraceStep;
use super::{Decision, Disposition, Leg, RecipientCase, ReportTo, Ruling, ended};
use crate::mail::{LocalPart, Mailbox, Moment, ReversePath};
use crate::srs::SrsError;

/// Local parts that reach the domain's contact.
const ROLES: [&str; 2] = ["postmaster", "abuse"];
/// Local parts that mailers send reports from when they do not use the null sender.
const REPORTERS: [&str; 2] = ["postmaster", "mailer-daemon"];

/// What an address is for that no pattern speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reserved {
    /// Postmaster or abuse: an alias of just this name speaks for it, else the contact.
    Contact,
    /// It has the shape of an SRS address of ours: it takes reports that come back.
    Reports,
}

/// Whether this is `postmaster` or `abuse`.
#[must_use]
pub fn is_role(local: &LocalPart) -> bool {
    ROLES.iter().any(|role| local.as_str().eq_ignore_ascii_case(role))
}

/// An explicit alias for a role wins, as long as it is in force: these addresses must not go dark.
#[must_use]
pub fn wins(rule: &Rule, usage: Usage, now: Moment) -> bool {
    rule.enabled && ended((rule.expiry, rule.created_at), usage, now).is_none()
}

/// The decision on postmaster or abuse: to the contact, else held and shown.
#[must_use]
pub fn role(case: &RecipientCase<'_>, contact: Option<&Mailbox>) -> Decision {
    let recipient = &case.facts.recipient;
    let ruling = match contact {
        Some(contact) => {
            let leg = Leg { destination: contact.clone(), delivered_to: vec![recipient.clone()] };
            Ruling::new(Disposition::Forward(vec![leg]), format!("{recipient} reaches the contact, {contact}."))
        }
        None => held(recipient),
    };
    let verdict = if contact.is_some() { "to the contact" } else { "nobody there" };
    let mut decision = Decision::new(case, None, ruling);
    if decision.srs_domain.is_none() {
        let shared = case.settings.srs_domain.as_ref();
        decision.srs_domain = Some(shared.unwrap_or(&case.settings.hostname).clone());
    }
    decision.trace.push(TraceStep::new("role address", verdict, recipient.to_string()));
    decision
}

/// A role address whose contact leads nowhere is held all the same.
#[must_use]
pub fn hold_unless_forwarded(mut decision: Decision, recipient: &Mailbox) -> Decision {
    if !matches!(decision.disposition, Disposition::Forward(_)) {
        let Ruling { disposition, reason } = held(recipient);
        decision.disposition = disposition;
        decision.reason = reason;
    }
    decision
}

fn held(recipient: &Mailbox) -> Ruling {
    Ruling::new(Disposition::Hold, format!("{recipient} has nobody to go to, so its mail is held for the owner."))
}

/// What an address that looks like SRS leads back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Srs {
    /// Ours, and valid.
    Ours(Mailbox),
    /// Ours by its hash, but the token behind it is gone.
    TokenGone,
    /// Not valid.
    Invalid(SrsError),
}

/// The decision on an address on a domain of ours that looks like SRS.
#[must_use]
pub fn report(case: &RecipientCase<'_>, srs: Srs) -> Decision {
    let recipient = &case.facts.recipient;
    let (verdict, ruling) = match srs {
        Srs::Ours(original_sender) if is_reporter(case.reverse_path) => {
            let reason = format!("{recipient} is an SRS address of ours: the report is taken and not sent on.");
            ("valid", Ruling::new(Disposition::Report(ReportTo { original_sender }), reason))
        }
        Srs::Ours(_) => {
            let reason = format!("{} is no sender of reports.", case.reverse_path);
            ("wrong sender", Ruling::reject(replies::only_reports(), reason))
        }
        Srs::TokenGone => {
            let reason = format!("The sender behind {recipient} is no longer stored.");
            ("gone", Ruling::reject(replies::unknown(), reason))
        }
        Srs::Invalid(error) => ("invalid", Ruling::reject(replies::unknown(), format!("{recipient}: {error}."))),
    };
    let mut decision = Decision::new(case, None, ruling);
    decision.trace.push(TraceStep::new("SRS address", verdict, recipient.to_string()));
    decision
}

fn is_reporter(sender: &ReversePath) -> bool {
    let by_name = |sender: &Mailbox| REPORTERS.iter().any(|name| sender.local().as_str().eq_ignore_ascii_case(name));
    sender.mailbox().is_none_or(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::facts::{ConnectFacts, RecipientFacts};
    use crate::policy::samples::{instance, mailbox};

    fn answer(sender: &str, srs: Srs) -> Disposition {
        let recipient = mailbox("SRS0=abcdefgh=AB=sender.example=a@my.domain");
        let now = Moment::from_millis(0);
        let instance_senders = std::sync::Arc::default();
        let facts = RecipientFacts { now, recipient, candidates: None, instance_senders, admitted: Vec::new() };
        let connect = ConnectFacts { peer: [192, 0, 2, 1].into(), helo: "client.example".into(), tls: None };
        let reverse_path = ReversePath::parse(sender).unwrap();
        let case =
            RecipientCase { settings: &instance(), connect: &connect, reverse_path: &reverse_path, facts: &facts };
        report(&case, srs).disposition
    }

    #[test]
    fn reports_are_taken_from_reporters_only() {
        let original_sender = mailbox("a@sender.example");
        let taken = Disposition::Report(ReportTo { original_sender: original_sender.clone() });
        for sender in ["", "postmaster@any.example", "MAILER-DAEMON@any.example"] {
            assert_eq!(answer(sender, Srs::Ours(original_sender.clone())), taken, "{sender}");
        }
        for sender in ["a@any.example", "postmaster2@any.example"] {
            let refused = Disposition::Reject(replies::only_reports());
            assert_eq!(answer(sender, Srs::Ours(original_sender.clone())), refused, "{sender}");
        }
    }

    #[test]
    fn what_does_not_verify_is_an_unknown_address() {
        let unknown = Disposition::Reject(replies::unknown());
        assert_eq!(answer("", Srs::TokenGone), unknown);
        for error in [SrsError::Malformed, SrsError::BadHash, SrsError::Expired] {
            assert_eq!(answer("", Srs::Invalid(error)), unknown);
        }
    }
}
