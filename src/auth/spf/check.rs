//! `check_host()` of RFC 7208 §4: the record of a domain, term by term, within the limits of §4.6.4.

use std::net::IpAddr;

use super::dns::{Published, Unknown};
use super::macros::{MacroString, Values};
use super::record::{Lengths, Mechanism, Record};
use crate::auth::Inner;
use crate::policy::facts::SpfResult;

/// Terms that ask DNS, in one check with all that it includes.
const MAX_LOOKUPS: usize = 10;
/// Answers without a record that one check may get.
const MAX_VOID_LOOKUPS: usize = 2;
/// Exchangers, and names of the client, that are looked at for one term.
const MAX_HOSTS: usize = 10;
/// What the client is called where no name of its is confirmed (§7.3).
const NO_NAME: &str = "unknown";

/// Who sends, and from where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) peer: IpAddr,
    pub(super) helo: &'a str,
    pub(super) local_part: &'a str,
    pub(super) domain: &'a str,
}

/// One check, which counts what it asks.
pub(super) struct Check<'a> {
    inner: &'a Inner,
    client: Client<'a>,
    lookups: usize,
    voids: usize,
    /// The names of the client that its address confirms, once something has asked for them.
    validated: Option<Vec<Box<str>>>,
}

/// The check ends here: `temperror` or `permerror`.
struct Stop(SpfResult);

impl From<Unknown> for Stop {
    fn from(_: Unknown) -> Self {
        Self(SpfResult::TempError)
    }
}

const PERM_ERROR: Stop = Stop(SpfResult::PermError);

impl<'a> Check<'a> {
    pub(super) const fn new(inner: &'a Inner, client: Client<'a>) -> Self {
        Self { inner, client, lookups: 0, voids: 0, validated: None }
    }

    /// The result for the domain of the sender.
    pub(super) async fn run(mut self) -> SpfResult {
        self.host(self.client.domain).await.unwrap_or_else(|Stop(result)| result)
    }

    async fn host(&mut self, domain: &str) -> Result<SpfResult, Stop> {
        let record = match self.inner.spf_record(domain).await? {
            Published::Nothing => return Ok(SpfResult::None),
            Published::Broken => return Err(PERM_ERROR),
            Published::One(record) => record,
        };
        for directive in &record.directives {
            if self.matches(&directive.mechanism, domain).await? {
                return Ok(directive.result);
            }
        }
        self.redirected(&record, domain).await
    }

