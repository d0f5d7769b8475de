//! Mail is worked with in a real browser, with script and without: found, judged, sent again, held, given up; and what a
//! catch-all took becomes an alias by one click.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::admin::Actor;
use waypost::policy::status::{RuleRef, Status};
use waypost::store::activity::{Progress, Row};
use waypost::store::queue::Entry;

use crate::driver::{Browser, Look};
use crate::server::Open;
use crate::web::House;
use crate::web::rows::{MESSAGE, attempt, forwarded, queued};

const WIDE: Look = Look { width: 1440, script: true, dark: false };
const PLAIN: Look = Look { width: 1440, script: false, dark: false };
const NARROW: Look = Look { width: 320, script: true, dark: true };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_is_judged_and_a_catch_all_s_address_is_kept_blocked_or_made_with_script() {
    senders_and_catch_all(WIDE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_is_judged_and_a_catch_all_s_address_is_kept_blocked_or_made_without_script() {
    senders_and_catch_all(PLAIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_held_released_sent_elsewhere_and_given_up_with_script() {
    queue(NARROW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_held_released_sent_elsewhere_and_given_up_without_script() {
    queue(PLAIN).await;
}

/// Where the first row of a list stands.
pub(crate) const STANDS: &str = "return document.querySelector('.rows > li').getBoundingClientRect().toJSON()";

/// Mail that this alias took.
pub(crate) async fn mail_by(house: &House, alias: &str, recipient: &str) -> Row {
    let found = house.admin.alias(&Actor::operator(), alias).await.unwrap();
    let rule = RuleRef { id: found.id, kind: found.spec.kind, pattern: found.spec.pattern.clone() };
    let row = Row { alias: Some(found.key), rule: Some(rule), ..forwarded(house, recipient) };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    row
}

async fn shown(open: &Open, alias: &str) -> Value {
    open.house.operator("GET", &format!("/v1/aliases/{alias}"), Value::Null).await.json()
}

async fn senders_and_catch_all(look: Look) {
    let open = Open::new().await;
    for address in ["shop@my.example", "*@my.example"] {
        open.house.operator("POST", "/v1/aliases", json!({ "address": address })).await.expect(201);
    }
    let row = mail_by(&open.house, "shop@my.example", "shop@my.example").await;
    let browser = open.visitor(look).await;
    browser.open(&open.url(&format!("/activity/{}", row.id))).await;
    browser.click("button[aria-label='Block sender: orders@shop.example']").await;
    browser.says("#told .notice", "orders@shop.example to shop@my.example is refused").await;
    assert_eq!(shown(&open, "shop@my.example").await["block"], json!(["orders@shop.example"]));
    browser.click("#told button").await;
    browser.text("button[aria-label='Block sender: orders@shop.example']").await;
    assert_eq!(shown(&open, "shop@my.example").await["block"], json!([]));
    catch_all(&open, &browser).await;
}

/// One address is kept, one kept out, and one made with a form that knows it.
async fn catch_all(open: &Open, browser: &Browser) {
    for (local, button) in [("books", "Keep"), ("spam", "Block"), ("news", "Make alias")] {
        let address = format!("{local}@my.example");
        let row = mail_by(&open.house, "*@my.example", &address).await;
        browser.open(&open.url(&format!("/activity/{}", row.id))).await;
        browser.click(&format!("[aria-label='{button} {address}']")).await;
        if button == "Make alias" {
            browser.click("form.new-alias button.primary").await;
            browser.text("#list").await;
        }
        browser.says("#told .notice", &address).await;
        let action = if button == "Block" { "reject" } else { "forward" };
        assert_eq!(shown(open, &address).await["action"], action, "{button}");
    }
}

async fn queue(look: Look) {
    let open = Open::new().await;
    let spare = json!({ "address": "spare@inbox.example", "verified": true });
    open.house.operator("POST", "/v1/destinations", spare).await.expect(201);
    let later = open.house.clock.now().after(Duration::from_secs(3600));
    let waits = queued(&open.house, "shop@my.example", Entry::Due(later)).await;
    let kept = queued(&open.house, "news@my.example", Entry::Kept(later)).await;
    let browser = open.visitor(look).await;
    browser.open(&open.url("/queue")).await;
    browser.says("section p", "1 waiting · 1 failed, kept").await;
    browser.click("form[action='/queue/hold'] button").await;
    browser.says(".notice[role=status]", "One message is held until you release it.").await;
    browser.click(&format!("a[href='/activity/{}']", waits.id)).await;
    browser.reads("h1", "On hold until it is released").await;
    for (action, told) in [("release", "released and being tried"), ("retry", "being tried again")] {
        browser.click(&format!("form[action$='/{action}'] button")).await;
        browser.says(".notice", told).await;
    }
    browser.click("#ask-cancel").await;
    browser.click("#do-cancel").await;
    browser.says(".notice", "cancelled and will not be sent").await;
    browser.reads("h1", "Cancelled by hand").await;
    elsewhere(&open, &browser, &kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_shown_and_worked_with_by_domain_with_script() {
    queue_by_domain(WIDE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_shown_and_worked_with_by_domain_without_script() {
    queue_by_domain(PLAIN).await;
}

/// What is done to the mail that is shown is not done to that of another domain, though one inbox is to get both.
async fn queue_by_domain(look: Look) {
    let open = Open::new().await;
    open.house.operator("POST", "/v1/domains", json!({ "name": "other.example" })).await.expect(201);
    let later = open.house.clock.now().after(Duration::from_secs(3600));
    let shop = queued(&open.house, "shop@my.example", Entry::Due(later)).await;
    queued(&open.house, "news@other.example", Entry::Due(later)).await;
    let browser = open.visitor(look).await;
    browser.open(&open.url("/queue")).await;
    browser.says("section p", "2 waiting.").await;
    let whole = "return [...document.querySelectorAll('.waiting-rows .subject')].every((cell) => cell.scrollWidth <= cell.clientWidth)";
    if look.script {
        browser.answers(whole, json!(true)).await;
    }
    browser.click("#by-domain option:last-child").await;
    if !look.script {
        browser.click(".by-domain button").await;
    }
    browser.reads(".waiting-rows:not(:has(li + li)) .alias-of bdi", "news@other.example").await;
    browser.click("form[action='/queue/hold'] button").await;
    browser.says(".notice[role=status]", "One message is held until you release it.").await;
    browser.reads(".waiting-rows:not(:has(li + li)) .alias-of bdi", "news@other.example").await;
    let queue = open.house.operator("GET", "/v1/queue?destination=owner@inbox.example", Value::Null).await.json();
    let mut states: Vec<_> =
        queue["items"].as_array().unwrap().iter().map(|item| (&item["id"], &item["state"])).collect();
    states.sort_by_key(|(_, state)| state.as_str());
    assert_eq!(states[0], (&json!(shop.id), &json!("due")), "{queue}");
    assert_eq!((states.len(), states[1].1), (2, &json!("held")), "{queue}");
}

/// What failed is sent to another inbox, which must be verified.
async fn elsewhere(open: &Open, browser: &Browser, kept: &Row) {
    for (inbox, told) in
        [("nobody@inbox.example", "not a verified destination"), ("spare@inbox.example", "being tried again")]
    {
        browser.open(&open.url(&format!("/activity/{}", kept.id))).await;
        browser.write("#destination", inbox).await;
        browser.click("form[action$='/resend'] button").await;
        browser.says("main", told).await;
    }
    let queue = open.house.operator("GET", "/v1/queue", Value::Null).await.json();
    assert_eq!(queue["items"][0]["destination"], "spare@inbox.example", "{queue}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_found_by_what_became_of_it_without_script() {
    let open = Open::new().await;
    let later = open.house.clock.now().after(Duration::from_secs(3600));
    queued(&open.house, "held@my.example", Entry::Held).await;
    queued(&open.house, "shop@my.example", Entry::Due(later)).await;
    let browser = open.visitor(PLAIN).await;
    browser.click("nav a[href='/activity']").await;
    browser.write("#q", "waiting").await;
    browser.click("form.search > button").await;
    browser.says(".rows:not(:has(li + li)) .alias-of", "shop@my.example").await;
    browser.click("nav.chips a:nth-child(4)").await;
    browser.says(".empty", "No mail matches.").await;
    browser.click(".empty a").await;
    browser.text(".rows li + li").await;
}

/// What comes of a try.
async fn tried(open: &Open, row: &Row, status: Status, reply: &str) {
    let attempt = Some(attempt(open.house.clock.now(), "deferred", reply));
    let (reason, id) = (reply.to_owned(), row.id);
    let progress = Progress { id, status, reason, attempt, next_attempt_at: None, sha256_sent: None, dsn: None };
    open.house.admin.store.activity.progress(vec![progress]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_a_message_shows_while_its_page_is_open_and_the_focus_stays() {
    let open = Open::new().await;
    let later = open.house.clock.now().after(Duration::from_secs(3600));
    let row = queued(&open.house, "shop@my.example", Entry::Due(later)).await;
    let browser = open.visitor(WIDE).await;
    browser.open(&open.url(&format!("/activity/{}", row.id))).await;
    browser.click("#do-retry").await;
    browser.says(".notice", "being tried again").await;
    browser.answers("return location.search", json!("")).await;
    browser.ask("document.getElementById('do-hold').focus()").await;
    tried(&open, &row, Status::Deferred, "450 4.2.1 Still busy").await;
    browser.says(".line", "450 4.2.1 Still busy").await;
    browser.answers("return document.activeElement.id", json!("do-hold")).await;
    browser.answers("return document.querySelectorAll('.notice').length", json!(0)).await;
    tried(&open, &row, Status::Forwarded, "250 OK").await;
    browser.says("h1", "Forwarded to owner@inbox.example").await;
    browser.answers("return document.querySelectorAll('[data-again]').length", json!(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_the_queue_leaves_its_page_while_it_is_open() {
    let open = Open::new().await;
    let later = open.house.clock.now().after(Duration::from_secs(3600));
    let row = queued(&open.house, "shop@my.example", Entry::Due(later)).await;
    let browser = open.visitor(NARROW).await;
    browser.open(&open.url("/queue")).await;
    browser.click("form[action='/queue/retry'] button").await;
    browser.says(".notice[role=status]", "One message is being tried now.").await;
    open.house.admin.store.queue.cancel(row.id).await.unwrap();
    browser.says(".empty", "Nothing waits.").await;
    browser.answers("return document.querySelectorAll('[data-again]').length", json!(0)).await;
    browser.says(".notice[role=status]", "One message is being tried now.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_live_updates_have_stopped_is_said_and_the_list_stays() {
    let open = Open::new().await;
    let row = forwarded(&open.house, "shop@my.example");
    open.house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let browser = open.visitor(WIDE).await;
    browser.open(&open.url("/activity")).await;
    browser.text("[data-live][data-open]").await;
    browser.reads("#paused", "").await;
    let stood = browser.ask(STANDS).await;
    open.close();
    browser.says("#paused:not([hidden])", "Live updates paused.").await;
    assert_eq!(browser.ask(STANDS).await, stood, "nothing moves");
    browser.says(&format!("[id='m-{}']", row.id), "shop@my.example").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_are_told_in_the_reader_s_zone() {
    let open = Open::new().await;
    let row = forwarded(&open.house, "shop@my.example");
    open.house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let browser = open.visitor(WIDE).await;
    browser.travel("Asia/Tokyo").await;
    browser.open(&open.url(&format!("/activity/{}", row.id))).await;
    browser.reads(".line time", "23 Nov 2026, 03:56:24 GMT+9").await;
    browser.reads(".facts time[data-ago]", "just now").await;
    let hint = browser.ask("return document.querySelector('.facts time[data-ago]').title").await;
    assert_eq!(hint, "23 Nov 2026, 03:56:24 GMT+9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_is_saved_and_a_message_that_is_here_is_taken_as_a_file_with_script() {
    files(WIDE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_is_saved_and_a_message_that_is_here_is_taken_as_a_file_without_script() {
    files(PLAIN).await;
}

async fn files(look: Look) {
    let open = Open::new().await;
    let row = queued(&open.house, "shop@my.example", Entry::Held).await;
    open.house.admin.store.activity.record(vec![forwarded(&open.house, "news@my.example")]).await.unwrap();
    let browser = open.visitor(look).await;
    browser.click("nav a[href='/activity']").await;
    browser.click("nav.chips a:nth-child(3)").await;
    browser.text(".rows:not(:has(li + li))").await;
    for (format, name) in [("csv", "activity.csv"), ("ndjson", "activity.ndjson")] {
        browser.click(&format!("a[download][href*='format={format}']")).await;
        let saved = String::from_utf8(browser.file(name).await).unwrap();
        assert!(saved.contains(&row.id.to_string()) && !saved.contains("news@my.example"), "{saved}");
    }
    browser.click(&format!("a[href='/activity/{}']", row.id)).await;
    browser.click("a[download][href$='/message']").await;
    assert_eq!(browser.file(&format!("{}.eml", row.id)).await, MESSAGE, "octet by octet as it came");
}
