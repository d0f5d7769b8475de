//! Values that several tests of this layer start from.

use std::time::Duration;

use super::facts::{AuthFacts, DkimFacts, DkimResult, MessageFacts, SpfFacts, SpfResult};
use super::settings::{Abuse, Custody, Enforcement, Instance, TlsPolicy, Unauthenticated};
use crate::mail::header::HeaderFacts;
use crate::mail::{Domain, Mailbox, Moment, ReversePath};

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) fn mailbox(address: &str) -> Mailbox {
    Mailbox::parse(address).unwrap()
}

/// The built-in defaults of INTERFACES.
pub(crate) fn instance() -> Instance {
    Instance {
        hostname: domain("mx.waypost.example"),
        srs_domain: None,
        spf: Enforcement::Observe,
        dkim: Enforcement::Observe,
        dmarc: Enforcement::Enforce,
        unauthenticated: Unauthenticated::Accept,
        authentication_results: true,
        forwarded_headers: false,
        tls: TlsPolicy::Opportunistic,
        custody: Custody::Careful,
        retry: [1, 5, 15, 30, 60, 120, 240].map(|minutes| Duration::from_secs(minutes * 60)).to_vec(),
        lifetime: Duration::from_secs(5 * 86_400),
        direct_max_bytes: 2 << 20,
        direct_per_site: 20,
        direct_total: 500,
        subjects: true,
        abuse: Abuse::default(),
    }
}

/// A message from `sender` by `author` (a domain), with nothing proven.
pub(crate) fn message(sender: &str, author: &str) -> MessageFacts {
    let header = HeaderFacts { author_domains: Some(vec![domain(author)]), ..HeaderFacts::default() };
    MessageFacts {
        now: Moment::from_millis(1_795_373_784_120),
        reverse_path: ReversePath::parse(sender).unwrap(),
        header,
        auth: AuthFacts::default(),
        sender_is_hosted: false,
        organisational: Vec::new(),
    }
}

pub(crate) fn spf(result: SpfResult, name: &str) -> Option<SpfFacts> {
    Some(SpfFacts { result, domain: name.to_owned(), by_plus_all: false })
}

pub(crate) fn dkim(result: DkimResult, name: &str) -> DkimFacts {
    DkimFacts { result, domain: name.to_owned(), selector: "s1".to_owned(), detail: String::new() }
}
