//! What files that are read and sent page by page have in common: a place for each, which whoever takes too long over a page
//! loses, for there are few; and cells of a table that are never formulas.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::admin::{Actor, AdminError, is_formula};
use crate::http::Site;
use crate::http::problem::Problem;

use super::shares::{Full, Share};

/// Rows of one file at most.
pub(in crate::http) const MAX_ROWS: u32 = 1_000_000;
/// What a table is called.
pub(in crate::http) const CSV: &str = "text/csv; charset=utf-8";
/// A page of some 300 KiB is to be read within so long.
const PAGE_WITHIN: Duration = Duration::from_secs(60);

/// A place, held while pages go out, each within [`PAGE_WITHIN`] of the one before.
pub(in crate::http) struct Held {
    _share: Arc<Mutex<Option<Share>>>,
    pages: watch::Sender<()>,
}

impl Held {
    /// A place of an account, if there is one.
    pub(in crate::http) fn take(site: &Site, actor: &Actor) -> Result<Self, Problem> {
        let share = site.live.exports.take(actor.account).map_err(|full| {
            let detail = match full {
                Full::All => "Several exports are under way already. Wait for one of them to end.",
                Full::Own => "Two exports of yours are under way already. Wait for one of them to end.",
            };
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).with(header::RETRY_AFTER, "10")
        })?;
        Ok(Self::new(share))
    }

    fn new(share: Share) -> Self {
        let (share, (pages, mut going)) = (Arc::new(Mutex::new(Some(share))), watch::channel(()));
        let place = Arc::downgrade(&share);
        tokio::spawn(async move {
            while matches!(timeout(PAGE_WITHIN, going.changed()).await, Ok(Ok(()))) {}
            if let Some(place) = place.upgrade() {
                place.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
        });
        Self { _share: share, pages }
    }

    /// One more page goes out, unless the place is lost.
    pub(in crate::http) fn go_on(&self) -> Result<(), AdminError> {
        self.pages.send(()).map_err(|_| AdminError::Conflict("The export was read too slowly.".to_owned()))
    }
}

/// The answer that saves a file of this kind under this name.
pub(in crate::http) fn saved(kind: &str, name: &str, body: axum::body::Body) -> Response {
    let fields = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (fields, body).into_response()
}

/// A cell of RFC 4180. What strangers wrote is never a formula to the program that opens the table.
pub(in crate::http) fn cell(text: &str) -> String {
    let text = if is_formula(text) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::shares::{Places, Shares};
    use crate::policy::ids::OWNER;

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_long_over_a_page_loses_the_place() {
        let shares = Shares::new(Places { in_all: 1, for_account: 1 });
        let held = Held::new(shares.take(OWNER).unwrap());
        for _ in 0..5 {
            tokio::time::sleep(PAGE_WITHIN - Duration::from_secs(1)).await;
            held.go_on().unwrap();
            assert!(shares.take(OWNER).is_err());
        }
        tokio::time::sleep(PAGE_WITHIN + Duration::from_secs(1)).await;
        assert!(held.go_on().is_err() && shares.take(OWNER).is_ok());
    }

    #[tokio::test]
    async fn what_ends_gives_its_place_back() {
        let shares = Shares::new(Places { in_all: 1, for_account: 1 });
        drop(Held::new(shares.take(OWNER).unwrap()));
        assert!(shares.take(OWNER).is_ok());
    }

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1,2", "\"'+1,2\""),
            ("@sum", "'@sum"),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
