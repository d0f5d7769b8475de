//! How much of one kind is too much: the limits of `[limits]`, and the window that counts towards them.
//!
//! What is counted, and for whom, is kept by who calls; here it is only said when it is too much, in which words the
//! client hears so, and in which the owner.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::admission::Refusal;
use super::replies;
use super::status::TraceStep;
use crate::mail::Moment;
use crate::smtp::reply::Reply;

/// Parts of a window's period that are counted apart: what is older than eleven twelfths of it may be forgotten.
const PARTS: usize = 12;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// `[limits]` as meant; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Connections of one address in a minute.
    pub connections: u64,
    /// Messages of one address in an hour.
    pub messages: u64,
    /// Unknown recipients that one address names in an hour.
    pub unknown_recipients: u64,
    /// Messages of one authenticated sender domain in an hour.
    pub sender_domain: u64,
    /// Messages for one alias in an hour.
    pub alias: u64,
    /// Messages for one destination in an hour.
    pub destination: u64,
}

/// What the set-up proposes: enough for a household or a small company, and for what large providers send it.
pub const PROPOSED: Limits =
    Limits { connections: 60, messages: 600, unknown_recipients: 30, sender_domain: 600, alias: 300, destination: 600 };

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `connections_per_ip_per_minute`.
    Connections,
    /// `messages_per_ip_per_hour`.
    Messages,
    /// `unknown_recipients_per_ip_per_hour`.
    UnknownRecipients,
    /// `messages_per_sender_domain_per_hour`.
    SenderDomain,
    /// `messages_per_alias_per_hour`.
    Alias,
    /// `messages_per_destination_per_hour`.
    Destination,
}

impl Limits {
    /// The number of one limit; `None` where there is no limit.
    #[must_use]
    pub const fn of(&self, limit: Limit) -> Option<u64> {
        let most = match limit {
            Limit::Connections => self.connections,
            Limit::Messages => self.messages,
            Limit::UnknownRecipients => self.unknown_recipients,
            Limit::SenderDomain => self.sender_domain,
            Limit::Alias => self.alias,
            Limit::Destination => self.destination,
        };
        if most == 0 { None } else { Some(most) }
    }
}

impl Limit {
    /// The time over which it counts.
    #[must_use]
    pub const fn period(self) -> Duration {
        match self {
            Self::Connections => MINUTE,
            _ => HOUR,
        }
    }

    /// One more of whose `counted` lie within the period already: a step of the trace, and the refusal where that is too
    /// many.
    pub fn judge(self, most: u64, counted: u64, whose: &impl Display) -> Result<TraceStep, Box<Refusal>> {
        let detail = format!("{counted} of {most} {} {whose} in the last {}", self.what(), self.time());
        if counted < most {
            return Ok(TraceStep::new("limit", "below", detail));
        }
        let reason = format!("There were {detail}.");
        Err(Box::new(Refusal { reply: self.reply(), reason, step: TraceStep::new("limit", "used up", detail) }))
    }

    /// That it counts for this: a step of the trace where nothing is counted.
    #[must_use]
    pub fn applies(self, most: u64, whose: &impl Display) -> TraceStep {
        let detail = format!("at most {most} {} {whose} in any {}", self.what(), self.time());
        TraceStep::new("limit", "applies", detail)
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Connections => "connections of",
            Self::Messages => "messages of",
            Self::SenderDomain => "authenticated messages of",
            Self::UnknownRecipients => "unknown recipients of",
            Self::Alias | Self::Destination => "messages for",
        }
    }

    const fn time(self) -> &'static str {
        match self {
            Self::Connections => "minute",
            _ => "hour",
        }
    }

    fn reply(self) -> Reply {
        match self {
            Self::Connections => replies::too_many_connections(),
            Self::Messages => replies::too_many_messages(),
            Self::UnknownRecipients => replies::too_many_unknown(),
            Self::SenderDomain => replies::too_much_of_domain(),
            Self::Alias | Self::Destination => replies::too_much_for_address(),
        }
    }
}

/// Unknown recipients of one client in an hour that are refused without delay.
const REFUSED_AT_ONCE: u64 = 20;
/// The longest that a refusal is delayed.
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// How long a refusal is held back from a client that has named so many unknown recipients in the last hour: a second more
/// for each, so that a typing error costs nothing and a dictionary much.
#[must_use]
pub fn delay_of_refusal(unknown: u64) -> Duration {
    Duration::from_secs(unknown.saturating_sub(REFUSED_AT_ONCE)).min(LONGEST_DELAY)
}

/// Who counts as one client: an IPv4 address alone, an IPv6 address with its /64, for whoever has one has all of it.
#[must_use]
pub fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Counts what happened within a period that goes with the present. It never counts less than the last eleven twelfths of
/// it, so no stretch of that length holds more than its limit, however it lies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// The number of the newest part since 1970.
    newest: i64,
    /// The oldest first.
    parts: [u32; PARTS],
}

impl Window {
    /// What lies within the `period` before `now`.
    #[must_use]
    pub fn count(&self, now: Moment, period: Duration) -> u64 {
        let gone = usize::try_from(part_of(now, period) - self.newest).unwrap_or(0);
        self.parts.iter().skip(gone).copied().map(u64::from).sum()
    }

