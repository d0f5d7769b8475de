//! Lists of aliases, newest first, along the narrowest index that the question allows.
//!
//! An import that has not finished fills ids that nobody may see yet, perhaps a million of them. A list does not pass over
//! them one by one: above the first of them it runs along the aliases that no import brought, below it along the rest.
//! There is one unfinished import at most (see [`super::import`]).

use super::alias_words::Words;
use super::loaded::{self, Loaded};
use super::{AliasRow, ListQuery, Listing, Rules};
use crate::policy::ids::OWNER;
use crate::store::Result;
use crate::store::columns::Columns;

/// A list over `$from`, whose condition is `$along` over `?1`. Then: account, switched on, from which id, before which id,
/// limit, text.
macro_rules! list {
    ($from:literal, $along:literal) => {
        concat!(
            "select ",
            loaded::selected!(),
            " from ",
            $from,
            " cross join domains as d on d.id = a.domain_id where ",
            $along,
            " and d.removed_at is null and (?2 is null or a.account_id = ?2) and (?3 is null or a.enabled = ?3) \
             and a.id >= ?4 and a.id < ?5 \
             and (?7 is null or instr(a.key || '@' || d.name, ?7) > 0 or instr(lower(a.description), ?7) > 0) and ",
            loaded::counts!(),
            " order by a.id desc limit ?6"
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
pub(in crate::store) const APART: &str =
    list!("aliases as a indexed by aliases_apart", "(?1 is null or a.domain_id = ?1) and a.import_id is null");
pub(in crate::store) const UNFINISHED_FROM: &str = "select min(first_alias_id) from imports where finished_at is null";

/// What of the aliases a page may show, and how much.
pub(super) struct Bounds {
    pub(super) domain: Option<i64>,
    pub(super) account: Option<i64>,
    pub(super) enabled: Option<i64>,
    pub(super) before: i64,
    pub(super) limit: u32,
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
        })
    }

    /// One more than the page has room for: then there is a next one.
    pub(super) const fn rows(&self) -> usize {
        self.limit as usize + 1
    }

    const fn along(&self) -> &'static str {
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
    /// Newest first. With a text a page may have fewer rows than it has room for; the next one is where it says.
    pub async fn aliases(&self, query: ListQuery) -> Result<Listing<AliasRow>> {
        let bounds = Bounds::of(&query)?;
        let words = query.search.as_deref().and_then(Words::of);
        let mut items = self.along(words.as_ref(), &bounds).await?;
        for domain in &query.beside {
            let bounds = Bounds { domain: Some(domain.0), account: None, ..bounds };
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

    /// The rows of a page, or more, between two ids.
    pub(super) async fn walk(&self, bounds: &Bounds, mut stretch: Stretch<'_>) -> Result<Vec<AliasRow>> {
        let first: Option<i64> = sqlx::query_scalar(UNFINISHED_FROM).fetch_one(&self.readers).await?;
        let mut rows = Vec::new();
        if let Some(first) = first.filter(|first| *first < stretch.before) {
            rows = self.page(APART, bounds, &Stretch { from: first.max(stretch.from), ..stretch }).await?;
            stretch.before = first;
        }
        if rows.len() < bounds.rows() && stretch.from < stretch.before {
            rows.extend(self.page(bounds.along(), bounds, &stretch).await?);
        }
        Ok(rows)
    }

    async fn page(&self, list: &'static str, bounds: &Bounds, stretch: &Stretch<'_>) -> Result<Vec<AliasRow>> {
        let ask = sqlx::query(list).bind(bounds.domain).bind(bounds.account).bind(bounds.enabled);
        let ask = ask.bind(stretch.from).bind(stretch.before).bind(i64::from(bounds.limit) + 1);
        let rows = ask.bind(stretch.text.map(str::to_owned)).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.row)).collect()
    }
}
