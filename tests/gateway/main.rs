//! End to end over real sockets: a gateway, a fake DNS and fake inboxes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "../support/mod.rs"]
mod support;

mod hand_over;
mod plain;
mod privacy;
mod refusals;
mod rules;
mod tls;
