//! The first run in a real browser, with script and without: every screen is answered, back is gone once, and the journey of
//! the first message ends it.

use serde_json::{Value, json};

use crate::driver::{Browser, Look};
use crate::server::Open;
use crate::web::House;
use crate::web::rows::forwarded;

const WIDE: Look = Look { width: 1440, script: true, dark: false };
const NARROW: Look = Look { width: 320, script: true, dark: true };
const PLAIN: Look = Look { width: 1440, script: false, dark: false };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_run_with_script() {
    first_run(WIDE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_run_on_a_narrow_screen() {
    first_run(NARROW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_run_without_script() {
    first_run(PLAIN).await;
}

async fn first_run(look: Look) {
    let open = Open::to(House::new().await).await;
    let made = open.house.operator("POST", "/control/panel-link", Value::Null).await.expect(201).json();
    let url = made["url"].as_str().unwrap();
    let link = open.url(&url[url.find("/setup/").unwrap()..]);
    let browser = Browser::start(look).await;
    browser.open(&link).await;
    serve(&browser, look).await;
    receive(&browser, look).await;
    arrive(&open, &browser, look).await;
    browser.open(&link).await;
    browser.reads("h1", "This gateway is set up").await;
}

/// What fits on the screen, named fields, and our own script alone.
async fn fits(browser: &Browser, look: Look, screen: &str) {
    if look.script {
        let over = browser.ask("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(over.as_i64().unwrap() <= 0, "{screen} at {}: {over} too wide", look.width);
    }
    let primary = browser.source().await.matches("button primary").count();
    assert!(primary <= 1, "{screen} has {primary} primary buttons");
}

/// The account, the name, the way out, the limits.
async fn serve(browser: &Browser, look: Look) {
    browser.write("#email", "anna@my.example").await;
    browser.write("#password", "correct horse battery").await;
    browser.click("main button.primary").await;
    browser.text("#hostname").await;
    fits(browser, look, "host").await;
    browser.write("#hostname", "gw.my.example").await;
    browser.click("main button.primary").await;
    if !look.script {
        browser.click("#try").await;
    }
    browser.text("#standing .status.bad").await;
    fits(browser, look, "way-out").await;
    // A test's DNS has no answer, which does not say that a relay is wanted.
    browser.click("#standing summary").await;
    browser.write("#host", "relay.example").await;
    browser.click("details form button").await;
    browser.says(".notice", "smtp://relay.example:587").await;
    browser.click("a.button.primary").await;
    browser.text("[id='limits.messages_per_alias_per_hour']").await;
    fits(browser, look, "limits").await;
    browser.click("main button.primary").await;
}

/// The domain with its records, and back once; the inbox on one's word.
async fn receive(browser: &Browser, look: Look) {
    browser.write("#name", "my.example").await;
    browser.click("main button.primary").await;
    browser.text("#on").await;
    fits(browser, look, "records").await;
    browser.click("a.back").await;
    browser.says("a.button.primary", "my.example").await;
    fits(browser, look, "domain").await;
    browser.click("a.button.primary").await;
    browser.click("#on").await;
    browser.write("#address", "anna@inbox.example").await;
    browser.says("main button.primary", "It is mine").await;
    fits(browser, look, "inbox").await;
    browser.click("main button.primary").await;
    browser.text("#standing .status.ok").await;
    browser.click("a.button.primary").await;
}

/// The alias, and a message that comes while the page is open.
async fn arrive(open: &Open, browser: &Browser, look: Look) {
    browser.write("#local", "shop").await;
    browser.click("main button.primary").await;
    browser.says("#standing .status.wait", "Waiting for it").await;
    fits(browser, look, "test").await;
    let alias = open.house.admin.alias(&waypost::admin::Actor::operator(), "shop@my.example").await.unwrap();
    let row = waypost::store::activity::Row { alias: Some(alias.key), ..forwarded(&open.house, "shop@my.example") };
    open.house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    if !look.script {
        browser.click("#look").await;
    }
    browser.text("nav.rail").await;
    assert_eq!(browser.path().await, format!("/activity/{}", row.id));
    browser.says("h1", "Forwarded to").await;
    browser.says("main", "The set-up is complete").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_copied_by_one_press_and_check_marks_come_by_themselves() {
    let open = Open::new().await;
    let browser = open.visitor(WIDE).await;
    browser.open(&open.url("/domains/my.example")).await;
    browser.click("#cv-mx-0").await;
    let said = browser.text("#cv-mx-0").await;
    assert!(said == "Copied" || said == "Copy", "{said}");
    // The page asks again by itself, and keeps what is open.
    browser.click("#standing details:last-of-type summary").await;
    browser.text("#standing details:last-of-type[open]").await;
    asks(&browser, 1).await;
    browser.says("#standing details:last-of-type .reply", "my.example.").await;
    // What has not changed stays as it is, and what somebody has chosen of it chosen.
    stays(&browser).await.expect("what has not changed must stay in its place");
}

/// Whether what stands outlives an answer; else what stood each time. The first may bring something new, and its swap may
/// follow the mark.
async fn stays(browser: &Browser) -> Result<(), Vec<Value>> {
    let mark = "const part = document.getElementById('standing'); part.stays = true; \
        performance.clearResourceTimings(); return part.innerHTML";
    let mut stood = Vec::new();
    for _ in 0..3 {
        stood.push(browser.ask(mark).await);
        asks(browser, 2).await;
        if browser.ask("return document.getElementById('standing').stays").await == json!(true) {
            return Ok(());
        }
    }
    Err(stood)
}

/// Waits until the page has asked so often by itself.
async fn asks(browser: &Browser, times: u64) {
    let asked = "performance.getEntriesByType('resource').filter(e => e.name.includes('check=1')).length";
    browser.answers(&format!("return {asked} >= {times}"), json!(true)).await;
}
