//! Feeds the search index of aliases, in steps that let others write in between.
//!
//! Aliases are fed in the order of their ids, up to an import that has not finished: so an import of a million costs
//! nothing for being searchable, and what is undone was never indexed. Below that, triggers keep the index up.

use sqlx::SqliteConnection;

use super::Rules;
use crate::store::Result;

pub(in crate::store) const IS_BEHIND: &str = "select exists (select 1 from aliases \
    where id > (select upto from alias_feeder) \
    and id < coalesce((select min(first_alias_id) from imports where finished_at is null), 9223372036854775807))";
// A thousand aliases are a step.
pub(in crate::store) const LAST: &str = "select max(id) from (select id from aliases \
    where id > (select upto from alias_feeder) \
    and id < coalesce((select min(first_alias_id) from imports where finished_at is null), 9223372036854775807) \
    order by id limit 1000)";
pub(in crate::store) const FEED: &str = "insert into alias_words (rowid, place, pattern, description) \
    select id, place, pattern, description from alias_texts \
    where id > (select upto from alias_feeder) and id <= ?1 order by id";
pub(in crate::store) const FED: &str = "update alias_feeder set upto = ?1";

impl Rules {
    /// Feeds what is not in the search index yet.
    pub async fn index(&self) -> Result<()> {
        let behind: i64 = sqlx::query_scalar(IS_BEHIND).fetch_one(&self.readers).await?;
        if behind != 0 {
            while self.writer.change((), |c, ()| Box::pin(feed(c))).await? {}
        }
        Ok(())
    }
}

/// One step; whether there may be more to do.
async fn feed(connection: &mut SqliteConnection) -> Result<bool> {
    let last: Option<i64> = sqlx::query_scalar(LAST).fetch_one(&mut *connection).await?;
    let Some(last) = last else { return Ok(false) };
    sqlx::query(FEED).bind(last).execute(&mut *connection).await?;
    sqlx::query(FED).bind(last).execute(connection).await?;
    Ok(true)
}
