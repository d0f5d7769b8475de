//! One attempt to deliver a parcel: a warm connection if there is one, else the hosts by preference and their addresses,
//! and for each addressee an outcome and what the log keeps of it.
//!
//! A warm connection that fails before our final dot is replaced once and blames nobody: servers close idle ones as they
//! like. After the dot nothing is tried again within the attempt.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use uuid::Uuid;

use super::connection::{Connection, Peer};
use super::content::{self, Sealed};
use super::courier::Shared;
use super::dial::Call;
use super::exchangers::{Found, Hop, Way};
use super::failure::{Failure, patience, stage};
use super::site::Slot;
use super::{Addressee, Parcel, Report};
use crate::mail::{Host, Mailbox, Moment};
use crate::net::resolver::DnsFailure;
use crate::policy::verdict::{Fault, Outcome, Sender, Stage, judge_from};
use crate::smtp::client::{CLOSING, Phase, Plan, Transaction, TransactionStep, Verdict};
use crate::smtp::reply::Reply;
use crate::store::activity::Attempt as AttemptRow;

/// Addresses that one attempt connects to at most (Postfix: 5).
const MAX_ADDRESSES: usize = 5;
/// Sessions that one attempt opens at most (Postfix: 2).
const MAX_SESSIONS: usize = 2;

/// An attempt to be made.
#[derive(Debug)]
pub(super) struct Job {
    /// What is shared.
    pub(super) shared: Arc<Shared>,
    /// Where to.
    pub(super) way: Arc<Way>,
    /// The right to one connection.
    pub(super) slot: Slot,
    /// What.
    pub(super) parcel: Arc<Parcel>,
    /// Set when the final dot is being written.
    pub(super) sent: Arc<AtomicBool>,
    /// How long connecting may take.
    pub(super) connect: Duration,
}

/// Makes it.
pub(super) async fn run(job: Job) -> Report {
    let fates = vec![None; job.parcel.addressees.len()];
    let began = job.shared.tools.clock.now();
    let mut run = Run { job, began, fates, rows: Vec::new(), sealed: None, mildest: None, spoke: false };
    run.over_hosts().await;
    run.finish()
}

struct Run {
    job: Job,
    began: Moment,
    fates: Vec<Option<Outcome>>,
    rows: Vec<(Uuid, AttemptRow)>,
    sealed: Option<Sealed>,
    /// Of the failures so far, the one that counts.
    mildest: Option<Failure>,
    /// A host let us say RCPT: the site is well.
    spoke: bool,
}

impl Run {
    async fn over_hosts(&mut self) {
        let order = self.order();
        if let Some(connection) = self.warm(&order)
            && (self.session(connection, Warmth::Warm).await.is_ok() || self.is_decided())
        {
            return;
        }
        // Apart on the heap: an attempt over a warm connection does not carry the room that this needs.
        Box::pin(self.over_fresh(order)).await;
    }

    async fn over_fresh(&mut self, order: Vec<Hop>) {
        let (mut addresses, mut sessions) = (MAX_ADDRESSES, MAX_SESSIONS);
        for hop in order {
            for ip in self.addresses(&hop.host).await {
                if addresses == 0 || sessions == 0 {
                    return;
                }
                addresses -= 1;
                let Some(connection) = self.dial(&hop.host, ip).await else { continue };
                sessions -= 1;
                if self.session(connection, Warmth::Fresh).await.is_ok() || self.is_decided() {
                    return;
                }
                // A host that broke off a session is left with all its addresses.
                break;
            }
        }
    }

    /// The hosts by preference, equal ones shuffled, those that could not be reached lately last.
    fn order(&self) -> Vec<Hop> {
        let way = &self.job.way;
        if let [only] = way.hops.as_slice() {
            return vec![only.clone()];
        }
        let unreachable = way.site.unreachable(way.hops.iter().map(|hop| &hop.host));
        let mut order = way.hops.iter().cloned().zip(unreachable).collect::<Vec<_>>();
        self.job.shared.tools.chance.shuffle(&mut order);
        order.sort_by_key(|(hop, unreachable)| (*unreachable, hop.preference));
        order.into_iter().map(|(hop, _)| hop).collect()
    }

