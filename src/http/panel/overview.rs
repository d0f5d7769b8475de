//! `/`: whether all mail is flowing, what to do where it is not, and the figures of a stretch of time.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::admin::{
    Actor, AdminError, CAME_IN, MAX_LOOKED_AT, Order, Paging, SeriesShape, StatsFilter, StatsShape, StatsStep,
};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::checkup::Severity;
use crate::policy::notices::causes::is_looked_for;
use crate::policy::notices::memory::Seen;
use crate::policy::notices::{Cause, Kind};
use crate::policy::roles::DomainRole;
use crate::store::accounts::Grant;
use crate::store::queue::Waits;

use super::by_domain;
use super::chart::{Chart, Line};
use super::forms;
use super::frame::{self, Frame};
use super::look::{self, Look};
use super::setup;
use super::text;
use super::told;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// About: a point is drawn in the step that it is nearest to.
const MONTH: Duration = Duration::from_secs(86_400 * 365 / 12);
/// The stretches to choose from: as the address has them, in a word, in the heading, and how long. What is counted is
/// counted by the hour: the shortest is the hour that runs.
const RANGES: [(&str, &str, &str, Duration); 6] = [
    ("1h", "this hour", "this hour", Duration::from_millis(1)),
    ("24h", "24 hours", "the last 24 hours", DAY),
    ("7d", "7 days", "the last 7 days", DAY.saturating_mul(7)),
    ("30d", "30 days", "the last 30 days", DAY.saturating_mul(30)),
    ("1y", "a year", "the last year", DAY.saturating_mul(365)),
    ("2y", "two years", "the last two years", DAY.saturating_mul(730)),
];
/// The one that is shown where nobody chooses.
const USUAL_RANGE: usize = 1;
/// What is checked of what comes in: by which counter, in words, and how mail is called that has nothing to judge by.
const CHECKS: [(&str, &str, &str); 3] = [
    ("spf", "SPF", "from domains without a record"),
    ("dkim", "DKIM", "without a signature"),
    ("dmarc", "DMARC", "from domains without a policy"),
];
/// Notices that are shown.
const MAX_NOTICES: usize = 20;
/// Domains of the queue that are shown.
const MAX_SITES: u32 = 8;

/// Something to see to: what it is, what to do, and where.
struct Notice {
    tone: &'static str,
    icon: &'static str,
    what: String,
    since: Option<text::When>,
    remedy: String,
    href: String,
    action: &'static str,
    /// Nothing comes before that is done.
    is_before_all: bool,
}

/// One of the five figures.
struct Figure {
    word: &'static str,
    value: String,
    href: String,
}

/// What else became of mail that came in, where there is any.
struct Rest {
    words: String,
    href: String,
}

/// A stretch to choose.
struct Range {
    word: &'static str,
    href: String,
    current: bool,
}

/// What waits for one domain.
struct Waiting {
    domain: String,
    /// What goes on by itself, and what somebody has to release.
    count: u64,
    held: u64,
    /// How many of them are reports to senders, which are in no other figure here: they did not come in.
    reports: u64,
    oldest: text::When,
}

impl Waiting {
    fn of(Waits { host, count, held, reports, since }: Waits, now: Moment) -> Self {
        let count = count.saturating_sub(held);
        Self { domain: text::ours(&host), count, held, reports, oldest: text::When::new(since, now) }
    }
}

#[derive(Template)]
#[template(path = "overview.html", config = "web/askama.toml")]
struct OverviewPage {
    frame: Frame,
    /// The first thing to see to; nothing where all is well.
    first: Option<Notice>,
    notices: Vec<Notice>,
    /// How many more there are than are shown.
    more: Option<String>,
    /// Whether a look of the doctor may show that something is mended.
    may_look: bool,
    /// Where it just looked, at how many domains at most.
    looked: Option<usize>,
    figures: Vec<Figure>,
    /// With the figures, all that came in.
    rest: Vec<Rest>,
    /// How many more these are than came in: a message has a figure for each of its inboxes.
    copies: i64,
    ranges: Vec<Range>,
    stretch: &'static str,
    chart: Chart,
    /// Where the queue is shown.
    queue: String,
    sites: Vec<Waiting>,
    shares: Vec<(&'static str, String)>,
}

/// `GET /?range=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    frame::answer(None, build(&site, &actor, &ask).await)
}

