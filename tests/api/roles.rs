//! Each endpoint × each right and each missing right: what the roles open, and what the scopes of a token leave of it.

use serde_json::{Value, json};
use uuid::Uuid;
use waypost::store::activity::Row;
use waypost::store::queue::Entry;

use super::people::{somebody, token_of};
use crate::web::House;
use crate::web::rows::{forwarded, queued};

/// The domain team.example of a member, on which others have roles; and everybody's tokens.
struct Team {
    house: House,
    owner: String,
    admin: String,
    member: String,
    manager: String,
    viewer: String,
    stranger: String,
    /// Mail for an alias there: a row of the log, and one that waits.
    row: Uuid,
    waiting: Uuid,
}

impl Team {
    async fn new() -> Self {
        let house = House::furnished().await;
        let owner = house.token(&["admin"], &[]).await;
        let admin = somebody(&house, "admin@people.example", "admin").await;
        let member = somebody(&house, "member@people.example", "member").await;
        house.bearer(&member, "POST", "/v1/domains", json!({ "name": "team.example" })).await.expect(201);
        house.bearer(&member, "POST", "/v1/destinations", json!({ "address": "inbox@team.test" })).await.expect(201);
        for address in ["shop@team.example", "gone@team.example"] {
            house.bearer(&member, "POST", "/v1/aliases", json!({ "address": address })).await.expect(201);
        }
        let manager = somebody(&house, "manager@people.example", "member").await;
        let viewer = somebody(&house, "viewer@people.example", "member").await;
        for role in ["manager", "viewer"] {
            let grants = json!({ "domains": [{ "domain": "team.example", "role": role }] });
            house.operator("PATCH", &format!("/v1/users/{role}@people.example"), grants).await.expect(200);
        }
        let stranger = somebody(&house, "stranger@people.example", "member").await;
        let (row, waiting) = Self::mail(&house).await;
        Self { house, owner, admin, member, manager, viewer, stranger, row, waiting }
    }

    async fn mail(house: &House) -> (Uuid, Uuid) {
        let account = house.admin.store.accounts.account_by_email("member@people.example").await.unwrap().key;
        let name = waypost::mail::Domain::parse("team.example").unwrap();
        let domain = Some(house.admin.store.rules.domain(&name).await.unwrap().key);
        let subject = Some("Secret plans".to_owned());
        let author = Some(waypost::mail::Author::read("Hidden Hand <hand@author.test>"));
        let message_id = Some("<1.2@Mail.author.test>".to_owned());
        let row = Row { account, domain, author, subject, message_id, ..forwarded(house, "shop@team.example") };
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let due = Entry::Due(house.clock.now().after(std::time::Duration::from_secs(240)));
        let waiting = queued(house, "shop@my.example", due).await;
        (row.id, waiting.id)
    }
}

/// What a role is answered: owner of the gateway, admin, member whose domain it is, manager, viewer, stranger.
type Answers = [u16; 6];

