//! A person's first minutes in the panel, with script and without, wide and narrow.

use waypost::store::queue::Entry;

use crate::driver::{Browser, Look};
use crate::mail::STANDS;
use crate::server::Open;
use crate::web::rows::{forwarded, queued};

const WIDE: Look = Look { width: 1440, script: true, dark: false };
const PLAIN: Look = Look { width: 1440, script: false, dark: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_minutes_with_script() {
    first_minutes(WIDE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_minutes_without_script() {
    first_minutes(PLAIN).await;
}

/// Signs in by link, makes an alias, switches it, looks at a message, signs out.
async fn first_minutes(look: Look) {
    let open = Open::new().await;
    let browser = Browser::start(look).await;
    browser.open(&open.link().await).await;
    browser.click("main button.primary").await;
    browser.text("nav a[href='/activity'][aria-current]").await;
    makes_an_alias_and_switches_it(&browser).await;
    reads_a_message(&open, &browser).await;
    browser.click(".rail form button").await;
    browser.text("body.plain h1").await;
    assert_eq!(browser.path().await, "/sign-in");
    browser.open(&open.url("/aliases")).await;
    assert_eq!(browser.path().await, "/sign-in");
}

/// Off by the switch, on again by Undo.
async fn makes_an_alias_and_switches_it(browser: &Browser) {
    browser.click("nav a[href='/aliases']").await;
    browser.write("#local", "shop").await;
    browser.click("form.new-alias button.primary").await;
    browser.says(".notice", "shop@my.example is ready").await;
    browser.click(".switch[aria-checked=true]").await;
    browser.text(".switch[aria-checked=false]").await;
    browser.says(".notice", "shop@my.example is off").await;
    browser.click(".notice button").await;
    browser.text(".switch[aria-checked=true]").await;
    browser.says(".notice", "It is as it was.").await;
}

async fn reads_a_message(open: &Open, browser: &Browser) {
    let row = forwarded(&open.house, "shop@my.example");
    open.house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    browser.open(&open.url("/activity")).await;
    browser.click(&format!("[id='m-{}'] a", row.id)).await;
    browser.says("h1", "Forwarded to owner@inbox.example").await;
    assert!(browser.source().await.contains("250 2.0.0 OK: queued as 4F7"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_mail_is_announced_and_shown_rows_change_in_place() {
    let open = Open::new().await;
    let browser = Browser::start(WIDE).await;
    let due = Entry::Due(open.house.clock.now().after(std::time::Duration::from_secs(3600)));
    let shown = queued(&open.house, "shop@my.example", due).await;
    browser.open(&open.link().await).await;
    browser.click("main button.primary").await;
    browser.text("nav [aria-current]").await;
    browser.text("[data-live][data-open]").await;
    browser.reads("#paused", "").await;
    let stood = browser.ask(STANDS).await;
    open.house.operator("POST", &format!("/v1/queue/{}/hold", shown.id), serde_json::Value::Null).await.expect(200);
    let fresh = forwarded(&open.house, "new@my.example");
    open.house.admin.store.activity.record(vec![fresh.clone()]).await.unwrap();
    browser.reads("#new:not([hidden])", "1 new").await;
    browser.says(&format!("[id='m-{}'] .status.wait", shown.id), "held").await;
    assert_eq!(browser.ask(STANDS).await, stood, "nothing moves under the reader");
    browser.click("#new").await;
    browser.text(&format!("[id='m-{}']", fresh.id)).await;
}
