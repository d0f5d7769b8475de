//! What a client is reached by: a socket, with TLS or without, and how one notices that the client has left.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A client's stream.
pub(super) trait Client: AsyncRead + AsyncWrite + Unpin + Send {
    /// Returns when the client has closed or reset its connection while it is owed an answer. One that has sent more
    /// commands is there; what was read of them to find out is in `input`.
    fn left(&mut self, input: &mut BytesMut) -> impl Future<Output = ()> + Send;
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
}

impl Client for TlsStream<TcpStream> {
    /// The last word of TLS is an octet like any other to the socket: only who reads knows it.
    async fn left(&mut self, input: &mut BytesMut) {
        if self.read_buf(input).await.is_ok_and(|octets| octets > 0) {
            std::future::pending().await
        }
    }
}
