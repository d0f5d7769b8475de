//! `/domains/{name}`: whether its mail arrives, its records, what is set for it, and what goes with it when it goes.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::admin::{Actor, AdminError, AliasFilter, Paging, QueueFilter, Reach, Target};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::policy::deeds::Deed;

use super::super::forms::{self, Filled, Marked};
use super::super::frame::{self, Frame};
use super::super::queue;
use super::super::text::{self, When};
use super::super::told;
use super::form::{self, Fields};
use super::records::{self, Records, State as Standing, look};

/// Aliases that are named before a domain is removed.
const NAMED_ALIASES: u32 = 5;

/// What goes with a domain, and what does not.
struct Lost {
    /// `12 aliases`; none where there are none.
    count: Option<String>,
    /// Some of them.
    named: Vec<String>,
    /// There are more than those.
    more: bool,
    /// `3 messages` of its mail in the queue.
    waiting: Option<String>,
}

#[derive(Template)]
#[template(path = "domain.html", config = "web/askama.toml")]
struct DomainPage {
    frame: Frame,
    done: Option<&'static str>,
    wrong: Option<String>,
    /// The fields that say themselves what is wrong, with the way there.
    marked: Vec<Marked>,
    /// As people read it, and as the DNS has it.
    name: String,
    full: String,
    ascii: bool,
    verified: Option<When>,
    /// What senders hear as long as nobody has proved it.
    put_off: Option<String>,
    is_admin: bool,
    /// Whose aliases it has, where it is a mirror.
    mirror_of: Option<String>,
    may_change: bool,
    may_remove: bool,
    records: Records,
    fields: Fields,
    lost: Lost,
}

/// What came of a form, or which look at DNS is wanted.
#[derive(Default)]
struct Shown {
    /// The word of what was done.
    done: Option<String>,
    filled: Option<Filled>,
    error: Option<AdminError>,
    /// DNS is asked now.
    anew: bool,
}

/// `GET /domains/{name}?check=`.
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    ask: Ask,
) -> Response {
    shown(&site, &actor, &name, Shown { done: ask.owned("done"), anew: ask.get("check").is_some(), ..Shown::default() })
        .await
}

/// `POST /domains/{name}`: what is set for it.
pub(super) async fn change(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    filled: Filled,
) -> Response {
    match site.admin.change_domain(&actor, Target { id: &name, version: None }, &form::written(&filled)).await {
        Ok(domain) => told::go(&format!("/domains/{}", domain.name), &[("done", "saved")]),
        Err(error) => refused(&site, &actor, &name, (Some(filled), error)).await,
    }
}

/// `POST /domains/{name}/verify|remove`.
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((name, word)): Path<(String, String)>,
) -> Response {
    let done = match word.as_str() {
        "verify" => site.admin.verify_domain(&actor, &name).await.map(|_| (format!("/domains/{name}"), "verified")),
        "remove" => {
            let removed = site.admin.remove_domain(&actor, Target { id: &name, version: None }).await;
            removed.map(|()| ("/domains".to_owned(), "removed"))
        }
        _ => Err(forms::no_such_action()),
    };
    match done {
        Ok((place, word)) => told::go(&place, &[("done", word)]),
        Err(AdminError::NotFound(_)) if word == "remove" && site.admin.just_did(&actor, Deed::DomainRemove).await => {
            told::go("/domains", &[("done", "removed")])
        }
        Err(error) => refused(&site, &actor, &name, (None, error)).await,
    }
}

/// `GET /domains/{name}/zone`: what is to be published, as a file.
pub(super) async fn zone(State(site): State<Site>, Caller(actor): Caller, Path(name): Path<String>) -> Response {
    match site.admin.known_records(&actor, &name).await {
        Ok(known) => super::download(&format!("{}.zone", known.records.domain), records::zone(&known.records)),
        Err(error) => frame::failed(&error),
    }
}

/// What a person can mend is said on the page that they came from.
async fn refused(site: &Site, actor: &Actor, name: &str, (filled, error): (Option<Filled>, AdminError)) -> Response {
    match error {
        AdminError::Invalid(_) | AdminError::Conflict(_) | AdminError::Forbidden(_) => {
            shown(site, actor, name, Shown { filled, error: Some(error), ..Shown::default() }).await
        }
        other => frame::failed(&other),
    }
}

async fn shown(site: &Site, actor: &Actor, name: &str, shown: Shown) -> Response {
    frame::answer(shown.error.as_ref(), build(site, actor, name, &shown).await)
}

async fn build(site: &Site, actor: &Actor, name: &str, shown: &Shown) -> Result<DomainPage, AdminError> {
    let domain = site.admin.domain(actor, name).await?;
    let reach = site.admin.reach_on(actor, name).await?;
    let records = look(site, actor, &domain, shown.anew).await?;
    let to = match site.admin.alias(actor, &format!("*@{}", domain.name)).await {
        Ok(row) => site.admin.alias_shapes(&[row]).await?.remove(0).destinations.join(", "),
        Err(_) => String::new(),
    };
    let now = site.admin.clock.now();
    let mut fields =
        Fields::new((&domain, to), &site.admin.facts.instance.load(), (shown.filled.as_ref(), shown.error.as_ref()))
            .without(&site.admin.beyond_at_domain(actor, &domain.policy));
    if let Ok(contact) = site.admin.default_contact(actor, name).await {
        fields.contact_help = form::contact_help(&contact);
    }
    Ok(DomainPage {
        frame: Frame::inside(site, text::short_sender(&domain.unicode), "domains"),
        done: shown.done.as_deref().and_then(|word| told(word, &records.state)),
        wrong: shown.error.as_ref().and_then(form::above),
        marked: shown.error.as_ref().map(form::marked).unwrap_or_default(),
        name: text::short_sender(&domain.unicode),
        full: domain.name.clone(),
        ascii: domain.unicode != domain.name,
        verified: domain.verified_at.map(|at| When::new(at, now)),
        put_off: super::put_off(site, &domain.name),
        is_admin: actor.is_admin(),
        mirror_of: domain.mirror_of.as_deref().map(text::ours),
        may_change: reach >= Reach::Manage,
        may_remove: reach >= Reach::Own,
        records,
        fields,
        lost: lost(site, actor, &domain.name).await?,
    })
}

async fn lost(site: &Site, actor: &Actor, name: &str) -> Result<Lost, AdminError> {
    let domain = Some(name.to_owned());
    let waiting = QueueFilter { domain: domain.clone(), ..QueueFilter::default() };
    let paging = Paging { limit: Some(NAMED_ALIASES), cursor: None };
    let page = site.admin.aliases(actor, AliasFilter { domain, paging, ..AliasFilter::default() }).await?;
    let (count, is_more) = site.admin.aliases_on(actor, name).await?;
    Ok(Lost {
        count: text::counted(count, is_more, ("alias", "aliases")),
        named: page.items.iter().map(|alias| text::short_address(&alias.address)).collect(),
        more: page.next_cursor.is_some(),
        waiting: queue::counted(site, actor, waiting).await?,
    })
}

/// What was done, as long as it says something.
fn told(word: &str, state: &Standing) -> Option<&'static str> {
    Some(match word {
        "added" if state.tone != "ok" => "Added. Publish its records in the DNS; then make its first alias.",
        "saved" => "Saved: it counts from now on.",
        "verified" => "Verified.",
        _ => return None,
    })
}