#[tokio::test]
async fn each_role_opens_what_the_table_says() {
    let team = Team::new().await;
    let row = format!("/v1/activity/{}", team.row);
    let message = format!("/v1/queue/{}/message", team.waiting);
    let table: [(&str, &str, Value, Answers); 31] = [
        ("GET", "/v1/domains/team.example", Value::Null, [200, 200, 200, 200, 200, 404]),
        ("PATCH", "/v1/domains/team.example", json!({}), [200, 200, 200, 200, 403, 404]),
        ("DELETE", "/v1/domains/team.example", Value::Null, [0, 0, 0, 403, 403, 404]),
        ("GET", "/v1/aliases/shop@team.example", Value::Null, [200, 200, 200, 200, 200, 404]),
        ("GET", "/v1/aliases?domain=team.example", Value::Null, [200, 200, 200, 200, 200, 404]),
        ("PATCH", "/v1/aliases/shop@team.example", json!({}), [200, 200, 200, 200, 403, 404]),
        ("DELETE", "/v1/aliases/gone@team.example", Value::Null, [0, 0, 0, 204, 403, 404]),
        ("POST", "/v1/aliases", json!({ "address": "shop@team.example" }), [409, 409, 409, 409, 403, 422]),
        ("POST", "/v1/aliases/test", json!({ "address": "s*@team.example" }), [200, 200, 200, 200, 200, 422]),
        ("GET", "/v1/activity?domain=team.example", Value::Null, [200, 200, 200, 200, 200, 404]),
        ("GET", &row, Value::Null, [200, 200, 200, 200, 200, 404]),
        ("GET", "/v1/queue", Value::Null, [200, 200, 200, 200, 200, 200]),
        ("GET", &message, Value::Null, [200, 200, 404, 404, 404, 404]),
        ("POST", "/v1/route", json!({ "to": "shop@team.example" }), [200, 200, 200, 200, 200, 404]),
        ("GET", "/v1/destinations/inbox@team.test", Value::Null, [200, 200, 200, 404, 404, 404]),
        ("POST", "/v1/destinations/inbox@team.test/verify", json!({}), [200, 200, 403, 403, 403, 403]),
        ("POST", "/v1/destinations/inbox@team.test/retry", json!({}), [200, 200, 200, 404, 404, 404]),
        ("POST", "/v1/destinations/inbox@team.test/replace", json!({}), [422, 422, 422, 404, 404, 404]),
        // Its owner proves it by a record, which nobody has published; the others do not own it.
        ("POST", "/v1/domains/team.example/verify", json!({}), [200, 200, 409, 403, 403, 404]),
        ("GET", "/v1/users", Value::Null, [200, 200, 403, 403, 403, 403]),
        ("POST", "/v1/users", json!({}), [422, 422, 403, 403, 403, 403]),
        ("PATCH", "/v1/users/stranger@people.example", json!({}), [200, 200, 403, 403, 403, 403]),
        ("DELETE", "/v1/users/nobody@people.example", Value::Null, [404, 404, 403, 403, 403, 403]),
        ("DELETE", "/v1/users/nobody@people.example?hand_over_to=owner", Value::Null, [404, 404, 403, 403, 403, 403]),
        ("GET", "/v1/me", Value::Null, [200, 200, 200, 200, 200, 200]),
        ("PATCH", "/v1/me", json!({}), [200, 200, 200, 200, 200, 200]),
        ("GET", "/v1/tokens", Value::Null, [200, 200, 200, 200, 200, 200]),
        ("GET", "/v1/sessions", Value::Null, [200, 200, 200, 200, 200, 200]),
        ("GET", "/v1/audit", Value::Null, [200, 200, 200, 200, 200, 200]),
        ("GET", "/v1/notices", Value::Null, [200, 200, 403, 403, 403, 403]),
        ("POST", "/v1/notices/test", Value::Null, [202, 202, 403, 403, 403, 403]),
    ];
    let tokens = [&team.owner, &team.admin, &team.member, &team.manager, &team.viewer, &team.stranger];
    let mut wrong = Vec::new();
    for (method, path, body, answers) in table {
        // A stranger first, so that what a later one removes is still there; 0 is not asked, for it would be gone.
        for (token, wanted) in tokens.iter().zip(answers).rev().filter(|(_, wanted)| *wanted != 0) {
            let is = team.house.bearer(token, method, path, body.clone()).await;
            if is.status.as_u16() != wanted {
                wrong.push(format!("{method} {path}: {} and not {wanted}: {}", is.status, is.text()));
            }
        }
        team.house.visitor(method, path, &[("host", "localhost")], "").await.expect(401);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn each_scope_that_is_missing_closes_its_endpoints_to_whoever_has_the_role() {
    let team = Team::new().await;
    let endpoints = [
        ("GET", "/v1/domains", "domains:read"),
        ("PATCH", "/v1/domains/team.example", "domains"),
        ("GET", "/v1/aliases", "aliases:read"),
        ("POST", "/v1/aliases", "aliases:create"),
        ("PATCH", "/v1/aliases/shop@team.example", "aliases"),
        ("GET", "/v1/destinations", "destinations:read"),
        ("POST", "/v1/destinations", "destinations"),
        ("GET", "/v1/activity", "activity:read"),
        ("GET", "/v1/queue", "queue:read"),
        ("GET", "/v1/tokens", "account:read"),
        ("POST", "/v1/tokens", "account"),
        ("GET", "/v1/sessions", "account:read"),
        ("DELETE", "/v1/sessions/x", "account"),
        ("PATCH", "/v1/me", "account"),
        ("POST", "/v1/me/totp", "account"),
        ("DELETE", "/v1/me/totp", "account"),
        ("GET", "/v1/audit", "account:read"),
        ("GET", "/v1/notices", "admin:read"),
        ("POST", "/v1/notices/test", "admin"),
        ("GET", "/v1/users", "admin:read"),
        ("POST", "/v1/users", "admin"),
        ("PATCH", "/v1/users/stranger@people.example", "admin"),
        ("DELETE", "/v1/users/nobody@people.example", "admin"),
    ];
    let all = ["domains", "aliases", "destinations", "activity", "queue", "account"];
    for (method, path, needed) in endpoints {
        let area = needed.split(':').next().unwrap();
        let others: Vec<_> = all.into_iter().filter(|scope| *scope != area).collect();
        let without = token_of(&team.house, "admin@people.example", &others).await;
        team.house.bearer(&without, method, path, Value::Null).await.expect(403).problem();
        let with = token_of(&team.house, "admin@people.example", &[needed]).await;
        let is = team.house.bearer(&with, method, path, Value::Null).await;
        assert_ne!(is.status.as_u16(), 403, "{method} {path} with {needed}: {}", is.text());
    }
}

#[tokio::test]
async fn a_viewer_reads_the_log_without_subjects_and_cannot_guess_them() {
    let team = Team::new().await;
    team.house.admin.store.activity.index().await.unwrap();
    let log = async |token: &str, query: &str| {
        let path = format!("/v1/activity{query}");
        team.house.bearer(token, "GET", &path, Value::Null).await.expect(200).json()["items"].clone()
    };
    for query in ["", "?domain=team.example", "?search=shop@team.example"] {
        assert_eq!(log(&team.manager, query).await[0]["subject"], "Secret plans", "{query}");
        assert_eq!(log(&team.viewer, query).await[0]["subject"], Value::Null, "{query}");
        assert_eq!(log(&team.manager, query).await[0]["author"], "Hidden Hand <hand@author.test>", "{query}");
        assert_eq!(log(&team.viewer, query).await[0]["author"], Value::Null, "{query}");
    }
    for words in ["plans", "Hidden", "hand@author.test", "author.test", "1.2@mail.author.test", "1.2@mail.aut"] {
        let query = format!("?search={words}");
        assert_eq!(log(&team.manager, &query).await.as_array().unwrap().len(), 1, "{words}");
        assert_eq!(log(&team.viewer, &query).await, json!([]), "{words}");
    }
    assert_eq!(log(&team.stranger, "").await, json!([]));
    let detail = format!("/v1/activity/{}", team.row);
    let seen = team.house.bearer(&team.viewer, "GET", &detail, Value::Null).await.expect(200);
    assert!(!seen.text().contains("Secret") && !seen.text().contains("author.test"), "{}", seen.text());
    assert_eq!(seen.json()["message_id"], Value::Null);
}

/// Whose sender says which domain wrote is told the Message-ID too, and finds the message by it.
#[tokio::test]
async fn a_viewer_is_told_the_message_id_where_the_sender_tells_the_domain() {
    let team = Team::new().await;
    let account = team.house.admin.store.accounts.account_by_email("member@people.example").await.unwrap().key;
    let author = Some(waypost::mail::Author::read("Orders <real@shop.example>"));
    let row = Row { account, author, ..forwarded(&team.house, "shop@team.example") };
    team.house.admin.store.activity.record(vec![row]).await.unwrap();
    team.house.admin.store.activity.index().await.unwrap();
    for words in ["1@shop.example", "1@shop.ex"] {
        let path = format!("/v1/activity?search={words}");
        let found = team.house.bearer(&team.viewer, "GET", &path, Value::Null).await.expect(200).json();
        assert_eq!(found["items"][0]["message_id"], "<1@shop.example>", "{words}: {found}");
    }
}

#[tokio::test]
async fn what_a_manager_makes_is_the_domain_s_and_a_role_ends_at_once() {
    let team = Team::new().await;
    let (house, manager) = (&team.house, &team.manager);
    house.bearer(manager, "POST", "/v1/aliases", json!({ "address": "new@team.example" })).await.expect(201);
    let made = house.bearer(&team.member, "GET", "/v1/aliases/new@team.example", Value::Null).await.expect(200).json();
    assert_eq!(made["destinations"], json!(["inbox@team.test"]), "the default of whose domain it is");
    house.operator("PATCH", "/v1/users/manager@people.example", json!({ "domains": [] })).await.expect(200);
    house.bearer(manager, "GET", "/v1/aliases/new@team.example", Value::Null).await.expect(404).problem();
    let roles = house.operator("GET", "/v1/audit?action=user.roles", Value::Null).await.expect(200).json();
    assert_eq!(roles["items"][0]["before"][0], json!({ "domain": "team.example", "role": "manager" }));
}

#[tokio::test]
async fn a_token_that_may_not_change_hears_of_the_scope_that_may() {
    let house = House::furnished().await;
    let token = house.token(&["aliases:create", "destinations:read"], &[]).await;
    house.bearer(&token, "POST", "/v1/aliases", json!({ "address": "mine@my.example" })).await.expect(201);
    for (method, path, scope) in [
        ("PATCH", "/v1/aliases/mine@my.example", "aliases"),
        ("DELETE", "/v1/aliases/mine@my.example", "aliases"),
        ("DELETE", "/v1/destinations/owner@inbox.example", "destinations"),
    ] {
        let refused = house.bearer(&token, method, path, json!({})).await.expect(403).problem();
        let wanted = format!("it needs the scope {scope}.");
        assert!(refused["detail"].as_str().unwrap().ends_with(&wanted), "{method} {path}: {refused}");
    }
}

#[tokio::test]
async fn who_has_left_is_told_of_by_name() {
    let house = House::furnished().await;
    let leaver = somebody(&house, "leaver@people.example", "member").await;
    house.bearer(&leaver, "POST", "/v1/destinations", json!({ "address": "leaver@inbox.test" })).await.expect(201);
    let told = async || {
        let log =
            house.operator("GET", "/v1/audit?action=destination.add&limit=1", Value::Null).await.expect(200).json();
        log["items"][0]["email"].clone()
    };
    assert_eq!(told().await, "leaver@people.example");
    house.operator("DELETE", "/v1/users/leaver@people.example", Value::Null).await.expect(204);
    assert_eq!(told().await, "leaver@people.example");
    let theirs = "/v1/audit?actor=leaver@people.example&action=destination.add";
    let theirs = house.operator("GET", theirs, Value::Null).await.expect(200).json();
    assert_eq!(theirs["items"].as_array().unwrap().len(), 1, "and is found by it");
}

/// A mirror has the aliases of its original: who may see these sees what came to them by it, and nothing else of it.
#[tokio::test]
async fn mail_by_a_mirror_is_seen_by_who_sees_its_original() {
    let team = Team::new().await;
    let house = &team.house;
    let mirror = json!({ "name": "twin.example", "mirror_of": "team.example" });
    house.bearer(&team.member, "POST", "/v1/domains", mirror).await.expect(201);
    let account = house.admin.store.accounts.account_by_email("member@people.example").await.unwrap().key;
    let alias = house.admin.alias(&waypost::admin::Actor::operator(), "shop@team.example").await.unwrap();
    let subject = Some("Secret plans".to_owned());
    let row = Row { account, alias: Some(alias.key), subject, ..forwarded(house, "shop@twin.example") };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    for (token, sees, subject) in [
        (&team.member, true, json!("Secret plans")),
        (&team.manager, true, json!("Secret plans")),
        (&team.viewer, true, Value::Null),
        (&team.stranger, false, Value::Null),
    ] {
        let one = house.bearer(token, "GET", &format!("/v1/activity/{}", row.id), Value::Null).await;
        assert_eq!(one.status, if sees { 200 } else { 404 });
        let all = house.bearer(token, "GET", "/v1/activity", Value::Null).await.expect(200).json();
        let found = all["items"].as_array().unwrap().iter().find(|one| one["id"] == json!(row.id.to_string()));
        assert_eq!(found.map(|found| &found["subject"]), sees.then_some(&subject), "{all}");
    }
    let words = house.bearer(&team.viewer, "GET", "/v1/activity?search=secret", Value::Null).await.expect(200).json();
    assert_eq!(words["items"], json!([]), "of subjects a viewer is not told");
    for token in [&team.manager, &team.viewer] {
        house.bearer(token, "GET", "/v1/domains/twin.example", Value::Null).await.expect(404);
    }
    let vera = house.signed_in_as("vera@people.example", json!([{ "domain": "team.example", "role": "viewer" }])).await;
    let page = async |path: &str| house.panel(&vera, "GET", path, "").await.expect(200).text();
    for path in ["/aliases/shop@team.example", "/activity", &format!("/activity/{}", row.id), "/?range=24h"] {
        let page = page(path).await;
        assert!(
            page.contains("shop@twin.example") || page.contains("<strong>2</strong> came in, by recipient"),
            "{path}: {page}"
        );
    }
}

/// Who wrote is not told to a viewer: neither is the domain of whoever did, in the words of a verdict, nor found by it.
#[tokio::test]
async fn a_viewer_is_not_told_the_domain_of_an_author() {
    let team = Team::new().await;
    let house = &team.house;
    let account = house.admin.store.accounts.account_by_email("member@people.example").await.unwrap().key;
    let name = waypost::mail::Domain::parse("team.example").unwrap();
    let domain = Some(house.admin.store.rules.domain(&name).await.unwrap().key);
    let author = Some(waypost::mail::Author::read("boss@mail.bank.test"));
    let known = forwarded(house, "shop@team.example");
    let auth = waypost::store::activity::Auth { dkim: vec!["fail d=bank.test s=m".to_owned()], ..known.auth.clone() };
    let reason = "Refused as the DMARC policy of bank.test asks".to_owned();
    let row = Row { account, domain, author, auth, reason, ..known };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    house.admin.store.activity.index().await.unwrap();
    for (token, is_told) in [(&team.member, true), (&team.manager, true), (&team.viewer, false)] {
        let one = house.bearer(token, "GET", &format!("/v1/activity/{}", row.id), Value::Null).await.expect(200).text();
        assert_eq!(one.contains("bank.test"), is_told, "{one}");
        assert!(one.contains("Refused as the DMARC policy of "), "{one}");
        for search in ["bank", "bank.test", "DMARC%20policy%20of%20bank"] {
            let found = format!("/v1/activity?search={search}");
            let found = house.bearer(token, "GET", &found, Value::Null).await.expect(200).json();
            assert_eq!(found["items"].as_array().unwrap().len(), usize::from(is_told), "{search}: {found}");
        }
        let found = house.bearer(token, "GET", "/v1/activity?search=dmarc", Value::Null).await.expect(200).json();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    }
}
