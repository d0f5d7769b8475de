//! What the script adds: keys, all from one list, and all of them can be switched off.

use crate::driver::{Browser, Look};
use crate::server::Open;

const WIDE: Look = Look { width: 1440, script: true, dark: false };

async fn signed_in() -> (Open, Browser) {
    let open = Open::new().await;
    let browser = open.visitor(WIDE).await;
    (open, browser)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_listed_work_and_can_be_switched_off() {
    let (open, browser) = signed_in().await;
    browser.press("gl").await;
    browser.text("nav a[href='/aliases'][aria-current]").await;
    browser.text("#local:focus").await;
    browser.press("ngd?").await;
    browser.answers("return document.activeElement.value", "ngd?".into()).await;
    assert_eq!(browser.path().await, "/aliases", "keys are letters where somebody writes");
    browser.open(&open.url("/activity")).await;
    browser.press("/").await;
    assert_eq!(browser.ask("return document.activeElement.id").await, "q");
    browser.open(&open.url("/activity")).await;
    browser.press("?").await;
    let list = browser.text("#keys[open]").await;
    for words in ["New alias", "Search", "Undo", "Queue", "This list"] {
        assert!(list.contains(words), "{list}");
    }
    browser.click("#keys-on").await;
    browser.click("#keys button").await;
    browser.open(&open.url("/activity")).await;
    browser.press("gl?").await;
    assert_eq!(browser.path().await, "/activity");
    assert_eq!(browser.ask("return document.querySelector('#keys')").await, serde_json::Value::Null);
    browser.open(&open.url("/help")).await;
    browser.click("#list-keys").await;
    browser.click("#keys-on").await;
    browser.click("#keys button").await;
    browser.press("gq").await;
    browser.text("nav a[href='/queue'][aria-current]").await;
}
