//! A whole message and all that is known of it: gathered once, at the end of data, for every decision after it.

use bytes::Bytes;
use futures_util::future::join;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::body::Arrived;
use super::returned::Returned;
use super::transaction::{Spf, Transaction};
use super::{Tools, auth_fields};
use crate::auth::{Asked, Content};
use crate::facts::Pledge;
use crate::mail::trace_fields::Protocol;
use crate::mail::wishes::{RecipientWishes, Wishes};
use crate::mail::{Domain, Mailbox, Moment, ReversePath};
use crate::policy::admission::{AfterData, Decision, Disposition};
use crate::policy::facts::{AuthFacts, ConnectFacts, MessageFacts, SpfFacts, SpfResult};
use crate::policy::report;
use crate::policy::settings::Enforcement;
use crate::smtp::command::MailCommand;
use crate::store::StoreError;
use crate::store::octets::Octets;

/// Octets of spooled messages that are read back for verifying at the same time, in all: however many clients send large
/// signed messages at once, memory stays bounded.
const MAX_READ_BACK_OCTETS: u64 = 64 << 20;
/// Octets for which one permit is taken.
const READ_BACK_UNIT: u64 = 1024;

/// The permits for reading back.
pub(super) fn read_back() -> Semaphore {
    Semaphore::new(usize::try_from(MAX_READ_BACK_OCTETS / READ_BACK_UNIT).unwrap_or(usize::MAX))
}

/// A message that has arrived, with its facts.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) id: Uuid,
    pub(super) received_at: Moment,
    pub(super) connect: ConnectFacts,
    pub(super) mail: MailCommand,
    pub(super) protocol: Protocol,
    pub(super) taken: Vec<(Mailbox, Decision)>,
    /// What is to be told of each of them, in the same order.
    pub(super) wishes: Vec<RecipientWishes>,
    pub(super) body: Arrived,
    pub(super) facts: MessageFacts,
    /// Whether the sender may be told of a failure later (decided here, stored with each delivery).
    pub(super) reportable: bool,
    /// The body of Authentication-Results.
    pub(super) authentication_results: Option<String>,
    /// What it reports of mail that went out before, where it is a report.
    pub(super) returned: Option<Box<Returned>>,
    /// The gateway itself wrote it, and asks nobody to vouch for it.
    pub(super) is_own: bool,
    /// Held until it is counted.
    _pledges: Vec<Pledge>,
}

impl Arrival {
    /// Finishes the body and asks the checks, which share the time until `checks_until`.
    pub(super) async fn gather(
        tools: &Tools,
        connect: &ConnectFacts,
        transaction: &mut Transaction,
        checks_until: Instant,
    ) -> Result<Self, StoreError> {
        let lost = |error: std::io::Error| StoreError::Unwell(format!("spooling failed: {error}"));
        let body = transaction.body.take().ok_or_else(|| lost(std::io::ErrorKind::StorageFull.into()))?;
        let body = body.finish().await.map_err(lost)?;
        let is_own = tools.facts.trials.has(&body.sha256);
        let auth = if is_own {
            AuthFacts::default()
        } else {
            authenticate(tools, transaction, (&body, &connect.helo), checks_until).await?
        };
        let taken = std::mem::take(&mut transaction.taken);
        let decisions = taken.iter().map(|(_, decision)| decision);
        let facts = tools.facts.message(transaction.from(), body.header.clone(), (auth, checks_until), decisions).await;
        let shown = tools.facts.instance.load().authentication_results;
        Ok(Self {
            id: transaction.id,
            received_at: tools.clock.now(),
            connect: connect.clone(),
            reportable: report::reportable(transaction.from(), &facts.auth, &facts),
            authentication_results: (shown && !is_own).then(|| auth_fields::results(&facts, connect)),
            mail: transaction.mail.clone(),
            protocol: transaction.protocol,
            wishes: std::mem::take(&mut transaction.wishes),
            taken,
            body,
            facts,
            returned: None,
            is_own,
            _pledges: std::mem::take(&mut transaction.pledges),
        })
    }

