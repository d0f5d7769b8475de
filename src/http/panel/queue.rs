//! `/queue`: what waits, by the domain it goes to, why, and what can be done about it.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use crate::admin::shapes::QueueShape;
use crate::admin::{Actor, AdminError, MAX_LIMIT, NextHops, Paging, QueueAction, QueueFilter};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::store::activity::Row;
use crate::store::queue::Outline;

use super::author::Writer;
use super::by_domain;
use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::kept;
use super::remedy::Remedy;
use super::story;
use super::text::{self, When};
use super::told;

/// Sites that are shown at most.
const MAX_SITES: usize = 100;
/// Messages that a site shows before they fold into a number: where there are many sites, fewer of each.
const SHOWN: usize = 20;
const LEAST_SHOWN: usize = 3;
const SHOWN_IN_ALL: usize = 200;

/// What waits for one domain.
struct Group {
    /// Its heading, for what belongs to it.
    anchor: String,
    domain: String,
    /// As its forms send it.
    key: String,
    summary: String,
    /// `the relay` or `the route`, and where that leads, where it goes by one.
    by: Option<(&'static str, String)>,
    oldest: When,
    next: Option<String>,
    /// None of it has failed.
    all_wait: bool,
    /// What stands for all of it; where not one thing does, each message says its own.
    why: Option<Why>,
    messages: Vec<Waiting>,
    more: usize,
    buttons: Vec<(&'static str, &'static str)>,
    /// Something of it may go to another inbox.
    movable: bool,
}

/// Why something waits, and what to do about it.
struct Why {
    /// It waits for somebody here.
    is_held: bool,
    reason: String,
    reply: Option<String>,
    remedy: Remedy,
}

impl Why {
    /// Whether the same is to be done, by the same code of a reply: its words name inboxes and sessions. What is held has to be
    /// so for the same reason as well.
    fn is_like(&self, other: &Self) -> bool {
        let by_same = !self.is_held || self.reason == other.reason;
        by_same && self.remedy.words == other.remedy.words && self.code() == other.code()
    }

    fn code(&self) -> String {
        let is_of_code = |c: &char| c.is_ascii_digit() || matches!(c, ' ' | '.' | '-');
        self.reply.as_deref().unwrap_or_default().chars().take_while(is_of_code).collect()
    }
}

/// One message that waits.
struct Waiting {
    id: String,
    /// The row of the log that tells of it, where there is one.
    story: Option<Uuid>,
    state: &'static str,
    icon: &'static str,
    from: Option<Writer>,
    recipient: String,
    destination: String,
    subject: Option<String>,
    at: When,
    tries: String,
    /// Where it is not as for the others of its site.
    why: Option<Why>,
    cancel: Option<Cancel>,
}

/// The button of a report, which has no page of its own to stand on.
struct Cancel {
    /// Which of them, where there are several.
    of: String,
    /// Who is not told then.
    to: String,
}

#[derive(Template)]
#[template(path = "queue.html", config = "web/askama.toml")]
pub(super) struct QueuePage {
    frame: Frame,
    done: Option<String>,
    /// What was not done, and why.
    left: Option<String>,
    /// Where all of a site is sent elsewhere, and the inboxes that are proposed for it.
    elsewhere: String,
    inboxes: Vec<String>,
    /// Whose mail is shown; all where it is empty.
    domain: String,
    /// Where the page is asked for again while anything is in the queue.
    again: String,
    sites: Vec<Group>,
    partial: bool,
}

/// `GET /queue?domain=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    frame::answer(None, build(&site, &actor, &ask).await)
}

/// The page, with what was not done and why.
pub(super) async fn with(site: &Site, actor: &Actor, ask: &Ask, left: String) -> Result<QueuePage, AdminError> {
    Ok(QueuePage { left: Some(left), ..build(site, actor, ask).await? })
}

/// What of an outline goes to a domain.
pub(super) fn for_site<'q>(waiting: &'q [Outline], to: &'q str) -> impl Iterator<Item = &'q Outline> {
    waiting.iter().filter(move |one| domain_of(&one.destination) == to)
}

/// `POST /queue/{action}`: for all that waits for one domain and that the action fits, or for one report.
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(word): Path<String>,
    filled: Filled,
) -> Response {
    match act_on(&site, &actor, (&word, &filled)).await {
        Ok(count) => {
            let place = text::with_query("/queue", &[("domain", filled.get("of"))]);
            told::go(&place, &[("done", &word), ("count", &count.to_string())])
        }
        Err(error) => frame::failed(&error),
    }
}