    /// A warm connection to one of the hosts that would be tried first.
    fn warm(&self, order: &[Hop]) -> Option<Connection> {
        let first = order.first()?.preference;
        let equal = order.iter().take_while(|hop| hop.preference == first);
        equal.into_iter().find_map(|hop| self.job.way.site.warm(&hop.host, self.job.parcel.tls))
    }

    /// The addresses of a host, families in turn so that a family without a way out does not use up the attempt.
    async fn addresses(&mut self, host: &Host) -> Vec<IpAddr> {
        let name = match host {
            Host::Literal(literal) => return vec![literal.0],
            Host::Name(name) => name,
        };
        match self.job.shared.dns.addresses(name).await {
            Ok(found) => in_turn(found),
            Err(failure) => {
                let failure = no_address(host, &failure, self.job.way.found);
                self.failed(&failure, host, None);
                Vec::new()
            }
        }
    }

    async fn dial(&mut self, host: &Host, ip: IpAddr) -> Option<Connection> {
        self.job.way.site.make_room();
        let call = Call { way: &self.job.way, host, ip, policy: self.job.parcel.tls, limit: self.job.connect };
        match self.job.shared.dialer.dial(call).await {
            Ok(connection) => Some(connection),
            Err(failure) => {
                if failure.stage == Stage::Connect {
                    self.job.way.site.host_failed(host);
                }
                self.failed(&failure, host, Some(&Peer { host: host.clone(), ip, tls: None, note: None }));
                None
            }
        }
    }

    /// Sends to all who have no outcome yet; an error means that the host is to be left.
    async fn session(&mut self, mut connection: Connection, warmth: Warmth) -> Result<(), ()> {
        self.refuse_unsendable(&connection);
        while !self.is_decided() {
            if let Err(failure) = self.transaction(&mut connection).await {
                let blameless = warmth == Warmth::Warm && failure.stage != Stage::Dot;
                if !blameless {
                    self.failed(&failure, &connection.peer.host.clone(), Some(&connection.peer));
                }
                return Err(());
            }
        }
        self.put_back(connection);
        Ok(())
    }

    async fn transaction(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let parcel = Arc::clone(&self.job.parcel);
        let most = connection.offered.max_recipients.unwrap_or(usize::MAX);
        let open = (0..self.fates.len()).filter(|index| self.fates[*index].is_none()).take(most).collect::<Vec<_>>();
        let recipients = open.iter().map(|index| &parcel.addressees[*index].mailbox).collect::<Vec<&Mailbox>>();
        let offered = Arc::clone(&connection.offered);
        let plan = Plan {
            reverse_path: &parcel.reverse_path,
            recipients: &recipients,
            octets: octets(&parcel),
            eight_bit: parcel.message.eight_bit,
            international: is_international(&parcel) || recipients.iter().any(|r| r.is_international()),
            offered: &offered,
            reset_first: connection.reset_first,
        };
        let mut transaction = Transaction::start(plan, &mut connection.out);
        let ended = self.drive(&mut transaction, connection).await;
        connection.reset_first = !transaction.is_clean();
        connection.is_closing |= transaction.is_closing();
        self.spoke |= transaction.phase() > Phase::Mail;
        let left = self.judge(&open, transaction.verdicts(), &connection.peer);
        ended.and_then(|()| left.map_or(Ok(()), Err))
    }

    async fn drive(&mut self, transaction: &mut Transaction<'_>, connection: &mut Connection) -> Result<(), Failure> {
        let timeouts = &self.job.shared.settings.timeouts;
        loop {
            match transaction.advance(&mut connection.input, &mut connection.out)? {
                TransactionStep::Done => return Ok(()),
                TransactionStep::Content => {
                    let written = content::write(connection, &self.job.parcel, &self.job.sent, timeouts).await;
                    self.sealed = Some(written?);
                    transaction.content_written();
                }
                TransactionStep::Read => {
                    let (stage, limit) = (stage(transaction.phase()), patience(transaction.phase(), timeouts));
                    connection.flush(stage, limit).await?;
                    connection.fill(stage, limit).await?;
                }
            }
        }
    }

