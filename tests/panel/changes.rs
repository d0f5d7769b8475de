//! The page of changes: each kind of entry that there is, done as people do it, and told in words.

use serde_json::{Value, json};
use waypost::admin::Actor;
use waypost::policy::deeds::Deed;
use waypost::policy::ids::OWNER;
use waypost::store::accounts::AuditEntry;

use crate::web::{House, in_path};

const PASSWORD: &str = "correct horse battery";

/// What is written down by a name alone, so that nothing of it could be told badly; here it is only written.
const PLAIN: [Deed; 12] = [
    Deed::LinkUnsent,
    Deed::AliasTrial,
    Deed::DomainVerify,
    Deed::DomainGiveWay,
    Deed::AccountTotpOn,
    Deed::AccountTotpOff,
    Deed::QueueRetry,
    Deed::QueueHold,
    Deed::QueueRelease,
    Deed::QueueCancel,
    Deed::QueueResend,
    Deed::BackupTake,
];

async fn write(house: &House, deed: Deed) {
    let entry = AuditEntry {
        at: house.clock.now(),
        account: OWNER,
        actor: "session".to_owned(),
        action: deed.as_str().to_owned(),
        object: "something".to_owned(),
        before: None,
        after: None,
    };
    house.admin.store.accounts.audit(entry).await.unwrap();
}

