//! Connecting a program: its token may do what it needs and is shown once; the page tells when its first call came.

use serde_json::{Value, json};

use crate::web::House;

/// What stands to be copied, by its number.
fn copied(page: &str, number: usize) -> String {
    let part = page.split(&format!("<code class=\"reply\" id=\"copied-{number}\">")).nth(1).unwrap();
    part.split("</code>").next().unwrap().replace("&#39;", "'").replace("&#34;", "\"")
}

#[tokio::test]
async fn a_program_gets_a_token_of_its_own_and_its_first_call_is_told() {
    let house = House::with(|settings| settings.public_url = Some("https://panel.my.example/".to_owned())).await;
    house.operator("POST", "/v1/domains", json!({ "name": "my.example" })).await.expect(201);
    let inbox = json!({ "address": "owner@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", inbox).await.expect(201);
    let cookie = house.signed_in().await;
    let list = house.panel(&cookie, "GET", "/connect", "").await.expect(200).text();
    assert!(list.contains("href=\"/connect/curl\"") && list.contains("href=\"/connect/script\""), "{list}");
    let form = house.panel(&cookie, "GET", "/connect/curl", "").await.expect(200).text();
    assert!(form.contains("<code>aliases:create</code>") && form.contains("value=\"curl\""), "{form}");
    let made = house.panel(&cookie, "POST", "/connect/curl", "name=curl").await.expect(200).text();
    assert_eq!(copied(&made, 0), "https://panel.my.example");
    let token = copied(&made, 1);
    assert!(token.starts_with("wp_") && copied(&made, 2).contains(&token), "{made}");
    let tokens = house.operator("GET", "/v1/tokens", Value::Null).await.expect(200).json();
    assert_eq!(tokens["items"][0]["scopes"], json!(["aliases:create"]));
    assert_eq!(tokens["items"][0]["first_used_at"], Value::Null);
    let state = format!("/connect/curl?token={}", tokens["items"][0]["id"].as_str().unwrap());
    let waits = house.panel(&cookie, "GET", &state, "").await.expect(200).text();
    assert!(waits.contains("Waiting for the first call") && !waits.contains(&token), "shown once: {waits}");
    house.bearer(&token, "GET", "/v1/activity", Value::Null).await.expect(403);
    house.bearer(&token, "POST", "/v1/aliases/random", json!({ "for": "shop.example" })).await.expect(201);
    // That it was used is noted behind the answer's back.
    let told = loop {
        let page = house.panel(&cookie, "GET", &state, "").await.expect(200).text();
        if !page.contains("Waiting for the first call") {
            break page;
        }
        tokio::task::yield_now().await;
    };
    assert!(told.contains("The first call came from <bdi>127.0.0.1</bdi>") && !told.contains("data-again"), "{told}");
}

#[tokio::test]
async fn a_second_token_is_proposed_another_name() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.panel(&cookie, "POST", "/connect/curl", "name=curl").await.expect(200);
    let wrong = house.panel(&cookie, "POST", "/connect/curl", "name=curl&domain=no.example").await.expect(422).text();
    assert!(wrong.contains("no.example") && wrong.contains("value=\"curl\""), "{wrong}");
    let form = house.panel(&cookie, "GET", "/connect/curl", "").await.expect(200).text();
    assert!(form.contains("value=\"curl 2\""), "{form}");
    house.panel(&cookie, "GET", "/connect/nonsense", "").await.expect(404);
    house.panel(&cookie, "POST", "/connect/nonsense", "name=x").await.expect(404);
}
