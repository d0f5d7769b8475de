//! A small DNS and a small inbox, for `waypost demo` and for the tests: the outside world on loopback.

pub mod dns;
pub mod inbox;
pub mod story;