    /// Turns verdicts into outcomes. A 421 before the dot decides nothing: another host may take the message.
    fn judge(&mut self, open: &[usize], verdicts: Vec<Option<Verdict>>, peer: &Peer) -> Option<Failure> {
        let mut left = None;
        let sender = Sender::of(&self.job.parcel.reverse_path);
        for (index, verdict) in open.iter().zip(verdicts) {
            match verdict {
                Some(Verdict::Refused(phase, reply)) if reply.code() == CLOSING && phase < Phase::Dot => {
                    left = Some(Failure {
                        reply: Some(reply),
                        ..Failure::silent(stage(phase), "the next hop is closing")
                    });
                }
                Some(Verdict::Refused(phase, reply)) => {
                    self.decide(*index, judge_from(stage(phase), reply, sender), Some(peer))
                }
                Some(Verdict::Taken(reply)) => self.decide(*index, Outcome::Delivered { reply }, Some(peer)),
                Some(Verdict::Left) | None => {}
            }
        }
        left
    }

    /// What this next hop can never be given (RFC 6531 §3.6, RFC 1870 §6).
    fn refuse_unsendable(&mut self, connection: &Connection) {
        let offered = &connection.offered;
        let too_large = offered.max_octets.is_some_and(|most| octets(&self.job.parcel) > most);
        let all = is_international(&self.job.parcel);
        for index in 0..self.fates.len() {
            let one = self.job.parcel.addressees[index].mailbox.is_international();
            let reply = match (too_large, (all || one) && !offered.international) {
                (true, _) => Reply::new(552, 3, 4, "the message is larger than the next hop takes"),
                (_, true) => {
                    Reply::new(553, 6, 7, "the next hop takes no international addresses or header (SMTPUTF8)")
                }
                _ => continue,
            };
            let outcome = Outcome::Refused { stage: Stage::Mail, reply, fault: Fault::Message };
            self.decide(index, outcome, Some(&connection.peer));
        }
    }

    fn put_back(&self, mut connection: Connection) {
        connection.messages += 1;
        let settings = &self.job.shared.settings;
        if connection.is_closing || connection.messages >= settings.messages_per_connection {
            return connection.quit();
        }
        self.job.way.site.keep(connection, settings.timeouts.idle);
    }

    fn decide(&mut self, index: usize, outcome: Outcome, peer: Option<&Peer>) {
        if self.fates[index].is_none() {
            self.note(index, &outcome, peer);
            self.fates[index] = Some(outcome);
        }
    }

    /// Everybody without an outcome was not served by this host. After the dot that is their outcome.
    fn failed(&mut self, failure: &Failure, host: &Host, peer: Option<&Peer>) {
        let outcome = failure.outcome();
        for index in 0..self.fates.len() {
            if self.fates[index].is_some() {
                continue;
            }
            self.note_at(index, &outcome, (Some(host), peer));
            if failure.stage == Stage::Dot {
                self.fates[index] = Some(outcome.clone());
            }
        }
        if self.mildest.as_ref().is_none_or(|mildest| failure.blame <= mildest.blame) {
            self.mildest = Some(failure.clone());
        }
    }

    fn note(&mut self, index: usize, outcome: &Outcome, peer: Option<&Peer>) {
        self.note_at(index, outcome, (peer.map(|peer| &peer.host).cloned().as_ref(), peer));
    }

    fn note_at(&mut self, index: usize, outcome: &Outcome, (host, peer): (Option<&Host>, Option<&Peer>)) {
        let (word, reply) = in_words(outcome);
        let row = AttemptRow {
            at: self.began,
            mx: host.map(Host::to_string),
            ip: peer.map(|peer| peer.ip),
            tls: peer.and_then(|peer| peer.tls.clone()),
            reply,
            outcome: word.to_owned(),
            note: peer.and_then(|peer| peer.note.clone()),
        };
        let ids = &self.job.parcel.addressees[index].ids;
        self.rows.extend(ids.iter().map(|id| (*id, row.clone())));
    }

