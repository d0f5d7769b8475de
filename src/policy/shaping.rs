//! How many connections a site may have at the same time: more with success, half as many with trouble, never none.
//!
//! Trouble is what speaks of the site: a connection that fails, anything but a yes before RCPT, a 421. A site that has taken
//! mail since its last trouble is only slowed; one that has not is left alone for a while. Attempts that were under way
//! when a site was slowed were begun under what held before, and say nothing new.

/// Connections to a site that nothing is known of (Postfix: 5).
const AT_FIRST: usize = 5;

/// Whether mail for a site without a free connection may wait for one here, where `in_flight` of `most` deliveries are out of
/// the queue. Beyond half, that of sites which have taken none since their last trouble waits in the queue: however many
/// sites stall, there is room for the others.
#[must_use]
pub const fn may_wait(is_proven: bool, in_flight: usize, most: usize) -> bool {
    is_proven || in_flight <= most / 2
}

/// What is to be done about trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing: it is known already.
    Known,
    /// So many connections fewer from now on.
    Slow(usize),
    /// So many fewer, and none at all for a while.
    Leave(usize),
}

/// When an attempt began, as far as trouble is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Era(u32);

/// The connections of one site.
#[derive(Debug, Clone)]
pub struct Concurrency {
    limit: usize,
    width: usize,
    era: Era,
    /// It has taken mail since its last trouble.
    is_proven: bool,
    /// Too many connections were its trouble: more are tried slowly.
    is_wary: bool,
    /// Successes since the width changed.
    successes: usize,
}

impl Concurrency {
    /// Of a site that nothing is known of, with `limit` connections at most.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        let width = limit.min(AT_FIRST);
        Self { limit, width, era: Era::default(), is_proven: false, is_wary: false, successes: 0 }
    }

    /// How many there may be now.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// What an attempt that begins now carries to its end.
    #[must_use]
    pub const fn era(&self) -> Era {
        self.era
    }

    /// Whether it has taken mail since its last trouble.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// It spoke to us as it should; true if there may be one connection more. Once too many were its trouble, that takes as
    /// many successes as there are connections.
    pub const fn succeeded(&mut self) -> bool {
        self.is_proven = true;
        if self.width >= self.limit {
            self.is_wary = false;
            return false;
        }
        self.successes += 1;
        if self.is_wary && self.successes < self.width {
            return false;
        }
        self.successes = 0;
        self.width += 1;
        true
    }

    /// Trouble came to an attempt that began in `era`.
    pub fn troubled(&mut self, era: Era) -> Reaction {
        if era < self.era {
            return Reaction::Known;
        }
        let fewer = self.width - (self.width / 2).max(1);
        self.width -= fewer;
        self.era = Era(self.era.0.wrapping_add(1));
        self.successes = 0;
        let was_proven = std::mem::replace(&mut self.is_proven, false);
        // An outage says nothing of how many connections it likes.
        self.is_wary = was_proven;
        if was_proven && fewer > 0 { Reaction::Slow(fewer) } else { Reaction::Leave(fewer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn succeed(site: &mut Concurrency, times: usize) -> usize {
        for _ in 0..times {
            site.succeeded();
        }
        site.width()
    }

    #[test]
    fn grows_with_success_up_to_its_limit() {
        let mut site = Concurrency::new(20);
        assert_eq!(site.width(), 5);
        assert_eq!([1, 3, 100].map(|times| succeed(&mut site, times)), [6, 9, 20]);
        assert_eq!([0, 1, 3].map(|limit| Concurrency::new(limit).width()), [1, 1, 3]);
    }

    #[test]
    fn halves_with_trouble_and_never_to_nothing() {
        let mut site = Concurrency::new(20);
        succeed(&mut site, 100);
        let mut widths = Vec::new();
        for _ in 0..6 {
            site.is_proven = true;
            let reaction = site.troubled(site.era());
            widths.push((site.width(), matches!(reaction, Reaction::Slow(_))));
        }
        assert_eq!(widths, [(10, true), (5, true), (2, true), (1, true), (1, false), (1, false)]);
    }

    #[test]
    fn sites_that_stall_take_up_half_of_the_room_at_most() {
        assert!(may_wait(false, 2048, 4096) && !may_wait(false, 2049, 4096) && may_wait(true, 4095, 4096));
    }

    #[test]
    fn attempts_that_fail_together_are_one_trouble() {
        let mut site = Concurrency::new(20);
        succeed(&mut site, 100);
        let began = site.era();
        assert_eq!(site.troubled(began), Reaction::Slow(10));
        assert!((0..19).all(|_| site.troubled(began) == Reaction::Known));
        assert_eq!(site.width(), 10);
        assert_eq!(site.troubled(site.era()), Reaction::Leave(5), "no mail was taken in between: it is down");
    }

    #[test]
    fn a_site_that_never_took_mail_is_left_alone_at_once() {
        let mut site = Concurrency::new(20);
        assert_eq!(site.troubled(site.era()), Reaction::Leave(3));
    }

    #[test]
    fn recovers_slowly_from_too_many_connections_and_fast_from_an_outage() {
        let mut site = Concurrency::new(8);
        succeed(&mut site, 10);
        site.troubled(site.era());
        assert_eq!([3, 1, 4, 1, 6, 7, 1].map(|times| succeed(&mut site, times)), [4, 5, 5, 6, 7, 8, 8]);
        site.troubled(site.era());
        site.troubled(site.era());
        assert_eq!((site.width(), succeed(&mut site, 4)), (2, 6));
    }
}
