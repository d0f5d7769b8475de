//! A server of our own on loopback, and what is taken from it and what is not.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::auth::{self, Authenticator};
use crate::demo::dns::Dns as Zone;
use crate::net::tls;

/// Answers each request with these octets, under a certificate for 127.0.0.1 and host.example.
struct Server {
    port: u16,
    zone: Zone,
    dir: tempfile::TempDir,
}

impl Server {
    async fn answering(octets: Vec<u8>) -> Self {
        let names = ["127.0.0.1".to_owned(), "host.example".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("root.pem"), made.cert.pem()).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .unwrap();
        let (listener, acceptor) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)));
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                let asked = String::from_utf8_lossy(&request[..read]).to_lowercase();
                assert!(asked.starts_with("get /a?b http/1.1\r\n") && asked.contains("\r\nhost: "), "{asked}");
                let _ = stream.write_all(&octets).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { port, zone: Zone::start().await.unwrap(), dir }
    }

    fn fetcher(&self, reach: Reach) -> Fetcher {
        let (servers, timeout) = (vec![self.zone.address()], Duration::from_secs(2));
        let resolver = Authenticator::new(&auth::Settings { servers, timeout }).unwrap().resolver();
        let tls = tls::client_trusting(&self.dir.path().join("root.pem")).unwrap();
        Fetcher { dns: Dns::new(resolver, timeout), tls, reach }
    }

    async fn get(&self, reach: Reach, host: &str) -> Result<Response<Bytes>, String> {
        let uri = format!("https://{host}:{}/a?b", self.port);
        let request = Request::get(uri).body(Bytes::new()).unwrap();
        self.fetcher(reach).fetch(request).await.map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn takes_an_answer_and_follows_nothing() {
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 2\r\n\r\nok";
    let server = Server::answering(redirect.to_vec()).await;
    server.zone.a("host.example", [127, 0, 0, 1].into());
    for host in ["127.0.0.1", "host.example"] {
        let answer = server.get(Reach::OwnNetwork, host).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (302, &b"ok"[..]));
    }
}

/// CONFORMANCE, threat 9: the address that is connected to counts, not the name.
#[tokio::test]
async fn never_reaches_into_our_own_network() {
    let server = Server::answering(b"HTTP/1.1 200 OK\r\n\r\nsecret".to_vec()).await;
    server.zone.a("host.example", [127, 0, 0, 1].into());
    server.zone.aaaa("host.example", "::ffff:127.0.0.1".parse().unwrap());
    server.zone.cname("alias.example", "host.example");
    for host in ["127.0.0.1", "host.example", "alias.example", "[::1]", "169.254.169.254"] {
        let error = server.get(Reach::Public, host).await.unwrap_err();
        assert!(error.ends_with("which is never connected to"), "{host}: {error}");
    }
}

#[tokio::test]
async fn refuses_what_has_no_measure_or_is_not_who_it_should_be() {
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; MAX_BODY_OCTETS + 1]].concat();
    let server = Server::answering(endless).await;
    let error = server.get(Reach::OwnNetwork, "127.0.0.1").await.unwrap_err();
    assert!(error.contains("length limit exceeded"), "{error}");
    server.zone.a("other.example", [127, 0, 0, 1].into());
    let error = server.get(Reach::OwnNetwork, "other.example").await.unwrap_err();
    assert!(error.contains("other.example cannot be reached at 127.0.0.1") && error.contains("certificate"), "{error}");
    let error = server.get(Reach::OwnNetwork, "nowhere.example").await.unwrap_err();
    assert_eq!(error, "nowhere.example has no address: the domain does not exist");
    let plain = Request::get("http://127.0.0.1/").body(Bytes::new()).unwrap();
    let error = server.fetcher(Reach::OwnNetwork).fetch(plain).await.unwrap_err();
    assert_eq!(error.to_string(), "http://127.0.0.1/ is no https address");
}
