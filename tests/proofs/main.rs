//! Waypost beside the standards' own test suites and other implementations, over real sockets.
//!
//! What it is compared with comes from PyPI: `tests/run` installs it (`tests/proofs/install`); without it these tests fail
//! and say so, for a test that is skipped proves nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "../support/cpu.rs"]
mod cpu;
#[expect(dead_code, reason = "shared with tests/gateway, which uses all of it")]
#[path = "../support/mod.rs"]
mod support;

mod arc;
mod dkim;
mod guard;
mod hostile;
mod python;
mod spf;
