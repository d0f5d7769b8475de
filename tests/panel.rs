//! The panel's pages as a browser without script gets them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "panel/accounts.rs"]
mod accounts;
#[path = "panel/alias_import.rs"]
mod alias_import;
#[path = "panel/alias_list.rs"]
mod alias_list;
#[path = "panel/aliases.rs"]
mod aliases;
#[path = "panel/changes.rs"]
mod changes;
#[path = "panel/connect.rs"]
mod connect;
#[path = "panel/destinations.rs"]
mod destinations;
#[path = "panel/domains.rs"]
mod domains;
#[path = "panel/every.rs"]
mod every;
#[path = "panel/house.rs"]
mod house;
#[path = "panel/mail.rs"]
mod mail;
#[path = "panel/members.rs"]
mod members;
#[path = "panel/notices.rs"]
mod notices;
#[path = "panel/pages.rs"]
mod pages;
#[path = "panel/plain.rs"]
mod plain;
#[path = "panel/refusals.rs"]
mod refusals;
#[path = "panel/roles.rs"]
mod roles;
#[path = "panel/settings.rs"]
mod settings;
#[path = "panel/shield.rs"]
mod shield;
#[path = "panel/stories.rs"]
mod stories;
#[path = "panel/twice.rs"]
mod twice;
mod web;
#[path = "panel/withheld.rs"]
mod withheld;
#[path = "panel/words.rs"]
mod words;
