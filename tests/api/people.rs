//! Accounts: who may do what to whom, what members see of each other, and what was done.

use serde_json::{Value, json};

use crate::web::{Answer, House};

const PASSWORD: &str = "correct horse battery";

/// Somebody with a token of all rights that their account has.
pub(crate) async fn somebody(house: &House, email: &str, role: &str) -> String {
    let body = json!({ "email": email, "role": role, "password": PASSWORD });
    house.operator("POST", "/v1/users", body).await.expect(201);
    token_of(house, email, &["admin"]).await
}

/// A token of an account, made by itself in the panel's place.
pub(crate) async fn token_of(house: &House, email: &str, scopes: &[&str]) -> String {
    let actor = house.actor_of(email).await;
    let body = json!({ "name": format!("{email} {}", scopes.join(" ")), "scopes": scopes });
    let made = house.admin.add_token(&actor, body.as_object().unwrap()).await.unwrap();
    made.token.unwrap()
}

#[tokio::test]
async fn accounts_are_made_changed_and_removed() {
    let house = House::furnished().await;
    let body = json!({ "email": "Anna@My.Example", "name": "Anna", "role": "admin", "password": PASSWORD });
    let made = house.operator("POST", "/v1/users", body.clone()).await.expect(201);
    let place = made.field("location").unwrap();
    let user = made.json();
    assert_eq!((&user["email"], &user["role"]), (&json!("anna@my.example"), &json!("admin")));
    assert!(user.get("link").is_none() && !made.text().contains("argon2"));
    house.operator("POST", "/v1/users", body).await.expect(409).problem();
    let changed = house.operator("PATCH", &place, json!({ "role": "member", "name": "A." })).await.expect(200).json();
    assert_eq!((&changed["role"], &changed["name"]), (&json!("member"), &json!("A.")));
    let changed = house.operator("PATCH", "/v1/users/anna@my.example", json!({ "disabled": true })).await.expect(200);
    assert_eq!(changed.json()["disabled"], true);
    let listed = house.operator("GET", "/v1/users", Value::Null).await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "the owner is one");
    let made = listed["items"][0]["created_at"].as_str().unwrap();
    assert!(!made.starts_with("1970"), "the owner was made with the database: {made}");
    let first = house.operator("GET", "/v1/users?limit=1", Value::Null).await.expect(200).json();
    let next = format!("/v1/users?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(house.operator("GET", &next, Value::Null).await.expect(200).json()["items"][0]["name"], "A.");
    house.operator("DELETE", &place, Value::Null).await.expect(204);
    house.operator("DELETE", &place, Value::Null).await.expect(404).problem();
    for (body, pointers) in [
        (json!({ "password": PASSWORD }), vec!["/email"]),
        (json!({ "email": "nobody", "password": PASSWORD }), vec!["/email"]),
        (json!({ "email": "a@b.example", "password": "short" }), vec!["/password"]),
        (json!({ "email": "a@b.example", "password": PASSWORD, "role": "owner" }), vec!["/role"]),
        (json!({ "email": "a@b.example", "domains": [{ "domain": "my.example" }] }), vec!["/domains/0"]),
        (
            json!({ "email": "a@b.example", "domains": [{ "domain": "no.example", "role": "viewer" }] }),
            vec!["/domains/0"],
        ),
    ] {
        assert_eq!(house.operator("POST", "/v1/users", body.clone()).await.expect(422).pointers(), pointers, "{body}");
    }
}

