//! `/queue`: what waits, by the domain it goes to, why, and what can be done about it.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use crate::admin::shapes::QueueShape;
use crate::admin::{Actor, AdminError, MAX_LIMIT, Paging, QueueAction, QueueFilter};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::store::activity::Row;

use super::by_domain;
use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::story;
use super::text::{self, When};

/// Messages that a site shows before they fold into a number.
const SHOWN: usize = 20;
/// Pages of the queue that one look reads, and one button works through, at most.
const MAX_PAGES: usize = 20;

/// What waits for one domain.
struct Group {
    /// Its heading, for what belongs to it.
    anchor: String,
    domain: String,
    /// As its forms send it.
    key: String,
    summary: String,
    oldest: When,
    next: Option<String>,
    reason: String,
    reply: Option<String>,
    /// The page of the handbook that says what to do.
    help: &'static str,
    messages: Vec<Waiting>,
    more: usize,
    buttons: Vec<(&'static str, &'static str)>,
}

/// One message that waits.
struct Waiting {
    id: String,
    state: &'static str,
    icon: &'static str,
    recipient: String,
    destination: String,
    at: When,
    tries: String,
}

#[derive(Template)]
#[template(path = "queue.html", config = "web/askama.toml")]
struct QueuePage {
    frame: Frame,
    done: Option<String>,
    /// Whose mail is shown; all where it is empty.
    domain: String,
    sites: Vec<Group>,
    partial: bool,
}

/// `GET /queue?domain=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    frame::answer(&site, None, build(&site, &actor, &ask).await)
}

/// `POST /queue/{action}`: for all that waits for one domain and that the action fits.
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(word): Path<String>,
    filled: Filled,
) -> Response {
    match act_on_all(&site, &actor, (&word, &filled)).await {
        Ok(count) => {
            let done = [("done", &*word), ("count", &count.to_string()), ("domain", filled.get("of"))];
            Redirect::to(&text::with_query("/queue", &done)).into_response()
        }
        Err(error) => frame::failed(&site, &error),
    }
}

async fn act_on_all(site: &Site, actor: &Actor, (word, filled): (&str, &Filled)) -> Result<usize, AdminError> {
    let action = QueueAction::parse(word).ok_or_else(forms::no_such_action)?;
    let (waiting, _) = all(site, actor, filled.get("of")).await?;
    let (to, mut count) = (filled.get("domain"), 0);
    for one in waiting.iter().filter(|one| domain_of(&one.destination) == to && fits(action, one.state)) {
        match site.admin.queue_action(actor, one.id, action).await {
            Ok(()) => count += 1,
            // Delivered, or taken up for delivery, since it was listed.
            Err(AdminError::NotFound(_) | AdminError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
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
    let (waiting, partial) = all(site, actor, &domain).await?;
    let mut by_domain: BTreeMap<&str, Vec<&QueueShape>> = BTreeMap::new();
    for one in &waiting {
        by_domain.entry(domain_of(&one.destination)).or_default().push(one);
    }
    let mut sites = Vec::with_capacity(by_domain.len());
    for (domain, waiting) in by_domain {
        let last = last_told(site, actor, &waiting).await;
        sites.push((waiting.len(), show(domain, &waiting, (last.as_ref(), now))));
    }
    sites.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let number = |(index, (_, group)): (usize, (usize, Group))| Group { anchor: format!("to-{index}"), ..group };
    let sites = sites.into_iter().enumerate().map(number).collect();
    let by_domain = by_domain::filter(site, actor, ask, &[]).await?;
    Ok(QueuePage {
        frame: Frame::inside(site, "Queue", "queue").by_domain(by_domain),
        done: done(ask),
        domain,
        sites,
        partial,
    })
}

/// All that waits of one domain's mail, or of all, oldest first; and whether there is more than one look reads.
async fn all(site: &Site, actor: &Actor, domain: &str) -> Result<(Vec<QueueShape>, bool), AdminError> {
    let paging = Paging { limit: Some(MAX_LIMIT), cursor: None };
    let mut filter = QueueFilter { domain: Some(domain.to_owned()), paging, ..QueueFilter::default() };
    let mut waiting = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = site.admin.queue(actor, &filter).await?;
        waiting.extend(page.items);
        filter.paging.cursor = page.next_cursor;
        if filter.paging.cursor.is_none() {
            return Ok((waiting, false));
        }
    }
    Ok((waiting, true))
}

/// How much mail of these is in the queue, in words; what is ours is none.
pub(super) async fn counted(site: &Site, actor: &Actor, filter: QueueFilter) -> Result<Option<String>, AdminError> {
    let paging = Paging { limit: Some(MAX_LIMIT), cursor: None };
    let page = site.admin.queue(actor, &QueueFilter { paging, ..filter }).await?;
    let count = page.items.iter().filter(|one| one.purpose == "forward").count() as u64;
    Ok(text::counted(count, page.next_cursor.is_some(), ("message", "messages")))
}

/// The row of the message that was tried most: it has heard most.
async fn last_told(site: &Site, actor: &Actor, waiting: &[&QueueShape]) -> Option<Row> {
    let tried = waiting.iter().max_by_key(|one| one.tries)?;
    site.admin.activity_of(actor, &tried.id.to_string()).await.ok()?.into_iter().next()
}

fn show(domain: &str, waiting: &[&QueueShape], (last, now): (Option<&Row>, Moment)) -> Group {
    let count = |state: &[&str]| waiting.iter().filter(|one| state.contains(&one.state)).count();
    let counts =
        [(count(&["due", "leased"]), "waiting"), (count(&["held"]), "held"), (count(&["kept"]), "failed, kept")];
    let told: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let oldest = waiting.iter().map(|one| one.received_at).min().unwrap_or(now);
    let next = waiting.iter().filter(|one| one.state == "due").filter_map(|one| one.next_attempt_at).min();
    let buttons = [
        ("retry", "Try all now", count(&["due", "kept"])),
        ("hold", "Hold all", count(&["due"])),
        ("release", "Release all", count(&["held"])),
    ];
    Group {
        anchor: String::new(),
        domain: text::visible(domain),
        key: domain.to_owned(),
        summary: told.join(" · "),
        oldest: When::new(oldest, now),
        next: next.map(|at| text::ahead(at, now)),
        reason: last.map(|row| text::visible(&row.reason)).unwrap_or_default(),
        reply: last.and_then(|row| row.attempts.last()).map(|attempt| text::visible_lines(&attempt.reply)),
        help: last.map_or("port-25", story::help),
        messages: waiting.iter().take(SHOWN).map(|one| message(one, now)).collect(),
        more: waiting.len().saturating_sub(SHOWN),
        buttons: buttons.into_iter().filter(|(_, _, n)| *n > 0).map(|(name, word, _)| (name, word)).collect(),
    }
}

fn message(one: &QueueShape, now: Moment) -> Waiting {
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
        state,
        icon,
        recipient: text::short_address(&one.recipient),
        destination: text::short_address(&one.destination),
        at: When::new(one.received_at, now),
        tries,
    }
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

fn done(ask: &Ask) -> Option<String> {
    let count = ask.get("count").and_then(|count| count.parse::<usize>().ok())?;
    let (them, is) =
        if count == 1 { ("it", "One message is".to_owned()) } else { ("them", format!("{count} messages are")) };
    Some(match ask.get("done")? {
        "retry" => format!("{is} being tried now."),
        "hold" => format!("{is} held until you release {them}."),
        "release" => format!("{is} released."),
        "cancel" => format!("{is} cancelled."),
        _ => return None,
    })
}
