//! New domains: one or many at once, blank or like another one, and mirrors, which have all the aliases of another domain.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::mail::Domain;
use crate::policy::deeds::Deed;
use crate::policy::facts::Matcher;
use crate::policy::ids::DomainId;
use crate::policy::rule::Kind;
use crate::store::StoreError;
use crate::store::accounts::AuditEntry;
use crate::store::rules::{AliasSpec, DomainRow, ListQuery, NewDomain};

use super::catch_all::WantedCatchAll;
use super::shapes::{CatchAll, DomainShape, ListShape};
use super::{Access, Actor, Admin, AdminError, Area, Form, Reach, Result, Subject, fields};

/// Domains that are added at once.
const MAX_NEW_DOMAINS: usize = 100;
/// Aliases that a domain may have and still be a template: what is more is no standard.
const MAX_TEMPLATE_ALIASES: u32 = 200;

/// A claim that gives way, with its audit row.
type Claim = (DomainId, AuditEntry);

impl Admin {
    /// Adds a domain. The owner's word verifies it.
    pub async fn add_domain(&self, actor: &Actor, written: &Map<String, Value>) -> Result<DomainShape> {
        actor.must(Area::Domains, Access::Write)?;
        let mut form = Form::new(written);
        let name = form.optional("name", fields::domain);
        if name.is_none() && form.is_sound() {
            form.fault("name", "name the domain, such as my.example");
        }
        if let Some(why) = name.as_ref().and_then(|name| unfit(actor, name)) {
            form.fault("name", why);
        }
        let added = self.add_all(actor, form, name.into_iter().collect()).await?;
        added.into_iter().next().ok_or(AdminError::Unwell)
    }

    /// Adds many domains with the same settings: all of them, or none.
    pub async fn add_domains(&self, actor: &Actor, written: &Map<String, Value>) -> Result<ListShape<DomainShape>> {
        actor.must(Area::Domains, Access::Write)?;
        let mut form = Form::new(written);
        let names = form.optional("names", |v| fields::list(v, MAX_NEW_DOMAINS, fields::domain)).unwrap_or_default();
        if names.is_empty() && form.is_sound() {
            form.fault("names", "name the domains, such as [\"a.example\", \"b.example\"]");
        }
        for (index, name) in names.iter().enumerate() {
            let twice = names[..index].contains(name).then(|| format!("{name} stands here twice"));
            if let Some(why) = twice.or_else(|| unfit(actor, name)) {
                form.fault_at("names", index, why);
            }
        }
        Ok(ListShape { items: self.add_all(actor, form, names).await?, next_cursor: None })
    }

    async fn add_all(&self, actor: &Actor, mut form: Form<'_>, names: Vec<Domain>) -> Result<Vec<DomainShape>> {
        let template = self.template(actor, &mut form).await?;
        let name = names.first().cloned().unwrap_or_else(Domain::invalid);
        let blank = || DomainRow::blank(actor.account, name.clone(), self.clock.now());
        let (draft, aliases) = template.unwrap_or_else(|| (blank(), Vec::new()));
        let mut draft = DomainRow { name: name.clone(), ..draft };
        let catch_all = self.read_domain_fields(actor, &mut form, &mut draft).await?;
        if let Some(own) = names.iter().find(|name| draft.mirror_of.as_ref() == Some(*name)) {
            form.fault("mirror_of", format!("{own} cannot be a mirror of itself"));
        }
        form.finish()?;
        self.check_new_catch_all(actor, &draft, catch_all.as_ref()).await?;
        let aliases = if draft.mirror_of.is_some() { Vec::new() } else { aliases };
        let _kept = self.compiled(&aliases).await;
        let mut new = Vec::with_capacity(names.len());
        for name in names {
            let claim = self.claim_that_gives_way(actor, &name).await?;
            new.push(self.new_domain(actor, (name, &draft, claim), &aliases));
        }
        let last = self.store.rules.last_destination().await?;
        let rows = self.store.rules.add_domains(new).await.map_err(|error| match error {
            StoreError::Exists(name) => AdminError::Conflict(format!("The domain {name} exists already.")),
            StoreError::Full(why) => AdminError::field("like", why),
            other => other.into(),
        })?;
        self.hear_inboxes_since(actor, last).await;
        self.shapes_of(actor, &rows, catch_all).await
    }

