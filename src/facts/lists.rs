//! Asks DNS lists, keeps what they say for a while, and knows which of them answer.
//!
//! A list that cannot be asked lists nobody: mail does not wait for a list that is dead, nor does it suffer from one that
//! answers everything. What is wrong with a list is told once; the doctor asks for himself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use moka::sync::Cache;
use tokio::time::{Instant, timeout};

use crate::clock::Clock;
use crate::mail::Domain;
use crate::net::resolver::{Dns, DnsFailure};
use crate::policy::lists::{About, Answer, DnsList, Finding, MAX_LISTS, Verdict};

/// All lists together have so long.
const WITHIN: Duration = Duration::from_secs(4);
/// The words of a list that lists somebody are waited for no longer: they are for the log only.
const WORDS_WITHIN: Duration = Duration::from_secs(1);
/// Characters of a list's words that are kept.
const MAX_WORDS_CHARS: usize = 200;
/// What a list says is kept so long, and no longer than it says itself.
const LISTED_FOR: Duration = Duration::from_secs(300);
/// That nothing is listed is kept so long.
const NOT_LISTED_FOR: Duration = Duration::from_secs(60);
/// Answers that are kept, some 7 MiB of them.
const MAX_KEPT: u64 = 20_000;
/// A list that gave no answer is left alone so long, so that no mail waits for it meanwhile.
const SILENT_PAUSE: Duration = Duration::from_secs(30);
/// A list that we may not ask is left alone so long.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(600);

/// How a list behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// It answers.
    Answers,
    /// It gives no answer, or none of a list.
    Silent,
    /// It says that we may not ask it: too often, or by way of a public resolver.
    Forbidden,
}

/// Asks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lists(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dns: Dns,
    clock: Clock,
    kept: Cache<Domain, (Verdict, Instant)>,
    /// By their zones, with when each was asked last. Never more than were configured lately.
    states: Mutex<BTreeMap<String, (Health, Instant)>>,
}

/// Zones whose state is remembered: those of a few configurations.
const MAX_STATES: usize = 4 * MAX_LISTS;

impl Lists {
    /// Asks by `dns`.
    #[must_use]
    pub fn new(dns: Dns, clock: Clock) -> Self {
        let kept = Cache::builder().max_capacity(MAX_KEPT).time_to_live(LISTED_FOR).build();
        Self(Arc::new(Inner { dns, clock, kept, states: Mutex::default() }))
    }

    /// What the lists of addresses say of a client.
    pub async fn about_client(&self, lists: &[DnsList], client: IpAddr) -> Vec<Finding> {
        self.ask(lists, About::Addresses, |list| list.question_about(client)).await
    }

    /// What the lists of domains say of a sender's.
    pub async fn about_domain(&self, lists: &[DnsList], domain: &Domain) -> Vec<Finding> {
        self.ask(lists, About::Domains, |list| list.question_about_domain(domain)).await
    }

    async fn ask(
        &self,
        lists: &[DnsList],
        about: About,
        question: impl Fn(&DnsList) -> Option<Domain>,
    ) -> Vec<Finding> {
        let asked = lists.iter().filter(|list| list.about == about).map(|list| {
            let question = question(list);
            async move { Finding { list: list.clone(), verdict: self.0.verdict(list, question).await } }
        });
        join_all(asked).await
    }
}

impl Inner {
    async fn verdict(&self, list: &DnsList, question: Option<Domain>) -> Verdict {
        let Some(question) = question else {
            return Verdict::Unknown("the name is too long to be asked for".to_owned());
        };
        let now = self.clock.instant();
        if let Some((verdict, _)) = self.kept.get(&question).filter(|(_, until)| *until > now) {
            return verdict;
        }
        if let Some(verdict) = self.resting(list, now) {
            return verdict;
        }
        let verdict = match timeout(WITHIN, self.look_up(&question)).await {
            Ok((verdict, kept_for)) => {
                self.kept.insert(question, (verdict.clone(), now + kept_for));
                verdict
            }
            Err(_) => Verdict::Unknown(format!("no answer within {} s", WITHIN.as_secs())),
        };
        self.note(list, &verdict);
        verdict
    }

    /// What is said of a list that is left alone.
    fn resting(&self, list: &DnsList, now: Instant) -> Option<Verdict> {
        let states = self.states();
        let (health, asked) = states.get(&list.to_string())?;
        let rested = now.saturating_duration_since(*asked);
        match health {
            Health::Silent if rested < SILENT_PAUSE => {
                Some(Verdict::Unknown("it gave no answer a moment ago".to_owned()))
            }
            Health::Forbidden if rested < FORBIDDEN_PAUSE => Some(Verdict::MayNotAsk),
            _ => None,
        }
    }

    async fn look_up(&self, question: &Domain) -> (Verdict, Duration) {
        let found = match self.dns.ipv4(question).await {
            Ok(found) => found,
            Err(DnsFailure::NoSuchName | DnsFailure::NoData) => return (Verdict::NotListed, NOT_LISTED_FOR),
            Err(failure) => return (Verdict::Unknown(failure.to_string()), Duration::ZERO),
        };
        match Answer::read(&found.records) {
            Answer::Listed => {
                let lives = found.valid_until.saturating_duration_since(self.clock.instant().into_std());
                (Verdict::Listed(self.words(question).await), lives.min(LISTED_FOR))
            }
            Answer::MayNotAsk => (Verdict::MayNotAsk, Duration::ZERO),
            Answer::Foreign => (Verdict::Unknown("its answer is none of a list".to_owned()), Duration::ZERO),
        }
    }

    /// The list's own words (RFC 5782 §2.1), for the log.
    async fn words(&self, question: &Domain) -> Option<String> {
        let text = timeout(WORDS_WITHIN, self.dns.text(question)).await.ok()?.ok()?;
        let words: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).take(MAX_WORDS_CHARS).collect();
        Some(words).filter(|words| !words.is_empty())
    }

    /// Remembers how the list behaves, and tells it where that has changed.
    fn note(&self, list: &DnsList, verdict: &Verdict) {
        let health = match verdict {
            Verdict::NotListed | Verdict::Listed(_) => Health::Answers,
            Verdict::MayNotAsk => Health::Forbidden,
            Verdict::Unknown(_) => Health::Silent,
        };
        let asked = self.clock.instant();
        let mut states = self.states();
        if !states.contains_key(&list.to_string()) && states.len() >= MAX_STATES {
            states.clear();
        }
        let before = states.insert(list.to_string(), (health, asked));
        drop(states);
        if before.map_or(Health::Answers, |(health, _)| health) != health {
            tell(list, health, verdict);
        }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, (Health, Instant)>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(list: &DnsList, health: Health, verdict: &Verdict) {
    let (what, why) = match (health, verdict) {
        (Health::Answers, _) => return tracing::info!(%list, "the DNS list answers again"),
        (Health::Forbidden, _) => ("does not answer our resolver", "ask by a resolver of your own, or by its terms"),
        (Health::Silent, Verdict::Unknown(why)) => ("cannot be asked", why.as_str()),
        (Health::Silent, _) => ("cannot be asked", ""),
    };
    tracing::warn!(%list, why, "the DNS list {what}, and lists nobody");
}
