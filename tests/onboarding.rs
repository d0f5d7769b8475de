//! A domain and its gateway brought to life, against a local DNS whose records change: records compared and proven, domains
//! added by the dozen, faults that are found and said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "onboarding/commands.rs"]
mod commands;
#[path = "onboarding/doctor.rs"]
mod doctor;
#[path = "onboarding/domains.rs"]
mod domains;
#[path = "onboarding/first_run.rs"]
mod first_run;
#[path = "onboarding/inboxes.rs"]
mod inboxes;
#[path = "onboarding/panel.rs"]
mod panel;
#[path = "onboarding/records.rs"]
mod records;
#[path = "support/mod.rs"]
#[expect(dead_code, reason = "each test binary uses its own part")]
mod support;
#[path = "onboarding/visitor.rs"]
mod visitor;
