//! Our own addresses, and our name, on DNS lists, asked afresh each time: what [`crate::facts::Lists`] keeps of clients is
//! no answer here.

use std::net::IpAddr;

use futures_util::future::{join, join_all};

use super::{Outside, in_time};
use crate::mail::Domain;
use crate::net::resolver::DnsFailure;
use crate::policy::checkup::{Own, OwnListing};
use crate::policy::lists::{About, Answer, DnsList, Verdict};
use crate::policy::records::Gateway;

/// Addresses that are asked for.
const MAX_ADDRESSES: usize = 8;

impl Outside {
    /// Each list, those that are `configured` among them: of addresses about ours, of domains about our name. That it does not
    /// answer our resolver a list says to any question.
    pub async fn own_listings(&self, gateway: &Gateway, configured: &[DnsList]) -> Vec<OwnListing> {
        let usual = self.settings.probes.lists.iter().filter_map(|list| DnsList::parse(list).ok());
        let mut lists: Vec<DnsList> = usual.chain(configured.iter().cloned()).collect();
        lists.dedup();
        let of = |about: About| lists.iter().filter(move |list| list.about == about);
        let addresses = gateway.addresses.iter().take(MAX_ADDRESSES);
        let by_address =
            addresses.flat_map(|address| of(About::Addresses).map(|list| self.about_address(*address, list)));
        let by_name = of(About::Domains).map(|list| self.about_name(&gateway.hostname, list));
        let (mut all, names) = in_time(join(join_all(by_address), join_all(by_name))).await.unwrap_or_default();
        all.extend(names);
        all
    }

    async fn about_address(&self, address: IpAddr, list: &DnsList) -> OwnListing {
        let said = self.answer(list.question_about(address)).await;
        OwnListing { list: list.to_string(), about: Own::Address(address), said }
    }

    async fn about_name(&self, name: &Domain, list: &DnsList) -> OwnListing {
        let said = self.answer(list.question_about_domain(name)).await;
        OwnListing { list: list.to_string(), about: Own::Name(name.to_string()), said }
    }

    async fn answer(&self, question: Option<Domain>) -> Verdict {
        match question {
            Some(question) => self.listing(&question).await,
            None => Verdict::Unknown("the name is too long to be asked for".to_owned()),
        }
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
