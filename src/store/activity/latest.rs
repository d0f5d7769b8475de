//! Which aliases had mail, by their last one: an order that the log knows, and the rules do not.

use super::Activity;
use crate::policy::ids::AliasId;
use crate::store::Result;
use crate::store::columns::Columns;

/// Aliases whose last mail came before another's, the latest first; of one moment those with the greater key.
pub(in crate::store) const LATEST: &str = "select last_mail_at, alias_id from alias_counts \
    indexed by alias_counts_by_last_mail where last_mail_at is not null \
    and (last_mail_at, alias_id) < (?1, ?2) order by last_mail_at desc, alias_id desc limit ?3";

/// When the last mail of an alias came, in milliseconds, and which alias it is.
pub(in crate::store) type LastMail = (i64, AliasId);

impl Activity {
    /// So many aliases whose last mail came before, the latest first.
    pub(in crate::store) async fn latest(&self, (at, alias): LastMail, limit: usize) -> Result<Vec<LastMail>> {
        self.settle_counts().await?;
        let ask = sqlx::query(LATEST).bind(at).bind(alias.0).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = ask.fetch_all(&self.readers).await?;
        rows.iter().map(Columns::of).map(|mut columns| Ok((columns.take()?, AliasId(columns.take()?)))).collect()
    }

    /// When the last mail of these aliases came, the latest first; those that had none are left out.
    pub(in crate::store) async fn latest_of(&self, aliases: &[AliasId]) -> Result<Vec<LastMail>> {
        let counted = self.counts(aliases).await?;
        let mut latest: Vec<LastMail> =
            counted.into_iter().filter_map(|(alias, had)| Some((had.last_mail_at?.millis(), alias))).collect();
        latest.sort_unstable_by_key(|last| std::cmp::Reverse(*last));
        Ok(latest)
    }
}
