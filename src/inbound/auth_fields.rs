//! What authentication found, in the words of RFC 8601: for the Authentication-Results field and for the log.

use std::fmt::Write;

use crate::policy::facts::{ArcFacts, AuthFacts, ConnectFacts, DkimFacts, DmarcFacts, MessageFacts, SpfFacts};
use crate::store::activity::Auth;

/// The results behind our name: `spf=pass smtp.mailfrom=a@b; dkim=pass header.d=b header.s=mail; dmarc=pass header.from=b`.
pub(super) fn results(facts: &MessageFacts, connect: &ConnectFacts) -> String {
    let auth = &facts.auth;
    let mut results = Vec::with_capacity(4 + auth.dkim.len());
    if let Some(spf) = &auth.spf {
        results.push(match facts.reverse_path.mailbox() {
            Some(mailbox) => format!("spf={} smtp.mailfrom={mailbox}", spf.result.as_str()),
            None => format!("spf={} smtp.helo={}", spf.result.as_str(), connect.helo),
        });
        let of_greeting = auth.spf_helo.as_ref().filter(|_| facts.reverse_path.mailbox().is_some());
        results.extend(of_greeting.map(|helo| format!("spf={} smtp.helo={}", helo.result.as_str(), connect.helo)));
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
            let _ = write!(words, " {name}{value}");
        }
    }
    words
}

/// With the policy as a comment, as many verifiers write it.
fn dmarc_field(dmarc: &DmarcFacts) -> String {
    let mut words = format!("dmarc={}", dmarc.result.as_str());
    if dmarc.domain.is_empty() {
        return words;
    }
    if let Some(policy) = dmarc.policy {
        let _ = write!(words, " (p={})", policy.as_str());
    }
    let _ = write!(words, " header.from={}", dmarc.domain);
    words
}

/// `fail p=reject d=author.example`.
fn dmarc_words(dmarc: &DmarcFacts) -> String {
    let mut words = dmarc.result.as_str().to_owned();
    if let Some(policy) = dmarc.policy {
        let _ = write!(words, " p={}", policy.as_str());
    }
    if !dmarc.domain.is_empty() {
        let _ = write!(words, " d={}", dmarc.domain);
    }
    words
}

/// Nothing is registered for the sealer (RFC 8617 §7), so that it stands in a comment.
fn arc_words(arc: &ArcFacts) -> String {
    let by = if arc.sealer.is_empty() { String::new() } else { format!(" sealed by {}", arc.sealer) };
    format!("{} (i={}{by})", arc.result.as_str(), arc.sets)
}