/// Bob, a member with a domain, a labelled alias and a pattern to two inboxes of his own, one of which the owner has too.
async fn with_bob(house: &House) {
    let bob = somebody(house, "bob@people.example", "member").await;
    let ask = async |path: &str, body: Value| house.bearer(&bob, "POST", path, body).await.expect(201).json();
    ask("/v1/domains", json!({ "name": "bob.example" })).await;
    for inbox in ["bob@inbox.test", "owner@inbox.example"] {
        ask("/v1/destinations", json!({ "address": inbox })).await;
    }
    let to = json!(["bob@inbox.test", "owner@inbox.example"]);
    ask("/v1/aliases", json!({ "address": "shop@bob.example", "destinations": to, "labels": ["toys"] })).await;
    ask("/v1/aliases", json!({ "address": "s-*@bob.example", "destinations": ["bob@inbox.test"] })).await;
    house.operator("POST", "/v1/destinations/bob@inbox.test/verify", json!({})).await.expect(200);
    house.operator("POST", "/v1/domains/bob.example/verify", json!({})).await.expect(200);
}

#[tokio::test]
async fn what_somebody_has_is_handed_over_when_they_are_removed() {
    let house = House::furnished().await;
    with_bob(&house).await;
    let carl = somebody(&house, "carl@people.example", "member").await;
    let role = json!({ "domains": [{ "domain": "bob.example", "role": "viewer" }] });
    house.operator("PATCH", "/v1/users/carl@people.example", role).await.expect(200);
    house.operator("POST", "/v1/users", json!({ "email": "off@people.example" })).await.expect(201);
    house.operator("PATCH", "/v1/users/off@people.example", json!({ "disabled": true })).await.expect(200);
    let remove = async |query: &str| {
        house.operator("DELETE", &format!("/v1/users/bob@people.example{query}"), Value::Null).await
    };
    let stays = remove("").await.expect(409).problem();
    assert!(stays["detail"].as_str().unwrap().contains("it still has domains. Hand over"), "{stays}");
    for heir in ["nobody@people.example", "bob@people.example", "off@people.example"] {
        assert_eq!(remove(&format!("?hand_over_to={heir}")).await.expect(422).pointers(), ["/hand_over_to"], "{heir}");
    }
    remove("?hand_over_to=carl@people.example").await.expect(204);
    remove("?hand_over_to=carl@people.example").await.expect(404).problem();
    let get = async |path: &str| house.bearer(&carl, "GET", path, Value::Null).await.expect(200).json();
    assert_eq!(get("/v1/me").await["account"]["domains"], json!([]), "it is carl's own now");
    let alias = get("/v1/aliases/shop@bob.example").await;
    assert_eq!(alias["destinations"], json!(["bob@inbox.test", "owner@inbox.example"]));
    assert_eq!(alias["labels"], json!(["toys"]));
    let inboxes = get("/v1/destinations").await;
    assert_eq!(inboxes["items"].as_array().unwrap().len(), 2);
    assert!(get("/v1/destinations/bob@inbox.test").await["verified_at"].is_string());
    house.bearer(&carl, "PATCH", "/v1/aliases/s-*@bob.example", json!({ "labels": ["toys"] })).await.expect(200);
    let route = get_route(&house, "s-1@bob.example").await;
    assert_eq!(route["disposition"], "forward", "{route}");
    house.bearer(&carl, "DELETE", "/v1/domains/bob.example", Value::Null).await.expect(204);
    let entry = house.operator("GET", "/v1/audit?action=user.remove", Value::Null).await.json()["items"][0].clone();
    assert_eq!(entry["after"]["handed_over_to"], "carl@people.example");
    assert_eq!(entry["after"]["handed_over"], json!({ "domains": 1, "aliases": 2, "inboxes": 2 }));
}

async fn get_route(house: &House, to: &str) -> Value {
    house.operator("POST", "/v1/route", json!({ "to": to })).await.expect(200).json()
}

