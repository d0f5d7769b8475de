//! What the record of a DKIM key says of its use (RFC 6376 §3.6.1): mail-auth reads it, and keeps it to itself.

use hickory_resolver::proto::rr::{RData, RecordType};
use mail_auth::dkim::Signature;

use super::Inner;
use super::spf::Answer;

/// For what a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// `s=` names mail, or everything.
    pub(super) is_for_mail: bool,
    /// `h=` names SHA-256, which every signature that counts is made with.
    pub(super) is_for_sha256: bool,
    /// `t=y`: its mail is to be taken as if it were not signed (§3.6.1).
    pub(super) is_tested: bool,
}

impl Inner {
    /// The terms of the key of a signature; `None` where nobody can tell.
    pub(super) async fn terms(&self, signature: &Signature) -> Option<Terms> {
        let name = format!("{}._domainkey.{}", signature.s, signature.d);
        if let Some(known) = self.caches.terms.value(&name) {
            return Some(known);
        }
        let Ok(Answer::Records(lookup)) = self.look_up(&name, RecordType::TXT).await else { return None };
        let mut texts = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        });
        let terms = Terms::read(&String::from_utf8_lossy(&texts.next()?));
        self.caches.terms.keep(&name, terms, lookup.valid_until());
        Some(terms)
    }
}

impl Terms {
    fn read(record: &str) -> Self {
        let value = |wanted: &str| {
            let tags = record.split(';').filter_map(|tag| tag.split_once('='));
            tags.map(|(name, value)| (name.trim(), value.trim()))
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value)
        };
        let names = |tag: &str, words: &[&str]| {
            let has =
                |value: &str| value.split(':').any(|word| words.iter().any(|w| word.trim().eq_ignore_ascii_case(w)));
            value(tag).map(has)
        };
        Self {
            is_for_mail: names("s", &["*", "email"]).unwrap_or(true),
            is_for_sha256: names("h", &["sha256"]).unwrap_or(true),
            is_tested: names("t", &["y"]).unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Terms;

    #[test]
    fn reads_the_tags_that_restrict_a_key() {
        for (record, is_for_mail, is_for_sha256, is_tested) in [
            ("v=DKIM1; p=AAAA", true, true, false),
            ("p=s=x;h=AAAA", true, false, false),
            ("v=DKIM1; s=email; h=sha1:sha256; t=s; p=AAAA", true, true, false),
            ("v=DKIM1; s = other : * ; t = s : y ; p=AAAA", true, true, true),
            ("v=DKIM1; s=tlsrpt; h=sha1; p=AAAA", false, false, false),
        ] {
            assert_eq!(Terms::read(record), Terms { is_for_mail, is_for_sha256, is_tested }, "{record}");
        }
    }
}
