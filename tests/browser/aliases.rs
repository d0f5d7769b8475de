//! Aliases in a real browser: made by keyboard alone, several changed at once and taken back, switched in place, found while
//! typing; and all of it without script.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::{Browser, Look};
use crate::mail::mail_by;
use crate::server::Open;

const WIDE: Look = Look { width: 1440, script: true, dark: false };
const PLAIN: Look = Look { width: 1440, script: false, dark: false };
const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";

/// A browser that is signed in, at the list of three aliases.
async fn at_the_list(look: Look) -> (Open, Browser) {
    let open = Open::new().await;
    for name in ["books", "shop", "news"] {
        let body = json!({ "address": format!("{name}@my.example") });
        open.house.operator("POST", "/v1/aliases", body).await.expect(201);
    }
    let browser = open.visitor(look).await;
    browser.open(&open.url("/aliases")).await;
    browser.text("#list .rows li").await;
    (open, browser)
}

/// How many aliases are off, as the gateway has it.
async fn off(open: &Open) -> usize {
    let list = open.house.operator("GET", "/v1/aliases?enabled=false", Value::Null).await.json();
    list["items"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_is_made_and_switched_by_keyboard_alone() {
    let (open, browser) = at_the_list(WIDE).await;
    browser.press("n").await;
    browser.text("#local:focus").await;
    browser.press(&format!("garden{TAB}{TAB}{TAB}seeds{ENTER}")).await;
    browser.says("#told .notice", "garden@my.example is ready").await;
    let made = open.house.operator("GET", "/v1/aliases/garden@my.example", Value::Null).await.expect(200).json();
    assert_eq!((&made["description"], &made["destinations"]), (&json!("seeds"), &json!(["owner@inbox.example"])));
    browser.text("#list li a.address:focus").await;
    browser.press("e").await;
    browser.text("#list li.off").await;
    browser.says("#told .notice", "garden@my.example is off").await;
    assert_eq!(off(&open).await, 1);
    browser.press("u").await;
    browser.text("#list:not(:has(li.off))").await;
    assert_eq!(off(&open).await, 0);
    browser.press(&format!("jk{ENTER}")).await;
    browser.text("#goes").await;
    browser.says("h1", "garden@my.example").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_is_made_by_keyboard_alone_without_script() {
    let (open, browser) = at_the_list(PLAIN).await;
    browser.press(&format!("{TAB}{ENTER}{TAB}{ENTER}")).await;
    browser.text("#local:focus").await;
    browser.press(&format!("garden{TAB}{TAB}{TAB}seeds{ENTER}")).await;
    browser.says("#told .notice", "garden@my.example is ready").await;
    let made = open.house.operator("GET", "/v1/aliases/garden@my.example", Value::Null).await.expect(200).json();
    assert_eq!((&made["description"], &made["destinations"]), (&json!("seeds"), &json!(["owner@inbox.example"])));
}

/// All that it offers is open where nothing opens it by need: it would cover half of a small screen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_with_several_covers_no_row_of_a_phone_without_script() {
    for (script, position) in [(false, "static"), (true, "sticky")] {
        let (_open, browser) = at_the_list(Look { width: 360, script, dark: false }).await;
        browser.click("#list .rows input").await;
        browser.text("#list:has(:checked)").await;
        assert_eq!(browser.style(".bulk", "position").await, position, "script: {script}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_are_changed_in_place_and_taken_back() {
    let (open, browser) = at_the_list(WIDE).await;
    browser.ask("window.stays = true; return 1").await;
    browser.press("jxjx").await;
    browser.click("button[name=what][value=disable]").await;
    browser.text("#list li.off + li.off").await;
    browser.says("#told .toast", "2 aliases are switched off.").await;
    assert_eq!(off(&open).await, 2);
    browser.click("#told .toast button").await;
    browser.text("#list:not(:has(li.off))").await;
    browser.says("#told .notice", "2 aliases are as they were.").await;
    assert_eq!(browser.ask("return window.stays").await, json!(true), "no page was left");
    browser.click("#list li:last-child .switch").await;
    browser.text("#list li:last-child.off").await;
    assert_eq!(browser.ask("return window.stays && document.activeElement.className").await, json!("switch"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_are_changed_and_taken_back_without_script() {
    let (open, browser) = at_the_list(PLAIN).await;
    browser.click("#list li:first-child input[name=id]").await;
    browser.click("#list li:last-child input[name=id]").await;
    browser.click("button[name=what][value=disable]").await;
    browser.says("#told .notice", "2 aliases are switched off.").await;
    assert_eq!(off(&open).await, 2);
    browser.click("#told .notice button").await;
    browser.text("#list:not(:has(li.off))").await;
    assert_eq!(off(&open).await, 0);
    browser.click("#list li:first-child .switch").await;
    browser.text("#list li:first-child.off").await;
    browser.write("#q", "books").await;
    browser.click("form.search > button").await;
    browser.text("#list:not(:has(li + li))").await;
    browser.reads("#list a.address", "books@my.example").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_typed_is_found_while_the_page_stays() {
    let (_open, browser) = at_the_list(WIDE).await;
    browser.ask("window.stays = true; return 1").await;
    browser.press("/").await;
    browser.press("boo").await;
    browser.text("#list:not(:has(li + li))").await;
    browser.reads("#list a.address", "books@my.example").await;
    browser.answers("return window.stays && location.search", json!("?q=boo")).await;
    assert_eq!(browser.ask("return document.activeElement.id").await, json!("q"));
    browser.write("#q", "nothing like it").await;
    browser.says("#found .empty", "No alias matches.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aliases_are_ordered_by_their_last_mail_in_place() {
    by_last_mail(WIDE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aliases_are_ordered_by_their_last_mail_without_script() {
    by_last_mail(PLAIN).await;
}

/// The newest mail first; whom nobody has written to is not among them. Those that are found have another order.
async fn by_last_mail(look: Look) {
    let (open, browser) = at_the_list(look).await;
    mail_by(&open.house, "books@my.example", "books@my.example").await;
    open.house.clock.advance(Duration::from_secs(60));
    mail_by(&open.house, "shop@my.example", "shop@my.example").await;
    browser.click("details.filters summary").await;
    if look.script {
        // The driver's own choice of an option tells the page less than a person's.
        browser.ask("document.getElementById('w-sort').focus()").await;
        browser.press("l").await;
    } else {
        browser.click("#w-sort option[value=mail]").await;
        browser.click("details.filters button").await;
    }
    browser.reads("#list li:nth-child(2):last-child a.address", "books@my.example").await;
    browser.reads("#list li:first-child a.address", "shop@my.example").await;
    browser.write("#q", "books").await;
    if !look.script {
        browser.click("form.search > button").await;
    }
    browser.reads("#list li:only-child a.address", "books@my.example").await;
}
