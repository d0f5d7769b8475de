//! Aliases: which there are, and which of them somebody may see; `alias_changes` makes and changes them.

use utoipa::IntoParams;
use uuid::Uuid;

use crate::mail::{Domain, LocalPart, Mailbox};
use crate::policy::admission::{Ended, ended};
use crate::policy::facts::Usage;
use crate::policy::ids::{AccountId, DestinationId};
use crate::policy::rule::{Action, Kind};
use crate::store::StoreError;
use crate::store::activity::Had;
use crate::store::rules::{AliasRow, DomainRow, ListQuery, MAX_SORTED, Order, Quiet};

use super::activity::read_moment;
use super::domains::{must_reach, reach_of};
use super::error::OrMissing;
use super::fields::read_word;
use super::name::AliasName;
use super::shapes::{AliasShape, ListShape};
use super::{Access, Actor, Admin, AdminError, Area, Paging, Reach, Result};

/// Which aliases to list.
#[derive(Debug, Clone, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AliasFilter {
    /// Only of this domain.
    pub domain: Option<String>,
    /// Part of the address, note, label or destination; of one or two characters, how the address begins. `q` means the same.
    pub search: Option<String>,
    /// Only switched on, or off.
    pub enabled: Option<bool>,
    /// Only those that send mail to this destination: its address or id.
    pub destination: Option<String>,
    /// Only of this kind: `address`, `glob`, `regex`, `catch_all`.
    #[param(value_type = Option<Kind>)]
    pub kind: Option<String>,
    /// Only those that do this: `forward`, `drop`, `reject`, `create`.
    #[param(value_type = Option<Action>)]
    pub action: Option<String>,
    /// Only those with this label.
    pub label: Option<String>,
    /// Only those that end some day: at a date, after some messages, after some time without.
    pub ending: Option<bool>,
    /// Only those whose last mail came before this time, or never; or `never`: those that never had any.
    pub last_mail_before: Option<String>,
    /// In which order; with other filters than `domain`, one but the newest first is for some hundreds of aliases.
    #[param(ignore)]
    pub order: Order,
    /// Which page.
    #[param(ignore)]
    pub paging: Paging,
}

impl Admin {
    /// One alias, by its id or as it is written.
    pub async fn alias(&self, actor: &Actor, id: &str) -> Result<AliasRow> {
        actor.must(Area::Aliases, Access::Read)?;
        self.find_alias(actor, id).await
    }

    /// Lists aliases with their counts, newest first.
    pub async fn aliases(&self, actor: &Actor, filter: AliasFilter) -> Result<ListShape<AliasShape>> {
        let (rows, next_cursor) = self.alias_rows(actor, filter).await?;
        Ok(ListShape { items: self.alias_shapes(&rows).await?, next_cursor })
    }

    pub(super) async fn alias_rows(
        &self,
        actor: &Actor,
        filter: AliasFilter,
    ) -> Result<(Vec<AliasRow>, Option<String>)> {
        actor.must(Area::Aliases, Access::Read)?;
        let domain = self.one_domain(actor, filter.domain.as_deref()).await?;
        // Whose it is was found out with the domain itself.
        let (account, beside) = if domain.is_some() { (None, Vec::new()) } else { self.seen_by(actor).await? };
        let query = ListQuery {
            account,
            beside,
            domain: domain.map(|row| row.key),
            names: None,
            search: filter.search.filter(|text| !text.trim().is_empty()),
            enabled: filter.enabled,
            destination: self.filter_destination(actor, filter.destination.as_deref()).await?,
            kind: read_word("kind", filter.kind.as_deref(), "address, glob, regex, catch_all")?,
            action: read_word("action", filter.action.as_deref(), "forward, drop, reject, create")?,
            label: filter.label.filter(|text| !text.is_empty()),
            ending: filter.ending.unwrap_or(false),
            quiet: read_quiet(filter.last_mail_before.as_deref())?,
            order: filter.order,
            cursor: filter.paging.cursor.clone(),
            limit: filter.paging.rows(),
        };
        let is_indexed = query.is_plain() || matches!(query.order, Order::Usual | Order::Newest);
        let mut page = if is_indexed {
            self.store.rules.aliases(query).await?
        } else {
            self.store.rules.sorted_aliases(&query).await?.ok_or_else(too_many_to_sort)?
        };
        page.items.retain(|row| actor.sees_domain(&row.domain_name));
        Ok((page.items, page.next_cursor))
    }

