//! The prefix: the trace fields that we put above a message, and nothing else ever (RFC 5321 §4.4, RFC 8601).
//!
//! Top down: Authentication-Results, Received (no `for`), Delivered-To with each alias, X-Forwarded-To and -For where
//! switched on. Every value is checked or made safe, so that nothing a client says can start a new field.

use std::net::IpAddr;

use bytes::Bytes;

use super::{AddressLiteral, Domain, Mailbox, Moment, ReversePath};

/// Octets in a line without its CRLF that folding aims at (RFC 5322 §2.1.1).
const WANTED_LINE_OCTETS: usize = 78;
/// Octets of one word, which cannot be folded; with it no line passes 998.
const MAX_WORD_OCTETS: usize = 900;
/// Octets of a greeting name that are written down.
const MAX_HELO_OCTETS: usize = 255;
/// Octets of a prefix as it mostly is.
const USUAL_OCTETS: usize = 512;

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

impl Protocol {
    /// The name as registered for `with`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match (self.extended, self.international, self.tls) {
            (false, ..) => "SMTP",
            (true, false, false) => "ESMTP",
            (true, false, true) => "ESMTPS",
            (true, true, false) => "UTF8SMTP",
            (true, true, true) => "UTF8SMTPS",
        }
    }
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
        let mut prefix = String::with_capacity(USUAL_OCTETS);
        if let Some(results) = self.authentication_results {
            self.authentication_results(results, &mut prefix);
        }
        self.received(&mut prefix);
        for alias in self.delivered_to {
            field(&mut prefix, &["Delivered-To: ", &alias.to_string()]);
        }
        if let Some((destination, sender)) = self.forwarded {
            field(&mut prefix, &["X-Forwarded-To: ", &destination.to_string()]);
            let sender = sender.mailbox().map_or_else(|| "<>".to_owned(), ToString::to_string);
            field(&mut prefix, &["X-Forwarded-For: ", &sender]);
        }
        Bytes::from(prefix)
    }

    fn received(&self, prefix: &mut String) {
        let helo = safe_helo(self.helo);
        let peer = AddressLiteral(self.peer.to_canonical()).to_string();
        let id = safe(self.id, Alphabet::Ascii);
        let (host, protocol) = (self.host.as_str(), self.protocol.name());
        field(prefix, &["Received: from ", &helo, " (", &peer, ")"]);
        prefix.truncate(prefix.len() - 2);
        field(prefix, &["\r\n\tby ", host, " with ", protocol, " id ", &id, ";"]);
        prefix.truncate(prefix.len() - 2);
        field(prefix, &["\r\n\t", &self.at.rfc5322()]);
    }

    /// A result to a line where it fits, else folded between words (RFC 8601 §2.2).
    fn authentication_results(&self, results: &str, prefix: &mut String) {
        let alphabet = if self.protocol.international { Alphabet::Unicode } else { Alphabet::Ascii };
        let results = safe(results, alphabet);
        prefix.push_str("Authentication-Results: ");
        prefix.push_str(self.host.as_str());
        let results = if results.trim().is_empty() { "none" } else { &results };
        for result in results.split(';').map(str::trim).filter(|result| !result.is_empty()) {
            prefix.push_str(";\r\n\t");
            fold(result, prefix);
        }
        prefix.push_str("\r\n");
    }
}

fn field(prefix: &mut String, parts: &[&str]) {
    prefix.extend(parts.iter().copied());
    prefix.push_str("\r\n");
}

fn fold(text: &str, prefix: &mut String) {
    let mut column = 1;
    for (at, word) in text.split_ascii_whitespace().enumerate() {
        let word = word.get(..word.floor_char_boundary(MAX_WORD_OCTETS)).unwrap_or_default();
        if at > 0 {
            let fits = column + 1 + word.len() <= WANTED_LINE_OCTETS;
            prefix.push_str(if fits { " " } else { "\r\n\t" });
            column = if fits { column + 1 } else { 1 };
        }
        prefix.push_str(word);
        column += word.len();
    }
}

/// Which characters a value may have beside printable ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Ascii,
    Unicode,
}

/// Puts a question mark in place of every control character and of what the alphabet lacks.
fn safe(text: &str, alphabet: Alphabet) -> String {
    let allowed =
        |c: char| (' '..='~').contains(&c) || (alphabet == Alphabet::Unicode && !c.is_ascii() && !c.is_control());
    text.chars().map(|c| if allowed(c) { c } else { '?' }).collect()
}