    fn is_decided(&self) -> bool {
        self.fates.iter().all(Option::is_some)
    }

    fn finish(self) -> Report {
        let Self { job, fates, rows, sealed, mildest, spoke, .. } = self;
        // The connection lies in the pool or is closed: the next one may go.
        drop(job.slot);
        let open = mildest.as_ref().map_or_else(nobody_to_ask, Failure::outcome);
        let fates = fates.into_iter().map(|fate| fate.unwrap_or_else(|| open.clone()));
        let to_each =
            |(to, fate): (&Addressee, Outcome)| to.ids.iter().map(move |id| (*id, fate.clone())).collect::<Vec<_>>();
        let outcomes = job.parcel.addressees.iter().zip(fates).flat_map(to_each).collect::<Vec<_>>();
        if spoke && !outcomes.iter().any(|(_, outcome)| speaks_of_site(outcome)) {
            job.way.site.is_well();
        } else if outcomes.iter().any(|(_, outcome)| speaks_of_site(outcome)) {
            let tools = &job.shared.tools;
            job.way.site.deferred(&tools.instance.load().retry, |wait| tools.chance.jitter(wait));
        }
        Report {
            outcomes,
            attempts: rows,
            sha256_sent: sealed.map(|sealed| sealed.sha256),
            crlf_added: sealed.is_some_and(|sealed| sealed.crlf_added),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Warmth {
    Warm,
    Fresh,
}

fn octets(parcel: &Parcel) -> u64 {
    parcel.prefix.len() as u64 + parcel.message.octets.len()
}

fn is_international(parcel: &Parcel) -> bool {
    parcel.message.international || parcel.reverse_path.mailbox().is_some_and(Mailbox::is_international)
}

fn speaks_of_site(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred { of_site: true, .. } | Outcome::Refused { fault: Fault::Us, .. })
}

pub(super) fn nobody_to_ask() -> Outcome {
    Failure::silent(Stage::Resolve, "no host of the destination has an address").outcome()
}

/// A domain without MX records and without addresses takes no mail; a host that an MX record names may come back.
fn no_address(host: &Host, failure: &DnsFailure, found: Found) -> Failure {
    let reason = format!("{host}: {failure}");
    match failure {
        DnsFailure::NoSuchName | DnsFailure::NoData if found == Found::ByAddress => {
            Failure::astray(Stage::Resolve, Reply::new(550, 1, 2, "the destination's domain has no mail host"))
        }
        _ => Failure::silent(Stage::Resolve, reason),
    }
}

fn in_turn(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = found.into_iter().partition(IpAddr::is_ipv6);
    let mut ranked = v6.into_iter().enumerate().chain(v4.into_iter().enumerate()).collect::<Vec<_>>();
    // Stable: of equal rank the IPv6 address stays first.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, ip)| ip).collect()
}

/// As an attempt row writes it: a word, and what was said.
fn in_words(outcome: &Outcome) -> (&'static str, String) {
    match outcome {
        Outcome::Delivered { reply } => ("delivered", reply.to_string()),
        Outcome::Refused { reply, .. } => ("refused", reply.to_string()),
        Outcome::Deferred { reply: Some(reply), .. } => ("deferred", reply.to_string()),
        Outcome::Deferred { reason, .. } => ("deferred", reason.clone()),
        Outcome::Unknown { reason } => ("unknown", reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_ipv6_is_first() {
        let found = ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|ip| ip.parse().unwrap()).to_vec();
        let expected: [IpAddr; 3] = ["2001:db8::1", "192.0.2.1", "2001:db8::2"].map(|ip| ip.parse().unwrap());
        assert_eq!(in_turn(found), expected);
    }
}
