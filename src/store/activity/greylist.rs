//! What greylisting remembers, kept over a restart: read whole on start, written in batches.

use sqlx::SqliteConnection;

use super::Activity;
use crate::mail::Moment;
use crate::policy::greylist::{COMES_AGAIN_WITHIN, KEY_OCTETS, Key, REMEMBERED_FOR, Seen};
use crate::store::Result;
use crate::store::columns::{Columns, broken, json};

/// Triplets that are kept, some 30 MiB of them in memory; of more, those that came last.
pub const MAX_TRIPLETS: u64 = 100_000;

pub(in crate::store) const LOAD: &str =
    "select digest, first_at, let_in_at from greylist order by coalesce(let_in_at, first_at) limit 100000";
pub(in crate::store) const SEEN: &str = "select first_at, let_in_at from greylist where digest = ?1";
pub(in crate::store) const NOTE: &str = "insert into greylist (digest, first_at, let_in_at) select \
    unhex(value ->> 0), value ->> 1, value ->> 2 from json_each(?1) where true on conflict (digest) do update set \
    first_at = excluded.first_at, let_in_at = excluded.let_in_at";
pub(in crate::store) const FORGET: &str =
    "delete from greylist where let_in_at < ?1 or (let_in_at is null and first_at < ?2)";
pub(in crate::store) const MAKE_ROOM: &str = "delete from greylist where digest in (select digest from greylist \
    order by coalesce(let_in_at, first_at) desc limit -1 offset 100000)";

impl Activity {
    /// All that is remembered, who came last at the end.
    pub async fn greylist(&self) -> Result<Vec<(Key, Seen)>> {
        let rows = sqlx::query(LOAD).fetch_all(&self.readers).await?;
        let read = rows.iter().map(|found| {
            let mut columns = Columns::of(found);
            let digest: &[u8] = columns.take()?;
            let key: [u8; KEY_OCTETS] = digest.try_into().map_err(|_| broken("a digest"))?;
            Ok((key, Seen { first_at: columns.moment()?, let_in_at: columns.maybe_moment()? }))
        });
        read.collect()
    }

    /// What is remembered of one, as it was written last.
    pub async fn greylist_seen(&self, key: &Key) -> Result<Option<Seen>> {
        let row = sqlx::query(SEEN).bind(key.as_slice()).fetch_optional(&self.readers).await?;
        let read = |row| {
            let mut columns = Columns::of(&row);
            Ok(Seen { first_at: columns.moment()?, let_in_at: columns.maybe_moment()? })
        };
        row.map(read).transpose()
    }

    /// Remembers these.
    pub async fn note_greylist(&self, seen: &[(Key, Seen)]) -> Result<()> {
        let written = seen.iter().map(|(key, seen)| {
            let let_in_at = seen.let_in_at.map(Moment::millis);
            (data_encoding::HEXLOWER.encode(key), seen.first_at.millis(), let_in_at)
        });
        let list = json(&written.collect::<Vec<_>>());
        self.writer.change(list, |c, list| Box::pin(note(c, list))).await
    }

    /// Forgets those whose time is over, and those that are too many.
    pub async fn tidy_greylist(&self, now: Moment) -> Result<()> {
        self.writer.change(now, |c, now| Box::pin(tidy(c, *now))).await
    }
}

async fn note(connection: &mut SqliteConnection, list: &str) -> Result<()> {
    sqlx::query(NOTE).bind(list).execute(connection).await?;
    Ok(())
}

async fn tidy(connection: &mut SqliteConnection, now: Moment) -> Result<()> {
    let (known, waiting) = (now.before(REMEMBERED_FOR), now.before(COMES_AGAIN_WITHIN));
    sqlx::query(FORGET).bind(known.millis()).bind(waiting.millis()).execute(&mut *connection).await?;
    sqlx::query(MAKE_ROOM).execute(connection).await?;
    Ok(())
}
