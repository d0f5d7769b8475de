//! Settings, Notices: what is open, which kinds write to whom, and where each of these is set.

use serde_json::{Value, json};
use std::time::Duration;
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::{queued, queued_to};

const PAGE: &str = "/settings/notices";
const KINDS: &str = "refusing=on&throttled=on&waiting=on&untold=on&bouncing=on&drift=on&certificate=on&disk=on&backup=on&listed=on&gateway=on";

#[tokio::test]
async fn what_is_open_stands_there_and_on_the_overview_and_what_is_over_below() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let quiet = house.panel(&cookie, "GET", PAGE, "").await.expect(200).text();
    assert!(
        quiet.contains("Nothing does.") && quiet.contains("At present they go to <bdi>owner@inbox.example</bdi>."),
        "{quiet}"
    );
    assert_eq!(quiet.matches("button primary").count(), 1);
    house.operator("PATCH", "/v1/settings", json!({ "notify.to": ["boss@office.example"] })).await.expect(200);
    let due = Entry::Due(house.clock.now());
    let id = queued(&house, "shop@my.example", due).await.id;
    for wait in [3660, 120] {
        house.clock.advance(Duration::from_secs(wait));
        house.admin.notice_by_the_clock().await.unwrap();
    }
    let page = house.panel(&cookie, "GET", PAGE, "").await.expect(200).text();
    assert!(page.contains("inbox.example has taken no mail for 1 h."), "{page}");
    assert!(page.contains("sent to boss@office.example") && page.contains("href=\"/queue\""), "{page}");
    let overview = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    let headline = overview.split("<p class=\"headline status bad\">").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(
        headline.contains("inbox.example has taken no mail for 1 h."),
        "the first problem is said first: {overview}"
    );
    assert!(overview.contains(" It began <time") && overview.contains(">1 h ago</time>."), "{overview}");
    assert!(overview.contains(">Look at it</a>") && !overview.contains("All mail is flowing."), "{overview}");
    house.admin.store.queue.cancel(id).await.unwrap();
    let page = house.panel(&cookie, "GET", PAGE, "").await.expect(200).text();
    assert!(page.contains("Nothing does.") && page.contains("What is over"), "{page}");
}

/// Nobody mends the gateway by starting it anew.
#[tokio::test]
async fn what_the_doctor_found_of_the_gateway_stands_over_a_restart_with_its_day() {
    let house = House::furnished().await;
    house.operator("GET", "/v1/doctor", Value::Null).await.expect(200);
    house.admin.notice_by_the_clock().await.unwrap();
    let open = async |house: &House| {
        let open = house.operator("GET", "/v1/notices?state=open", Value::Null).await.expect(200).json();
        let all = open["items"].as_array().unwrap().clone();
        all.into_iter().find(|notice| notice["kind"] == "gateway").expect("a finding of the gateway")
    };
    let found = open(&house).await;
    house.clock.advance(Duration::from_secs(3600));
    let house = house.reopened().await;
    let cookie = house.signed_in().await;
    let words = found["what"].as_str().unwrap().split(['\'', '"', '&', '<']).next().unwrap();
    let overview = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    assert!(overview.contains(words), "{words}\n{overview}");
    house.operator("GET", "/v1/doctor", Value::Null).await.expect(200);
    house.admin.notice_by_the_clock().await.unwrap();
    assert_eq!(open(&house).await["since"], found["since"]);
}

#[tokio::test]
async fn of_many_inboxes_that_take_nothing_the_worst_are_shown_and_the_rest_counted() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now());
    let one = |host: usize| format!("a@host{host}.example");
    for inbox in (0..130).map(one).chain((0..12).map(|inbox| format!("a{inbox}@host0.example"))) {
        house.operator("POST", "/v1/destinations", json!({ "address": inbox, "verified": true })).await.expect(201);
        queued_to(&house, ("shop@my.example", &inbox), due).await;
        house.clock.advance(Duration::from_secs(1));
    }
    house.clock.advance(Duration::from_secs(3660));
    let overview = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    assert!(
        overview.contains("host0.example has taken no mail for 1 h.") && overview.contains("13 messages wait for it."),
        "{overview}"
    );
    assert!(overview.contains("host19.example has") && !overview.contains("host20.example has"), "{overview}");
    assert!(overview.contains("and at least 110 more"), "{overview}");
    assert_eq!(overview.matches("waypost doctor tells more").count(), 1, "what to do is said once: {overview}");
}

#[tokio::test]
async fn who_only_looks_is_told_whom_to_tell() {
    let house = House::furnished().await;
    queued(&house, "shop@my.example", Entry::Kept(house.clock.now().after(Duration::from_secs(3600)))).await;
    let viewer =
        house.signed_in_as("viewer@people.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    for (cookie, may) in [(house.signed_in().await, true), (viewer, false)] {
        let overview = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
        assert!(overview.contains("failed and is kept for you"), "{overview}");
        let failed = "<p class=\"headline status bad\"><svg aria-hidden=\"true\"><use href=\"#i-fail\"/></svg>";
        assert!(overview.contains(failed), "what failed looks so: {overview}");
        assert_eq!(overview.contains("send it again there"), may, "{overview}");
        assert_eq!(overview.contains("The people who manage its domain decide"), !may, "{overview}");
    }
}

#[tokio::test]
async fn what_is_held_has_the_sign_of_what_is_held() {
    let house = House::furnished().await;
    queued(&house, "shop@my.example", Entry::Held).await;
    let overview = house.panel(&house.signed_in().await, "GET", "/", "").await.expect(200).text();
    let held = "<p class=\"headline status wait\"><svg aria-hidden=\"true\"><use href=\"#i-held\"/></svg>";
    assert!(overview.contains(held) && overview.contains("is held until you release it"), "{overview}");
}

