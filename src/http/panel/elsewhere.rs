//! `POST /queue/resend`: all that waits for one domain, sent to another inbox; what stays is told with the reason.

use axum::extract::State;
use axum::response::Response;

use crate::admin::{Actor, AdminError, Redirected};
use crate::http::Site;
use crate::http::api::{Ask, Caller};

use super::forms::{self, Filled};
use super::frame;
use super::queue;
use super::text;
use super::told;

/// `POST /queue/resend?domain=`.
pub(super) async fn send(State(site): State<Site>, Caller(actor): Caller, ask: Ask, filled: Filled) -> Response {
    match sent(&site, &actor, (&ask, &filled)).await {
        Ok(sent) if sent.left.is_empty() => {
            let place = text::with_query("/queue", &[("domain", ask.get("domain").unwrap_or_default())]);
            told::go(&place, &[("done", "resend"), ("count", &sent.done.to_string())])
        }
        Ok(sent) => {
            let refused = sent.left.first().filter(|_| sent.done == 0).map(|(why, _)| why);
            let words = in_words(&sent, filled.trimmed("destination"));
            frame::answer(refused, queue::with(&site, &actor, &ask, words).await)
        }
        Err(error @ AdminError::Invalid(_)) => {
            frame::answer(Some(&error), queue::with(&site, &actor, &ask, forms::details(&error)).await)
        }
        Err(error) => frame::failed(&error),
    }
}

async fn sent(site: &Site, actor: &Actor, (ask, filled): (&Ask, &Filled)) -> Result<Redirected, AdminError> {
    let inbox = filled.trimmed("destination");
    if inbox.is_empty() {
        return Err(AdminError::field("destination", "Write the inbox that these messages are to go to"));
    }
    let (waiting, _) = site.admin.queue_outline(actor, ask.get("domain")).await?;
    let ids: Vec<_> = queue::for_site(&waiting, filled.get("domain")).map(|one| one.id).collect();
    site.admin.send_elsewhere(actor, &ids, inbox).await
}

/// How many go, and how many stay for which reason.
fn in_words(sent: &Redirected, inbox: &str) -> String {
    let went = (sent.done > 0).then(|| format!("{} on the way to {}.", are(sent.done), text::visible(inbox)));
    let stay = sent.left.iter().map(|(why, count)| format!("{}: {}", stay(*count), forms::details(why)));
    went.into_iter().chain(stay).collect::<Vec<_>>().join(" ")
}

fn are(count: usize) -> String {
    if count == 1 { "One message is".to_owned() } else { format!("{count} messages are") }
}

fn stay(count: usize) -> String {
    if count == 1 { "One message stays".to_owned() } else { format!("{count} messages stay") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_told_before_what_stays_and_why() {
        let gone = AdminError::field("destination", "b@inbox.example is not verified");
        let sent = |done, left| in_words(&Redirected { done, left }, "a@inbox.example");
        assert_eq!(
            sent(2, vec![(AdminError::busy(), 1)]),
            "2 messages are on the way to a@inbox.example. One message stays: Somebody else changes this at the same moment. Try again."
        );
        assert_eq!(sent(0, vec![(gone, 3)]), "3 messages stay: b@inbox.example is not verified.");
    }
}
