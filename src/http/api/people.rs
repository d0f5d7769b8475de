//! `/v1/users` and `/v1/me`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::admin::shapes::{ListShape, MeForm, MeShape, NewTotpShape, TotpForm, TotpOnShape, UserForm, UserShape};
use crate::admin::{Actor, Paging, Target};
use crate::http::Site;
use crate::http::problem::Problem;

use super::extract::Written;
use super::sort::{self, SortUsers};
use super::tags::{IfMatch, created, tagged, versioned};
use super::{Ask, Caller};

/// Lists accounts, in the order in which they were made.
#[utoipa::path(get, path = "/users", params(SortUsers, Paging), responses((status = 200, body = ListShape<UserShape>)))]
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    ask.sort(sort::FIRST_MADE)?;
    Ok(Json(site.admin.users(&actor, &ask.paging()?).await?).into_response())
}

/// Makes an account. Without a password, this is the only answer that holds the link that sets one.
#[utoipa::path(post, path = "/users", request_body = UserForm, responses((status = 201, body = UserShape)))]
pub(super) async fn create(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<Response, Problem> {
    let (user, link) = site.admin.add_user(&actor, &body.0).await?;
    let tag = user.tag();
    let user = UserShape { link: link.map(|link| site.url(&format!("/reset/{}", link.text()))), ..user };
    Ok(created(&format!("/v1/users/{}", user.id), tagged(tag, Json(user))))
}

/// Changes somebody's account; one's own is changed under `/v1/me`.
#[utoipa::path(
    patch,
    path = "/users/{id}",
    params(("id" = String, Path, description = "Its id or address"), IfMatch),
    request_body = Option<UserForm>,
    responses((status = 200, body = UserShape))
)]
pub(super) async fn change(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    Path(id): Path<String>,
    body: Written,
) -> Result<Response, Problem> {
    let held = condition(&site, (&actor, &id), &if_match).await?;
    let user = site.admin.change_user(&actor, Target { id: &id, version: held.as_deref() }, &body.0).await?;
    Ok(tagged(user.tag(), Json(user)))
}

/// The tag to hold on to, once it is the one that the client saw.
async fn condition(site: &Site, (actor, id): (&Actor, &str), if_match: &IfMatch) -> Result<Option<String>, Problem> {
    if *if_match == IfMatch::Any {
        return Ok(None);
    }
    let tag = site.admin.user(actor, id).await?.tag();
    if_match.check(&tag)?;
    Ok(Some(tag))
}

/// Removes somebody's account.
///
/// What it has goes to the account `hand_over_to`: domains with their aliases, inboxes, and what waits in the queue. Where none
/// is named, an account that has domains is not removed, and the inboxes of another go with it.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    params(
        ("id" = String, Path, description = "Its id or address"),
        ("hand_over_to" = Option<String>, Query, description = "Who gets what it has, by id or address"),
        IfMatch
    ),
    responses((status = 204))
)]
pub(super) async fn remove(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    (Path(id), ask): (Path<String>, Ask),
) -> Result<StatusCode, Problem> {
    let held = condition(&site, (&actor, &id), &if_match).await?;
    let target = Target { id: id.as_str(), version: held.as_deref() };
    site.admin.remove_user(&actor, target, ask.get("hand_over_to")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who asks, and what for.
#[utoipa::path(get, path = "/me", responses((status = 200, body = MeShape)))]
pub(super) async fn me(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    let me = site.admin.me(&actor).await?;
    Ok(versioned(me.account.tag(), &me))
}

/// Changes one's own account.
#[utoipa::path(patch, path = "/me", params(IfMatch), request_body = Option<MeForm>, responses((status = 200, body = MeShape)))]
pub(super) async fn change_me(
    State(site): State<Site>,
    (Caller(actor), if_match): (Caller, IfMatch),
    body: Written,
) -> Result<Response, Problem> {
    let held = match if_match {
        IfMatch::Any => None,
        IfMatch::Tags(_) => Some(site.admin.me(&actor).await?.account.tag()),
    };
    held.as_ref().map_or(Ok(()), |tag| if_match.check(tag))?;
    let me = site.admin.change_me(&actor, (&body.0, held.as_deref())).await?;
    Ok(versioned(me.account.tag(), &me))
}

/// Switches an authenticator on. Without a body a secret is proposed (201); with it, a code of it and the present password the
/// second factor counts from now on, and the answer holds the recovery codes.
#[utoipa::path(
    post,
    path = "/me/totp",
    request_body = Option<TotpForm>,
    responses((status = 200, body = TotpOnShape), (status = 201, body = NewTotpShape))
)]
pub(super) async fn totp(State(site): State<Site>, Caller(actor): Caller, body: Written) -> Result<Response, Problem> {
    if body.0.is_empty() {
        return Ok((StatusCode::CREATED, Json(site.admin.propose_totp(&actor).await?)).into_response());
    }
    Ok(Json(site.admin.enable_totp(&actor, &body.0).await?).into_response())
}

/// Switches the authenticator off, by a code of it or a recovery code.
#[utoipa::path(delete, path = "/me/totp", request_body = TotpForm, responses((status = 204)))]
pub(super) async fn no_totp(
    State(site): State<Site>,
    Caller(actor): Caller,
    body: Written,
) -> Result<StatusCode, Problem> {
    site.admin.disable_totp(&actor, &body.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
