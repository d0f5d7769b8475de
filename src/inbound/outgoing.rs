//! What goes out for a message: each delivery with its reverse-path, rewritten once and for all, and its prefix; then
//! packed into parcels, one transaction with a next hop each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::Tools;
use super::arrival::Arrival;
use crate::delivery::{Addressee, Message, Parcel};
use crate::mail::trace_fields::TraceFields;
use crate::mail::{Host, Mailbox, ReversePath};
use crate::policy::alignment::Rewrite;
use crate::policy::routing::Planned;
use crate::policy::settings::TlsPolicy;
use crate::srs::Signed;
use crate::store::{Result, StoreError};

/// One recipient's mail to one destination: one row of the log, one delivery.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) id: Uuid,
    /// Which recipient of the transaction.
    pub(super) taken: usize,
    pub(super) destination: Mailbox,
    pub(super) reverse_path: ReversePath,
    pub(super) prefix: Bytes,
    pub(super) tls: TlsPolicy,
}

/// Writes reverse-path and prefix of all that was planned.
pub(super) async fn write(tools: &Tools, arrival: &Arrival, planned: Vec<Planned>) -> Result<Vec<Outgoing>> {
    let mut outgoing = Vec::with_capacity(planned.len());
    for plan in planned {
        let reverse_path = reverse_path(tools, arrival, &plan.srs_on).await?;
        let prefix = prefix(tools, arrival, &plan);
        for taken in plan.recipients {
            outgoing.push(Outgoing {
                id: tools.chance.id(arrival.received_at),
                taken,
                destination: plan.destination.clone(),
                reverse_path: reverse_path.clone(),
                prefix: prefix.clone(),
                tls: plan.tls,
            });
        }
    }
    Ok(outgoing)
}

/// The null path stays null, a sender on a hosted domain stays (it was proved on entry), everybody else is signed.
async fn reverse_path(tools: &Tools, arrival: &Arrival, rewrite: &Rewrite) -> Result<ReversePath> {
    let from = arrival.from();
    let (Rewrite::On(domain), Some(sender)) = (rewrite, from.mailbox()) else { return Ok(from.clone()) };
    if arrival.facts.sender_is_hosted {
        return Ok(from.clone());
    }
    let ring = tools.facts.ring.load();
    let day = arrival.received_at.day();
    let local = match ring.sign(sender, day) {
        Signed::Local(local) => local,
        Signed::TooLong => {
            let token = tools.store.queue.store_token(sender, arrival.received_at).await?;
            let signed = sender.domain().or(Some(domain)).and_then(|shown| ring.sign_token(shown, &token, day));
            signed.ok_or_else(|| StoreError::Invalid("the sender does not fit into an SRS address".to_owned()))?
        }
    };
    Ok(ReversePath::Mailbox(Mailbox::new(local, Host::Name(domain.clone()))))
}

fn prefix(tools: &Tools, arrival: &Arrival, plan: &Planned) -> Bytes {
    let settings = tools.settings.load();
    let id = arrival.id.to_string();
    let fields = TraceFields {
        host: &settings.session.hostname,
        helo: &arrival.connect.helo,
        peer: arrival.connect.peer,
        protocol: arrival.protocol,
        id: &id,
        at: arrival.received_at,
        authentication_results: arrival.authentication_results.as_deref(),
        delivered_to: &plan.delivered_to,
        forwarded: plan.forwarded_headers.then_some((&plan.destination, arrival.from())),
    };
    fields.prefix()
}

/// A parcel and the deliveries in it.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) parcel: Parcel,
    pub(super) deliveries: Vec<usize>,
}

/// Deliveries with equal host, TLS policy, reverse-path and prefix travel together; nobody sees another's alias.
pub(super) fn pack(arrival: &Arrival, outgoing: &[Outgoing]) -> Vec<Packed> {
    let message = Arc::new(Message {
        octets: arrival.body.octets.clone(),
        eight_bit: arrival.mail.eight_bit || arrival.body.eight_bit,
        international: arrival.is_international(),
    });
    let parcel = |deliveries: Vec<usize>| {
        let first = &outgoing[deliveries[0]];
        let mut addressees = Vec::with_capacity(deliveries.len());
        for delivery in deliveries.iter().map(|index| &outgoing[*index]) {
            Addressee::join(&mut addressees, addressee(arrival, delivery));
        }
        let parcel = Parcel {
            message: Arc::clone(&message),
            id: arrival.id,
            prefix: first.prefix.clone(),
            reverse_path: first.reverse_path.clone(),
            addressees,
            tls: first.tls,
        };
        Packed { parcel, deliveries }
    };
    let keys = outgoing.iter().map(|d| (d.destination.host(), d.tls, &d.reverse_path, &d.prefix));
    alike(keys).into_iter().map(parcel).collect()
}

fn addressee(arrival: &Arrival, delivery: &Outgoing) -> Addressee {
    let of_alias = (&arrival.taken[delivery.taken].0, &arrival.wishes[delivery.taken]);
    Addressee::of(delivery.id, &delivery.destination, of_alias)
}

/// The places of equal keys together, in the order of their first; none is compared with all others.
fn alike<K: Eq + Hash>(keys: impl ExactSizeIterator<Item = K>) -> Vec<Vec<usize>> {
    if keys.len() == 1 {
        return vec![vec![0]];
    }
    let mut groups = Vec::<Vec<usize>>::new();
    let mut known = HashMap::<K, usize>::new();
    for (index, key) in keys.enumerate() {
        match known.entry(key) {
            Entry::Occupied(group) => groups[*group.get()].push(index),
            Entry::Vacant(new) => {
                new.insert(groups.len());
                groups.push(vec![index]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::Hasher;

    use super::*;

    /// A key that counts how often it is compared.
    struct Counted<'c>(usize, &'c Cell<usize>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counted<'_> {}

    impl Hash for Counted<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn equal_keys_lie_together_in_the_order_of_their_first() {
        assert_eq!(alike(["b", "a", "b", "c", "a"].into_iter()), [vec![0, 2], vec![1, 4], vec![3]]);
        assert_eq!(alike(["a"].into_iter()), [vec![0]]);
        assert!(alike(std::iter::empty::<u8>()).is_empty());
    }

    /// A hundred recipients of a hundred destinations each.
    #[test]
    fn ten_thousand_parcels_are_packed_in_ten_thousand_steps() {
        let compared = Cell::new(0);
        let keys = (0..10_000).map(|index| Counted(index / 2, &compared));
        assert_eq!(alike(keys).len(), 5_000);
        assert!(compared.get() < 20_000, "{} comparisons", compared.get());
    }
}
