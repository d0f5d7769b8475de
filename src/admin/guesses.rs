//! How often somebody may guess a password. Counted is who tries for whom: so one network is slowed down for one account,
//! and nobody can keep its owner out from elsewhere. A browser that has signed in before counts by itself, and this
//! machine is not counted.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use crate::mail::Moment;
use crate::policy::ids::AccountId;
use crate::policy::limits::{Window, network_of};

use super::refused::Refusals;
use super::{AdminError, Result};

/// Guesses are counted over so long.
const PERIOD: Duration = Duration::from_secs(3600);
/// Guesses of one network for one account.
const OF_NETWORK_FOR_ACCOUNT: u64 = 10;
/// Guesses of one network in all.
const OF_NETWORK: u64 = 100;
/// Guesses for one account from everywhere: known browsers and this machine apart.
const FOR_ACCOUNT: u64 = 200;
/// Guesses of a browser that has signed in to this account before.
const OF_DEVICE: u64 = 20;
/// Links for a new password that are sent to one account, that one network has sent, and that are sent in all.
const LINKS_TO_ACCOUNT: u64 = 3;
const LINKS_OF_NETWORK: u64 = 10;
const LINKS: u64 = 200;
/// Keys that are counted at the same time, some MiB of them.
const MAX_KEYS: u64 = 20_000;

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    NetworkForAccount(IpAddr, String),
    Network(IpAddr),
    Account(String),
    Device([u8; 32]),
    /// Somebody who is inside already.
    Inside(AccountId),
    LinksToAccount(String),
    LinksOfNetwork(IpAddr),
    Links,
}

impl Key {
    const fn most(&self) -> u64 {
        match self {
            Self::NetworkForAccount(..) => OF_NETWORK_FOR_ACCOUNT,
            Self::Network(_) => OF_NETWORK,
            Self::Account(_) => FOR_ACCOUNT,
            Self::Device(_) | Self::Inside(_) => OF_DEVICE,
            Self::LinksToAccount(_) => LINKS_TO_ACCOUNT,
            Self::LinksOfNetwork(_) => LINKS_OF_NETWORK,
            Self::Links => LINKS,
        }
    }
}

/// What was guessed lately; cheap to clone.
#[derive(Debug, Clone)]
pub struct Guesses {
    counted: Cache<Key, Arc<Mutex<Window>>>,
    /// Those that were wrong, as the audit log tells them.
    pub(super) refusals: Refusals,
}

impl Default for Guesses {
    fn default() -> Self {
        let counted = Cache::builder().max_capacity(MAX_KEYS).time_to_idle(PERIOD).build();
        Self { counted, refusals: Refusals::default() }
    }
}

/// From where somebody guesses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whence {
    /// The client.
    pub(super) ip: IpAddr,
    /// What is stored of its browser's secret, where that has signed in to this account before.
    pub(super) device: Option<[u8; 32]>,
}

/// A guess that was counted, until it turns out to be right.
#[derive(Debug)]
pub(super) struct Guess(Vec<Key>);

impl Guesses {
    /// Counts a guess before it is looked at, so that many at once are no more than many.
    pub(super) fn begin(&self, email: &str, from: Whence, now: Moment) -> Result<Guess> {
        self.count(keys(email, from), now)
    }

    /// Counts a guess of somebody who is inside already, and is asked for their password once more.
    pub(super) fn begin_own(&self, account: AccountId, now: Moment) -> Result<Guess> {
        self.count(vec![Key::Inside(account)], now)
    }

    /// Counts somebody who asks for a link, whether or not there is such an account: false where its inbox has had enough of
    /// them, which nobody is told.
    pub(super) fn may_ask_for_link(&self, email: &str, ip: IpAddr, now: Moment) -> Result<bool> {
        let network = Key::LinksOfNetwork(network_of(ip));
        if self.is_spent(&network, now) {
            let detail = "You asked for many links within an hour. Look into your inbox, or try again later.";
            return Err(AdminError::TooMany(detail.to_owned()));
        }
        let others = [Key::LinksToAccount(email.to_owned()), Key::Links];
        let may = !others.iter().any(|key| self.is_spent(key, now));
        for key in others.iter().filter(|_| may).chain([&network]) {
            self.with(key, |window| window.add(now, PERIOD));
        }
        Ok(may)
    }

    fn is_spent(&self, key: &Key, now: Moment) -> bool {
        self.with(key, |window| window.count(now, PERIOD)) >= key.most()
    }

