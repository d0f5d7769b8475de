//! One order (RFC 8555 §7.4): a certificate for one name, proved by the challenge that our listeners can answer.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};

use super::super::challenges::{Challenges, Given};
use super::super::pair::Pair;
use crate::mail::Domain;

/// A CA gets so long to look at our answer, and again to make the certificate.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(Duration::from_secs(90));

/// How a name is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// tls-alpn-01, on `http.https_listen`.
    Tls,
    /// http-01, on `http.http_redirect_listen` or `http.listen`.
    Http,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The CA's own words, or why it could not be asked.
    #[error("{}", words(.0))]
    Acme(#[from] Error),
    /// The CA looked, and did not find what it should.
    #[error("{0}")]
    NotProved(String),
    /// The CA does not look the way we can answer.
    #[error("the CA does not offer {0}")]
    NotOffered(&'static str),
    /// What came is no certificate, or we cannot make the answer.
    #[error("{0:#}")]
    Unusable(anyhow::Error),
}

impl Refusal {
    /// Whether the CA does not know our account.
    pub(super) fn is_of_the_account(&self) -> bool {
        let unknown = |kind: &str| kind.ends_with(":accountDoesNotExist");
        matches!(self, Self::Acme(Error::Api(problem)) if problem.r#type.as_deref().is_some_and(unknown))
    }
}

/// Orders, proves, fetches.
pub(super) async fn place(
    account: &Account,
    name: &Domain,
    (proof, challenges): (Proof, &Challenges),
) -> Result<Pair, Refusal> {
    let identifiers = [Identifier::Dns(name.as_str().to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let given = prove(&mut order, name, (proof, challenges)).await?;
    let ready = order.poll_ready(&PATIENCE).await;
    drop(given);
    if !matches!(ready, Ok(OrderStatus::Ready)) {
        return Err(why_not(&mut order, ready).await);
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(Pair::of_one_file((key + &chain).into_bytes()))
}

/// Answers what is asked; a name that was proved lately need not be again.
async fn prove(
    order: &mut Order,
    name: &Domain,
    (proof, challenges): (Proof, &Challenges),
) -> Result<Vec<Given>, Refusal> {
    let (kind, title) = proof.kind();
    let mut given = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let mut challenge = authorization.challenge(kind.clone()).ok_or(Refusal::NotOffered(title))?;
        given.push(answer(&challenge, name, (proof, challenges)).map_err(Refusal::Unusable)?);
        challenge.set_ready().await?;
    }
    Ok(given)
}

fn answer(
    challenge: &ChallengeHandle<'_>,
    name: &Domain,
    (proof, challenges): (Proof, &Challenges),
) -> anyhow::Result<Given> {
    let authorization = challenge.key_authorization();
    match proof {
        Proof::Http => Ok(challenges.give_http(&challenge.token, authorization.as_str())),
        Proof::Tls => challenges.give_tls(name, authorization.digest().as_ref()),
    }
}

impl Proof {
    const fn kind(self) -> (ChallengeType, &'static str) {
        match self {
            Self::Tls => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
            Self::Http => (ChallengeType::Http01, "http-01"),
        }
    }
}

/// What the CA saw stands with the challenge; the order itself only says that it is invalid.
async fn why_not(order: &mut Order, ready: Result<OrderStatus, Error>) -> Refusal {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Refusal::NotProved(problem_words(problem));
        }
    }
    match ready {
        Err(error) => Refusal::Acme(error),
        Ok(status) => Refusal::NotProved(format!("the order ended as {status:?}")),
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::Api(problem) => problem_words(problem),
        other => other.to_string(),
    }
}

/// The detail, and the last word of the type: `… (rateLimited)`.
fn problem_words(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().and_then(|kind| kind.rsplit(':').next()).unwrap_or("no type");
    let detail = problem.detail.as_deref().unwrap_or("the CA gave no detail");
    let more: String = problem.subproblems.iter().map(|problem| format!("; {problem}")).collect();
    format!("{detail} ({kind}){more}")
}
