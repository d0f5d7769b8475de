//! The records of the gateway's own host.

use std::net::IpAddr;

use futures_util::future::join_all;

use super::{LATE, Outside, in_time, said};
use crate::net::records::{NameServer, RecordKind};
use crate::policy::records::{Answers, Gateway, Heard, HostFacts, Reverse, Said};

/// Names of one address that are looked back from.
const MAX_NAMES: usize = 5;

impl Outside {
    /// All that [`crate::policy::records::host`] asks. What is not known in time is unknown.
    pub async fn host(&self, gateway: &Gateway) -> HostFacts {
        let asking = async {
            let servers = self.dns.name_servers(&gateway.hostname, &self.reach()).await;
            let name = gateway.hostname.as_str();
            let (addresses, mx, reverse) = tokio::join!(
                self.both_families(&servers, name),
                self.answers(&servers, name, RecordKind::Mx),
                join_all(gateway.addresses.iter().map(|address| self.reverse(*address))),
            );
            HostFacts { addresses, mx, reverse }
        };
        in_time(asking).await.unwrap_or_else(|| HostFacts::unheard(LATE))
    }

    async fn both_families(&self, servers: &[NameServer], name: &str) -> Answers {
        let (v4, v6) =
            tokio::join!(self.answers(servers, name, RecordKind::A), self.answers(servers, name, RecordKind::Aaaa));
        let pairs = v4.servers.into_iter().zip(v6.servers);
        let servers = pairs.map(|(a, b)| Heard { server: a.server, said: together(a.said, b.said) }).collect();
        Answers { servers, resolver: together(v4.resolver, v6.resolver) }
    }

    async fn reverse(&self, address: IpAddr) -> Reverse {
        let (name, ptr) = self.dns.reverse(address).await;
        let ptr = said(ptr);
        let names: Vec<String> = ptr.values().unwrap_or_default().iter().take(MAX_NAMES).cloned().collect();
        let kind = if address.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa };
        let forward = join_all(names.iter().map(|name| self.resolved(name, kind))).await;
        Reverse { address, name, ptr, forward: names.into_iter().zip(forward).collect() }
    }
}

/// One family that is silent leaves the other's answer.
fn together(v4: Said, v6: Said) -> Said {
    match (v4, v6) {
        (Said::Values(v4), Said::Values(v6)) => Said::Values(v4.into_iter().chain(v6).collect()),
        (values @ Said::Values(_), Said::Error(_)) | (Said::Error(_), values @ Said::Values(_)) => values,
        (error @ Said::Error(_), Said::Error(_)) => error,
    }
}
