//! Who guesses at the addresses of a catch-all that takes everything: many different ones by one client in a short time.
//! To that client the catch-all is closed for a while; aliases that have a name of their own stay open to it.

use std::time::Duration;

use super::admission::Refusal;
use super::replies;
use super::status::TraceStep;
use crate::mail::Moment;

/// Different addresses that one client may use of one catch-all within [`WITHIN`]; the next is one too many.
pub const MAX_DIFFERENT: usize = 50;
/// The time within which they count.
pub const WITHIN: Duration = Duration::from_secs(10 * 60);
/// So long the catch-all is closed to whoever named too many.
pub const CLOSED_FOR: Duration = Duration::from_secs(3600);

/// What one client has used of one catch-all.
#[derive(Debug, Clone, Default)]
pub struct Guesses {
    since: Moment,
    /// Hashes of the addresses, at most [`MAX_DIFFERENT`].
    different: Vec<u64>,
    closed_until: Option<Moment>,
}

impl Guesses {
    /// Whether the address with this hash is taken by the catch-all; remembers it.
    pub fn name(&mut self, address: u64, now: Moment) -> Result<(), Box<Refusal>> {
        if let Some(until) = self.closed_until {
            if now < until {
                return Err(closed());
            }
            *self = Self::default();
        }
        if now.since(self.since) >= WITHIN {
            self.since = now;
            self.different.clear();
        }
        if self.different.contains(&address) {
            return Ok(());
        }
        if self.different.len() >= MAX_DIFFERENT {
            self.closed_until = Some(now.after(CLOSED_FOR));
            return Err(closed());
        }
        self.different.push(address);
        Ok(())
    }
}

fn closed() -> Box<Refusal> {
    let detail = format!(
        "this client named more than {MAX_DIFFERENT} different addresses within {} min; closed to it for {} min",
        WITHIN.as_secs() / 60,
        CLOSED_FOR.as_secs() / 60
    );
    let reason = "This client guesses at addresses: the catch-all is closed to it for a while.".to_owned();
    Box::new(Refusal {
        reply: replies::too_many_unknown(),
        reason,
        step: TraceStep::new("catch-all", "closed", detail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_373_784_120;

    fn at(wait: Duration) -> Moment {
        Moment::from_millis(START).after(wait)
    }

    #[test]
    fn closes_at_one_too_many_and_opens_again() {
        let mut guesses = Guesses::default();
        let many = MAX_DIFFERENT as u64;
        assert!((0..many).chain(0..many).all(|address| guesses.name(address, at(Duration::ZERO)).is_ok()));
        let refused = guesses.name(many, at(Duration::ZERO)).unwrap_err();
        assert_eq!(refused.reply.code(), 450, "nothing honest is lost");
        assert!(guesses.name(0, at(CLOSED_FOR - Duration::from_millis(1))).is_err(), "closed to known ones too");
        assert!((0..many).all(|address| guesses.name(address, at(CLOSED_FOR)).is_ok()), "and then anew");
    }

    #[test]
    fn whoever_takes_its_time_is_no_guesser() {
        let mut guesses = Guesses::default();
        let each = WITHIN / u32::try_from(MAX_DIFFERENT).unwrap();
        assert!((0..1_000).all(|address| guesses.name(u64::from(address), at(each * address)).is_ok()));
        assert!(guesses.different.len() <= MAX_DIFFERENT);
    }
}
