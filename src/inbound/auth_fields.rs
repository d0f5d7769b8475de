//! What authentication found, in the words of RFC 8601: for the Authentication-Results field and for the log.

use std::fmt::Write;

use crate::policy::facts::{AuthFacts, ConnectFacts, DkimFacts, DkimResult, MessageFacts, SpfFacts, SpfResult};
use crate::store::activity::Auth;

/// The results behind our name: `spf=pass smtp.mailfrom=a@b; dkim=pass header.d=b header.s=mail`.
pub(super) fn results(facts: &MessageFacts, connect: &ConnectFacts) -> String {
    let mut out = String::with_capacity(128);
    if let Some(spf) = &facts.auth.spf {
        let _ = write!(out, "spf={}", spf_word(spf.result));
        match facts.reverse_path.mailbox() {
            Some(mailbox) => {
                let _ = write!(out, " smtp.mailfrom={mailbox}");
            }
            None => {
                let _ = write!(out, " smtp.helo={}", connect.helo);
            }
        }
    }
    for dkim in &facts.auth.dkim {
        let parted = if out.is_empty() { "" } else { "; " };
        let _ = write!(out, "{parted}{}", dkim_words(dkim, "header.d=", "header.s="));
    }
    if facts.auth.dkim.is_empty() {
        out.push_str(if out.is_empty() { "dkim=none" } else { "; dkim=none" });
    }
    out
}

/// For the log.
pub(super) fn logged(auth: &AuthFacts) -> Auth {
    Auth {
        spf: auth.spf.as_ref().map(spf_words),
        dkim: auth.dkim.iter().map(|dkim| dkim_words(dkim, "d=", "s=").split_off("dkim=".len())).collect(),
        dmarc: None,
        arc: None,
        reportable: false,
    }
}

fn spf_words(spf: &SpfFacts) -> String {
    let plus_all = if spf.by_plus_all { " by +all" } else { "" };
    format!("{}{plus_all}", spf_word(spf.result))
}

fn dkim_words(dkim: &DkimFacts, domain: &str, selector: &str) -> String {
    let mut words = format!("dkim={}", dkim_word(dkim.result));
    for (name, value) in [(domain, &dkim.domain), (selector, &dkim.selector)] {
        if !value.is_empty() {
            let _ = write!(words, " {name}{value}");
        }
    }
    words
}

const fn spf_word(result: SpfResult) -> &'static str {
    match result {
        SpfResult::None => "none",
        SpfResult::Neutral => "neutral",
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
    }
}

const fn dkim_word(result: DkimResult) -> &'static str {
    match result {
        DkimResult::Pass => "pass",
        DkimResult::Fail => "fail",
        DkimResult::Neutral => "neutral",
        DkimResult::TempError => "temperror",
        DkimResult::PermError => "permerror",
    }
}