/// `POST /`: the doctor looks again, and what is mended is gone.
pub(super) async fn look_again(State(site): State<Site>, Caller(actor): Caller) -> Response {
    match site.admin.doctor(&actor, None).await {
        Ok(_) => told::go("/", &[("looked", "1")]),
        Err(error) => frame::failed(&error),
    }
}

async fn build(site: &Site, actor: &Actor, ask: &Ask) -> Result<OverviewPage, AdminError> {
    let now = site.admin.clock.now();
    let chosen = ask
        .get("range")
        .and_then(|range| RANGES.iter().find(|(key, ..)| *key == range))
        .unwrap_or(&RANGES[USUAL_RANGE]);
    let since = now.before(chosen.3);
    let domain = ask.owned("domain");
    // Each asks for itself, and none needs what another finds.
    let (counted, shares, waiting, seen, lacking, by_domain) = tokio::try_join!(
        count(site, actor, (since, "status", domain.as_deref())),
        shares(site, actor, (since, domain.as_deref())),
        site.admin.waiting(actor, domain.as_deref(), MAX_SITES),
        site.admin.attention(actor),
        lacking(site, actor),
        by_domain::filter(site, actor, ask, &["range"]),
    )?;
    let seen = for_who_looks(actor, seen);
    // The worst stand first; what keeps all mail away goes before what only may.
    let causes = seen.causes.iter().take(MAX_NOTICES);
    let before = std::iter::once("").chain(causes.clone().map(|cause| cause.remedy.as_str()));
    let faults = causes.clone().filter(|cause| cause.severity == Severity::Fault).count();
    let mut notices: Vec<_> = causes.zip(before).map(|(cause, before)| told(cause, before, now)).collect();
    notices.splice(faults..faults, lacking);
    let mut notices = notices.into_iter();
    let of = domain.as_deref().unwrap_or_default();
    let range = |(key, word, ..): &(&'static str, &'static str, &str, Duration)| Range {
        word,
        href: text::with_query("/", &[("range", key), ("domain", of)]),
        current: *key == chosen.0,
    };
    Ok(OverviewPage {
        frame: Frame::inside(site, "Overview", "overview").by_domain(by_domain),
        first: notices.next(),
        notices: notices.collect(),
        more: more(&seen),
        may_look: actor.sees_all() && seen.causes.iter().any(|cause| is_looked_for(cause.kind)),
        looked: ask.get("looked").map(|_| MAX_LOOKED_AT),
        figures: figures(&counted, of),
        rest: rest(&counted, of),
        copies: counted.copies,
        ranges: RANGES.iter().map(range).collect(),
        stretch: chosen.2,
        chart: chart(&counted),
        queue: text::with_query("/queue", &[("domain", of)]),
        sites: waiting.into_iter().map(|site| Waiting::of(site, now)).collect(),
        shares,
    })
}

/// What only looks on is sent to who may do something.
fn for_who_looks(actor: &Actor, mut seen: Seen) -> Seen {
    let looks = |grant: &Grant| grant.role == DomainRole::Viewer;
    if !actor.grants.is_empty() && actor.grants.iter().all(looks) {
        for cause in seen.causes.iter_mut().filter(|cause| matches!(cause.kind, Kind::Untold | Kind::Held)) {
            "The people who manage its domain decide what becomes of it: tell them.".clone_into(&mut cause.remedy);
            cause.what =
                cause.what.replace("until you release it.", "until somebody who manages its domain releases it.");
            cause.what =
                cause.what.replace("until you release them.", "until those who manage their domains release them.");
        }
    }
    seen
}

/// `and 3 more`, of what needs attention than is shown; at least so many where not all that stand were looked for.
fn more(seen: &Seen) -> Option<String> {
    let hidden = seen.causes.len().saturating_sub(MAX_NOTICES) + seen.more;
    let least = if seen.more > 0 { "at least " } else { "" };
    (hidden > 0).then(|| format!("and {least}{hidden} more"))
}

