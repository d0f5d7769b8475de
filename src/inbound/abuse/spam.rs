//! Whose mail next hops refused lately. Nobody is counted of whom nothing was refused, so good mail costs nothing here.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::table::Table;
use crate::mail::Moment;
use crate::policy::admission::Refusal;
use crate::policy::spam::{self, WITHIN, is_refused_as_spam};
use crate::policy::verdict::Outcome;

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
            self.any.store(true, Ordering::Relaxed);
            self.refused.add(client, now());
        } else if delivered && self.any.load(Ordering::Relaxed) && self.refused.count(&client, now()) > 0 {
            self.delivered.add(client, now());
        }
    }
}
