//! Lists of aliases, newest first, along the narrowest index that the question allows.
//!
//! An import that has not finished fills ids that nobody may see yet, perhaps a million of them. A list does not pass over
//! them one by one: above the first of them it runs along the aliases that no import brought, below it along the rest.
//! There is one unfinished import at most (see [`super::import`]).

use std::collections::HashMap;

use super::alias_words::Words;
use super::loaded::{self, Loaded};
use super::words::Word;
use super::{AliasRow, ListQuery, Listing, Order, Quiet, Rules};
use crate::policy::ids::{DestinationId, OWNER};
use crate::policy::rule::{Action, Kind};
use crate::store::Result;
use crate::store::columns::Columns;
use crate::store::statement::Statement;

/// What a filter asks beside the index that a list runs along: kind, action, destination, label, domain, whether it ends,
/// from `?8` on.
macro_rules! filtered {
    () => {
        " and (?8 is null or a.kind = ?8) and (?9 is null or a.action = ?9) \
         and (?10 is null or exists (select 1 from alias_destinations as f \
             where f.alias_id = a.id and f.destination_id = ?10)) \
         and (?11 is null or exists (select 1 from alias_labels as f join labels as g on g.id = f.label_id \
             where f.alias_id = a.id and g.name = ?11)) \
         and (?12 is null or a.domain_id = ?12) \
         and (?13 = 0 or a.expires_at is not null or a.expires_after_messages is not null \
             or a.expires_after_idle is not null)"
    };
}
pub(super) use filtered;

/// A list over `$from`, whose condition is `$along` over `?1`. Then: account, switched on, from which id, before which id,
/// limit, text, and what [`filtered`] asks.
macro_rules! list {
    ($from:literal, $along:literal) => {
        list!($from, $along, "a.id")
    };
    ($from:literal, $along:literal, $order:literal) => {
        concat!(
            "select ",
            loaded::selected!(),
            " from ",
            $from,
            " cross join domains as d on d.id = a.domain_id where ",
            $along,
            " and d.removed_at is null and (?2 is null or a.account_id = ?2) and (?3 is null or a.enabled = ?3) \
             and a.id >= ?4 and a.id < ?5 \
             and (?7 is null or instr(a.key || '@' || d.name, ?7) > 0 or instr(lower(a.description), ?7) > 0)",
            filtered!(),
            " and ",
            loaded::counts!(),
            " order by ",
            $order,
            " desc limit ?6"
        )
    };
}
pub(in crate::store) const ALL: &str = list!("aliases as a", "?1 is null");
pub(in crate::store) const OF_DOMAIN: &str = list!("aliases as a indexed by aliases_by_domain", "a.domain_id = ?1");
pub(in crate::store) const OF_MEMBER: &str =
    list!("aliases as a indexed by aliases_by_account", "?1 is null and a.account_id = ?2 and a.account_id <> 1");
pub(in crate::store) const OFF: &str = list!("aliases as a indexed by aliases_off", "?1 is null and a.enabled = 0");
pub(in crate::store) const OFF_OF_DOMAIN: &str =
    list!("aliases as a indexed by aliases_off_by_domain", "a.domain_id = ?1 and a.enabled = 0");
pub(in crate::store) const OF_DESTINATION: &str = list!(
    "alias_destinations as t indexed by alias_destinations_by_destination cross join aliases as a on a.id = t.alias_id",
    "t.destination_id = ?1 and t.alias_id >= ?4 and t.alias_id < ?5",
    "t.alias_id"
);
pub(in crate::store) const OF_PATTERNS: &str =
    list!("aliases as a indexed by aliases_patterned", "?1 is null and a.kind <> 'address'");
pub(in crate::store) const NOT_FORWARDED: &str =
    list!("aliases as a indexed by aliases_unlike", "?1 is null and a.action <> 'forward'");
pub(in crate::store) const ENDING: &str = list!(
    "aliases as a indexed by aliases_ending",
    "?1 is null and (a.expires_at is not null or a.expires_after_messages is not null \
     or a.expires_after_idle is not null)"
);
pub(in crate::store) const OF_LABEL: &str = list!(
    "labels as l cross join alias_labels as y indexed by alias_labels_by_label on y.label_id = l.id \
     cross join aliases as a on a.id = y.alias_id",
    "?1 is null and l.account_id = ?2 and l.name = ?11 and y.alias_id >= ?4 and y.alias_id < ?5",
    "y.alias_id"
);
pub(in crate::store) const APART: &str =
    list!("aliases as a indexed by aliases_apart", "(?1 is null or a.domain_id = ?1) and a.import_id is null");
