//! The listeners of HTTP: inside TLS, sending on to it, metrics alone; and what they take and do not take.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::http::Method;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use waypost::clock::Clock;
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::demo::sender::Sender;

use crate::support::{PATIENCE, World};

/// HTTP inside TLS, and the two plain listeners beside it.
const ALL: [(&str, &str); 3] = [
    ("HTTP__HTTPS_LISTEN", "127.0.0.1:0"),
    ("HTTP__HTTP_REDIRECT_LISTEN", "127.0.0.1:0"),
    ("HTTP__METRICS_LISTEN", "127.0.0.1:0"),
];

async fn inside_tls(address: SocketAddr, name: &str) -> TlsStream<TcpStream> {
    let connector = TlsConnector::from(waypost::net::tls::opportunistic_client());
    let stream = TcpStream::connect(address).await.unwrap();
    connector.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await.unwrap()
}

/// Asks for one page and reads the answer to its end.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str, fields: &str) -> String {
    let request = format!("{request} HTTP/1.1\r\nHost: gw.example\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that ends TLS without saying so is not this one.
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

pub(crate) async fn plain(address: SocketAddr, request: &str, fields: &str) -> String {
    ask(TcpStream::connect(address).await.unwrap(), request, fields).await
}

async fn https(world: &World, request: &str, fields: &str) -> String {
    ask(inside_tls(world.gateway.listening.https[0], "gw.example").await, request, fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_panel_signs_in_over_https_with_a_cookie_that_stays_there() {
    let world = World::bare(&ALL).await;
    let link = world.post("/control/panel-link?purpose=sign-in", serde_json::Value::Null).await["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let port = world.gateway.listening.https[0].port();
    let path = link.strip_prefix(&format!("https://gw.example:{port}")).unwrap_or_else(|| panic!("{link}"));
    let page = https(&world, &format!("GET {path}"), "").await;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("Sign in"), "{page}");
    assert!(page.contains("\r\nstrict-transport-security: max-age=15552000\r\n"), "{page}");
    let signed = https(&world, &format!("POST {path}"), "Sec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n").await;
    assert!(signed.starts_with("HTTP/1.1 303 ") && signed.contains("__Host-waypost="), "{signed}");
    assert!(signed.contains("; Secure; HttpOnly"), "{signed}");

    let refused = plain(world.gateway.listening.http[0], "GET /sign-in", "").await;
    assert!(refused.starts_with("HTTP/1.1 403 ") && !refused.contains("strict-transport-security"), "{refused}");
    let foreign = https(&world, "GET http://evil.example/activity", "").await;
    assert!(foreign.starts_with("HTTP/1.1 421 "), "{foreign}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn https_before_a_trusted_proxy_is_as_good_and_nobody_else_can_claim_it() {
    let settings = [("HTTP__TRUSTED_PROXIES", "127.0.0.1"), ("HTTP__PUBLIC_URL", "https://gw.example")];
    let world = World::bare(&settings).await;
    let http = world.gateway.listening.http[0];
    let from = async |source: [u8; 4], request: &str, fields: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((source, 0))).unwrap();
        ask(socket.connect(http).await.unwrap(), request, fields).await
    };
    let link = world.post("/control/panel-link?purpose=sign-in", serde_json::Value::Null).await["url"].clone();
    let sign_in = format!("POST {}", link.as_str().unwrap().strip_prefix("https://gw.example").unwrap());
    let (proxy, stranger) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let own = "Sec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n";
    let https = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n";
    for (source, said) in [(stranger, https), (stranger, ""), (proxy, "X-Forwarded-Proto: http\r\n"), (proxy, "")] {
        let refused = from(source, &sign_in, &format!("{own}{said}")).await;
        assert!(
            refused.starts_with("HTTP/1.1 403 ") && !refused.contains("set-cookie"),
            "{source:?} {said}: {refused}"
        );
    }
    let signed = from(proxy, &sign_in, &format!("{own}{https}")).await;
    assert!(signed.starts_with("HTTP/1.1 303 ") && signed.contains("; Secure; HttpOnly"), "{signed}");
    let cookies: Vec<_> = signed.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect();
    assert!(cookies.iter().all(|cookie| cookie.starts_with("__Host-waypost")), "{cookies:?}");
    let brought = format!("Cookie: {}\r\n{https}", cookies[0].split(';').next().unwrap());
    assert!(from(proxy, "GET /activity", &brought).await.starts_with("HTTP/1.1 200 "));
    let elsewhere = from(stranger, "GET /activity", &brought).await;
    assert!(elsewhere.starts_with("HTTP/1.1 303 ") && elsewhere.contains("location: /sign-in"), "{elsewhere}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_sent_on_to_https_and_the_api_is_not() {
    let world = World::bare(&ALL).await;
    let redirect = world.gateway.listening.redirect[0];
    let port = world.gateway.listening.https[0].port();
    let page = plain(redirect, "GET /activity?page=2", "").await;
    assert!(page.starts_with("HTTP/1.1 307 "), "{page}");
    assert!(page.contains(&format!("location: https://gw.example:{port}/activity?page=2\r\n")), "{page}");
    for path in ["/v1/aliases", "/api/v1/aliases", "/client/v4/zones"] {
        let refused = plain(redirect, &format!("GET {path}"), "Authorization: Bearer wp_x\r\n").await;
        assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("application/problem+json"), "{refused}");
        assert!(!refused.contains("location:"), "{refused}");
    }
    world.stop().await;
}

/// What stands in a field to be copied.
fn copied(page: &str, label: &str) -> String {
    let (_, part) = page.split_once(&format!("-label\">{label}</h2>")).unwrap_or_else(|| panic!("{label}: {page}"));
    let (_, part) = part.split_once("<code class=\"reply\"").unwrap();
    let (_, part) = part.split_once('>').unwrap();
    let text = part.split("</code>").next().unwrap();
    text.replace("&#39;", "'").replace("&#34;", "\"").replace("&#38;", "&").replace("&#62;", ">").replace("&#60;", "<")
}

/// A certificate that nobody vouches for stops every program: the page says so, and what is copied works all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_connects_a_program_works_with_a_self_signed_certificate() {
    let world = World::bare(&ALL).await.furnished().await;
    world.post("/v1/destinations/anna@inbox.example/default", Value::Null).await;
    let https_port = world.gateway.listening.https[0].port();
    let link = world.post("/control/panel-link?purpose=sign-in", Value::Null).await["url"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(&format!("https://gw.example:{https_port}")).unwrap();
    let own = "Sec-Fetch-Site: same-origin\r\n";
    let signed = https(&world, &format!("POST {path}"), &format!("{own}Content-Length: 0\r\n")).await;
    let cookie = signed.lines().find_map(|line| line.strip_prefix("set-cookie: __Host-waypost=")).unwrap();
    let cookie = format!("Cookie: __Host-waypost={}\r\n{own}", cookie.split(';').next().unwrap());
    for (client, asks) in
        [("curl", "curl -sS --cacert waypost.pem "), ("script", "SSL_CERT_FILE=waypost.pem WAYPOST_URL=")]
    {
        let form = https(&world, &format!("GET /connect/{client}"), &cookie).await;
        let words = "This gateway signed its certificate itself, for <bdi>gw.example</bdi>";
        assert!(form.contains(words) && form.contains("/help/go-live"), "{form}");
        let body = format!("name={client}");
        let fields = format!(
            "{cookie}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let made = https(&world, &format!("POST /connect/{client}"), &fields).await;
        let command = copied(&made, "Run this");
        assert!(command.contains(asks), "{command}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("waypost.pem"), copied(&made, "waypost.pem")).unwrap();
        if client == "curl" {
            let resolve = format!("--resolve gw.example:{https_port}:127.0.0.1 --cacert");
            let mut run = Command::new("sh");
            run.arg("-c").arg(command.replace("--cacert", &resolve)).current_dir(&folder);
            let ran = tokio::task::spawn_blocking(move || run.output().unwrap()).await.unwrap();
            let ran = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
            assert!(ran.contains("@my.example"), "{ran}");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_on_their_own_listener_and_want_a_token_elsewhere() {
    let world = World::start_with(&ALL).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let alone = plain(world.gateway.listening.metrics[0], "GET /metrics", "").await;
    assert!(alone.contains("\nwaypost_messages_accepted_total 1\n"), "{alone}");
    assert!(plain(world.gateway.listening.metrics[0], "GET /v1/domains", "").await.starts_with("HTTP/1.1 404 "));

    assert!(https(&world, "GET /metrics", "").await.starts_with("HTTP/1.1 401 "));
    for (scope, status) in [("activity:read", "403"), ("admin:read", "200")] {
        let token = world.post("/v1/tokens", serde_json::json!({ "name": scope, "scopes": [scope] })).await;
        let bearer = format!("Authorization: Bearer {}\r\n", token["token"].as_str().unwrap());
        let answer = https(&world, "GET /metrics", &bearer).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    world.stop().await;
}

/// What the queue has, as a dashboard draws it and an alarm asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_say_what_waits_what_is_held_and_for_how_long() {
    let clock = Clock::hastened();
    let world = World::bare_with(&ALL, |config, _| config.clock = Some(clock.clone())).await;
    world.domain("my.example").await;
    world.destination("anna@inbox.example").await;
    world.alias("shop@my.example", &["anna@inbox.example"]).await;
    let read = async || plain(world.gateway.listening.metrics[0], "GET /metrics", "").await;
    let has = |text: &str, [waiting, held]: [u64; 2]| {
        let of = |state, n| format!("\nwaypost_queue_messages{{state=\"{state}\"}} {n}\n");
        assert!(text.contains(&of("waiting", waiting)) && text.contains(&of("held", held)), "{text}");
    };
    let age = |text: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix("waypost_queue_oldest_seconds ")).expect("the age");
        line.trim().parse().unwrap()
    };
    let empty = read().await;
    has(&empty, [0, 0]);
    assert_eq!(age(&empty), 0);
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("451 4.3.2 not now")));
    for _ in 0..2 {
        assert!(world.letter("shop@my.example").await.is_accepted());
    }
    world.until_rows(|rows| rows.iter().all(|row| row["status"] == "deferred")).await;
    clock.advance(Duration::from_secs(600));
    let text = read().await;
    has(&text, [2, 0]);
    assert!((600..1200).contains(&age(&text)), "{text}");
    for head in ["# TYPE waypost_queue_messages gauge\n", "# TYPE waypost_queue_oldest_seconds gauge\n"] {
        assert_eq!(text.matches(head).count(), 1, "{text}");
    }
    let first = world.rows().await.remove(0)["id"].as_str().unwrap().to_owned();
    let held = async {
        // It may be on its way at this very moment.
        while world.ask(Method::POST, &format!("/v1/queue/{first}/hold"), Value::Null).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.expect("it must be held");
    has(&read().await, [1, 1]);
    world.stop().await;
}

/// A pair of files for `name`, written over what was there.
fn own_files(dir: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

fn certificate(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn presented_by_smtp(world: &World) -> Vec<u8> {
    let mut sender = Sender::connect(world.smtp(), "mail.sender.example").await.unwrap();
    sender.command("EHLO mail.sender.example").await.unwrap();
    assert!(sender.command("STARTTLS").await.unwrap().starts_with("220 "));
    let connector = TlsConnector::from(waypost::net::tls::opportunistic_client());
    let name = ServerName::try_from("gw.example").unwrap();
    certificate(&connector.connect(name, sender.into_stream()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn smtp_and_https_present_the_same_certificate_and_both_renew_it() {
    let dir = tempfile::tempdir().unwrap();
    own_files(dir.path(), "gw.example");
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let files = [("SMTP__TLS_CERTIFICATE", file("cert.pem")), ("SMTP__TLS_KEY", file("key.pem"))];
    let settings: Vec<_> = files.iter().map(|(key, value)| (*key, value.as_str())).chain(ALL).collect();
    let world = World::bare(&settings).await;
    let presented = async || {
        let by_https = certificate(&inside_tls(world.gateway.listening.https[0], "gw.example").await);
        assert_eq!(presented_by_smtp(&world).await, by_https);
        by_https
    };
    let before = presented().await;
    own_files(dir.path(), "gw.example");
    world.reload_with(&[]).await;
    assert_ne!(presented().await, before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_without_measure_is_refused() {
    let world = World::bare(&ALL).await;
    for field in [format!("X-Long: {}\r\n", "x".repeat(64 * 1024)), "X-Many: x\r\n".repeat(101)] {
        let mut stream = TcpStream::connect(world.gateway.listening.http[0]).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nHost: gw.example\r\n{field}\r\n");
        // It may hang up before all of it is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = [0; 13];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431 ");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_every_place_unless_it_is_a_trusted_proxy() {
    for (proxies, is_served) in [("", false), ("127.0.0.1", true)] {
        let world = World::bare(&[("HTTP__TRUSTED_PROXIES", proxies)]).await;
        let http = world.gateway.listening.http[0];
        let mut held = Vec::new();
        for _ in 0..64 {
            held.push(TcpStream::connect(http).await.unwrap());
        }
        let mut next = TcpStream::connect(http).await.unwrap();
        let _ = next.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await;
        let mut answer = String::new();
        let read = next.read_to_string(&mut answer).await;
        assert_eq!(read.is_ok() && answer.starts_with("HTTP/1.0 200 "), is_served, "{answer}");
        drop(held);
        world.stop().await;
    }
}
