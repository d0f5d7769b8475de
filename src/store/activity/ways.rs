//! Along which indexes a list of the log runs: those of what somebody may see, or of what is searched for.

use sqlx::SqlitePool;

use super::Query;
use super::found_words::Words;
use crate::policy::ids::{NOBODY, OWNER};
use crate::policy::status::Status;
use crate::store::Result;
use crate::store::columns::json;
use crate::store::places::{SLICE, Source, Walk, places};

/// Of each index that is asked for (its name, key and status): its places.
pub(in crate::store) const PLACES: &str = concat!(
    "select '[' || coalesce(group_concat(case s.value ->> 0 when 'all' then ",
    places!("seq", "activity", "true"),
    " when 'alias' then ",
    places!("seq", "activity indexed by activity_by_alias", "alias_id = s.value ->> 1"),
    " when 'domain' then ",
    places!("seq", "activity indexed by activity_of_domain", "domain_id = s.value ->> 1 and status = s.value ->> 2"),
    " when 'account' then ",
    places!(
        "seq",
        "activity indexed by activity_of_account",
        "account_id = s.value ->> 1 and account_id <> 1 and status = s.value ->> 2"
    ),
    " when 'status' then ",
    places!("seq", "activity indexed by activity_by_status", "status = s.value ->> 2"),
    " when 'bounced' then ",
    places!("seq", "activity indexed by activity_bounced", "bounced_at is not null"),
    " when 'own' then ",
    places!("seq", "activity indexed by activity_own", "own is not null"),
    " when 'term' then ",
    places!("seq", "terms", "term = s.value ->> 1"),
    " else ",
    places!("rowid", "words", "words match s.value ->> 1"),
    " end), '') || ']' from json_each(?1) as s"
);
/// Which of these places have one of these terms.
pub(in crate::store) const WITH_TERMS: &str = "select c.value from json_each(?1) as c where exists \
    (select 1 from json_each(?2) as t cross join terms as x where x.term = t.value and x.seq = c.value)";
/// The terms that begin so, up to a number.
pub(in crate::store) const BEGINNING: &str = "with recursive found (term) as ( \
    select min(term) from terms where term >= ?1 and term < ?1 || char(1114111) union all \
    select (select min(x.term) from terms as x where x.term > found.term and x.term < ?1 || char(1114111)) from found \
    where found.term is not null limit ?2) select term from found where term is not null";

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sought {
    /// One of these terms.
    Terms(Vec<String>),
    /// Words, the last of them whole or by its beginning.
    Words(Words, Last),
    /// Words, the last by its beginning, looked for in the newest rows: what is everywhere is found there, and the index would
    /// have to be asked for all of it.
    Newest(Words),
}

/// How the last word is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// As it is.
    Whole,
    /// As the beginning of a word.
    Beginning,
}

impl Sought {
    /// The terms, where it is those.
    pub(super) fn terms(&self) -> Option<&Vec<String>> {
        match self {
            Self::Terms(terms) => Some(terms),
            Self::Words(..) | Self::Newest(_) => None,
        }
    }

    fn sources(&self) -> Option<Vec<Source>> {
        match self {
            Self::Terms(terms) => Some(terms.iter().map(|term| ("term", term.clone(), "")).collect()),
            Self::Words(words, last) => Some(vec![("words", words.asked(*last), "")]),
            Self::Newest(_) => None,
        }
    }

    /// What has its words but for a last one of which only the beginning is known, for which the index would be asked word by
    /// word.
    fn whole_words(&self) -> Option<Vec<Source>> {
        let Self::Words(words, Last::Beginning) = self else { return None };
        Some(vec![("words", words.without_last()?.asked(Last::Whole), "")])
    }

    /// Which of these places have it.
    pub(super) async fn among(&self, places: &[i64], query: &Query, readers: &SqlitePool) -> Result<Vec<i64>> {
        let terms = match self {
            Self::Terms(terms) => terms,
            Self::Words(words, last) => return words.among(places, (query, *last), readers).await,
            Self::Newest(words) => return words.among(places, (query, Last::Beginning), readers).await,
        };
        Ok(sqlx::query_scalar(WITH_TERMS).bind(json(places)).bind(json(terms)).fetch_all(readers).await?)
    }
}

