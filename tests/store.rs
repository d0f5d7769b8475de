//! Storage over real files: what is written is there after the call, after a restart, and after a fault at any step.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "store/world.rs"]
mod world;

#[path = "store/accounts.rs"]
mod accounts;
#[path = "store/destinations.rs"]
mod destinations;
#[path = "store/directory.rs"]
mod directory;
#[path = "store/import.rs"]
mod import;
#[path = "store/large.rs"]
mod large;
#[path = "store/log.rs"]
mod log;
#[path = "store/notices.rs"]
mod notices;
#[path = "store/queue.rs"]
mod queue;
#[path = "store/search.rs"]
mod search;
#[path = "store/spool.rs"]
mod spool;
#[path = "store/upkeep.rs"]
mod upkeep;
