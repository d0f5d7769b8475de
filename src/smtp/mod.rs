//! The protocol without I/O: octets and moments in, octets and questions out (RFC 5321 and its extensions).

pub mod chunk;
pub mod client;
pub mod command;
pub mod data;
pub mod limits;
mod replies;
pub mod reply;
pub mod server;
