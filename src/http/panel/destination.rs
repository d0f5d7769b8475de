//! `/destinations/{id}`: one inbox: how it stands, in the words of its next hop where it refuses; where it is used; another
//! one in its place; and how to be rid of it.

use askama::Template;
use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value};

use crate::admin::shapes::{
    ComputedShape, DestinationShape, ReplacedShape, UsesShape, VerificationShape, WaitingMailShape,
};
use crate::admin::{Actor, AdminError, Looked, Paging, QueueFilter, Target};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::deeds::Deed;
use crate::policy::verdict::is_reply;
use crate::store::rules::DestinationRow;

use super::destinations::{self, Line, line};
use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::look::{self, Look};
use super::queue;
use super::text::{self, When};
use super::told;

/// Destinations that are proposed to take another's place.
const PROPOSED: u32 = 100;

/// Aliases that are named at most.
const NAMED: usize = 50;

/// An alias that leads here.
struct Alias {
    address: String,
    full: String,
    href: String,
}

/// Words on how a delivery stands.
pub(super) struct Said {
    pub(super) words: String,
    /// Another server said them.
    pub(super) is_reply: bool,
}

impl Said {
    pub(super) fn new(words: &str) -> Self {
        Self { words: text::visible_lines(words), is_reply: is_reply(words) }
    }
}

/// The mail that asks the inbox.
struct Asked {
    look: Look,
    at: Option<When>,
    reply: Said,
    row: Option<String>,
}

/// What waits for it, and how the oldest of that fares.
struct Oldest {
    /// `3 messages`.
    count: String,
    row: String,
    at: When,
    /// What its last try came to.
    said: Said,
}

/// Where it is used, in words.
struct Used {
    /// `12 aliases lead here.`
    words: String,
    aliases: Vec<Alias>,
    /// There are more than are shown.
    all: Option<String>,
    /// What else names it.
    also: Vec<String>,
    /// Where mail for postmaster and abuse goes once it is gone.
    after: Option<String>,
    computed: Vec<ComputedShape>,
    is_used: bool,
    /// Aliases of others lead here, by records of theirs.
    by_others: bool,
}

#[derive(Template)]
#[template(path = "destination.html", config = "web/askama.toml")]
struct DestinationPage {
    frame: Frame,
    done: Option<String>,
    wrong: Option<String>,
    inbox: Line,
    is_admin: bool,
    /// What is being tried may end well at any moment.
    is_tried: bool,
    asked: Option<Asked>,
    /// That its domain takes no mail, and what to do about it.
    no_mail: Option<(String, &'static str)>,
    failing_reply: Option<Said>,
    failing_row: Option<String>,
    /// It refused its mailbox in the last minutes: until when new mail is refused in its stead.
    not_asked: Option<When>,
    used: Used,
    /// `3 messages` that it is still to get.
    waiting: Option<String>,
    oldest: Option<Oldest>,
    others: Vec<String>,
    /// This panel has an address that a mail could lead to.
    can_ask: bool,
}

#[derive(Template)]
#[template(path = "destination_replace.html", config = "web/askama.toml")]
struct ReplacePage {
    frame: Frame,
    inbox: Line,
    to: String,
    to_shown: String,
    /// `Replace it in 12 aliases`.
    button: String,
    changes: Vec<String>,
    used: Used,
    untouched: Vec<ComputedShape>,
}

/// `GET /destinations/{id}?look=`: the DNS is asked now.
pub(super) async fn page(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    ask: Ask,
) -> Response {
    let count = ask.get("count").and_then(|count| count.parse().ok()).unwrap_or(0);
    let looked = match ask.get("look") {
        Some(_) => site.admin.look_at_inbox(&actor, &id).await,
        None => return shown(&site, &actor, &id, (ask.get("done").map(|word| (word, count)), None)).await,
    };
    match looked {
        Ok(looked) => shown(&site, &actor, &id, (Some((found(looked), 0)), None)).await,
        Err(error) => frame::failed(&error),
    }
}

/// What came of a look, as [`told`] has it.
const fn found(looked: Looked) -> &'static str {
    match looked {
        Looked::TakesMail => "takes",
        Looked::TakesNone(_) => "takes none",
        Looked::Unknown => "unknown",
        Looked::NotAsked => "not asked",
    }
}

