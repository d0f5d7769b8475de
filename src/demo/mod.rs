//! A small DNS and a small inbox, for `waypost demo` and for the tests: the outside world on loopback.
//!
//! Neither shares code with the gateway's own SMTP or DNS: they are the peers that check it.

pub mod dns;
pub mod inbox;
pub mod sender;
