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

    const fn since(self, was_low: bool) -> Option<News> {
        match (was_low, self.is_low()) {
            (false, true) => Some(News::Low),
            (true, false) => Some(News::RoomAgain),
            _ => None,
        }
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
        let (data_dir, free) = (self.data_dir.display(), look.free);
        match look.since(was_low) {
            Some(News::Low) => {
                tracing::error!(%data_dir, free, reserve = RESERVE_OCTETS, "the disk is nearly full: no mail is taken");
            }
            Some(News::RoomAgain) => tracing::info!(%data_dir, free, "the disk has room again: mail is taken"),
            None => {}
        }
    }
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Low,
    RoomAgain,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_once_and_so_is_its_end() {
        let now = Instant::now();
        let mut was_low = false;
        let mut told = Vec::new();
        for free in [RESERVE_OCTETS, RESERVE_OCTETS - 1, 0, 1, RESERVE_OCTETS, u64::MAX, 0] {
            let look = Look { at: now, free };
            told.extend(look.since(was_low));
            was_low = look.is_low();
        }
        assert_eq!(told, [News::Low, News::RoomAgain, News::Low]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_disk_is_asked_again_in_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new(folder.path().join("not yet there"));
        let now = Instant::now();
        assert!(!space.has_room_for(0, now), "a disk that cannot be asked has no room");
        std::fs::create_dir(&space.data_dir).unwrap();
        assert!(!space.has_room_for(0, now));
        assert!(space.has_room_for(0, now + ASK_EVERY));
        assert!(!space.has_room_for(u64::MAX, now + ASK_EVERY));
    }
}
