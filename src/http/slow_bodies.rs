//! How long a request's body is waited for. Rights are judged when a request begins, and a body that dribbles in would outlive
//! the token or session that it came with: so there is a limit between two pieces, and one on the whole, which grows with the
//! octets that have come, and lets the largest body pass over a slow line. Who is too late is answered 408, and nothing of what
//! was asked is done.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::problem::Problem;

/// Between two pieces of a body.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
/// For a whole body, beside the time that its octets take.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Octets of a body that come in a second over the slowest line that is waited for (64 kbit/s).
const MIN_OCTETS_PER_SEC: u64 = 8 << 10;

/// Whether the body of a request was waited for in vain: for whoever has words of their own for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Lateness(Arc<AtomicBool>);

impl Lateness {
    /// Whether it was.
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers; where the body was too late for that, says so.
pub(super) async fn bounded(mut request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let late = Lateness::default();
    request.extensions_mut().insert(late.clone());
    let mut response = next.run(request.map(|body| Body::new(Awaited::new(body, late.clone())))).await;
    if !late.is_so() || !response.status().is_client_error() {
        return response;
    }
    if response.status() != StatusCode::REQUEST_TIMEOUT {
        let detail = "The body did not come to its end in time. Nothing was changed.";
        response = Problem::new(StatusCode::REQUEST_TIMEOUT, detail).into_response();
    }
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A body with its limits.
struct Awaited {
    body: Body,
    late: Lateness,
    /// When it was first asked for, and the octets that came since.
    began: Option<Instant>,
    octets: u64,
    /// The end of patience with the next piece.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Awaited {
    const fn new(body: Body, late: Lateness) -> Self {
        Self { body, late, began: None, octets: 0, wait: None }
    }

    /// When the next piece must have come.
    fn deadline(&mut self) -> Instant {
        let now = Instant::now();
        let whole = BODY_TIMEOUT + Duration::from_secs(self.octets / MIN_OCTETS_PER_SEC);
        (now + PIECE_TIMEOUT).min(*self.began.get_or_insert(now) + whole)
    }

    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.wait.is_none() {
            self.wait = Some(Box::pin(sleep_until(self.deadline())));
        }
        self.wait.as_mut().map_or(Poll::Ready(()), |wait| wait.as_mut().poll(context))
    }
}

impl HttpBody for Awaited {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.late.is_so() {
            return Poll::Ready(Some(Err(TooLate.into())));
        }
        if let Poll::Ready(came) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(Ok(frame)) = &came {
                self.octets += frame.data_ref().map_or(0, |piece| piece.len() as u64);
            }
            self.wait = None;
            return Poll::Ready(came.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.poll_patience(context));
        self.late.0.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(TooLate.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a body has no end.
#[derive(Debug)]
struct TooLate;

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not come to its end in time")
    }
}

impl Error for TooLate {}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use futures_util::stream;
    use tower::ServiceExt as _;

    use super::*;

    /// The answer to so many pieces, each so long after the one before; and how long it took.
    async fn answer(pieces: u64, piece: &'static [u8], pause: Duration) -> (Response, Duration) {
        let came = stream::unfold(0, move |sent| async move {
            tokio::time::sleep(pause).await;
            (sent < pieces).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(piece)), sent + 1))
        });
        let router = Router::new().route("/", post(async |_: Bytes| "whole")).layer(from_fn(bounded));
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        let began = Instant::now();
        let request = Request::post("/").body(Body::from_stream(came)).unwrap();
        (router.oneshot(request).await.unwrap(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_too_slow_between_two_pieces_or_in_all_is_answered_408() {
        for (piece, pause) in [(&[b'x'; 4096][..], 31), (b"x", 29), (b"x", 1), (&[b'x'; 4096], 1)] {
            let (response, took) = answer(100_000, piece, Duration::from_secs(pause)).await;
            assert_eq!(response.status(), 408, "{} octets each {pause} s", piece.len());
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers()[header::CONNECTION], "close");
            assert!(took <= 2 * BODY_TIMEOUT + Duration::from_secs(1), "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_over_a_slow_line_passes() {
        let (response, took) = answer(2_000, &[b'x'; 8 << 10], Duration::from_secs(1)).await;
        assert_eq!(response.status(), 200);
        assert!(took > 10 * BODY_TIMEOUT, "{took:?}");
    }
}