/// The owner has one of bob's inboxes too, verified there and not here: it stays one, and the aliases lead to it.
#[tokio::test]
async fn an_inbox_that_both_have_is_one_afterwards() {
    let house = House::furnished().await;
    with_bob(&house).await;
    let list = async || house.operator("GET", "/v1/destinations?limit=100", Value::Null).await.json()["items"].clone();
    assert_eq!(list().await.as_array().unwrap().len(), 3);
    house.operator("DELETE", "/v1/users/bob@people.example?hand_over_to=owner", Value::Null).await.expect(204);
    let inboxes = list().await;
    assert_eq!(inboxes.as_array().unwrap().len(), 2, "{inboxes}");
    let defaults = inboxes.as_array().unwrap().iter().filter(|inbox| inbox["default"] == true);
    assert_eq!(defaults.count(), 1, "{inboxes}");
    let alias = house.operator("GET", "/v1/aliases/shop@bob.example", Value::Null).await.expect(200).json();
    assert_eq!(alias["destinations"], json!(["bob@inbox.test", "owner@inbox.example"]));
    assert_eq!(get_route(&house, "shop@bob.example").await["disposition"], "forward");
}

#[tokio::test]
async fn nobody_has_two_roles_on_one_domain() {
    let house = House::furnished().await;
    let role = |name| json!({ "domain": "my.example", "role": name });
    let body = json!({ "email": "carl@my.example", "domains": [role("viewer"), role("manager")] });
    assert_eq!(house.operator("POST", "/v1/users", body).await.expect(422).pointers(), ["/domains/1"]);
}

#[tokio::test]
async fn an_account_without_a_password_gets_a_link_that_sets_one() {
    let house = House::new().await;
    let made = house.operator("POST", "/v1/users", json!({ "email": "bert@my.example" })).await.expect(201).json();
    assert!(made["link"].as_str().unwrap().starts_with("http://127.0.0.1:8080/reset/"));
    let listed = house.operator("GET", "/v1/users", Value::Null).await.expect(200);
    assert!(!listed.text().contains("/reset/"), "it is shown once");
}

