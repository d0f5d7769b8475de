//! `/aliases`: the list with its filters and switches, what is done with several at once, and the form that makes one.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::admin::shapes::{AliasShape, ListShape, alias_name};
use crate::admin::{Actor, AdminError, AliasFilter, AliasLine, Fault, Order, Paging};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::rule::Action;
use crate::store::rules::AliasRow;

use super::alias_fields::Choice;
use super::alias_filters::Filters;
use super::destinations::{self, SURE};
use super::domains;
use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::new_alias::{self, NewAlias};
use super::ready;
use super::spark::Spark;
use super::sure;
use super::text::{self, When};
use super::toast::{self, Toast};
use super::told;
use super::tried::{self, Tried};

/// Rows of a page.
const ROWS: u32 = 30;
/// Of an order that cannot be given.
const TOO_MANY_TO_SORT: &str =
    "Too many match to be put in this order, so the newest come first. Narrow them further to have them in order.";
/// Labels that are shown of one alias.
const MAX_LABELS: usize = 3;

/// An alias as the list shows it.
struct Line {
    id: String,
    chosen: bool,
    enabled: bool,
    ended: bool,
    may_change: bool,
    address: String,
    /// The whole of it, where it is cut.
    full: Option<String>,
    note: String,
    labels: Vec<String>,
    to: String,
    to_full: Option<String>,
    /// Why it gets no mail yet.
    waits: Option<&'static str>,
    spark: Option<Spark>,
    refused_only: bool,
    last: Option<When>,
}

/// What is to be done with several at once: which were chosen, and what was written.
#[derive(Default)]
pub(super) struct Bulk {
    pub(super) chosen: Vec<String>,
    pub(super) label: String,
    pub(super) to: String,
    /// Whoever is sure of the inbox sends there all the same.
    pub(super) is_doubted: bool,
    /// What is wrong with what was written, beside its field.
    pub(super) marks: forms::Fields,
}

#[derive(Template)]
#[template(path = "aliases.html", config = "web/askama.toml")]
struct AliasesPage {
    frame: Frame,
    toast: Option<Toast>,
    form: NewAlias,
    tried: Option<Tried>,
    /// How far a trial looks back.
    spans: Vec<Choice>,
    here: String,
    filters: Filters,
    wrong: Option<String>,
    /// The filters say what to look for.
    is_looked_for: bool,
    rows: Vec<Line>,
    may_change: bool,
    /// How many can be chosen, in a word.
    choosable: String,
    bulk: Bulk,
    more: Option<String>,
}

/// `GET /aliases?q=&new=&cursor=` and what filters ask.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    let proposed: Vec<_> = ["local_part", "domain"].iter().filter_map(|key| Some((*key, ask.get(key)?))).collect();
    let filled = ask.get("new").map(|_| Filled::from_pairs(&proposed));
    answer(&site, &actor, (&ask, filled), Said::default()).await
}

/// The list as it was left, and why nothing was done with what was chosen.
pub(super) async fn unchanged(site: &Site, actor: &Actor, (ask, bulk): (&Ask, Bulk), error: &AdminError) -> Response {
    let marks = beside(error);
    let toast = marks.is_none().then(|| Toast::words(forms::details(error), true));
    let built = build(site, actor, (ask, None, None)).await.map(|mut page| {
        for row in &mut page.rows {
            row.chosen = bulk.chosen.contains(&row.id);
        }
        let bulk = Bulk { is_doubted: destinations::is_doubt(error), marks: marks.unwrap_or_default(), ..bulk };
        AliasesPage { toast, bulk, ..page }
    });
    frame::answer(Some(error), built)
}

/// The fields beside the buttons with what is wrong with them; none where something else is wrong too.
fn beside(error: &AdminError) -> Option<forms::Fields> {
    const PLACES: [(&str, &str); 4] = [("label", "label"), ("labels", "label"), ("destinations", "to"), (SURE, "to")];
    let AdminError::Invalid(faults) = error else { return None };
    faults.iter().try_fold(forms::Fields::default(), |marks, Fault { pointer, detail, .. }| {
        // Of a batch, each alias has the fault, and names the field.
        let (name, place) = PLACES.iter().find(|(name, _)| pointer.split('/').any(|part| part == *name))?;
        let words = detail.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(detail);
        Some(marks.marked_at(place, forms::sentence(&text::visible(words))))
    })
}