/// How much of what came passed each check.
async fn shares(
    site: &Site,
    actor: &Actor,
    (since, domain): (Moment, Option<&str>),
) -> Result<Vec<(&'static str, String)>, AdminError> {
    let mut shares = Vec::new();
    for (by, word, nothing) in CHECKS {
        let verdicts = count(site, actor, (since, by, domain)).await?.series;
        shares.extend(share(&verdicts, nothing).map(|share| (word, share)));
    }
    Ok(shares)
}

async fn count(
    site: &Site,
    actor: &Actor,
    (since, by, domain): (Moment, &str, Option<&str>),
) -> Result<StatsShape, AdminError> {
    // The days of a whole gateway or one domain are added up already; those of many domains would have to be.
    let by_day =
        by == "status" && (domain.is_some() || actor.sees_all()) && since < site.admin.clock.now().before(DAY * 2);
    let filter = StatsFilter {
        since: Some(since.rfc3339()),
        by: Some(by.to_owned()),
        step: by_day.then(|| "day".to_owned()),
        domain: domain.map(str::to_owned),
        ..StatsFilter::default()
    };
    site.admin.stats(actor, &filter).await
}

/// What is missing before mail can come at all.
async fn lacking(site: &Site, actor: &Actor) -> Result<Option<Notice>, AdminError> {
    let one = Paging { limit: Some(1), cursor: None };
    // Whoever looks after the gateway is told of all of it, and others of what is theirs.
    let is_of = if actor.sees_all() { "There is" } else { "You have" };
    if site.admin.domains(actor, None, &one).await?.items.is_empty() {
        let remedy = format!("{is_of} no domain yet. Add yours, publish its records, and make the first alias.");
        return Ok(Some(lacks(remedy, first_run(actor, ("/domains", "Add a domain")))));
    }
    // Whoever works on domains of others has them in their inboxes.
    let inboxes = site.admin.destinations_in(actor, None, (Order::Usual, &one)).await?.items;
    if actor.grants.is_empty() && inboxes.is_empty() {
        let remedy = format!("{is_of} no inbox yet that mail could be sent on to.");
        return Ok(Some(lacks(remedy, first_run(actor, ("/destinations", "Add a destination")))));
    }
    Ok(None)
}

/// Whoever sets the gateway up goes on where they left; others have the page.
fn first_run(actor: &Actor, page: (&'static str, &'static str)) -> (&'static str, &'static str) {
    if actor.is_admin() { (setup::GO_ON, "Go on with setting up") } else { page }
}