    /// The patterns among these, compiled beside the threads that carry mail: not again as long as this is kept.
    async fn compiled(&self, aliases: &[AliasSpec]) -> Vec<Arc<Matcher>> {
        let mut kept = Vec::new();
        for spec in aliases.iter().filter(|spec| matches!(spec.kind, Kind::Glob | Kind::Regex)) {
            kept.extend(self.store.matchers.compile(spec.kind, &spec.pattern).await);
        }
        kept
    }

    /// The claim of another account on a name that this one proves to be its own. Where nobody proved it so far, whoever can
    /// write into the zone decides; what is proven gives way to nobody.
    async fn claim_that_gives_way(&self, actor: &Actor, name: &Domain) -> Result<Option<Claim>> {
        let claim = match self.store.rules.domain(name).await {
            Ok(row) if row.verified_at.is_none() && row.account != actor.account && !actor.is_admin() => row,
            Ok(_) | Err(StoreError::NotFound) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let contested = DomainRow { account: actor.account, ..claim.clone() };
        self.must_be_proven(&contested).await.map_err(|unproven| {
            let who =
                format!("Somebody else has added {name}, and not proved it. If it is yours, prove it, and theirs");
            AdminError::Conflict(format!("{who} gives way. {unproven}"))
        })?;
        let shape = DomainShape::new(&claim, CatchAll::Off);
        let subject = Subject { object: name.as_str(), before: Some(&shape), after: None };
        Ok(Some((claim.key, self.audit(&Actor::upkeep(claim.account), Deed::DomainGiveWay, &subject))))
    }

    async fn shapes_of(
        &self,
        actor: &Actor,
        rows: &[DomainRow],
        catch_all: Option<WantedCatchAll>,
    ) -> Result<Vec<DomainShape>> {
        let mut shapes = Vec::with_capacity(rows.len());
        for row in rows {
            self.set_catch_all(actor, row, catch_all.clone()).await?;
            shapes.push(self.domain_shape(row).await?);
        }
        Ok(shapes)
    }

    fn new_domain(
        &self,
        actor: &Actor,
        (name, draft, instead_of): (Domain, &DomainRow, Option<Claim>),
        aliases: &[AliasSpec],
    ) -> NewDomain {
        let is_proven = actor.is_admin() || instead_of.is_some();
        let verified_at = is_proven.then_some(draft.created_at);
        let row = DomainRow { name, verified_at, ..draft.clone() };
        let shape = DomainShape::new(&row, CatchAll::Off);
        let subject = Subject { object: row.name.as_str(), before: None, after: Some(&shape) };
        let audit = self.audit(actor, Deed::DomainAdd, &subject);
        let alias = |spec: &AliasSpec| (spec.clone(), self.copied(actor, spec, &row.name));
        NewDomain { aliases: aliases.iter().map(alias).collect(), audit, row, instead_of }
    }

    fn copied(&self, actor: &Actor, spec: &AliasSpec, domain: &Domain) -> AuditEntry {
        let address = format!("{}@{domain}", spec.pattern);
        let written = serde_json::json!({ "action": spec.action, "destinations": spec.destinations });
        self.audit(actor, Deed::AliasCreate, &Subject { object: &address, before: None, after: Some(&written) })
    }

    /// The settings and aliases of the domain that `like` names.
    async fn template(&self, actor: &Actor, form: &mut Form<'_>) -> Result<Option<(DomainRow, Vec<AliasSpec>)>> {
        let Some(name) = form.optional("like", fields::domain) else { return Ok(None) };
        let row = match self.domain_within(actor, name.as_str(), Reach::Manage).await {
            Ok(row) => row,
            Err(AdminError::NotFound(_)) => {
                form.fault("like", format!("{name} is not one of your domains"));
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        let query = ListQuery { domain: Some(row.key), limit: MAX_TEMPLATE_ALIASES, ..ListQuery::default() };
        let page = self.store.rules.aliases(query).await?;
        if page.next_cursor.is_some() {
            form.fault("like", format!("{name} has more than {MAX_TEMPLATE_ALIASES} aliases: import those"));
        }
        let draft = DomainRow { srs_domain: row.srs_domain.clone().filter(|srs| *srs != row.name), ..row };
        // It is a draft: nothing is stored under its version.
        let draft = DomainRow { account: actor.account, created_at: self.clock.now(), version: 0, ..draft };
        // The oldest first: patterns of one priority go by their age.
        Ok(Some((draft, page.items.into_iter().rev().map(|alias| alias.spec).collect())))
    }

    /// A mirror leads to a domain of the same account that is none itself, has no aliases of its own and no mirrors: so
    /// that there are no circles, and nothing is hidden.
    pub(super) async fn check_mirror(&self, actor: &Actor, form: &mut Form<'_>, row: &DomainRow) -> Result<()> {
        let Some(name) = row.mirror_of.as_ref().filter(|_| form.has("mirror_of")) else { return Ok(()) };
        if *name == row.name {
            form.fault("mirror_of", format!("{name} cannot be a mirror of itself"));
            return Ok(());
        }
        match self.find_domain(actor, name.as_str()).await {
            Ok(original) if original.mirror_of.is_some() => {
                form.fault("mirror_of", format!("{name} is a mirror itself: name the domain that has the aliases"));
            }
            Ok(original) if original.account == row.account => {}
            Ok(_) | Err(AdminError::NotFound(_)) => {
                form.fault("mirror_of", format!("{name} is not one of your domains"))
            }
            Err(other) => return Err(other),
        }
        if row.version > 0 {
            self.check_nothing_is_hidden(form, row).await?;
        }
        Ok(())
    }

    async fn check_nothing_is_hidden(&self, form: &mut Form<'_>, row: &DomainRow) -> Result<()> {
        let query = ListQuery { domain: Some(row.key), limit: 1, ..ListQuery::default() };
        if !self.store.rules.aliases(query).await?.items.is_empty() {
            form.fault("mirror_of", format!("{} has aliases of its own: remove them first", row.name));
        }
        let mirrors = self.store.rules.mirrors(row.key).await?;
        if !mirrors.is_empty() {
            form.fault("mirror_of", format!("{} has mirrors of its own: {}", row.name, mirrors.join(", ")));
        }
        Ok(())
    }

    /// The aliases of a mirror would go with its original.
    pub(super) async fn refuse_if_mirrored(&self, row: &DomainRow) -> Result<()> {
        let mirrors = self.store.rules.mirrors(row.key).await?;
        if mirrors.is_empty() {
            return Ok(());
        }
        let mirrors = mirrors.join(", ");
        Err(AdminError::Conflict(format!("{} has the mirrors {mirrors}: change or remove those first.", row.name)))
    }
}

/// Why a domain cannot be added, whatever else is said of it.
fn unfit(actor: &Actor, name: &Domain) -> Option<String> {
    let out_of_reach = || (!actor.sees_domain(name)).then(|| "this token is limited to other domains".to_owned());
    unfit_for_mail(name).or_else(out_of_reach)
}

/// Why mail could not be sent to this name or its own host be called so, though it can stand behind the @ of an address.
pub(super) fn unfit_for_mail(name: &Domain) -> Option<String> {
    let Some((_, top)) = name.as_str().rsplit_once('.') else {
        return Some(format!("“{name}” is a single label: a domain has a dot in it"));
    };
    if top.bytes().all(|octet| octet.is_ascii_digit()) {
        let what = if name.as_str().parse::<Ipv4Addr>().is_ok() { "is an IP address" } else { "ends in a number" };
        return Some(format!("{name} {what}: write a name, such as my.example"));
    }
    let has_underscore = name.as_str().contains('_');
    has_underscore.then(|| format!("{name} has an underscore in it: names of mail have letters, digits and hyphens"))
}
