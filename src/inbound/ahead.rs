//! While the rest of a message is on its way, DNS is asked for what its header names: the keys of its signatures, and the
//! policy of its author's domain. A message that comes whole with its header has nothing to gain by that, and is not asked
//! about here.

use super::Tools;
use super::arrival::policies;
use super::background::Background;
use super::body::Body;
use super::transaction::Transaction;
use crate::auth::Ahead;
use crate::policy::admission::AfterData;
use crate::policy::settings::Enforcement;

/// Begins to ask, once for each message, as soon as its header is whole.
pub(super) async fn look(tools: &Tools, transaction: &mut Transaction) {
    if transaction.ahead.is_some() {
        return;
    }
    let Some((octets, header)) = transaction.body.as_mut().and_then(Body::header) else { return };
    let dmarc = policies(&transaction.taken).map_or(Enforcement::Off, AfterData::strictest_dmarc);
    let (ahead, auth) = (Ahead::of(octets, header, dmarc), tools.facts.auth.clone());
    transaction.ahead = Some(Background::begin(async move { auth.look_ahead(&ahead).await }).await);
}
