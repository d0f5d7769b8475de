//! `/aliases/{address}`: one alias on one page: where its mail goes, what came, who wrote, its rule and limits.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use crate::admin::shapes::{AliasShape, alias_name};
use crate::admin::{ActivityFilter, Actor, AdminError, MAX_LIMIT, Many, Paging, Target, Unheard};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::policy::rule::Action;
use crate::policy::status::Status;
use crate::store::rules::AliasRow;

use super::activity::Line;
use super::alias_fields::{Choice, Differing, Fields, change};
use super::alias_senders::{self, Came, Writer};
use super::destinations::{self, SURE};
use super::domains;
use super::forms::{Filled, Marked};
use super::frame::{self, Frame};
use super::rule_words;
use super::sure;
use super::text::{self, When};
use super::toast::{self, Toast};
use super::tried::{self, Tried};
use super::withheld::Withheld;

/// Rows of its mail that are shown.
const ROWS: usize = 8;

/// A destination that gets no mail, what is left to do about it, and where it is listed for whoever looks.
struct Unverified {
    address: String,
    words: String,
    href: Option<String>,
}

/// What stands at the top.
struct Head {
    id: String,
    full: String,
    enabled: bool,
    tone: &'static str,
    icon: &'static str,
    state: String,
    counts: String,
    /// What is still here of it.
    here: Vec<String>,
    last: Option<When>,
    which: String,
    /// Who cannot write to it.
    wants: Option<&'static str>,
    ending: Option<String>,
    unverified: Vec<Unverified>,
    /// What senders hear as long as nobody has proved its domain.
    put_off: Option<String>,
    domain: String,
    domain_href: String,
    made: When,
    /// As a search takes it.
    in_query: String,
    /// Where its pattern is tried.
    try_href: String,
}

#[derive(Template)]
#[template(path = "alias.html", config = "web/askama.toml")]
struct AliasPage {
    frame: Frame,
    toast: Option<Toast>,
    wrong: Option<String>,
    /// The fields that say themselves what is wrong, with the way there.
    marked: Vec<Marked>,
    /// Where somebody else changed it meanwhile: what is stored beside what was written.
    differing: Vec<Differing>,
    head: Head,
    may_change: bool,
    fields: Fields,
    /// Whoever is sure of an inbox saves it all the same.
    is_doubted: bool,
    /// How far a trial looks back.
    spans: Vec<Choice>,
    tried: Option<Tried>,
    mail: Vec<Line>,
    /// Some of it came for its address and was another's.
    taken_by_others: bool,
    senders: Vec<Writer>,
    is_catch_all: bool,
    /// Where the aliases are that it makes of them.
    makes: Option<String>,
    came: Vec<Came>,
}

/// What came of the form: what is wrong with it, or what the alias would take.
#[derive(Default)]
struct Said {
    filled: Option<Filled>,
    error: Option<AdminError>,
    tried: Option<Tried>,
}

/// `GET /aliases/{id, or the alias as it is written}`.
pub(super) async fn page(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    ask: Ask,
) -> Response {
    answer(&site, &actor, &id, (&ask, Said::default())).await
}

/// `POST /aliases/{id}`: what is set for it.
pub(super) async fn save(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    filled: Filled,
) -> Response {
    let target = Target { id: &id, version: filled.get("version").parse().ok() };
    let (seen, change) = (target.version, change(&filled));
    let saved = match sure::of_inboxes(&site, &actor, (filled.get(SURE), &sure::led_to(&change))).await {
        Ok(()) => site.admin.change_alias(&actor, target, &change).await,
        Err(doubt) => Err(doubt),
    };
    match saved {
        Err(error @ (AdminError::Invalid(_) | AdminError::Conflict(_) | AdminError::Changed)) => {
            refused(&site, &actor, &id, (filled, error)).await
        }
        // Nothing was changed: what the audit log has last is an earlier change, and not to be taken back for this one.
        Ok(row) if Some(row.version) == seen => Redirect::to(&place(&row)).into_response(),
        saved => after(&site, &actor, (saved, filled.get("back"))).await,
    }
}

