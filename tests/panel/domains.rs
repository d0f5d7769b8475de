//! One domain's page: it waits for no name server, and says whose mail the domain lets in and keeps out.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::queued;

const PAGE: &str = "/domains/my.example";
const AGAIN: &str = "data-again=\"/domains/my.example?check=1\"";

#[tokio::test]
async fn what_is_known_is_shown_at_once_and_dns_is_asked_behind_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let get = async |path: &str| house.panel(&cookie, "GET", path, "").await.expect(200).text();
    let first = get(PAGE).await;
    for words in ["DNS has not been asked yet.", "10 mx.gateway.example.", "not asked yet</span>", "Check now", AGAIN] {
        assert!(first.contains(words), "{words}: {first}");
    }
    assert!(get("/domains/my.example/zone").await.contains("MX"), "what is wanted needs no answer");
    let asked = get("/domains/my.example?check=1").await;
    assert!(asked.contains("DNS was asked <time") && asked.contains("no answer"), "{asked}");
    assert!(
        asked.contains("no answer within 0.") && !asked.contains("within 0 s"),
        "what is short is not nothing: {asked}"
    );
    let again = get(PAGE).await;
    assert!(again.contains("DNS was asked <time") && again.contains("Check again"), "{again}");
    house.clock.advance(Duration::from_secs(3600));
    let old = get(PAGE).await;
    assert!(old.contains("DNS was asked <time") && old.contains(">1 h ago</time>") && old.contains(AGAIN), "{old}");
}

#[tokio::test]
async fn senders_are_let_in_and_kept_out_on_the_page_of_the_domain() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let form = "block=%40ads.example%0D%0Aspam%40b.example&allow=good%40ads.example";
    house.panel(&cookie, "POST", PAGE, form).await.expect(303);
    let is = house.operator("GET", "/v1/domains/my.example", Value::Null).await.json();
    assert_eq!(
        (&is["block"], &is["allow"]),
        (&json!(["@ads.example", "spam@b.example"]), &json!(["good@ads.example"]))
    );
    let page = house.panel(&cookie, "GET", PAGE, "").await.expect(200).text();
    assert!(page.contains("@ads.example\nspam@b.example</textarea>"), "{page}");
    let wrong = house.panel(&cookie, "POST", PAGE, "block=nonsense").await.expect(422).text();
    assert!(wrong.contains("mend what is marked") && wrong.contains("nonsense</textarea>"), "{wrong}");
    assert!(wrong.contains("<p class=\"wrong\" id=\"h-block\">"), "{wrong}");
    house.panel(&cookie, "POST", PAGE, "block=&allow=").await.expect(303);
    let is = house.operator("GET", "/v1/domains/my.example", Value::Null).await.json();
    assert_eq!((&is["block"], &is["allow"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn what_a_mirror_has_of_its_own_is_said_on_its_page() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let mirror = json!({ "name": "mirror.example", "mirror_of": "my.example" });
    house.operator("POST", "/v1/domains", mirror).await.expect(201);
    let words = "This domain has the aliases of <bdi>my.example</bdi>, with what is set at each of them. All that is set on \
                 this page counts for this domain alone, and nothing that is set for <bdi>my.example</bdi> counts here.";
    let page = house.panel(&cookie, "GET", "/domains/mirror.example", "").await.expect(200).text();
    assert!(page.contains(words), "{page}");
    let page = house.panel(&cookie, "GET", PAGE, "").await.expect(200).text();
    assert!(!page.contains("This domain has the aliases of"), "{page}");
}

#[tokio::test]
async fn before_a_domain_or_a_destination_goes_it_is_said_what_goes_with_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let get = async |path: &str| house.panel(&cookie, "GET", path, "").await.expect(200).text();
    let due = Entry::Due(house.clock.now().after(Duration::from_secs(300)));
    let bare = get(PAGE).await;
    assert!(bare.contains("It has no aliases.") && !bare.contains("all the same"), "{bare}");
    for n in 0..7 {
        house.operator("POST", "/v1/aliases", json!({ "address": format!("a{n}@my.example") })).await.expect(201);
    }
    queued(&house, "a1@my.example", due).await;
    let page = get(PAGE).await;
    assert!(page.contains("With it go 7 aliases (<bdi>a6@my.example</bdi>, "), "{page}");
    assert!(page.contains("<bdi>a2@my.example</bdi> and others)"), "{page}");
    assert!(
        page.contains("queue</a>, one message, goes on") && page.contains("Remove my.example and 7 aliases"),
        "{page}"
    );
    let spare = json!({ "address": "spare@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", spare).await.expect(201);
    let inbox = "/destinations/owner@inbox.example";
    house.panel(&cookie, "POST", &format!("{inbox}/replace"), "to=spare%40inbox.example").await.expect(303);
    let page = get(inbox).await;
    assert!(page.contains("queue</a>, one message: none of it is sent there any more"), "{page}");
    assert!(!get("/destinations/spare@inbox.example").await.contains("none of it is sent there"));
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/destinations", json!({ "address": "new@inbox.example" })).await.expect(201);
    let page = house.panel(&cookie, "GET", "/destinations/new@inbox.example", "").await.expect(200).text();
    assert!(
        page.contains("<span>waiting</span>") && !page.contains("none of it is sent there"),
        "what asks it is no mail for it: {page}"
    );
}

/// Whoever chose a mode on the page of a domain finds it in the list by the same words.
#[tokio::test]
async fn the_list_says_of_a_catch_all_what_its_domains_page_says() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for mode in ["off", "forward", "create", "drop", "reject"] {
        house.operator("PATCH", "/v1/domains/my.example", json!({ "catch_all": mode })).await.expect(200);
        let page = house.panel(&cookie, "GET", PAGE, "").await.expect(200).text();
        let label =
            page.split(&format!("<option value=\"{mode}\" selected>")).nth(1).unwrap().split('<').next().unwrap();
        let list = house.panel(&cookie, "GET", "/domains", "").await.expect(200).text();
        let about = format!("<span class=\"muted\">catch-all: {}{}</span>", label[..1].to_lowercase(), &label[1..]);
        assert!(list.contains(&about), "{about}: {list}");
    }
}

/// Where nobody answers, that is said once, and what is wanted is shown.
#[tokio::test]
async fn that_no_dns_answers_is_said_once_and_the_records_stay() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let page = house.panel(&cookie, "GET", "/domains/my.example?check=1", "").await.expect(200).text();
    assert_eq!(page.matches("DNS gave no answer within ").count(), 1, "{page}");
    assert_eq!(page.matches("gave no answer").count(), 1, "{page}");
    assert!(page.contains("10 mx.gateway.example.") && page.matches("<span>no answer</span>").count() > 3, "{page}");
    let first = page.find("gave no answer").unwrap();
    assert!(first < page.find("class=\"record\"").unwrap(), "above all of them: {page}");
}
