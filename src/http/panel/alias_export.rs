//! `GET /aliases/export`: the aliases that the search and the filters show, as a table, read and sent page by page. Its first
//! two columns are those of `waypost alias import`, an alias and where it leads; of several destinations, one beside the other.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::admin::shapes::AliasShape;
use crate::admin::{ALIAS_COLUMNS, Actor, AdminError, AliasFilter, MAX_LIMIT, Order, Paging, labels_in_a_cell};
use crate::http::Site;
use crate::http::api::{Ask, CSV, Caller, Held, MAX_ROWS, cell, saved};
use crate::http::problem::Problem;
use crate::policy::rule::Action;

use super::alias_filters::Filters;
use super::aliases::is_too_much_to_sort;

/// What parts several of one cell.
pub(super) const BETWEEN: &str = " ";

/// An export under way: one page in memory.
struct Export {
    site: Site,
    actor: Actor,
    filter: AliasFilter,
    lines: String,
    left: u32,
    ended: bool,
    held: Held,
}

/// `GET /aliases/export?q=` and what filters ask.
pub(super) async fn export(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    begun(site, actor, &ask).await.unwrap_or_else(IntoResponse::into_response)
}

async fn begun(site: Site, actor: Actor, ask: &Ask) -> Result<Response, Problem> {
    let paging = Paging { limit: Some(MAX_LIMIT), cursor: None };
    let filter = AliasFilter { paging, ..Filters::of(ask).wanted(site.admin.clock.now()) };
    let (lines, held) = (ALIAS_COLUMNS.join(",") + "\r\n", Held::take(&site, &actor)?);
    let mut export = Export { site, actor, filter, lines, left: MAX_ROWS, ended: false, held };
    // What is wrong with the question is said before the first row goes out.
    match export.read_on().await {
        Err(error) if is_too_much_to_sort(&error) => {
            export.filter.order = Order::Usual;
            export.read_on().await?;
        }
        read => read?,
    }
    Ok(saved(CSV, "aliases.csv", export.body()))
}

impl Export {
    /// Reads the next page, as far as rights still go.
    async fn read_on(&mut self) -> Result<(), AdminError> {
        self.actor = self.site.admin.still(&self.actor).await?;
        let page = self.site.admin.aliases(&self.actor, self.filter.clone()).await?;
        for alias in page.items.iter().take(self.left as usize) {
            self.lines += &line(alias);
            self.left -= 1;
        }
        self.ended = page.next_cursor.is_none() || self.left == 0;
        self.filter.paging.cursor = page.next_cursor;
        Ok(())
    }

    /// Reads only when the lines before have gone out. What cannot be read cuts the answer short, which the client sees; so
    /// does a place that is lost.
    fn body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, |mut export| async move {
            while export.lines.is_empty() && !export.ended {
                export.held.go_on()?;
                export.read_on().await?;
            }
            let piece = std::mem::take(&mut export.lines);
            Ok::<_, AdminError>((!piece.is_empty()).then_some((piece, export)))
        }))
    }
}

fn line(alias: &AliasShape) -> String {
    let cells = [
        cell(&alias.address),
        cell(&alias.destinations.join(BETWEEN)),
        word(alias.action).to_owned(),
        alias.enabled.to_string(),
        cell(&alias.description),
        cell(&labels_in_a_cell(&alias.labels)),
    ];
    cells.join(",") + "\r\n"
}

/// As the API writes it.
const fn word(action: Action) -> &'static str {
    match action {
        Action::Forward => "forward",
        Action::Drop => "drop",
        Action::Reject => "reject",
        Action::Create => "create",
    }
}
