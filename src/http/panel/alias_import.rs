//! `/aliases/import`: a table of aliases, what it would come to, and bringing it in once that was seen. Nothing is kept in
//! between: what is looked at comes again with the button, and is judged again.

use askama::Template;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::Response;

use crate::admin::{Actor, AdminError, AliasTable, MAX_TABLE_OCTETS, MAX_TABLE_ROWS, NewRow, too_large_a_table};
use crate::http::Site;
use crate::http::api::Caller;
use crate::policy::rule::Action;
use crate::store::accounts::AuditSpan;

use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::ready;
use super::text;
use super::toast::{self, Toast};

/// Octets of the form: a table grows where its signs are written as a form writes them.
const MAX_FORM_OCTETS: usize = 4 * MAX_TABLE_OCTETS;
/// Aliases that are named.
const NAMED: usize = 10;
/// Columns that are named.
const COLUMNS: usize = 20;
/// Wrong lines that are named.
const WRONG: usize = 100;

#[derive(Template)]
#[template(path = "alias_import.html", config = "web/askama.toml")]
struct ImportPage {
    frame: Frame,
    toast: Option<Toast>,
    /// Whether there is a domain to make aliases on.
    may: bool,
    is_admin: bool,
    /// Where an alias leads that says nothing else.
    default: Option<String>,
    text: String,
    wrong: Option<String>,
    look: Option<Look>,
    rows: usize,
    kib: usize,
}

/// What a table comes to.
struct Look {
    title: String,
    /// What is not made, in sentences.
    rest: String,
    /// What is said of inboxes that get no mail yet.
    unverified: Option<String>,
    /// The columns that were not read.
    unread: Option<String>,
    /// The first of what is made.
    named: Vec<Made>,
    more: usize,
    wrong: Vec<(usize, String)>,
    wrong_more: usize,
    /// The button; none where there is nothing to make.
    button: Option<String>,
}

/// An alias of a table.
struct Made {
    address: String,
    /// Where it leads.
    to: Option<String>,
    /// What else becomes of its mail.
    fate: &'static str,
    is_off: bool,
}

impl Made {
    fn of(row: &NewRow) -> Self {
        let to = || Some(text::short(&text::all_ours(&row.to), text::LINE));
        let (to, fate) = match row.action {
            Action::Forward | Action::Create => (to(), ""),
            Action::Drop => (None, "its mail is thrown away"),
            Action::Reject => (None, "its mail is refused"),
        };
        Self { address: text::short_address(&row.address), to, fate, is_off: row.is_off }
    }
}

/// How large the form may be.
pub(super) fn size() -> DefaultBodyLimit {
    DefaultBodyLimit::max(MAX_FORM_OCTETS)
}

/// `GET /aliases/import`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller) -> Response {
    frame::answer(None, build(&site, &actor, "").await)
}

/// `POST /aliases/import`: `what` is `import`, or it is only looked at.
pub(super) async fn act(State(site): State<Site>, Caller(actor): Caller, request: Request) -> Response {
    let filled = Filled::of(request).await;
    let written = filled.as_ref().map_or("", |filled| filled.get("text"));
    let came = match filled.as_ref().map(|filled| filled.get("what")) {
        Some("import") => site.admin.import_table(&actor, written).await,
        Some(_) => site.admin.look_at_table(&actor, written).await.map(|table| (table, None)),
        // What the page sends is always a form, and is read unless there is too much of it.
        None => Err(too_large_a_table()),
    };
    match came {
        Ok((table, Some(span))) if table.wrong.is_empty() && table.unverified.is_empty() => {
            toast::noted("/aliases", Some(span))
        }
        Ok((table, span)) => {
            let built = build(&site, &actor, written).await;
            frame::answer(None, built.map(|page| seen(page, &table, span)))
        }
        // What was pasted stays.
        Err(error @ (AdminError::Invalid(_) | AdminError::Conflict(_))) => {
            let wrong = Some(forms::details(&error));
            let built = build(&site, &actor, written).await;
            frame::answer(Some(&error), built.map(|page| ImportPage { wrong, ..page }))
        }
        Err(error) => frame::failed(&error),
    }
}

