//! The panel in a real browser: Chromium, driven over the WebDriver protocol by chromedriver, on a loopback port.
//!
//! `tests/run` installs both; without them these tests fail and say so, for a test that is skipped proves nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "browser/aliases.rs"]
mod aliases;
#[path = "browser/comfort.rs"]
mod comfort;
#[path = "browser/connect.rs"]
mod connect;
#[path = "browser/destinations.rs"]
mod destinations;
#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/first_run.rs"]
mod first_run;
#[path = "browser/guard.rs"]
mod guard;
#[path = "browser/mail.rs"]
mod mail;
#[path = "browser/pages.rs"]
mod pages;
#[path = "browser/panel.rs"]
mod panel;
#[path = "browser/people.rs"]
mod people;
#[path = "browser/server.rs"]
mod server;
#[path = "browser/simulator.rs"]
mod simulator;
mod web;