async fn act_on(site: &Site, actor: &Actor, (word, filled): (&str, &Filled)) -> Result<usize, AdminError> {
    let action = QueueAction::parse(word).ok_or_else(forms::no_such_action)?;
    match filled.get("report") {
        "" => act_on_all(site, actor, (action, filled)).await,
        report => act_on_one(site, actor, (action, report)).await,
    }
}

async fn act_on_one(site: &Site, actor: &Actor, (action, id): (QueueAction, &str)) -> Result<usize, AdminError> {
    let uuid = Uuid::try_parse(id).map_err(|_| AdminError::missing("waiting delivery", id))?;
    match site.admin.queue_action(actor, uuid, action).await {
        // The same button, pressed twice.
        Err(AdminError::NotFound(_)) if site.admin.just_did(actor, action.deed()).await => Ok(1),
        done => done.map(|()| 1),
    }
}

async fn act_on_all(site: &Site, actor: &Actor, (action, filled): (QueueAction, &Filled)) -> Result<usize, AdminError> {
    let (waiting, _) = site.admin.queue_outline(actor, Some(filled.get("of"))).await?;
    let (to, mut count, mut forbidden) = (filled.get("domain"), 0, None);
    let asked = site.admin.clock.instant();
    for one in for_site(&waiting, to).filter(|one| fits(action, one.state)) {
        match site.admin.queue_action_of(actor, one.id, (action, asked)).await {
            Ok(()) => count += 1,
            // Delivered, or taken up for delivery, since it was listed; or it is another one's to judge.
            Err(AdminError::NotFound(_) | AdminError::Conflict(_)) => {}
            Err(error @ AdminError::Forbidden(_)) => forbidden = Some(error),
            Err(error) => return Err(error),
        }
    }
    forbidden.filter(|_| count == 0).map_or(Ok(count), Err)
}

/// Whether a button makes sense for a message in this state of the list.
fn fits(action: QueueAction, state: &str) -> bool {
    match action {
        QueueAction::Retry => matches!(state, "due" | "kept"),
        QueueAction::Hold => state == "due",
        QueueAction::Release => state == "held",
        QueueAction::Cancel => matches!(state, "due" | "held" | "kept"),
    }
}

async fn build(site: &Site, actor: &Actor, ask: &Ask) -> Result<QueuePage, AdminError> {
    let now = site.admin.clock.now();
    let domain = ask.owned("domain").unwrap_or_default();
    let (waiting, is_more) = site.admin.queue_outline(actor, Some(&domain)).await?;
    let [word, count] = ["done", "count"].map(|key| ask.get(key).unwrap_or_default());
    let done = done((word, count), &waiting, now);
    let mut sites: Vec<_> = by_site(&waiting, |one| &one.destination).into_iter().collect();
    sites.sort_by_key(|(_, waiting)| std::cmp::Reverse(waiting.len()));
    let partial = is_more || sites.len() > MAX_SITES;
    sites.truncate(MAX_SITES);
    let room = (SHOWN_IN_ALL / sites.len().max(1)).clamp(LEAST_SHOWN, SHOWN);
    let ids: Vec<_> = sites.iter().flat_map(|(_, waiting)| picked(waiting, room)).map(|one| one.id).collect();
    let shown = site.admin.queue_of(actor, Some(&domain), &ids).await?;
    let rows = rows_of(site, actor, &ids).await;
    let shown = by_site(&shown, |one| &one.destination);
    let sites = sites.into_iter().map(|(domain, waiting)| {
        show((domain, &waiting), (shown.get(domain).map_or(&[][..], Vec::as_slice), &rows), now)
    });
    let hops = site.admin.next_hops();
    let mut numbered = Vec::new();
    for (index, group) in sites.enumerate() {
        let here = shown.get(&*group.key).map_or(&[][..], Vec::as_slice);
        let by = by(&hops, &group.key);
        numbered.push(offered(site, actor, Group { anchor: format!("to-{index}"), by, ..group }, here).await?);
    }
    let by_domain = by_domain::filter(site, actor, ask, &[]).await?;
    let is_any = numbered.iter().any(|group| group.movable);
    let inboxes = if is_any { kept::inboxes(site, actor).await? } else { Vec::new() };
    Ok(QueuePage {
        frame: Frame::inside(site, "Queue", "queue").by_domain(by_domain),
        done,
        left: None,
        elsewhere: text::with_query("/queue/resend", &[("domain", &domain)]),
        inboxes,
        again: text::with_query("/queue", &[("domain", &domain)]),
        domain,
        sites: numbered,
        partial,
    })
}

