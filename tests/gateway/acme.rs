//! Certificates from a real ACME server (pebble), over real sockets: the first, its renewal, and what becomes of refusals.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use waypost::clock::Clock;
use waypost::demo::sender::Sender;
use waypost::net::tls;

use crate::pebble::{Looks, Pebble};
use crate::support::World;

/// The longest that a test waits for something to become true.
const PATIENCE: Duration = Duration::from_secs(30);
/// A lifetime that no test lives to see the end of.
const LONG: u32 = 90 * 86_400;

async fn world(pebble: &Pebble, more: &[(&str, &str)]) -> World {
    world_at(&Clock::system(), pebble, more).await
}

async fn world_at(clock: &Clock, pebble: &Pebble, more: &[(&str, &str)]) -> World {
    let settings = pebble.settings();
    let settings: Vec<_> =
        settings.iter().map(|(key, value)| (*key, value.as_str())).chain(more.iter().copied()).collect();
    World::bare_with(&settings, |config, _| config.clock = Some(clock.clone())).await.furnished().await
}

fn looks(world: &World, lifetime_secs: u32) -> Looks {
    let listening = &world.gateway.listening;
    let port = |of: &[SocketAddr]| of.first().map_or(1, SocketAddr::port);
    let http_port = port(if listening.redirect.is_empty() { &listening.http } else { &listening.redirect });
    Looks { dns: world.dns.address(), http_port, tls_port: port(&listening.https), lifetime_secs }
}

/// What SMTP presents to whoever trusts these roots alone, if that verifies for `name`.
async fn by_smtp(world: &World, name: &str, roots: &Path) -> Option<Vec<u8>> {
    let mut sender = Sender::connect(world.smtp(), "mail.sender.example").await.unwrap();
    sender.command("EHLO mail.sender.example").await.unwrap();
    assert!(sender.command("STARTTLS").await.unwrap().starts_with("220 "));
    shake(sender.into_stream(), name, roots).await
}

async fn by_https(world: &World, name: &str, roots: &Path) -> Option<Vec<u8>> {
    shake(TcpStream::connect(world.gateway.listening.https[0]).await.unwrap(), name, roots).await
}

