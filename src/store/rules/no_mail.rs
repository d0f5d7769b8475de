//! Domains of destinations that take no mail, as the DNS said when it was asked last.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::Rules;
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::policy::no_mail::{NoMail, TakesNone};
use crate::store::Result;
use crate::store::columns::{Columns, json};

/// Domains that are told of at a time.
const MAX_TOLD: u32 = 100;

/// `@` and each domain.
pub(in crate::store) const HOSTS: &str =
    "select distinct host from destinations where host > ?1 order by host limit ?2";
/// What is found again stands since it was found first.
pub(in crate::store) const NOTE: &str = "insert into no_mail (domain, why, since) values (?1, ?2, ?3) \
    on conflict (domain) do update set why = ?2";
pub(in crate::store) const FORGET: &str = "delete from no_mail where domain = ?1";
/// Those of destinations that were removed.
pub(in crate::store) const TIDY: &str = "delete from no_mail \
    where not exists (select 1 from destinations as d where d.host = '@' || no_mail.domain)";
pub(in crate::store) const ALL: &str = "select domain from no_mail";
/// Whether a destination lies in a domain.
pub(in crate::store) const HAS_INBOX: &str = "select exists (select 1 from destinations where host = ?1)";
pub(in crate::store) const AMONG: &str =
    "select domain, why, since from no_mail where domain in (select value from json_each(?1))";
/// Those where aliases of an account (null: of any) lead that are in use.
pub(in crate::store) const IN_USE: &str = "select n.domain, n.why, n.since from no_mail as n where exists \
    (select 1 from destinations as d cross join alias_destinations as t on t.destination_id = d.id \
    cross join aliases as a on a.id = t.alias_id cross join domains as m on m.id = a.domain_id \
    where d.host = '@' || n.domain and (?1 is null or d.account_id = ?1) \
    and a.enabled = 1 and a.action = 'forward' and m.removed_at is null) order by n.since, n.domain limit ?2";

impl Rules {
    /// The domains of destinations behind this one, in order.
    pub async fn inbox_domains(&self, after: &str, limit: u32) -> Result<Vec<String>> {
        let ask = sqlx::query_scalar(HOSTS).bind(format!("@{after}")).bind(limit);
        let hosts: Vec<String> = ask.fetch_all(&self.readers).await?;
        Ok(hosts.into_iter().map(|host| host.trim_start_matches('@').to_owned()).collect())
    }

    /// Notes that a domain takes no mail and why, or that nothing speaks against it any more.
    pub async fn note_no_mail(&self, domain: &str, why: Option<NoMail>) -> Result<()> {
        let change = (domain.to_owned(), why, self.clock.now());
        self.writer.change(change, |c, change| Box::pin(note(c, change))).await?;
        self.directory.read_no_mail().await
    }

    /// Forgets domains that no destination is of any more.
    pub async fn tidy_no_mail(&self) -> Result<()> {
        self.writer.change((), |c, ()| Box::pin(tidy(c))).await?;
        self.directory.read_no_mail().await
    }

    /// Whether anybody has an inbox there.
    pub async fn has_inbox_on(&self, domain: &str) -> Result<bool> {
        let found: i64 = sqlx::query_scalar(HAS_INBOX).bind(format!("@{domain}")).fetch_one(&self.readers).await?;
        Ok(found != 0)
    }

    /// Which of these domains take no mail.
    pub async fn no_mail_among(&self, domains: &[&str]) -> Result<Vec<TakesNone>> {
        let found = sqlx::query(AMONG).bind(json(&domains)).fetch_all(&self.readers).await?;
        found.iter().map(read).collect()
    }

    /// Those where aliases in use lead, of an account or of all; the oldest first.
    pub async fn no_mail_in_use(&self, account: Option<AccountId>) -> Result<Vec<TakesNone>> {
        let ask = sqlx::query(IN_USE).bind(account.map(|a| a.0)).bind(MAX_TOLD);
        ask.fetch_all(&self.readers).await?.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<TakesNone> {
    let mut columns = Columns::of(row);
    Ok(TakesNone {
        domain: columns.take()?,
        why: columns.parsed("why a domain takes no mail", NoMail::parse)?,
        since: columns.moment()?,
    })
}

async fn note(connection: &mut SqliteConnection, (domain, why, at): &(String, Option<NoMail>, Moment)) -> Result<()> {
    let change = match why {
        Some(why) => sqlx::query(NOTE).bind(domain.as_str()).bind(why.as_str()).bind(at.millis()),
        None => sqlx::query(FORGET).bind(domain.as_str()),
    };
    change.execute(connection).await?;
    Ok(())
}

async fn tidy(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query(TIDY).execute(connection).await?;
    Ok(())
}
