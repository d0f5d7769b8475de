//! What the terms of SPF records lead to, asked step by step and within bounds.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures_util::future::join_all;

use super::Outside;
use crate::mail::Domain;
use crate::net::records::RecordKind;
use crate::policy::records::spf::{Ask, Spf, Tree, is_spf};

/// Questions that one domain's SPF records may cost: twice what receivers ask, so that too many can be counted.
const MAX_ASKED: usize = 40;
/// Records within records.
const MAX_ROUNDS: usize = 10;
/// MX hosts whose addresses are asked for (RFC 7208 §4.6.4).
const MAX_MX_HOSTS: usize = 10;

/// What one question came to.
enum Found {
    Records(String, Vec<Spf>),
    Addresses(Ask, Vec<IpAddr>),
    Nothing,
}

impl Outside {
    /// Follows these records of `domain`.
    pub(super) async fn spf_tree(&self, domain: &str, records: &[Spf]) -> Tree {
        let mut tree = Tree::default();
        let mut asked: BTreeSet<Ask> = BTreeSet::new();
        let mut next: Vec<Ask> = records.iter().flat_map(|spf| spf.asks(domain)).collect();
        for _ in 0..MAX_ROUNDS {
            next.retain(|ask| asked.len() < MAX_ASKED && asked.insert(ask.clone()));
            if next.is_empty() {
                break;
            }
            let found = join_all(next.drain(..).map(|ask| self.follow(ask))).await;
            next = found.into_iter().flat_map(|found| keep(found, &mut tree)).collect();
        }
        tree
    }

    async fn follow(&self, ask: Ask) -> Found {
        let Ok(name) = Domain::parse(ask.name()) else { return Found::Nothing };
        match &ask {
            Ask::Record(text) => match self.dns.values(&name, RecordKind::Txt).await {
                Ok(values) => {
                    let own = values.iter().filter(|value| is_spf(value));
                    Found::Records(text.clone(), own.map(|value| Spf::parse(value)).collect())
                }
                Err(_) => Found::Nothing,
            },
            Ask::Host(_) => {
                self.addresses_of(&[name]).await.map_or(Found::Nothing, |found| Found::Addresses(ask, found))
            }
            Ask::Mx(_) => match self.dns.mx(&name).await {
                Ok(hosts) => {
                    let hosts: Vec<Domain> =
                        hosts.into_iter().filter_map(|(_, host)| host).take(MAX_MX_HOSTS).collect();
                    self.addresses_of(&hosts).await.map_or(Found::Nothing, |found| Found::Addresses(ask, found))
                }
                Err(failure) if is_final(&failure) => Found::Addresses(ask, Vec::new()),
                Err(_) => Found::Nothing,
            },
        }
    }

    /// None where DNS failed for now.
    async fn addresses_of(&self, hosts: &[Domain]) -> Option<Vec<IpAddr>> {
        let mut all = Vec::new();
        for found in join_all(hosts.iter().map(|host| self.dns.addresses(host))).await {
            match found {
                Ok(found) => all.extend(found),
                Err(failure) if is_final(&failure) => {}
                Err(_) => return None,
            }
        }
        Some(all)
    }
}

const fn is_final(failure: &crate::net::resolver::DnsFailure) -> bool {
    !matches!(failure, crate::net::resolver::DnsFailure::Temporary(_))
}

/// Keeps what was found; what is to be asked next.
fn keep(found: Found, tree: &mut Tree) -> Vec<Ask> {
    match found {
        Found::Nothing => Vec::new(),
        Found::Addresses(ask, addresses) => {
            tree.addresses.insert(ask, addresses);
            Vec::new()
        }
        Found::Records(name, records) => {
            let next = records.iter().flat_map(|spf| spf.asks(&name)).collect();
            tree.records.insert(name, records);
            next
        }
    }
}
