//! The domains of destinations that take no mail, in memory: each delivery asks whether what it found is known. Nearly always
//! there are none, and then asking costs no more than a look.

use std::collections::HashSet;

use arc_swap::ArcSwap;
use sqlx::SqlitePool;

use crate::mail::Domain;
use crate::store::Result;
use crate::store::rules::no_mail::ALL;

#[derive(Debug)]
pub(super) struct NoMail(ArcSwap<HashSet<String>>);

impl NoMail {
    /// As they are stored.
    pub(super) async fn read(rules: &SqlitePool) -> Result<Self> {
        Ok(Self(ArcSwap::from_pointee(all(rules).await?)))
    }

    /// As they are stored now.
    pub(super) async fn read_again(&self, rules: &SqlitePool) -> Result<()> {
        self.0.store(all(rules).await?.into());
        Ok(())
    }

    pub(super) fn knows(&self, domain: &Domain) -> bool {
        self.0.load().contains(domain.as_str())
    }
}

async fn all(rules: &SqlitePool) -> Result<HashSet<String>> {
    Ok(sqlx::query_scalar(ALL).fetch_all(rules).await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use crate::chance::Chance;
    use crate::clock::Clock;
    use crate::mail::Moment;
    use crate::store::{Settings, Store};

    /// Side by side, an older reading could end after a newer one, and stand.
    #[tokio::test]
    async fn it_is_read_by_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let settings =
            Settings { data_dir: directory.path().to_owned(), database: directory.path().join("waypost.db") };
        let store = Store::open(settings, Clock::manual(Moment::from_millis(1)), Chance::seeded(7)).await.unwrap();
        let other = store.directory.0.reading.lock().await;
        let mut waiting = pin!(store.directory.read_no_mail());
        for _ in 0..1000 {
            let read = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
            assert!(read.is_pending(), "another one has its turn");
            tokio::task::yield_now().await;
        }
        drop(other);
        waiting.await.unwrap();
    }
}