/// Aliases of a destination, up to one more than are few.
pub(in crate::store) const SOME_OF_DESTINATION: &str =
    "select count(*) from (select 1 from alias_destinations where destination_id = ?1 limit ?2)";
/// Aliases that are looked at together for those that have been quiet, and how often for one page.
const QUIET_ROWS: u32 = 250;
const MAX_QUIET_PAGES: u32 = 4;
/// A destination of no more aliases is a narrower way than a domain.
const FEW: i64 = 2000;
pub(in crate::store) const UNFINISHED_FROM: &str = "select min(first_alias_id) from imports where finished_at is null";

/// What of the aliases a page may show, and how much.
pub(super) struct Bounds {
    pub(super) domain: Option<i64>,
    pub(super) account: Option<i64>,
    pub(super) enabled: Option<i64>,
    pub(super) before: i64,
    pub(super) limit: u32,
    pub(super) filter: Filter,
    destination_is_few: bool,
}

/// What is asked beside.
#[derive(Clone)]
pub(super) struct Filter {
    kind: Option<Kind>,
    action: Option<Action>,
    destination: Option<i64>,
    label: Option<String>,
    domain: Option<i64>,
    ending: bool,
}

impl Filter {
    /// The same for another domain.
    fn of_domain(&self, domain: i64) -> Self {
        Self { domain: Some(domain), ..self.clone() }
    }

    /// Binds what [`filtered`] asks.
    pub(super) fn bind(&self, ask: Statement) -> Statement {
        let ask = ask.bind(self.kind.map(Word::word)).bind(self.action.map(Word::word));
        ask.bind(self.destination).bind(self.label.clone()).bind(self.domain).bind(i64::from(self.ending))
    }
}

impl Bounds {
    fn of(query: &ListQuery) -> Result<Self> {
        let (_, before) = super::cursor_pair(query.cursor.as_deref())?;
        Ok(Self {
            domain: query.domain.map(|domain| domain.0),
            account: query.account.map(|account| account.0),
            enabled: query.enabled.map(i64::from),
            before: if before == super::FROM_THE_START { i64::MAX } else { before },
            limit: super::page_rows(query.limit),
            filter: Filter {
                kind: query.kind,
                action: query.action,
                destination: query.destination.map(|destination| destination.0),
                label: query.label.clone(),
                domain: query.domain.map(|domain| domain.0),
                ending: query.ending,
            },
            destination_is_few: false,
        })
    }

    /// One more than the page has room for: then there is a next one.
    pub(super) const fn rows(&self) -> usize {
        self.limit as usize + 1
    }

    /// The narrowest way, and what of it is asked for.
    fn along(&self) -> (&'static str, Option<i64>) {
        let Filter { kind, action, destination, label, .. } = &self.filter;
        if label.is_some() && self.account.is_some() {
            return (OF_LABEL, None);
        }
        if kind.is_some_and(|kind| kind != Kind::Address) {
            return (OF_PATTERNS, None);
        }
        if action.is_some_and(|action| action != Action::Forward) {
            return (NOT_FORWARDED, None);
        }
        if self.filter.ending {
            return (ENDING, None);
        }
        if destination.is_some() && (self.domain.is_none() || self.destination_is_few) {
            return (OF_DESTINATION, *destination);
        }
        (self.along_domain(), self.domain)
    }

    const fn along_domain(&self) -> &'static str {
        match (self.domain, self.enabled, self.account) {
            (Some(_), Some(0), _) => OFF_OF_DOMAIN,
            (Some(_), ..) => OF_DOMAIN,
            (None, Some(0), _) => OFF,
            (None, _, Some(account)) if account != OWNER.0 => OF_MEMBER,
            (None, ..) => ALL,
        }
    }
}

/// A part of a walk: between which ids, and the text that they must have.
pub(super) struct Stretch<'t> {
    pub(super) from: i64,
    pub(super) before: i64,
    pub(super) text: Option<&'t str>,
}

impl Rules {
    /// Newest first; of those that are to have been quiet no more than some are looked at for one page, which then has
    /// fewer rows than it has room for. The next one is where it says.
    pub async fn aliases(&self, query: ListQuery) -> Result<Listing<AliasRow>> {
        let Some(quiet) = query.quiet else { return self.listed(query).await };
        let room = super::page_rows(query.limit) as usize;
        let (mut items, mut cursor) = (Vec::new(), query.cursor.clone());
        for _ in 0..MAX_QUIET_PAGES {
            let page = self.listed(ListQuery { cursor, quiet: None, limit: QUIET_ROWS, ..query.clone() }).await?;
            cursor = page.next_cursor;
            items.extend(self.quiet_of(page.items, quiet).await?);
            if items.len() > room {
                items.truncate(room);
                cursor = items.last().map(|row| super::pair_cursor("", row.key.0));
            }
            if cursor.is_none() || items.len() >= room {
                break;
            }
        }
        Ok(Listing { items, next_cursor: cursor })
    }