/// `POST /aliases`.
pub(super) async fn create(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    // Enter in a field presses the first button of a form, whichever was meant.
    if new_alias::is_random(&filled) {
        return random(State(site), Caller(actor), filled).await;
    }
    let written = new_alias::written(&filled);
    let made = match sure::of_inboxes(&site, &actor, (filled.get(SURE), &sure::led_to(&written))).await {
        Ok(()) => site.admin.add_alias(&actor, &written).await,
        Err(doubt) => Err(doubt),
    };
    created(&site, &actor, made, (filled, "/aliases")).await
}

/// `POST /aliases/try`: what the alias would take of the last days' mail. Nothing is saved.
pub(super) async fn try_out(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    match site.admin.try_alias(&actor, &tried::written(&filled, &new_alias::named(&filled))).await {
        Ok(tried) => {
            let tried = Tried::new(&tried, site.admin.clock.now());
            answer(&site, &actor, (&Ask::default(), Some(filled)), Said { tried: Some(tried), ..Said::default() }).await
        }
        Err(error) => created(&site, &actor, Err(error), (filled, "/aliases")).await,
    }
}

/// `POST /aliases/random`.
pub(super) async fn random(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let written = new_alias::written_random(&filled);
    let made = match sure::of_inboxes(&site, &actor, (filled.get(SURE), &sure::led_to(&written))).await {
        Ok(()) => site.admin.add_random_alias(&actor, &written).await,
        Err(doubt) => Err(doubt),
    };
    created(&site, &actor, made, (filled, "/aliases/random")).await
}

