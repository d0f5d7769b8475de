//! Who has been writing: a proxy that hides its clients shows as one private address that is everybody.

use std::net::IpAddr;

use serde::Serialize;
use utoipa::ToSchema;

use super::Finding;
use crate::mail::Moment;

/// So many messages must have come before their clients say anything.
const ENOUGH: usize = 10;

/// The clients of the last messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFacts {
    /// The client of each, the newest first.
    pub seen: Vec<IpAddr>,
    /// Which of them can be nobody from outside.
    pub private: Vec<IpAddr>,
    /// The last message from outside.
    pub last: Option<LastMail>,
    /// An address of ours that takes mail whatever the rules say.
    pub offer: String,
}

/// A message from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastMail {
    /// Its row in the log.
    pub id: String,
    /// When it came.
    pub at: Moment,
    /// From where.
    pub client: String,
    /// Who sent it.
    pub sender: String,
    /// For whom.
    pub recipient: String,
    /// What became of it.
    pub status: String,
}

pub(super) fn judge(facts: &ClientFacts) -> Option<Finding> {
    let first = facts.seen.first()?;
    let is_everybody = facts.seen.len() >= ENOUGH && facts.seen.iter().all(|client| client == first);
    (is_everybody && facts.private.contains(first)).then(|| {
        Finding::fault(
            "clients_hidden",
            first,
            format!(
                "All of the last {} messages came from {first}: a proxy or a translation of addresses hides who sends, so \
                 that SPF, DNS lists and limits judge the wrong address.",
                facts.seen.len()
            ),
            "Let the proxy send PROXY headers and name it in smtp.proxy_protocol_from; a container is better run in the \
             network of its host.",
        )
    })
}