/// `POST /aliases/{id}/try`: what it would take of the last days' mail as it is filled in. Nothing is saved.
pub(super) async fn try_out(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    filled: Filled,
) -> Response {
    match would_take(&site, &actor, &id, &filled).await {
        Ok(tried) => {
            let said = Said { filled: Some(filled), tried: Some(tried), ..Said::default() };
            answer(&site, &actor, &id, (&Ask::default(), said)).await
        }
        Err(error @ AdminError::Invalid(_)) => refused(&site, &actor, &id, (filled, error)).await,
        Err(error) => frame::failed(&error),
    }
}

async fn would_take(site: &Site, actor: &Actor, id: &str, filled: &Filled) -> Result<Tried, AdminError> {
    let name = alias_name(&site.admin.alias(actor, id).await?).to_string();
    let tried = site.admin.try_alias(actor, &tried::written(filled, &[("address", &name)])).await?;
    Ok(Tried::new(&tried, site.admin.clock.now()))
}

async fn refused(site: &Site, actor: &Actor, id: &str, (filled, error): (Filled, AdminError)) -> Response {
    let said = Said { filled: Some(filled), error: Some(error), tried: None };
    answer(site, actor, id, (&Ask::default(), said)).await
}

/// `POST /aliases/{id}/switch`.
pub(super) async fn switch(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    filled: Filled,
) -> Response {
    let switched = site.admin.switch_alias(&actor, &id, filled.get("on") == "true").await;
    let back = switched.as_ref().map(|row| at_row(row, filled.get("back"))).unwrap_or_default();
    after(&site, &actor, (switched, &back)).await
}

/// The row of the list that a switch stood in.
fn at_row(row: &AliasRow, back: &str) -> String {
    if back.is_empty() { String::new() } else { format!("{back}#a-{}", row.id) }
}

/// `POST /aliases/{id}/remove`.
pub(super) async fn remove(State(site): State<Site>, Caller(actor): Caller, Path(id): Path<String>) -> Response {
    match site.admin.change_many(&actor, &[id], &Many::Remove).await {
        Ok(span) => toast::noted("/aliases", span),
        Err(error) => frame::failed(&error),
    }
}

/// After a change: back to where the form was, or to the alias, with what was done to it.
pub(super) async fn after(
    site: &Site,
    actor: &Actor,
    (changed, back): (Result<AliasRow, AdminError>, &str),
) -> Response {
    let row = match changed {
        Ok(row) => row,
        Err(error) => return frame::failed(&error),
    };
    let own = place(&row);
    match site.admin.entry_of(actor, ("alias", &alias_name(&row).to_string())).await {
        Ok(span) => toast::noted(if back.is_empty() { &own } else { back }, span),
        // What was asked for is done.
        Err(_) => Redirect::to(&own).into_response(),
    }
}

/// The page of an alias.
fn place(row: &AliasRow) -> String {
    format!("/aliases/{}", row.id)
}

async fn answer(site: &Site, actor: &Actor, id: &str, (ask, said): (&Ask, Said)) -> Response {
    let Said { filled, error, tried } = said;
    let built = build(site, actor, id, (ask, filled.as_ref(), error.as_ref())).await;
    frame::answer(error.as_ref(), built.map(|page| AliasPage { tried, ..page }))
}

async fn build(
    site: &Site,
    actor: &Actor,
    id: &str,
    (ask, filled, error): (&Ask, Option<&Filled>, Option<&AdminError>),
) -> Result<AliasPage, AdminError> {
    let now = site.admin.clock.now();
    let row = site.admin.alias(actor, id).await?;
    let mut shapes = site.admin.alias_shapes(std::slice::from_ref(&row)).await?;
    let alias = shapes.pop().ok_or_else(|| AdminError::missing("alias", id))?;
    let subaddressing = site.admin.domain(actor, &alias.domain).await?.subaddressing;
    let is_catch_all = alias.kind == crate::policy::rule::Kind::CatchAll;
    let mail = site.admin.mail_of_alias(actor, &row).await?;
    let came = if is_catch_all { alias_senders::came(site, actor, &row, now).await? } else { Vec::new() };
    Ok(AliasPage {
        frame: Frame::inside(site, text::short_address(&alias.address), "aliases"),
        toast: Toast::of(site, actor, (ask, place(&row))).await,
        wrong: error.and_then(Fields::above),
        marked: error.map(Fields::marked).unwrap_or_default(),
        head: Head {
            unverified: unverified(site, actor, (row.account, &alias)).await?,
            here: here(site, actor, &alias).await?,
            ..head(&alias, (subaddressing, domains::put_off(site, &alias.domain)), now)
        },
        may_change: site.admin.may_change_alias(actor, &row),
        differing: match (filled, error) {
            (Some(filled), Some(AdminError::Changed)) => {
                Fields::of(&alias, row.version, (None, None)).differing(filled)
            }
            _ => Vec::new(),
        },
        fields: Fields::of(&alias, row.version, (filled, error))
            .without(site.admin.beyond_at_alias(actor, (&row.domain_name, &row.spec.overrides))),
        is_doubted: error.is_some_and(destinations::is_doubt),
        spans: tried::spans(filled.map_or("", |filled| filled.get("days"))),
        tried: None,
        senders: alias_senders::of(site, (&row, &mail), (Withheld::of(&alias), now)),
        taken_by_others: mail.iter().any(|other| other.alias != Some(row.key)),
        mail: Line::all(&mail[..mail.len().min(ROWS)], now),
        is_catch_all,
        makes: (alias.action == Action::Create).then(|| text::with_query("/aliases", &[("domain", &alias.domain)])),
        came,
    })
}

