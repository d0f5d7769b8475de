//! SPF as it must be published (RFC 7208): exactly one record, at most ten look-ups, our addresses covered; and the text
//! that makes it so, merged out of what is there.

mod merge;
mod term;
mod tree;

use std::net::IpAddr;

use super::{Answers, Gateway, Hosted, Record, Verdict, judged};

pub use term::{Mechanism, Spf, Term};
pub use tree::{Ask, Covers, Tree};

/// Terms that cost a look-up, in a whole evaluation (RFC 7208 §4.6.4).
pub const MAX_LOOKUPS: usize = 10;

/// Whether a text is an SPF record (RFC 7208 §4.5).
#[must_use]
pub fn is_spf(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case("v=spf1"))
}

pub(super) fn judge(gateway: &Gateway, domain: &Hosted, (answers, tree): (&Answers, &Tree)) -> Record {
    let record = Record::blank(("spf", "TXT"), domain.srs_domain.as_str(), answers);
    judged(record, answers, |record, values| {
        let own: Vec<&String> = values.iter().filter(|value| is_spf(value)).collect();
        let record = Record { found: own.iter().map(|value| (*value).clone()).collect(), ..record };
        Case { gateway, domain, tree }.judge(record, &own)
    })
}

/// All that a record is judged by.
#[derive(Debug, Clone, Copy)]
struct Case<'a> {
    gateway: &'a Gateway,
    domain: &'a Hosted,
    tree: &'a Tree,
}

impl Case<'_> {
    fn judge(&self, record: Record, own: &[&String]) -> Record {
        match own {
            [] => record.wanting(Some(merge::fresh(self.gateway))).said(Verdict::Missing, self.missing()),
            [one] => self.judge_one(record, one),
            many => {
                let all: Vec<Spf> = many.iter().map(|text| Spf::parse(text)).collect();
                let detail = format!(
                    "There are {} SPF records, which every receiver takes for an error (RFC 7208 §4.5): publish the one that is \
                     wanted, and take the others away.",
                    many.len()
                );
                let wanted = merge::merged(&all, &self.ours(&all));
                record.because("spf_doubled").wanting(Some(wanted)).said(Verdict::Differs, detail)
            }
        }
    }

    fn missing(&self) -> String {
        let (name, all) = (&self.domain.srs_domain, if self.gateway.relay.is_some() { "~all" } else { "-all" });
        let others = format!("If you also send as {name} through a provider, add its include: before {all}.");
        format!("{} {others}", self.missing_for_us())
    }

    fn missing_for_us(&self) -> String {
        let missing = "There is no SPF record: what this gateway sends on with a rewritten sender does not pass.";
        match &self.gateway.relay {
            Some(relay) if merge::is_beside_us(relay) => format!(
                "{missing} All mail leaves by {relay}, which is in the own network: if that has other public addresses than \
                 this host, let them pass too."
            ),
            Some(relay) => format!(
                "{missing} All mail leaves by {relay}, often from other addresses than its own: what its operator tells to \
                 include stands better here than its host."
            ),
            None => missing.to_owned(),
        }
    }

    fn judge_one(&self, record: Record, text: &str) -> Record {
        let spf = Spf::parse(text);
        let all = [spf];
        let [spf] = &all;
        let wanted = merge::merged(&all, &self.ours(&all));
        if let Some(broken) = spf.terms.iter().find(|term| term.mechanism == Mechanism::Broken) {
            let detail = format!("“{}” is no term of SPF, which makes the whole record an error.", broken.text);
            return record.because("spf_broken").wanting(Some(wanted)).said(Verdict::Differs, detail);
        }
        let lookups = self.tree.lookups(spf);
        if lookups > MAX_LOOKUPS {
            let first = merge::in_front(spf, &self.gateway.addresses);
            let record = record.because("spf_lookups").wanting(Some(first));
            return record.said(Verdict::Differs, too_many(lookups, spf));
        }
        if spf.lets_everyone() {
            let detail = "It lets everyone pass (+all), which proves nothing to anybody.";
            return record.because("spf_open").wanting(Some(wanted)).said(Verdict::Differs, detail);
        }
        self.judge_cover(record, spf, wanted)
    }

    fn judge_cover(&self, record: Record, spf: &Spf, wanted: String) -> Record {
        if let Some(relay) = &self.gateway.relay {
            let detail = format!(
                "All mail leaves by {relay}: whether the record lets its servers pass, only its operator can say."
            );
            return record.said(Verdict::Ok, detail);
        }
        if self.gateway.addresses.is_empty() {
            let detail = "The addresses that mail leaves by are not known: give the host name an address first.";
            return record.said(Verdict::Unknown, detail);
        }
        let says = |address: &IpAddr| self.tree.covers(spf, self.domain.srs_domain.as_str(), *address);
        let uncovered: Vec<String> =
            self.gateway.addresses.iter().filter(|a| says(a) == Covers::No).map(ToString::to_string).collect();
        if !uncovered.is_empty() {
            let detail = format!("It does not let {} pass: mail that is sent on fails SPF.", uncovered.join(", "));
            return record.because("spf_uncovered").wanting(Some(wanted)).said(Verdict::Differs, detail);
        }
        if self.gateway.addresses.iter().any(|address| says(address) == Covers::Unsure) {
            return record
                .said(Verdict::Unknown, "Whether it lets our addresses pass could not be told: DNS did not say.");
        }
        record.said(Verdict::Ok, "It lets our addresses pass.")
    }

    /// What of ours is to be added to these records: nothing where they cover it already.
    fn ours(&self, all: &[Spf]) -> Vec<String> {
        let domain = self.domain.srs_domain.as_str();
        let covered = |address: &IpAddr| all.iter().any(|spf| self.tree.covers(spf, domain, *address) == Covers::Yes);
        let open: Vec<IpAddr> = self.gateway.addresses.iter().filter(|address| !covered(address)).copied().collect();
        if open.is_empty() {
            return Vec::new();
        }
        let lookups: usize = all.iter().map(|spf| self.tree.lookups(spf)).sum();
        let has_mx = all.iter().any(Spf::has_plain_mx);
        if self.gateway.by_hostname && (has_mx || lookups < MAX_LOOKUPS) {
            return if has_mx { Vec::new() } else { vec!["mx".to_owned()] };
        }
        open.iter().map(|address| merge::address_term(*address)).collect()
    }
}

fn too_many(lookups: usize, spf: &Spf) -> String {
    let includes: Vec<&str> =
        spf.terms.iter().filter(|term| term.costs_lookup()).map(|term| term.text.as_str()).collect();
    format!(
        "It costs {lookups} look-ups, and receivers stop at {MAX_LOOKUPS} with an error (RFC 7208 §4.6.4). Take out what is \
         no longer used of {}; with our addresses in front, our mail passes before they are counted.",
        includes.join(", ")
    )
}

#[cfg(test)]
mod tests;