/// The next hop that a site is reached by, where one is set.
fn by(hops: &NextHops, site: &str) -> Option<(&'static str, String)> {
    let kind = if hops.is_route(site) { "the route" } else { "the relay" };
    hops.of(site).map(|host| (kind, text::visible(host)))
}

/// With the buttons that the actor may press.
async fn offered(site: &Site, actor: &Actor, mut group: Group, shown: &[&QueueShape]) -> Result<Group, AdminError> {
    let workable = site.admin.may_work_on(actor, shown).await?;
    if !workable {
        group.buttons.clear();
    }
    group.movable = workable && shown.iter().any(|one| is_movable(one));
    cancellable(site, actor, (&mut group.messages, shown)).await?;
    Ok(group)
}

/// What is for one inbox alone goes nowhere else.
fn is_movable(one: &QueueShape) -> bool {
    !matches!(one.purpose, "dsn" | "verification") && one.state != "leased"
}

/// Reports can be cancelled where they stand, by who may.
async fn cancellable(
    site: &Site,
    actor: &Actor,
    (messages, shown): (&mut [Waiting], &[&QueueShape]),
) -> Result<(), AdminError> {
    for (message, one) in messages.iter_mut().zip(shown) {
        let is_open = one.purpose == "dsn" && fits(QueueAction::Cancel, one.state);
        if is_open && site.admin.may_work_on(actor, &[*one]).await? {
            let (of, to) = (text::ours(&one.recipient), text::ours(&one.destination));
            message.cancel = Some(Cancel { of, to });
        }
    }
    Ok(())
}

/// What is in the queue, by the domain that it goes to.
fn by_site<T>(queue: &[T], destination: impl Fn(&T) -> &str) -> BTreeMap<&str, Vec<&T>> {
    let mut sites: BTreeMap<&str, Vec<&T>> = BTreeMap::new();
    for one in queue {
        sites.entry(domain_of(destination(one))).or_default().push(one);
    }
    sites
}

/// How much mail of these is in the queue, in words; what is ours is none.
pub(super) async fn counted(site: &Site, actor: &Actor, filter: QueueFilter) -> Result<Option<String>, AdminError> {
    let paging = Paging { limit: Some(MAX_LIMIT), cursor: None };
    let page = site.admin.queue(actor, &QueueFilter { paging, ..filter }).await?;
    let count = page.items.iter().filter(|one| one.purpose == "forward").count() as u64;
    Ok(text::counted(count, page.next_cursor.is_some(), ("message", "messages")))
}

/// The oldest of a site, and, where these are all held, or none of them is, the oldest of which that is not so: what stands for
/// all of a site is so of both.
fn picked<'q>(waiting: &'q [&Outline], room: usize) -> impl Iterator<Item = &'q &'q Outline> {
    let (oldest, rest) = waiting.split_at(room.min(waiting.len()));
    let is_held = |one: &Outline| one.state == "held";
    let other = rest.iter().find(|one| oldest.iter().all(|shown| is_held(shown) != is_held(one)));
    oldest.iter().chain(other)
}

/// The message that speaks for a site: the one that was tried most has heard most. What waits goes before what ended.
fn speaker<'q>(shown: &[&'q QueueShape]) -> Option<&'q QueueShape> {
    let rank = |state| ["held", "kept"].iter().position(|known| *known == state).unwrap_or(2);
    shown.iter().copied().max_by_key(|one| (rank(one.state), one.tries))
}

/// What the log has of these.
async fn rows_of(site: &Site, actor: &Actor, ids: &[Uuid]) -> HashMap<Uuid, Row> {
    let rows = site.admin.activity_of_each(actor, ids).await.unwrap_or_default();
    rows.into_iter().map(|row| (row.id, row)).collect()
}

