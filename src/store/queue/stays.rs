//! What stays in the queue and why, summed up for each destination: for whoever tells people that something stays too long.
//! And what waits, summed up by where it goes.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Queue, WaitingQuery};
use crate::mail::{Mailbox, Moment};
use crate::policy::ids::{AccountId, DomainId};
use crate::policy::notices::causes::Stay;
use crate::store::Result;
use crate::store::columns::{Columns, broken, json};
use crate::store::statement::whole;

/// The oldest deliveries are summed up, so many at most: of a queue of a million they tell enough.
const MAX_LOOKED_AT: u32 = 10_000;
/// Destinations of one host that are told apart, the oldest; those beyond are counted with the last. Mail for more inboxes than
/// this is the host's matter and not theirs.
const MAX_OF_HOST: usize = 8;
/// Hosts that are told of, and so many destinations whose mail is kept: those that have the oldest mail.
const MAX_TOLD: usize = 200;

/// Of each destination and state: which delivery is the oldest, how many there are, how many of them were tried, and since
/// when the first is held. Kept reports of others were never tried; our own are told of where they are held.
pub(in crate::store) const SUMS: &str = "select json_group_array(json_array(destination, state, account_id, first, n, \
    tried, held_at)) from (select o.destination, o.state, o.account_id, min(o.id) as first, count(*) as n, \
    sum(o.tries > 0) as tried, min(o.held_at) as held_at from (select id, destination, state, account_id, tries, \
    case state when 'held' then held_at end as held_at from deliveries \
    where (purpose = 'forward' or state = 'held') and (state <> 'kept' or tries > 0) \
    and (?1 is null or account_id = ?1 or domain_id in (select value from json_each(?2))) \
    order by id limit ?3) as o group by o.destination, o.state = 'held', o.state = 'kept')";
/// Which rows of the log some deliveries have, and when they came.
pub(in crate::store) const CAME: &str = "select q.id, q.uuid, m.received_at from json_each(?1) as j \
    join deliveries as q on q.id = j.value join messages as m on m.id = q.message_id";
/// By what stands behind the `@` of the destination: how many, how many of them are held, how many are reports of
/// ours, and when the first of them came.
pub(in crate::store) const WAITING: &str = "select w.host, w.n, w.held, w.reports, m.received_at from (select host, count(*) as n, \
    sum(is_held) as held, sum(is_report) as reports, min(id) as first from (select id, state = 'held' as is_held, \
        purpose = 'dsn' as is_report, \
        substr(destination, 1 + instr(destination, '@')) as host from deliveries \
    where state in ('due', 'leased', 'held') and (?1 is null or account_id = ?1 or domain_id in (select value from json_each(?2))) \
    and (?5 is null or domain_id = ?5) order by id limit ?3) group by host order by n desc, host limit ?4) as w \
    join deliveries as q on q.id = w.first join messages as m on m.id = q.message_id order by w.n desc, w.host";

/// All that waits and all that is held, and when the oldest of what waits came: counted along indexes alone, however long the
/// queue is.
pub(in crate::store) const STOCK: &str = "select w.n, (select count(*) from deliveries where state = 'held'), \
    (select m.received_at from deliveries as q join messages as m on m.id = q.message_id where q.id = w.first) \
    from (select count(*) as n, min(id) as first from deliveries indexed by deliveries_by_due \
        where state in ('due', 'leased')) as w";

/// Whose deliveries: an account's and those of domains beside it, or all.
type Scope<'s> = (Option<AccountId>, &'s [DomainId]);

/// What stays of one destination.
#[derive(Debug, Clone)]
pub struct Stays {
    /// The destination.
    pub destination: Mailbox,
    /// Why.
    pub stay: Stay,
    /// Whose the oldest is.
    pub account: AccountId,
    /// Its row in the log.
    pub id: Uuid,
    /// When it came; of what is held, since when.
    pub since: Moment,
    /// How many.
    pub count: u64,
    /// Whether any was tried.
    pub is_tried: bool,
}

/// What waits for one domain.
#[derive(Debug, Clone)]
pub struct Waits {
    /// The domain, or address literal.
    pub host: String,
    /// How many messages.
    pub count: u64,
    /// How many of them are held.
    pub held: u64,
    /// How many of them are reports of ours to senders.
    pub reports: u64,
    /// When the oldest came.
    pub since: Moment,
}

/// What the whole queue has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InStock {
    /// Messages that wait for their next try, or are on their way, each once for every inbox.
    pub waiting: u64,
    /// Those that are held.
    pub held: u64,
    /// When the oldest came of those that wait.
    pub oldest: Option<Moment>,
}

impl Queue {
    /// What there is in all.
    pub async fn in_stock(&self) -> Result<InStock> {
        let row = sqlx::query(STOCK).fetch_one(&self.readers).await?;
        let mut columns = Columns::of(&row);
        Ok(InStock { waiting: columns.count()?, held: columns.count()?, oldest: columns.maybe_moment()? })
    }

    /// What stays longest: what is held or kept, and what waits since before a moment.
    pub async fn stays(&self, (account, beside): Scope<'_>, before: Moment) -> Result<Vec<Stays>> {
        let ask = sqlx::query(SUMS).bind(account.map(|a| a.0)).bind(json(beside)).bind(MAX_LOOKED_AT);
        let sums: Vec<Summed> = whole(ask, &self.readers, "what stays in the queue").await?;
        let worst = worst(sums.into_iter().map(read).collect::<Result<_>>()?);
        let mut came = self.came(&worst.iter().map(|sum| sum.first).collect::<Vec<_>>()).await?;
        // What has left meanwhile stays no longer.
        let all = worst.into_iter().filter_map(|sum| Some((came.remove(&sum.first)?, sum)));
        let late = all.filter(|((_, since), sum)| sum.stay != Stay::Waits || *since <= before);
        late.map(|(came, sum)| sum.told(came)).collect()
    }

