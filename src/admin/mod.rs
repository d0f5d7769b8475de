//! What an account may do, one function for each change, taking the actor: checks rights, validates, writes the audit row,
//! announces the change; and what it may ask. `http`, `cli` and `upkeep` reach rules only through here.

use std::sync::Arc;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::delivery::Courier;
use crate::facts::Facts;
use crate::meter::Meter;
use crate::store::Store;

/// All that `admin` works with; cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Storage.
    pub store: Store,
    /// The simulator's facts; also the SRS ring and the instance's settings.
    pub facts: Facts,
    /// Woken when something is to be tried again; `None` when no gateway runs (commands offline).
    pub courier: Option<Courier>,
    /// The clock.
    pub clock: Clock,
    /// Ids and tokens.
    pub chance: Chance,
    /// Counters.
    pub meter: Arc<Meter>,
}
