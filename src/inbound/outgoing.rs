//! What goes out for a message: each delivery with its reverse-path, rewritten once and for all, and its prefix; then
//! packed into parcels, one transaction with a next hop each.

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
    let mut packed: Vec<Packed> = Vec::new();
    for (index, delivery) in outgoing.iter().enumerate() {
        if let Some(there) = packed.iter_mut().find(|packed| travels_with(delivery, &packed.parcel)) {
            Addressee::join(&mut there.parcel.addressees, addressee(arrival, delivery));
            there.deliveries.push(index);
            continue;
        }
        let parcel = Parcel {
            message: Arc::clone(&message),
            id: arrival.id,
            prefix: delivery.prefix.clone(),
            reverse_path: delivery.reverse_path.clone(),
            addressees: vec![addressee(arrival, delivery)],
            tls: delivery.tls,
        };
        packed.push(Packed { parcel, deliveries: vec![index] });
    }
    packed
}

fn addressee(arrival: &Arrival, delivery: &Outgoing) -> Addressee {
    let of_alias = (&arrival.taken[delivery.taken].0, &arrival.wishes[delivery.taken]);
    Addressee::of(delivery.id, &delivery.destination, of_alias)
}

fn travels_with(delivery: &Outgoing, parcel: &Parcel) -> bool {
    parcel.addressees.first().is_some_and(|first| first.mailbox.host() == delivery.destination.host())
        && parcel.tls == delivery.tls
        && parcel.reverse_path == delivery.reverse_path
        && parcel.prefix == delivery.prefix
}
