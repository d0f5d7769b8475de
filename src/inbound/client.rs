//! What a client is reached by: a socket, with TLS or without, and how one notices that the client has left.

use std::io::{self, Write as _};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// A client's system that has no reader for what we wrote says so within a round trip; it is waited for no longer.
const RESET_WITHIN: Duration = Duration::from_secs(1);

/// A client's stream.
pub(super) trait Client: AsyncRead + AsyncWrite + Unpin + Send {
    /// Returns when the client has closed or reset its connection while it is owed an answer. One that has sent more
    /// commands is there; what was read of them to find out is in `input`.
    fn left(&mut self, input: &mut BytesMut) -> impl Future<Output = ()> + Send;

    /// Of a client that has closed its connection: whether what was written last had no reader any more.
    fn was_unheard(&self) -> impl Future<Output = bool> + Send;

    /// Writes the last reply and ends the stream, in one piece where that can be.
    fn end(&mut self, reply: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}

impl Client for TcpStream {
    async fn left(&mut self, _input: &mut BytesMut) {
        let mut octet = [0];
        match self.peek(&mut octet).await {
            Ok(0) => {}
            Ok(_) => std::future::pending().await,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => std::future::pending().await,
            Err(_) => {}
        }
    }

    async fn was_unheard(&self) -> bool {
        timeout(RESET_WITHIN, self.ready(Interest::ERROR)).await.is_ok()
    }

    /// The socket is closed when it is dropped.
    async fn end(&mut self, reply: &[u8]) -> io::Result<()> {
        self.write_all(reply).await
    }
}

impl Client for TlsStream<TcpStream> {
    /// The last word of TLS is an octet like any other to the socket: only who reads knows it.
    async fn left(&mut self, input: &mut BytesMut) {
        if self.read_buf(input).await.is_ok_and(|octets| octets > 0) {
            std::future::pending().await
        }
    }

    async fn was_unheard(&self) -> bool {
        self.get_ref().0.was_unheard().await
    }

    /// The close_notify (RFC 8446 §6.1) goes with the reply.
    async fn end(&mut self, reply: &[u8]) -> io::Result<()> {
        let tls = self.get_mut().1;
        tls.set_buffer_limit(None);
        tls.writer().write_all(reply)?;
        tls.send_close_notify();
        self.flush().await
    }
}