    /// One more.
    pub fn add(&mut self, now: Moment, period: Duration) {
        // A clock that was set back counts on in the newest part.
        let part = part_of(now, period).max(self.newest);
        let gone = usize::try_from(part - self.newest).unwrap_or(PARTS).min(PARTS);
        self.parts.rotate_left(gone);
        self.parts[PARTS - gone..].fill(0);
        self.newest = part;
        self.parts[PARTS - 1] = self.parts[PARTS - 1].saturating_add(1);
    }

    /// One of those counted last did not happen after all.
    pub fn take_back(&mut self) {
        if let Some(part) = self.parts.iter_mut().rev().find(|part| **part > 0) {
            *part -= 1;
        }
    }
}

fn part_of(now: Moment, period: Duration) -> i64 {
    let millis = i64::try_from(period.as_millis()).unwrap_or(i64::MAX) / i64::try_from(PARTS).unwrap_or(1);
    now.millis().div_euclid(millis.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(1_800_000_000 + seconds))
    }

    #[test]
    fn a_window_forgets_what_is_older_than_its_period() {
        let mut window = Window::default();
        assert_eq!(window.count(at(0), HOUR), 0);
        for minute in 0..60 {
            window.add(at(minute * 60), HOUR);
        }
        assert_eq!(window.count(at(3599), HOUR), 60);
        assert_eq!(window.count(at(3600), HOUR), 55, "a twelfth is forgotten at a time");
        assert_eq!(window.count(at(3600 + 3299), HOUR), 5);
        assert_eq!(window.count(at(7200), HOUR), 0);
        window.add(at(100_000), HOUR);
        assert_eq!(window.count(at(100_000), HOUR), 1, "nothing of long ago comes back");
    }

    #[test]
    fn a_clock_that_was_set_back_forgets_nothing_and_adds_nothing() {
        let mut window = Window::default();
        window.add(at(7200), HOUR);
        window.add(at(0), HOUR);
        assert_eq!(window.count(at(0), HOUR), 2);
        assert_eq!(window.count(at(7200), HOUR), 2);
    }

    #[test]
    fn the_last_that_is_within_the_limit_is_let_in_and_the_next_is_told_why_not() {
        let judge = |counted| Limit::Messages.judge(3, counted, &"192.0.2.1");
        let room = judge(2).unwrap();
        assert_eq!((&*room.verdict, &*room.detail), ("below", "2 of 3 messages of 192.0.2.1 in the last hour"));
        let refusal = judge(3).unwrap_err();
        assert_eq!(refusal.reason, "There were 3 of 3 messages of 192.0.2.1 in the last hour.");
        assert_eq!((refusal.reply.code(), refusal.step.verdict), (450, "used up".into()));
    }

    /// Replies: 421 4.7.0 for connections, 450 or 451 4.7.x for all else; none names a destination.
    #[test]
    fn every_limit_defers_in_words() {
        for (limit, begins) in [
            (Limit::Connections, "421 4.7.0 "),
            (Limit::Messages, "450 4.7.1 "),
            (Limit::UnknownRecipients, "450 4.7.1 "),
            (Limit::SenderDomain, "451 4.7.28 "),
            (Limit::Alias, "450 4.7.28 "),
            (Limit::Destination, "450 4.7.28 "),
        ] {
            let reply = limit.judge(1, 1, &"anna@inbox.example").unwrap_err().reply.to_string();
            assert!(reply.starts_with(begins) && reply.ends_with("try again later"), "{limit:?}: {reply}");
            assert!(!reply.contains("anna"), "{reply}");
        }
        assert_eq!(Limits::default().of(Limit::Alias), None);
        assert_eq!(Limits { alias: 7, ..Limits::default() }.of(Limit::Alias), Some(7));
    }

    #[test]
    fn a_dictionary_is_answered_ever_more_slowly_up_to_five_seconds() {
        let delays = [0, 1, REFUSED_AT_ONCE, REFUSED_AT_ONCE + 1, REFUSED_AT_ONCE + 5, u64::MAX].map(delay_of_refusal);
        assert_eq!(delays.map(|delay| delay.as_secs()), [0, 0, 0, 1, 5, 5]);
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let one = network_of("2001:db8:1:2:3::4".parse().unwrap());
        assert_eq!(one, network_of("2001:db8:1:2:ffff::".parse().unwrap()));
        assert_ne!(one, network_of("2001:db8:1:3::".parse().unwrap()));
        assert_eq!(network_of("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }

    proptest! {
        #[test]
        fn no_stretch_holds_more_than_the_limit(waits in prop::collection::vec(0_u64..900, 1..200), most in 1_u64..20) {
            let (mut window, mut now, mut taken) = (Window::default(), 0, Vec::new());
            for wait in waits {
                now += wait;
                if window.count(at(now), HOUR) < most {
                    window.add(at(now), HOUR);
                    taken.push(now);
                }
            }
            let stretch = HOUR.as_secs() / 12 * 11;
            for (index, first) in taken.iter().enumerate() {
                let within = taken[index..].iter().filter(|then| **then < first + stretch).count();
                prop_assert!(within as u64 <= most, "{within} of {most} from {first} on");
            }
        }
    }
}
