//! What the checks of a server, a domain and an alias may be set to, in words: all three pages, and the steps of a decision,
//! say the same.

/// What can be chosen: words of the API, and ours.
pub(super) type Words = &'static [(&'static str, &'static str)];

/// SPF and DKIM.
pub(super) const CHECKS: Words =
    &[("off", "not checked"), ("observe", "checked and shown"), ("enforce", "refused where it fails")];
pub(super) const DMARC: Words =
    &[("off", "not checked"), ("observe", "checked and shown"), ("enforce", "refused if its domain asks")];
/// Mail that proves nothing.
pub(super) const STRANGERS: Words = &[("accept", "taken"), ("reject", "refused")];
pub(super) const TLS: Words = &[("opportunistic", "where it is offered"), ("require", "always, else mail waits")];
/// X-Forwarded-To and -For.
pub(super) const HEADERS: Words = &[("true", "added"), ("false", "not added")];
