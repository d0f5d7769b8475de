//! Roles on domains of others: given, changed and taken away on the page of a person, and taken back.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::store::queue::Entry;

use crate::web::rows::queued;
use crate::web::{Answer, House};

const ANNA: &str = "/settings/people/anna@my.example";

/// A house with two domains, and anna, a member who is signed in.
async fn with_anna() -> (House, String, String) {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "other.example" })).await.expect(201);
    let anna = house.signed_in_as("anna@my.example", json!([])).await;
    let owner = house.signed_in().await;
    (house, owner, anna)
}

/// The domains on which anna has a role, and which.
async fn roles(house: &House) -> Value {
    let users = house.operator("GET", "/v1/users", Value::Null).await.expect(200).json();
    users["items"][1]["domains"].clone()
}

/// Sends the form of her page, and follows to what it says.
async fn say(house: &House, owner: &str, form: &str) -> String {
    house.follow(owner, house.panel(owner, "POST", ANNA, form).await).await
}

#[tokio::test]
async fn a_role_on_a_domain_is_given_changed_and_taken_away() {
    let (house, owner, anna) = with_anna().await;
    let visit = async || house.panel(&anna, "GET", "/domains/my.example", "").await.status.as_u16();
    let change = async || house.panel(&anna, "POST", "/domains/my.example", "subaddressing=on").await.status.as_u16();
    let may_add = async || {
        let page = house.panel(&anna, "GET", "/aliases", "").await.expect(200).text();
        page.contains("New alias")
    };
    let people = house.panel(&owner, "GET", "/settings/people", "").await.expect(200).text();
    let link = people.split("href=\"/settings/people/").nth(1).unwrap().split('"').next().unwrap();
    let page = house.panel(&owner, "GET", &format!("/settings/people/{link}"), "").await.expect(200).text();
    assert!(page.contains("anna@my.example</bdi></h1>") && page.contains("<option value=\"other.example\">"), "{page}");
    assert_eq!(visit().await, 404);
    let page = say(&house, &owner, "domain=MY.example&role=viewer").await;
    assert!(page.contains("anna@my.example is viewer of my.example from now on."), "{page}");
    assert_eq!((visit().await, change().await, may_add().await), (200, 403, false));
    say(&house, &owner, "domain=other.example&role=viewer").await;
    let page = say(&house, &owner, "domain=my.example&role=manager").await;
    assert!(page.contains("anna@my.example is manager of my.example from now on."), "{page}");
    assert_eq!((change().await, may_add().await), (303, true));
    let page = house.panel(&anna, "GET", "/aliases?new=1", "").await.expect(200).text();
    let choice = page.split("<select id=\"on\"").nth(1).unwrap().split("</select>").next().unwrap();
    assert!(choice.contains("my.example") && !choice.contains("other.example"), "{choice}");
    let page = say(&house, &owner, "domain=my.example&role=none").await;
    assert!(page.contains("anna@my.example has no role on my.example any more."), "{page}");
    assert_eq!(visit().await, 404);
    assert_eq!(roles(&house).await, json!([{ "domain": "other.example", "role": "viewer" }]));
    let people = house.panel(&owner, "GET", "/settings/people", "").await.expect(200).text();
    assert!(people.contains("viewer of other.example"), "{people}");
}

#[tokio::test]
async fn what_was_changed_of_roles_is_told_and_taken_back_while_it_stands() {
    let (house, owner, _) = with_anna().await;
    let page = say(&house, &owner, "domain=my.example&role=manager").await;
    let entries = page.split("name=\"entries\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let undo = async |entries: &str| -> Answer {
        house.panel(&owner, "POST", "/undo", &format!("entries={entries}&back=%2Fsettings%2Fpeople")).await.expect(303)
    };
    assert_eq!(undo(&entries).await.told().as_deref(), Some("waypost-told=undone=1&left=0"));
    assert_eq!(roles(&house).await, json!([]));
    undo(&entries).await;
    assert_eq!(roles(&house).await, json!([]), "it does not stand any more");
    let log = house.panel(&owner, "GET", "/settings/audit?q=anna", "").await.expect(200).text();
    assert!(log.contains("Changed the roles of") && log.contains("my.example: manager → none"), "{log}");
    let newest = log.split("action=\"/settings/audit/").nth(1).unwrap().split('"').next().unwrap();
    house.panel(&owner, "POST", &format!("/settings/audit/{newest}"), "").await.expect(303);
    assert_eq!(roles(&house).await, json!([{ "domain": "my.example", "role": "manager" }]));
}

