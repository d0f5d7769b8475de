//! What pages say agrees with what is so, and with each other: in sentences, and with no word that is meant for programs.

use serde_json::json;
use waypost::mail::Domain;
use waypost::policy::status::{Status, TraceStep};
use waypost::store::activity::Row;
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::{attempt, forwarded, queued};

async fn page(house: &House, cookie: &str, path: &str) -> String {
    house.panel(cookie, "GET", path, "").await.expect(200).text()
}

async fn recorded(house: &House, row: Row) -> String {
    let path = format!("/activity/{}", row.id);
    house.admin.store.activity.record(vec![row]).await.unwrap();
    path
}

#[tokio::test]
async fn a_change_says_who_did_what_in_a_sentence() {
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    house.panel(&cookie, "POST", "/destinations", "address=new%40inbox.example").await.expect(303);
    house.panel(&cookie, "POST", "/settings/account", "name=Anna").await.expect(303);
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    house.operator("PATCH", "/v1/settings", json!({ "log.retention": "60d" })).await.expect(200);
    let told = page(&house, &cookie, "/settings/audit").await;
    for words in [
        "Made the alias <bdi>shop@my.example</bdi><span class=\"muted\"> <bdi>on the command line</bdi>",
        "Changed <bdi>log.retention</bdi> in the settings<span",
        "Changed the account <bdi>of the owner</bdi><span class=\"muted\"> <bdi>by the owner</bdi>",
        "Asked <bdi>new@inbox.example</bdi> whether it takes mail from here<span",
        "Name: none → Anna",
        "How: by a link",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}
