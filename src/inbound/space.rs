//! Whether the disk has room for another message: asked at MAIL, before anything is sent, and while a large message
//! arrives.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::facts::outside::room_at;
use crate::policy::checkup::DiskFacts;

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
    disk: DiskFacts,
}

impl Look {
    fn since(self, was_low: bool) -> Option<News> {
        match (was_low, self.disk.is_refusing()) {
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
        self.disk(now).has_room_for(octets)
    }

    /// One that cannot be asked has no room.
    fn disk(&self, now: Instant) -> DiskFacts {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(look) = *last
            && now.duration_since(look.at) < ASK_EVERY
        {
            return look.disk;
        }
        let look = Look { at: now, disk: room_at(&self.data_dir).unwrap_or(DiskFacts { free: 0, total: 0 }) };
        self.tell_once(last.is_some_and(|look| look.disk.is_refusing()), look);
        *last = Some(look);
        look.disk
    }

    /// A full disk is one line of the log, however many clients hear of it, and its end another.
    fn tell_once(&self, was_low: bool, look: Look) {
        let (data_dir, free, reserve) = (self.data_dir.display(), look.disk.free, look.disk.reserve());
        match look.since(was_low) {
            Some(News::Low) => {
                tracing::error!(%data_dir, free, reserve, "the disk is nearly full: no mail is taken");
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
        let (at, mut was_low, mut told) = (Instant::now(), false, Vec::new());
        for (free, total) in
            [(64 << 20, 1 << 40), ((64 << 20) - 1, 1 << 40), (0, 1 << 40), (8 << 20, 32 << 20), (7 << 20, 32 << 20)]
        {
            let look = Look { at, disk: DiskFacts { free, total } };
            told.extend(look.since(was_low));
            was_low = look.disk.is_refusing();
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