fn head(alias: &AliasShape, (subaddressing, put_off): (bool, Option<String>), now: Moment) -> Head {
    let (tone, icon, state) = rule_words::state(alias, put_off.as_deref());
    Head {
        id: alias.id.to_string(),
        full: text::ours(&alias.address),
        enabled: alias.enabled,
        tone,
        icon,
        state,
        counts: super::aliases::counts(alias),
        here: Vec::new(),
        last: alias.last_mail_at.map(|at| When::new(at, now)),
        which: rule_words::which(alias, subaddressing),
        wants: rule_words::wants_smtputf8(alias),
        ending: rule_words::ending(alias),
        unverified: Vec::new(),
        put_off,
        domain: text::ours(&alias.domain),
        domain_href: format!("/domains/{}", text::in_query(&alias.domain)),
        made: When::new(alias.created_at, now),
        in_query: text::in_query(&alias.address),
        try_href: format!("/aliases/{}/try", alias.id),
    }
}

/// `1 waiting`, `2 held`: what nothing is counted of yet.
async fn here(site: &Site, actor: &Actor, alias: &AliasShape) -> Result<Vec<String>, AdminError> {
    const KINDS: [(&str, &[Status]); 2] = [("waiting", &[Status::Queued, Status::Deferred]), ("held", &[Status::Held])];
    let filter = ActivityFilter {
        alias: Some(alias.id.to_string()),
        status: KINDS.iter().flat_map(|(_, all)| *all).map(|status| status.as_str().to_owned()).collect(),
        paging: Paging { limit: Some(MAX_LIMIT), cursor: None },
        ..ActivityFilter::default()
    };
    let found = site.admin.activity_rows(actor, &filter).await?;
    let least = if found.next_cursor.is_some() { "at least " } else { "" };
    let counted = KINDS.iter().map(|(word, all)| {
        let count = found.rows.iter().filter(|row| all.contains(&row.status)).count();
        (count > 0).then(|| format!("{least}{count} {word}"))
    });
    Ok(counted.flatten().collect())
}

/// The inboxes that get no mail yet, and for each what is left to do about it by whom.
async fn unverified(
    site: &Site,
    actor: &Actor,
    (account, alias): (AccountId, &AliasShape),
) -> Result<Vec<Unverified>, AdminError> {
    let mut all = Vec::with_capacity(alias.unverified.len());
    for address in &alias.unverified {
        let Unheard { is_asked, has_failed, is_seen } = site.admin.unheard(actor, (account, address)).await?;
        let words = match (is_asked, has_failed, is_seen) {
            (true, ..) => {
                "A mail with a link was sent there: opening it and pressing its button verifies it.".to_owned()
            }
            (_, true, _) => "The mail that asks it failed: look whether it is written as it should be.".to_owned(),
            (.., true) => String::new(),
            (.., false) => format!("Ask the owner of {} to verify it.", text::ours(&alias.domain)),
        };
        let href = is_seen.then(|| text::with_query("/destinations", &[("q", address)]));
        all.push(Unverified { address: text::ours(address), words, href });
    }
    Ok(all)
}
