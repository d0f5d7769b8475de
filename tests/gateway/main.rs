//! End to end over real sockets: a gateway, a fake DNS and fake inboxes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "../support/pebble.rs"]
mod pebble;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/ways.rs"]
mod ways;

mod abuse;
mod acme;
mod authors;
mod backups;
mod client_names;
mod clocks;
mod extensions;
mod failing;
mod forgotten;
mod greylist;
mod hand_over;
mod https;
mod inboxes;
mod keeping;
mod limits;
mod lists;
mod manners;

mod millions;
mod next_hops;
mod notice_causes;
mod notices;
mod patience;
mod plain;
mod policies;
mod privacy;
mod proxies;
mod readme;
mod recipients;
mod refusals;
mod reload;
mod repeats;
mod returned;
mod rights;
mod rules;
mod senders;
mod storage;
mod tls;
mod verification;
