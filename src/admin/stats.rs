//! Counts over time, for charts: by status, domain, site, alias, or verdict. Who may see only some domains is shown the sums
//! of these.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::mail::Moment;
use crate::policy::status::Status;
use crate::store::activity::stats::{self, Kind, Point, Step, Stretch};
use crate::store::rules::{AliasRow, DomainRow};

use super::activity::read_moment;
use super::domains::{domain_query, reach_of};
use super::fields::read_word;
use super::shapes::alias_name;
use super::{Access, Actor, Admin, AdminError, Area, MAX_LIMIT, Paging, Result};

/// Where nobody says since when.
const DEFAULT_STRETCH: Duration = Duration::from_secs(30 * 86_400);
/// Up to here, and where nobody says otherwise, a point is an hour.
const HOURS_UP_TO: Duration = Duration::from_secs(2 * 86_400);
/// Points of one answer at most: two years of days and some.
const MAX_POINTS: i64 = 800;
/// Aliases that are looked at for those that an actor may see.
const LOOKED_AT: u32 = 1000;

/// What is counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatsBy {
    /// What became of the mail.
    #[default]
    Status,
    /// The domains whose mail it was.
    Domain,
    /// The domains that it was sent on to.
    Site,
    /// The aliases: messages that they accepted.
    Alias,
    /// Verdicts of SPF.
    Spf,
    /// Verdicts of DKIM.
    Dkim,
    /// Verdicts of DMARC.
    Dmarc,
}

/// How long one point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatsStep {
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

/// Which counts, as written.
#[derive(Debug, Clone, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatsFilter {
    /// From this time on (30 days ago where it is left out); rounded down to a whole step.
    #[param(example = "2026-11-01T00:00:00Z")]
    pub since: Option<String>,
    /// Before this time (now).
    pub until: Option<String>,
    /// `hour` or `day`; by default an hour for up to two days.
    #[param(value_type = Option<StatsStep>)]
    pub step: Option<String>,
    /// What is counted apart: `status` (where it is left out), `domain`, `site`, `alias`, `spf`, `dkim`, `dmarc`.
    #[param(value_type = Option<StatsBy>)]
    pub by: Option<String>,
    /// Only this domain's mail; for `status`, `spf`, `dkim` and `dmarc`.
    pub domain: Option<String>,
    /// Only what has come to this; several parted by commas; for `domain` and `site`.
    pub status: Option<String>,
}

/// Counts over time.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Stats)]
pub struct StatsShape {
    /// From here on.
    pub since: Moment,
    /// Before this.
    pub until: Moment,
    /// How long a point is.
    pub step: StatsStep,
    /// What is counted apart.
    pub by: StatsBy,
    /// One for each status, domain, site, alias or verdict, the greatest first; a hundred at most.
    pub series: Vec<SeriesShape>,
}

/// The counts of one thing.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Series)]
pub struct SeriesShape {
    /// A status or verdict, or the name of a domain, site or alias.
    pub key: String,
    /// Over the whole time.
    pub total: i64,
    /// The steps in which there was any.
    pub points: Vec<PointShape>,
}

/// The count of one step.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Point)]
pub struct PointShape {
    /// When it begins.
    pub at: Moment,
    /// How many.
    pub n: i64,
}

/// A filter as meant.
struct Question {
    stretch: Stretch,
    by: StatsBy,
    statuses: Vec<&'static str>,
}

impl Admin {
    /// Counts over time.
    pub async fn stats(&self, actor: &Actor, filter: &StatsFilter) -> Result<StatsShape> {
        actor.must(Area::Activity, Access::Read)?;
        let question = self.stats_question(filter)?;
        let points = match question.by {
            StatsBy::Status => self.statuses(actor, filter, &question).await?,
            StatsBy::Domain => self.by_domain(actor, &question).await?,
            StatsBy::Site => self.by_site(actor, &question).await?,
            StatsBy::Alias => self.by_alias(actor, &question).await?,
            StatsBy::Spf => self.verdicts(actor, filter, (&question, Kind::Spf)).await?,
            StatsBy::Dkim => self.verdicts(actor, filter, (&question, Kind::Dkim)).await?,
            StatsBy::Dmarc => self.verdicts(actor, filter, (&question, Kind::Dmarc)).await?,
        };
        let Question { stretch: Stretch { since, until, step }, by, .. } = question;
        let step = if step == Step::Hour { StatsStep::Hour } else { StatsStep::Day };
        Ok(StatsShape { since, until, step, by, series: series(points) })
    }

    fn stats_question(&self, filter: &StatsFilter) -> Result<Question> {
        let until = read_moment("until", filter.until.as_deref())?.unwrap_or_else(|| self.clock.now());
        let since = read_moment("since", filter.since.as_deref())?.unwrap_or_else(|| until.before(DEFAULT_STRETCH));
        if since >= until {
            return Err(AdminError::field("since", "this is not before until"));
        }
        let by = read_word("by", filter.by.as_deref(), "status, domain, site, alias, spf, dkim, dmarc")?;
        let step = match read_word("step", filter.step.as_deref(), "hour, day")? {
            Some(StatsStep::Hour) => Step::Hour,
            Some(StatsStep::Day) => Step::Day,
            None if until.since(since) <= HOURS_UP_TO => Step::Hour,
            None => Step::Day,
        };
        let since = Moment::from_millis(since.millis() - since.millis().rem_euclid(step.millis()));
        if (until.millis() - since.millis()) / step.millis() > MAX_POINTS {
            let detail = format!("there are more than {MAX_POINTS} steps between since and until");
            return Err(AdminError::field("step", detail));
        }
        let statuses = read_statuses(filter.status.as_deref())?;
        Ok(Question { stretch: Stretch { since, until, step }, by: by.unwrap_or_default(), statuses })
    }

