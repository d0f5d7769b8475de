//! Gathers what policy asks (directory, SPF, DKIM, usage), for inbound and the simulator alike, and hands it over.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::mail::{ForwardPath, ReversePath};
use crate::policy::admission::Decision;
use crate::policy::facts::{AuthFacts, ConnectFacts, MessageFacts, SpfFacts};
use crate::policy::settings::Instance;
use crate::srs::Ring;
use crate::store::{Result, Store};

/// All that is asked; cheap to clone.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Storage.
    pub store: Store,
    /// Verdicts.
    pub auth: Authenticator,
    /// The clock.
    pub clock: Clock,
    /// The instance's settings.
    pub instance: Arc<ArcSwap<Instance>>,
    /// The SRS secrets.
    pub ring: Arc<ArcSwap<Ring>>,
}

#[expect(unused_variables, reason = "the skeleton")]
impl Facts {
    /// The decision on one recipient: SRS addresses of ours, then postmaster and abuse, then rules, following destinations
    /// on hosted domains (depth 8, fan-out 100, cycles 554 5.4.6). The very same for RCPT, the simulator and the API.
    pub async fn recipient(&self, connect: &ConnectFacts, from: &ReversePath, to: &ForwardPath) -> Result<Decision> {
        todo!("policy")
    }

    /// Asks SPF.
    pub async fn spf(&self, peer: IpAddr, helo: &str, from: &ReversePath) -> SpfFacts {
        self.auth.spf(peer, helo, from).await
    }

    /// Gathers what is judged at the end of data. Organisational domains are asked only where author and SRS domains
    /// could share one (two labels in common).
    pub async fn message(
        &self,
        from: &ReversePath,
        header: crate::mail::header::HeaderFacts,
        auth: AuthFacts,
        decisions: &[Decision],
    ) -> MessageFacts {
        todo!("policy")
    }
}