/// `GET /destinations/{id}/replace?to=`: what would change.
pub(super) async fn ask_first(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((id, word)): Path<(String, String)>,
    ask: Ask,
) -> Response {
    if word != "replace" {
        return frame::failed(&forms::no_such_action());
    }
    match replacing(&site, &actor, &id, ask.get("to").unwrap_or_default()).await {
        Ok(page) => frame::answer(None, Ok(page)),
        Err(error) => shown(&site, &actor, &id, (None, Some(error))).await,
    }
}

/// `POST /destinations/{id}/verify|resend|retry|default|replace|remove`.
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((id, word)): Path<(String, String)>,
    filled: Filled,
) -> Response {
    let (mut count, mut of) = (String::new(), (None, 0));
    let done = match word.as_str() {
        "retry" => site.admin.try_destination(&actor, &id).await.map(|done| count = done.tried.to_string()),
        "verify" => site.admin.verify_destination(&actor, &id).await.map(drop),
        "resend" => site.admin.resend_verification(&actor, &id).await.map(drop),
        "default" => site.admin.make_default(&actor, &id).await.map(drop),
        "replace" => site.admin.replace_destination(&actor, &id, &filled.change(&["to"])).await.map(drop),
        "remove" => remove(&site, &actor, &id).await.map(|domains| of = domains),
        _ => Err(forms::no_such_action()),
    };
    let done = match done {
        Err(AdminError::NotFound(_))
            if word == "remove" && site.admin.just_did(&actor, Deed::DestinationRemove).await =>
        {
            Ok(())
        }
        done => done,
    };
    match done {
        Ok(()) if word == "remove" => removed(of),
        Ok(()) if filled.has("back") => destinations::back(filled.get("back"), (&word, &id)),
        Ok(()) => told::go(&format!("/destinations/{}", text::in_query(&id)), &[("done", &word), ("count", &count)]),
        Err(error @ (AdminError::NotFound(_) | AdminError::Unwell)) => frame::failed(&error),
        Err(error) => shown(&site, &actor, &id, (None, Some(error))).await,
    }
}

/// A domain whose mail for postmaster and abuse an inbox got, and how many others there are.
type ContactOf = (Option<String>, usize);

/// Removes it, and says whose mail for postmaster and abuse it got.
async fn remove(site: &Site, actor: &Actor, id: &str) -> Result<ContactOf, AdminError> {
    let row = site.admin.destination(actor, id).await?;
    let uses = site.admin.destination_uses(actor, &row).await?;
    site.admin.remove_destination(actor, Target { id, version: None }).await?;
    let mut of = uses.contact_of.into_iter().chain(uses.default_contact_of);
    Ok((of.next(), of.count()))
}

fn removed((of, more): ContactOf) -> Response {
    let (of, more) = (of.unwrap_or_default(), more.to_string());
    told::go("/destinations", &[("done", "remove"), ("of", &of), ("more", &more)])
}

/// What was done, and to how many messages.
type Done<'a> = Option<(&'a str, usize)>;