#[tokio::test]
async fn what_is_wrong_with_a_role_is_said_at_its_field_and_nobody_else_gives_one() {
    let (house, owner, anna) = with_anna().await;
    for (form, field, why) in [
        ("domain=elsewhere.example&role=viewer", "domain", "There is no domain elsewhere.example here."),
        ("domain=&role=viewer", "domain", "Write a domain, such as my.example."),
        ("domain=my.example&role=king", "role", "Write one of manager, viewer."),
    ] {
        let page = house.panel(&owner, "POST", ANNA, form).await.expect(422).text();
        let wrong = page.split(&format!("id=\"e-{field}\">")).nth(1).unwrap_or_else(|| panic!("{form}: {page}"));
        assert!(wrong.starts_with(&format!("<bdi>{why}")), "{form}: {wrong}");
        assert!(page.contains(&format!("aria-describedby=\"e-{field} ")), "{page}");
    }
    assert_eq!(roles(&house).await, json!([]));
    for path in [ANNA, "/settings/people/owner"] {
        house.panel(&anna, "GET", path, "").await.expect(403);
        house.panel(&anna, "POST", path, "domain=my.example&role=manager").await.expect(403);
    }
    house.panel(&owner, "GET", "/settings/people/nobody@my.example", "").await.expect(404);
}

/// Who only looks on has nothing to release, and is not told that all is well while something waits.
#[tokio::test]
async fn a_viewer_is_not_told_to_release_what_is_held() {
    let house = House::furnished().await;
    let viewer = house.signed_in_as("eve@my.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    let overview = async || house.panel(&viewer, "GET", "/", "").await.expect(200).text();
    assert!(overview().await.contains("All mail is flowing."));
    queued(&house, "shop@my.example", Entry::Due(house.clock.now().after(Duration::from_secs(240)))).await;
    let page = overview().await;
    assert!(page.contains("Mail is flowing; some of it waits for its next try."), "{page}");
    queued(&house, "shop@my.example", Entry::Held).await;
    let page = overview().await;
    assert!(page.contains("One message is held until somebody who manages its domain releases it."), "{page}");
    assert!(!page.contains("until you release"), "{page}");
}

/// What a role does not bring is not offered: a domain to copy, a form for an alias.
#[tokio::test]
async fn who_only_looks_at_a_domain_is_told_so_and_offered_nothing_of_it() {
    let (house, owner, anna) = with_anna().await;
    say(&house, &owner, "domain=my.example&role=viewer").await;
    let page = async |path: &str| house.panel(&anna, "GET", path, "").await.expect(200).text();
    let domains = page("/domains").await;
    assert!(domains.contains("Add a domain") && !domains.contains("Copy from"), "{domains}");
    let says =
        "You may look at these aliases, and not change them: only people who manage a domain make aliases on it.";
    for path in ["/aliases", "/aliases?new=1", "/aliases?new=1&local_part=shop&domain=my.example"] {
        let page = page(path).await;
        assert!(page.contains(says) && !page.contains("Create alias"), "{path}: {page}");
    }
    say(&house, &owner, "domain=other.example&role=manager").await;
    let domains = page("/domains").await;
    let like = domains.split("<select id=\"like\"").nth(1).unwrap().split("</select>").next().unwrap();
    assert!(like.contains("other.example") && !like.contains("my.example"), "{like}");
    let aliases = page("/aliases?new=1").await;
    assert!(aliases.contains("Create alias") && !aliases.contains("You may look at these"), "{aliases}");
}

/// What only an administrator may loosen is no choice of others; what stands already is shown.
#[tokio::test]
async fn who_may_not_loosen_a_check_is_not_offered_to() {
    let (house, owner, anna) = with_anna().await;
    say(&house, &owner, "domain=my.example&role=manager").await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let offered = async |who: &str, path: &str, id: &str| {
        let page = house.panel(who, "GET", path, "").await.expect(200).text();
        let select = page.split(&format!("<select id=\"{id}\"")).nth(1).unwrap().split("</select>").next().unwrap();
        select
            .split("<option value=\"")
            .skip(1)
            .map(|one| one.split('"').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (domain, alias) = ("/domains/my.example", "/aliases/shop@my.example");
    let all = ["", "off", "observe", "enforce"];
    for (path, at) in [(domain, "p"), (alias, "f")] {
        let of = |name: &str| format!("{at}-{name}");
        assert_eq!(offered(&owner, path, &of("dmarc")).await, all, "{path}");
        assert_eq!(offered(&anna, path, &of("dmarc")).await, ["", "enforce"], "{path}");
        assert_eq!(offered(&anna, path, &of("spf")).await, ["", "observe", "enforce"], "{path}");
        assert_eq!(offered(&anna, path, &of("tls")).await, ["", "opportunistic", "require"], "{path}");
        assert_eq!(offered(&anna, path, &of("forwarded_headers")).await, ["", "true", "false"], "{path}");
    }
    house.operator("PATCH", "/v1/domains/my.example", json!({ "policy": { "dmarc": "observe" } })).await.expect(200);
    assert_eq!(offered(&anna, domain, "p-dmarc").await, ["", "observe", "enforce"], "as it stands");
    assert_eq!(offered(&anna, alias, "f-dmarc").await, ["", "observe", "enforce"], "as its domain has it");
    for (path, name, values) in
        [(domain, "dmarc", ["", "observe", "enforce"]), (alias, "policy.dmarc", ["", "observe", "enforce"])]
    {
        for value in values {
            let version = if path == alias { "version=&" } else { "" };
            let form = format!("{version}{name}={value}");
            house.panel(&anna, "POST", path, &form).await.expect(303);
            house
                .operator("PATCH", "/v1/domains/my.example", json!({ "policy": { "dmarc": "observe" } }))
                .await
                .expect(200);
        }
    }
}
