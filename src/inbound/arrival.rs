//! A whole message and all that is known of it: gathered once, at the end of data, for every decision after it.

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::body::Arrived;
use super::returned::Returned;
use super::transaction::{Spf, Transaction};
use super::{Tools, auth_fields};
use crate::auth::Authenticator;
use crate::mail::trace_fields::Protocol;
use crate::mail::wishes::{RecipientWishes, Wishes};
use crate::mail::{Mailbox, Moment, ReversePath};
use crate::policy::admission::Decision;
use crate::policy::facts::{AuthFacts, ConnectFacts, DkimFacts, MessageFacts, SpfFacts, SpfResult};
use crate::policy::report;
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
        let auth =
            AuthFacts { spf: spf(transaction, checks_until).await, dkim: dkim(tools, &body, checks_until).await? };
        let taken = std::mem::take(&mut transaction.taken);
        let decisions = taken.iter().map(|(_, decision)| decision);
        let facts = tools.facts.message(transaction.from(), body.header.clone(), (auth, checks_until), decisions).await;
        let shown = tools.facts.instance.load().authentication_results;
        Ok(Self {
            id: transaction.id,
            received_at: tools.clock.now(),
            connect: connect.clone(),
            reportable: report::reportable(transaction.from(), &facts.auth, &facts),
            authentication_results: shown.then(|| auth_fields::results(&facts, connect)),
            mail: transaction.mail.clone(),
            protocol: transaction.protocol,
            wishes: std::mem::take(&mut transaction.wishes),
            taken,
            body,
            facts,
            returned: None,
        })
    }

    pub(super) const fn from(&self) -> &ReversePath {
        &self.mail.from
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

async fn spf(transaction: &mut Transaction, until: Instant) -> Option<SpfFacts> {
    match &mut transaction.take_spf() {
        Spf::Unasked => None,
        Spf::Known(facts) => Some(facts.clone()),
        Spf::Asking(handle) => match timeout_at(until, handle).await {
            Ok(joined) => joined.ok(),
            Err(_) => Some(SpfFacts {
                result: SpfResult::TempError,
                domain: transaction.from().domain().map(ToString::to_string).unwrap_or_default(),
                by_plus_all: false,
            }),
        },
    }
}

/// Only a signed message costs anything; one in a file is read back for it.
async fn dkim(tools: &Tools, body: &Arrived, until: Instant) -> Result<Vec<DkimFacts>, StoreError> {
    if !body.header.signed {
        return Ok(Vec::new());
    }
    if let Octets::Memory(octets) = &body.octets {
        return Ok(tools.facts.auth.dkim(octets, until).await);
    }
    let share = body.octets.len().min(MAX_READ_BACK_OCTETS).div_ceil(READ_BACK_UNIT);
    let room = tools.read_back.acquire_many(u32::try_from(share).unwrap_or(u32::MAX));
    let Ok(_room) = timeout_at(until, room).await else {
        return Ok(Authenticator::unverified(&body.octets.read(0).await?));
    };
    let whole = whole(&body.octets).await?;
    Ok(tools.facts.auth.dkim(&whole, until).await)
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
