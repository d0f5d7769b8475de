//! Whether the disk has room for another message: asked at MAIL, before anything is sent, and while a large message
//! arrives.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Octets that stay free beside the message that is announced: databases must be able to write their journals.
pub(super) const RESERVE_OCTETS: u64 = 64 << 20;
/// The disk is asked at most this often.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Free space of the data directory's disk, remembered for a moment.
#[derive(Debug)]
pub(super) struct Space {
    data_dir: PathBuf,
    last: Mutex<Option<Look>>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    free: u64,
}

impl Look {
    const fn is_low(self) -> bool {
        self.free < RESERVE_OCTETS
    }
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
        if let Some(look) = *last
            && now.duration_since(look.at) < ASK_EVERY
        {
            return look.free;
        }
        let free = rustix::fs::statvfs(&self.data_dir).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let look = Look { at: now, free };
        self.tell_once(last.is_some_and(Look::is_low), look);
        *last = Some(look);
        free
    }

    /// A full disk is one line of the log, however many clients hear of it, and its end another.
    fn tell_once(&self, was_low: bool, look: Look) {
        let data_dir = self.data_dir.display();
        match (was_low, look.is_low()) {
            (false, true) => {
                tracing::error!(%data_dir, free = look.free, reserve = RESERVE_OCTETS, "the disk is nearly full: no mail is taken");
            }
            (true, false) => tracing::info!(%data_dir, free = look.free, "the disk has room again: mail is taken"),
            _ => {}
        }
    }
}
