//! The native API over real databases: shapes, rights, errors, conditions.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "api/activity.rs"]
mod activity;
#[path = "api/aliases.rs"]
mod aliases;
#[path = "api/control.rs"]
mod control;
#[path = "support/cpu.rs"]
mod cpu;
#[path = "api/destinations.rs"]
mod destinations;
#[path = "api/domains.rs"]
mod domains;
#[path = "api/harvest.rs"]
mod harvest;
#[path = "api/manners.rs"]
mod manners;
#[path = "api/many.rs"]
mod many;
#[path = "api/notices.rs"]
mod notices;
#[path = "api/openapi.rs"]
mod openapi;
#[path = "api/patterns.rs"]
mod patterns;
#[path = "api/people.rs"]
mod people;
#[path = "api/policies.rs"]
mod policies;
#[path = "api/queue.rs"]
mod queue;
#[path = "api/rights.rs"]
mod rights;
#[path = "api/roles.rs"]
mod roles;
#[path = "api/sorting.rs"]
mod sorting;
#[path = "api/trial.rs"]
mod trial;
#[path = "api/verification.rs"]
mod verification;
mod web;