#[tokio::test]
async fn the_digest_has_one_name() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("PATCH", "/v1/settings", json!({ "notify.digest": "daily" })).await.expect(200);
    let page = async |path: &str| house.panel(&cookie, "GET", path, "").await.expect(200).text();
    let (notices, server, changes) = (page(PAGE).await, page("/settings/server").await, page("/settings/audit").await);
    assert!(notices.contains("<label for=\"digest\">Digest</label>"), "{notices}");
    assert!(server.contains("<label for=\"notify.digest\">Digest</label>"), "{server}");
    assert!(changes.contains("Digest (notify.digest): the default → every day"), "{changes}");
}

#[tokio::test]
async fn choices_are_saved_taken_back_and_refused_in_words() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let url = "https%3A%2F%2Fmonitor.example%2Fping%3Fa%3Db";
    let form = format!("{KINDS}&to=a%40one.example%2C+b%40two.example&digest=daily&heartbeat_url={url}");
    let page = house.follow(&cookie, house.panel(&cookie, "POST", PAGE, &form).await).await;
    assert!(
        page.contains("Your choice is saved.")
            && page.contains("At present they go to <bdi>a@one.example, b@two.example</bdi>.")
    );
    assert!(page.contains("value=\"daily\" selected") && page.contains("https://monitor.example/ping?a=b"), "{page}");
    assert!(page.contains("name=\"held\" value=\"on\"> ") && page.contains("name=\"drift\" value=\"on\" checked"));
    let set = |key: &'static str, settings: &Value| {
        let all = settings["items"].as_array().unwrap();
        all.iter().find(|setting| setting["key"] == key).unwrap().clone()
    };
    let settings = house.operator("GET", "/v1/settings", Value::Null).await.expect(200).json();
    assert_eq!(set("notify.mute", &settings)["value"], json!(["held"]));
    assert_eq!(set("notify.to", &settings)["place"], "panel");

    let wrong = house.panel(&cookie, "POST", PAGE, "to=nobody&digest=daily").await.expect(422).text();
    assert!(wrong.contains("id=\"e-to\">") && wrong.contains("value=\"nobody\""), "{wrong}");
    house.panel(&cookie, "POST", PAGE, &format!("{KINDS}&held=on&digest=weekly")).await.expect(303);
    let settings = house.operator("GET", "/v1/settings", Value::Null).await.expect(200).json();
    for key in ["notify.to", "notify.mute", "notify.heartbeat_url"] {
        assert_eq!(set(key, &settings)["place"], "default", "{key}");
    }
}

#[tokio::test]
async fn a_test_notice_is_sent_by_a_button_and_members_see_none_of_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/settings/notices/test", "").await).await;
    assert!(page.contains("A test notice is on its way."), "{page}");
    let queue = house.operator("GET", "/v1/queue", Value::Null).await.expect(200).json();
    let sent = &queue["items"][0];
    assert_eq!((&sent["purpose"], &sent["destination"]), (&json!("notice"), &json!("owner@inbox.example")));

    let member = json!({ "email": "anna@my.example", "role": "member", "password": "correct horse battery" });
    house.operator("POST", "/v1/users", member).await.expect(201);
    let form = "email=anna%40my.example&password=correct+horse+battery";
    let anna = house.panel("", "POST", "/sign-in", form).await.expect(303).field("set-cookie").unwrap();
    let anna = anna.split(';').next().unwrap();
    house.panel(anna, "GET", PAGE, "").await.expect(403);
    house.panel(anna, "POST", PAGE, "to=anna%40my.example").await.expect(403);
    house.panel(anna, "POST", "/settings/notices/test", "").await.expect(403);
    assert!(!house.panel(anna, "GET", "/settings/account", "").await.expect(200).text().contains(PAGE));
}

/// To whom it went, and why not to whom it was to go.
#[tokio::test]
async fn a_notice_says_to_whom_it_went_and_why_not_to_the_owner() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let other = json!({ "address": "other@elsewhere.example", "verified": true });
    house.operator("POST", "/v1/destinations", other).await.expect(201);
    queued(&house, "shop@my.example", Entry::Kept(house.clock.now().after(Duration::from_secs(3600)))).await;
    house.admin.notice_by_the_clock().await.unwrap();
    let page = async || house.panel(&cookie, "GET", PAGE, "").await.expect(200).text();
    let in_the_way = page().await;
    let words = "sent to other@elsewhere.example: mail to owner@inbox.example fails at present";
    assert!(in_the_way.contains(words), "{in_the_way}");

    house.operator("PATCH", "/v1/settings", json!({ "notify.to": ["boss@office.example"] })).await.expect(200);
    queued_to(&house, ("shop@my.example", "ann@far.example"), Entry::Kept(house.clock.now())).await;
    house.admin.notice_by_the_clock().await.unwrap();
    let told_at = house.clock.now();
    house.admin.store.notices.refused(told_at, ("boss@office.example".to_owned(), told_at)).await.unwrap();
    let unheard = page().await;
    let why =
        "the mail about it to boss@office.example came to nothing, and is sent again once other mail arrives there";
    assert!(unheard.contains(&format!("nobody has heard of it yet: {why}")), "{unheard}");
    house.clock.advance(Duration::from_secs(60));
    house.admin.notice_by_the_clock().await.unwrap();
    let sent = page().await;
    assert!(sent.contains(&format!("sent to other@elsewhere.example: {why}")), "{sent}");
}
