//! `?sort=`: in which order a list is. A word that is none of a list's orders is a wrong field, and the answer names them.

use utoipa::{IntoParams, ToSchema};

use crate::admin::{AdminError, Order};
use crate::http::problem::Problem;

use super::Ask;

/// The words of a list, the usual one first.
pub(super) type Orders = &'static [(&'static str, Order)];

/// Of domains.
pub(super) const DOMAINS: Orders = &[
    ("name", Order::Name),
    ("-name", Order::NameBackwards),
    ("created_at", Order::Oldest),
    ("-created_at", Order::Newest),
];
/// Of aliases.
pub(super) const ALIASES: Orders = &[
    ("-created_at", Order::Newest),
    ("created_at", Order::Oldest),
    ("address", Order::Name),
    ("-address", Order::NameBackwards),
    ("-last_mail_at", Order::LastMail),
];
/// Of destinations.
pub(super) const DESTINATIONS: Orders = &[
    ("address", Order::Name),
    ("-address", Order::NameBackwards),
    ("created_at", Order::Oldest),
    ("-created_at", Order::Newest),
];
/// Of lists that have but one order.
pub(super) const LATEST: Orders = &[("-received_at", Order::Usual)];
pub(super) const FIRST_CAME: Orders = &[("received_at", Order::Usual)];
pub(super) const LATEST_CHANGE: Orders = &[("-at", Order::Usual)];
pub(super) const FIRST_MADE: Orders = &[("created_at", Order::Usual)];

impl Ask {
    /// The order that is asked for, else the usual one.
    pub(super) fn sort(&self, orders: Orders) -> Result<Order, Problem> {
        let Some(word) = self.word("sort") else { return Ok(Order::Usual) };
        let found = orders.iter().find(|(known, _)| *known == word).map(|(_, order)| *order);
        found.ok_or_else(|| {
            let words: Vec<_> = orders.iter().map(|(word, _)| *word).collect();
            let detail = format!("this list has no such order: write one of {}", words.join(", "));
            AdminError::field("sort", detail).into()
        })
    }
}

/// Describes what [`Ask::sort`] takes: the words of one list.
macro_rules! described {
    ($parameter:ident, $order:ident: $about:literal, $($name:ident = $word:literal),+) => {
        #[derive(Debug, IntoParams)]
        #[into_params(parameter_in = Query)]
        #[expect(dead_code, reason = "describes what Ask::sort takes")]
        pub(super) struct $parameter {
            #[doc = $about]
            #[param(inline)]
            sort: Option<$order>,
        }

        #[derive(Debug, ToSchema)]
        #[expect(dead_code, reason = "describes what Ask::sort takes")]
        enum $order {
            $(#[schema(rename = $word)] $name,)+
        }
    };
}
described!(SortDomains, DomainOrder: "By name, or as they were made; a minus turns it round.",
    Name = "name", NameBackwards = "-name", Oldest = "created_at", Newest = "-created_at");
described!(SortAliases, AliasOrder: "Newest first; as they were made; by domain and address; by their \
    last mail, without those that never had any. An order other than the newest first may be narrowed by `domain`, and by other \
    filters where these leave 500 aliases at most and find them soon; else the answer is 422.",
    Newest = "-created_at", Oldest = "created_at", Address = "address", AddressBackwards = "-address",
    LastMail = "-last_mail_at");
described!(SortDestinations, DestinationOrder: "By address, or as they were made; a minus turns it round.",
    Address = "address", AddressBackwards = "-address", Oldest = "created_at", Newest = "-created_at");
described!(SortActivity, ActivityOrder: "The order that there is: newest first.", Latest = "-received_at");
described!(SortQueue, QueueOrder: "The order that there is: what has waited longest.", FirstCame = "received_at");
described!(SortAudit, AuditOrder: "The order that there is: newest first.", LatestChange = "-at");
described!(SortUsers, UserOrder: "The order that there is: as they were made.", FirstMade = "created_at");
