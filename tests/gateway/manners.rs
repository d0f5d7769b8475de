//! What no browser and no decent client sends, answered as HTTP asks for it, in the panel's and the API's own words.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::World;

/// What comes back for these octets.
async fn heard(http: SocketAddr, octets: &str) -> String {
    let mut stream = TcpStream::connect(http).await.unwrap();
    stream.write_all(octets.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Whoever says too much may be cut off in the middle.
    let _cut = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn token(world: &World) -> String {
    let made = world.post("/v1/tokens", json!({ "name": "owner", "scopes": ["admin"] })).await;
    format!("Authorization: Bearer {}\r\n", made["token"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_read_is_answered_in_our_own_words() {
    let world = World::start().await;
    let (http, bearer) = (world.gateway.listening.http[0], token(&world).await);
    let link = world.post("/control/panel-link?purpose=sign-in", json!(null)).await["url"].as_str().unwrap().to_owned();
    let path = link.find("/sign-in").map(|at| &link[at..]).unwrap();
    let own = "Host: localhost\r\nConnection: close\r\n";
    let signed =
        heard(http, &format!("POST {path} HTTP/1.1\r\n{own}Sec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n\r\n"))
            .await;
    let cookie = signed.lines().find_map(|line| line.strip_prefix("set-cookie: waypost=")).unwrap();
    let cookie = format!("Cookie: waypost={}\r\n", cookie.split(';').next().unwrap());
    for path in [
        "/sign-in/%ff",
        "/verify/%ff",
        "/setup/%ff",
        "/reset/%ff",
        "/aliases/%ff",
        "/domains/%ff",
        "/activity/%ff",
        "/help/%ff",
    ] {
        let page = heard(http, &format!("GET {path} HTTP/1.1\r\n{own}{cookie}\r\n")).await;
        assert!(page.starts_with("HTTP/1.1 4") && page.contains("content-type: text/html"), "{path}: {page}");
        assert!(page.contains("</html>"), "{path}: {page}");
    }
    for path in ["/v1/aliases/%ff", "/v1/domains/%ff", "/v1/queue/%ff/message"] {
        let problem = heard(http, &format!("GET {path} HTTP/1.1\r\n{own}{bearer}\r\n")).await;
        assert!(problem.starts_with("HTTP/1.1 4") && problem.contains("application/problem+json"), "{path}: {problem}");
    }
    world.stop().await;
}

/// RFC 9112 §3.2.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_host() {
    let world = World::start().await;
    let http = world.gateway.listening.http[0];
    for fields in ["Host: localhost\r\nHost: evil.example\r\n", "Host: evil.example\r\nHost: localhost\r\n", ""] {
        for path in ["/sign-in", "/v1/aliases", "/healthz"] {
            let answer = heard(http, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{fields}\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{path} {fields:?}: {answer}");
        }
    }
    let plain = heard(http, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 200 "), "{plain}");
    let old = heard(http, "GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_has_its_limit_whatever_it_is_made_of() {
    let world = World::start().await;
    let http = world.gateway.listening.http[0];
    let get = async |octets: usize, fields: usize| {
        let field = "a".repeat(octets / fields);
        let fields: String = (0..fields).map(|n| format!("X-{n}: {field}\r\n")).collect();
        heard(http, &format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")).await
    };
    for fields in [1, 40] {
        assert!(get(20_000, fields).await.starts_with("HTTP/1.1 200 "));
        for octets in [33_000, 36_000, 40_000] {
            let answer = get(octets, fields).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{octets} in {fields}: {answer}");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_names_a_cursor_and_an_order_that_are_none() {
    let world = World::start().await;
    let (http, bearer) = (world.gateway.listening.http[0], token(&world).await);
    for list in ["domains", "aliases", "destinations", "activity", "queue", "users", "audit"] {
        for (query, field) in [("cursor=no%20such%20cursor!", "cursor"), ("sort=nope", "sort"), ("limit=0", "limit")] {
            let request =
                format!("GET /v1/{list}?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{bearer}\r\n");
            let answer = heard(http, &request).await;
            assert!(answer.starts_with("HTTP/1.1 422 "), "{list}?{query}: {answer}");
            assert!(answer.contains(&format!("\"pointer\":\"/{field}\"")), "{list}?{query}: {answer}");
        }
    }
    for sort in ["name", "-name", "created_at", "-created_at"] {
        let path = format!("/v1/domains?sort={sort}&cursor=no%20such%20cursor!");
        let answer =
            heard(http, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{bearer}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 422 "), "{sort}: {answer}");
    }
    world.stop().await;
}
