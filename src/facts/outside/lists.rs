//! Our own addresses on DNS lists, asked afresh each time: what [`crate::facts::Lists`] keeps of clients is no answer here.

use std::net::IpAddr;

use futures_util::future::join_all;

use super::{Outside, in_time};
use crate::mail::Domain;
use crate::net::resolver::DnsFailure;
use crate::policy::checkup::OwnListing;
use crate::policy::lists::{About, Answer, DnsList, Verdict};

/// Addresses that are asked for.
const MAX_ADDRESSES: usize = 8;

impl Outside {
    /// Each list, those that are `configured` among them, about each of these addresses.
    pub async fn own_listings(&self, addresses: &[IpAddr], configured: &[DnsList]) -> Vec<OwnListing> {
        let usual = self.settings.probes.lists.iter().filter_map(|list| DnsList::parse(list).ok());
        let mut lists: Vec<DnsList> = usual.chain(configured.iter().cloned()).collect();
        lists.retain(|list| list.about == About::Addresses);
        lists.dedup();
        let addresses = addresses.iter().take(MAX_ADDRESSES);
        let pairs = addresses.flat_map(|address| lists.iter().map(move |list| (*address, list)));
        let asked = join_all(pairs.map(|(address, list)| self.own_listing(address, list)));
        in_time(asked).await.unwrap_or_default()
    }

    async fn own_listing(&self, address: IpAddr, list: &DnsList) -> OwnListing {
        let said = match list.question_about(address) {
            Some(question) => self.listing(&question).await,
            None => Verdict::Unknown("the name is too long to be asked for".to_owned()),
        };
        OwnListing { list: list.to_string(), address, said }
    }

    async fn listing(&self, question: &Domain) -> Verdict {
        match self.dns.ipv4(question).await.map(|found| Answer::read(&found.records)) {
            Ok(Answer::Listed) => Verdict::Listed(self.dns.text(question).await.ok()),
            Ok(Answer::MayNotAsk) => Verdict::MayNotAsk,
            Ok(Answer::Foreign) => Verdict::Unknown("its answer is none of a list".to_owned()),
            Err(DnsFailure::NoSuchName | DnsFailure::NoData) => Verdict::NotListed,
            Err(failure) => Verdict::Unknown(failure.to_string()),
        }
    }
}
