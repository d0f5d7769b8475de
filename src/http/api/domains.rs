//! `/v1/domains`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::{DomainForm, DomainShape, DomainsForm, ListShape, RecordsShape};
use crate::admin::{Paging, Target};
use crate::http::Site;
use crate::http::problem::Problem;

use super::extract::{Search, Written};
use super::sort::{self, SortDomains};
use super::tags::{IfMatch, created, versioned};
use super::{Ask, Caller};

/// Lists domains, by name unless `sort` says otherwise.
#[utoipa::path(get, path = "/domains", params(Search, SortDomains, Paging), responses((status = 200, body = ListShape<DomainShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let order = ask.sort(sort::DOMAINS)?;
    let page = site.admin.domains_in(&actor, ask.owned("search"), (order, &ask.paging()?)).await?;
    Ok(Json(page).into_response())
}

/// Adds a domain.
#[utoipa::path(post, path = "/domains", request_body = DomainForm, responses((status = 201, body = DomainShape)))]
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let domain = site.admin.add_domain(&actor, &body.0).await?;
    let tag = site.admin.domain_tag(&actor, &domain.name).await?;
    let place = format!("/v1/domains/{}", domain.name);
    Ok(created(&place, versioned(tag, &domain)))
}

/// Adds many domains with the same settings: all of them, or none.
#[utoipa::path(post, path = "/domains/batch", request_body = DomainsForm, responses((status = 201, body = ListShape<DomainShape>)))]
pub(super) async fn create_many(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let added = site.admin.add_domains(&actor, &body.0).await?;
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

/// Shows a domain.
#[utoipa::path(get, path = "/domains/{name}", params(("name" = String, Path, description = "The domain's name")), responses((status = 200, body = DomainShape)))]
pub(super) async fn show(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let domain = site.admin.domain(&actor, &name).await?;
    let tag = site.admin.domain_tag(&actor, &name).await?;
    Ok(versioned(tag, &domain))
}

/// Changes a domain and its catch-all: what is left out stays as it is.
#[utoipa::path(patch, path = "/domains/{name}", params(("name" = String, Path, description = "The domain's name"), IfMatch), request_body = Option<DomainForm>, responses((status = 200, body = DomainShape)))]
pub(super) async fn change(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(name): Path<String>,
    body: Written,
) -> Result<Response, Problem> {
    let held = condition(&site, (&actor, &name), &if_match).await?;
    let domain = site.admin.change_domain(&actor, Target { id: &name, version: held.as_deref() }, &body.0).await?;
    let tag = site.admin.domain_tag(&actor, &name).await?;
    Ok(versioned(tag, &domain))
}

/// Removes a domain and its aliases. The log stays.
#[utoipa::path(delete, path = "/domains/{name}", params(("name" = String, Path, description = "The domain's name"), IfMatch), responses((status = 204)))]
pub(super) async fn remove(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let held = condition(&site, (&actor, &name), &if_match).await?;
    site.admin.remove_domain(&actor, Target { id: &name, version: held.as_deref() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the DNS records that a domain wants, what its name servers and the resolver say, and what to make of it.
#[utoipa::path(get, path = "/domains/{name}/dns", params(("name" = String, Path, description = "The domain's name")), responses((status = 200, body = RecordsShape)))]
pub(super) async fn records(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    Ok(Json(site.admin.domain_records(&actor, &name).await?).into_response())
}

/// Verifies a domain: by the word of the gateway's owner, else by the proof that stands in DNS.
#[utoipa::path(post, path = "/domains/{name}/verify", params(("name" = String, Path, description = "The domain's name")), responses((status = 200, body = DomainShape)))]
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
