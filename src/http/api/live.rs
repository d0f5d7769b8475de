//! The log as it happens, as server-sent events; and what lives no longer than the process: open streams, keys in work.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::admin::shapes::ActivityShape;
use crate::admin::{Access, Actor, Admin, Area};
use crate::http::Site;
use crate::http::problem::Problem;
use crate::store::activity::Row;

use super::Caller;
use super::rate::Rates;
use super::shares::{Full, Places, Share, Shares};

/// Streams that are open at once, in all and of one account.
const STREAMS: Places = Places { in_all: 200, for_account: 20 };
/// Exports that are under way at once.
const EXPORTS: Places = Places { in_all: 8, for_account: 2 };
/// How often a quiet stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A row is told by rights that are so old at most.
const RIGHTS_FOR: Duration = Duration::from_secs(1);
/// How often a quiet stream looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What lives no longer than the process.
#[derive(Debug)]
pub(in crate::http) struct Live {
    streams: Shares,
    pub(super) exports: Shares,
    keys: Mutex<HashSet<String>>,
    pub(super) rates: Rates,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            streams: Shares::new(STREAMS),
            exports: Shares::new(EXPORTS),
            keys: Mutex::default(),
            rates: Rates::default(),
        }
    }
}

/// A key being worked on, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    live: &'a Live,
    key: String,
}

impl Live {
    /// Takes a key; none if somebody has it.
    pub(super) fn begin(&self, key: &str) -> Option<Turn<'_>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.to_owned()).then(|| Turn { live: self, key: key.to_owned() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.live.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// The log as it happens: server-sent events named `activity`, each a row as lists show it.
#[utoipa::path(
    get,
    path = "/activity/stream",
    responses((status = 200, body = String, content_type = "text/event-stream"))
)]
pub(super) async fn stream(State(site): State<Site>, Caller(actor): Caller) -> Result<Response, Problem> {
    follow(&site, actor, |row| {
        Event::default().event("activity").json_data(ActivityShape::new(row)).unwrap_or_default()
    })
}

/// Streams the rows that the actor may see, each as `show` tells it.
pub(in crate::http) fn follow(site: &Site, actor: Actor, show: fn(&Row) -> Event) -> Result<Response, Problem> {
    let rows = site.admin.live(&actor)?;
    let share = site.live.streams.take(actor.account).map_err(|full| {
        let detail = match full {
            Full::All => format!("{} live streams are open already. Try again in a moment.", STREAMS.in_all),
            Full::Own => format!("You have {} live streams open already. Close one.", STREAMS.for_account),
        };
        Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).with(header::RETRY_AFTER, "10")
    })?;
    let (admin, looked_at) = (site.admin.clone(), site.admin.clock.since_boot());
    let follower = Follower { rows, admin, actor, looked_at, show, _share: share };
    Ok(Sse::new(events(follower)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

struct Follower {
    rows: broadcast::Receiver<Arc<Row>>,
    admin: Admin,
    actor: Actor,
    /// When its rights were looked up, since the machine started.
    looked_at: Duration,
    show: fn(&Row) -> Event,
    _share: Share,
}

impl Follower {
    /// Whether the stream may go on; its rights are from now on those of now.
    async fn may_go_on(&mut self) -> bool {
        let now = self.admin.clock.since_boot();
        if now.saturating_sub(self.looked_at) < RIGHTS_FOR {
            return true;
        }
        self.looked_at = now;
        let Ok(Some(actor)) = self.admin.again(&self.actor).await else { return false };
        self.actor = actor;
        self.actor.must(Area::Activity, Access::Read).is_ok()
    }
}

/// Whoever reads too slowly is told that rows were left out; whoever may not read on any more hears no more.
fn events(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        loop {
            let heard = timeout(LOOK_EVERY, follower.rows.recv()).await;
            if !follower.may_go_on().await {
                return None;
            }
            let event = match heard {
                Err(_quiet) => continue,
                Ok(Ok(row)) => match follower.admin.shown(&follower.actor, &row) {
                    Some(row) => (follower.show)(&row),
                    None => continue,
                },
                Ok(Err(RecvError::Lagged(missed))) => Event::default().event("missed").data(missed.to_string()),
                Ok(Err(RecvError::Closed)) => return None,
            };
            return Some((Ok(event), follower));
        }
    })
}
