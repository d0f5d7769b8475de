//! What the panel gives away once, asks again before, and refuses, in a real browser with script and without.

use serde_json::{Value, json};

use crate::driver::{Browser, Look};
use crate::server::Open;
use crate::web::House;

const WIDE: Look = Look { width: 1440, script: true, dark: false };
const PLAIN: Look = Look { width: 1440, script: false, dark: false };
const PASSWORD: &str = "correct horse battery";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_once_and_what_is_sensitive_asks_again_with_script() {
    once_and_again(WIDE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_once_and_what_is_sensitive_asks_again_without_script() {
    once_and_again(PLAIN).await;
}

async fn once_and_again(look: Look) {
    let open = Open::new().await;
    let owner = json!({ "email": "owner@my.example", "password": PASSWORD });
    open.house.operator("PATCH", "/v1/users/owner", owner).await.expect(200);
    open.house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let browser = Browser::start(look).await;
    browser.open(&open.url("/settings/tokens")).await;
    browser.write("#email", "owner@my.example").await;
    browser.write("#password", "not my password").await;
    browser.click("button.primary").await;
    browser.says("[role=alert]", "password").await;
    browser.write("#password", PASSWORD).await;
    browser.click("button.primary").await;
    browser.text("#part").await;
    assert_eq!(browser.path().await, "/settings/tokens", "sign-in leads where one wanted to go");
    token(&open, &browser).await;
    connected(&open, &browser, look).await;
    sensitive(&open, &browser).await;
}

async fn token(open: &Open, browser: &Browser) {
    browser.write("#name", "laptop").await;
    browser.click("#part form button.primary").await;
    browser.says("fieldset [role=alert]", "Say what the token is for").await;
    browser.click("[name='scope aliases']").await;
    browser.click("#part form button.primary").await;
    let token = browser.text("code.reply").await;
    assert!(token.starts_with("wp_"), "{token}");
    open.house.bearer(&token, "GET", "/v1/aliases", Value::Null).await.expect(200);
    browser.open(&open.url("/settings/tokens")).await;
    browser.says(".rows", "laptop").await;
    assert!(!browser.source().await.contains(&token));
    browser.click("[aria-label='Revoke laptop']").await;
    browser.says(".notice", "opens nothing any more").await;
    open.house.bearer(&token, "GET", "/v1/aliases", Value::Null).await.expect(401);
}

/// The first call of a program is waited for, and seen.
async fn connected(open: &Open, browser: &Browser, look: Look) {
    browser.open(&open.url("/connect/curl")).await;
    browser.click("form button.primary").await;
    browser.says("#first-call", "Waiting for the first call").await;
    let token = browser.text("#copied-1").await;
    open.house.bearer(&token, "POST", "/v1/aliases/random", json!({})).await.expect(201);
    if !look.script {
        browser.click("#first-call a").await;
    }
    browser.says("#first-call .notice:not(.wait)", "The first call came from 127.0.0.1").await;
}

/// Nothing is changed before the password is right; then it is.
async fn sensitive(open: &Open, browser: &Browser) {
    let relay = async || {
        let set = open.house.operator("GET", "/v1/settings", Value::Null).await.json();
        let set = set["items"].as_array().unwrap().iter().find(|setting| setting["key"] == "delivery.relay").cloned();
        set.unwrap()["value"].clone()
    };
    for (password, is_right) in [("", false), ("not my password", false), (PASSWORD, true)] {
        browser.open(&open.url("/settings/server")).await;
        browser.write("[name='delivery.relay']", "smtp://relay.example:587").await;
        browser.write("#present-sending", password).await;
        browser.click("[aria-label='Save: Sending']").await;
        if is_right {
            browser.says(".notice", "Saved").await;
        } else {
            browser.says("#present-sending[aria-invalid] ~ .wrong", "password").await;
        }
        assert_eq!(relay().await != json!(""), is_right, "{password}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_plain_http_nobody_signs_in_from_elsewhere_and_is_told_why() {
    let open = Open::new().await;
    let browser = Browser::start(PLAIN).await;
    let elsewhere = |url: String| url.replace("127.0.0.1", "mx.gateway.example");
    for url in [open.url("/sign-in"), open.link().await] {
        browser.open(&elsewhere(url)).await;
        let told = browser.text("main").await;
        assert!(told.contains("ssh -L") && !told.contains("Password"), "{told}");
    }
    assert!(browser.cookies().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_tls_the_cookie_is_bound_to_this_host() {
    let house = House::furnished().await;
    let certificates = house.admin.certificates.clone();
    let open = Open::over(house, Some(certificates)).await;
    let browser = Browser::start(WIDE).await;
    let inside = |url: String| url.replace("http://127.0.0.1", "https://mx.gateway.example");
    browser.open(&inside(open.link().await)).await;
    browser.click("main button.primary").await;
    browser.text("nav [aria-current]").await;
    let cookies = browser.cookies().await;
    assert!(cookies.contains(&"__Host-waypost".to_owned()), "{cookies:?}");
    assert!(cookies.iter().all(|name| name.starts_with("__Host-")), "{cookies:?}");
    assert_eq!(browser.ask("return document.cookie").await, "", "no script reads it");
}
