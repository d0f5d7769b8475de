//! `GET /aliases/export`: the aliases that the search and the filters show, as a table, read and sent page by page. Its first
//! two columns are those of `waypost alias import`, an alias and where it leads; of several destinations, one beside the other.

use axum::extract::State;
use axum::response::Response;

use crate::admin::shapes::{AliasShape, ListShape};
use crate::admin::{ALIAS_COLUMNS, Actor, AdminError, AliasFilter, MAX_LIMIT, Order, Paging, labels_in_a_cell};
use crate::http::Site;
use crate::http::api::{Ask, CSV, Caller, Export, Pages, cell};
use crate::http::problem::Problem;
use crate::policy::rule::Action;

use super::alias_filters::Filters;
use super::aliases::is_too_much_to_sort;

/// What parts several of one cell.
pub(super) const BETWEEN: &str = " ";

/// The aliases that are asked for.
struct Aliases(AliasFilter);

/// `GET /aliases/export?q=` and what filters ask.
pub(super) async fn export(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let aliases = Aliases(Filters::of(&ask).wanted(site.admin.clock.now()));
    let head = ALIAS_COLUMNS.join(",") + "\r\n";
    Ok(Export::begun(site, actor, (head, aliases)).await?.saved(CSV, "aliases.csv"))
}

impl Pages for Aliases {
    /// What cannot be put in order goes out as it is.
    async fn page(
        &mut self,
        site: &Site,
        actor: &Actor,
        cursor: Option<String>,
    ) -> Result<ListShape<String>, AdminError> {
        self.0.paging = Paging { limit: Some(MAX_LIMIT), cursor };
        let mut page = site.admin.aliases(actor, self.0.clone()).await;
        if page.as_ref().is_err_and(is_too_much_to_sort) {
            self.0.order = Order::Usual;
            page = site.admin.aliases(actor, self.0.clone()).await;
        }
        let page = page?;
        Ok(ListShape { items: page.items.iter().map(line).collect(), next_cursor: page.next_cursor })
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