async fn created(
    site: &Site,
    actor: &Actor,
    made: Result<AliasRow, AdminError>,
    (filled, place): (Filled, &'static str),
) -> Response {
    match made {
        Ok(row) => {
            let span = site.admin.entry_of(actor, ("alias", &alias_name(&row).to_string())).await.ok().flatten();
            let (made, undo) = (row.id.to_string(), span.map(toast::written));
            let undo = undo.as_deref().map(|undo| ("undo", undo));
            let words: Vec<_> = [("made", &*made)].into_iter().chain(undo).collect();
            // To its link, which takes the focus: what is done next by keyboard is done there.
            told::go(&format!("/aliases#at-{made}"), &words)
        }
        Err(error @ (AdminError::Unwell | AdminError::Changed)) => frame::failed(&error),
        Err(error) => {
            let again = destinations::is_doubt(&error).then_some(place);
            answer(site, actor, (&Ask::default(), Some(filled)), Said { error: Some(error), again, tried: None }).await
        }
    }
}

/// What is said of a form that was filled in: what is wrong with it, or what it would take.
#[derive(Default)]
struct Said {
    error: Option<AdminError>,
    /// Where whoever is sure of its inboxes sends it all the same.
    again: Option<&'static str>,
    tried: Option<Tried>,
}

async fn answer(site: &Site, actor: &Actor, (ask, filled): (&Ask, Option<Filled>), said: Said) -> Response {
    let Said { error, again, tried } = said;
    let built = build(site, actor, (ask, filled.as_ref(), error.as_ref())).await;
    let built = built.map(|page| AliasesPage { tried, form: NewAlias { again, ..page.form }, ..page });
    frame::answer(error.as_ref(), built)
}

async fn build(
    site: &Site,
    actor: &Actor,
    (ask, filled, error): (&Ask, Option<&Filled>, Option<&AdminError>),
) -> Result<AliasesPage, AdminError> {
    let now = site.admin.clock.now();
    let filters = Filters::of(ask);
    let filter =
        AliasFilter { paging: Paging { limit: Some(ROWS), cursor: ask.owned("cursor") }, ..filters.wanted(now) };
    let (found, wrong) = look(site, actor, filter).await?;
    let next = found.as_ref().and_then(|page| page.next_cursor.as_deref());
    let lines = found.iter().flat_map(|page| &page.items);
    let rows: Vec<_> =
        lines.map(|alias| line(alias, (domains::put_off(site, &alias.shape.domain).as_deref(), now))).collect();
    let choosable = rows.iter().filter(|row| row.may_change).count();
    let lonely = rows.is_empty() && !filters.any() && next.is_none();
    let form = NewAlias::show(site, actor, (filled, lonely), error).await?;
    Ok(AliasesPage {
        frame: Frame::inside(site, "Aliases", "aliases"),
        toast: toast(site, actor, ask).await,
        here: filters.href(&[]),
        is_looked_for: found.is_some(),
        more: next.map(|cursor| filters.href(&[("cursor", cursor)])),
        may_change: choosable > 0,
        choosable: if choosable == 1 { "one".to_owned() } else { choosable.to_string() },
        filters: filters.on(&form.domains),
        form,
        tried: None,
        spans: tried::spans(filled.map_or("", |filled| filled.get("days"))),
        bulk: Bulk::default(),
        wrong,
        rows,
    })
}

/// What the filters find, and what is to be said of them: nothing is found where one is wrong; what is too much for an order
/// is shown newest first.
async fn look(
    site: &Site,
    actor: &Actor,
    filter: AliasFilter,
) -> Result<(Option<ListShape<AliasLine>>, Option<String>), AdminError> {
    let newest = AliasFilter { order: Order::Usual, ..filter.clone() };
    match site.admin.alias_lines(actor, filter).await {
        Ok(page) => Ok((Some(page), None)),
        Err(error) if is_too_much_to_sort(&error) => {
            let page = site.admin.alias_lines(actor, newest).await?;
            Ok((Some(page), Some(TOO_MANY_TO_SORT.to_owned())))
        }
        Err(error @ (AdminError::Invalid(_) | AdminError::NotFound(_))) => Ok((None, Some(text::said(&error)))),
        Err(other) => Err(other),
    }
}

/// Whether what is asked for is sound, and only its order cannot be given.
pub(super) fn is_too_much_to_sort(error: &AdminError) -> bool {
    matches!(error, AdminError::Invalid(faults) if faults.iter().all(|fault| fault.field == "sort"))
}

fn line(alias: &AliasLine, (put_off, now): (Option<&str>, Moment)) -> Line {
    let shape = &alias.shape;
    let to_full = match shape.action {
        Action::Drop => "dropped".to_owned(),
        Action::Reject => "refused".to_owned(),
        Action::Forward | Action::Create => text::all_ours(&shape.destinations),
    };
    let to = match shape.destinations.as_slice() {
        [only] if to_full == *only => format!("→ {}", text::short_address(only)),
        [first, rest @ ..] if to_full.contains('@') => {
            format!("→ {} and {} more", text::short_address(first), rest.len())
        }
        _ => to_full.clone(),
    };
    let to = if shape.action == Action::Create { format!("makes an alias {to}") } else { to };
    let address = text::short_address(&shape.address);
    let is_whole = address == text::ours(&shape.address);
    Line {
        id: shape.id.to_string(),
        chosen: false,
        enabled: shape.enabled,
        ended: shape.ended.is_some(),
        may_change: alias.may_change,
        full: (!is_whole).then(|| text::ours(&shape.address)),
        address,
        note: text::short(&shape.description, text::SHORT),
        labels: shape.labels.iter().take(MAX_LABELS).map(|label| text::short(label, text::SHORT)).collect(),
        to_full: (!to.ends_with(&to_full)).then(|| text::short(&to_full, text::LINE)),
        to,
        waits: match shape.unverified.as_slice() {
            _ if put_off.is_some() => Some("not proved"),
            [] if !alias.computes_none => None,
            _ => Some("not verified"),
        },
        spark: Spark::of(&alias.days),
        refused_only: !counts(shape).is_empty(),
        last: shape.last_mail_at.map(|at| When::new(at, now)),
    }
}

/// What became of an alias's mail, in words.
pub(super) fn counts(alias: &AliasShape) -> String {
    let counts = &alias.counts;
    // Several inboxes have a copy each.
    let is_copied = counts.forwarded + counts.dropped + counts.failed + counts.bounced > alias.messages;
    let forwarded = match (is_copied, counts.forwarded) {
        (false, _) => "forwarded",
        (true, 1) => "copy forwarded",
        (true, _) => "copies forwarded",
    };
    let all = [
        (alias.messages * u64::from(is_copied), if alias.messages == 1 { "message" } else { "messages" }),
        (counts.forwarded, forwarded),
        (counts.refused, "refused"),
        (counts.dropped, "dropped"),
        (counts.failed, "failed"),
        (counts.bounced, "bounced"),
    ];
    let told: Vec<_> = all.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    told.join(" · ")
}

/// What was just done, told after the redirect.
async fn toast(site: &Site, actor: &Actor, ask: &Ask) -> Option<Toast> {
    let done = Toast::of(site, actor, (ask, Filters::of(ask).href(&[]))).await;
    let Some(id) = ask.get("made") else { return done };
    let row = site.admin.alias(actor, id).await.ok()?;
    let (words, waits) = ready::of_new(site, actor, &row).await?;
    Some(match done {
        Some(done) => Toast { words, waits, ..done },
        None => Toast::words(words, waits),
    })
}