/// What a question may show, without what it searches for: by the narrowest index of each thing.
fn shown(query: &Query) -> Vec<Source> {
    if query.own == Some(true) && query.account != Some(NOBODY) {
        return vec![("own", String::new(), "")];
    }
    if let Some(alias) = query.alias {
        return vec![("alias", alias.0.to_string(), "")];
    }
    let mut statuses: Vec<_> = query.statuses.iter().map(|status| status.as_str()).collect();
    let is_any = statuses.is_empty() && !query.bounced;
    if is_any {
        statuses = Status::ALL.iter().map(|status| status.as_str()).collect();
    }
    // The index of all that came back goes beyond what is shown to whoever sees some domains only.
    let by_bounce = query.bounced && query.account != Some(NOBODY);
    if query.bounced && !by_bounce {
        statuses.push(Status::Forwarded.as_str());
    }
    let of_each = |name, key: i64| statuses.iter().map(move |status| (name, key.to_string(), *status));
    let mut sources: Vec<Source> = match (query.domain, query.account) {
        (Some(domain), _) => of_each("domain", domain.0).collect(),
        (None, Some(account)) if account != OWNER => {
            let own = (account != NOBODY).then(|| of_each("account", account.0)).into_iter().flatten();
            own.chain(query.beside.iter().flat_map(|domain| of_each("domain", domain.0))).collect()
        }
        _ if is_any => vec![("all", String::new(), "")],
        _ => of_each("status", 0).collect(),
    };
    if by_bounce {
        sources.push(("bounced", String::new(), ""));
    }
    sources
}

/// The ways of one question, whatever is meant by what it searches for.
pub(super) struct Ways<'p> {
    walk: Walk<'p>,
    shown: Vec<Source>,
    /// Along what is shown to whoever is not told of all that is found: looked up once, for each meaning goes along it.
    own: Option<Walk<'p>>,
}

impl<'p> Ways<'p> {
    pub(super) async fn of(query: &Query, walk: Walk<'p>) -> Result<Self> {
        let shown = shown(query);
        let sought = [&query.search, &query.sender, &query.recipient, &query.destination];
        let is_sought = sought.into_iter().any(Option::is_some);
        let is_own = is_sought && (query.account == Some(NOBODY) || !query.blind.is_empty());
        let own = if is_own { Some(walk.clone().along(shown.clone()).with_newest(SLICE).await?) } else { None };
        Ok(Self { walk, shown, own })
    }

    /// A walk along the narrowest way to the rows of a question; what each of its places must be asked for.
    pub(super) async fn to(&self, sought: Option<&Sought>) -> Result<(Walk<'p>, Option<Sought>)> {
        let shown = || self.own.clone().unwrap_or_else(|| self.walk.clone().along(self.shown.clone()));
        let Some(sought) = sought else { return Ok((shown(), None)) };
        let Some(found) = sought.sources() else { return Ok((shown().once(), Some(sought.clone()))) };
        if let Some(own) = &self.own {
            let ways = sought.whole_words().into_iter().chain([found]);
            return Ok((self.among_own(own, ways).await?, Some(sought.clone())));
        }
        if self.shown.iter().any(|(name, ..)| *name == "all") {
            return Ok((self.walk.clone().along(found), None));
        }
        let shown = shown().with_newest(SLICE).await?;
        Ok(if shown.all().is_some() { (shown, Some(sought.clone())) } else { (self.walk.clone().along(found), None) })
    }

    /// Along the places that whoever asks may see, or along those where something was found, if these are few: then each of
    /// them is looked at for one page, and where that ends says nothing of those that are not shown.
    async fn among_own(&self, own: &Walk<'p>, ways: impl Iterator<Item = Vec<Source>>) -> Result<Walk<'p>> {
        let room = own.all().unwrap_or(SLICE);
        for found in ways {
            let found = self.walk.clone().along(found).with_newest(room).await?;
            if found.all().is_some() {
                return Ok(found);
            }
        }
        Ok(own.clone())
    }
}
