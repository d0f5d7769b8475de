//! Counts over time, for charts: by status, domain, site, alias, or verdict. Who may see only some domains is shown the sums
//! of these.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::mail::{Domain, Moment};
use crate::policy::status::Status;
use crate::store::activity::stats::{self, Kind, Point, Step, Stretch};
use crate::store::rules::AliasRow;

use super::activity::read_moment;
use super::fields::read_word;
use super::shapes::alias_name;
use super::{Access, Actor, Admin, AdminError, Area, Result};

/// Where nobody says since when.
const DEFAULT_STRETCH: Duration = Duration::from_secs(30 * 86_400);
/// Up to here, and where nobody says otherwise, a point is an hour.
const HOURS_UP_TO: Duration = Duration::from_secs(2 * 86_400);
/// Up to here a point is a day where nobody says otherwise, beyond a month.
const DAYS_UP_TO: Duration = Duration::from_secs(100 * 86_400);
/// Points of one answer at most: two years of days and some.
const MAX_POINTS: i64 = 800;
/// Counts that are added up for one answer at most: steps of each domain.
const MAX_SUMS: i64 = 10_000;
/// Aliases that are looked at for those that an actor may see.
const LOOKED_AT: u32 = 500;
/// Domains of one actor whose counts can be asked for.
const MAX_DOMAINS: u32 = 100_000;

/// What people read of [`StatsShape::came_in`].
pub const CAME_IN: &str = "came in, by recipient";

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
    /// A month of the calendar, UTC.
    Month,
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
    /// `hour`, `day` or `month`; by default an hour for up to two days, and a day for up to a hundred.
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
    /// By status: how many more deliveries there are than recipients of messages that came in, as one with several inboxes
    /// has a status for each of them. All statuses without these are what came in: a message to two addresses is two.
    pub copies: i64,
    /// One for each status, domain, site, alias or verdict, the greatest first; a hundred at most, and fewer where each has
    /// more than a hundred steps.
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

impl StatsShape {
    /// How many recipients messages came in for.
    #[must_use]
    pub fn came_in(&self) -> i64 {
        self.series.iter().map(|one| one.total).sum::<i64>() - self.copies
    }
}

/// A filter as meant.
struct Question {
    stretch: Stretch,
    statuses: Vec<&'static str>,
}

impl Admin {
    /// Counts over time.
    pub async fn stats(&self, actor: &Actor, filter: &StatsFilter) -> Result<StatsShape> {
        actor.must(Area::Activity, Access::Read)?;
        let by = read_word("by", filter.by.as_deref(), "status, domain, site, alias, spf, dkim, dmarc")?;
        let by = by.unwrap_or_default();
        let summed = match by {
            StatsBy::Status | StatsBy::Spf | StatsBy::Dkim | StatsBy::Dmarc => self.summed(actor, filter).await?,
            StatsBy::Domain | StatsBy::Site | StatsBy::Alias => Vec::new(),
        };
        let question = self.stats_question(filter, summed.len())?;
        let of_all = summed.iter().any(String::is_empty);
        let by_status = async |kind| self.store.activity.stats_by_status(kind, &summed, question.stretch).await;
        let points = match by {
            StatsBy::Status => by_status(if of_all { Kind::Instance } else { Kind::Domain }).await?,
            StatsBy::Domain => self.by_domain(actor, &question).await?,
            StatsBy::Site => self.by_site(actor, &question).await?,
            StatsBy::Alias => self.by_alias(actor, &question).await?,
            StatsBy::Spf => by_status(Kind::Spf).await?,
            StatsBy::Dkim => by_status(Kind::Dkim).await?,
            StatsBy::Dmarc => by_status(Kind::Dmarc).await?,
        };
        let (copies, points): (Vec<_>, Vec<_>) = points.into_iter().partition(|point| point.key == stats::COPY);
        let copies = copies.iter().map(|point| -point.n).sum();
        let Stretch { since, until, step } = question.stretch;
        let step = match step {
            Step::Hour => StatsStep::Hour,
            Step::Day => StatsStep::Day,
            Step::Month => StatsStep::Month,
        };
        Ok(StatsShape { since, until, step, by, copies, series: series(points) })
    }

