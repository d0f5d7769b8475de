//! The panel's pages as a browser without script gets them.

#[path = "panel/pages.rs"]
mod pages;
#[path = "panel/shield.rs"]
mod shield;
mod web;
