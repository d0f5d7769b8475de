//! The outside: DNS, TLS, and which addresses may be connected to.

pub mod guard;
pub mod resolver;
pub mod tls;