async fn shake(stream: TcpStream, name: &str, roots: &Path) -> Option<Vec<u8>> {
    let connector = TlsConnector::from(tls::client_trusting(roots).unwrap());
    let stream = connector.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await.ok()?;
    Some(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
}

/// Waits until SMTP presents what `wanted` says.
async fn until(world: &World, roots: &Path, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let look = async {
        loop {
            if let Some(certificate) = by_smtp(world, "gw.example", roots).await.filter(|found| wanted(found)) {
                return certificate;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(certificate) => certificate,
        Err(_) => panic!("it was never presented: {}", tries(world)),
    }
}

fn tries(world: &World) -> String {
    std::fs::read_to_string(world.data.path().join("acme/tries.json")).unwrap_or_default()
}

/// Waits until the last try is on record as failed for this reason.
async fn until_failed(world: &World, reason: &str) {
    let look = async {
        while !tries(world).contains(reason) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, look).await.is_ok(), "never failed for {reason}: {}", tries(world));
}

async fn metrics(world: &World) -> String {
    let mut stream = TcpStream::connect(world.gateway.listening.metrics[0]).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

const TLS: [(&str, &str); 2] = [("HTTP__HTTPS_LISTEN", "127.0.0.1:0"), ("HTTP__METRICS_LISTEN", "127.0.0.1:0")];

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_proved_inside_tls_and_smtp_and_https_present_its_certificate() {
    let mut pebble = Pebble::new();
    let names = [("TLS__ACME_NAMES", "mta-sts.my.example")];
    let world = world(&pebble, &[&TLS[..], &names].concat()).await;
    until_failed(&world, "127.0.0.1 cannot be reached").await;
    assert!(world.letter("shop@my.example").await.is_accepted(), "mail waits for no certificate");
    assert!(metrics(&world).await.contains("waypost_certificate_failing{name=\"gw.example\"} 1\n"));

    for name in ["gw.example", "mta-sts.my.example"] {
        world.dns.a(name, [127, 0, 0, 1].into());
    }
    pebble.start(&looks(&world, LONG)).await;
    // What was wrong is mended, and somebody says so.
    world.reload_with(&[]).await;
    let roots = pebble.issuer().await.unwrap();
    let certificate = until(&world, &roots, |_| true).await;
    assert_eq!(by_https(&world, "gw.example", &roots).await.unwrap(), certificate);
    let look = async {
        while by_https(&world, "mta-sts.my.example", &roots).await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("each name has a certificate of its own");
    let text = metrics(&world).await;
    assert!(text.contains("waypost_certificate_failing{name=\"gw.example\"} 0\n"), "{text}");
    assert!(text.contains("waypost_certificate_not_after_seconds{name=\"gw.example\"} 1"), "{text}");

    let folder = world.data.path().join("acme");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }

    pebble.stop();
    let world = world.restart().await;
    assert_eq!(by_smtp(&world, "gw.example", &roots).await, Some(certificate), "without the CA");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_https_a_name_is_proved_by_plain_http() {
    let redirect = [("HTTP__HTTP_REDIRECT_LISTEN", "127.0.0.1:0"), ("HTTP__PUBLIC_URL", "https://panel.my.example")];
    for more in [&[][..], &redirect] {
        let mut pebble = Pebble::new();
        let world = world(&pebble, more).await;
        until_failed(&world, "cannot be reached").await;
        world.dns.a("gw.example", [127, 0, 0, 1].into());
        pebble.start(&looks(&world, LONG)).await;
        world.reload_with(&[]).await;
        let roots = pebble.issuer().await.unwrap();
        until(&world, &roots, |_| true).await;
        world.stop().await;
    }
}

/// What keeps a CA from one listener need not keep it from the other.
#[tokio::test(flavor = "multi_thread")]
async fn where_one_proof_fails_the_next_try_is_by_the_other() {
    let redirect = [("HTTP__HTTP_REDIRECT_LISTEN", "127.0.0.1:0"), ("HTTP__PUBLIC_URL", "https://gw.example")];
    let mut pebble = Pebble::new();
    let world = world(&pebble, &[&TLS[..], &redirect].concat()).await;
    until_failed(&world, "cannot be reached").await;
    world.dns.a("gw.example", [127, 0, 0, 1].into());
    pebble.start(&Looks { http_port: 1, ..looks(&world, LONG) }).await;
    world.reload_with(&[]).await;
    until_failed(&world, "/.well-known/acme-challenge/").await;
    world.reload_with(&[]).await;
    let roots = pebble.issuer().await.unwrap();
    until(&world, &roots, |_| true).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_takes_the_place_of_the_old_one_and_a_refusal_does_not() {
    let mut pebble = Pebble::new();
    let world = world(&pebble, &TLS).await;
    until_failed(&world, "cannot be reached").await;
    world.dns.a("gw.example", [127, 0, 0, 1].into());
    pebble.start(&looks(&world, 4)).await;
    world.reload_with(&[]).await;
    let roots = pebble.issuer().await.unwrap();
    let first = until(&world, &roots, |_| true).await;
    let second = until(&world, &roots, |found| found != first).await;

    // The name leads elsewhere now: what is presented stays, and the CA's words are kept.
    world.dns.clear("gw.example");
    until_failed(&world, "(").await;
    assert!(metrics(&world).await.contains("waypost_certificate_failing{name=\"gw.example\"} 1\n"));
    let presented = waypost::net::tls::opportunistic_client();
    let stream = TcpStream::connect(world.gateway.listening.https[0]).await.unwrap();
    let name = ServerName::try_from("gw.example").unwrap();
    let stream = TlsConnector::from(presented).connect(name, stream).await.unwrap();
    let last = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    assert_ne!(last, first, "the newest that there was, be it that it has ended: {}", second.len());
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.stop().await;
}

/// Two thirds of its life are over, and a week for good measure: it has another three weeks.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_well_before_it_ends() {
    let (mut pebble, clock) = (Pebble::new(), Clock::hastened());
    let world = world_at(&clock, &pebble, &TLS).await;
    until_failed(&world, "cannot be reached").await;
    world.dns.a("gw.example", [127, 0, 0, 1].into());
    pebble.start(&looks(&world, LONG)).await;
    world.reload_with(&[]).await;
    let roots = pebble.issuer().await.unwrap();
    let first = until(&world, &roots, |_| true).await;
    clock.advance(Duration::from_secs(67 * 86_400));
    // It looks at the clock once an hour, and whenever somebody asks.
    world.reload_with(&[]).await;
    until(&world, &roots, |found| found != first).await;
    world.stop().await;
}