    async fn came(&self, deliveries: &[i64]) -> Result<HashMap<i64, (Uuid, Moment)>> {
        let rows = sqlx::query(CAME).bind(json(deliveries)).fetch_all(&self.readers).await?;
        let read = |row: &SqliteRow| {
            let mut columns = Columns::of(row);
            Ok((columns.take()?, (columns.uuid()?, columns.moment()?)))
        };
        rows.iter().map(read).collect()
    }

    /// The domains for which the most waits.
    pub async fn waits(&self, query: &WaitingQuery) -> Result<Vec<Waits>> {
        let ask = sqlx::query(WAITING).bind(query.account.map(|a| a.0)).bind(json(&query.beside)).bind(MAX_LOOKED_AT);
        let ask = ask.bind(query.limit).bind(query.domain.map(|domain| domain.0));
        let rows = ask.fetch_all(&self.readers).await?;
        let read = |row: &SqliteRow| {
            let mut columns = Columns::of(row);
            Ok(Waits {
                host: columns.take()?,
                count: columns.count()?,
                held: columns.count()?,
                reports: columns.count()?,
                since: columns.moment()?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Destination, state, account, the oldest, how many, how many of them were tried, and since when they are held.
type Summed = (String, String, i64, i64, u64, u64, Option<i64>);

/// All that stays of one destination in one way.
struct Sum {
    destination: String,
    stay: Stay,
    account: AccountId,
    /// The oldest delivery.
    first: i64,
    count: u64,
    tried: u64,
    held_at: Option<Moment>,
}

impl Sum {
    /// What it is told with: mail that waits, with the rest for its host; what is held, with all that is held.
    fn part(&self) -> &str {
        match self.stay {
            Stay::Waits => self.destination.rsplit_once('@').map_or("", |(_, host)| host),
            Stay::Held => "",
            Stay::Untold => &self.destination,
        }
    }

    fn told(self, (id, came): (Uuid, Moment)) -> Result<Stays> {
        let Self { destination, stay, account, count, tried, held_at, .. } = self;
        let since = held_at.unwrap_or(came);
        let destination = Mailbox::parse(&destination).map_err(|_| broken("a destination"))?;
        Ok(Stays { destination, stay, account, id, since, count, is_tried: tried > 0 })
    }
}

fn read((destination, state, account, first, count, tried, held_at): Summed) -> Result<Sum> {
    let (stay, held_at) = (stay(&state)?, held_at.map(Moment::from_millis));
    Ok(Sum { destination, stay, account: AccountId(account), first, count, tried, held_at })
}

/// The oldest, within the bounds of what is told.
fn worst(mut sums: Vec<Sum>) -> Vec<Sum> {
    sums.sort_by_key(|sum| sum.first);
    let mut told: Vec<Sum> = Vec::new();
    let mut parts: HashMap<(Stay, String), Vec<usize>> = HashMap::new();
    let mut counts: HashMap<Stay, usize> = HashMap::new();
    for sum in sums {
        let part = parts.entry((sum.stay, sum.part().to_owned())).or_default();
        let parts_told = counts.entry(sum.stay).or_default();
        match part.last() {
            None if *parts_told == MAX_TOLD => continue,
            None => *parts_told += 1,
            Some(&last) if part.len() == MAX_OF_HOST => {
                told[last].count += sum.count;
                told[last].tried += sum.tried;
                told[last].held_at = told[last].held_at.min(sum.held_at);
                continue;
            }
            Some(_) => {}
        }
        part.push(told.len());
        told.push(sum);
    }
    told
}

fn stay(state: &str) -> Result<Stay> {
    match state {
        "due" | "leased" => Ok(Stay::Waits),
        "held" => Ok(Stay::Held),
        "kept" => Ok(Stay::Untold),
        _ => Err(broken("the state of a delivery")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(first: i64, stay: Stay, destination: String) -> Sum {
        Sum { destination, stay, account: AccountId(1), first, count: 2, tried: 1, held_at: None }
    }

    /// How many of this kind are told, and how much mail they are.
    fn of(told: &[Sum], stay: Stay) -> (usize, u64) {
        let of_kind = told.iter().filter(|sum| sum.stay == stay);
        (of_kind.clone().count(), of_kind.map(|sum| sum.count).sum())
    }

    #[test]
    fn of_one_host_and_of_what_is_held_all_is_counted_though_not_told_apart() {
        for stay in [Stay::Waits, Stay::Held] {
            let told = worst((0..500).rev().map(|n| sum(n, stay, format!("a{n}@big.example"))).collect());
            assert_eq!(of(&told, stay), (MAX_OF_HOST, 1000));
            assert_eq!((told[0].first, told[0].count), (0, 2), "the oldest stands first");
        }
    }

    #[test]
    fn the_oldest_are_told_of_each_kind_and_no_kind_hides_another() {
        let kinds = [Stay::Waits, Stay::Untold];
        let all = (0..1000).flat_map(|n| kinds.map(|stay| sum(n, stay, format!("a@host{n}.example"))));
        let told = worst(all.chain([sum(5000, Stay::Held, "b@late.example".to_owned())]).collect());
        for stay in kinds {
            assert_eq!(of(&told, stay).0, MAX_TOLD);
        }
        assert_eq!(of(&told, Stay::Held), (1, 2));
        assert_eq!(told.iter().map(|sum| sum.first).filter(|first| *first < 1000).max(), Some(199));
    }
}
