//! Whether mail for an inbox that somebody names could arrive at all: a domain that is mistyped shows by its shape, or in
//! the DNS. A doubt hinders nobody: it is told to whoever asks, and what they say stands.

use std::time::Duration;

use tokio::time::timeout;

use crate::mail::{Domain, told_in_unicode};
use crate::net::resolver::{Dns, DnsFailure};

use super::{Access, Actor, Admin, Area, Result};

/// All questions to the DNS together; what is not known by then is no reason to doubt.
const WITHIN: Duration = Duration::from_secs(3);

impl Admin {
    /// Why hardly any mail would arrive at this address (or `@domain`), in words that begin a sentence; none where nothing
    /// speaks against it. Where mail goes by a relay or a route, and of our own domains, the DNS proves nothing.
    pub async fn doubt_inbox(&self, actor: &Actor, address: &str) -> Result<Option<String>> {
        actor.must(Area::Destinations, Access::Write)?;
        let domain = address.rsplit_once('@').and_then(|(_, domain)| Domain::parse(domain).ok());
        let Some(domain) = domain else { return Ok(None) };
        let is_ours = self.store.directory.domain(&domain).is_some();
        let why = if !domain.as_str().contains('.') {
            Some("has no dot in it, as the domain of an inbox has")
        } else if is_ours || self.next_hops().of(domain.as_str()).is_some() {
            None
        } else {
            timeout(WITHIN, against(&self.outside.dns, &domain)).await.unwrap_or_default()
        };
        Ok(why.map(|why| told_in_unicode(&format!("“{domain}” {why}: mail for {address} would hardly arrive"))))
    }
}

/// What the DNS says against a domain; a failure says nothing.
async fn against(dns: &Dns, domain: &Domain) -> Option<&'static str> {
    match dns.mx(domain).await {
        Ok(hosts) => hosts.iter().all(|(_, host)| host.is_none()).then_some("takes no mail, says its null MX record"),
        Err(DnsFailure::NoSuchName) => Some("is no domain that the DNS knows"),
        Err(DnsFailure::NoData) => match dns.addresses(domain).await {
            Err(DnsFailure::NoData | DnsFailure::NoSuchName) => Some("has neither an MX record nor an address"),
            Ok(_) | Err(DnsFailure::Temporary(_)) => None,
        },
        Err(DnsFailure::Temporary(_)) => None,
    }
}
