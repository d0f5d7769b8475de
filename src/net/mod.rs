//! The outside: DNS, TLS, which addresses may be connected to, and who comes by way of a proxy.

pub mod guard;
pub mod proxy;
pub mod resolver;
pub mod tls;
