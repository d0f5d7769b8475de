//! How many requests one token may make: `RateLimit` and `RateLimit-Policy` on every answer, 429 beyond
//! (draft-ietf-httpapi-ratelimit-headers).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use moka::sync::Cache;

use crate::admin::{Actor, Credential};
use crate::http::Site;
use crate::http::problem::Problem;
use crate::mail::Moment;

/// Requests that a token may make at once, after a pause.
const BURST: u32 = 3000;
/// In so long it may make as many again.
const WINDOW: Duration = Duration::from_secs(60);
/// Tokens that are counted at the same time: beyond, who was quiet longest starts anew.
const MAX_BUCKETS: u64 = 10_000;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Who has how much left.
#[derive(Debug)]
pub(in crate::http) struct Rates(Cache<Credential, Arc<Mutex<Bucket>>>);

impl Default for Rates {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_BUCKETS).time_to_idle(WINDOW).build())
    }
}

/// A bucket that fills with time: the theoretical arrival time of the generic cell rate algorithm.
#[derive(Debug, Default)]
struct Bucket {
    /// When it will be full again, in milliseconds since 1970.
    full_at: i64,
}

/// What one request leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    requests: u32,
    /// Until it is full again.
    reset: u64,
    /// Where there was no room: until there is.
    wait: Option<u64>,
}

impl Bucket {
    fn take(&mut self, now: Moment) -> Left {
        let window = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
        let cost = window / i64::from(BURST);
        let now = now.millis();
        // A clock that was set back must not lock anybody out for long.
        let full_at = self.full_at.clamp(now, now + window);
        let lacks = full_at + cost - now;
        if lacks > window {
            self.full_at = full_at;
            return Left { requests: 0, reset: seconds(full_at - now), wait: Some(seconds(lacks - window)) };
        }
        self.full_at = full_at + cost;
        let requests = u32::try_from((window - lacks) / cost).unwrap_or(0);
        Left { requests, reset: seconds(lacks), wait: None }
    }
}

/// Rounded up: whoever waits so long does not wait in vain.
fn seconds(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).div_ceil(1000)
}

/// Counts requests; the operator at the control socket is not counted.
pub(in crate::http) async fn limit(State(site): State<Site>, request: Request, next: Next) -> Response {
    let Some(key) = request.extensions().get::<Actor>().and_then(key) else { return next.run(request).await };
    let bucket = site.live.rates.0.get_with(key, Arc::default);
    let left = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(site.admin.clock.now());
    let mut response = match left.wait {
        None => next.run(request).await,
        Some(_) => Problem::new(StatusCode::TOO_MANY_REQUESTS, "This token makes too many requests. Wait, then go on.")
            .into_response(),
    };
    tell(&mut response, left);
    response
}

fn key(actor: &Actor) -> Option<Credential> {
    Some(actor.by).filter(|by| *by != Credential::Inherent)
}

fn tell(response: &mut Response, left: Left) {
    let fields = response.headers_mut();
    let mut set = |name: HeaderName, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            fields.insert(name, value);
        }
    };
    set(RATE_LIMIT_POLICY, format!("\"default\";q={BURST};w={}", WINDOW.as_secs()));
    set(RATE_LIMIT, format!("\"default\";r={};t={}", left.requests, left.reset));
    if let Some(wait) = left.wait {
        set(header::RETRY_AFTER, wait.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let (mut bucket, mut now) = (Bucket::default(), Moment::from_millis(1_795_373_784_000));
        for taken in 1..=BURST {
            assert_eq!(bucket.take(now).requests, BURST - taken);
        }
        assert_eq!(bucket.take(now), Left { requests: 0, reset: 60, wait: Some(1) });
        now = now.after(Duration::from_secs(1));
        for _ in 0..BURST / 60 {
            assert_eq!(bucket.take(now).wait, None);
        }
        assert!(bucket.take(now).wait.is_some());
        now = now.after(WINDOW);
        assert_eq!(bucket.take(now).requests, BURST - 1);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let (mut bucket, now) = (Bucket::default(), Moment::from_millis(1_795_373_784_000));
        for _ in 0..BURST {
            bucket.take(now);
        }
        let earlier = now.before(Duration::from_secs(86_400));
        bucket.take(earlier);
        assert_eq!(bucket.take(earlier.after(Duration::from_secs(1))).wait, None);
    }
}
