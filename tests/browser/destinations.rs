//! The mail that asks an inbox, shown as it fares: its next hop's words appear without anybody reloading.

use serde_json::json;
use waypost::policy::status::Status;
use waypost::store::activity::Progress;

use crate::driver::Look;
use crate::server::Open;
use crate::web::House;
use crate::web::rows::attempt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_inbox_s_system_says_appears_by_itself() {
    let open = Open::to(House::linked().await).await;
    let new = json!({ "address": "new@inbox.example" });
    let added = open.house.operator("POST", "/v1/destinations", new).await.expect(201).json();
    let id = added["verification"]["activity_id"].as_str().unwrap().to_owned();
    let browser = open.visitor(Look { width: 1440, script: true, dark: false }).await;
    browser.open(&open.url("/destinations/new@inbox.example")).await;
    browser.says(&format!("[id='m-{id}'] .status"), "queued").await;
    browser.text("[data-live][data-open]").await;
    let words = "450 4.2.0 <b>greylisted</b>, come again";
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
    browser.reads("[data-live] dd[id] .reply", words).await;
}
