//! An alias that its first mail made: that mail came before it, for the catch-all, and is its last mail until the next.

use sqlx::SqliteConnection;

use super::Activity;
use crate::mail::Moment;
use crate::policy::ids::AliasId;
use crate::store::Result;

pub(in crate::store) const NOTE: &str = "insert into alias_counts \
    (alias_id, messages, forwarded, refused, dropped, failed, bounced, last_mail_at) values (?1, 0, 0, 0, 0, 0, 0, ?2) \
    on conflict do nothing";

impl Activity {
    /// Mail made this alias. It is counted where it came to.
    pub async fn first_mail(&self, alias: AliasId, at: Moment) -> Result<()> {
        self.writer.change((alias, at), |c, needs| Box::pin(note(c, needs))).await
    }
}

async fn note(connection: &mut SqliteConnection, (alias, at): &(AliasId, Moment)) -> Result<()> {
    sqlx::query(NOTE).bind(alias.0).bind(at.millis()).execute(connection).await?;
    Ok(())
}
