//! Along which indexes a list of aliases runs: of all that a question touches, the narrowest.

use super::alias_words::Words;
use super::{ListQuery, Rules};
use crate::policy::ids::{NOBODY, OWNER};
use crate::policy::rule::{Action, Kind};
use crate::store::Result;
use crate::store::places::{SLICE, Source, Walk, places};

/// Of each index that is asked for (its name and key): its places.
pub(in crate::store) const PLACES: &str = concat!(
    "select '[' || coalesce(group_concat(case s.value ->> 0 when 'all' then ",
    places!("id", "aliases", "true"),
    " when 'apart' then ",
    places!("id", "aliases indexed by aliases_apart", "import_id is null"),
    " when 'domain' then ",
    places!("id", "aliases indexed by aliases_by_domain", "domain_id = s.value ->> 1"),
    " when 'account' then ",
    places!("id", "aliases indexed by aliases_by_account", "account_id = s.value ->> 1 and account_id <> 1"),
    " when 'off' then ",
    places!("id", "aliases indexed by aliases_off", "enabled = 0"),
    " when 'off of domain' then ",
    places!("id", "aliases indexed by aliases_off_by_domain", "domain_id = s.value ->> 1 and enabled = 0"),
    " when 'pattern' then ",
    places!("id", "aliases indexed by aliases_patterned", "kind <> 'address'"),
    " when 'not sent on' then ",
    places!("id", "aliases indexed by aliases_unlike", "action <> 'forward'"),
    " when 'ending' then ",
    places!(
        "id",
        "aliases indexed by aliases_ending",
        "(expires_at is not null or expires_after_messages is not null or expires_after_idle is not null)"
    ),
    " when 'destination' then ",
    places!(
        "alias_id",
        "alias_destinations indexed by alias_destinations_by_destination",
        "destination_id = s.value ->> 1"
    ),
    " when 'label' then ",
    places!("alias_id", "alias_labels indexed by alias_labels_by_label", "label_id = s.value ->> 1"),
    " else ",
    places!("rowid", "alias_words", "alias_words match s.value ->> 1"),
    " end), '') || ']' from json_each(?1) as s"
);
/// Labels of this name (`?1`), or with this in their name (`?2`); of an account, or of all.
pub(in crate::store) const LABELS: &str = "select id from labels where (?1 is null or name = ?1) \
    and (?2 is null or instr(lower(name), ?2) > 0) order by id limit 1000";
/// Destinations that begin so, and of the first ten thousand those that have it anywhere: beyond, every search would pass over
/// all of them.
pub(in crate::store) const DESTINATIONS: &str = "select id from (select id, key from destinations order by id limit 10000) \
    where instr(key, ?1) > 0 \
    union select d.id from accounts as a cross join destinations as d indexed by destinations_by_key \
    on d.account_id = a.id and d.key >= ?1 and d.key < ?1 || char(1114111) limit 100";
/// Domains with this in their name.
pub(in crate::store) const DOMAINS: &str = "select id from domains where instr(name, ?1) > 0 and removed_at is null \
    and (?2 is null or id = ?2) order by id limit 1000";

/// A part of a list: between which ids, whether only what no import brought, and whether the search index has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) from: i64,
    pub(super) before: i64,
    pub(super) apart: bool,
    pub(super) indexed: bool,
}

fn source(name: &'static str, key: i64) -> Source {
    (name, key.to_string(), "")
}

/// An index in which nothing is looked up.
fn whole(name: &'static str) -> Source {
    (name, String::new(), "")
}

/// The indexes of whose aliases are asked for; none where they are all.
fn own(query: &ListQuery) -> Option<Vec<Source>> {
    let is_off = query.enabled == Some(false);
    match (query.domain, query.account.filter(|account| *account != OWNER)) {
        (Some(domain), _) if is_off => Some(vec![source("off of domain", domain.0)]),
        (Some(domain), _) => Some(vec![source("domain", domain.0)]),
        (None, Some(account)) => {
            let beside = query.beside.iter().map(|domain| source("domain", domain.0));
            Some((account != NOBODY).then(|| source("account", account.0)).into_iter().chain(beside).collect())
        }
        (None, None) => None,
    }
}

