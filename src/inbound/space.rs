//! Whether the disk has room for another message: asked at MAIL, before anything is sent.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Octets that stay free beside the message that is announced: databases must be able to write their journals.
pub(super) const RESERVE_OCTETS: u64 = 64 << 20;
/// The disk is asked at most this often.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Free space of the data directory's disk, remembered for a moment.
#[derive(Debug)]
pub(super) struct Space {
    data_dir: PathBuf,
    last: Mutex<Option<(Instant, u64)>>,
}

impl Space {
    pub(super) const fn new(data_dir: PathBuf) -> Self {
        Self { data_dir, last: Mutex::new(None) }
    }

    /// Whether `octets` more fit above the reserve.
    pub(super) fn has_room_for(&self, octets: u64, now: Instant) -> bool {
        self.free(now) >= RESERVE_OCTETS.saturating_add(octets)
    }

    fn free(&self, now: Instant) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((at, free)) = *last
            && now.duration_since(at) < ASK_EVERY
        {
            return free;
        }
        let free = rustix::fs::statvfs(&self.data_dir).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        *last = Some((now, free));
        free
    }
}