#[tokio::test]
async fn nobody_touches_whoever_stands_as_high() {
    let house = House::furnished().await;
    let admin = somebody(&house, "admin@my.example", "admin").await;
    let member = somebody(&house, "member@my.example", "member").await;
    let owner = house.token(&["admin"], &[]).await;
    somebody(&house, "other@my.example", "admin").await;
    let rename = json!({ "name": "x" });
    for (who, token, target, status) in [
        ("owner", &owner, "other@my.example", 200),
        ("owner", &owner, "member@my.example", 200),
        ("owner", &owner, "owner", 409),
        ("admin", &admin, "member@my.example", 200),
        ("admin", &admin, "other@my.example", 403),
        ("admin", &admin, "admin@my.example", 409),
        ("admin", &admin, "owner", 403),
        ("member", &member, "member@my.example", 403),
        ("member", &member, "other@my.example", 403),
    ] {
        let path = format!("/v1/users/{target}");
        let answer = house.bearer(token, "PATCH", &path, rename.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{who} {target}: {}", answer.text());
        if status == 403 {
            house.bearer(token, "DELETE", &path, Value::Null).await.expect(403).problem();
        }
    }
    let promote = json!({ "role": "admin" });
    house.bearer(&admin, "PATCH", "/v1/users/member@my.example", promote.clone()).await.expect(403).problem();
    house.bearer(&owner, "PATCH", "/v1/users/member@my.example", promote).await.expect(200);
    house.operator("PATCH", "/v1/users/owner", json!({ "disabled": true })).await.expect(422).problem();
    house.operator("DELETE", "/v1/users/owner", Value::Null).await.expect(409).problem();
}

#[tokio::test]
async fn a_token_goes_no_further_than_its_account_does_now() {
    let house = House::furnished().await;
    let token = somebody(&house, "anna@my.example", "admin").await;
    house.bearer(&token, "GET", "/v1/users", Value::Null).await.expect(200);
    house.bearer(&token, "GET", "/v1/domains/my.example", Value::Null).await.expect(200);
    house.operator("PATCH", "/v1/users/anna@my.example", json!({ "role": "member" })).await.expect(200);
    house.bearer(&token, "GET", "/v1/users", Value::Null).await.expect(403).problem();
    house.bearer(&token, "GET", "/v1/domains/my.example", Value::Null).await.expect(404).problem();
    house.operator("PATCH", "/v1/users/anna@my.example", json!({ "disabled": true })).await.expect(200);
    house.bearer(&token, "GET", "/v1/me", Value::Null).await.expect(401).problem();
}

#[tokio::test]
async fn one_changes_one_s_own_account_by_one_s_password() {
    let house = House::furnished().await;
    let token = somebody(&house, "anna@my.example", "member").await;
    let change = async |body: Value| house.bearer(&token, "PATCH", "/v1/me", body).await;
    assert_eq!(change(json!({ "name": "Anna" })).await.expect(200).json()["account"]["name"], "Anna");
    let new = "another horse battery";
    assert_eq!(change(json!({ "password": new })).await.expect(422).pointers(), ["/current_password"]);
    let wrong = json!({ "password": new, "current_password": "wrong horse battery" });
    assert_eq!(change(wrong).await.expect(422).pointers(), ["/current_password"]);
    change(json!({ "password": new, "current_password": PASSWORD })).await.expect(200);
    let moved = json!({ "email": "anna@other.example", "current_password": new });
    assert_eq!(change(moved).await.expect(200).json()["account"]["email"], "anna@other.example");
    assert_eq!(change(json!({ "role": "admin" })).await.expect(422).pointers(), ["/role"]);
    for _ in 0..20 {
        change(json!({ "password": new, "current_password": "guess guess guess" })).await;
    }
    let limited = change(json!({ "password": new, "current_password": "guess guess guess" })).await.expect(429);
    assert_eq!(limited.field("retry-after").as_deref(), Some("60"));
}

/// What two members have: each a domain, an alias, a destination, mail.
async fn two_members(house: &House) -> (String, String) {
    let tokens =
        (somebody(house, "a@people.example", "member").await, somebody(house, "b@people.example", "member").await);
    for (token, domain) in [(&tokens.0, "a.example"), (&tokens.1, "b.example")] {
        house.bearer(token, "POST", "/v1/domains", json!({ "name": domain })).await.expect(201);
        let inbox = json!({ "address": format!("inbox@{domain}.test") });
        house.bearer(token, "POST", "/v1/destinations", inbox).await.expect(201);
        let alias = json!({ "address": format!("shop@{domain}"), "destinations": [format!("inbox@{domain}.test")] });
        house.bearer(token, "POST", "/v1/aliases", alias).await.expect(201);
    }
    tokens
}

fn addresses(listed: &Answer, field: &str) -> Vec<String> {
    let value = listed.json();
    value["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn members_see_nothing_of_each_other() {
    let house = House::furnished().await;
    let (a, b) = two_members(&house).await;
    let get = async |token: &str, path: &str| house.bearer(token, "GET", path, Value::Null).await.expect(200);
    assert_eq!(addresses(&get(&a, "/v1/domains").await, "name"), ["a.example"]);
    assert_eq!(addresses(&get(&a, "/v1/aliases").await, "address"), ["shop@a.example"]);
    assert_eq!(addresses(&get(&a, "/v1/aliases?search=shop").await, "address"), ["shop@a.example"]);
    assert_eq!(addresses(&get(&a, "/v1/destinations").await, "address"), ["inbox@a.example.test"]);
    for (method, path) in [
        ("GET", "/v1/domains/b.example"),
        ("PATCH", "/v1/domains/b.example"),
        ("DELETE", "/v1/domains/b.example"),
        ("GET", "/v1/aliases/shop@b.example"),
        ("PATCH", "/v1/aliases/shop@b.example"),
        ("DELETE", "/v1/aliases/shop@b.example"),
        ("GET", "/v1/aliases?domain=b.example"),
        ("GET", "/v1/activity?domain=b.example"),
        ("GET", "/v1/activity?alias=shop@b.example"),
        ("GET", "/v1/destinations/inbox@b.example.test"),
        ("DELETE", "/v1/destinations/inbox@b.example.test"),
        ("DELETE", "/v1/tokens/b@people.example%20admin"),
    ] {
        house.bearer(&a, method, path, Value::Null).await.expect(404).problem();
    }
    let route = json!({ "to": "shop@b.example" });
    house.bearer(&a, "POST", "/v1/route", route.clone()).await.expect(404).problem();
    house.bearer(&b, "POST", "/v1/route", route).await.expect(200);
    let squat = json!({ "address": "mine@b.example" });
    assert_eq!(house.bearer(&a, "POST", "/v1/aliases", squat).await.expect(422).pointers(), ["/address"]);
    let owner = house.token(&["admin"], &[]).await;
    assert_eq!(addresses(&get(&owner, "/v1/domains").await, "name"), ["a.example", "b.example", "my.example"]);
    house.bearer(&owner, "PATCH", "/v1/aliases/shop@b.example", json!({ "enabled": false })).await.expect(200);
}

#[tokio::test]
async fn what_an_admin_makes_on_a_member_s_domain_is_the_member_s() {
    let house = House::furnished().await;
    let (a, _) = two_members(&house).await;
    let new = json!({ "address": "new@a.example", "destinations": ["inbox@a.example.test"] });
    house.operator("POST", "/v1/aliases", new).await.expect(201);
    house.bearer(&a, "GET", "/v1/aliases/new@a.example", Value::Null).await.expect(200);
    house.bearer(&a, "DELETE", "/v1/aliases/new@a.example", Value::Null).await.expect(204);
}

#[tokio::test]
async fn every_change_is_told_with_who_before_and_after() {
    let house = House::furnished().await;
    let token = somebody(&house, "anna@my.example", "member").await;
    house.operator("PATCH", "/v1/users/anna@my.example", json!({ "name": "Anna" })).await.expect(200);
    let log =
        async |query: &str| house.operator("GET", &format!("/v1/audit{query}"), Value::Null).await.expect(200).json();
    let newest = log("").await["items"][0].clone();
    assert_eq!(
        (&newest["action"], &newest["actor"], &newest["object"]),
        (&json!("user.change"), &json!("operator"), &json!("anna@my.example"))
    );
    assert_eq!((&newest["before"]["name"], &newest["after"]["name"]), (&json!(""), &json!("Anna")));
    assert_eq!(log("?action=user").await["items"].as_array().unwrap().len(), 2);
    assert_eq!(log("?action=user.add").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(log("?object=ANNA&action=session").await["items"], json!([]));
    assert_eq!(log("?actor=anna@my.example").await["items"][0]["action"], "token.create");
    assert_eq!(log("?since=2030-01-01").await["items"], json!([]));
    let first = log("?limit=1").await;
    let second = log(&format!("?limit=1&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_ne!(first["items"], second["items"]);
    house.operator("GET", "/v1/audit?since=soon", Value::Null).await.expect(422).problem();
    let own = house.bearer(&token, "GET", "/v1/audit", Value::Null).await.expect(200).json();
    assert_eq!(own["items"].as_array().unwrap().len(), 1, "a member sees what was done on their behalf: {own}");
    assert!(!own.to_string().contains(&token) && !log("").await.to_string().contains("argon2"));
}

#[tokio::test]
async fn a_change_is_taken_back_where_it_still_stands() {
    let house = House::furnished().await;
    let made = json!({ "address": "shop@my.example", "description": "the shop", "labels": ["x"], "quota": 5 });
    house.operator("POST", "/v1/aliases", made).await.expect(201);
    let path = "/v1/aliases/shop@my.example";
    let last = async || {
        let log = house.operator("GET", "/v1/audit?limit=1", Value::Null).await.expect(200).json();
        format!("/v1/audit/{}/undo", log["items"][0]["id"])
    };
    house.operator("PATCH", path, json!({ "description": "gone", "labels": [], "quota": null })).await.expect(200);
    let undo = last().await;
    house.operator("POST", &undo, Value::Null).await.expect(200);
    let alias = house.operator("GET", path, Value::Null).await.expect(200).json();
    assert_eq!(
        (&alias["description"], &alias["labels"], &alias["quota"]),
        (&json!("the shop"), &json!(["x"]), &json!(5))
    );
    house.operator("POST", &undo, Value::Null).await.expect(409).problem();
    house.operator("DELETE", path, Value::Null).await.expect(204);
    house.operator("POST", &last().await, Value::Null).await.expect(200);
    let again = house.operator("GET", path, Value::Null).await.expect(200).json();
    assert_eq!((&again["description"], &again["quota"]), (&json!("the shop"), &json!(5)));
    house.operator("PATCH", "/v1/domains/my.example", json!({ "keep_tag": true })).await.expect(200);
    house.operator("POST", &last().await, Value::Null).await.expect(200);
    let domain = house.operator("GET", "/v1/domains/my.example", Value::Null).await.expect(200).json();
    assert_eq!(domain["keep_tag"], false);
    house.operator("POST", "/v1/users", json!({ "email": "anna@my.example" })).await.expect(201);
    house.operator("POST", &last().await, Value::Null).await.expect(409).problem();
    house.operator("POST", "/v1/audit/999999/undo", Value::Null).await.expect(404).problem();
    house.operator("POST", "/v1/audit/x/undo", Value::Null).await.expect(404).problem();
}

#[tokio::test]
async fn a_change_of_settings_is_taken_back_where_it_still_stands() {
    let house = House::furnished().await;
    let last = async || {
        let log = house.operator("GET", "/v1/audit?limit=1&action=settings", Value::Null).await.expect(200).json();
        assert_eq!(log["items"][0]["undoable"], true, "{log}");
        format!("/v1/audit/{}/undo", log["items"][0]["id"])
    };
    let set = async |change: Value| house.operator("PATCH", "/v1/settings", change).await.expect(200);
    let stored = async || house.admin.store.accounts.settings().await.unwrap();
    set(json!({ "log.subjects": false })).await;
    set(json!({ "log.subjects": null, "policy.greylist": true })).await;
    let undo = last().await;
    let member = somebody(&house, "anna@my.example", "member").await;
    house.bearer(&member, "POST", &undo, Value::Null).await.expect(404).problem();
    set(json!({ "policy.greylist": false })).await;
    house.operator("POST", &undo, Value::Null).await.expect(409).problem();
    house.operator("POST", &last().await, Value::Null).await.expect(200);
    assert_eq!(stored().await, [("policy.greylist".to_owned(), json!(true))]);
    house.operator("POST", &undo, Value::Null).await.expect(200);
    assert_eq!(stored().await, [("log.subjects".to_owned(), json!(false))], "as it was before both");
}

/// The code that an authenticator shows now (RFC 6238).
fn code(house: &House, secret: &str) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(house.clock.now().millis() / 1000).unwrap()).to_string()
}

/// What switches an authenticator on, but the password.
async fn proposed(house: &House, token: &str) -> Value {
    let secret = house.bearer(token, "POST", "/v1/me/totp", Value::Null).await.expect(201).json()["secret"].clone();
    json!({ "secret": secret, "code": code(house, secret.as_str().unwrap()) })
}

fn with_password(mut body: Value, password: &str) -> Value {
    body["current_password"] = json!(password);
    body
}

/// Or whoever finds a token could lock its owner out.
#[tokio::test]
async fn a_second_factor_takes_the_present_password() {
    let house = House::furnished().await;
    somebody(&house, "anna@my.example", "member").await;
    let token = token_of(&house, "anna@my.example", &["account"]).await;
    let body = proposed(&house, &token).await;
    let on = async |body: Value| house.bearer(&token, "POST", "/v1/me/totp", body).await;
    assert_eq!(on(body.clone()).await.expect(422).pointers(), ["/current_password"]);
    assert_eq!(
        on(with_password(body.clone(), "guess guess guess")).await.expect(422).pointers(),
        ["/current_password"]
    );
    let me = house.bearer(&token, "GET", "/v1/me", Value::Null).await.expect(200).json();
    assert_eq!(me["account"]["totp"], false, "{me}");
    on(with_password(body, PASSWORD)).await.expect(200);
}

#[tokio::test]
async fn of_two_second_factors_at_once_one_counts() {
    let house = House::furnished().await;
    let token = somebody(&house, "anna@my.example", "member").await;
    let (one, other) = (proposed(&house, &token).await, proposed(&house, &token).await);
    let on = |body: Value| house.bearer(&token, "POST", "/v1/me/totp", with_password(body, PASSWORD));
    let (one, other) = tokio::join!(on(one), on(other));
    let mut told = [one.status.as_u16(), other.status.as_u16()];
    told.sort_unstable();
    assert_eq!(told, [200, 409], "{} {}", one.text(), other.text());
}

/// The list of destinations, page by page of this size.
async fn inboxes(house: &House, token: &str, limit: u32, sort: &str) -> Vec<(String, Value)> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for _ in 0..10 {
        let path = format!("/v1/destinations?limit={limit}&sort={sort}{cursor}");
        let page = house.bearer(token, "GET", &path, Value::Null).await.expect(200).json();
        let items = page["items"].as_array().unwrap().iter();
        all.extend(items.map(|item| (item["address"].as_str().unwrap().to_owned(), item["owner"].clone())));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", crate::web::in_path(next)),
            None => return all,
        }
    }
    panic!("the list does not end: {all:?}");
}

#[tokio::test]
async fn when_an_inbox_gets_mail_is_for_those_who_proved_it_to_be_theirs() {
    let house = House::furnished().await;
    let (member, _) = two_members(&house).await;
    let row = crate::web::rows::forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    crate::web::rows::handed_back(&house, &row, "552 5.2.2 mailbox full").await;
    let owned = house.operator("GET", "/v1/destinations/owner@inbox.example", Value::Null).await.expect(200).json();
    assert!(owned["last_delivered_at"].is_string() && owned["failing_since"].is_string(), "{owned}");
    let claim = json!({ "address": "owner@inbox.example" });
    let claimed = house.bearer(&member, "POST", "/v1/destinations", claim).await.expect(201).json();
    for untold in ["verified_at", "last_delivered_at", "failing_since", "failing_reply", "failing_activity_id"] {
        assert_eq!(claimed[untold], Value::Null, "{untold}: {claimed}");
    }
    assert_eq!(claimed["sends_back"], false);
    house.clock.advance(std::time::Duration::from_secs(7200));
    let actor = house.actor_of("a@people.example").await;
    let seen = house.admin.attention(&actor).await.unwrap();
    assert!(!format!("{seen:?}").contains("owner@inbox.example"), "{seen:?}");
    let notices = house.operator("GET", "/v1/notices", Value::Null).await.expect(200).json();
    assert!(notices["items"].as_array().unwrap().iter().any(|one| one["kind"] == "refusing"), "{notices}");
}

#[tokio::test]
async fn whoever_sees_all_finds_the_inboxes_of_members_and_vouches_for_them() {
    let house = House::furnished().await;
    let (a, b) = two_members(&house).await;
    let shared = json!({ "address": "shared@inbox.test" });
    for token in [&a, &b] {
        house.bearer(token, "POST", "/v1/destinations", shared.clone()).await.expect(201);
    }
    let owner = house.token(&["admin"], &[]).await;
    let of = |address: &str, who: Value| (address.to_owned(), who);
    let (who_a, who_b) = (json!("a@people.example"), json!("b@people.example"));
    let by_address = [
        of("owner@inbox.example", Value::Null),
        of("inbox@a.example.test", who_a.clone()),
        of("shared@inbox.test", who_a.clone()),
        of("inbox@b.example.test", who_b.clone()),
        of("shared@inbox.test", who_b.clone()),
    ];
    for limit in [1, 2, 50] {
        assert_eq!(inboxes(&house, &owner, limit, "address").await, by_address, "{limit}");
        let backwards: Vec<_> = by_address.iter().rev().cloned().collect();
        assert_eq!(inboxes(&house, &owner, limit, "-address").await, backwards, "{limit}");
        let age = inboxes(&house, &owner, limit, "created_at").await;
        assert_eq!((age.len(), &age[1], &age[3]), (5, &by_address[1], &by_address[2]), "{limit}");
    }
    assert_eq!(inboxes(&house, &a, 50, "address").await.len(), 2, "a member sees their own");
    let limited = house.token(&["admin"], &["my.example"]).await;
    assert_eq!(inboxes(&house, &limited, 50, "address").await, by_address[..1], "a token of one domain sees no others");
    // Vouched for by address, by a person who is told whose it is.
    let path = "/v1/destinations/inbox@b.example.test/verify";
    house.bearer(&a, "POST", path, Value::Null).await.expect(403).problem();
    let vouched = house.bearer(&owner, "POST", path, Value::Null).await.expect(200).json();
    assert_eq!((&vouched["owner"], vouched["verified_at"].is_string()), (&who_b, true), "{vouched}");
    let seen = house.bearer(&b, "GET", "/v1/destinations/inbox@b.example.test", Value::Null).await.expect(200).json();
    assert_eq!((seen["verified_at"].is_string(), &seen["owner"]), (true, &Value::Null), "{seen}");
    // Of two members who have the same one, which is meant has to be said.
    let which = house.bearer(&owner, "GET", "/v1/destinations/shared@inbox.test", Value::Null).await.expect(409);
    assert!(which.text().contains("a@people.example") && which.text().contains("b@people.example"), "{}", which.text());
    let listed = house.bearer(&owner, "GET", "/v1/destinations?search=shared", Value::Null).await.expect(200).json();
    let by_id = format!("/v1/destinations/{}/verify", listed["items"][1]["id"].as_str().unwrap());
    let vouched = house.bearer(&owner, "POST", &by_id, Value::Null).await.expect(200).json();
    assert_eq!(vouched["owner"], who_b);
    house.bearer(&owner, "POST", "/v1/destinations", shared).await.expect(201);
    let own = house.bearer(&owner, "GET", "/v1/destinations/shared@inbox.test", Value::Null).await.expect(200).json();
    assert_eq!(own["owner"], Value::Null, "one's own is meant first");
}

#[tokio::test]
async fn what_takes_the_place_of_a_members_inbox_is_the_members() {
    let house = House::furnished().await;
    let (a, _) = two_members(&house).await;
    let owner = house.token(&["admin"], &[]).await;
    let path = "/v1/destinations/inbox@a.example.test/replace";
    let replace = async |to: &str| house.bearer(&owner, "POST", path, json!({ "to": to })).await;
    // One that has said yes to neither of them; what has said yes to whoever replaces becomes the member's.
    let refused = replace("nobody@inbox.example").await.expect(422);
    assert!(
        refused.text().contains("nobody@inbox.example is no destination of a@people.example yet"),
        "{}",
        refused.text()
    );
    house.bearer(&a, "POST", "/v1/destinations", json!({ "address": "new@a.example.test" })).await.expect(201);
    replace("new@a.example.test").await.expect(200);
    let alias = house.bearer(&a, "GET", "/v1/aliases/shop@a.example", Value::Null).await.expect(200).json();
    assert_eq!(alias["destinations"], json!(["new@a.example.test"]));
    let entry =
        house.bearer(&owner, "GET", "/v1/audit?action=destination.replace", Value::Null).await.expect(200).json();
    let undo = format!("/v1/audit/{}/undo", entry["items"][0]["id"]);
    house.bearer(&owner, "POST", &undo, Value::Null).await.expect(200);
    let alias = house.bearer(&a, "GET", "/v1/aliases/shop@a.example", Value::Null).await.expect(200).json();
    assert_eq!(alias["destinations"], json!(["inbox@a.example.test"]));
}
