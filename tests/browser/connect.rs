//! Programs are connected by what the page gives to copy, and nothing else.

use std::process::Command;

use waypost::clock::Clock;
use waypost::policy::status::Status;
use waypost::store::activity::Row;

use crate::driver::{Browser, Look};
use crate::server::Open;
use crate::web::rows::forwarded;

const WIDE: Look = Look { width: 1440, script: true, dark: false };

/// Makes the token of a program, runs what the page says to run, and gives what that prints.
async fn connected(open: &Open, browser: &Browser, client: &str) -> String {
    browser.open(&open.url(&format!("/connect/{client}"))).await;
    browser.click("form button.primary").await;
    browser.says("#first-call", "Waiting for the first call").await;
    let command = browser.text("#copied-2").await;
    assert!(command.contains(&browser.text("#copied-0").await) && command.contains(&browser.text("#copied-1").await));
    let run = move || Command::new("sh").args(["-c", &command]).output().unwrap();
    let done = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_copied_works_and_the_page_sees_the_first_call() {
    let open = Open::new().await;
    // The script asks by its own machine's clock.
    let row = Row { received_at: Clock::system().now(), ..forwarded(&open.house, "shop@my.example") };
    let tagged = "shop+new@my.example".to_owned();
    let refused =
        Row { id: uuid::Uuid::from_u128(1), status: Status::Refused, recipient: tagged, count: 69, ..row.clone() };
    open.house.admin.store.activity.record(vec![row, refused]).await.unwrap();
    let browser = open.visitor(WIDE).await;
    let made = connected(&open, &browser, "curl").await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert!(made["address"].as_str().unwrap().starts_with("shop"), "{made}");
    browser.says("#first-call .notice:not(.wait)", "The first call came from 127.0.0.1").await;
    assert_eq!(connected(&open, &browser, "script").await, "70 shop@my.example: 1 forwarded, 69 refused\n");
    browser.says("#first-call .notice:not(.wait)", "The first call came from 127.0.0.1").await;
}