    /// Of the whole gateway for its owner, else of the domains that the actor may see.
    async fn statuses(&self, actor: &Actor, filter: &StatsFilter, question: &Question) -> Result<Vec<Point<String>>> {
        let (kind, scopes) = if sees_all(actor) && filter.domain.as_deref().is_none_or(str::is_empty) {
            (Kind::Instance, vec![String::new()])
        } else {
            (Kind::Domain, self.scopes(actor, filter).await?)
        };
        Ok(self.store.activity.stats_by_status(kind, &scopes, question.stretch).await?)
    }

    async fn verdicts(
        &self,
        actor: &Actor,
        filter: &StatsFilter,
        (question, kind): (&Question, Kind),
    ) -> Result<Vec<Point<String>>> {
        let scopes = self.scopes(actor, filter).await?;
        Ok(self.store.activity.stats_by_status(kind, &scopes, question.stretch).await?)
    }

    async fn scopes(&self, actor: &Actor, filter: &StatsFilter) -> Result<Vec<String>> {
        Ok(match self.one_domain(actor, filter.domain.as_deref()).await? {
            Some(row) => vec![stats::domain_scope(row.key)],
            None => self.seen_domains(actor).await?.into_iter().map(|row| stats::domain_scope(row.key)).collect(),
        })
    }

    /// All domains that an actor may see.
    async fn seen_domains(&self, actor: &Actor) -> Result<Vec<DomainRow>> {
        let (mut seen, mut paging) = (Vec::new(), Paging { limit: Some(MAX_LIMIT), cursor: None });
        loop {
            let page = self.store.rules.domains(domain_query(actor, None, &paging)).await?;
            seen.extend(page.items.into_iter().filter(|row| reach_of(actor, row).is_some()));
            paging.cursor = page.next_cursor;
            if paging.cursor.is_none() {
                return Ok(seen);
            }
        }
    }

    async fn by_domain(&self, actor: &Actor, question: &Question) -> Result<Vec<Point<String>>> {
        let seen = self.seen_domains(actor).await?;
        let names: HashMap<_, _> =
            seen.into_iter().map(|row| (stats::domain_scope(row.key), row.name.to_string())).collect();
        let mut scopes: Vec<String> = names.keys().cloned().collect();
        if scopes.len() > stats::MAX_SCOPES as usize {
            scopes = self.store.activity.top_scopes(Kind::Domain, &question.statuses, question.stretch).await?;
            scopes.retain(|scope| names.contains_key(scope));
        }
        let of = (scopes.as_slice(), question.statuses.as_slice());
        let mut points = self.store.activity.stats_by_scope(Kind::Domain, of, question.stretch).await?;
        for point in &mut points {
            if let Some(name) = names.get(&point.key) {
                point.key.clone_from(name);
            }
        }
        Ok(points)
    }

    async fn by_site(&self, actor: &Actor, question: &Question) -> Result<Vec<Point<String>>> {
        if !sees_all(actor) {
            let why = "Where all mail goes is for the owner of this gateway alone. Ask by alias or domain.";
            return Err(AdminError::Forbidden(why.to_owned()));
        }
        let scopes = self.store.activity.top_scopes(Kind::Site, &question.statuses, question.stretch).await?;
        let of = (scopes.as_slice(), question.statuses.as_slice());
        Ok(self.store.activity.stats_by_scope(Kind::Site, of, question.stretch).await?)
    }

    async fn by_alias(&self, actor: &Actor, question: &Question) -> Result<Vec<Point<String>>> {
        let top = self.store.activity.top_aliases(question.stretch, LOOKED_AT).await?;
        let rows = self.store.rules.aliases_by_keys(&top).await?;
        let sees = |row: &&AliasRow| actor.reach(row.account, Some(row.domain), &row.domain_name).is_some();
        let names: HashMap<_, _> = rows.iter().filter(sees).map(|row| (row.key, alias_name(row).to_string())).collect();
        let seen: Vec<_> =
            top.into_iter().filter(|key| names.contains_key(key)).take(stats::MAX_SCOPES as usize).collect();
        let points = self.store.activity.stats_by_alias(&seen, question.stretch).await?;
        let named = |point: Point<_>| Some(Point { key: names.get(&point.key)?.clone(), at: point.at, n: point.n });
        Ok(points.into_iter().filter_map(named).collect())
    }
}

/// Whether an actor may know of all mail.
fn sees_all(actor: &Actor) -> bool {
    actor.sees_all() && actor.domains.is_empty()
}

/// The greatest first.
fn series(points: Vec<Point<String>>) -> Vec<SeriesShape> {
    let mut by_key: BTreeMap<String, Vec<PointShape>> = BTreeMap::new();
    for Point { key, at, n } in points {
        by_key.entry(key).or_default().push(PointShape { at, n });
    }
    let shape = |(key, points): (String, Vec<PointShape>)| SeriesShape {
        key,
        total: points.iter().map(|point| point.n).sum(),
        points,
    };
    let mut all: Vec<_> = by_key.into_iter().map(shape).collect();
    all.sort_by_key(|series| std::cmp::Reverse(series.total));
    all
}

fn read_statuses(text: Option<&str>) -> Result<Vec<&'static str>> {
    let words = text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let read = |word: &str| match Status::parse(word) {
        Some(status) => Ok(status.as_str()),
        None if word == stats::BOUNCED => Ok(stats::BOUNCED),
        None => Err(AdminError::field("status", format!("“{word}” is no status"))),
    };
    words.map(read).collect()
}
