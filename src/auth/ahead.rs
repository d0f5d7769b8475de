//! What the header of a message will have DNS asked for: the keys of its signatures, and what its author's domain asks for.
//! Asked while the rest of the message is on its way, it is known when the message is judged.

use std::time::Duration;

use futures_util::future::{join, join_all};
use hickory_resolver::proto::rr::RecordType;
use mail_auth::AuthenticatedMessage;
use tokio::time::{Instant, timeout};

use super::{Inner, MAX_SIGNATURES};
use crate::mail::Domain;
use crate::mail::header::HeaderFacts;
use crate::policy::settings::Enforcement;

/// How long looking ahead may take.
const WITHIN: Duration = Duration::from_secs(4);

/// The questions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ahead {
    /// The names of keys, each once.
    keys: Vec<String>,
    /// The author's domain, where DMARC is asked and there is just one.
    author: Option<Domain>,
}

impl Ahead {
    /// Of a whole header, as it stands and as it was read.
    #[must_use]
    pub fn of(octets: &[u8], header: &HeaderFacts, dmarc: Enforcement) -> Self {
        let author = match header.author_domains.as_deref() {
            Some([author]) if dmarc != Enforcement::Off => Some(author.clone()),
            _ => None,
        };
        Self { keys: if header.signed { keys(octets) } else { Vec::new() }, author }
    }
}

/// As many keys as signatures are verified: a header of more has no more asked for it.
fn keys(octets: &[u8]) -> Vec<String> {
    let message = AuthenticatedMessage::parse(octets).unwrap_or_default();
    let signed = message.dkim_signatures().iter().map(|field| (&field.header.s, &field.header.d));
    let chained = message.arc_message_signatures().iter().map(|field| (&field.header.s, &field.header.d));
    let sealed = message.arc_seals().iter().map(|field| (&field.header.s, &field.header.d));
    let mut keys: Vec<String> = Vec::new();
    for (selector, domain) in signed.chain(chained).chain(sealed) {
        let key = format!("{selector}._domainkey.{domain}");
        if keys.len() < MAX_SIGNATURES && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

impl Inner {
    /// The resolver keeps the answers for who asks next.
    pub(super) async fn look_ahead(&self, ahead: &Ahead) {
        let unknown = ahead.keys.iter().filter(|name| self.caches.terms.value(name).is_none());
        let keys = join_all(unknown.map(|name| self.look_up(name, RecordType::TXT)));
        let author = async {
            if let Some(author) = &ahead.author {
                self.look_ahead_of(author, Instant::now() + WITHIN).await;
            }
        };
        let _late = timeout(WITHIN, join(keys, author)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header::HeaderScan;

    fn ahead(header: &str, dmarc: Enforcement) -> Ahead {
        let mut scan = HeaderScan::new(Domain::parse("gw.example").unwrap());
        scan.push(header.as_bytes());
        Ahead::of(header.as_bytes(), &scan.finish(), dmarc)
    }

    fn signature(selector: usize) -> String {
        format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example;\r\n s=k{selector}; h=from;\r\n \
             bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
        )
    }

    #[test]
    fn asks_for_each_key_once_and_for_no_more_than_are_verified() {
        let fields = |numbers: std::ops::Range<usize>| numbers.map(signature).collect::<String>();
        let from = "From: ann@author.example\r\n\r\n";
        let two = ahead(&format!("{}{}{from}", fields(1..3), fields(1..2)), Enforcement::Observe);
        assert_eq!(two.keys, ["k1._domainkey.sender.example", "k2._domainkey.sender.example"]);
        assert_eq!(two.author, Domain::parse("author.example").ok());
        let many = ahead(&format!("{}{from}", fields(0..50)), Enforcement::Off);
        assert_eq!((many.keys.len(), many.author), (MAX_SIGNATURES, None));
        assert_eq!(ahead("From: a@one.example, b@two.example\r\n\r\n", Enforcement::Observe), Ahead::default());
    }
}
