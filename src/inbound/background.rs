//! What is asked in the background while a client goes on speaking.

use std::future::poll_fn;
use std::task::Poll;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// An answer that is there, or will be.
#[derive(Debug)]
pub(super) enum Background<T> {
    /// Known.
    Known(T),
    /// Being asked.
    Asking(JoinHandle<T>),
}

impl<T: Default + Send + 'static> Background<T> {
    /// Begins to ask; only what has to wait gets a task of its own.
    pub(super) async fn begin(asking: impl Future<Output = T> + Send + 'static) -> Self {
        let mut asking = Box::pin(asking);
        match poll_fn(|context| Poll::Ready(asking.as_mut().poll(context))).await {
            Poll::Ready(known) => Self::Known(known),
            Poll::Pending => Self::Asking(tokio::spawn(asking)),
        }
    }

    /// The answer, waited for; who asks bounds its own time.
    pub(super) async fn known(&mut self) -> &T {
        if let Self::Asking(handle) = self {
            let answer = handle.await.unwrap_or_default();
            *self = Self::Known(answer);
        }
        match self {
            Self::Known(known) => known,
            Self::Asking(_) => unreachable!("it has been waited for"),
        }
    }
}

impl<T: Clone + Default + Send + 'static> Background<T> {
    /// The answer, unless it is not known at `until`.
    pub(super) async fn until(mut self, until: Instant) -> Option<T> {
        match &self {
            Self::Known(known) => Some(known.clone()),
            Self::Asking(_) => timeout_at(until, self.known()).await.ok().cloned(),
        }
    }
}

/// What was never asked.
impl<T: Default> Default for Background<T> {
    fn default() -> Self {
        Self::Known(T::default())
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        if let Self::Asking(handle) = self {
            handle.abort();
        }
    }
}