    /// The destination of a filter, if one is named.
    async fn filter_destination(&self, actor: &Actor, text: Option<&str>) -> Result<Option<DestinationId>> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        match self.find_destination(actor, text).await {
            Ok(row) => Ok(Some(row.key)),
            // No alias sends mail to what is no destination.
            Err(AdminError::NotFound(_)) => Ok(Some(DestinationId(0))),
            Err(other) => Err(other),
        }
    }

    /// Feeds the search over aliases with what it lacks; called by upkeep.
    pub async fn index_aliases(&self) -> Result<()> {
        Ok(self.store.rules.index().await?)
    }

    /// Shows aliases with their counts.
    pub async fn alias_shapes(&self, rows: &[AliasRow]) -> Result<Vec<AliasShape>> {
        let keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        let had = self.store.activity.counts(&keys).await?;
        let shape = |row: &AliasRow| {
            let had = had.get(&row.key).copied().unwrap_or_default();
            let mut shape = AliasShape::new(row, had.counts, had.last_mail_at);
            shape.ended = self.ended(row, had);
            shape.messages = had.messages;
            shape.unverified.retain(|address| sends_on(row.spec.action) && !self.is_hosted(row.account, address));
            shape
        };
        let mut shapes: Vec<AliasShape> = rows.iter().map(shape).collect();
        for (shape, row) in shapes.iter_mut().zip(rows).filter(|(shape, _)| shape.quota.is_some()) {
            shape.quota_used = Some(self.store.directory.last_day(row.key).await?);
        }
        Ok(shapes)
    }

    /// How an alias came to its end, if it has.
    fn ended(&self, row: &AliasRow, had: Had) -> Option<String> {
        let last_mail_at = Some(self.clock.passed(had.last_mail_at.unwrap_or(row.created_at)));
        let usage = Usage { messages: had.messages, last_mail_at, ..Usage::default() };
        ended((row.spec.expiry(), row.created_at), usage, self.clock.now()).map(Ended::in_words)
    }

    /// Whether a destination is on a domain of the same owner here: it is resolved inside and needs no verification.
    pub(super) fn is_hosted(&self, account: AccountId, address: &str) -> bool {
        let mailbox = Mailbox::parse(address).ok();
        let domain = mailbox.and_then(|mailbox| self.store.directory.domain(mailbox.domain()?));
        domain.is_some_and(|domain| domain.account == account)
    }

    /// Finds the alias that has the mail of an address: what comes for a mirror is its original's.
    pub(super) async fn alias_of_mail(&self, actor: &Actor, id: &str) -> Result<AliasRow> {
        match (self.find_alias(actor, id).await, self.at_original(id)) {
            (Err(AdminError::NotFound(_)), Some(original)) => self.find_alias(actor, &original).await,
            (found, _) => found,
        }
    }

    fn at_original(&self, address: &str) -> Option<String> {
        let (local, domain) = address.rsplit_once('@')?;
        let original = self.store.directory.domain(&Domain::parse(domain).ok()?)?.mirror_of.clone()?;
        Some(format!("{local}@{original}"))
    }

    /// Finds what an actor may see.
    pub(super) async fn find_alias(&self, actor: &Actor, id: &str) -> Result<AliasRow> {
        let row = match Uuid::try_parse(id) {
            Ok(uuid) => self.store.rules.alias_by_id(uuid).await.or_missing("alias", id)?,
            Err(_) => self.find_named(id).await?,
        };
        match alias_reach(actor, &row) {
            Some(_) => Ok(row),
            None => Err(AdminError::missing("alias", id)),
        }
    }

    /// The same, where the actor's rights on its domain go so far.
    pub(super) async fn alias_within(&self, actor: &Actor, id: &str, wanted: Reach) -> Result<AliasRow> {
        let row = self.find_alias(actor, id).await?;
        must_reach(alias_reach(actor, &row), wanted, &row.domain_name)?;
        Ok(row)
    }

    /// Whether an actor may change an alias that it sees.
    #[must_use]
    pub fn may_change_alias(&self, actor: &Actor, row: &AliasRow) -> bool {
        actor.must(Area::Aliases, Access::Write).is_ok() && alias_reach(actor, row) >= Some(Reach::Manage)
    }

    pub(super) async fn find_named(&self, text: &str) -> Result<AliasRow> {
        let name =
            AliasName::parse(text).map_err(|why| AdminError::NotFound(format!("There is no such alias: {why}.")))?;
        let domain = self.store.rules.domain(&name.domain).await.or_missing("alias", text)?;
        let pattern = match name.kind {
            Kind::Address => LocalPart::from_plain(&name.pattern).map_or(name.pattern, |local| local.key()),
            Kind::Glob | Kind::Regex | Kind::CatchAll => name.pattern,
        };
        self.store.rules.alias(domain.key, name.kind, &pattern).await.or_missing("alias", text)
    }

    /// The domain that a new alias is to stand on.
    pub(super) async fn domain_for_alias(&self, actor: &Actor, name: &Domain) -> Result<DomainRow> {
        let detail = || AdminError::field("address", format!("{name} is not one of your domains: add it first"));
        let row = self.store.rules.domain(name).await.map_err(|error| match error {
            StoreError::NotFound => detail(),
            other => other.into(),
        })?;
        let unlimited = Actor { domains: Vec::new(), ..actor.clone() };
        if reach_of(&unlimited, &row).is_none() {
            return Err(detail());
        }
        if !actor.sees_domain(name) {
            return Err(AdminError::Forbidden(format!("This token is limited to other domains than {name}.")));
        }
        must_reach(reach_of(actor, &row), Reach::Manage, name)?;
        if let Some(original) = &row.mirror_of {
            let detail = format!("{name} has the aliases of {original}: add it there");
            return Err(AdminError::field("address", detail));
        }
        Ok(row)
    }
}

fn too_many_to_sort() -> AdminError {
    let detail = format!(
        "this order goes with domain alone, or with at most {MAX_SORTED} aliases that the other filters find soon: narrow \
         them further, or leave the order out"
    );
    AdminError::field("sort", detail)
}

/// For how long aliases are to have been quiet.
fn read_quiet(text: Option<&str>) -> Result<Option<Quiet>> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some("never") => Ok(Some(Quiet::Always)),
        text => Ok(read_moment("last_mail_before", text)?.map(Quiet::Since)),
    }
}

/// How far an actor's rights on an alias go.
fn alias_reach(actor: &Actor, row: &AliasRow) -> Option<Reach> {
    actor.reach(row.account, Some(row.domain), &row.domain_name)
}

/// Whether an action sends mail on.
pub(super) const fn sends_on(action: Action) -> bool {
    matches!(action, Action::Forward | Action::Create)
}
