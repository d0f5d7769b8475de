//! What the terms of an SPF record lead to, and what follows from it: how many look-ups a record costs, and whether an
//! address passes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::term::{Cidr, Mechanism, Spf, Term};

/// Records within records that are followed; receivers stop at ten look-ups.
const MAX_DEPTH: usize = 10;

/// What must be asked of DNS to judge a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// The SPF record of this name.
    Record(String),
    /// The addresses of this host.
    Host(String),
    /// The addresses of the MX hosts of this domain.
    Mx(String),
}

/// What DNS said to what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// SPF records by name; none where DNS did not say.
    pub records: BTreeMap<String, Vec<Spf>>,
    /// Addresses by host, and by domain whose MX hosts have them.
    pub addresses: BTreeMap<Ask, Vec<IpAddr>>,
}

/// Whether an address passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// It passes.
    Yes,
    /// It does not.
    No,
    /// What it depends on was not to be had.
    Unsure,
}

impl Spf {
    /// What has to be asked to follow this record of `domain`. Names with macros depend on the mail and are not asked for.
    pub fn asks<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = Ask> + 'a {
        let own = move |name: &Option<String>| name.clone().unwrap_or_else(|| domain.to_owned());
        let asks = self.terms.iter().filter_map(move |term| match &term.mechanism {
            Mechanism::Include(name) | Mechanism::Redirect(name) => Some(Ask::Record(name.clone())),
            Mechanism::A(name, _) => Some(Ask::Host(own(name))),
            Mechanism::Mx(name, _) => Some(Ask::Mx(own(name))),
            _ => None,
        });
        asks.filter(|ask| !ask.name().contains('%'))
    }
}

impl Ask {
    /// The name that is asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Record(name) | Self::Host(name) | Self::Mx(name) => name,
        }
    }
}

impl Tree {
    /// Look-ups that an evaluation of `spf` costs at most.
    #[must_use]
    pub fn lookups(&self, spf: &Spf) -> usize {
        self.lookups_within(spf, MAX_DEPTH)
    }

    fn lookups_within(&self, spf: &Spf, depth: usize) -> usize {
        let below = |term: &Term| match &term.mechanism {
            Mechanism::Include(name) | Mechanism::Redirect(name) if depth > 0 => self
                .records
                .get(name)
                .and_then(|records| records.first())
                .map_or(0, |inner| self.lookups_within(inner, depth - 1)),
            _ => 0,
        };
        spf.terms.iter().filter(|term| term.costs_lookup()).map(|term| 1 + below(term)).sum()
    }

    /// Whether `spf`, the record of `domain`, lets `address` pass.
    #[must_use]
    pub fn covers(&self, spf: &Spf, domain: &str, address: IpAddr) -> Covers {
        self.covers_within(spf, (domain, address), MAX_DEPTH)
    }

    fn covers_within(&self, spf: &Spf, (domain, address): (&str, IpAddr), depth: usize) -> Covers {
        let mut unsure = false;
        for term in &spf.terms {
            match self.matches(term, (domain, address), depth) {
                Covers::No => {}
                Covers::Unsure => unsure = true,
                Covers::Yes if term.qualifier != '+' => return if unsure { Covers::Unsure } else { Covers::No },
                Covers::Yes => return Covers::Yes,
            }
        }
        let redirect = spf.terms.iter().find(|term| matches!(term.mechanism, Mechanism::Redirect(_)));
        match redirect {
            Some(Term { mechanism: Mechanism::Redirect(name), .. }) => self.included(name, address, depth),
            _ if unsure => Covers::Unsure,
            _ => Covers::No,
        }
    }

    fn matches(&self, term: &Term, (domain, address): (&str, IpAddr), depth: usize) -> Covers {
        let own = |name: &Option<String>| name.clone().unwrap_or_else(|| domain.to_owned());
        match &term.mechanism {
            Mechanism::All => Covers::Yes,
            Mechanism::Ip(net) => yes_no(net.contains(address)),
            Mechanism::Include(name) => self.included(name, address, depth),
            Mechanism::A(name, cidr) => self.leads_to(&Ask::Host(own(name)), *cidr, address),
            Mechanism::Mx(name, cidr) => self.leads_to(&Ask::Mx(own(name)), *cidr, address),
            Mechanism::Unfollowed | Mechanism::Redirect(_) | Mechanism::Modifier | Mechanism::Broken => Covers::No,
        }
    }

    fn included(&self, name: &str, address: IpAddr, depth: usize) -> Covers {
        match self.records.get(name).map(Vec::as_slice) {
            Some([one]) if depth > 0 => self.covers_within(one, (name, address), depth - 1),
            Some(_) => Covers::No,
            None => Covers::Unsure,
        }
    }

    fn leads_to(&self, ask: &Ask, cidr: Cidr, address: IpAddr) -> Covers {
        match self.addresses.get(ask) {
            Some(known) => yes_no(known.iter().any(|other| cidr.around(*other).contains(address))),
            None => Covers::Unsure,
        }
    }
}

const fn yes_no(yes: bool) -> Covers {
    if yes { Covers::Yes } else { Covers::No }
}