fn lacks(remedy: String, (href, action): (&str, &'static str)) -> Notice {
    let what = "No mail can reach you yet.".to_owned();
    let Look { tone, icon, .. } = look::WAITING;
    Notice { tone, icon, what, since: None, remedy, href: href.to_owned(), action, is_before_all: true }
}

/// What is wrong in its first sentence; what else is known of it stands with what to do, unless that was said just before.
fn told(cause: &Cause, before: &str, now: Moment) -> Notice {
    let remedy = if cause.remedy == before { "" } else { &cause.remedy };
    let (what, remedy) = match cause.what.split_once(". ") {
        Some((what, more)) => (format!("{what}."), format!("{} {remedy}", forms::sentence(more))),
        None => (cause.what.clone(), remedy.to_owned()),
    };
    let Look { tone, icon, .. } = look::of_cause(cause.kind, cause.severity);
    Notice {
        tone,
        icon,
        what: text::visible(&what),
        since: cause.since.map(|at| text::When::new(at, now)),
        remedy: text::visible(remedy.trim_end()),
        href: cause.page(),
        action: "Look at it",
        is_before_all: false,
    }
}

/// The sum of these statuses, or verdicts.
fn sum(series: &[SeriesShape], keys: &[&str]) -> i64 {
    series.iter().filter(|one| keys.contains(&one.key.as_str())).map(|one| one.total).sum()
}

const REFUSED: &[&str] = &["refused", "refused_temporarily"];
const WAITS: &[&str] = &["queued", "deferred"];
const FAILED: &[&str] = &["failed", "expired", "bounced"];
/// What is in none of the figures: the status, and how one and several of it are called.
const REST: [(&str, &str, &str); 6] = [
    ("held", "on hold", "on hold"),
    ("dropped", "dropped", "dropped"),
    ("cancelled", "cancelled", "cancelled"),
    ("duplicate", "duplicate", "duplicates"),
    ("abandoned", "abandoned", "abandoned"),
    ("consumed", "report received", "reports received"),
];

/// Each leads to the very mail that it counts, of one domain where one is chosen.
fn figures(all: &StatsShape, domain: &str) -> Vec<Figure> {
    let series = &all.series;
    let figure = |word, value: i64, statuses: &[&str]| {
        let href = activity_of(statuses, (all, domain));
        Figure { word, value: value.max(0).to_string(), href }
    };
    let counted = |word, statuses: &[&str]| figure(word, sum(series, statuses), statuses);
    vec![
        figure(CAME_IN, all.came_in(), &[]),
        counted("forwarded", &["forwarded"]),
        counted("refused", REFUSED),
        counted("waiting", WAITS),
        counted("failed", FAILED),
    ]
}

fn rest(counted: &StatsShape, domain: &str) -> Vec<Rest> {
    let told = REST.into_iter().filter_map(|(status, one, several)| {
        let count = sum(&counted.series, &[status]);
        let words = format!("{count} {}", if count == 1 { one } else { several });
        (count > 0).then(|| Rest { words, href: activity_of(&[status], (counted, domain)) })
    });
    told.collect()
}

/// The mail of these statuses, as it is counted: what the gateway itself wrote did not come in.
fn activity_of(statuses: &[&str], (counted, domain): (&StatsShape, &str)) -> String {
    let (statuses, since) = (statuses.join(","), counted.since.rfc3339());
    let pairs = [("status", &*statuses), ("domain", domain), ("own", "false"), ("since", &since)];
    text::with_query("/activity", &pairs)
}

fn chart(counted: &StatsShape) -> Chart {
    let step = match counted.step {
        StatsStep::Hour => HOUR,
        StatsStep::Day => DAY,
        StatsStep::Month => MONTH,
    };
    let line = |word, tone, keys: &[&str]| {
        let chosen = counted.series.iter().filter(|one| keys.contains(&one.key.as_str()));
        let points = chosen.flat_map(|one| one.points.iter().map(|point| (point.at, point.n)));
        Line { word, tone, points: points.collect() }
    };
    let lines =
        vec![line("forwarded", "ok", &["forwarded"]), line("refused", "", REFUSED), line("failed", "bad", FAILED)];
    Chart::draw((counted.since, counted.until, step), &lines)
}

/// `97 % passed (123 of 127)`, of what there was something to judge by, and how much had nothing; none where nothing was
/// checked.
fn share(series: &[SeriesShape], nothing: &str) -> Option<String> {
    let (all, bare) = (series.iter().map(|one| one.total).sum::<i64>(), sum(series, &["none"]));
    let (judged, passed) = (all - bare, sum(series, &["pass"]));
    match (judged, bare) {
        (..=0, ..=0) => None,
        (..=0, bare) => Some(format!("nothing to judge by: {bare} {nothing}")),
        (judged, bare) => {
            let more = if bare > 0 { format!("; {bare} more {nothing}") } else { String::new() };
            Some(format!("{} % passed ({passed} of {judged}){more}", passed * 100 / judged))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_nothing_to_judge_by_did_not_fail() {
        let series = |counts: &[(&str, i64)]| -> Vec<SeriesShape> {
            let one =
                |(key, total): &(&str, i64)| SeriesShape { key: (*key).to_owned(), total: *total, points: Vec::new() };
            counts.iter().map(one).collect()
        };
        let told = |counts: &[(&str, i64)]| share(&series(counts), "without a policy");
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[("none", 5)]).as_deref(), Some("nothing to judge by: 5 without a policy"));
        assert_eq!(told(&[("pass", 3), ("fail", 1)]).as_deref(), Some("75 % passed (3 of 4)"));
        let mixed = [("pass", 1), ("temperror", 1), ("none", 2)];
        assert_eq!(told(&mixed).as_deref(), Some("50 % passed (1 of 2); 2 more without a policy"));
    }
}