/// The indexes of each thing that a question asks for, labels apart.
fn asked(query: &ListQuery) -> Vec<Vec<Source>> {
    let is_off = query.enabled == Some(false);
    let mut ways = Vec::new();
    if query.kind.is_some_and(|kind| kind != Kind::Address) {
        ways.push(vec![whole("pattern")]);
    }
    if query.action.is_some_and(|action| action != Action::Forward) {
        ways.push(vec![whole("not sent on")]);
    }
    if query.ending {
        ways.push(vec![whole("ending")]);
    }
    if let Some(destination) = query.destination {
        ways.push(vec![source("destination", destination.0)]);
    }
    ways.extend(own(query));
    if is_off && query.domain.is_none() {
        ways.push(vec![whole("off")]);
    }
    ways
}

impl Rules {
    /// The narrowest way through a part of a list. The index of what is searched for is asked where all others are wide: it
    /// is the slowest, and what is searched for is quickly compared at a few places.
    pub(super) async fn narrowest(
        &self,
        (query, words): (&ListQuery, Option<&Words>),
        (part, walk): (Part, &Walk<'_>),
    ) -> Result<Vec<Source>> {
        if part.apart {
            return Ok(vec![whole("apart")]);
        }
        let mut ways = asked(query);
        if let Some(label) = &query.label {
            ways.push(self.labels((Some(label), None)).await?);
        }
        let words = words.filter(|_| part.indexed);
        let is_choice = ways.len() > 1 || words.is_some();
        if is_choice && let Some(narrowest) = walk.narrowest(&ways).await? {
            return Ok(ways.swap_remove(narrowest));
        }
        // Where a page ends must not tell whoever sees some domains only of what lies beyond them.
        let own = own(query).filter(|_| query.account == Some(NOBODY));
        match (words, own) {
            (Some(words), Some(own)) => {
                let found = self.sought(words, query).await?;
                Ok(if walk.few(&found, SLICE).await?.is_some() { found } else { own })
            }
            (Some(words), None) => self.sought(words, query).await,
            (None, Some(own)) => Ok(own),
            (None, None) => Ok(ways.pop().unwrap_or_else(|| vec![whole("all")])),
        }
    }

    /// Where what is searched for may be: pieces of address and note, names of domains and of labels.
    async fn sought(&self, words: &Words, query: &ListQuery) -> Result<Vec<Source>> {
        let domain = query.domain.map(|domain| domain.0);
        let mut sources: Vec<_> = words.matching(domain).map(|pieces| ("words", pieces, "")).into_iter().collect();
        if let Some(part) = words.domain_part() {
            let found: Vec<i64> =
                sqlx::query_scalar(DOMAINS).bind(part.to_owned()).bind(domain).fetch_all(&self.readers).await?;
            sources.extend(found.into_iter().map(|id| source("domain", id)));
        }
        if let Some(text) = words.label_part() {
            sources.extend(self.labels((None, Some(text))).await?);
            sources.extend(self.destinations_with(text).await?);
        }
        Ok(sources)
    }

    async fn destinations_with(&self, text: &str) -> Result<Vec<Source>> {
        let ask = sqlx::query_scalar(DESTINATIONS).bind(text.to_owned());
        let found: Vec<i64> = ask.fetch_all(&self.readers).await?;
        Ok(found.into_iter().map(|id| source("destination", id)).collect())
    }

    async fn labels(&self, (name, part): (Option<&str>, Option<&str>)) -> Result<Vec<Source>> {
        let ask = sqlx::query_scalar(LABELS).bind(name.map(str::to_owned)).bind(part.map(str::to_owned));
        let found: Vec<i64> = ask.fetch_all(&self.readers).await?;
        Ok(found.into_iter().map(|id| source("label", id)).collect())
    }
}
