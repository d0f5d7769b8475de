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
async fn the_list_of_domains_says_of_each_what_its_own_page_says() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let name = Domain::parse("my.example").unwrap();
    let key = house.admin.store.rules.domain(&name).await.unwrap().key;
    let note = async |dns: &str, wrong: &[String]| house.admin.store.rules.note_dns(key, dns, wrong).await.unwrap();
    let state = |text: &str| -> String {
        let at = text.find("status ").unwrap();
        let told = text[at..].split_once("<svg").unwrap().1.split_once("<span>").unwrap().1;
        let tone = text[at..].split_once("status ").unwrap().1.split('"').next().unwrap();
        format!("{tone}: {}", told.split("</span>").next().unwrap())
    };
    let same = async |words: &str| {
        let list = page(&house, &cookie, "/domains").await;
        let row = list.split("<a class=\"row domain\"").nth(1).unwrap();
        let own = page(&house, &cookie, "/domains/my.example").await;
        let own = own.split("<div id=\"standing\"").nth(1).unwrap();
        assert_eq!(state(row), state(own));
        assert!(state(row).contains(words), "{words}: {}", state(row));
    };
    same("DNS was not asked yet.").await;
    note("ok", &[]).await;
    same("ok: All records were found when DNS was asked last.").await;
    note("drift", &["MX of my.example: it leads elsewhere".to_owned()]).await;
    same("Some records differed when DNS was asked last: MX of my.example.").await;
    page(&house, &cookie, "/domains/my.example?check=1").await;
    same("DNS does not say whether mail arrives").await;
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
