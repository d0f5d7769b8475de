//! Whose mail next hops refused lately. Nobody is counted of whom nothing was refused, so good mail costs nothing here.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::facts::Table;
use crate::inbound::Tools;
use crate::mail::Moment;
use crate::policy::admission::Refusal;
use crate::policy::limits::network_of;
use crate::policy::spam::{self, WITHIN, is_refused_as_spam};
use crate::policy::verdict::Outcome;

/// Hears what next hops refuse of mail from the queue, until the gateway stops; the log knows who had brought it.
pub(in crate::inbound) async fn listen(tools: &Tools) {
    let mut refusals = tools.courier.refusals();
    loop {
        let heard = tokio::select! {
            heard = refusals.recv() => heard,
            () = tools.stop.cancelled() => return,
        };
        match heard {
            Ok(id) => note(tools, id).await,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn note(tools: &Tools, id: Uuid) {
    match tools.store.activity.get(id).await {
        Ok(row) => tools.abuse.refused.refused(network_of(row.client.ip), tools.clock.steady()),
        Err(error) => tracing::debug!(%id, %error, "who brought a message that was refused as spam is not known"),
    }
}

/// Refusals and deliveries, by client.
#[derive(Debug)]
pub(super) struct Refused {
    /// Whether anything was ever refused.
    any: AtomicBool,
    refused: Table<IpAddr>,
    delivered: Table<IpAddr>,
}

impl Default for Refused {
    fn default() -> Self {
        Self { any: AtomicBool::new(false), refused: Table::within(WITHIN), delivered: Table::within(WITHIN) }
    }
}

impl Refused {
    /// Whether this client may send more now.
    pub(super) fn judge(&self, client: &IpAddr, now: Moment) -> Result<(), Box<Refusal>> {
        if !self.any.load(Ordering::Relaxed) {
            return Ok(());
        }
        spam::judge(self.refused.count(client, now), self.delivered.count(client, now))
    }

    /// One message of this client was refused as spam.
    fn refused(&self, client: IpAddr, now: Moment) {
        self.any.store(true, Ordering::Relaxed);
        self.refused.add(client, now);
    }

    /// One message of this client came to these outcomes.
    pub(super) fn note<'o>(
        &self,
        client: IpAddr,
        outcomes: impl Iterator<Item = &'o Outcome>,
        now: impl Fn() -> Moment,
    ) {
        let (mut refused, mut delivered) = (false, false);
        for outcome in outcomes {
            refused |= is_refused_as_spam(outcome);
            delivered |= matches!(outcome, Outcome::Delivered { .. });
        }
        if refused {
            self.refused(client, now());
        } else if delivered && self.any.load(Ordering::Relaxed) && self.refused.count(&client, now()) > 0 {
            self.delivered.add(client, now());
        }
    }
}
