//! `POST /v1/aliases/import`: lines of `alias<TAB>destination`, streamed in, all or nothing.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use utoipa::ToSchema;

use crate::admin::{AdminError, ImportPlan, Importer};
use crate::http::Site;
use crate::http::problem::Problem;

use super::{Ask, Caller, extract};

/// Octets of one import.
const MAX_IMPORT_OCTETS: usize = 256 << 20;
const NDJSON: &str = "application/x-ndjson";

/// What an import came to.
#[derive(Serialize, ToSchema)]
pub(super) struct Imported {
    /// Aliases that were made; of a dry run, lines.
    imported: u64,
    /// Lines whose alias was there already, with the same destination; of a dry run, none are looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<u64>,
    /// Nothing was changed.
    dry_run: bool,
    /// Inboxes that they lead to and that get no mail until they are verified, a hundred at most.
    unverified: Vec<String>,
}

/// What is known of its lines before any alias is made.
struct Lines {
    count: u64,
    unverified: Vec<String>,
}

impl Lines {
    fn with(self, imported: u64) -> Imported {
        let known = Some(self.count.saturating_sub(imported));
        Imported { imported, known, dry_run: false, unverified: self.unverified }
    }
}

/// Imports lines of `alias<TAB>destination`, a million of them if need be, all or nothing.
///
/// Each bad line is named. With `dry_run` nothing is changed. Whoever accepts `application/x-ndjson` is told of progress.
#[utoipa::path(
    post,
    path = "/aliases/import",
    params(("dry_run" = Option<bool>, Query, description = "Only read the lines")),
    request_body(content = Option<String>, content_type = "text/plain"),
    responses((status = 200, content((Imported = "application/json"), (String = "application/x-ndjson"))))
)]
pub(super) async fn import(
    State(site): State<Site>,
    (Caller(actor), ask): (Caller, Ask),
    fields: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if extract::is_coded(&fields) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, extract::CODED));
    }
    let dry_run = ask.flag("dry_run")?.unwrap_or(false);
    let importer = site.admin.importer(&actor).await?;
    let plan = read(importer, body).await?;
    // It may have taken its time.
    let actor = site.admin.still(&actor).await?;
    let unverified = site.admin.unverified_in(&actor, &plan).await?;
    if dry_run {
        let imported = plan.len() as u64;
        return Ok(Json(Imported { imported, known: None, dry_run, unverified }).into_response());
    }
    let told = Lines { count: plan.len() as u64, unverified };
    let (progress, seen) = watch::channel(0);
    let admin = site.admin.clone();
    let work = tokio::spawn(async move { admin.import(&actor, plan, progress).await });
    let wants_progress = fields.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains(NDJSON));
    if wants_progress {
        return Ok(([(header::CONTENT_TYPE, NDJSON)], progress_lines(seen, (work, told))).into_response());
    }
    let imported = work.await.map_err(|_| lost())??;
    Ok(Json(told.with(imported)).into_response())
}

/// Takes the body as it comes; the last look at its lines is too long for an async thread.
async fn read(mut importer: Importer, body: Body) -> Result<ImportPlan, Problem> {
    let mut octets = 0;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let cut = |_| Problem::new(StatusCode::BAD_REQUEST, "The body broke off before its end.");
        let piece = piece.map_err(cut)?;
        octets += piece.len();
        if octets > MAX_IMPORT_OCTETS {
            return Err(Problem::too_large(&format!("{} MiB", MAX_IMPORT_OCTETS >> 20)));
        }
        importer.push(&piece);
    }
    Ok(tokio::task::spawn_blocking(move || importer.finish()).await.map_err(|_| lost())??)
}

type Work = JoinHandle<Result<u64, AdminError>>;

/// A line for each step, and the result (or the problem) as the last one.
fn progress_lines(seen: watch::Receiver<u64>, work: (Work, Lines)) -> Body {
    Body::from_stream(stream::unfold((seen, Some(work)), |(mut seen, work)| async move {
        let (work, told) = work?;
        if seen.changed().await.is_ok() {
            let done = *seen.borrow_and_update();
            return Some((line(&json!({ "done": done })), (seen, Some((work, told)))));
        }
        let last = match work.await {
            Ok(Ok(imported)) => json!(told.with(imported)),
            Ok(Err(error)) => Problem::from(error).to_json(),
            Err(_) => lost().to_json(),
        };
        Some((line(&last), (seen, None)))
    }))
}

fn line(value: &Value) -> Result<String, std::convert::Infallible> {
    Ok(format!("{value}\n"))
}

fn lost() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "A fault of ours stopped the import. Nothing was imported.")
}
