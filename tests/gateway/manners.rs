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