    /// Those that had no mail for so long.
    async fn quiet_of(&self, mut rows: Vec<AliasRow>, quiet: Quiet) -> Result<Vec<AliasRow>> {
        let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        let last: HashMap<_, _> =
            self.activity.counts(&keys).await?.into_iter().map(|(key, _, last)| (key, last)).collect();
        rows.retain(|row| match (quiet, last.get(&row.key).copied().flatten()) {
            (_, None) => true,
            (Quiet::Always, Some(_)) => false,
            (Quiet::Since(since), Some(last)) => last < since,
        });
        Ok(rows)
    }

    /// Newest first, unless another order is asked for. With a text a page may have fewer rows than it has room for; the next
    /// one is where it says.
    async fn listed(&self, query: ListQuery) -> Result<Listing<AliasRow>> {
        if !matches!(query.order, Order::Usual | Order::Newest) {
            return self.ordered_aliases(&query).await;
        }
        let mut bounds = Bounds::of(&query)?;
        bounds.destination_is_few = self.is_few(query.destination).await?;
        let words = query.search.as_deref().and_then(Words::of);
        let mut items = self.along(words.as_ref(), &bounds).await?;
        for domain in &query.beside {
            let filter = bounds.filter.of_domain(domain.0);
            let bounds = Bounds { domain: Some(domain.0), account: None, filter, ..bounds };
            items.extend(self.along(words.as_ref(), &bounds).await?);
        }
        if !query.beside.is_empty() {
            items.sort_unstable_by_key(|row| std::cmp::Reverse(row.key));
            items.dedup_by_key(|row| row.key);
        }
        let next_cursor = super::cut(&mut items, bounds.limit).map(|row| super::pair_cursor("", row.key.0));
        if let Some(words) = words {
            items.retain(|row| words.fit(row));
        }
        Ok(Listing { items, next_cursor })
    }

    async fn along(&self, words: Option<&Words>, bounds: &Bounds) -> Result<Vec<AliasRow>> {
        match words {
            Some(words) => self.search_aliases(words, bounds).await,
            None => self.walk(bounds, Stretch { from: 0, before: bounds.before, text: None }).await,
        }
    }

    /// Whether a destination has but few aliases.
    async fn is_few(&self, destination: Option<DestinationId>) -> Result<bool> {
        let Some(destination) = destination else { return Ok(false) };
        let ask = sqlx::query_scalar(SOME_OF_DESTINATION).bind(destination.0).bind(FEW + 1);
        let found: i64 = ask.fetch_one(&self.readers).await?;
        Ok(found <= FEW)
    }

    /// The rows of a page, or more, between two ids.
    pub(super) async fn walk(&self, bounds: &Bounds, mut stretch: Stretch<'_>) -> Result<Vec<AliasRow>> {
        let first: Option<i64> = sqlx::query_scalar(UNFINISHED_FROM).fetch_one(&self.readers).await?;
        let mut rows = Vec::new();
        if let Some(first) = first.filter(|first| *first < stretch.before) {
            rows = self
                .page((APART, bounds.domain), bounds, &Stretch { from: first.max(stretch.from), ..stretch })
                .await?;
            stretch.before = first;
        }
        if rows.len() < bounds.rows() && stretch.from < stretch.before {
            rows.extend(self.page(bounds.along(), bounds, &stretch).await?);
        }
        Ok(rows)
    }

    async fn page(
        &self,
        (list, along): (&'static str, Option<i64>),
        bounds: &Bounds,
        stretch: &Stretch<'_>,
    ) -> Result<Vec<AliasRow>> {
        let ask = sqlx::query(list).bind(along).bind(bounds.account).bind(bounds.enabled);
        let ask = ask.bind(stretch.from).bind(stretch.before).bind(i64::from(bounds.limit) + 1);
        let ask = bounds.filter.bind(ask.bind(stretch.text.map(str::to_owned)));
        let rows = ask.fetch_all(&self.readers).await?;
        let mut rows =
            rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.row)).collect::<Result<Vec<_>>>()?;
        rows.dedup_by_key(|row: &mut AliasRow| row.key);
        Ok(rows)
    }
}
