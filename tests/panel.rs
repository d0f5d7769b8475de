//! The panel's pages as a browser without script gets them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::too_many_arguments, reason = "a request is told in one line: method, path, fields, body")]

#[path = "panel/pages.rs"]
mod pages;
#[path = "panel/shield.rs"]
mod shield;
mod web;
