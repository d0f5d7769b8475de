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
    // The certificate of that address is not this gateway's to tell of: it serves no HTTPS itself.
    assert!(!form.contains("signed its certificate itself") && !made.contains("--cacert"), "{made}");
    let token = copied(&made, 1);
    assert!(token.starts_with("wp_") && copied(&made, 2).contains(&token), "{made}");
    let tokens = house.operator("GET", "/v1/tokens", Value::Null).await.expect(200).json();
    assert_eq!(tokens["items"][0]["scopes"], json!(["aliases:create"]));
    assert_eq!(tokens["items"][0]["first_used_at"], Value::Null);
    let state = format!("/connect/curl?token={}", tokens["items"][0]["id"].as_str().unwrap());
    let waits = house.panel(&cookie, "GET", &state, "").await.expect(200).text();
    assert!(waits.contains("Waiting for the first call") && !waits.contains(&token), "shown once: {waits}");
    // What is put in by itself goes to the page that shows the token as well.
    let put_in = waits.split_once("<div id=\"first-call\"").unwrap().1.split_once("\n</div>").unwrap().0;
    assert!(waits.contains("is not shown again") && !put_in.contains("is not shown again"), "{waits}");
    house.bearer(&token, "GET", "/v1/activity", Value::Null).await.expect(403);
    let waits = house.panel(&cookie, "GET", &state, "").await.expect(200).text();
    assert!(waits.contains("Waiting for the first call that succeeds"), "{waits}");
    house.bearer(&token, "POST", "/v1/aliases/random", json!({ "for": "shop.example" })).await.expect(201);
    let told = house.panel(&cookie, "GET", &state, "").await.expect(200).text();
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

#[tokio::test]
async fn among_several_domains_the_one_of_new_aliases_is_asked_for() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "two.example" })).await.expect(201);
    let cookie = house.signed_in().await;
    let form = house.panel(&cookie, "GET", "/connect/curl", "").await.expect(200).text();
    assert!(form.contains("name=\"default_domain\"") && form.contains("All of your domains"), "{form}");
    let script = house.panel(&cookie, "GET", "/connect/script", "").await.expect(200).text();
    assert!(!script.contains("name=\"default_domain\""), "{script}");
    let wrong = house.panel(&cookie, "POST", "/connect/curl", "name=curl&domain=").await.expect(422).text();
    assert!(wrong.contains("on which of your domains new aliases are made"), "{wrong}");
    let whole = "name=curl&default_domain=two.example&domain=";
    let made = house.panel(&cookie, "POST", "/connect/curl", whole).await.expect(200).text();
    let alias = house.bearer(&copied(&made, 1), "POST", "/v1/aliases/random", json!({ "for": "shop.example" })).await;
    assert!(alias.expect(201).json()["address"].as_str().unwrap().ends_with("@two.example"));
    let one = house.panel(&cookie, "POST", "/connect/curl", "name=one&default_domain=two.example&domain=my.example");
    let alias = house.bearer(&copied(&one.await.expect(200).text(), 1), "POST", "/v1/aliases/random", json!({})).await;
    assert!(alias.expect(201).json()["address"].as_str().unwrap().ends_with("@my.example"));
}

#[tokio::test]
async fn who_may_make_no_alias_anywhere_is_told_before_a_token_is_made_and_whom_to_ask() {
    let house = House::furnished().await;
    let eva = house.signed_in_as("eva@people.example", json!([])).await;
    let views = json!([{ "domain": "my.example", "role": "viewer" }]);
    let vera = house.signed_in_as("vera@people.example", views).await;
    for (who, ask) in [(&eva, "ask the owner of this gateway"), (&vera, "ask the owner of my.example")] {
        let form = house.panel(who, "GET", "/connect/curl", "").await.expect(200).text();
        assert!(form.contains("There is no domain on which you may make aliases") && form.contains(ask), "{form}");
        assert!(!form.contains("Make the token"), "{form}");
        let refused = house.panel(who, "POST", "/connect/curl", "name=curl&domain=").await.expect(409).text();
        assert_eq!(refused.matches("There is no domain on which you may make aliases").count(), 1, "{refused}");
        assert!(!refused.contains("Make the token"), "{refused}");
        // What only reads makes none.
        let script = house.panel(who, "GET", "/connect/script", "").await.expect(200).text();
        assert!(script.contains("Make the token"), "{script}");
    }
    house.panel(&eva, "POST", "/domains", "name=eva.example").await.expect(303);
    assert!(house.panel(&eva, "GET", "/connect/curl", "").await.text().contains("Make the token"));
}

/// Whoever never said for whom it came has a line all the same.
#[tokio::test]
async fn the_script_names_mail_that_has_no_address() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let made = house.panel(&cookie, "POST", "/connect/script", "name=script&domain=").await.expect(200).text();
    assert!(made.contains("(no address)"), "{made}");
}
