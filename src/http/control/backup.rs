//! `GET /control/backup?queue=`: a backup as a stream.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::mpsc;

use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::http::problem::Problem;

/// Pieces that wait for the reader.
const PIECES: usize = 8;
/// Octets of a piece.
const PIECE_OCTETS: usize = 64 * 1024;

/// Streams the archive.
pub(super) async fn stream(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Result<Response, Problem> {
    let queue = ask.flag("queue")?.unwrap_or(false);
    let archive = site.admin.archive(&actor, queue).await?.map_err(|error| unwell(&error))?;
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = archive.write_to(Pieces { sender: sender.clone(), held: Vec::new() }) {
            let _ = sender.blocking_send(Err(error));
        }
    });
    let fields = [
        (header::CONTENT_TYPE, "application/x-tar"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"waypost-backup.tar\""),
    ];
    Ok((fields, pieces(receiver)).into_response())
}

fn pieces(receiver: mpsc::Receiver<io::Result<Bytes>>) -> Body {
    Body::from_stream(stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }))
}

/// Hands what is written to the body, a piece at a time. A reader that has gone is an error, which ends the work.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    held: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(octets);
        if self.held.len() >= PIECE_OCTETS {
            self.flush()?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.held));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn unwell(error: &io::Error) -> Problem {
    tracing::error!(%error, "a backup failed");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("The backup cannot be put together: {error}."))
}
