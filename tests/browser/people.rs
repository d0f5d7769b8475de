//! People in a real browser: somebody is added, given a role on a domain, made more, and less again, with script and without.

use serde_json::{Value, json};

use crate::driver::Look;
use crate::server::Open;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_on_a_domain_is_given_changed_undone_and_taken_back_with_script() {
    roles(Look { width: 1440, script: true, dark: false }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_on_a_domain_is_given_changed_undone_and_taken_back_without_script() {
    roles(Look { width: 320, script: false, dark: false }).await;
}

async fn roles(look: Look) {
    let open = Open::new().await;
    let browser = open.visitor(look).await;
    browser.open(&open.url("/settings/people")).await;
    browser.write("#email", "anna@my.example").await;
    browser.click("#part form button.primary").await;
    browser.says("#part .notice", "Hand this link to anna@my.example yourself: no mail is sent.").await;
    browser.click("a[aria-label='Roles on domains: anna@my.example']").await;
    browser.click("#domain option[value='my.example']").await;
    browser.click("main button.primary").await;
    browser.says("#told .notice", "anna@my.example is viewer of my.example from now on.").await;
    browser.click("[aria-label='Make manager of my.example']").await;
    browser.says("#told .notice", "anna@my.example is manager of my.example from now on.").await;
    browser.click("#told button").await;
    browser.says("#told .notice", "It is as it was.").await;
    let users = open.house.operator("GET", "/v1/users", Value::Null).await.expect(200).json();
    assert_eq!(users["items"][1]["domains"], json!([{ "domain": "my.example", "role": "viewer" }]));
    browser.click("[aria-label='Take back the role on my.example']").await;
    browser.says("#told .notice", "anna@my.example has no role on my.example any more.").await;
    browser.says("main", "None: they see their own domains, and no others.").await;
}
