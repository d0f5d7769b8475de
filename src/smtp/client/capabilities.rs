//! What a server offers in its reply to EHLO (RFC 5321 §4.1.1.1).

use crate::smtp::reply::Reply;

/// The extensions that a client of ours can use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Commands may be sent in groups (RFC 2920).
    pub pipelining: bool,
    /// Octets over 127 may be sent (RFC 6152).
    pub eight_bit: bool,
    /// UTF-8 in addresses and header (RFC 6531).
    pub international: bool,
    /// TLS may be started (RFC 3207).
    pub starttls: bool,
    /// SIZE is understood (RFC 1870).
    pub size: bool,
    /// The largest message it takes, where it names one.
    pub max_octets: Option<u64>,
    /// AUTH PLAIN (RFC 4616).
    pub auth_plain: bool,
    /// AUTH LOGIN, which no RFC describes and many relays want.
    pub auth_login: bool,
    /// Messages may be sent in chunks (BDAT, RFC 3030).
    pub chunking: bool,
    /// Reports may be asked for (RFC 3461).
    pub dsn: bool,
    /// The most recipients of one transaction, where it names a number (LIMITS, RFC 9422). Its RCPTDOMAINMAX needs no
    /// place here: all recipients of a transaction of ours are of one domain.
    pub max_recipients: Option<usize>,
    /// The most transactions of one connection, where it names a number.
    pub max_transactions: Option<usize>,
}

impl Capabilities {
    /// Reads the reply to EHLO: the first line is the server's name, each other one a keyword with its parameters.
    #[must_use]
    pub fn parse(reply: &Reply) -> Self {
        let mut offered = Self::default();
        for line in reply.text().lines().skip(1) {
            offered.take(line);
        }
        offered
    }

    fn take(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let Some(keyword) = words.next() else { return };
        match keyword.to_ascii_uppercase().as_str() {
            "PIPELINING" => self.pipelining = true,
            "8BITMIME" => self.eight_bit = true,
            "SMTPUTF8" => self.international = true,
            "STARTTLS" => self.starttls = true,
            "CHUNKING" => self.chunking = true,
            "DSN" => self.dsn = true,
            "SIZE" => self.take_size(words.next()),
            "AUTH" => words.for_each(|mechanism| self.take_mechanism(mechanism)),
            "LIMITS" => words.for_each(|limit| self.take_limit(limit)),
            _ => {}
        }
    }

    /// Zero means that no fixed maximum is in force (RFC 1870 §4).
    fn take_size(&mut self, parameter: Option<&str>) {
        self.size = true;
        self.max_octets = parameter.and_then(|octets| octets.parse().ok()).filter(|octets| *octets > 0);
    }

    fn take_mechanism(&mut self, mechanism: &str) {
        self.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
        self.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
    }

    fn take_limit(&mut self, limit: &str) {
        let Some((name, value)) = limit.split_once('=') else { return };
        let most = value.parse().ok().filter(|most| *most > 0);
        match name.to_ascii_uppercase().as_str() {
            "RCPTMAX" => self.max_recipients = most,
            "MAILMAX" => self.max_transactions = most,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keywords_in_any_case_and_order() {
        let text = "mx.example at your service\nsize 1000\nPipelining\nauth LOGIN plain\nLIMITS MAILMAX=5 rcptmax=7 RCPTDOMAINMAX=1 ODD=x X\nchunking\nDSN\nX-ODD";
        let offered = Capabilities::parse(&Reply::plain(250, text));
        assert_eq!(
            offered,
            Capabilities {
                pipelining: true,
                size: true,
                max_octets: Some(1000),
                auth_plain: true,
                auth_login: true,
                max_recipients: Some(7),
                max_transactions: Some(5),
                chunking: true,
                dsn: true,
                ..Capabilities::default()
            }
        );
    }

    #[test]
    fn the_servers_name_is_no_keyword_and_size_zero_is_no_limit() {
        let offered = Capabilities::parse(&Reply::plain(250, "STARTTLS\nSIZE 0\n8BITMIME\nSMTPUTF8"));
        assert!(!offered.starttls && offered.size && offered.eight_bit && offered.international);
        assert_eq!(offered.max_octets, None);
    }
}