    /// What is asked for, where the counts of so many scopes are added up.
    fn stats_question(&self, filter: &StatsFilter, scopes: usize) -> Result<Question> {
        let until = read_moment("until", filter.until.as_deref())?.unwrap_or_else(|| self.clock.now());
        let since = read_moment("since", filter.since.as_deref())?.unwrap_or_else(|| until.before(DEFAULT_STRETCH));
        if since >= until {
            return Err(AdminError::field("since", "this is not before until"));
        }
        let stretch = |step: Step| Stretch { since: step.begin(since), until, step };
        let sums = |step| stretch(step).steps().saturating_mul(i64::try_from(scopes).unwrap_or(i64::MAX));
        let step = match read_word("step", filter.step.as_deref(), "hour, day, month")? {
            Some(StatsStep::Hour) => Step::Hour,
            Some(StatsStep::Day) => Step::Day,
            Some(StatsStep::Month) => Step::Month,
            None if until.since(since) <= HOURS_UP_TO && sums(Step::Hour) <= MAX_SUMS => Step::Hour,
            None if until.since(since) <= DAYS_UP_TO && sums(Step::Day) <= MAX_SUMS => Step::Day,
            None => Step::Month,
        };
        if stretch(step).steps() > MAX_POINTS {
            let detail = format!("there are more than {MAX_POINTS} steps between since and until");
            return Err(AdminError::field("step", detail));
        }
        if step != Step::Month && sums(step) > MAX_SUMS {
            let detail =
                format!("of {scopes} domains that is more than can be added up: ask for longer steps, or by domain");
            return Err(AdminError::field("step", detail));
        }
        Ok(Question { stretch: stretch(step), statuses: read_statuses(filter.status.as_deref())? })
    }

    /// Whose counts are added up: those of the whole gateway for its owner, else of the domains that the actor may see.
    async fn summed(&self, actor: &Actor, filter: &StatsFilter) -> Result<Vec<String>> {
        Ok(match self.one_domain(actor, filter.domain.as_deref()).await? {
            Some(row) => vec![stats::domain_scope(row.key)],
            None if sees_all(actor) => vec![String::new()],
            None => self.seen_domains(actor).await?.into_keys().collect(),
        })
    }

    /// All domains that an actor may see: the scope of their counts, and their name.
    async fn seen_domains(&self, actor: &Actor) -> Result<HashMap<String, String>> {
        let found = self.store.rules.named_domains(actor.only_account(), MAX_DOMAINS).await?;
        let seen = found.into_iter().filter(|(key, account, name)| actor.reach(*account, Some(*key), name).is_some());
        let named = |key, name: &Domain| (stats::domain_scope(key), name.to_string());
        // What came by a mirror came to aliases that the actor sees.
        let mirrors = actor.mirrors.iter().filter(|mirror| actor.sees_domain(&mirror.name));
        let mirrors: Vec<_> = mirrors.map(|mirror| named(mirror.domain, &mirror.name)).collect();
        Ok(seen.map(|(key, _, name)| named(key, &name)).chain(mirrors).collect())
    }

    async fn by_domain(&self, actor: &Actor, question: &Question) -> Result<Vec<Point<String>>> {
        let names = self.seen_domains(actor).await?;
        let scopes: Vec<String> = names.keys().cloned().collect();
        let mut points = self.by_scope(Kind::Domain, scopes, question).await?;
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
        let scopes = self.store.activity.scopes(Kind::Site).await?;
        self.by_scope(Kind::Site, scopes, question).await
    }

    /// Those of some scopes that have the most, as many as there is room for.
    async fn by_scope(&self, kind: Kind, mut scopes: Vec<String>, question: &Question) -> Result<Vec<Point<String>>> {
        let Question { stretch, statuses, .. } = question;
        if scopes.len() > stretch.scopes() as usize {
            scopes = self.store.activity.top_scopes(kind, (&scopes, statuses), *stretch).await?;
        }
        Ok(self.store.activity.stats_by_scope(kind, (&scopes, statuses), *stretch).await?)
    }

    async fn by_alias(&self, actor: &Actor, question: &Question) -> Result<Vec<Point<String>>> {
        let room = question.stretch.scopes();
        let looked_at = if sees_all(actor) { room } else { LOOKED_AT };
        let top = self.store.activity.top_aliases(question.stretch, looked_at).await?;
        let rows = self.store.rules.aliases_by_keys(&top).await?;
        let sees = |row: &&AliasRow| actor.reach(row.account, Some(row.domain), &row.domain_name).is_some();
        let names: HashMap<_, _> = rows.iter().filter(sees).map(|row| (row.key, alias_name(row).to_string())).collect();
        let seen: Vec<_> = top.into_iter().filter(|key| names.contains_key(key)).take(room as usize).collect();
        let points = self.store.activity.stats_by_alias(&seen, question.stretch).await?;
        let named = |point: Point<_>| Some(Point { key: names.get(&point.key)?.clone(), at: point.at, n: point.n });
        Ok(points.into_iter().filter_map(named).collect())
    }
}

/// Whether an actor may know of all mail.
fn sees_all(actor: &Actor) -> bool {
    actor.sees_all() && !actor.is_limited()
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
