//! An alias that its first mail made: that mail came before it, for the catch-all, in whose rows it is. It is the first that the
//! alias had all the same: its last until the next, one of its messages, and one of its day.

use sqlx::SqliteConnection;

use super::{Activity, tally};
use crate::mail::Moment;
use crate::policy::ids::AliasId;
use crate::store::Result;

pub(in crate::store) const NOTE: &str = "insert into alias_counts \
    (alias_id, messages, forwarded, refused, dropped, failed, bounced, last_mail_at) values (?1, 1, 0, 0, 0, 0, 0, ?2) \
    on conflict (alias_id) do update set messages = messages + 1, \
    last_mail_at = coalesce(max(last_mail_at, excluded.last_mail_at), excluded.last_mail_at)";
pub(in crate::store) const HOUR: &str = "insert into alias_hours (start, alias_id, messages) values (?1, ?2, 1) \
    on conflict (start, alias_id) do update set messages = messages + 1";

impl Activity {
    /// Mail made this alias. What became of it is counted where it came to.
    pub async fn first_mail(&self, alias: AliasId, at: Moment) -> Result<()> {
        self.writer.change((alias, at), |c, needs| Box::pin(note(c, needs))).await?;
        self.usage.forget(alias);
        Ok(())
    }
}

async fn note(connection: &mut SqliteConnection, (alias, at): &(AliasId, Moment)) -> Result<()> {
    sqlx::query(NOTE).bind(alias.0).bind(at.millis()).execute(&mut *connection).await?;
    sqlx::query(HOUR).bind(tally::hour_of(*at)).bind(alias.0).execute(connection).await?;
    Ok(())
}
