//! A delivery that somebody sends to another inbox: its row names that one from then on, and what was tried before stays.

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::Activity;
use crate::mail::Mailbox;
use crate::store::Result;

pub(in crate::store) const REDIRECT: &str = "update activity set destination = ?2, \
    facts = json_set(facts, '$.envelope.after.to', json_array(?2)) where id = ?1";

impl Activity {
    /// Where a delivery goes from now on. The index learns it with the next change of the row.
    pub async fn redirect(&self, id: Uuid, destination: &Mailbox) -> Result<()> {
        self.writer.change((id, destination.to_string()), |c, needs| Box::pin(redirect(c, needs))).await
    }
}

async fn redirect(connection: &mut SqliteConnection, (id, destination): &(Uuid, String)) -> Result<()> {
    let redirect = sqlx::query(REDIRECT).bind(id.as_bytes().as_slice()).bind(destination.as_str());
    redirect.execute(connection).await?;
    Ok(())
}
