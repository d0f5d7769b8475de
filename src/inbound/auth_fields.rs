//! What authentication found, in the words of RFC 8601: for the Authentication-Results field and for the log.

use std::borrow::Cow;
use std::fmt::Write;

use crate::mail::Mailbox;
use crate::policy::facts::{
    ArcFacts, AuthFacts, ConnectFacts, DkimFacts, DmarcFacts, DmarcPolicy, DmarcResult, MessageFacts, SpfFacts,
};
use crate::store::activity::Auth;

/// The results behind our name: `spf=pass smtp.mailfrom=a@b; dkim=pass header.d=b header.s=mail; dmarc=pass header.from=b`.
pub(super) fn results(facts: &MessageFacts, connect: &ConnectFacts) -> String {
    let auth = &facts.auth;
    let mut results = Vec::with_capacity(4 + auth.dkim.len());
    if let Some(spf) = &auth.spf {
        let helo = harmless(&connect.helo);
        results.push(match facts.reverse_path.mailbox() {
            Some(mailbox) => format!("spf={} smtp.mailfrom={}", spf.result.as_str(), shown(mailbox)),
            None => format!("spf={} smtp.helo={helo}", spf.result.as_str()),
        });
        let of_greeting = auth.spf_helo.as_ref().filter(|_| facts.reverse_path.mailbox().is_some());
        results.extend(of_greeting.map(|spf| format!("spf={} smtp.helo={helo}", spf.result.as_str())));
    }
    if auth.dkim.is_empty() {
        results.push("dkim=none".to_owned());
    }
    results.extend(auth.dkim.iter().map(|dkim| dkim_words(dkim, "header.d=", "header.s=")));
    results.extend(auth.dmarc.as_ref().map(dmarc_field));
    results.extend(auth.arc.as_ref().map(|arc| format!("arc={}", arc_words(arc))));
    results.join("; ")
}

/// For the log.
pub(super) fn logged(auth: &AuthFacts) -> Auth {
    Auth {
        spf: auth.spf.as_ref().map(spf_words),
        spf_helo: auth.spf_helo.as_ref().map(|helo| format!("{} {}", helo.result.as_str(), helo.domain)),
        dkim: auth.dkim.iter().map(|dkim| dkim_words(dkim, "d=", "s=").split_off("dkim=".len())).collect(),
        dmarc: auth.dmarc.as_ref().map(dmarc_words),
        arc: auth.arc.as_ref().map(arc_words),
        reportable: false,
    }
}

fn spf_words(spf: &SpfFacts) -> String {
    let plus_all = if spf.by_plus_all { " by +all" } else { "" };
    format!("{}{plus_all}", spf.result.as_str())
}

fn dkim_words(dkim: &DkimFacts, domain: &str, selector: &str) -> String {
    let mut words = format!("dkim={}", dkim.result.as_str());
    for (name, value) in [(domain, &dkim.domain), (selector, &dkim.selector)] {
        if !value.is_empty() {
            let _ = write!(words, " {name}{}", harmless(value));
        }
    }
    words
}

/// A local part that must be quoted could be read as further results: of such a sender the domain stands for it, as
/// RFC 8601 §2.2 allows.
fn shown(mailbox: &Mailbox) -> String {
    let whole = mailbox.to_string();
    if whole.starts_with('"') { mailbox.host().to_string() } else { whole }
}

/// A name that others chose, so that it is one value: nothing in it ends a result or begins a comment.
fn harmless(name: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| c.is_alphanumeric() || ".-_:[]".contains(c);
    if name.chars().all(is_harmless) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|c| if is_harmless(c) { c } else { '?' }).collect())
}

/// With the policy as a comment, as many verifiers write it.
fn dmarc_field(dmarc: &DmarcFacts) -> String {
    let mut words = format!("dmarc={}", dmarc.result.as_str());
    if dmarc.domain.is_empty() {
        return words;
    }
    if let Some(policy) = published(dmarc) {
        let _ = write!(words, " (p={})", policy.as_str());
    }
    let _ = write!(words, " header.from={}", dmarc.domain);
    words
}

/// A domain without a record asks for nothing.
fn published(dmarc: &DmarcFacts) -> Option<DmarcPolicy> {
    dmarc.policy.filter(|_| dmarc.result != DmarcResult::None)
}

/// `fail p=reject d=author.example`; `fail (no one author)`, whose policy nobody published.
fn dmarc_words(dmarc: &DmarcFacts) -> String {
    let mut words = dmarc.result.as_str().to_owned();
    if dmarc.domain.is_empty() {
        words.push_str(if dmarc.result == DmarcResult::None { " (no author)" } else { " (no one author)" });
        return words;
    }
    if let Some(policy) = published(dmarc) {
        let _ = write!(words, " p={}", policy.as_str());
    }
    let _ = write!(words, " d={}", dmarc.domain);
    words
}

/// Nothing is registered for the sealer (RFC 8617 §7), so that it stands in a comment.
fn arc_words(arc: &ArcFacts) -> String {
    let by = if arc.sealer.is_empty() { String::new() } else { format!(" sealed by {}", harmless(&arc.sealer)) };
    format!("{} (i={}{by})", arc.result.as_str(), arc.sets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header::HeaderFacts;
    use crate::mail::{Moment, ReversePath};
    use crate::policy::facts::{DkimResult, SpfResult};

    #[test]
    fn a_policy_is_named_only_where_one_is_published() {
        let of = |result| DmarcFacts {
            result,
            policy: Some(DmarcPolicy::None),
            domain: "author.example".to_owned(),
            detail: String::new(),
        };
        assert_eq!(dmarc_field(&of(DmarcResult::None)), "dmarc=none header.from=author.example");
        assert_eq!(dmarc_words(&of(DmarcResult::None)), "none d=author.example");
        assert_eq!(dmarc_field(&of(DmarcResult::Fail)), "dmarc=fail (p=none) header.from=author.example");
    }

    #[test]
    fn what_others_chose_is_no_result_of_ours() {
        let spf = SpfFacts { result: SpfResult::Pass, domain: "sender.example".to_owned(), by_plus_all: false };
        let signature = DkimFacts {
            result: DkimResult::Fail,
            domain: "a(b; dkim=pass".to_owned(),
            selector: "s1".to_owned(),
            detail: String::new(),
        };
        let auth =
            AuthFacts { spf: Some(spf.clone()), spf_helo: Some(spf), dkim: vec![signature], ..AuthFacts::default() };
        let facts = MessageFacts {
            now: Moment::from_millis(0),
            reverse_path: ReversePath::parse("\"x; dmarc=pass header.from=bank.example\"@sender.example").unwrap(),
            header: HeaderFacts::default(),
            auth,
            sender_is_hosted: false,
            organisational: Vec::new(),
        };
        let connect = ConnectFacts { peer: [192, 0, 2, 1].into(), helo: "x; dmarc=pass (".to_owned(), tls: None };
        let wanted = "spf=pass smtp.mailfrom=sender.example; spf=pass smtp.helo=x??dmarc?pass??; \
            dkim=fail header.d=a?b??dkim?pass header.s=s1";
        assert_eq!(results(&facts, &connect), wanted);
    }
}