/// A greeting name keeps what domains and address literals are made of; anything else could end a comment or a word.
fn safe_helo(helo: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let name: String = helo.chars().take(MAX_HELO_OCTETS).map(|c| if allowed(c) { c } else { '?' }).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header::HeaderScan;

    fn trace<'a>(host: &'a Domain, helo: &'a str, aliases: &'a [Mailbox]) -> TraceFields<'a> {
        TraceFields {
            host,
            helo,
            peer: "192.0.2.1".parse().unwrap(),
            protocol: Protocol { extended: true, tls: true, international: false },
            id: "0192f3a1-0000-7000-8000-000000000001",
            at: Moment::from_millis(1_795_373_784_120),
            authentication_results: Some("spf=pass smtp.mailfrom=a@x.example; dkim=none"),
            delivered_to: aliases,
            forwarded: None,
        }
    }

    fn host() -> Domain {
        Domain::parse("mx.ours.example").unwrap()
    }

    fn text(trace: &TraceFields<'_>) -> String {
        String::from_utf8(trace.prefix().to_vec()).unwrap()
    }

    #[test]
    fn writes_the_fields_from_the_top_down() {
        let (host, aliases) =
            (host(), [Mailbox::parse("shop@my.example").unwrap(), Mailbox::parse("\"a b\"@my.example").unwrap()]);
        let (destination, sender) = (Mailbox::parse("me@inbox.example").unwrap(), ReversePath::Null);
        let mut trace = trace(&host, "client.example", &aliases);
        trace.forwarded = Some((&destination, &sender));
        let wanted = "Authentication-Results: mx.ours.example;\r\n\tspf=pass smtp.mailfrom=a@x.example;\r\n\tdkim=none\r\n\
            Received: from client.example ([192.0.2.1])\r\n\tby mx.ours.example with ESMTPS id \
            0192f3a1-0000-7000-8000-000000000001;\r\n\tSun, 22 Nov 2026 18:56:24 +0000\r\n\
            Delivered-To: shop@my.example\r\nDelivered-To: \"a b\"@my.example\r\n\
            X-Forwarded-To: me@inbox.example\r\nX-Forwarded-For: <>\r\n";
        assert_eq!(text(&trace), wanted);
    }

    #[test]
    fn a_mapped_address_is_written_as_what_it_is() {
        let (host, mut peers) = (host(), Vec::new());
        for peer in ["::ffff:192.0.2.1", "2001:db8::1"] {
            let trace = TraceFields { peer: peer.parse().unwrap(), ..trace(&host, "c", &[]) };
            peers.push(text(&trace).split_once(" (").unwrap().1.split(')').next().unwrap().to_owned());
        }
        assert_eq!(peers, ["[192.0.2.1]", "[IPv6:2001:db8::1]"]);
    }

    #[test]
    fn names_the_protocol() {
        let name = |extended, tls, international| Protocol { extended, tls, international }.name();
        assert_eq!([name(false, false, false), name(false, true, false)], ["SMTP", "SMTP"]);
        assert_eq!([name(true, false, false), name(true, true, false)], ["ESMTP", "ESMTPS"]);
        assert_eq!([name(true, false, true), name(true, true, true)], ["UTF8SMTP", "UTF8SMTPS"]);
    }

    #[test]
    fn nothing_a_client_says_starts_a_field_or_ends_a_comment() {
        let host = host();
        let hostile = [
            "a\r\nFrom: x@y",
            "a)\r\n\r\nbody",
            "a\u{85}b\u{2028}c",
            "x ([192.0.2.9]) by mx.ours.example",
            "",
            "é\0\"\\(",
        ];
        let long = "x".repeat(5000);
        for text_of_client in hostile.into_iter().chain([long.as_str()]) {
            let mut trace = trace(&host, text_of_client, &[]);
            trace.id = "id\r\nBcc: x";
            trace.authentication_results = Some(text_of_client);
            let prefix = text(&trace);
            let lines: Vec<&str> = prefix.split_terminator("\r\n").collect();
            let names = lines.iter().filter(|line| !line.starts_with('\t')).map(|line| line.split(':').next().unwrap());
            assert_eq!(names.collect::<Vec<_>>(), ["Authentication-Results", "Received"], "{prefix}");
            assert!(lines.iter().all(|line| line.len() <= 998 && !line.is_empty() && line.is_ascii()), "{prefix}");

            let mut scan = HeaderScan::new(host.clone());
            scan.push(prefix.as_bytes());
            let facts = scan.finish();
            assert_eq!((facts.received, facts.received_by_us, facts.octets), (1, 1, prefix.len()), "{prefix}");
        }
    }

    #[test]
    fn long_results_are_folded_between_words() {
        let host = host();
        let results = format!("dkim=fail ({}) header.d=x.example", "word ".repeat(60));
        let trace = TraceFields { authentication_results: Some(&results), ..trace(&host, "c", &[]) };
        let prefix = text(&trace);
        assert!(prefix.lines().all(|line| line.len() <= WANTED_LINE_OCTETS), "{prefix}");
        assert_eq!(prefix.matches("word").count(), 60);
    }

    #[test]
    fn international_results_keep_their_letters_only_where_the_message_may_have_them() {
        let host = host();
        let mut trace =
            TraceFields { authentication_results: Some("spf=pass smtp.mailfrom=é@x"), ..trace(&host, "c", &[]) };
        assert!(text(&trace).contains("smtp.mailfrom=?@x"));
        trace.protocol.international = true;
        assert!(text(&trace).contains("smtp.mailfrom=é@x"));
    }
}
