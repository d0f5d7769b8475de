//! Who is behind a connection that comes by way of a proxy: read from the PROXY header, and from configured addresses only.
//!
//! The header is taken off the socket to its last octet and no further: what stands behind it is the client's.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::net::proxy::{Source, parse};
use crate::smtp::limits::PROXY_HEADER_TIMEOUT;

/// Octets looked at in one go; proxies write their header at once, and in no more.
const LOOK_OCTETS: usize = 536;

/// The client's address, or the proxy's own where it speaks for itself. An error means that the connection is to be closed.
pub(super) async fn client(stream: &mut TcpStream, proxy: SocketAddr) -> io::Result<SocketAddr> {
    let source = timeout(PROXY_HEADER_TIMEOUT, header(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(match source {
        Source::Client(client) => client,
        Source::Proxy => proxy,
    })
}

async fn header(stream: &mut TcpStream) -> io::Result<Source> {
    let mut header = Vec::new();
    let mut seen = [0; LOOK_OCTETS];
    loop {
        let count = stream.peek(&mut seen).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = header.len();
        header.extend_from_slice(&seen[..count]);
        let found = parse(&header).map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?;
        let whole = found.map_or(header.len(), |(_, octets)| octets);
        stream.read_exact(&mut seen[..whole - before]).await?;
        if let Some((source, _)) = found {
            return Ok(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, from) = listener.accept().await.unwrap();
        (proxy, stream, from)
    }

    #[tokio::test]
    async fn what_stands_behind_the_header_is_the_clients() {
        for header in [&b"PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\n"[..], b"PROXY UNKNOWN\r\n"] {
            let (mut proxy, mut stream, from) = pair().await;
            let (front, rest) = header.split_at(9);
            let write = async {
                proxy.write_all(front).await.unwrap();
                tokio::task::yield_now().await;
                proxy.write_all(&[rest, b"EHLO early\r\n"].concat()).await.unwrap();
            };
            let (found, ()) = tokio::join!(client(&mut stream, from), write);
            let named: SocketAddr = "192.0.2.7:4711".parse().unwrap();
            assert_eq!(found.unwrap(), if header.len() > 20 { named } else { from });
            let mut behind = [0; 12];
            stream.read_exact(&mut behind).await.unwrap();
            assert_eq!(&behind, b"EHLO early\r\n");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_says_nothing_is_not_waited_for() {
        let (mut proxy, mut stream, from) = pair().await;
        proxy.write_all(b"PROXY TCP4 192.0.2.7").await.unwrap();
        assert_eq!(client(&mut stream, from).await.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        drop(proxy);
        let (proxy, mut stream, from) = pair().await;
        drop(proxy);
        assert_eq!(client(&mut stream, from).await.map_err(|error| error.kind()), Err(io::ErrorKind::UnexpectedEof));
    }
}
