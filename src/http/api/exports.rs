//! Files that are read and sent page by page: a place for each, which whoever takes too long over a page loses, for there are
//! few; how they go on; and cells of a table that are never formulas.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::admin::shapes::ListShape;
use crate::admin::{Actor, AdminError, is_formula};
use crate::http::Site;
use crate::http::problem::Problem;

use super::shares::{Full, Share};

/// Rows of one file at most.
const MAX_ROWS: u32 = 1_000_000;
/// What a table is called.
pub(in crate::http) const CSV: &str = "text/csv; charset=utf-8";
/// A page of some 300 KiB is to be read within so long.
const PAGE_WITHIN: Duration = Duration::from_secs(60);

/// A place, held while pages go out, each within [`PAGE_WITHIN`] of the one before.
struct Held {
    _share: Arc<Mutex<Option<Share>>>,
    pages: watch::Sender<()>,
}

impl Held {
    /// A place of an account, if there is one.
    fn take(site: &Site, actor: &Actor) -> Result<Self, Problem> {
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
    fn go_on(&self) -> Result<(), AdminError> {
        self.pages.send(()).map_err(|_| AdminError::Conflict("The export was read too slowly.".to_owned()))
    }
}

/// What a file is made of.
pub(in crate::http) trait Pages: Send + 'static {
    /// The lines of one page as the file has them, and where the next one begins.
    fn page(
        &mut self,
        site: &Site,
        actor: &Actor,
        cursor: Option<String>,
    ) -> impl Future<Output = Result<ListShape<String>, AdminError>> + Send;
}

/// A file on its way: one page of it in memory.
pub(in crate::http) struct Export<P> {
    site: Site,
    actor: Actor,
    pages: P,
    cursor: Option<String>,
    lines: String,
    left: u32,
    ended: bool,
    held: Held,
}

impl<P: Pages> Export<P> {
    /// With its head and its first page: what is wrong with the question is said before anything goes out.
    pub(in crate::http) async fn begun(site: Site, actor: Actor, (head, pages): (String, P)) -> Result<Self, Problem> {
        let held = Held::take(&site, &actor)?;
        let mut export = Self { site, actor, pages, cursor: None, lines: head, left: MAX_ROWS, ended: false, held };
        export.read_on().await?;
        Ok(export)
    }

    /// Reads the next page, as far as rights still go.
    async fn read_on(&mut self) -> Result<(), AdminError> {
        self.actor = self.site.admin.still(&self.actor).await?;
        let page = self.pages.page(&self.site, &self.actor, self.cursor.take()).await?;
        for line in page.items.iter().take(self.left as usize) {
            self.lines += line;
            self.left -= 1;
        }
        self.ended = page.next_cursor.is_none() || self.left == 0;
        self.cursor = page.next_cursor;
        Ok(())
    }

    /// The answer that saves it under a name.
    pub(in crate::http) fn saved(self, kind: &str, name: &str) -> Response {
        let fields = [
            (header::CONTENT_TYPE, kind.to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        ];
        (fields, self.body()).into_response()
    }

    /// Reads only when the lines before have gone out. What cannot be read cuts the answer short, which the client sees; so
    /// does a place that is lost.
    fn body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, |mut export| async move {
            while export.lines.is_empty() && !export.ended {
                export.held.go_on()?;
                export.read_on().await?;
            }
            let piece = std::mem::take(&mut export.lines);
            Ok::<_, AdminError>((!piece.is_empty()).then_some((piece, export)))
        }))
    }
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
