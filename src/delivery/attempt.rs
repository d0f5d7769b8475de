//! One attempt to deliver a parcel: a warm connection if there is one, else the hosts by preference and their addresses,
//! and for each addressee an outcome and what the log keeps of it.
//!
//! A warm connection that fails before our final dot is replaced once and blames nobody: servers close idle ones as they
//! like. After the dot nothing is tried again within the attempt.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::connection::{Connection, Peer};
use super::content::{self, Sealed};
use super::courier::Shared;
use super::dial::Call;
use super::exchangers::{Hop, Way};
use super::failure::{Blame, Failure, patience, stage};
use super::fates::Fates;
use super::outfit::Outfit;
use super::site::Slot;
use super::{Parcel, Report, addresses};
use crate::mail::wishes::Notify;
use crate::mail::{Host, Mailbox};
use crate::policy::verdict::{Fault, Outcome, Sender, Stage, judge_from};
use crate::smtp::client::{CLOSING, Capabilities, Phase, Plan, Recipient, Transaction, TransactionStep, Verdict};
use crate::smtp::reply::Reply;
use crate::store::directory::Directory;

/// Addresses that one attempt connects to at most (Postfix: 5).
const MAX_ADDRESSES: usize = 5;
/// Sessions that one attempt opens at most (Postfix: 2).
const MAX_SESSIONS: usize = 2;

/// An attempt to be made.
#[derive(Debug)]
pub(super) struct Job {
    /// What is shared.
    pub(super) shared: Arc<Shared>,
    /// Made with.
    pub(super) outfit: Arc<Outfit>,
    /// Where to.
    pub(super) way: Arc<Way>,
    /// The right to one connection, at a time: other parcels of the message may have it next.
    pub(super) slot: Arc<Slot>,
    /// What.
    pub(super) parcel: Arc<Parcel>,
    /// Set when the final dot is being written.
    pub(super) sent: Arc<AtomicBool>,
    /// How long connecting may take.
    pub(super) connect: Duration,
}

/// Makes it.
pub(super) async fn run(job: Job) -> Report {
    let fates = Fates::new(Arc::clone(&job.parcel), job.shared.tools.clock.clone());
    let mut run = Run { job, fates, sealed: None, spoke: false, without_chunks: false };
    run.over_hosts().await;
    run.finish()
}

struct Run {
    job: Job,
    fates: Fates,
    sealed: Option<Sealed>,
    /// A host let us say RCPT: the site is well.
    spoke: bool,
    /// It turned out that the host knows no BDAT: it is called once more.
    without_chunks: bool,
}

