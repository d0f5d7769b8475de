//! `/destinations`: the inboxes, whether they are verified and take mail, and how to make one.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::admin::shapes::DestinationShape;
use crate::admin::{Actor, AdminError, Order, Paging};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::verdict::is_reply;
use crate::store::rules::DestinationRow;

use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::sign_in::local;
use super::text::{self, When};
use super::told;

/// Where it stands.
const LIST: &str = "/destinations";
/// Rows of a page.
const ROWS: u32 = 100;
/// Domains that are counted.
const MAX_COUNTED: u64 = 100;

/// A destination as pages show it.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) address: String,
    pub(super) full: String,
    /// As a search takes it.
    pub(super) in_query: String,
    /// Whose it is, where it is somebody else's.
    pub(super) owner: Option<String>,
    /// `@domain`: all of its addresses.
    pub(super) is_domain: bool,
    pub(super) default: bool,
    /// The whole domain is verified, and this address with it.
    pub(super) trusted: bool,
    pub(super) verified: Option<When>,
    pub(super) waiting: When,
    pub(super) delivered: Option<When>,
    pub(super) failing: Option<When>,
    /// It does not refuse: it took one and handed it back.
    pub(super) sends_back: bool,
    /// Since when its domain is known to take no mail.
    pub(super) no_mail: Option<When>,
    /// Why it is failing, or why the mail that asks it did not arrive.
    pub(super) why: Option<String>,
    /// Another server said that.
    pub(super) is_reply: bool,
}

impl Line {
    /// Whether it gets mail.
    pub(super) const fn is_well(&self) -> bool {
        self.verified.is_some() || self.trusted
    }
}

#[derive(Template)]
#[template(path = "destinations.html", config = "web/askama.toml")]
struct DestinationsPage {
    frame: Frame,
    done: Option<String>,
    wrong: Option<String>,
    /// Whoever is sure adds it all the same.
    is_doubted: bool,
    written: String,
    vouched: bool,
    is_admin: bool,
    /// This panel has an address that a mail could lead to.
    can_ask: bool,
    /// Where the list is, as it is shown.
    here: String,
    search: String,
    rows: Vec<Line>,
    more: Option<String>,
}

/// `GET /destinations?q=&cursor=`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    answer(&site, &actor, &ask, (&Filled::default(), None)).await
}

/// `POST /destinations`.
pub(super) async fn create(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let mut written = Map::from_iter([("address".to_owned(), Value::from(filled.trimmed("address")))]);
    if filled.has("verified") {
        written.insert("verified".to_owned(), Value::Bool(true));
    }
    match add(&site, &actor, (&filled, &written)).await {
        Ok(row) => told::go(LIST, &[("made", &row.id.to_string())]),
        Err(error @ (AdminError::Unwell | AdminError::Changed)) => frame::failed(&error),
        Err(error) => answer(&site, &actor, &Ask::default(), (&filled, Some(error))).await,
    }
}

/// Repeats the address of an inbox that hardly any mail would arrive at: it is meant all the same.
pub(super) const SURE: &str = "sure";

/// Adds the inbox of a form, unless it has to be said once more.
pub(super) async fn add(
    site: &Site,
    actor: &Actor,
    (filled, written): (&Filled, &Map<String, Value>),
) -> Result<DestinationRow, AdminError> {
    let address = filled.trimmed("address");
    if filled.trimmed(SURE) != address
        && let Some(why) = doubt(site, actor, (address, written)).await?
    {
        return Err(AdminError::field(SURE, why));
    }
    site.admin.add_destination(actor, written).await
}

async fn doubt(
    site: &Site,
    actor: &Actor,
    (address, written): (&str, &Map<String, Value>),
) -> Result<Option<String>, AdminError> {
    let is_vouched = written.get("verified") == Some(&Value::Bool(true));
    match site.admin.doubt_inbox(actor, address).await? {
        None if is_vouched => site.admin.doubt_own(actor, address).await,
        doubt => Ok(doubt),
    }
}

/// Whether that is all that stands against it.
pub(super) fn is_doubt(error: &AdminError) -> bool {
    matches!(error, AdminError::Invalid(faults) if faults.iter().all(|fault| fault.field == SURE))
}

/// The list that a button stood in, told what that did.
pub(super) fn back(to: &str, (word, id): (&str, &str)) -> Response {
    let is_list = to == LIST || to.starts_with("/destinations?");
    let to = if is_list { local(to) } else { LIST };
    told::go(&format!("{to}#d-{}", text::in_query(id)), &[(word, id)])
}

async fn answer(site: &Site, actor: &Actor, ask: &Ask, (filled, error): (&Filled, Option<AdminError>)) -> Response {
    frame::answer(error.as_ref(), build(site, actor, ask, (filled, error.as_ref())).await)
}