    async fn redirected(&mut self, record: &Record, domain: &str) -> Result<SpfResult, Stop> {
        let Some(target) = &record.redirect else { return Ok(SpfResult::Neutral) };
        self.count_lookup()?;
        let target = self.expand(target, domain).await?;
        match Box::pin(self.host(&target)).await? {
            SpfResult::None => Err(PERM_ERROR),
            result => Ok(result),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, lengths) => Ok(is_within(self.client.peer, (*network).into(), *lengths)),
            Mechanism::Ip6(network, lengths) => Ok(is_within(self.client.peer, (*network).into(), *lengths)),
            Mechanism::Include(target) => {
                let target = self.asked(Some(target), domain).await?;
                self.includes(&target).await
            }
            Mechanism::A(target, lengths) => {
                let target = self.asked(target.as_ref(), domain).await?;
                self.has_peer(&target, *lengths).await
            }
            Mechanism::Mx(target, lengths) => {
                let target = self.asked(target.as_ref(), domain).await?;
                self.exchanges_at_peer(&target, *lengths).await
            }
            Mechanism::Ptr(target) => {
                let target = self.asked(target.as_ref(), domain).await?;
                Ok(self.names().await.iter().any(|name| is_below(name, &target)))
            }
            Mechanism::Exists(target) => {
                let target = self.asked(Some(target), domain).await?;
                let found = self.inner.ipv4(&target).await?;
                self.count_void(found.is_empty())?;
                Ok(!found.is_empty())
            }
        }
    }

    /// Counts a term that asks DNS, and says for which name.
    async fn asked(&mut self, target: Option<&MacroString>, domain: &str) -> Result<String, Stop> {
        self.count_lookup()?;
        match target {
            Some(target) => self.expand(target, domain).await,
            None => Ok(domain.to_owned()),
        }
    }

    async fn includes(&mut self, target: &str) -> Result<bool, Stop> {
        match Box::pin(self.host(target)).await? {
            SpfResult::Pass => Ok(true),
            SpfResult::None => Err(PERM_ERROR),
            _ => Ok(false),
        }
    }

    async fn has_peer(&mut self, name: &str, lengths: Lengths) -> Result<bool, Stop> {
        let found = self.inner.addresses(name, self.client.peer).await?;
        self.count_void(found.is_empty())?;
        Ok(found.iter().any(|address| is_within(self.client.peer, *address, lengths)))
    }

    async fn exchanges_at_peer(&mut self, name: &str, lengths: Lengths) -> Result<bool, Stop> {
        let hosts = self.inner.exchangers(name).await?;
        self.count_void(hosts.is_empty())?;
        for (at, (_, host)) in hosts.iter().enumerate() {
            if at == MAX_HOSTS {
                return Err(PERM_ERROR);
            }
            if self.has_peer(host, lengths).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The names of the client that its address confirms. Whatever DNS cannot tell is passed over (§5.5).
    async fn names(&mut self) -> &[Box<str>] {
        if self.validated.is_none() {
            let mut confirmed = Vec::new();
            let names = self.inner.names_of(self.client.peer).await.unwrap_or_default();
            for name in names.iter().take(MAX_HOSTS) {
                if self.inner.confirms(name, self.client.peer).await {
                    confirmed.push(name.clone());
                }
            }
            self.validated = Some(confirmed);
        }
        self.validated.as_deref().unwrap_or_default()
    }

    async fn expand(&mut self, target: &MacroString, domain: &str) -> Result<String, Stop> {
        let mut validated = NO_NAME;
        if target.wants_validated() {
            if self.validated.is_none() {
                self.count_lookup()?;
            }
            self.names().await;
            validated = preferred(self.validated.as_deref().unwrap_or_default(), domain);
        }
        let Client { peer, helo, local_part, domain: sender_domain } = self.client;
        Ok(target.expand(&Values { peer, local_part, sender_domain, helo, domain, validated }))
    }

    const fn count_lookup(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > MAX_LOOKUPS { Err(PERM_ERROR) } else { Ok(()) }
    }

    fn count_void(&mut self, is_void: bool) -> Result<(), Stop> {
        self.voids += usize::from(is_void);
        if self.voids > MAX_VOID_LOOKUPS { Err(PERM_ERROR) } else { Ok(()) }
    }
}

/// The domain itself, else a name below it, else any (§7.3).
fn preferred<'n>(names: &'n [Box<str>], domain: &str) -> &'n str {
    let itself = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
    let below = || names.iter().find(|name| is_below(name, domain));
    itself.or_else(below).or(names.first()).map_or(NO_NAME, |name| name)
}

/// Whether a name, which is in lower case, is `domain` or lies below it.
fn is_below(name: &str, domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether both are of one family, and the first so many bits are the same.
fn is_within(peer: IpAddr, network: IpAddr, lengths: Lengths) -> bool {
    match (peer, network) {
        (IpAddr::V4(peer), IpAddr::V4(network)) => {
            (peer.to_bits() ^ network.to_bits()).checked_shr(32 - u32::from(lengths.v4)).unwrap_or(0) == 0
        }
        (IpAddr::V6(peer), IpAddr::V6(network)) => {
            (peer.to_bits() ^ network.to_bits()).checked_shr(128 - u32::from(lengths.v6)).unwrap_or(0) == 0
        }
        _ => false,
    }
}
