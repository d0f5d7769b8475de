//! Compiled patterns. Each is compiled once for as long as anybody needs it: the directory while its rule counts, or a change
//! of an alias that is under way. It is done beside the threads that carry mail, one at a time, whoever asks for how many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Semaphore;

use crate::policy::facts::Matcher;
use crate::policy::routing::PatternError;
use crate::policy::rule::Kind;

/// Patterns that are compiled at the same time.
const AT_ONCE: usize = 1;

type Known = HashMap<(Kind, String), Weak<Matcher>>;

/// What is compiled; cheap to clone.
#[derive(Debug, Clone)]
pub struct Matchers {
    known: Arc<Mutex<Known>>,
    turns: Arc<Semaphore>,
}

impl Default for Matchers {
    fn default() -> Self {
        Self { known: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Matchers {
    /// The matcher of a glob or a regular expression.
    pub async fn compile(&self, kind: Kind, source: &str) -> Result<Arc<Matcher>, PatternError> {
        if let Some(known) = self.known(kind, source) {
            return Ok(known);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let (matchers, text) = (self.clone(), source.to_owned());
        let done = tokio::task::spawn_blocking(move || {
            let compiled = matchers.compile_here(kind, &text);
            drop(turn);
            compiled
        });
        // What cannot be done beside any more, as this process ends, is done here.
        done.await.unwrap_or_else(|_| self.compile_here(kind, source))
    }

    /// The same on this thread: for who has it compiled already, or cannot wait.
    pub(super) fn compile_here(&self, kind: Kind, source: &str) -> Result<Arc<Matcher>, PatternError> {
        if let Some(known) = self.known(kind, source) {
            return Ok(known);
        }
        let matcher = Arc::new(Matcher::compile(kind, source)?);
        let mut known = self.lock();
        if known.len().is_power_of_two() {
            known.retain(|_, matcher| matcher.strong_count() > 0);
        }
        known.insert((kind, source.to_owned()), Arc::downgrade(&matcher));
        Ok(matcher)
    }

    /// The matcher of a pattern that is compiled.
    pub(super) fn known(&self, kind: Kind, source: &str) -> Option<Arc<Matcher>> {
        self.lock().get(&(kind, source.to_owned()))?.upgrade()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pattern_is_compiled_once_while_anybody_needs_it() {
        let matchers = Matchers::default();
        let one = matchers.compile(Kind::Regex, "a+").await.unwrap();
        assert!(Arc::ptr_eq(&one, &matchers.compile(Kind::Regex, "a+").await.unwrap()));
        assert!(!Arc::ptr_eq(&one, &matchers.compile(Kind::Glob, "a+").await.unwrap()));
        assert!(matchers.compile(Kind::Regex, "(").await.is_err());
        drop(one);
        assert!(matchers.known(Kind::Regex, "a+").is_none());
    }

    #[tokio::test]
    async fn what_nobody_needs_is_forgotten() {
        let matchers = Matchers::default();
        let kept = matchers.compile(Kind::Glob, "kept-*").await.unwrap();
        for number in 0..100 {
            drop(matchers.compile(Kind::Glob, &format!("gone-{number}-*")).await.unwrap());
        }
        assert!(matchers.lock().len() < 10);
        assert!(Arc::ptr_eq(&kept, &matchers.compile(Kind::Glob, "kept-*").await.unwrap()));
    }
}
