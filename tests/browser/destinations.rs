//! The mail that asks an inbox, shown as it fares: its next hop's words appear without anybody reloading.

use serde_json::json;
use waypost::policy::status::Status;
use waypost::store::activity::Progress;

use crate::driver::{Browser, Look};
use crate::server::Open;
use crate::web::House;
use crate::web::rows::attempt;

const DESK: Look = Look { width: 1440, script: true, dark: false };
const REPLY: &str = "[data-live] dd[id] .reply";
/// What is asked for next is read at once and given when it is released.
const LATE: &str = "const real = fetch; window.fetch = async (...asked) => {
    window.fetch = real;
    const text = await (await real(...asked)).text();
    return { text: () => new Promise(done => { window.release = () => done(text); }) };
}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_inbox_s_system_says_appears_by_itself() {
    let (open, browser, id) = asked().await;
    let words = "450 4.2.0 <b>greylisted</b>, come again";
    said(&open, &id, words).await;
    browser.reads(REPLY, words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_a_later_one_has_overtaken_is_not_put_in() {
    let (open, browser, id) = asked().await;
    browser.ask(LATE).await;
    said(&open, &id, "450 4.2.0 the first").await;
    browser.answers("return typeof window.release", "function".into()).await;
    said(&open, &id, "450 4.2.0 the second").await;
    browser.reads(REPLY, "450 4.2.0 the second").await;
    let settled = "window.release(); for (let turn = 0; turn < 100; turn++) await null;";
    let script = format!("return (async () => {{ {settled} return document.querySelector('{REPLY}').textContent }})()");
    assert_eq!(browser.ask(&script).await, "450 4.2.0 the second");
}

/// A browser on the page of an inbox that was asked by mail, and the row of that mail.
async fn asked() -> (Open, Browser, String) {
    let open = Open::to(House::linked().await).await;
    let new = json!({ "address": "new@inbox.example" });
    let added = open.house.operator("POST", "/v1/destinations", new).await.expect(201).json();
    let id = added["verification"]["activity_id"].as_str().unwrap().to_owned();
    let browser = open.visitor(DESK).await;
    browser.open(&open.url("/destinations/new@inbox.example")).await;
    browser.says(&format!("[id='m-{id}'] .status"), "waiting").await;
    browser.text("[data-live][data-open]").await;
    (open, browser, id)
}

/// The next hop says this of it.
async fn said(open: &Open, id: &str, words: &str) {
    let progress = Progress {
        id: id.parse().unwrap(),
        status: Status::Deferred,
        reason: words.to_owned(),
        attempt: Some(attempt(open.house.clock.now(), "deferred", words)),
        next_attempt_at: None,
        sha256_sent: None,
        dsn: None,
    };
    open.house.admin.store.activity.progress(vec![progress]).await.unwrap();
}