    fn count(&self, keys: Vec<Key>, now: Moment) -> Result<Guess> {
        if keys.iter().any(|key| self.is_spent(key, now)) {
            let detail = "There were too many attempts to sign in. Wait some minutes, use the browser that you signed in \
                          with before, or make a link on the machine where Waypost runs: waypost panel-link";
            return Err(AdminError::TooMany(detail.to_owned()));
        }
        for key in &keys {
            self.with(key, |window| window.add(now, PERIOD));
        }
        Ok(Guess(keys))
    }

    /// It was right: what its network or browser guessed for this account before is forgotten.
    pub(super) fn was_right(&self, guess: &Guess) {
        for key in &guess.0 {
            if matches!(key, Key::NetworkForAccount(..) | Key::Device(_) | Key::Inside(_)) {
                self.counted.invalidate(key);
            }
        }
    }

    fn with<T>(&self, key: &Key, look: impl FnOnce(&mut Window) -> T) -> T {
        let window = self.counted.get_with_by_ref(key, Arc::default);
        look(&mut window.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn keys(email: &str, from: Whence) -> Vec<Key> {
    if from.ip.to_canonical().is_loopback() {
        return Vec::new();
    }
    if let Some(device) = from.device {
        return vec![Key::Device(device)];
    }
    let network = network_of(from.ip);
    vec![Key::NetworkForAccount(network, email.to_owned()), Key::Network(network), Key::Account(email.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: &str = "anna@my.example";

    fn now() -> Moment {
        Moment::from_millis(1_795_373_784_120)
    }

    fn from(ip: &str) -> Whence {
        Whence { ip: ip.parse().unwrap(), device: None }
    }

    fn guess(guesses: &Guesses, from: Whence, times: u64) -> u64 {
        (0..times).filter(|_| guesses.begin(ANNA, from, now()).is_ok()).count() as u64
    }

    #[test]
    fn one_network_is_slowed_down_for_one_account_and_others_are_not() {
        let guesses = Guesses::default();
        assert_eq!(guess(&guesses, from("203.0.113.5"), 50), OF_NETWORK_FOR_ACCOUNT);
        assert_eq!(guess(&guesses, from("203.0.113.6"), 1), 1, "another network");
        assert!(guesses.begin("bert@my.example", from("203.0.113.5"), now()).is_ok(), "another account");
        assert_eq!(guess(&guesses, from("2001:db8::1"), 5) + guess(&guesses, from("2001:db8::ffff"), 50), 10, "a /64");
    }

    #[test]
    fn the_whole_world_cannot_lock_a_known_browser_or_the_machine_out() {
        let guesses = Guesses::default();
        let world: u64 = (0..50).map(|n| guess(&guesses, from(&format!("198.51.100.{n}")), 10)).sum();
        assert_eq!(world, FOR_ACCOUNT);
        assert_eq!(guess(&guesses, from("192.0.2.1"), 1), 0, "a stranger waits");
        assert_eq!(
            guess(&guesses, Whence { device: Some([1; 32]), ..from("192.0.2.1") }, 1),
            1,
            "a known browser does not"
        );
        assert_eq!(guess(&guesses, from("::1"), 500), 500, "nor does this machine");
    }

    #[test]
    fn a_right_guess_forgives_and_time_heals() {
        let guesses = Guesses::default();
        guess(&guesses, from("203.0.113.5"), OF_NETWORK_FOR_ACCOUNT - 1);
        let right = guesses.begin(ANNA, from("203.0.113.5"), now()).unwrap();
        guesses.was_right(&right);
        assert_eq!(guess(&guesses, from("203.0.113.5"), 50), OF_NETWORK_FOR_ACCOUNT);
        assert!(guesses.begin(ANNA, from("203.0.113.5"), now().after(PERIOD)).is_ok());
    }

    #[test]
    fn an_inbox_gets_three_links_an_hour_and_a_network_asks_ten_times() {
        let guesses = Guesses::default();
        let ask = |email: &str, ip: &str, at| guesses.may_ask_for_link(email, ip.parse().unwrap(), at);
        for expected in [true, true, true, false, false] {
            assert_eq!(ask(ANNA, "203.0.113.5", now()), Ok(expected));
        }
        assert_eq!(ask(ANNA, "198.51.100.1", now()), Ok(false), "wherever it is asked for");
        for nobody in 0..5 {
            assert_eq!(ask(&format!("{nobody}@my.example"), "203.0.113.5", now()), Ok(true));
        }
        assert!(ask("bert@my.example", "203.0.113.5", now()).is_err(), "the network");
        assert_eq!(ask("bert@my.example", "198.51.100.1", now()), Ok(true));
        assert_eq!(ask(ANNA, "203.0.113.5", now().after(PERIOD)), Ok(true));
    }
}
