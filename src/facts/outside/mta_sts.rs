//! The MTA-STS policy of a domain (RFC 8461 §3.3): fetched where a record says that there is one, over HTTPS with a
//! certificate that verifies, no redirect followed; and never from within our own network, unless that is allowed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::timeout;

use super::Outside;
use crate::mail::Domain;
use crate::net::fetch::{self, Fetcher};
use crate::net::tls;
use crate::policy::records::{Answers, announces_mta_sts, policy_url};

/// A policy is waited for so long, which leaves the other records their time.
const POLICY_WITHIN: Duration = Duration::from_secs(6);
/// Octets of a policy (RFC 8461 §3.3 proposes 64 KiB).
const MAX_POLICY_OCTETS: usize = 64 * 1024;

/// What policies are fetched by, made when the first one is: whom to believe takes a while to read.
#[derive(Debug, Clone, Default)]
pub(super) struct Policies(Arc<OnceLock<Result<Fetcher, String>>>);

impl Outside {
    /// The policy behind the record, if there is a record: the file, or why it cannot be fetched.
    pub(super) async fn mta_sts_policy(&self, domain: &Domain, record: &Answers) -> Option<Result<String, String>> {
        if !record.values().is_ok_and(announces_mta_sts) {
            return None;
        }
        let fetched = timeout(POLICY_WITHIN, self.fetch_policy(domain)).await;
        Some(fetched.unwrap_or_else(|_| Err(format!("no answer within {} s", POLICY_WITHIN.as_secs()))))
    }

    async fn fetch_policy(&self, domain: &Domain) -> Result<String, String> {
        let fetcher = self.policies.0.get_or_init(|| self.policy_fetcher()).clone()?;
        let url = policy_url(domain, self.settings.probes.policy_port);
        let page = fetcher.get(&url).await.map_err(|error| error.to_string())?;
        if page.status != 200 {
            return Err(format!("{url} answers with status {}, and only 200 counts", page.status));
        }
        if page.octets.len() > MAX_POLICY_OCTETS {
            return Err(format!("{url} is larger than {} KiB", MAX_POLICY_OCTETS / 1024));
        }
        String::from_utf8(page.octets.to_vec()).map_err(|_| format!("{url} is no text"))
    }

    fn policy_fetcher(&self) -> Result<Fetcher, String> {
        let tls = match &self.settings.probes.policy_roots {
            None => tls::verifying_client(),
            Some(roots) => tls::client_trusting(roots).map_err(|error| error.to_string())?,
        };
        let reach = if self.leaving.load().allow_private { fetch::Reach::OwnNetwork } else { fetch::Reach::Public };
        Ok(Fetcher { dns: self.dns.clone(), tls, reach })
    }
}
