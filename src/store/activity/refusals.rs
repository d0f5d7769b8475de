//! Floods of refusals, and of transactions that end before their message: beyond fifty an hour of either from one network they
//! are counted on one row, exactly.
//!
//! What is known lives in memory only. Where it is forgotten (a full table, a restart, a failed commit) the count starts
//! anew with rows of their own, so it is exact all the same.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Row;
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::policy::status::Status;

/// Refusals an hour from one network that get a row each, and transactions that ended early.
pub const ROWS_PER_NETWORK_AND_HOUR: u32 = 50;
/// Networks that are remembered at most.
const MAX_NETWORKS: usize = 65_536;
const HOUR_MILLIS: i64 = 3_600_000;

/// A /24 or a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 3]),
    V6([u8; 8]),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Refused,
    Abandoned,
}

impl Kind {
    const fn of(status: Status) -> Option<Self> {
        match status {
            Status::Refused | Status::RefusedTemporarily => Some(Self::Refused),
            Status::Abandoned => Some(Self::Abandoned),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    rows: u32,
    /// The row that the rest is counted on.
    shared: i64,
}

/// The networks that were refused in this hour.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    hour: i64,
    networks: HashMap<(AccountId, Network, Kind), Seen>,
}

impl Refusals {
    /// The row to count `row` on, if it is not to be written under `seq`.
    pub(super) fn fold(&mut self, row: &Row, seq: i64) -> Option<i64> {
        let kind = Kind::of(row.status)?;
        self.turn(row.received_at);
        let seen = self.networks.entry((row.account, Network::of(row.client.ip), kind)).or_default();
        if seen.rows > ROWS_PER_NETWORK_AND_HOUR {
            return Some(seen.shared);
        }
        seen.rows += 1;
        seen.shared = seq;
        None
    }

    /// Forgets what was planned and not committed, and everything else with it.
    pub(super) fn forget(&mut self) {
        self.networks.clear();
    }

    fn turn(&mut self, now: Moment) {
        let hour = now.millis().div_euclid(HOUR_MILLIS);
        if hour != self.hour || self.networks.len() >= MAX_NETWORKS {
            self.hour = hour;
            self.networks.clear();
        }
    }
}
