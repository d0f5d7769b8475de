//! Who a message claims to be from: the authors in its From field.

use mail_parser::{Address, HeaderForm};

use crate::mail::address::is_atext;
use crate::mail::{Author, Domain};

/// Author domains in one From field; a field with more has no author that anybody could check.
const MAX_AUTHOR_DOMAINS: usize = 20;

/// Whom one From field names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authors {
    /// Their domains, each once.
    pub(super) domains: Vec<Domain>,
    /// Who it is, where it is one.
    pub(super) only: Option<Author>,
}

/// All authors; `None` when one of them cannot be told for sure.
pub(super) fn of(value: &[u8]) -> Option<Authors> {
    let parsed = HeaderForm::Addresses.parse(value);
    let addresses = parsed.value().as_address()?;
    if addresses.iter().any(is_doubtful) {
        return None;
    }
    let (mut domains, mut authors, mut only) = (Vec::new(), 0, None);
    for mailbox in addresses.mailboxes() {
        authors += 1;
        let (local, domain) = mailbox.address()?.rsplit_once('@')?;
        if !local.chars().all(is_plain) {
            return None;
        }
        let domain = Domain::parse(domain).ok()?;
        only = Author::new(mailbox.name(), (local, &domain)).filter(|_| authors == 1);
        if !domains.contains(&domain) {
            domains.push(domain);
        }
        if domains.len() > MAX_AUTHOR_DOMAINS {
            return None;
        }
    }
    // Whatever the parser made of it, another reader may take the other address.
    (authors > 0 && angles(value) <= authors).then_some(Authors { domains, only })
}

/// A group named like an address: others read an author there.
fn is_doubtful(address: Address<'_>) -> bool {
    matches!(address, Address::Group(group) if group.name().is_some_and(|name| name.contains('@')))
}

/// Atoms and dots, in whatever order: some real addresses have two dots. Of anything else (white space, a colon, another `@`)
/// readers make different addresses.
fn is_plain(c: char) -> bool {
    c == '.' || is_atext(c)
}

/// Angle brackets that open outside quotes and comments.
fn angles(value: &[u8]) -> usize {
    let (mut count, mut quoted, mut depth, mut escaped) = (0, false, 0_usize, false);
    for octet in value {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted || depth > 0 => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b'<' if !quoted && depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}