/// The page with what a table comes to, or came to.
fn seen(page: ImportPage, table: &AliasTable, span: Option<AuditSpan>) -> ImportPage {
    let is_made = span.is_some();
    let toast = span.map(|span| {
        let made = match table.new.len() {
            1 => "One alias is made.".to_owned(),
            made => format!("{made} aliases are made."),
        };
        Toast { undo: Some(toast::written(span)), back: "/aliases".to_owned(), ..Toast::words(made, false) }
    });
    ImportPage { toast, look: Some(Look::of(table, is_made)), ..page }
}

async fn build(site: &Site, actor: &Actor, written: &str) -> Result<ImportPage, AdminError> {
    let default = site.admin.default_destinations(actor, actor.account).await?.into_iter().next();
    Ok(ImportPage {
        frame: Frame::inside(site, "Import aliases", "aliases"),
        toast: None,
        is_admin: actor.is_admin(),
        may: !site.admin.domains_for_aliases(actor).await?.is_empty(),
        default: default.map(|inbox| text::ours(&inbox)),
        text: written.to_owned(),
        wrong: None,
        look: None,
        rows: MAX_TABLE_ROWS,
        kib: MAX_TABLE_OCTETS / 1024,
    })
}

impl Look {
    /// Of a table that was only looked at, or of what is left of one that was brought in.
    fn of(table: &AliasTable, is_made: bool) -> Self {
        let new = if is_made { 0 } else { table.new.len() };
        let wrong = table.wrong.iter().take(WRONG);
        Self {
            title: if is_made { "What is left to do".to_owned() } else { title(new) },
            rest: rest(table, new),
            unread: unread(table),
            unverified: unverified(table),
            named: table.new.iter().take(new.min(NAMED)).map(Made::of).collect(),
            more: new.saturating_sub(NAMED),
            wrong: wrong.map(|(line, why)| (*line, text::visible(&forms::sentence(why)))).collect(),
            wrong_more: table.wrong.len().saturating_sub(WRONG),
            button: text::counted(new as u64, false, ("alias", "aliases")),
        }
    }
}

fn title(new: usize) -> String {
    match new {
        0 => "No alias is new".to_owned(),
        1 => "One alias is new".to_owned(),
        new => format!("{new} aliases are new"),
    }
}

fn unverified(table: &AliasTable) -> Option<String> {
    let named: Vec<_> = table.unverified.iter().take(NAMED).cloned().collect();
    let more = table.unverified.len() - named.len();
    let more = if more == 0 { String::new() } else { format!(", and so it is with {more} more") };
    (!named.is_empty()).then(|| format!("{}{more}.", ready::not_verified(&named)))
}

fn unread(table: &AliasTable) -> Option<String> {
    let mut named: Vec<_> =
        table.unread.iter().take(COLUMNS).map(|name| text::short(&text::visible(name), text::SHORT)).collect();
    let more = table.unread.len() - named.len();
    named.extend((more > 0).then(|| format!("and {more} more")));
    (!named.is_empty()).then(|| format!("{}.", named.join(", ")))
}

/// What is to be known of those that are `new`, and what becomes of the other rows.
fn rest(table: &AliasTable, new: usize) -> String {
    let off = match table.new.iter().take(new).filter(|row| row.is_off).count() {
        0 => None,
        // Its own row says it.
        1 if new == 1 => None,
        1 => Some("One of them comes in off.".to_owned()),
        off => Some(format!("{off} of them come in off.")),
    };
    let known = match table.known {
        0 => None,
        1 => Some("One exists already and is left as it is.".to_owned()),
        known => Some(format!("{known} exist already and are left as they are.")),
    };
    let wrong = match table.wrong.len() {
        0 => None,
        1 => Some("One line is left out.".to_owned()),
        wrong => Some(format!("{wrong} lines are left out.")),
    };
    off.into_iter().chain(known).chain(wrong).collect::<Vec<_>>().join(" ")
}