/// A site with all that waits for it, and with what is shown of that, and what the log has of these.
fn show(
    (domain, waiting): (&str, &[&Outline]),
    (shown, rows): (&[&QueueShape], &HashMap<Uuid, Row>),
    now: Moment,
) -> Group {
    let why = speaker(shown).map(|one| why_of(one, rows.get(&one.id)));
    let is_one = why.as_ref().is_none_or(|why| is_for_all(why, (shown, rows)));
    let own = |one: &&QueueShape| {
        let row = rows.get(&one.id);
        let why = (!is_one).then(|| why_of(one, row));
        Waiting { why, ..message(one, row, now) }
    };
    let count = |state: &[&str]| waiting.iter().filter(|one| state.contains(&one.state)).count();
    let counts =
        [(count(&["due", "leased"]), "waiting"), (count(&["held"]), "held"), (count(&["kept"]), "failed, kept")];
    let told: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let oldest = shown.iter().map(|one| one.received_at).min().unwrap_or(now);
    let next = waiting.iter().filter(|one| one.state == "due").filter_map(|one| one.due_at).min();
    let buttons = [
        ("retry", "Try all now", count(&["due", "kept"])),
        ("hold", "Hold all", count(&["due"])),
        ("release", "Release all", count(&["held"])),
    ];
    Group {
        anchor: String::new(),
        domain: text::ours(domain),
        key: domain.to_owned(),
        summary: told.join(" · "),
        by: None,
        oldest: When::new(oldest, now),
        next: next.map(|at| text::ahead(at, now)),
        all_wait: count(&["kept"]) == 0,
        why: why.filter(|_| is_one),
        messages: shown.iter().map(own).collect(),
        more: waiting.len().saturating_sub(shown.len()),
        buttons: buttons.into_iter().filter(|(_, _, n)| *n > 0).map(|(name, word, _)| (name, word)).collect(),
        movable: false,
    }
}

/// Why a message waits, as the log has it; a report has its last answer alone, and who holds it is kept nowhere.
fn why_of(one: &QueueShape, row: Option<&Row>) -> Why {
    let (answer, is_held) = (one.last_attempt.as_ref(), one.state == "held");
    let attempt = row.map_or(answer, |row| row.attempts.last());
    let of_report = || if is_held { Some("It is on hold.".to_owned()) } else { answer.map(story::answered) };
    let reason = row.map(story::why).or_else(of_report).unwrap_or_default();
    Why {
        is_held,
        reply: attempt.filter(|attempt| !story::tells(&reason, attempt)).map(|last| text::visible_lines(&last.reply)),
        reason,
        remedy: row.map_or_else(|| Remedy::of_unlogged(one), Remedy::now),
    }
}

/// Whether all of a site that have heard an answer have heard what the speaker has; what is held waits for somebody here,
/// whatever it has heard.
fn is_for_all(spoken: &Why, (shown, rows): (&[&QueueShape], &HashMap<Uuid, Row>)) -> bool {
    let has_heard = |one: &QueueShape| match rows.get(&one.id) {
        Some(row) => !row.attempts.is_empty(),
        None => one.last_attempt.is_some(),
    };
    let heard = shown.iter().filter(|one| one.state == "held" || has_heard(one));
    heard.map(|one| why_of(one, rows.get(&one.id))).all(|other| other.is_like(spoken))
}

fn message(one: &QueueShape, row: Option<&Row>, now: Moment) -> Waiting {
    let (state, icon) = match one.state {
        "held" => ("held", "held"),
        "kept" => ("failed, kept", "fail"),
        "leased" => ("being tried", "wait"),
        _ => ("waiting", "wait"),
    };
    let tries = match one.tries {
        0 => "not tried yet".to_owned(),
        1 => "tried once".to_owned(),
        tries => format!("tried {tries} times"),
    };
    Waiting {
        id: one.id.to_string(),
        story: if one.purpose == "dsn" { one.about_activity_id } else { Some(one.id) },
        state,
        icon,
        from: row.map(Writer::of).or_else(|| (one.purpose == "dsn").then(Writer::of_report)),
        recipient: text::short_address(&one.recipient),
        destination: text::short_address(&one.destination),
        subject: row.and_then(|row| Some(text::short(row.subject.as_deref()?, text::LINE))),
        at: When::new(one.received_at, now),
        tries,
        why: None,
        cancel: None,
    }
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

/// What was asked for, as long as it is so of any.
fn done((word, count): (&str, &str), waiting: &[Outline], now: Moment) -> Option<String> {
    let count = count.parse::<usize>().ok()?;
    let (them, is) =
        if count == 1 { ("it", "One message is".to_owned()) } else { ("them", format!("{count} messages are")) };
    let is_tried = |one: &Outline| one.state == "leased" || one.state == "due" && one.due_at <= Some(now);
    match word {
        "retry" => waiting.iter().any(is_tried).then(|| format!("{is} being tried now.")),
        "release" => waiting.iter().any(is_tried).then(|| format!("{is} released and being tried.")),
        "hold" => waiting.iter().any(|one| one.state == "held").then(|| format!("{is} held until you release {them}.")),
        "resend" => Some(format!("{is} on the way to the other inbox.")),
        "cancel" if count == 1 => Some("It is cancelled and will not be sent.".to_owned()),
        "cancel" => Some(format!("{is} cancelled.")),
        _ => None,
    }
}
