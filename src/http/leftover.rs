//! What nobody reads of a request's body. A connection with a body still on its way cannot take the next request: the server
//! closes it, and the client, which was promised that it stays, finds a broken one. So a refusal that needed no body waits for
//! a small one all the same; where it does not come or does not end, the answer says that the connection closes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::time::timeout;

/// Octets that are read for nothing.
const MAX_OCTETS: usize = 64 << 10;
/// How long they are waited for.
const WAIT: Duration = Duration::from_secs(2);

/// Answers, and reads what is left. Who asks before sending (`Expect`) is not told to send.
pub(super) async fn read_out(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let mut body = Lent(Arc::new(Mutex::new(Some(body))));
    let mut response = next.run(Request::from_parts(parts, Body::new(body.clone()))).await;
    if !timeout(WAIT, body.ends()).await.unwrap_or(false) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that is had back from whoever did not read it all; nothing once it has ended.
#[derive(Clone)]
struct Lent(Arc<Mutex<Option<Body>>>);

impl Lent {
    fn body(&self) -> MutexGuard<'_, Option<Body>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads to the end; whether that came soon enough.
    async fn ends(&mut self) -> bool {
        let mut left = MAX_OCTETS;
        while let Some(frame) = self.frame().await {
            let octets = frame.map(|frame| frame.data_ref().map_or(0, Bytes::len));
            let Some(rest) = octets.ok().and_then(|octets| left.checked_sub(octets)) else { return false };
            left = rest;
        }
        true
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut body = self.body();
        let polled = body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context));
        if matches!(polled, Poll::Ready(None)) {
            *body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body().as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body().as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use futures_util::stream;
    use tower::ServiceExt as _;

    use super::*;

    /// The answer of somebody who reads nothing to a body of so many pieces, and how many of them were read.
    async fn answer(pieces: usize, piece: &'static [u8]) -> (Response, usize) {
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        let body = stream::iter((0..pieces).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(piece))
        }));
        let router = Router::new().route("/", post(async || "no")).layer(from_fn(read_out));
        let request = Request::post("/").body(Body::from_stream(body)).unwrap();
        (router.oneshot(request).await.unwrap(), read.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_small_body_that_nobody_reads_is_read_before_the_answer() {
        let (response, read) = answer(3, b"{}").await;
        assert_eq!((read, response.headers().get(header::CONNECTION)), (3, None));
    }

    #[tokio::test]
    async fn one_that_does_not_end_closes_the_connection_and_the_answer_says_so() {
        let (response, read) = answer(1_000, &[b'x'; 1024]).await;
        assert_eq!(response.headers()[header::CONNECTION], "close");
        assert!(read <= 66, "{read}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_come_is_not_waited_for_long() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let router = Router::new().route("/", post(async || "no")).layer(from_fn(read_out));
        let response = router.oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
        assert_eq!(response.headers()[header::CONNECTION], "close");
    }
}
