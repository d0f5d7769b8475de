//! The outside: DNS, TLS, fetching, which addresses may be connected to and which are this machine's, networks of them, how
//! many connections are open, and who comes by way of a proxy.

pub mod doors;
pub mod fetch;
pub mod guard;
pub mod network;
pub mod own;
pub mod proxy;
pub mod records;
pub mod resolver;
pub mod tls;
