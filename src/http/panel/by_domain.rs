//! The filter by domain, on top of the pages that show mail of several domains.

use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::Ask;

/// Which domains there are, which one is shown, and what else the address says.
pub(super) struct ByDomain {
    pub(super) names: Vec<String>,
    pub(super) chosen: String,
    /// The other filters, which stay.
    pub(super) kept: Vec<(&'static str, String)>,
}

/// The filter of a page whose other filters have these keys; none where there is nothing to choose from.
pub(super) async fn filter(
    site: &Site,
    actor: &Actor,
    ask: &Ask,
    keys: &[&'static str],
) -> Result<Option<ByDomain>, AdminError> {
    let names = site.admin.domain_names(actor).await?;
    if names.len() < 2 {
        return Ok(None);
    }
    let kept = keys.iter().filter_map(|key| Some((*key, ask.owned(key)?))).collect();
    Ok(Some(ByDomain { names, chosen: ask.owned("domain").unwrap_or_default(), kept }))
}
