//! The octets of a conversation with an inbox: lines in, answers out, plain or inside TLS.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Octets read at a time.
const READ_OCTETS: usize = 16 * 1024;
/// Octets in a line after which nobody waits for its end.
const MAX_LINE_OCTETS: usize = 1 << 20;

/// A connection, plain or inside TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection and what was read of it ahead.
pub(super) struct Wire {
    pub(super) stream: Box<dyn Stream>,
    ahead: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), ahead: Vec::new() }
    }

    /// Octets that the client sent beyond the line that was read last.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Takes octets that were read ahead.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.ahead.split_off(count);
        std::mem::replace(&mut self.ahead, rest)
    }

    /// The next line with its CRLF; only CRLF ends a line. `None` at the end of the stream.
    pub(super) async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memmem::find(&self.ahead[searched..], b"\r\n") {
                return Ok(Some(self.take(searched + end + 2)));
            }
            searched = self.ahead.len().saturating_sub(1);
            if self.ahead.len() > MAX_LINE_OCTETS {
                return Err(io::Error::other("a line without an end"));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// The content up to the line that is a lone dot, with one dot taken off each line that begins with one.
    pub(super) async fn content(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        while let Some(line) = self.line().await? {
            if line == b".\r\n" {
                return Ok(Some(content));
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        Ok(None)
    }

    /// Waits for octets; false at the end of the stream.
    pub(super) async fn read_more(&mut self) -> io::Result<bool> {
        self.ahead.reserve(READ_OCTETS);
        Ok(self.stream.read_buf(&mut self.ahead).await? > 0)
    }

    /// Reads until the client closes, and lets it all fall.
    pub(super) async fn read_in_vain(&mut self) -> io::Result<()> {
        while self.read_more().await? {
            self.ahead.clear();
        }
        Ok(())
    }

    pub(super) async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    pub(super) async fn send_slowly(&mut self, octets: &[u8], pause: Duration) -> io::Result<()> {
        for octet in octets {
            tokio::time::sleep(pause).await;
            self.send(&[*octet]).await?;
        }
        Ok(())
    }
}
