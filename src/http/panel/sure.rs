//! Aliases are led to an inbox that hardly any mail would arrive at only by somebody who says so twice.

use serde_json::{Map, Value};

use crate::admin::{Actor, AdminError};
use crate::http::Site;

use super::alias_fields::entries;
use super::destinations::SURE;

/// Refuses inboxes at which hardly any mail would arrive, unless they are `sure`: written a second time.
pub(super) async fn of_inboxes(
    site: &Site,
    actor: &Actor,
    (sure, inboxes): (&str, &[String]),
) -> Result<(), AdminError> {
    if entries(sure) == inboxes {
        return Ok(());
    }
    match site.admin.doubt_new_inboxes(actor, inboxes).await? {
        Some(why) => Err(AdminError::field(SURE, why)),
        None => Ok(()),
    }
}

/// Where a change leads an alias; nowhere where it sends nothing on.
pub(super) fn led_to(change: &Map<String, Value>) -> Vec<String> {
    let sends_nothing_on = matches!(change.get("action").and_then(Value::as_str), Some("drop" | "reject"));
    let inboxes = change.get("destinations").and_then(Value::as_array).filter(|_| !sends_nothing_on);
    inboxes.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
