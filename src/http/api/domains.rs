//! `/v1/domains`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::Target;
use crate::http::Site;
use crate::http::problem::Problem;

use super::extract::Written;
use super::tags::{IfMatch, created, tagged};
use super::{Ask, Caller};

/// `GET /domains?search=&limit=&cursor=`.
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let page = site.admin.domains(&actor, ask.owned("search"), &ask.paging()?).await?;
    Ok(Json(page).into_response())
}

/// `POST /domains`.
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let domain = site.admin.add_domain(&actor, &body.0).await?;
    let tag = site.admin.domain_tag(&actor, &domain.name).await?;
    let place = format!("/v1/domains/{}", domain.name);
    Ok(created(&place, tagged(tag, Json(domain))))
}

/// `GET /domains/{name}`.
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let domain = site.admin.domain(&actor, &name).await?;
    let tag = site.admin.domain_tag(&actor, &name).await?;
    Ok(tagged(tag, Json(domain)))
}

/// `PATCH /domains/{name}`.
pub(super) async fn change(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(name): Path<String>,
    body: Written,
) -> Result<Response, Problem> {
    let held = condition(&site, (&actor, &name), &if_match).await?;
    let domain = site.admin.change_domain(&actor, Target { id: &name, version: held.as_deref() }, &body.0).await?;
    let tag = site.admin.domain_tag(&actor, &name).await?;
    Ok(tagged(tag, Json(domain)))
}

/// `DELETE /domains/{name}`.
pub(super) async fn remove(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let held = condition(&site, (&actor, &name), &if_match).await?;
    site.admin.remove_domain(&actor, Target { id: &name, version: held.as_deref() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /domains/{name}/verify`: by the owner's word.
pub(super) async fn verify(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    Ok(Json(site.admin.verify_domain(&actor, &name).await?).into_response())
}

/// The tag to hold on to, once it is the one that the client saw.
async fn condition(
    site: &Site,
    (actor, name): (&crate::admin::Actor, &str),
    if_match: &IfMatch,
) -> Result<Option<String>, Problem> {
    if *if_match == IfMatch::Any {
        return Ok(None);
    }
    site.admin.domain(actor, name).await?;
    let tag = site.admin.domain_tag(actor, name).await?;
    if_match.check(&tag)?;
    Ok(Some(tag))
}
