//! The simulator answers beside its fields: as soon as typing stops, and without script by its button.

use serde_json::json;

use crate::driver::{Browser, Look};
use crate::server::Open;

const WIDE: Look = Look { width: 1440, script: true, dark: false };
const PLAIN: Look = Look { width: 1440, script: false, dark: false };

async fn open(look: Look) -> (Open, Browser) {
    let open = Open::new().await;
    open.house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let browser = open.visitor(look).await;
    browser.open(&open.url("/simulator")).await;
    (open, browser)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_comes_when_typing_stops() {
    let (_open, browser) = open(WIDE).await;
    browser.ask("window.stays = true; return 1").await;
    browser.write("#to", "shop@my.example").await;
    browser.text("#found .verdict.ok").await;
    browser.reads("#heard", "It would be sent on.").await;
    browser.write("#ip", "nonsense").await;
    browser.says("#found [role=alert]", "Client's address: write an IP address.").await;
    browser.says("#ip ~ div .wrong", "Write an IP address.").await;
    let marked =
        "const ip = document.querySelector('#ip'); return [ip.ariaInvalid, ip.getAttribute('aria-describedby')]";
    assert_eq!(browser.ask(marked).await, json!(["true", "e-ip ip-help"]));
    browser.write("#ip", "").await;
    browser.write("#to", "nobody@my.example").await;
    browser.text("#found .verdict.bad").await;
    browser.answers(marked, json!([null, "ip-help"])).await;
    browser.says("#found", "550 5.1.1").await;
    assert_eq!(browser.ask("return window.stays && document.activeElement.id").await, json!("to"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_comes_by_the_button_without_script() {
    let (_open, browser) = open(PLAIN).await;
    browser.write("#to", "shop@my.example").await;
    browser.write("#from", "a@b.example").await;
    browser.click("main button.primary").await;
    browser.says("#found", "It would be sent on.").await;
    browser.says("#found", "owner@inbox.example").await;
}