async fn build(
    site: &Site,
    actor: &Actor,
    ask: &Ask,
    (filled, error): (&Filled, Option<&AdminError>),
) -> Result<DestinationsPage, AdminError> {
    let now = site.admin.clock.now();
    let search = ask.owned("q").unwrap_or_default();
    let paging = Paging { limit: Some(ROWS), cursor: ask.owned("cursor") };
    let page = site.admin.destinations_in(actor, ask.owned("q"), (Order::Usual, &paging)).await?;
    let more = page.next_cursor.as_deref();
    let more = more.map(|cursor| text::with_query(LIST, &[("q", &search), ("cursor", cursor)]));
    Ok(DestinationsPage {
        frame: Frame::inside(site, "Destinations", "destinations"),
        done: told(site, actor, ask).await,
        wrong: error.map(forms::details),
        is_doubted: error.is_some_and(is_doubt),
        written: filled.get("address").to_owned(),
        vouched: filled.has("verified"),
        is_admin: actor.must_be_admin("vouch for a destination").is_ok(),
        can_ask: site.admin.links_at.is_some(),
        here: text::with_query(LIST, &[("q", &search), ("cursor", &ask.owned("cursor").unwrap_or_default())]),
        search,
        rows: page.items.iter().map(|destination| line(destination, now)).collect(),
        more,
    })
}

/// A destination as seen from `now`.
pub(super) fn line(destination: &DestinationShape, now: Moment) -> Line {
    let when = |at: Option<Moment>| at.map(|at| When::new(at, now));
    Line {
        id: destination.id.to_string(),
        address: text::short_address(&destination.address),
        full: text::ours(&destination.address),
        in_query: text::in_query(&destination.address),
        owner: destination.owner.as_deref().map(text::ours),
        is_domain: destination.address.starts_with('@'),
        default: destination.default,
        trusted: destination.trusted,
        verified: when(destination.verified_at),
        waiting: When::new(destination.created_at, now),
        delivered: when(destination.last_delivered_at),
        failing: when(destination.failing_since),
        // A delivery ends what a refusal began: what outlives one was begun by a report.
        sends_back: destination.sends_back
            || destination.failing_since.is_some_and(|since| destination.last_delivered_at > Some(since)),
        no_mail: when(destination.takes_no_mail.as_ref().map(|found| found.since)),
        why: why(destination).map(|why| text::short(why, text::LINE)),
        is_reply: why(destination).is_some_and(is_reply),
    }
}

/// What the DNS says of its whole domain explains what its next hop says.
fn why(destination: &DestinationShape) -> Option<&str> {
    match &destination.takes_no_mail {
        Some(found) => Some(&found.what),
        None => destination.failing_since.and(destination.failing_reply.as_deref()),
    }
}

/// Whether the inbox was asked.
async fn asked(site: &Site, actor: &Actor, row: &DestinationRow) -> String {
    let asked = site.admin.destination_shape(actor, row).await.ok().and_then(|shape| shape.verification);
    match asked {
        Some(asked) if asked.sent_at.is_some() => "A mail with a link that verifies it is on its way there.".to_owned(),
        Some(asked) => asked.reply,
        None => String::new(),
    }
}

async fn told(site: &Site, actor: &Actor, ask: &Ask) -> Option<String> {
    if let Some(id) = ask.get("made") {
        let row = site.admin.destination(actor, id).await.ok()?;
        let address = text::ours(&row.address);
        return Some(match row.verified_at {
            Some(_) => format!("{address} can be used now."),
            None => {
                format!("{address} is added, and gets no mail until it is verified. {}", asked(site, actor, &row).await)
            }
        });
    }
    if let Some(id) = ask.get("verify") {
        let row = site.admin.destination(actor, id).await.ok()?;
        let address = text::ours(&row.address);
        return row.verified_at.map(|_| format!("{address} is verified: mail goes there from now on."));
    }
    if let Some(id) = ask.get("resend") {
        let row = site.admin.destination(actor, id).await.ok()?;
        return Some(format!("{}: {}", text::ours(&row.address), asked(site, actor, &row).await));
    }
    ask.get("done").filter(|word| *word == "remove")?;
    let of = ask.get("of").unwrap_or_default();
    let Ok(contact) = site.admin.default_contact(actor, of).await else { return Some("Removed.".to_owned()) };
    let goes = match contact.address {
        Some(contact) => format!("goes to {} from now on", text::ours(&contact)),
        None => "has nobody to go to from now on, and is held".to_owned(),
    };
    let more = ask.get("more").and_then(|more| more.parse().ok()).unwrap_or_default();
    Some(format!("Removed. Mail for postmaster and abuse of {}{} {goes}.", text::ours(of), others(more)))
}

fn others(count: u64) -> String {
    let words = ("other domain", "other domains");
    let counted = text::counted(count.min(MAX_COUNTED), count > MAX_COUNTED, words);
    counted.map(|counted| format!(" and {counted}")).unwrap_or_default()
}
