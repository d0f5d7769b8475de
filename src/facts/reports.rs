//! Counts the reports that each SRS address of ours has taken.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::mail::Mailbox;
use crate::srs::DAY_CYCLE;

/// Messages that one SRS address takes in its life (DESIGN section 6).
pub const MAX_REPORTS_PER_ADDRESS: u32 = 20;
/// Addresses that are counted at the same time; each of them cost its sender a message through us.
const MAX_COUNTED_ADDRESSES: u64 = 100_000;

/// An address is forgotten when the day of its stamp comes again: by then it has expired, whatever `srs.max_age` was meanwhile.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24 * DAY_CYCLE.unsigned_abs());

/// Where the separator stands: behind `SRS0`.
const SEPARATOR: usize = 4;

/// The counter; cheap to clone. It lives in memory: a restart forgives what was counted.
#[derive(Clone)]
pub struct ReportCounter(Cache<String, Arc<AtomicU32>>);

impl Default for ReportCounter {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_COUNTED_ADDRESSES).time_to_live(FORGOTTEN_AFTER).build())
    }
}

impl ReportCounter {
    /// Counts one more report to `address`; false when it has had its share.
    #[must_use]
    pub fn count(&self, address: &Mailbox) -> bool {
        let counter = self.0.get_with(key(address), Arc::default);
        counter.fetch_add(1, Ordering::Relaxed) < MAX_REPORTS_PER_ADDRESS
    }
}

/// However it is written: the same hash is valid on each of our domains, and behind `SRS0` with each separator.
fn key(address: &Mailbox) -> String {
    let mut key = address.local().key();
    if key.is_char_boundary(SEPARATOR) && key.is_char_boundary(SEPARATOR + 1) {
        key.replace_range(SEPARATOR..=SEPARATOR, "=");
    }
    key
}

impl fmt::Debug for ReportCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReportCounter({} addresses)", self.0.entry_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `srs.max_age` may become longer while the gateway runs.
    #[test]
    fn an_address_is_remembered_as_long_as_any_setting_lets_it_live() {
        let kept = ReportCounter::default().0.policy().time_to_live().unwrap();
        assert_eq!(kept, Duration::from_hours(24 * 1024), "stamps repeat then");
    }

    #[test]
    fn an_address_takes_twenty_reports_however_it_is_written() {
        let counter = ReportCounter::default();
        let address = |text| Mailbox::parse(text).unwrap();
        for _ in 0..10 {
            assert!(counter.count(&address("SRS0=HHHH=TT=a.example=b@my.domain")));
            assert!(counter.count(&address("srs0=hhhh=tt=a.example=b@my.domain")));
        }
        assert!(!counter.count(&address("SRS0=HHHH=TT=a.example=b@my.domain")));
        assert!(!counter.count(&address("SRS0+HHHH=TT=a.example=b@other.domain")));
        assert!(counter.count(&address("SRS0=HHHH=TT=a.example=c@my.domain")));
    }
}
