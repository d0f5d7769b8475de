//! Inboxes are asked by mail: within limits, by links that work once, in time, and for nobody but the inbox.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::admin::VERIFICATION_LIFETIME;
use waypost::store::activity::Row;
use waypost::store::queue::Entry;

use crate::web::rows::{forwarded, handed_back, queued};
use crate::web::{Answer, House};

const MINUTE: Duration = Duration::from_secs(60);
const INBOX: &str = "/v1/destinations/new@inbox.example";

async fn add(house: &House, address: &str) -> Value {
    house.operator("POST", "/v1/destinations", json!({ "address": address })).await.expect(201).json()
}

async fn resend(house: &House) -> Answer {
    house.operator("POST", &format!("{INBOX}/resend"), Value::Null).await
}

/// The path of the link in the mail that waits for this destination.
async fn link(house: &House, destination: &Value) -> String {
    let id = destination["verification"]["activity_id"].as_str().unwrap().parse().unwrap();
    let octets = house.admin.store.queue.get(id).await.unwrap().message.octets.read(0).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix("https://gw.example")).unwrap().to_owned()
}

async fn open(house: &House, method: &str, path: &str) -> Answer {
    house.visitor(method, path, &[("host", "localhost"), ("sec-fetch-site", "same-origin")], "").await
}

#[tokio::test]
async fn an_inbox_is_asked_once_a_minute_and_five_times_a_day() {
    let house = House::linked().await;
    let added = add(&house, "new@inbox.example").await;
    assert_eq!(added["verification"]["status"], "queued", "{added}");
    let soon = resend(&house).await.expect(429);
    assert!(soon.problem()["detail"].as_str().unwrap().contains("less than a minute ago"));
    assert!(soon.field("retry-after").is_some());
    for _ in 0..4 {
        house.clock.advance(MINUTE);
        resend(&house).await.expect(200);
    }
    house.clock.advance(MINUTE);
    assert!(resend(&house).await.expect(429).text().contains("5 times in 24 hours"));
    // Removed and added again, it is the same inbox.
    house.operator("DELETE", INBOX, Value::Null).await.expect(204);
    add(&house, "new@inbox.example").await;
    assert_eq!(house.admin.store.queue.list(None, None, 100).await.unwrap().len(), 5);
    house.clock.advance(24 * 60 * MINUTE);
    resend(&house).await.expect(200);
    house.operator("POST", &format!("{INBOX}/verify"), Value::Null).await.expect(200);
    house.clock.advance(MINUTE);
    assert!(resend(&house).await.expect(409).text().contains("verified already"));
}

#[tokio::test]
async fn an_account_has_fifty_inboxes_asked_a_day() {
    let house = House::linked().await;
    for number in 0..50 {
        assert_eq!(add(&house, &format!("{number}@inbox.example")).await["verification"]["status"], "queued");
    }
    let last = add(&house, "new@inbox.example").await;
    assert_eq!(last["verification"]["status"], "not_sent", "{last}");
    assert!(resend(&house).await.expect(429).text().contains("50 inboxes"));
}

#[tokio::test]
async fn a_link_works_once_and_says_so_afterwards() {
    let house = House::linked().await;
    let path = link(&house, &add(&house, "new@inbox.example").await).await;
    for _ in 0..2 {
        let page = open(&house, "GET", &path).await.expect(200).text();
        assert!(page.contains("new@inbox.example") && page.contains("<button"), "{page}");
    }
    let foreign = house.visitor("POST", &path, &[("host", "localhost"), ("sec-fetch-site", "cross-site")], "").await;
    foreign.expect(403);
    let seen = house.operator("GET", INBOX, Value::Null).await.json();
    assert_eq!(seen["verified_at"], Value::Null, "looking verifies nothing");
    let done = open(&house, "POST", &path).await.expect(200).text();
    assert!(done.contains("This inbox is verified") && done.contains("is delivered there from now on"), "{done}");
    let seen = house.operator("GET", INBOX, Value::Null).await.json();
    assert!(seen["verified_at"].is_string() && seen["verification"].is_null(), "{seen}");
    assert!(open(&house, "POST", &path).await.expect(200).text().contains("verified already"));
    house.operator("DELETE", INBOX, Value::Null).await.expect(204);
    assert!(open(&house, "GET", &path).await.expect(404).text().contains("no destination of this gateway any more"));
    add(&house, "new@inbox.example").await;
    assert!(open(&house, "POST", &path).await.expect(410).text().contains("This link was used already"));
    let seen = house.operator("GET", INBOX, Value::Null).await.json();
    assert_eq!(seen["verified_at"], Value::Null, "a link works once");
}

