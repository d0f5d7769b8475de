//! Delivery over real sockets: a small DNS, small inboxes that misbehave as told, and what must come of it.

#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

#[path = "support/ways.rs"]
mod ways;
#[path = "delivery/world.rs"]
mod world;

#[path = "delivery/backlog.rs"]
mod backlog;
#[path = "delivery/clock.rs"]
mod clock;
#[path = "delivery/direct.rs"]
mod direct;
#[path = "delivery/exchangers.rs"]
mod exchangers;
#[path = "delivery/extensions.rs"]
mod extensions;
#[path = "delivery/faults.rs"]
mod faults;
#[path = "delivery/lanes.rs"]
mod lanes;
#[path = "delivery/privacy.rs"]
mod privacy;
#[path = "delivery/queue.rs"]
mod queue;
#[path = "delivery/reports.rs"]
mod reports;
#[path = "delivery/shaping.rs"]
mod shaping;
#[path = "delivery/stages.rs"]
mod stages;
#[path = "delivery/tls.rs"]
mod tls;
