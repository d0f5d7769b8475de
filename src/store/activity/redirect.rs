//! A delivery that somebody sends to another inbox: its row names that one from then on, and what was tried before stays.

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::Activity;
use crate::mail::Mailbox;
use crate::policy::status::TraceStep;
use crate::store::Result;
use crate::store::columns::json;

/// Of very many steps, the last gives way.
pub(in crate::store) const REDIRECT: &str = "update activity set destination = ?2, \
    facts = json_set(facts, '$.envelope.after.to', json_array(?2), \
    case when json_array_length(facts, '$.trace') < 100 then '$.trace[#]' else '$.trace[99]' end, json(?3)) where id = ?1";

impl Activity {
    /// Where a delivery goes from now on, and who said so. The index learns it with the next change of the row.
    pub async fn redirect(&self, id: Uuid, destination: &Mailbox, step: &TraceStep) -> Result<()> {
        let needs = (id, destination.to_string(), json(step));
        self.writer.change(needs, |c, needs| Box::pin(redirect(c, needs))).await
    }
}

async fn redirect(connection: &mut SqliteConnection, (id, destination, step): &(Uuid, String, String)) -> Result<()> {
    let redirect = sqlx::query(REDIRECT).bind(id.as_bytes().as_slice()).bind(destination.as_str());
    redirect.bind(step.as_str()).execute(connection).await?;
    Ok(())
}