/// Its mail has arrived: what came back an hour before says nothing of it now.
#[tokio::test]
async fn an_inbox_that_says_yes_refuses_no_more() {
    let house = House::linked().await;
    let path = link(&house, &add(&house, "new@inbox.example").await).await;
    let (inbox, words) = (Some("new@inbox.example".to_owned()), "552 5.2.2 mailbox full");
    let row = Row { destination: inbox, ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    handed_back(&house, &row, words).await;
    house.clock.advance(60 * MINUTE);
    let refuses = house.operator("GET", INBOX, Value::Null).await.json();
    assert_eq!(refuses["failing_reply"], Value::Null, "not before it is proved whose it is: {refuses}");
    let notices = async || house.operator("GET", "/v1/notices", Value::Null).await.json()["items"].clone();
    assert_eq!(notices().await, json!([]), "nothing leads there");
    let alias = json!({ "address": "shop@my.example", "destinations": ["new@inbox.example"] });
    house.operator("POST", "/v1/aliases", alias).await.expect(201);
    assert_eq!(notices().await[0]["kind"], "refusing");
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "enabled": false })).await.expect(200);
    assert_eq!(notices().await, json!([]), "nor does it now");
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "enabled": true })).await.expect(200);
    open(&house, "POST", &path).await.expect(200);
    let seen = house.operator("GET", INBOX, Value::Null).await.json();
    assert!(seen["verified_at"].is_string() && seen["failing_since"].is_null(), "{seen}");
    assert_eq!(seen["failing_reply"], Value::Null, "{seen}");
    assert_eq!(house.operator("GET", "/v1/notices", Value::Null).await.json()["items"], json!([]));
}

#[tokio::test]
async fn what_its_owner_has_tried_again_is_tried_now_and_a_delivery_counts() {
    let house = House::linked().await;
    let path = "/v1/destinations/owner@inbox.example";
    let retry = async || house.operator("POST", &format!("{path}/retry"), Value::Null).await;
    let row = forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    handed_back(&house, &row, "552 5.2.2 mailbox full").await;
    let later = house.clock.now().after(120 * MINUTE);
    let waits = queued(&house, "shop@my.example", Entry::Due(later)).await;
    house.clock.advance(60 * MINUTE);
    let tried = retry().await.expect(200).json();
    assert!(tried["failing_since"].is_string(), "nothing has arrived yet: {tried}");
    let queue = house.operator("GET", "/v1/queue", Value::Null).await.json();
    assert_eq!(queue["items"][0]["next_attempt_at"], json!(house.clock.now().rfc3339()), "{queue}");
    house.admin.store.queue.cancel(waits.id).await.unwrap();
    house.admin.store.activity.record(vec![forwarded(&house, "shop@my.example")]).await.unwrap();
    let seen = house.operator("GET", path, Value::Null).await.json();
    assert_eq!(seen["failing_since"], Value::Null, "it arrived after its owner mended it: {seen}");
    let another = forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![another.clone()]).await.unwrap();
    handed_back(&house, &another, "552 5.2.2 mailbox full").await;
    let untried = retry().await.expect(200).json();
    assert!(untried["failing_since"].is_string(), "nothing waits, so nothing was tried: {untried}");
    add(&house, "new@inbox.example").await;
    let refused = house.operator("POST", &format!("{INBOX}/retry"), Value::Null).await.expect(409);
    assert!(refused.text().contains("is not verified"), "{}", refused.text());
}

#[tokio::test]
async fn a_link_ends_after_three_days_and_opens_no_other_door() {
    let house = House::linked().await;
    let path = link(&house, &add(&house, "new@inbox.example").await).await;
    let secret = path.strip_prefix("/verify/").unwrap();
    for method in ["GET", "POST"] {
        open(&house, method, &format!("/sign-in/{secret}")).await.expect(410);
        assert!(open(&house, method, "/verify/none").await.expect(404).text().contains("not known here"));
    }
    open(&house, "GET", &path).await.expect(200);
    house.clock.advance(VERIFICATION_LIFETIME);
    for method in ["GET", "POST"] {
        assert!(open(&house, method, &path).await.expect(410).text().contains("This link has expired"));
    }
    let seen = house.operator("GET", INBOX, Value::Null).await.json();
    assert_eq!(seen["verified_at"], Value::Null);
    // Those who ask anew forget nothing of it.
    resend(&house).await.expect(200);
    open(&house, "GET", &path).await.expect(410);
}

#[tokio::test]
async fn the_mail_is_its_inboxs_alone_to_read() {
    let house = House::linked().await;
    let added = add(&house, "new@inbox.example").await;
    let id = added["verification"]["activity_id"].as_str().unwrap();
    house.operator("GET", &format!("/v1/queue/{id}/message"), Value::Null).await.expect(403).problem();
    let elsewhere = json!({ "destination": "owner@inbox.example" });
    house.operator("POST", &format!("/v1/queue/{id}/resend"), elsewhere).await.expect(409).problem();
    let row = house.operator("GET", &format!("/v1/activity/{id}"), Value::Null).await.expect(200);
    let path = link(&house, &added).await;
    assert!(!row.text().contains(path.strip_prefix("/verify/").unwrap()), "{}", row.text());
    let reader = house.token(&["destinations:read"], &[]).await;
    house.bearer(&reader, "POST", &format!("{INBOX}/resend"), Value::Null).await.expect(403).problem();
    house.bearer(&reader, "POST", "/v1/destinations/no@inbox.example/resend", Value::Null).await.expect(403);
    house.operator("POST", "/v1/destinations/no@inbox.example/resend", Value::Null).await.expect(404).problem();
}

#[tokio::test]
async fn without_an_address_for_links_the_answer_says_what_is_needed() {
    let house = House::furnished().await;
    let added = add(&house, "new@inbox.example").await;
    assert_eq!(added["verification"]["status"], "not_sent");
    assert!(added["verification"]["reply"].as_str().unwrap().contains("http.public_url"), "{added}");
    assert!(resend(&house).await.expect(409).text().contains("http.public_url"));
    let listed = house.operator("GET", "/v1/destinations?search=new", Value::Null).await.expect(200).json();
    assert_eq!(listed["items"][0]["verification"]["status"], "not_sent");
}
