//! What was just done is told once, on the page that follows: a redirect leaves the words in a cookie, and the page that shows
//! them takes it away, so that neither a reload nor a way back says it again. Words of the cookie are read like those of a
//! query: they name what was done, and say nothing themselves.

use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::http::Site;

use super::session::{self, Channel};
use super::text;

/// What the cookie holds at most: two words and their ids.
const MAX_OCTETS: usize = 256;

/// Words on their way to a cookie.
#[derive(Debug, Clone)]
struct Told(String);

/// The page `to`, which tells these words once.
pub(super) fn go(to: &str, words: &[(&str, &str)]) -> Response {
    let mut answer = Redirect::to(to).into_response();
    let pairs: Vec<_> = words.iter().map(|(key, value)| format!("{key}={}", text::in_query(value))).collect();
    answer.extensions_mut().insert(Told(pairs.join("&")));
    answer
}

/// Carries words from a redirect to the page behind it.
pub(super) async fn once(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let channel = Channel::of(&site.settings, &request);
    let carried = session::told(&channel, request.headers()).filter(|_| *request.method() == Method::GET);
    if let Some(asked) = carried.as_deref().and_then(|words| with(request.uri(), words)) {
        *request.uri_mut() = asked;
    }
    let mut answer = next.run(request).await;
    match answer.extensions_mut().remove::<Told>() {
        Some(Told(words)) => session::tell(&channel, &words, &mut answer),
        None if carried.is_some() && is_page(&answer) => session::tell(&channel, "", &mut answer),
        None => {}
    }
    answer
}

/// The address with these words behind its query.
fn with(uri: &Uri, words: &str) -> Option<Uri> {
    if words.len() > MAX_OCTETS {
        return None;
    }
    let query = uri.query().map(|query| format!("{query}&")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}?{query}{words}", uri.path())).ok()?);
    Uri::from_parts(parts).ok()
}

/// What people see; a stream or a file tells nothing.
fn is_page(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_behind_what_was_asked() {
        let asked = |uri: &'static str, words: &str| with(&Uri::from_static(uri), words).map(|uri| uri.to_string());
        assert_eq!(asked("/queue", "done=hold&count=2").as_deref(), Some("/queue?done=hold&count=2"));
        assert_eq!(asked("/queue?domain=a.example", "done=hold").as_deref(), Some("/queue?domain=a.example&done=hold"));
        assert_eq!(asked("/queue", &"x".repeat(MAX_OCTETS + 1)), None);
        assert_eq!(asked("/queue", "a b"), None);
    }
}
