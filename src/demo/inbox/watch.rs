//! Notes what a client does that RFC 5321 and its extensions forbid.

use super::session::Session;

/// Octets in a command line with its CRLF (RFC 5321 §4.5.3.1.4), and what extensions add to MAIL at most.
const MAX_COMMAND_OCTETS: usize = 512 + 500;
/// Octets in a line of content with its CRLF (RFC 5321 §4.5.3.1.6).
const MAX_TEXT_OCTETS: usize = 1000;

impl Session {
    /// Notes what a client must not do.
    pub(super) fn watch(&self, line: &str) {
        self.shared.state().commands.push((self.number, line.to_owned()));
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let ahead = !self.wire.ahead().is_empty();
        let may_go_ahead = self.offered().pipelining && matches!(verb.as_str(), "MAIL" | "RCPT" | "RSET");
        let may_go_ahead = may_go_ahead || verb == "BDAT";
        if ahead && !may_go_ahead {
            self.shared.violation(format!("did not wait for the answer to {verb} (RFC 2920 §3.1)"));
        }
        if line.len() + 2 > MAX_COMMAND_OCTETS {
            self.shared.violation(format!("a {verb} line of {} octets", line.len() + 2));
        }
        if line.contains(['\r', '\n', '\0']) {
            self.shared.violation(format!("a bare CR, LF or NUL in a {verb} line"));
        }
    }

    /// A parameter may be used only where EHLO offered its extension (RFC 5321 §2.2.1).
    pub(super) fn watch_params(&self, params: &str) {
        let offered = self.offered();
        let reports = offered.others.iter().any(|other| other == "DSN");
        for param in params.split_ascii_whitespace() {
            let keyword = param.split('=').next().unwrap_or_default().to_ascii_uppercase();
            let may = match keyword.as_str() {
                "SIZE" => offered.size.is_some(),
                "BODY" => offered.eight_bit_mime,
                "SMTPUTF8" => offered.smtp_utf8,
                "RET" | "ENVID" | "NOTIFY" | "ORCPT" => reports,
                _ => false,
            };
            if !may {
                self.shared.violation(format!("{keyword} was not offered"));
            }
        }
    }

    pub(super) fn watch_content(&self, octets: &[u8]) {
        let params = self.transaction.as_ref().map(|transaction| transaction.params.to_ascii_uppercase());
        let declared = params.is_some_and(|params| params.contains("BODY=8BITMIME") || params.contains("SMTPUTF8"));
        if self.offered().eight_bit_mime && !declared && !octets.is_ascii() {
            self.shared.violation("8-bit content without BODY=8BITMIME (RFC 6152 §3)");
        }
        if octets.split(|octet| *octet == b'\n').any(|line| line.len() + 1 > MAX_TEXT_OCTETS) {
            self.shared.violation("a line of content over 1000 octets");
        }
    }
}
