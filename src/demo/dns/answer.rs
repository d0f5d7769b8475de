//! Turns the octets of a question into those of its answer, out of a zone.

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::zone::{Asked, Data, Failure, Zone, key};

/// CNAME records followed in one answer.
const MAX_CHAIN: usize = 8;

/// How the question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// What is sent back.
#[derive(Debug)]
pub(super) enum Answer {
    Octets(Vec<u8>),
    Silence,
}

/// Answers one question; what is no question gets silence.
pub(super) fn to(question: &[u8], zone: &mut Zone, transport: Transport) -> Answer {
    let Ok(message) = Message::from_vec(question) else { return Answer::Silence };
    let Some(query) = message.queries.first().cloned() else { return Answer::Silence };
    let name = spelled(query.name());
    zone.asked.push(Asked { name: key(&name), kind: query.query_type().to_string() });

    let mut reply = Message::response(message.metadata.id, message.metadata.op_code);
    reply.metadata.recursion_desired = message.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_query(query.clone());
    let has_answer = || !records_of(query.name(), query.query_type(), zone).0.is_empty();
    match zone.failure(&name, has_answer) {
        Some(Failure::Timeout) => return Answer::Silence,
        Some(Failure::Garbage) => return Answer::Octets(b"no DNS message at all".to_vec()),
        Some(Failure::ServFail) => reply.metadata.response_code = ResponseCode::ServFail,
        Some(Failure::Refused) => reply.metadata.response_code = ResponseCode::Refused,
        Some(Failure::Truncate) if transport == Transport::Udp => reply.metadata.truncation = true,
        Some(Failure::WrongId) => {
            reply.metadata.id = reply.metadata.id.wrapping_add(1);
            fill(&mut reply, &query, zone);
        }
        Some(Failure::Truncate) | None => fill(&mut reply, &query, zone),
    }
    reply.to_vec().map_or(Answer::Silence, Answer::Octets)
}

fn fill(reply: &mut Message, query: &Query, zone: &Zone) {
    let mut owner = query.name().clone();
    for _ in 0..MAX_CHAIN {
        let (found, next) = records_of(&owner, query.query_type(), zone);
        let found_any = !found.is_empty();
        reply.add_answers(found);
        match next {
            Some(target) => owner = target,
            None if found_any => return,
            None => break,
        }
    }
    if !zone.exists(&spelled(&owner)) {
        reply.metadata.response_code = ResponseCode::NXDomain;
    }
    if !zone.is_without_soa {
        reply.add_authority(soa(zone.ttl));
    }
}

/// The records of `owner` that answer `kind`, and where its alias leads if it is one.
fn records_of(owner: &Name, kind: RecordType, zone: &Zone) -> (Vec<Record>, Option<Name>) {
    let mut found = Vec::new();
    let mut next = None;
    for data in zone.records(&spelled(owner)).iter().filter_map(rdata) {
        if let RData::CNAME(CNAME(target)) = &data
            && kind != RecordType::CNAME
        {
            next = Some(target.clone());
        } else if data.record_type() != kind {
            continue;
        }
        found.push(Record::from_rdata(owner.clone(), zone.ttl, data));
    }
    (found, next)
}

/// A value whose names are malformed is no record: the question gets NODATA.
fn rdata(data: &Data) -> Option<RData> {
    Some(match data {
        Data::Mx(preference, host) => RData::MX(MX::new(*preference, absolute(host)?)),
        Data::A(address) => RData::A(A(*address)),
        Data::Aaaa(address) => RData::AAAA(AAAA(*address)),
        Data::Txt(strings) => RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect())),
        Data::Cname(target) => RData::CNAME(CNAME(absolute(target)?)),
        Data::Ptr(host) => RData::PTR(PTR(absolute(host)?)),
        Data::Ns(host) => RData::NS(NS(absolute(host)?)),
    })
}

/// Any octets make a label, as they do in DNS.
fn absolute(name: &str) -> Option<Name> {
    let labels = name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
    let mut name = Name::from_labels(labels).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The name as the zone has it: nothing is escaped.
fn spelled(name: &Name) -> String {
    let labels: Vec<_> = name.iter().map(String::from_utf8_lossy).collect();
    labels.join(".")
}

fn soa(ttl: u32) -> Record {
    let data = SOA::new(Name::root(), Name::root(), 1, 3600, 600, 86_400, ttl);
    Record::from_rdata(Name::root(), ttl, RData::SOA(data))
}
