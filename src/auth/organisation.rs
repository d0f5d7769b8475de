//! The organisational domain of a name, by the DMARC tree walk (RFC 9989 §4.10; no public suffix list).

use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use mail_auth::dmarc::{DmarcRecord, Psd};
use mail_auth::{DnsCache, DnsError, Error, Negative, TxtRecord};

use super::Inner;
use super::spf::Answer;
use crate::mail::Domain;

/// How long one walk may take.
const WITHIN: Duration = Duration::from_secs(4);
/// Labels of the longest name that is asked for beside the first (RFC 9989 §4.10: eight questions at most).
const MAX_LABELS: usize = 7;

/// Why a walk ended without an answer.
struct Unknown;

impl Inner {
    pub(super) async fn organisational(&self, domain: &Domain) -> Option<Domain> {
        if let Some(known) = self.caches.organisational.get(domain) {
            return known;
        }
        let walked = tokio::time::timeout(WITHIN, self.walk(domain.as_str())).await;
        let Ok(Ok(found)) = walked else { return None };
        let found = found.and_then(|name| Domain::parse(name).ok());
        self.caches.organisational.insert(domain.clone(), found.clone());
        found
    }

    /// Has what there is at and above a name kept for whoever walks there next.
    pub(super) async fn walk_ahead(&self, domain: &Domain) {
        let _ = self.walk(domain.as_str()).await;
    }

    /// From the name upwards: the first record that says so by `psd` decides, else the shortest name with a record.
    async fn walk<'a>(&self, start: &'a str) -> Result<Option<&'a str>, Unknown> {
        let mut shortest = None;
        for name in names(start) {
            let Some(psd) = self.psd(name).await? else { continue };
            match psd {
                Psd::No => return Ok(Some(name)),
                // A public suffix: the organisation is one label below it.
                Psd::Yes if name != start => return Ok(Some(one_label_below(name, start))),
                Psd::Yes => return Ok(Some(start)),
                Psd::Default => shortest = Some(name),
            }
        }
        Ok(shortest)
    }

    async fn psd(&self, name: &str) -> Result<Option<Psd>, Unknown> {
        let asked = format!("_dmarc.{name}.");
        if self.has_no_record(&asked).await {
            return Ok(None);
        }
        match self.verifier.txt_lookup::<DmarcRecord>(asked, self.caches.txt()).await {
            Ok(record) => Ok(Some(record.psd.clone())),
            // A record that is none, or a broken one, is as good as none (RFC 9989 §4.10.1).
            Err(Error::Dns(DnsError::RecordNotFound(_) | DnsError::InvalidRecordType) | Error::Parse) => Ok(None),
            Err(_) => Err(Unknown),
        }
    }

    /// Whether there is nothing at a name, which is kept where mail-auth looks: most names of a walk have no record, and
    /// of itself it keeps that only where DNS says for how long.
    async fn has_no_record(&self, name: &str) -> bool {
        if self.caches.txt.value(name).is_some() {
            return false;
        }
        let Ok(Answer::Nothing(valid_until)) = self.look_up(name, RecordType::TXT).await else { return false };
        self.caches.txt.keep(name, TxtRecord::Error(Negative { code: ResponseCode::NXDomain }.into()), valid_until);
        true
    }
}

/// The name itself, then what remains of it without its left-most labels, down to the top-level domain; of a long name
/// the middle is left out.
fn names(start: &str) -> impl Iterator<Item = &str> {
    let labels = start.split('.').count();
    let last = labels.saturating_sub(1).min(MAX_LABELS);
    std::iter::once(start)
        .filter(move |_| labels > 1)
        .chain((1..=last).rev().map(move |count| last_labels(start, count)))
}

fn last_labels(name: &str, count: usize) -> &str {
    let dots = name.rmatch_indices('.').map(|(at, _)| at + 1);
    dots.take(count).nth(count.saturating_sub(1)).map_or(name, |at| &name[at..])
}

fn one_label_below<'a>(suffix: &str, start: &'a str) -> &'a str {
    last_labels(start, suffix.split('.').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_up_and_leaves_out_the_middle_of_long_names() {
        assert_eq!(names("a.b.example").collect::<Vec<_>>(), ["a.b.example", "b.example", "example"]);
        assert_eq!(names("example").count(), 0);
        let long: Vec<_> = names("a.b.c.d.e.f.g.h.i.example").collect();
        assert_eq!(long[..3], ["a.b.c.d.e.f.g.h.i.example", "d.e.f.g.h.i.example", "e.f.g.h.i.example"]);
        assert_eq!(long.len(), 8);
        let eight: Vec<_> = names("a.b.c.d.e.f.g.example").collect();
        assert_eq!((eight.len(), eight[1]), (8, "b.c.d.e.f.g.example"));
    }

    #[test]
    fn one_label_below_a_public_suffix() {
        assert_eq!(one_label_below("co.example", "a.b.shop.co.example"), "shop.co.example");
        assert_eq!(one_label_below("example", "shop.example"), "shop.example");
    }
}
