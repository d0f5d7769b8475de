//! Senders whose SRS address would pass 64 octets, kept under a token; synced before the first attempt uses it.

use sqlx::SqliteConnection;

use super::Queue;
use crate::mail::{Mailbox, Moment};
use crate::store::Result;
use crate::store::columns::Columns;

/// Tokens that a sender domain may have; the one that was used longest ago makes room.
pub const MAX_TOKENS_PER_DOMAIN: u32 = 10_000;
/// Octets of a token: 80 bits, 16 characters.
const TOKEN_OCTETS: usize = 10;

pub(in crate::store) const KNOWN: &str = "update srs_tokens set used_at = ?2 where sender = ?1 returning token";
pub(in crate::store) const MAKE_ROOM: &str = "delete from srs_tokens where token in (select token from srs_tokens \
    where sender_domain = ?1 order by used_at desc limit -1 offset ?2)";
pub(in crate::store) const ADD: &str =
    "insert into srs_tokens (token, sender, sender_domain, used_at) values (?1, ?2, ?3, ?4)";
pub(in crate::store) const SENDER: &str = "select sender from srs_tokens where token = ?1";

impl Queue {
    /// Keeps a sender under a token for an SRS address (synced; at most `MAX_TOKENS_PER_DOMAIN` a sender domain).
    pub async fn store_token(&self, sender: &Mailbox, now: Moment) -> Result<String> {
        let token = data_encoding::BASE32_NOPAD.encode(&self.chance.token()[..TOKEN_OCTETS]).to_ascii_lowercase();
        let needs = (sender.to_string(), sender.host().to_string(), token, now);
        self.writer.change(needs, |c, needs| Box::pin(store(c, needs))).await
    }

    /// The sender behind a token.
    pub async fn token_sender(&self, token: &str) -> Result<Option<Mailbox>> {
        let ask = sqlx::query(SENDER).bind(token.to_ascii_lowercase());
        let Some(row) = ask.fetch_optional(&self.readers).await? else { return Ok(None) };
        Columns::of(&row).parsed("a sender", |text| Mailbox::parse(text).ok()).map(Some)
    }
}

async fn store(
    connection: &mut SqliteConnection,
    (sender, domain, token, now): &(String, String, String, Moment),
) -> Result<String> {
    let known = sqlx::query_scalar(KNOWN).bind(sender.as_str()).bind(now.millis());
    if let Some(token) = known.fetch_optional(&mut *connection).await? {
        return Ok(token);
    }
    let room = sqlx::query(MAKE_ROOM).bind(domain.as_str()).bind(MAX_TOKENS_PER_DOMAIN - 1);
    room.execute(&mut *connection).await?;
    let add = sqlx::query(ADD).bind(token.as_str()).bind(sender.as_str()).bind(domain.as_str()).bind(now.millis());
    add.execute(connection).await?;
    Ok(token.clone())
}
