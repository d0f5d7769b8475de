//! An alias that its first mail made: that mail came before it, for the catch-all, whose rule its rows name for ever. It is the
//! first that the alias had all the same: its rows, what became of them, its last until the next, one of its messages, and one
//! of its day.

use sqlx::{Row as _, SqliteConnection};
use uuid::Uuid;

use super::tally::AliasSums;
use super::{Activity, tally};
use crate::mail::{Mailbox, Moment};
use crate::policy::ids::AliasId;
use crate::store::Result;
use crate::store::columns::json;

pub(in crate::store) const NOTE: &str = "insert into alias_counts \
    (alias_id, messages, forwarded, refused, dropped, failed, bounced, last_mail_at) values (?1, 1, 0, 0, 0, 0, 0, ?2) \
    on conflict (alias_id) do update set messages = messages + 1, \
    last_mail_at = coalesce(max(last_mail_at, excluded.last_mail_at), excluded.last_mail_at)";
pub(in crate::store) const HOUR: &str = "insert into alias_hours (start, alias_id, messages) values (?1, ?2, 1) \
    on conflict (start, alias_id) do update set messages = messages + 1";
pub(in crate::store) const ROWS: &str = "update activity set alias_id = ?1 \
    where transaction_id = ?2 and recipient = ?3 and alias_id = ?4 returning status";
pub(in crate::store) const COUNTS: &str = "update alias_counts set forwarded = forwarded + value ->> 1, \
    refused = refused + value ->> 2, dropped = dropped + value ->> 3, failed = failed + value ->> 4, \
    bounced = bounced + value ->> 5 from json_each(?1) where alias_id = value ->> 0";

/// The mail that made an alias.
#[derive(Debug, Clone)]
pub struct FirstMail {
    /// The alias that it made.
    pub alias: AliasId,
    /// The catch-all that took it.
    pub catch_all: AliasId,
    /// Its transaction.
    pub transaction: Uuid,
    /// Its recipient.
    pub recipient: Mailbox,
    /// When it came.
    pub at: Moment,
}

impl Activity {
    /// Mail made this alias.
    pub async fn first_mail(&self, mail: FirstMail) -> Result<()> {
        // What waits to be counted is counted for the catch-all.
        self.settle_counts().await?;
        let alias = mail.alias;
        self.writer.change(mail, |c, mail| Box::pin(note(c, mail))).await?;
        self.usage.forget(alias);
        Ok(())
    }
}

async fn note(connection: &mut SqliteConnection, mail: &FirstMail) -> Result<()> {
    sqlx::query(NOTE).bind(mail.alias.0).bind(mail.at.millis()).execute(&mut *connection).await?;
    sqlx::query(HOUR).bind(tally::hour_of(mail.at)).bind(mail.alias.0).execute(&mut *connection).await?;
    let rows = sqlx::query(ROWS).bind(mail.alias.0).bind(mail.transaction.as_bytes().as_slice());
    let rows = rows.bind(mail.recipient.to_string()).bind(mail.catch_all.0).fetch_all(&mut *connection).await?;
    let mut sums = AliasSums::default();
    for row in rows {
        sums.note(row.try_get(0)?, 1);
    }
    let moved = |alias: AliasId, sign: i64| {
        let AliasSums { forwarded, refused, dropped, failed, bounced, .. } = sums;
        (alias.0, sign * forwarded, sign * refused, sign * dropped, sign * failed, sign * bounced)
    };
    let counts = json(&[moved(mail.alias, 1), moved(mail.catch_all, -1)]);
    sqlx::query(COUNTS).bind(counts).execute(connection).await?;
    Ok(())
}
