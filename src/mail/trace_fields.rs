//! The prefix: the trace fields that we put above a message, and nothing else ever (RFC 5321 §4.4, RFC 8601).
//!
//! Top down: Authentication-Results, Received (no `for`), Delivered-To with each alias, X-Forwarded-To and -For where
//! switched on. Every value is checked or made safe, so that nothing a client says can start a new field.

use std::net::IpAddr;

use bytes::Bytes;

use super::{Domain, Mailbox, Moment, ReversePath};

/// How the message came (the `with` clause, RFC 3848, RFC 6531 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protocol {
    /// EHLO rather than HELO.
    pub extended: bool,
    /// Inside TLS.
    pub tls: bool,
    /// With SMTPUTF8.
    pub international: bool,
}

/// All that the prefix says.
#[derive(Debug, Clone)]
pub struct TraceFields<'a> {
    /// Our host name.
    pub host: &'a Domain,
    /// The name the client gave in EHLO or HELO, as written.
    pub helo: &'a str,
    /// Its address.
    pub peer: IpAddr,
    /// How it came.
    pub protocol: Protocol,
    /// The transaction's id.
    pub id: &'a str,
    /// When the message ended.
    pub at: Moment,
    /// The body of Authentication-Results behind our name (`spf=pass smtp.mailfrom=…; dkim=…`), where checks ran.
    pub authentication_results: Option<&'a str>,
    /// The aliases that meet in this delivery, a Delivered-To each.
    pub delivered_to: &'a [Mailbox],
    /// X-Forwarded-To and X-Forwarded-For, where switched on: destination and original sender.
    pub forwarded: Option<(&'a Mailbox, &'a ReversePath)>,
}

impl TraceFields<'_> {
    /// The prefix as octets: whole fields, each ended by CRLF, folded under 998 octets.
    #[must_use]
    pub fn prefix(&self) -> Bytes {
        todo!("words")
    }
}
