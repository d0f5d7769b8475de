//! What attempts are made with: the settings, the ways that follow from them, and how to dial. Renewed as a whole, so that
//! an attempt never mixes old and new; those under way end with what they began with.

use std::sync::Arc;

use super::Settings;
use super::dial::Dialer;
use super::exchangers::Exchangers;
use crate::clock::Clock;
use crate::net::resolver::Dns;

/// Settings and what is made of them.
#[derive(Debug)]
pub(super) struct Outfit {
    pub(super) settings: Arc<Settings>,
    pub(super) exchangers: Exchangers,
    pub(super) dialer: Dialer,
}

impl Outfit {
    /// Makes it of settings; no site is known.
    pub(super) fn new(settings: Settings, dns: Dns, clock: Clock) -> Self {
        let settings = Arc::new(settings);
        let exchangers = Exchangers::new(&settings, dns, clock.clone());
        let dialer = Dialer::new(Arc::clone(&settings), clock);
        Self { settings, exchangers, dialer }
    }

    /// The same with other settings; `None` where they are the same, and nothing is disturbed. Sites keep what they know,
    /// as long as they may have as many connections.
    pub(super) fn renewed(&self, settings: &Settings, clock: &Clock) -> Option<Self> {
        if *self.settings == *settings {
            return None;
        }
        let settings = Arc::new(settings.clone());
        let exchangers = self.exchangers.renewed(&settings);
        let dialer = Dialer::new(Arc::clone(&settings), clock.clone());
        Some(Self { settings, exchangers, dialer })
    }
}
