//! The secrets of sessions that a browser brings. A cookie is for a host, whatever the port (RFC 6265 §8.5), so several
//! gateways behind one name (tunnels to `localhost`, a demo beside a gateway) share one: each keeps the others' secrets
//! beside its own, and knows its own by looking them up.

use axum::http::HeaderMap;

use crate::admin::{Actor, AdminError, Secret};
use crate::http::Site;

use super::session::{self, Channel};

/// Between secrets, which are base64url.
const BETWEEN: char = '.';
/// Secrets that a cookie holds, at most: the newest.
const MAX_SECRETS: usize = 4;

/// What a browser brought, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Those of a request, for the channel that it came over.
    pub(super) fn of(channel: &Channel, fields: &HeaderMap) -> Self {
        let all = session::carried(channel, "", fields).unwrap_or_default();
        let parts = all.split(BETWEEN).filter(|part| !part.is_empty());
        Self(parts.take(MAX_SECRETS).map(str::to_owned).collect())
    }

    /// Whose session one of them is.
    pub(super) async fn actor(&self, site: &Site) -> Result<Option<Actor>, AdminError> {
        for secret in &self.0 {
            if let Some(actor) = site.admin.session(secret).await? {
                return Ok(Some(actor));
            }
        }
        Ok(None)
    }

    /// Ends the sessions that are ours; what is left is of others.
    pub(super) async fn end(self, site: &Site) -> Result<Self, AdminError> {
        let mut others = Vec::new();
        for secret in self.0 {
            if !site.admin.close_session(&secret).await? {
                others.push(secret);
            }
        }
        Ok(Self(others))
    }

    /// With a new one before them.
    pub(super) fn behind(self, new: &Secret) -> Self {
        let all = std::iter::once(new.text().to_owned()).chain(self.0);
        Self(all.take(MAX_SECRETS).collect())
    }

    /// As the cookie holds them.
    pub(super) fn text(&self) -> String {
        self.0.join(&BETWEEN.to_string())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn a_cookie_holds_the_newest_of_several_gateways() {
        let cookie = "waypost=a..b.c.d.e; __Host-waypost=s";
        let fields = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(cookie))]);
        let local = Secrets::of(&Channel::Local, &fields);
        assert_eq!(local.text(), "a.b.c.d");
        assert_eq!(local.behind(&Secret::from_text("new")).text(), "new.a.b.c");
        assert_eq!(Secrets::of(&Channel::Secure, &fields).text(), "s");
        assert_eq!(Secrets::of(&Channel::Open(""), &fields), Secrets::default());
    }
}
