//! When a deferred delivery is tried again, and when it is given up.

use std::time::Duration;

use super::settings::Instance;
use crate::mail::Moment;

/// Tries before a delivery may expire.
pub const MIN_TRIES_BEFORE_EXPIRY: u32 = 8;
/// Lifetime of mail from the null sender, at most.
pub const NULL_SENDER_LIFETIME: Duration = Duration::from_secs(2 * 86_400);
/// The next try after an outcome that is unknown.
pub const AFTER_UNKNOWN: Duration = Duration::from_secs(300);
/// Of a wait, jitter leaves so much at least.
pub const SHORTEST_JITTER: f64 = 0.8;
/// A sender that asks for it is told of mail that waits for so long (sendmail: 4 h).
pub const LONG_WAIT: Duration = Duration::from_secs(4 * 3600);

/// What is known after a failed try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Tries so far, this one included.
    pub tries: u32,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// The present.
    pub now: Moment,
    /// From the null sender.
    pub null_sender: bool,
    /// The outcome was unknown.
    pub unknown: bool,
    /// A clock jump froze expiry.
    pub frozen: bool,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another try after so long (before jitter).
    Wait(Duration),
    /// Given up.
    Expire,
}

/// Decides by `delivery.retry` and `delivery.lifetime`: the last wait repeats; nothing expires before a failed try and
/// [`MIN_TRIES_BEFORE_EXPIRY`] of them, so neither a long stop nor a wrong clock gives up young mail.
#[must_use]
pub fn next(tried: &Tried, settings: &Instance) -> Next {
    let may_expire = !tried.frozen && tried.tries >= MIN_TRIES_BEFORE_EXPIRY;
    if may_expire && tried.now.since(tried.accepted_at) >= lifetime(tried, settings) {
        return Next::Expire;
    }
    Next::Wait(wait(tried, settings))
}

/// When the next try is the last one, if all goes as it should.
#[must_use]
pub fn given_up_at(tried: &Tried, settings: &Instance) -> Moment {
    tried.accepted_at.after(lifetime(tried, settings))
}

fn lifetime(tried: &Tried, settings: &Instance) -> Duration {
    if tried.null_sender { settings.lifetime.min(NULL_SENDER_LIFETIME) } else { settings.lifetime }
}

fn wait(tried: &Tried, settings: &Instance) -> Duration {
    let wait = settings.retry.get(step(tried, settings)).or(settings.retry.last()).copied().unwrap_or(AFTER_UNKNOWN);
    if tried.unknown { wait.max(AFTER_UNKNOWN) } else { wait }
}

/// How many of the waits are behind it: as many as it was tried again, but none that its age has no room for, even if each
/// was as short as jitter makes it. So a try that somebody asked for takes no step, and the table's own tries all do.
fn step(tried: &Tried, settings: &Instance) -> usize {
    let tried_again = usize::try_from(tried.tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let age = tried.now.since(tried.accepted_at);
    let ends = settings.retry.iter().scan(Duration::ZERO, |end, wait| {
        *end = end.saturating_add(wait.mul_f64(SHORTEST_JITTER));
        Some(*end)
    });
    tried_again.min(ends.take_while(|end| *end <= age).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples::instance;

    const DAY: u64 = 86_400;

    fn tried(tries: u32, age_in_seconds: u64) -> Tried {
        let accepted_at = Moment::from_millis(1_795_373_784_120);
        let now = accepted_at.after(Duration::from_secs(age_in_seconds));
        Tried { tries, accepted_at, now, null_sender: false, unknown: false, frozen: false }
    }

    fn minutes(next: Next) -> Option<u64> {
        match next {
            Next::Wait(wait) => Some(wait.as_secs() / 60),
            Next::Expire => None,
        }
    }

    #[test]
    fn waits_grow_and_the_last_repeats() {
        let settings = instance();
        let mut age = 0;
        let waits = (1..=9).map(|tries| {
            let Next::Wait(wait) = next(&tried(tries, age), &settings) else { panic!("{tries}") };
            // Jitter that is never kind, and an answer that comes at once.
            age += wait.mul_f64(SHORTEST_JITTER).as_secs();
            wait.as_secs() / 60
        });
        assert_eq!(waits.collect::<Vec<_>>(), [1, 5, 15, 30, 60, 120, 240, 240, 240]);
    }

    #[test]
    fn a_try_that_somebody_asked_for_takes_no_step() {
        let settings = instance();
        // Within the first minute, again and again; then between the third try and the fourth.
        for tries in 2..20 {
            assert_eq!(minutes(next(&tried(tries, 40), &settings)), Some(1), "{tries}");
        }
        assert_eq!(minutes(next(&tried(3, 6 * 60), &settings)), Some(15));
        assert_eq!(minutes(next(&tried(4, 10 * 60), &settings)), Some(15));
        // What waited long for its first try, as what was held does, goes up from the first step.
        assert_eq!(minutes(next(&tried(1, DAY), &settings)), Some(1));
    }

    #[test]
    fn expires_after_its_lifetime_and_eight_tries() {
        let settings = instance();
        assert_eq!(next(&tried(8, 5 * DAY), &settings), Next::Expire);
        assert_ne!(next(&tried(8, 5 * DAY - 1), &settings), Next::Expire);
        assert_ne!(next(&tried(7, 50 * DAY), &settings), Next::Expire);
        assert_ne!(next(&Tried { frozen: true, ..tried(20, 50 * DAY) }, &settings), Next::Expire);
    }

    #[test]
    fn the_null_sender_waits_two_days_at_most() {
        let settings = instance();
        let null = |age| Tried { null_sender: true, ..tried(8, age) };
        assert_eq!(next(&null(2 * DAY), &settings), Next::Expire);
        assert_ne!(next(&null(2 * DAY - 1), &settings), Next::Expire);
        let short = Instance { lifetime: Duration::from_secs(DAY), ..settings };
        assert_eq!(next(&null(DAY), &short), Next::Expire);
    }

    #[test]
    fn an_unknown_outcome_waits_five_minutes_at_least() {
        let settings = instance();
        assert_eq!(minutes(next(&Tried { unknown: true, ..tried(1, 60) }, &settings)), Some(5));
        assert_eq!(minutes(next(&Tried { unknown: true, ..tried(4, 30 * 60) }, &settings)), Some(30));
    }
}
