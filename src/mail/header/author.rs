//! Who a message claims to be from: the domains in its From field.

use mail_parser::HeaderForm;

use crate::mail::Domain;

/// Author domains in one From field; a field with more has no author that anybody could check.
const MAX_AUTHOR_DOMAINS: usize = 20;

/// The domains of all authors, each once; `None` when one of them cannot be told for sure.
pub(super) fn domains(value: &[u8]) -> Option<Vec<Domain>> {
    let parsed = HeaderForm::Addresses.parse(value);
    let addresses = parsed.value().as_address()?;
    let mut domains = Vec::new();
    let mut authors = 0;
    for mailbox in addresses.mailboxes() {
        authors += 1;
        let (_, domain) = mailbox.address()?.rsplit_once('@')?;
        let domain = Domain::parse(domain).ok()?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
        if domains.len() > MAX_AUTHOR_DOMAINS {
            return None;
        }
    }
    // Whatever the parser made of it, another reader may take the other address.
    (authors > 0 && angles(value) <= authors).then_some(domains)
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