async fn shown(site: &Site, actor: &Actor, id: &str, (done, error): (Done<'_>, Option<AdminError>)) -> Response {
    let built = build(site, actor, id, (done, error.as_ref())).await;
    frame::answer(error.as_ref(), built)
}

async fn build(
    site: &Site,
    actor: &Actor,
    id: &str,
    (done, error): (Done<'_>, Option<&AdminError>),
) -> Result<DestinationPage, AdminError> {
    let now = site.admin.clock.now();
    let (row, inbox, shape, uses) = looked(site, actor, id, now).await?;
    let of_others = site.admin.destination_uses_of_others(actor, &row).await?;
    let to = QueueFilter { destination: Some(shape.address.clone()), ..QueueFilter::default() };
    let used = used(&shape, &uses, &of_others);
    let waiting = queue::counted(site, actor, to).await?;
    Ok(DestinationPage {
        frame: Frame::inside(site, inbox.address.clone(), "destinations"),
        is_tried: done.is_some_and(|(word, _)| word == "retry"),
        done: done.and_then(|done| told(done, (&inbox, waiting.is_some()), &used)),
        wrong: error.map(forms::details),
        is_admin: actor.must_be_admin("vouch for a destination").is_ok(),
        asked: shape.verification.as_ref().map(|told| asked(told, now)),
        no_mail: shape.takes_no_mail.as_ref().map(|found| (text::visible(&found.what), found.remedy)),
        failing_reply: shape.failing_reply.as_deref().map(Said::new),
        failing_row: shape.failing_activity_id.map(|id| id.to_string()),
        not_asked: shape.not_asked_until.map(|at| When::new(at, now)),
        used,
        oldest: site.admin.waiting_for(actor, &row).await?.map(|waits| oldest(&waits, now)),
        waiting,
        others: others(site, actor, (&row, &shape)).await?,
        can_ask: site.admin.links_at.is_some(),
        inbox,
    })
}

fn oldest(waits: &WaitingMailShape, now: Moment) -> Oldest {
    let count = match waits.messages {
        1 => "One message".to_owned(),
        count if waits.more => format!("More than {count} messages"),
        count => format!("{count} messages"),
    };
    let count = match waits.held {
        0 => count,
        held if held == waits.messages && !waits.more => format!("{count}, on hold"),
        held => format!("{count}, {held} of them on hold"),
    };
    Oldest { count, row: waits.activity_id.to_string(), at: When::new(waits.since, now), said: Said::new(&waits.reply) }
}

async fn looked(
    site: &Site,
    actor: &Actor,
    id: &str,
    now: Moment,
) -> Result<(DestinationRow, Line, DestinationShape, UsesShape), AdminError> {
    let row = site.admin.destination(actor, id).await?;
    let shape = site.admin.destination_shape(actor, &row).await?;
    let uses = site.admin.destination_uses(actor, &row).await?;
    Ok((row, line(&shape, now), shape, uses))
}

fn asked(told: &VerificationShape, now: Moment) -> Asked {
    Asked {
        look: look::of_word(&told.status),
        at: told.sent_at.map(|at| When::new(at, now)),
        reply: Said::new(&told.reply),
        row: told.activity_id.map(|id| id.to_string()),
    }
}

fn used(shape: &DestinationShape, uses: &UsesShape, of_others: &[String]) -> Used {
    let alias = |full: &String| Alias {
        address: text::short_address(full),
        full: text::ours(full),
        href: format!("/aliases/{}", text::in_query(full)),
    };
    let is_shown_whole = !uses.more && uses.newest.len() as u64 == uses.aliases;
    let room = NAMED.saturating_sub(uses.newest.len());
    Used {
        words: match uses.aliases + of_others.len() as u64 {
            0 => "No alias leads here.".to_owned(),
            1 => "One alias leads here.".to_owned(),
            count if uses.more => format!("More than {count} aliases lead here."),
            count => format!("{count} aliases lead here."),
        },
        aliases: uses.newest.iter().chain(of_others.iter().take(room)).map(alias).collect(),
        all: (!is_shown_whole).then(|| text::with_query("/aliases", &[("to", &shape.address)])),
        also: also(uses),
        after: after(uses),
        computed: uses.computed.clone(),
        is_used: uses.aliases > 0,
        by_others: !of_others.is_empty(),
    }
}

fn also(uses: &UsesShape) -> Vec<String> {
    let names = text::all_ours;
    let mut also = Vec::new();
    if uses.default {
        also.push("New aliases lead here where nothing else is said.".to_owned());
    }
    if !uses.contact_of.is_empty() {
        also.push(format!("Mail for postmaster and abuse of {} comes here.", names(&uses.contact_of)));
    }
    if !uses.default_contact_of.is_empty() {
        let of = names(&uses.default_contact_of);
        also.push(format!("Mail for postmaster and abuse of {of} comes here, as no other inbox is named for it."));
    }
    if !uses.tokens.is_empty() {
        also.push(format!("Aliases made with these tokens lead here: {}.", names(&uses.tokens)));
    }
    also
}

fn after(uses: &UsesShape) -> Option<String> {
    let of: Vec<_> = uses.contact_of.iter().chain(&uses.default_contact_of).cloned().collect();
    let goes = match &uses.contact_after {
        Some(contact) => format!("goes to {}", text::ours(contact)),
        None => "has nobody to go to, and is held".to_owned(),
    };
    (!of.is_empty()).then(|| format!("From then on mail for postmaster and abuse of {} {goes}.", text::all_ours(&of)))
}

/// Verified inboxes that could take its place: of the same account, and one's own.
async fn others(
    site: &Site,
    actor: &Actor,
    (row, shape): (&DestinationRow, &DestinationShape),
) -> Result<Vec<String>, AdminError> {
    let paging = Paging { limit: Some(PROPOSED), cursor: None };
    let mut all = site.admin.destinations_beside(actor, row, &paging).await?;
    all.extend(site.admin.own_destinations(actor, &paging).await?);
    let is_well = |other: &DestinationShape| other.verified_at.is_some() || other.trusted;
    let fit =
        |other: &DestinationShape| other.address != shape.address && !other.address.starts_with('@') && is_well(other);
    let fit: BTreeSet<_> = all.into_iter().filter(fit).map(|other| other.address).collect();
    Ok(fit.into_iter().collect())
}

async fn replacing(site: &Site, actor: &Actor, id: &str, to: &str) -> Result<ReplacePage, AdminError> {
    let now = site.admin.clock.now();
    let mut written = Map::new();
    written.insert("to".to_owned(), Value::from(to));
    written.insert("dry_run".to_owned(), Value::Bool(true));
    let would = site.admin.replace_destination(actor, id, &written).await?;
    let (_, inbox, shape, uses) = looked(site, actor, id, now).await?;
    Ok(ReplacePage {
        frame: Frame::inside(site, "Replace everywhere", "destinations"),
        inbox,
        button: match would.aliases {
            0 => "Replace it".to_owned(),
            1 => "Replace it in one alias".to_owned(),
            _ if uses.more => format!("Replace it in more than {} aliases", uses.aliases),
            count => format!("Replace it in {count} aliases"),
        },
        changes: changes(&would),
        to_shown: text::ours(&would.to),
        to: would.to,
        used: used(&shape, &uses, &[]),
        untouched: would.untouched,
    })
}

fn changes(would: &ReplacedShape) -> Vec<String> {
    let (to, names) = (text::ours(&would.to), text::all_ours);
    let mut changes = Vec::new();
    if would.default {
        changes.push(format!("New aliases lead to {to} where nothing else is said."));
    }
    let contact_of = [&*would.contact_of, &would.default_contact_of].concat();
    if !contact_of.is_empty() {
        changes.push(format!("Mail for postmaster and abuse of {} goes to {to}.", names(&contact_of)));
    }
    if !would.tokens.is_empty() {
        changes.push(format!("Aliases made with these tokens lead to {to}: {}.", names(&would.tokens)));
    }
    changes
}

/// What was done, as long as it is so.
fn told((word, count): (&str, usize), (inbox, waits): (&Line, bool), used: &Used) -> Option<String> {
    let words = match word {
        "retry" if count == 0 && inbox.sends_back => {
            "Nothing waits for it, so nothing was tried. It takes mail; that it sent one back is shown until it takes the next."
        }
        "retry" if count == 0 => {
            "Nothing waits for it, so nothing was tried: what it said last is shown until its next mail, which is tried at once."
        }
        "retry" if waits => {
            return Some(format!("{} The queue, and then Activity, says what comes of it.", being_tried(count)));
        }
        "retry" => "Nothing waits for it any more.",
        "takes" => "The DNS was asked: its domain takes mail.",
        "takes none" => "The DNS was asked: its domain takes no mail.",
        "unknown" => "The DNS was asked and gave no answer that proves anything: what was known before still counts.",
        "not asked" => "The DNS was not asked: this mail goes by a relay or a route, where the DNS does not count.",
        "verify" if inbox.is_well() => "Verified: mail goes there from now on.",
        "resend" if !inbox.is_well() => {
            "A mail with a link was sent there: opening the link and pressing its button verifies the inbox."
        }
        "default" if inbox.default => "New aliases lead here where nothing else is said.",
        "replace" if !used.is_used => {
            "Replaced: its aliases lead to the other destination now. Changes, in Settings, takes it back."
        }
        _ => return None,
    };
    Some(words.to_owned())
}

fn being_tried(count: usize) -> String {
    match count {
        1 => "One message for it is being tried now.".to_owned(),
        count => format!("{count} messages for it are being tried now."),
    }
}
