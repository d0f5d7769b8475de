//! Reads exact aliases for many askers at once: who asks while one reading runs shares the next one, over one connection
//! that nobody has to wait for, give back or have tested.

use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use crate::policy::ids::DomainId;
use crate::policy::rule::Rule;
use crate::store::columns::{Columns, json};
use crate::store::file::File;
use crate::store::rules::loaded::{self, Loaded};
use crate::store::{Result, StoreError};

/// Askers that wait, at most; who comes later waits to be let in.
const MAX_WAITING_ASKERS: usize = 1024;
/// Askers of one reading, at most.
const MAX_ASKERS: usize = 64;

pub(in crate::store) const BY_KEY: &str = concat!(
    "select a.domain_id, a.key, ",
    loaded::columns!(),
    " where a.domain_id = ?1 and a.kind = 'address' and a.key = ?2 and ",
    loaded::counts!()
);
pub(in crate::store) const BY_KEYS: &str = concat!(
    "select a.domain_id, a.key, ",
    loaded::columns!(),
    " where a.id in (select b.id from json_each(?1) cross join aliases as b \
     on b.domain_id = json_each.value ->> 0 and b.kind = 'address' and b.key = json_each.value ->> 1) and ",
    loaded::counts!()
);

/// An address: its domain, and the folded local part.
pub(super) type Key = (DomainId, String);

/// What was found.
pub(super) type Found = Vec<(Key, Arc<Rule>)>;

struct Ask {
    keys: Vec<Key>,
    answer: oneshot::Sender<Result<Found>>,
}

/// The way to the reader.
#[derive(Debug)]
pub(super) struct Lookup(mpsc::Sender<Ask>);

impl Lookup {
    /// Starts the reader; it ends when nobody is left to ask.
    pub(super) fn start(file: File) -> Self {
        let (asks, waiting) = mpsc::channel(MAX_WAITING_ASKERS);
        tokio::spawn(Reader { file, connection: None }.run(waiting));
        Self(asks)
    }

    /// The rules that have one of these keys.
    pub(super) async fn read(&self, keys: Vec<Key>) -> Result<Found> {
        let closed = || StoreError::Unwell("storage has been closed".to_owned());
        let (answer, answered) = oneshot::channel();
        self.0.send(Ask { keys, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

struct Reader {
    file: File,
    connection: Option<SqliteConnection>,
}

impl Reader {
    async fn run(mut self, mut waiting: mpsc::Receiver<Ask>) {
        let mut asks = Vec::with_capacity(MAX_ASKERS);
        while let Some(first) = waiting.recv().await {
            asks.push(first);
            // Whoever can ask now asks first, and shares the reading; where nobody can, this costs nothing.
            tokio::task::yield_now().await;
            while asks.len() < MAX_ASKERS
                && let Ok(ask) = waiting.try_recv()
            {
                asks.push(ask);
            }
            let found = self.answers(&asks).await;
            for (ask, found) in asks.drain(..).zip(found) {
                // Nobody listens where the asker has gone.
                let _gone = ask.answer.send(found);
            }
        }
    }

    async fn answers(&mut self, asks: &[Ask]) -> Vec<Result<Found>> {
        match self.read(asks.iter().flat_map(|ask| &ask.keys).collect()).await {
            Ok(found) => {
                let of = |ask: &Ask| found.iter().filter(|(key, _)| ask.keys.contains(key)).cloned().collect();
                asks.iter().map(|ask| Ok(of(ask))).collect()
            }
            Err(error) => {
                // Whatever is wrong with it, the next asker gets a new one.
                self.connection = None;
                asks.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }

    async fn read(&mut self, keys: Vec<&Key>) -> Result<Found> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.file.reader().await?),
        };
        let query = match keys.as_slice() {
            [(domain, key)] => sqlx::query(BY_KEY).bind(domain.0).bind(key.clone()),
            several => sqlx::query(BY_KEYS).bind(json(&several)),
        };
        let rows = query.fetch_all(connection).await?;
        let found = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            let key = (DomainId(columns.take()?), columns.take()?);
            Ok((key, Arc::new(Loaded::read(&mut columns)?.into_rule())))
        });
        found.collect()
    }
}