/// Aliases and domains, from their beginning to their end.
async fn rules(house: &House) {
    let ask = async |method: &str, path: &str, body: Value| {
        let answer = house.operator(method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
    };
    ask("POST", "/v1/aliases", json!({ "address": "shop@my.example", "quota": 5, "description": "Shops" })).await;
    let change = json!({ "quota": null, "labels": ["a"], "expires_at": "2027-01-31", "policy": { "spf": "off" },
        "action": "reject", "privacy": "envelope", "then": "delete", "allow": ["@b.example"], "expires_after": "30d" });
    ask("PATCH", "/v1/aliases/shop@my.example", change).await;
    ask("PATCH", "/v1/aliases/shop@my.example", json!({ "policy": { "spf": null, "forwarded_headers": true } })).await;
    house.admin.switch_alias(&Actor::operator(), "shop@my.example", false).await.unwrap();
    house.admin.switch_alias(&Actor::operator(), "shop@my.example", true).await.unwrap();
    ask("DELETE", "/v1/aliases/shop@my.example", Value::Null).await;
    let lines = "a@my.example\towner@inbox.example\nb@my.example\towner@inbox.example\n";
    let text = [("content-type", "text/plain")];
    house.operator_with("POST", "/v1/aliases/import", &text, lines).await.expect(200);
    ask("POST", "/v1/domains", json!({ "name": "other.example" })).await;
    let set = json!({ "contact": "owner@inbox.example", "keep_tag": true, "alias_format": "hex",
        "policy": { "tls": "require" }, "block": ["*@ads.example"] });
    ask("PATCH", "/v1/domains/other.example", set).await;
    ask("PATCH", "/v1/domains/other.example", json!({ "catch_all": "create" })).await;
    ask("PATCH", "/v1/domains/other.example", json!({ "catch_all": "off" })).await;
    ask("DELETE", "/v1/domains/other.example", Value::Null).await;
    ask("PATCH", "/v1/settings", json!({ "policy.spf": "enforce", "notify.mute": ["held"], "log.max_bytes": "1GiB" }))
        .await;
}

/// Inboxes: one that is asked, one that takes its place, and back.
async fn inboxes(house: &House, cookie: &str) {
    let act = async |path: &str, form: &str| drop(house.panel(cookie, "POST", path, form).await.expect(303));
    act("/destinations", "address=new%40inbox.example").await;
    let made = house.operator("GET", "/v1/destinations/new@inbox.example", Value::Null).await.expect(200).json();
    let path = format!("/destinations/{}", made["id"].as_str().unwrap());
    act(&format!("{path}/verify"), "").await;
    act(&format!("{path}/retry"), "").await;
    act(&format!("{path}/default"), "").await;
    act(&format!("{path}/replace"), "to=owner%40inbox.example").await;
    let page = house.panel(cookie, "GET", "/settings/audit?q=new@inbox.example", "").await.expect(200).text();
    let undo = page.split("action=\"/settings/audit/").nth(1).unwrap().split('"').next().unwrap();
    act(&format!("/settings/audit/{undo}"), "").await;
    house.operator("DELETE", "/v1/destinations/new@inbox.example", Value::Null).await;
    house
        .operator("POST", "/v1/destinations", json!({ "address": "gone@inbox.example", "verified": true }))
        .await
        .expect(201);
    house.operator("DELETE", "/v1/destinations/gone@inbox.example", Value::Null).await;
}

/// People, their sessions, links and tokens.
async fn people(house: &House, cookie: &str) {
    let ask = async |method: &str, path: &str, body: Value| {
        let answer = house.operator(method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
        answer
    };
    let anna = "/v1/users/anna@my.example";
    ask("POST", "/v1/users", json!({ "email": "anna@my.example", "password": PASSWORD })).await;
    let roles = json!([{ "domain": "my.example", "role": "viewer" }]);
    ask("PATCH", anna, json!({ "name": "Anna", "domains": roles })).await;
    let id = ask("GET", "/v1/users", Value::Null).await.json()["items"][1]["id"].as_str().unwrap().to_owned();
    house.panel(cookie, "POST", &format!("/settings/people/{id}/link"), "").await.expect(200);
    ask("PATCH", anna, json!({ "password": "another horse battery", "disabled": true })).await;
    house.panel("", "POST", "/sign-in", "email=anna%40my.example&password=wrong").await;
    ask("DELETE", anna, Value::Null).await;
    house.signed_in().await;
    let page = house.panel(cookie, "GET", "/settings/sessions", "").await.expect(200).text();
    let end = page.split("action=\"/settings/sessions/").nth(1).unwrap().split('"').next().unwrap();
    house.panel(cookie, "POST", &format!("/settings/sessions/{end}"), "").await.expect(303);
    let form = "name=vault&scope+aliases%3Acreate=on&domain=my.example&expires_at=2027-01-31";
    house.panel(cookie, "POST", "/settings/tokens", form).await.expect(200);
    let token = ask("GET", "/v1/tokens", Value::Null).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    house.panel(cookie, "POST", &format!("/settings/tokens/{token}/revoke"), "").await.expect(303);
    house.panel(cookie, "POST", "/settings/notices/test", "").await.expect(303);
}

/// Every change that the log has: what was done, and the lines below it.
async fn all(house: &House, cookie: &str) -> (Vec<String>, Vec<String>) {
    let (mut deeds, mut lines, mut place) = (Vec::new(), Vec::new(), "/settings/audit".to_owned());
    for _ in 0..10 {
        let page = house.panel(cookie, "GET", &place, "").await.expect(200).text();
        for row in page.split("<div class=\"row thing\">").skip(1) {
            deeds.push(row.split("<span>").nth(1).unwrap().split(" <bdi>").next().unwrap().to_owned());
            let fields = row.split("<span class=\"small muted change\"><bdi>").skip(1);
            lines.extend(fields.map(|field| field.split("</bdi>").next().unwrap().to_owned()));
        }
        let Some(next) = page.split("rel=\"next\"").next().filter(|before| before.len() < page.len()) else { break };
        place = next.rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&#38;", "&");
    }
    (deeds, lines)
}

#[tokio::test]
async fn every_kind_of_change_is_told_in_words() {
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    rules(&house).await;
    inboxes(&house, &cookie).await;
    people(&house, &cookie).await;
    for deed in PLAIN {
        write(&house, deed).await;
    }
    let log = house.operator("GET", "/v1/audit?limit=500", Value::Null).await.expect(200).json();
    let written: Vec<_> =
        log["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for deed in Deed::ALL {
        assert!(written.contains(&deed.as_str()), "{}: do it in this test, so that it is seen in words", deed.as_str());
    }
    let (deeds, lines) = all(&house, &cookie).await;
    assert_eq!(deeds.len(), written.len());
    for told in deeds.iter().chain(&lines) {
        let label = told.split(": ").next().unwrap();
        let is_setting = label.contains('(') && label.ends_with(')');
        let is_raw = told.contains(['{', '}', '[']) || told.contains("&#34;") || !is_setting && label.contains('_');
        assert!(!is_raw, "{told}");
    }
    for wanted in [
        "Messages a day: 5 → none",
        "Mail that comes: Send it on → Refuse it",
        "SPF: inherited → not checked",
        "X-Forwarded-To and -For: inherited → added",
        "Ends on: none → 2027-01-31",
        "TLS to the destination: inherited → always, else mail waits",
        "SPF (policy.spf): the default → refused where it fails",
        "Kinds of notices that write to nobody (notify.mute): the default → held",
        "Destination: new@inbox.example → owner@inbox.example",
        "Mail to addresses without an alias: Make an alias, send it on",
        "Name: none → Anna",
        "What it is for: Create aliases, and nothing else",
        "How: by a link",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{wanted}: {lines:#?}");
    }
    assert!(!in_path(&format!("{lines:?}")).contains("wp_"), "no token is told");
}

#[tokio::test]
async fn which_aliases_went_with_a_domain_is_told() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for n in 0..25 {
        let alias = json!({ "address": format!("a{n:02}@my.example") });
        house.operator("POST", "/v1/aliases", alias).await.expect(201);
    }
    house.operator("DELETE", "/v1/domains/my.example", Value::Null).await.expect(204);
    let page = house.panel(&cookie, "GET", "/settings/audit", "").await.expect(200).text();
    assert!(
        page.contains("Aliases that went with it: 25") && page.contains("Among them: a24@my.example, a23"),
        "{page}"
    );
    let entry = house.operator("GET", "/v1/audit?action=domain.remove", Value::Null).await.expect(200).json();
    assert_eq!(entry["items"][0]["before"]["among_them"].as_array().unwrap().len(), 20);
    assert_eq!(entry["items"][0]["before"]["removed_aliases"], 25);
}

/// Tokens are named as people like; the account without an address is not meant by any of these names.
#[tokio::test]
async fn a_token_that_is_called_owner_is_told_by_its_name() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/tokens", json!({ "name": "owner", "scopes": ["aliases"] })).await.expect(201);
    let page = house.panel(&cookie, "GET", "/settings/audit", "").await.expect(200).text();
    assert!(page.contains("Made the token <bdi>owner</bdi>") && !page.contains("the token <bdi>the owner"), "{page}");
}