impl Run {
    async fn over_hosts(&mut self) {
        let order = self.order();
        if let Some(connection) = self.warm(&order)
            && (self.session(connection, Warmth::Warm).await.is_ok() || self.fates.are_decided())
        {
            return;
        }
        // Who is called next knows already that the host of the warm one takes no chunks.
        self.without_chunks = false;
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
                if self.session(connection, Warmth::Fresh).await.is_ok() || self.fates.are_decided() {
                    return;
                }
                if self.without_chunks(&hop.host, ip).await {
                    return;
                }
                // A host that broke off a session is left with all its addresses.
                break;
            }
        }
    }

    /// Once more to a host that has just shown that it knows no BDAT; true where all is decided then.
    async fn without_chunks(&mut self, host: &Host, ip: IpAddr) -> bool {
        if !std::mem::take(&mut self.without_chunks) {
            return false;
        }
        let Some(connection) = self.dial(host, ip).await else { return false };
        self.session(connection, Warmth::Fresh).await.is_ok() || self.fates.are_decided()
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

    async fn addresses(&mut self, host: &Host) -> Vec<IpAddr> {
        match addresses::of(&self.job.shared.dns, host, self.job.way.found).await {
            Ok(found) => found,
            Err(failure) => {
                self.fates.failed(&failure, host, None);
                Vec::new()
            }
        }
    }

    async fn dial(&mut self, host: &Host, ip: IpAddr) -> Option<Connection> {
        self.job.way.site.make_room();
        let call = Call { way: &self.job.way, host, ip, policy: self.job.parcel.tls, limit: self.job.connect };
        match self.job.outfit.dialer.dial(call).await {
            Ok(connection) => Some(connection),
            Err(failure) => {
                if failure.stage == Stage::Connect {
                    self.job.way.site.host_failed(host);
                }
                self.fates.failed(&failure, host, Some(&Peer { host: host.clone(), ip, tls: None, note: None }));
                None
            }
        }
    }

    /// Sends to all who have no outcome yet; an error means that the host is to be left.
    async fn session(&mut self, mut connection: Connection, warmth: Warmth) -> Result<(), ()> {
        if connection.offered.chunking && !self.job.way.site.takes_chunks(&connection.peer.host) {
            connection.offered = Arc::new(Capabilities { chunking: false, ..(*connection.offered).clone() });
        }
        self.refuse_unsendable(&connection);
        while !self.fates.are_decided() {
            if connection.is_used_up() {
                self.fates.failed(&used_up(), &connection.peer.host.clone(), Some(&connection.peer));
                connection.quit();
                return Err(());
            }
            if let Err(failure) = self.transaction(&mut connection).await {
                let blameless = warmth == Warmth::Warm && failure.stage != Stage::Dot;
                if !blameless {
                    self.fates.failed(&failure, &connection.peer.host.clone(), Some(&connection.peer));
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
        let open = self.fates.open().take(most).collect::<Vec<_>>();
        let recipients = open.iter().map(|index| recipient(&parcel, *index)).collect::<Vec<_>>();
        let id = offered_reports(connection, &parcel).then(|| parcel.id.to_string());
        let offered = Arc::clone(&connection.offered);
        let plan = Plan {
            reverse_path: &parcel.reverse_path,
            recipients: &recipients,
            envelope_id: id.as_deref(),
            octets: octets(&parcel),
            eight_bit: parcel.message.eight_bit,
            international: is_international(&parcel) || recipients.iter().any(|r| r.mailbox.is_international()),
            offered: &offered,
            reset_first: connection.reset_first,
        };
        connection.transactions += 1;
        let mut transaction = Transaction::start(plan, &mut connection.out);
        let ended = self.drive(&mut transaction, connection).await;
        connection.reset_first = !transaction.is_clean();
        connection.is_closing |= transaction.is_closing();
        self.spoke |= transaction.phase() > Phase::Mail;
        let mut verdicts = transaction.verdicts();
        let is_unknown = offered.chunking && verdicts.iter().any(knows_no_chunks);
        if is_unknown {
            verdicts.iter_mut().filter(|verdict| knows_no_chunks(verdict)).for_each(|verdict| *verdict = None);
            self.judge(&open, verdicts, &connection.peer);
            return Err(self.leave_without_chunks(connection));
        }
        let left = self.judge(&open, verdicts, &connection.peer);
        ended.and_then(|()| left.map_or(Ok(()), Err))
    }

    /// A host that knows no BDAT has read the chunk as commands: this connection is good for nothing more, and nobody has the
    /// message.
    fn leave_without_chunks(&mut self, connection: &Connection) -> Failure {
        self.job.way.site.knows_no_chunks(&connection.peer.host);
        self.job.sent.store(false, Ordering::Release);
        (self.sealed, self.without_chunks) = (None, true);
        Failure {
            blame: Blame::Us,
            ..Failure::silent(Stage::Content, "the next hop offers CHUNKING and knows no BDAT")
        }
    }

    async fn drive(&mut self, transaction: &mut Transaction<'_>, connection: &mut Connection) -> Result<(), Failure> {
        let timeouts = &self.job.outfit.settings.timeouts;
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
                    connection.fill(stage, limit, self.job.shared.tools.clock.instant()).await?;
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
                    self.fates.decide(*index, judge_from(stage(phase), reply, sender), peer)
                }
                Some(Verdict::Taken(reply)) => self.fates.decide(*index, Outcome::Delivered { reply }, peer),
                Some(Verdict::Left) | None => {}
            }
        }
        left
    }

    /// What this next hop can never be given (RFC 6531 §3.6, RFC 1870 §6).
    fn refuse_unsendable(&mut self, connection: &Connection) {
        let offered = &connection.offered;
        let octets = octets(&self.job.parcel);
        let too_large = offered.max_octets.filter(|most| octets > *most);
        let all = is_international(&self.job.parcel);
        for index in self.fates.open().collect::<Vec<_>>() {
            let one = self.job.parcel.addressees[index].mailbox.is_international();
            let reply = match (too_large, (all || one) && !offered.international) {
                (Some(most), _) => {
                    let why = format!("the message has {octets} octets, and the next hop takes {most}");
                    Reply::new(552, 3, 4, why)
                }
                (_, true) => {
                    Reply::new(553, 6, 7, "the next hop takes no international addresses or header (SMTPUTF8)")
                }
                _ => continue,
            };
            let outcome = Outcome::Refused { stage: Stage::Hello, reply, fault: Fault::Message };
            self.fates.decide(index, outcome, &connection.peer);
        }
    }

    fn put_back(&self, connection: Connection) {
        let settings = &self.job.outfit.settings;
        let is_outdated = !Arc::ptr_eq(&self.job.outfit, &self.job.shared.outfit.load());
        let worn = connection.transactions >= settings.messages_per_connection || connection.is_used_up();
        if is_outdated || connection.is_closing || worn {
            return connection.quit();
        }
        self.job.way.site.keep(connection, settings.timeouts.idle);
    }

    fn finish(self) -> Report {
        let Self { job, fates, sealed, spoke, .. } = self;
        // The connection lies in the pool or is closed: the next one may go.
        let era = job.slot.era();
        let Job { shared, way, parcel, slot, .. } = job;
        drop(slot);
        let (site, tools) = (&way.site, &shared.tools);
        fates.decided().for_each(|(mailbox, outcome)| remember(&tools.store.directory, mailbox, outcome));
        let report = fates.into_report(sealed);
        heed(&shared, &way, (&parcel, &report));
        if report.outcomes.iter().any(|(_, outcome)| speaks_of_site(outcome)) {
            site.deferred(era, &tools.instance.load().retry, |wait| tools.chance.jitter(wait));
        } else if spoke {
            site.is_well();
        }
        report
    }
}

