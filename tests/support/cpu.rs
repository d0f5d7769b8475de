//! What a test costs, whatever else its machine does: a bound on the clock would fail where others are busy.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU of this whole process so far, with whatever of the world it plays itself.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}