    pub(super) const fn from(&self) -> &ReversePath {
        &self.mail.from
    }

    /// The policies that act now: all recipients agree in them. A report to an SRS address of ours is subject to none, for
    /// it goes nowhere.
    pub(super) fn policies(&self) -> Option<&AfterData> {
        policies(&self.taken)
    }

    /// What the sender wants to hear of the mail to one of those taken.
    pub(super) fn wishes(&self, taken: usize) -> Wishes {
        Wishes { message: self.mail.wishes.clone(), recipient: self.wishes[taken].clone() }
    }

    /// Whether the next hop must speak SMTPUTF8: the client said so and something needs it.
    pub(super) fn is_international(&self) -> bool {
        self.mail.international
            && (self.body.header.eight_bit || self.from().mailbox().is_some_and(Mailbox::is_international))
    }
}

pub(super) fn policies(taken: &[(Mailbox, Decision)]) -> Option<&AfterData> {
    let (_, decision) = taken.first()?;
    (!matches!(decision.disposition, Disposition::Report(_))).then_some(&decision.after_data)
}

/// All checks at the same time, until `until`.
async fn authenticate(
    tools: &Tools,
    transaction: &mut Transaction,
    (body, helo): (&Arrived, &str),
    until: Instant,
) -> Result<AuthFacts, StoreError> {
    let (of_sender, of_greeting) = transaction.take_spf();
    let dmarc = policies(&transaction.taken).map_or(Enforcement::Off, AfterData::strictest_dmarc);
    let domain = transaction.from().domain().map(Domain::as_str).unwrap_or_default();
    let readable = Readable::of(tools, body, until).await?;
    let asked = Asked { content: readable.content(), header: &body.header, dmarc };
    let found = tools.facts.auth.message(&asked, known(of_sender, until, domain), until);
    let (found, spf_helo) = join(found, known(of_greeting, until, helo)).await;
    Ok(AuthFacts { spf_helo, ..found })
}

/// SPF; what is not known at `until` is a temperror of `domain`.
async fn known(spf: Spf, until: Instant, domain: &str) -> Option<SpfFacts> {
    let late = || SpfFacts { result: SpfResult::TempError, domain: domain.to_owned(), by_plus_all: false };
    spf.until(until).await.unwrap_or_else(|| Some(late()))
}

/// The octets for verifying, and their share of memory where they were read back for it.
enum Readable<'a> {
    Unsigned,
    There(&'a [u8]),
    Back { octets: Vec<u8>, _room: SemaphorePermit<'a> },
    Header(Bytes),
}

impl<'a> Readable<'a> {
    /// Only a signed message costs anything; one in a file is read back for it.
    async fn of(tools: &'a Tools, body: &'a Arrived, until: Instant) -> Result<Self, StoreError> {
        if !body.header.signed {
            return Ok(Self::Unsigned);
        }
        if let Octets::Memory(octets) = &body.octets {
            return Ok(Self::There(octets));
        }
        let share = body.octets.len().min(MAX_READ_BACK_OCTETS).div_ceil(READ_BACK_UNIT);
        let room = tools.read_back.acquire_many(u32::try_from(share).unwrap_or(u32::MAX));
        match timeout_at(until, room).await {
            Ok(Ok(_room)) => Ok(Self::Back { octets: whole(&body.octets).await?, _room }),
            _ => Ok(Self::Header(body.octets.read(0).await?)),
        }
    }

    fn content(&self) -> Content<'_> {
        match self {
            Self::Unsigned => Content::Unsigned,
            Self::There(octets) => Content::Whole(octets),
            Self::Back { octets, .. } => Content::Whole(octets),
            Self::Header(octets) => Content::Header(octets),
        }
    }
}

async fn whole(octets: &Octets) -> Result<Vec<u8>, StoreError> {
    let mut whole = Vec::with_capacity(usize::try_from(octets.len()).unwrap_or(0));
    loop {
        let piece = octets.read(whole.len() as u64).await?;
        if piece.is_empty() {
            return Ok(whole);
        }
        whole.extend_from_slice(&piece);
    }
}
