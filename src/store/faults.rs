//! Faults on request, for tests: every change of storage passes numbered points, and the one that is asked for fails.
//!
//! "Fail step N, reopen, compare; then N+1, until none fails." In service nothing is asked for and a point costs one
//! branch.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{Result, StoreError};

/// Which point fails; cheap to clone. The default fails none.
#[derive(Debug, Clone, Default)]
pub struct Faults(Option<Arc<AtomicI64>>);

impl Faults {
    /// Faults that can be asked for by [`Faults::fail_at`].
    #[must_use]
    pub fn armed() -> Self {
        Self(Some(Arc::new(AtomicI64::new(0))))
    }

    /// The `step`-th point passed from now on fails (the first is 1), and all after it work again.
    pub fn fail_at(&self, step: i64) {
        if let Some(left) = &self.0 {
            left.store(step, Ordering::SeqCst);
        }
    }

    /// Whether the fault that was asked for has happened.
    #[must_use]
    pub fn happened(&self) -> bool {
        self.0.as_ref().is_some_and(|left| left.load(Ordering::SeqCst) <= 0)
    }

    /// Points until the one that fails.
    #[cfg(test)]
    pub(super) fn left(&self) -> i64 {
        self.0.as_ref().map_or(0, |left| left.load(Ordering::SeqCst))
    }

    /// Passes one point.
    pub fn pass(&self) -> Result<()> {
        match &self.0 {
            Some(left) if left.fetch_sub(1, Ordering::SeqCst) == 1 => {
                Err(StoreError::Unwell("a fault was asked for".to_owned()))
            }
            _ => Ok(()),
        }
    }
}
