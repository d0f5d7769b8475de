//! STARTTLS on both legs.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use waypost::demo::inbox::{Behaviour, Extensions, Rule, Stage, StartTls};
use waypost::demo::sender::stuffed;

use crate::support::{LETTER, PATIENCE, World, prefix, without_prefix};

fn offering(starttls: StartTls) -> Extensions {
    Extensions { starttls, ..Extensions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_hop_that_offers_tls_gets_it() {
    let world = World::start().await;
    world.inbox.offer(offering(StartTls::SelfSigned));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let arrived = &world.inbox.wait_for(1).await[0];
    assert!(arrived.tls);
    assert_eq!(without_prefix(arrived, LETTER), LETTER);
    let row = world.row().await;
    assert_eq!(row["attempts"][0]["tls"]["version"], "TLSv1_3", "{row:#}");
    assert_eq!(row["attempts"][0]["tls"]["verified"], false);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_handshake_goes_on_without_tls_and_says_so() {
    let world = World::start().await;
    world.inbox.offer(offering(StartTls::BrokenHandshake));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let arrived = &world.inbox.wait_for(1).await[0];
    assert!(!arrived.tls);
    let row = world.until("shop@my.example", "forwarded").await;
    assert!(row["attempts"].to_string().contains("TLS"), "{row:#}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn required_tls_that_is_not_there_defers() {
    let world = World::start_with(&[("DELIVERY__TLS", "require"), ("DELIVERY__RETRY", "1h")]).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let row = world.row().await;
    assert_eq!(row["status"], "deferred", "{row:#}");
    assert!(world.inbox.received().is_empty());
    world.stop().await;
}

async fn say(tls: &mut TlsStream<tokio::net::TcpStream>, line: &[u8]) -> String {
    tls.write_all(line).await.unwrap();
    let mut reply = vec![0; 4096];
    let octets = tls.read(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply[..octets]).into_owned()
}

/// A client inside TLS that has said EHLO.
async fn inside_tls(world: &World) -> TlsStream<tokio::net::TcpStream> {
    let mut sender = world.sender().await;
    assert!(sender.command("EHLO mail.sender.example").await.unwrap().contains("STARTTLS"));
    assert!(sender.command("STARTTLS").await.unwrap().starts_with("220 "));
    let connector = TlsConnector::from(waypost::net::tls::opportunistic_client());
    let name = ServerName::try_from("gw.example").unwrap();
    let mut tls = connector.connect(name, sender.into_stream()).await.unwrap();
    let ehlo = say(&mut tls, b"EHLO mail.sender.example\r\n").await;
    assert!(!ehlo.contains("STARTTLS"), "{ehlo}");
    tls
}

const UP_TO_DATA: &[u8] = b"MAIL FROM:<ann@sender.example>\r\nRCPT TO:<shop@my.example>\r\nDATA\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_inside_tls_is_logged_as_such() {
    let world = World::start().await;
    let mut tls = inside_tls(&world).await;
    say(&mut tls, UP_TO_DATA).await;
    let mut reply = say(&mut tls, &stuffed(LETTER)).await;
    while !reply.contains("250 2.0.0") {
        reply.push_str(&say(&mut tls, b"").await);
    }
    let arrived = &world.inbox.wait_for(1).await[0];
    assert!(prefix(arrived, LETTER).contains("with ESMTPS"));
    assert_eq!(world.row().await["client"]["tls"]["version"], "TLSv1_3");
    world.stop().await;
}

/// The close of TLS is an octet like any other to the socket.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_tls_has_left() {
    let world = World::start_with(&[("SMTP__ANSWER_WITHIN", "30s"), ("DELIVERY__DIRECT_TIMEOUT", "30s")]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::Hang));
    let mut tls = inside_tls(&world).await;
    say(&mut tls, UP_TO_DATA).await;
    tls.write_all(&stuffed(LETTER)).await.unwrap();
    world.until_inbox_hears("RCPT").await;
    tls.shutdown().await.unwrap();
    world.until("shop@my.example", "abandoned").await;
    world.stop().await;
}

/// And one that sends its next command early is there, and is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_inside_tls_that_does_not_wait_is_heard() {
    let world = World::start_with(&[("SMTP__ANSWER_WITHIN", "2s")]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::Hang).times(1));
    let mut tls = inside_tls(&world).await;
    say(&mut tls, UP_TO_DATA).await;
    tls.write_all(&stuffed(LETTER)).await.unwrap();
    world.until_inbox_hears("RCPT").await;
    let mut replies = say(&mut tls, b"NOOP\r\nQUIT\r\n").await;
    while !replies.contains("221 ") {
        replies.push_str(&say(&mut tls, b"").await);
    }
    let codes = replies.lines().map(|line| &line[..3]).collect::<Vec<_>>();
    assert_eq!(codes, ["250", "250", "221"], "{replies}");
    world.stop().await;
}

/// A new pair of files for the gateway's name; gives the certificate.
fn write_pair(folder: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(["gw.example".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().to_vec()
}

/// Whoever renews the files tells nobody: they are looked at by the clock, and half a pair is not taken.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_somebody_renewed_are_presented_before_long() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_pair(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let settings = [("SMTP__TLS_CERTIFICATE", path("cert.pem")), ("SMTP__TLS_KEY", path("key.pem"))];
    let settings = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
    let often = Duration::from_millis(20);
    let world = World::bare_with(&settings, |config, _| config.certificates_every = often).await;
    let presented = async || inside_tls(&world).await.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    assert_eq!(presented().await, first);
    let second = write_pair(folder.path());
    let look = async {
        while presented().await != second {
            tokio::time::sleep(often).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the new pair");
    world.stop().await;
}