/// One of them is enough: all are of one domain.
fn heed(shared: &Shared, way: &Way, (parcel, report): (&Parcel, &Report)) {
    let host = parcel.addressees.first().map(|to| to.mailbox.host()).filter(|_| way.is_guarded());
    let proof = report.outcomes.iter().map(|(_, outcome)| outcome).find(|outcome| outcome.proves_of_domain().is_some());
    if let (Some(host), Some(outcome)) = (host, proof) {
        shared.heed(host, outcome);
    }
}

/// What RCPT is to know of a destination before the next mail for it comes.
fn remember(directory: &Directory, mailbox: &Mailbox, outcome: &Outcome) {
    if let Outcome::Delivered { .. } = outcome {
        directory.forget_failing(mailbox);
    } else if let Some(reply) = outcome.mailbox_fault() {
        directory.remember_failing(mailbox, reply.clone());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Warmth {
    Warm,
    Fresh,
}

/// What nobody is told of by a report, is not asked to be reported.
fn recipient(parcel: &Parcel, index: usize) -> Recipient<'_> {
    let to = &parcel.addressees[index];
    let notify = if parcel.reverse_path.is_null() { Notify::Never } else { to.notify };
    Recipient { mailbox: &to.mailbox, original: to.original.as_ref(), notify }
}

/// Whether a report would find back to us.
fn offered_reports(connection: &Connection, parcel: &Parcel) -> bool {
    connection.offered.dsn && !parcel.reverse_path.is_null()
}

/// Whether a chunk was answered as a command that is unknown, not implemented, or out of sequence (RFC 5321 §4.2.4).
fn knows_no_chunks(verdict: &Option<Verdict>) -> bool {
    matches!(verdict, Some(Verdict::Refused(Phase::Dot, reply)) if matches!(reply.code(), 500 | 502 | 503))
}

/// Nobody's fault: the rest goes over the next connection.
fn used_up() -> Failure {
    Failure { blame: Blame::Us, ..Failure::silent(Stage::Mail, "the next hop takes no more over one connection") }
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
