//! Roles on domains, as a change of them is told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::admin::shapes::{AuditShape, GrantShape};
use crate::policy::deeds::Deed;
use crate::policy::roles::DomainRole;

/// A domain on which somebody has another role than before.
pub(super) struct Turn {
    pub(super) domain: String,
    pub(super) before: Option<DomainRole>,
    pub(super) after: Option<DomainRole>,
}

/// What an entry of the audit log did to roles; none where it is of something else.
pub(super) fn turns(entry: &AuditShape) -> Option<Vec<Turn>> {
    if Deed::parse(&entry.action) != Some(Deed::UserRoles) {
        return None;
    }
    let (before, after) = (by_domain(entry.before.as_ref()), by_domain(entry.after.as_ref()));
    let domains: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let of = |domain: &String, roles: &BTreeMap<_, _>| roles.get(domain).copied();
    let turn =
        |domain: &String| Turn { domain: domain.clone(), before: of(domain, &before), after: of(domain, &after) };
    Some(domains.into_iter().map(turn).filter(|turn| turn.before != turn.after).collect())
}

fn by_domain(roles: Option<&Value>) -> BTreeMap<String, DomainRole> {
    let read = roles.and_then(|roles| serde_json::from_value::<Vec<GrantShape>>(roles.clone()).ok());
    read.unwrap_or_default().into_iter().map(|grant| (grant.domain, grant.role)).collect()
}
