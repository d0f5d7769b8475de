//! The words of mail: addresses, paths, envelopes, header fields, trace fields and delivery status notifications.
//!
//! Everything here parses from octets and displays as octets; `parse(display(x)) == x`. No I/O, no clock, no randomness:
//! a moment is a value that somebody else read. Three address types, not six: [`Mailbox`], [`ReversePath`], [`ForwardPath`].

mod address;
mod author;
mod domain;
mod envelope;
mod moment;
mod path;

pub mod dsn;
pub mod header;
pub mod letter;
pub mod link_mail;
pub mod report;
pub mod trace_fields;
pub mod wishes;

pub use address::fold;
pub use address::{AddressError, AddressLiteral, Host, LocalPart, Mailbox};
pub use author::Author;
pub use domain::{Domain, DomainError, in_unicode, told_in_unicode};
pub use envelope::Envelope;
pub use moment::{Moment, span_in_words};
pub use path::{ForwardPath, ReversePath};
