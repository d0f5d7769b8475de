//! What the owner sees of what members have: their inboxes, and their domains that nobody has proved.

use serde_json::{Value, json};
use waypost::store::queue::{Purpose, Waiting};

use crate::web::House;

/// A house with bob, a member who is signed in and has an alias on a domain that is not proved, to an inbox that is not verified.
async fn with_bob() -> (House, String, String) {
    let house = House::furnished().await;
    let bob = house.signed_in_as("bob@people.example", json!([])).await;
    let owner = house.signed_in().await;
    house.panel(&bob, "POST", "/domains", "name=bob.example").await.expect(303);
    house.panel(&bob, "POST", "/destinations", "address=bob%40inbox.test").await.expect(303);
    let alias = "local_part=shop&domain=bob.example&destination=bob%40inbox.test";
    house.panel(&bob, "POST", "/aliases", alias).await.expect(303);
    (house, owner, bob)
}

async fn open(house: &House, who: &str, path: &str) -> String {
    house.panel(who, "GET", path, "").await.expect(200).text()
}

/// What a select has chosen.
fn chosen(page: &str, id: &str) -> String {
    let select = page.split(&format!("<select id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("no {id}: {page}"));
    let select = select.split("</select>").next().unwrap();
    let selected = select.split("<option value=\"").find(|option| option.contains(" selected"));
    selected.map_or("nothing", |option| option.split('"').next().unwrap()).to_owned()
}

#[tokio::test]
async fn the_inboxes_of_members_are_listed_for_the_owner_who_vouches_for_them() {
    let (house, owner, bob) = with_bob().await;
    let list = open(&house, &owner, "/destinations").await;
    assert!(list.contains("bob@inbox.test") && list.contains("of <bdi>bob@people.example</bdi>"), "{list}");
    assert_eq!(list.matches("of <bdi>").count(), 1, "nobody is told that their own is their own");
    let alias = open(&house, &owner, "/aliases/shop@bob.example").await;
    assert!(alias.contains("<a href=\"/destinations?q=bob@inbox.test\">Go to Destinations</a>"), "{alias}");
    let page = open(&house, &owner, "/destinations/bob@inbox.test").await;
    assert!(page.contains("It belongs to <bdi>bob@people.example</bdi>"), "{page}");
    assert!(page.contains("It is theirs: verify it") && !page.contains("It is mine"), "{page}");
    // From the list, the list stays.
    let form = "back=%2Fdestinations%3Fq%3Dbob";
    let verified = house.panel(&owner, "POST", "/destinations/bob@inbox.test/verify", form).await.expect(303);
    assert!(verified.field("location").unwrap().starts_with("/destinations?q=bob#d-"));
    let list = house.follow(&owner, verified).await;
    assert!(list.contains("bob@inbox.test is verified: mail goes there from now on."), "{list}");
    let own = open(&house, &bob, "/destinations").await;
    assert!(own.contains(">verified<") && !own.contains("of <bdi>"), "{own}");
    for elsewhere in ["//evil.example/", "https://evil.example/", "/aliases"] {
        let form = format!("back={}", crate::web::in_path(elsewhere));
        let answer = house.panel(&owner, "POST", "/destinations/bob@inbox.test/verify", &form).await.expect(303);
        assert!(answer.field("location").unwrap().starts_with("/destinations"), "{elsewhere}");
    }
}

#[tokio::test]
async fn who_is_removed_hands_over_what_is_theirs_and_the_page_says_what_that_is() {
    let (house, owner, _) = with_bob().await;
    house.operator("POST", "/v1/users", json!({ "email": "eva@people.example" })).await.expect(201);
    let list = open(&house, &owner, "/settings/people").await;
    let place = list.split("href=\"/settings/people/").nth(1).unwrap().split(['"', '#']).next().unwrap();
    let place = format!("/settings/people/{place}");
    assert!(list.contains(&format!("href=\"{place}#leave\"")), "{list}");
    let page = open(&house, &owner, &place).await;
    assert!(page.contains("They have one domain with one alias, and one inbox."), "{page}");
    assert!(!page.contains("Nobody: inboxes go too"), "{page}");
    let me = house.operator("GET", "/v1/me", Value::Null).await.json()["account"]["id"].clone();
    assert_eq!(chosen(&page, "heir"), me.as_str().unwrap(), "whoever removes");
    let refused = house.panel(&owner, "POST", &format!("{place}/remove"), "hand_over_to=").await.expect(409).text();
    assert!(refused.contains("it still has domains. Hand over"), "{refused}");
    let unknown = house.panel(&owner, "POST", &format!("{place}/remove"), "hand_over_to=x").await.expect(422).text();
    assert!(
        unknown.contains("There is no account x here.") && unknown.contains("<details open><summary>Remove"),
        "{unknown}"
    );
    let form = format!("hand_over_to={}", me.as_str().unwrap());
    for _ in 0..2 {
        let done = house.panel(&owner, "POST", &format!("{place}/remove"), &form).await.expect(303);
        assert!(house.follow(&owner, done).await.contains("The account is removed"));
    }
    assert!(!open(&house, &owner, "/destinations").await.contains("of <bdi>"), "they are the owner's own now");
    open(&house, &owner, "/aliases/shop@bob.example").await;
    let log = open(&house, &owner, "/settings/audit").await;
    assert!(log.contains("Handed over to: ") && log.contains("aliases 1, domains 1, inboxes 1"), "{log}");
    let eva = open(&house, &owner, "/settings/people/eva@people.example").await;
    assert!(eva.contains("They have no domains, aliases or inboxes.") && !eva.contains("id=\"heir\""), "{eva}");
    house.panel(&owner, "POST", "/settings/people/eva@people.example/remove", "").await.expect(303);
    // The owner's own page is none of those that anybody may remove.
    house.panel(&owner, "POST", &format!("/settings/people/{}/remove", me.as_str().unwrap()), "").await.expect(409);
}

#[tokio::test]
async fn an_inbox_that_no_mail_can_ask_is_not_said_to_be_asked_by_mail() {
    let (house, owner, bob) = with_bob().await;
    for (who, path) in [(&bob, "/destinations"), (&bob, "/destinations/bob@inbox.test"), (&owner, "/destinations")] {
        let page = open(&house, who, path).await;
        assert!(!page.contains("Send the link"), "{path}: {page}");
    }
    let page = open(&house, &bob, "/destinations/bob@inbox.test").await;
    assert!(page.contains("No mail can ask this inbox"), "{page}");
    let linked = House::linked().await;
    let owner = linked.signed_in().await;
    linked.operator("POST", "/v1/destinations", json!({ "address": "new@inbox.example" })).await.expect(201);
    assert!(open(&linked, &owner, "/destinations").await.contains("Send the link"));
}

#[tokio::test]
async fn a_form_proposes_ones_own_domain_and_never_one_that_somebody_else_has_not_proved() {
    let (house, owner, bob) = with_bob().await;
    let proposed = async || {
        let (new, curl) = (open(&house, &owner, "/aliases?new=1").await, open(&house, &owner, "/connect/curl").await);
        (chosen(&new, "on"), chosen(&curl, "on"))
    };
    let both = |name: &str| (name.to_owned(), name.to_owned());
    assert_eq!(proposed().await, both("my.example"));
    house.operator("POST", "/v1/domains", json!({ "name": "zoo.example" })).await.expect(201);
    house.operator("POST", "/v1/domains", json!({ "name": "aaa.example" })).await.expect(201);
    house.operator("POST", "/v1/aliases", json!({ "address": "a@zoo.example" })).await.expect(201);
    assert_eq!(proposed().await, both("zoo.example"), "the one that was used last");
    house.operator("POST", "/v1/aliases", json!({ "address": "a@bob.example" })).await.expect(201);
    assert_eq!(proposed().await, both("zoo.example"), "what was made for somebody else says nothing");
    assert_eq!(chosen(&open(&house, &bob, "/aliases?new=1").await, "on"), "bob.example", "it is bob's only one");
    for name in ["my.example", "zoo.example", "aaa.example"] {
        house.operator("DELETE", &format!("/v1/domains/{name}"), Value::Null).await.expect(204);
    }
    let new = open(&house, &owner, "/aliases?new=1").await;
    assert_eq!(chosen(&new, "on"), "", "a domain is to be chosen: {new}");
    assert!(new.contains("Choose a domain"), "{new}");
}

#[tokio::test]
async fn an_alias_on_a_domain_that_nobody_proved_says_what_its_senders_hear_and_why() {
    let (house, owner, bob) = with_bob().await;
    let form = "local_part=new&domain=bob.example&destination=bob%40inbox.test";
    let told = house.follow(&owner, house.panel(&owner, "POST", "/aliases", form).await).await;
    assert!(told.contains("new@bob.example is made, but bob.example is not proved yet"), "{told}");
    for (who, path) in [(&owner, "/aliases/shop@bob.example"), (&bob, "/aliases/shop@bob.example")] {
        let page = open(&house, who, path).await;
        assert!(page.contains("bob.example is not proved yet: mail for it is put off with"), "{page}");
        assert!(page.contains("451 4.3.5 Mail for this domain is not taken here yet, try again later"), "{page}");
        assert!(!page.contains("none of its destinations is verified"), "{page}");
        assert!(page.contains("href=\"/domains/bob.example#proof\""), "{page}");
    }
    let domain = open(&house, &bob, "/domains/bob.example").await;
    assert!(domain.contains("451 4.3.5 Mail for this domain is not taken here yet, try again later"), "{domain}");
    house.operator("POST", "/v1/domains/bob.example/verify", json!({})).await.expect(200);
    let page = open(&house, &bob, "/aliases/shop@bob.example").await;
    assert!(!page.contains("451 4.3.5") && page.contains("none of its destinations is verified"), "{page}");
    assert!(!open(&house, &bob, "/domains/bob.example").await.contains("451 4.3.5"));
}

#[tokio::test]
async fn records_of_a_domain_that_somebody_else_has_not_proved_are_no_headline_of_the_owners() {
    let (house, owner, bob) = with_bob().await;
    let drifts = async |name: &str| {
        let name = waypost::mail::Domain::parse(name).unwrap();
        let key = house.admin.store.rules.domain(&name).await.unwrap().key;
        house.admin.store.rules.note_dns(key, "drift", &["MX".to_owned()]).await.unwrap();
    };
    let says = "DNS records of bob.example are not as they should be";
    drifts("bob.example").await;
    assert!(!open(&house, &owner, "/").await.contains(says));
    assert!(open(&house, &bob, "/").await.contains(says), "it is bob's to see to");
    let list = open(&house, &owner, "/domains").await;
    assert!(list.contains("Its mail is put off until it is proved") && !list.contains("ome records differ"), "{list}");
    house.operator("POST", "/v1/domains/bob.example/verify", json!({})).await.expect(200);
    assert!(open(&house, &owner, "/").await.contains(says), "it takes mail now, by the owner's word");
    assert!(open(&house, &owner, "/domains").await.contains("Some records differed"));
}

/// A house that asks inboxes by mail, and fred, who manages my.example and is signed in.
async fn with_fred() -> (House, String, String) {
    let house = House::linked().await;
    let manages = json!([{ "domain": "my.example", "role": "manager" }]);
    let fred = house.signed_in_as("fred@people.example", manages).await;
    let owner = house.signed_in().await;
    (house, owner, fred)
}

/// The link in the mail that asked this inbox last.
async fn link_to(house: &House, inbox: &str) -> String {
    let waiting = house.admin.store.queue.list(None, None, 100).await.unwrap();
    let asks = |one: &&Waiting| one.purpose == Purpose::Verification && one.destination == inbox;
    let id = waiting.iter().rfind(asks).expect("it was asked").id;
    let octets = house.admin.store.queue.get(id).await.unwrap().message.octets.read(0).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix("https://gw.example")).unwrap().to_owned()
}

/// Whoever reads the inbox says yes.
async fn says_yes(house: &House, inbox: &str) {
    let fields = [("host", "localhost"), ("sec-fetch-site", "same-origin")];
    house.visitor("POST", &link_to(house, inbox).await, &fields, "").await.expect(200);
}

/// Makes an alias, and reads what the page says of it.
async fn makes(house: &House, who: &str, (name, inbox): (&str, &str)) -> String {
    let form = format!("local_part={name}&domain=my.example&destination={}", crate::web::in_path(inbox));
    house.follow(who, house.panel(who, "POST", "/aliases", &form).await).await
}

/// The destinations of an alias that get no mail.
async fn unverified(house: &House, alias: &str) -> Value {
    house.operator("GET", &format!("/v1/aliases/{alias}"), Value::Null).await.expect(200).json()["unverified"].clone()
}

#[tokio::test]
async fn an_inbox_that_a_manager_has_verified_gets_the_mail_of_aliases_on_the_owners_domain() {
    let (house, owner, fred) = with_fred().await;
    house.panel(&fred, "POST", "/destinations", "address=fred%40inbox.test").await.expect(303);
    says_yes(&house, "fred@inbox.test").await;
    let told = makes(&house, &fred, ("fred", "fred@inbox.test")).await;
    assert!(told.contains("fred@my.example is ready to receive mail."), "{told}");
    assert_eq!(unverified(&house, "fred@my.example").await, json!([]));
    assert!(!open(&house, &owner, "/destinations").await.contains("not verified"));
    let audit = house.operator("GET", "/v1/audit", Value::Null).await.json();
    let words = audit["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == "destination.verify");
    let words: Vec<_> = words.map(|entry| (entry["object"].clone(), entry["actor"].clone())).collect();
    let word = |actor: &str| (json!("fred@inbox.test"), json!(actor));
    assert_eq!(words, [word("session"), word("verification link")]);
    // By a batch, and by a change, too.
    for inbox in ["second@inbox.test", "third@inbox.test"] {
        house.panel(&fred, "POST", "/destinations", &format!("address={inbox}")).await.expect(303);
        says_yes(&house, inbox).await;
    }
    let change = "destinations=second%40inbox.test&enabled=on";
    house.panel(&fred, "POST", "/aliases/fred@my.example", change).await.expect(303);
    assert_eq!(unverified(&house, "fred@my.example").await, json!([]));
    let sent = "id=fred%40my.example&do=send&to=third%40inbox.test";
    house.panel(&fred, "POST", "/aliases/many", sent).await;
    assert_eq!(unverified(&house, "fred@my.example").await, json!([]));
}

#[tokio::test]
async fn an_inbox_that_says_yes_to_a_manager_says_it_of_the_owners_aliases_that_lead_there_already() {
    let (house, owner, fred) = with_fred().await;
    house.panel(&fred, "POST", "/destinations", "address=fred%40inbox.test").await.expect(303);
    let told = makes(&house, &fred, ("fred", "fred@inbox.test")).await;
    assert!(told.contains("fred@inbox.test is not verified and gets no mail until it is"), "{told}");
    assert!(told.contains("a mail with a link was sent there") && !told.contains("open Destinations"), "{told}");
    assert_eq!(unverified(&house, "fred@my.example").await, json!(["fred@inbox.test"]));
    says_yes(&house, "fred@inbox.test").await;
    assert_eq!(unverified(&house, "fred@my.example").await, json!([]));
    assert!(!open(&house, &owner, "/destinations").await.contains("not verified"));
}

#[tokio::test]
async fn an_inbox_that_a_manager_had_asked_by_leading_an_alias_there_becomes_theirs_by_its_yes() {
    let (house, owner, fred) = with_fred().await;
    makes(&house, &fred, ("fred", "fred@inbox.test")).await;
    let list = open(&house, &fred, "/destinations").await;
    assert!(list.contains("fred@inbox.test") && list.contains("not verified yet"), "{list}");
    let page = open(&house, &fred, "/destinations/fred@inbox.test").await;
    assert!(page.contains("Mail with the link") && !page.contains("was not asked yet"), "{page}");
    assert!(!page.contains("href=\"/activity/"), "it stands in the owner's log: {page}");
    let again = house.panel(&fred, "POST", "/destinations", "address=fred%40inbox.test").await.expect(409).text();
    assert!(again.contains("it was asked by mail, and the link in that mail verifies it for you."), "{again}");
    says_yes(&house, "fred@inbox.test").await;
    assert_eq!(unverified(&house, "fred@my.example").await, json!([]));
    let page = open(&house, &fred, "/destinations/fred@inbox.test").await;
    assert!(page.contains(">verified<") && page.contains("One alias leads here."), "{page}");
    assert!(page.contains("href=\"/aliases/fred@my.example\""), "{page}");
    assert!(page.contains("The aliases of others that lead here go on as they are."), "{page}");
    assert!(!open(&house, &owner, "/destinations").await.contains("not verified"));
    // It is theirs: removed, it stays gone, and the owner's record and its aliases are as they were.
    house.panel(&fred, "POST", "/destinations/fred@inbox.test/remove", "").await.expect(303);
    assert_eq!(unverified(&house, "fred@my.example").await, json!([]));
}

/// Nobody gains an inbox by a yes to a mail that somebody else had sent.
#[tokio::test]
async fn an_inbox_that_the_owner_had_asked_is_the_owners_alone() {
    let (house, owner, fred) = with_fred().await;
    makes(&house, &owner, ("shop", "anna@inbox.test")).await;
    makes(&house, &fred, ("news", "anna@inbox.test")).await;
    assert!(!open(&house, &fred, "/destinations").await.contains("anna@inbox.test"));
    house.panel(&fred, "POST", "/destinations", "address=anna%40inbox.test").await.expect(303);
    says_yes(&house, "anna@inbox.test").await;
    assert_eq!(unverified(&house, "news@my.example").await, json!([]));
    let own = open(&house, &fred, "/destinations/anna@inbox.test").await;
    assert!(own.contains("not verified yet") && own.contains("2 aliases lead here."), "{own}");
}

#[tokio::test]
async fn nobody_s_word_but_the_inbox_s_counts_and_only_where_who_asked_it_may_lead_aliases() {
    let (house, owner, fred) = with_fred().await;
    let bob = house.signed_in_as("bob@people.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    makes(&house, &owner, ("shop", "anna@inbox.test")).await;
    house.clock.advance(std::time::Duration::from_secs(120));
    // To bob, who only looks on, it says yes, and not to the owner.
    house.panel(&bob, "POST", "/destinations", "address=anna%40inbox.test").await.expect(303);
    says_yes(&house, "anna@inbox.test").await;
    assert_eq!(unverified(&house, "shop@my.example").await, json!(["anna@inbox.test"]));
    // What fred has, and was not asked or has not answered, is no word of anybody.
    house.panel(&fred, "POST", "/destinations", "address=anna%40inbox.test").await.expect(303);
    makes(&house, &fred, ("news", "anna@inbox.test")).await;
    assert_eq!(unverified(&house, "news@my.example").await, json!(["anna@inbox.test"]));
    // Where no alias leads, a yes to fred verifies nothing of the owner's.
    house.operator("POST", "/v1/destinations", json!({ "address": "lone@inbox.test" })).await.expect(201);
    house.clock.advance(std::time::Duration::from_secs(120));
    house.panel(&fred, "POST", "/destinations", "address=lone%40inbox.test").await.expect(303);
    says_yes(&house, "lone@inbox.test").await;
    let own = house.operator("GET", "/v1/destinations/lone@inbox.test", Value::Null).await.expect(200).json();
    assert_eq!(own["verified_at"], Value::Null, "{own}");
}

#[tokio::test]
async fn what_an_admin_says_is_theirs_gets_the_mail_of_the_owners_domain() {
    let (house, _, _) = with_fred().await;
    let ada = house.signed_in_as("ada@people.example", json!([])).await;
    house.operator("PATCH", "/v1/users/ada@people.example", json!({ "role": "admin" })).await.expect(200);
    house.panel(&ada, "POST", "/destinations", "address=ada%40inbox.test").await.expect(303);
    makes(&house, &ada, ("early", "ada@inbox.test")).await;
    house.panel(&ada, "POST", "/destinations/ada@inbox.test/verify", "").await.expect(303);
    let told = makes(&house, &ada, ("ada", "ada@inbox.test")).await;
    assert!(told.contains("ada@my.example is ready to receive mail."), "{told}");
    for alias in ["early@my.example", "ada@my.example"] {
        assert_eq!(unverified(&house, alias).await, json!([]), "{alias}");
    }
}

#[tokio::test]
async fn where_an_inbox_was_not_asked_it_is_said_who_can_have_it_verified() {
    let house = House::furnished().await;
    let manages = json!([{ "domain": "my.example", "role": "manager" }]);
    let fred = house.signed_in_as("fred@people.example", manages).await;
    let owner = house.signed_in().await;
    let told = makes(&house, &fred, ("fred", "fred@inbox.test")).await;
    assert!(
        told.contains("fred@inbox.test is not verified and gets no mail until it is: ask the owner of my.example"),
        "{told}"
    );
    let page = open(&house, &fred, "/aliases/fred@my.example").await;
    assert!(
        page.contains("Ask the owner of my.example to verify it.") && !page.contains("Go to Destinations"),
        "{page}"
    );
    let told = makes(&house, &owner, ("shop", "fred@inbox.test")).await;
    assert!(told.contains("fred@inbox.test is not verified and gets no mail until it is: open Destinations"), "{told}");
}

/// An admin with an inbox of their own that has said yes to them, which the owner does not have.
async fn with_ada() -> (House, String, String) {
    let (house, owner, _) = with_fred().await;
    let ada = house.signed_in_as("ada@people.example", json!([])).await;
    house.operator("PATCH", "/v1/users/ada@people.example", json!({ "role": "admin" })).await.expect(200);
    house.panel(&ada, "POST", "/destinations", "address=ada%40inbox.test").await.expect(303);
    (house, owner, ada)
}

#[tokio::test]
async fn an_inbox_that_said_yes_to_whoever_replaces_takes_the_place_of_the_owners() {
    let (house, owner, ada) = with_ada().await;
    makes(&house, &owner, ("shop", "owner@inbox.example")).await;
    let own = house.operator("GET", "/v1/destinations/owner@inbox.example", Value::Null).await.expect(200).json();
    let path = format!("/destinations/{}/replace", own["id"].as_str().unwrap());
    let refused = house.panel(&ada, "POST", &path, "to=ada%40inbox.test").await.expect(422).text();
    assert!(refused.contains("ada@inbox.test is no destination of"), "it has not said yes yet: {refused}");
    says_yes(&house, "ada@inbox.test").await;
    let asks = open(&house, &ada, &format!("{path}?to=ada%40inbox.test")).await;
    assert!(asks.contains("Replace it in one alias"), "{asks}");
    let missing = house.operator("GET", "/v1/destinations?search=ada", Value::Null).await.json();
    assert_eq!(missing["items"].as_array().unwrap().len(), 1, "looking makes nothing: {missing}");
    house.panel(&ada, "POST", &path, "to=ada%40inbox.test").await.expect(303);
    let shop = house.operator("GET", "/v1/aliases/shop@my.example", Value::Null).await.expect(200).json();
    assert_eq!((&shop["destinations"], &shop["unverified"]), (&json!(["ada@inbox.test"]), &json!([])));
    // To bob, who looks on, an inbox may say yes: that opens no way for the owner.
    let bob = house.signed_in_as("bob@people.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    house.panel(&bob, "POST", "/destinations", "address=bob%40inbox.test").await.expect(303);
    says_yes(&house, "bob@inbox.test").await;
    let new = house.operator("GET", "/v1/destinations?search=ada", Value::Null).await.json();
    for row in new["items"].as_array().unwrap() {
        let path = format!("/destinations/{}/replace", row["id"].as_str().unwrap());
        house.panel(&ada, "POST", &path, "to=bob%40inbox.test").await.expect(422);
        house.panel(&owner, "POST", &path, "to=bob%40inbox.test").await.expect(422);
    }
}

#[tokio::test]
async fn a_table_leads_where_one_alias_may_lead_and_says_so_beforehand() {
    let (house, owner, fred) = with_fred().await;
    house.panel(&fred, "POST", "/destinations", "address=fred%40inbox.test").await.expect(303);
    let table = async |who: &str, what: &str, text: &str| {
        let form = format!("what={what}&text={}", crate::web::in_path(text));
        house.panel(who, "POST", "/aliases/import", &form).await.text()
    };
    let text = "one@my.example\tfred@inbox.test";
    let look = table(&fred, "look", text).await;
    assert!(look.contains("fred@inbox.test is not verified"), "it has not said yes yet: {look}");
    says_yes(&house, "fred@inbox.test").await;
    let look = table(&fred, "look", text).await;
    assert!(look.contains("One alias is new") && !look.contains("is not verified"), "{look}");
    let look = table(&owner, "look", text).await;
    assert!(look.contains("fred@inbox.test is not verified"), "to the owner it has not said it: {look}");
    table(&fred, "import", text).await;
    assert_eq!(unverified(&house, "one@my.example").await, json!([]));
}

/// As many as there are, and not only as many as are asked in a day.
#[tokio::test]
async fn every_inbox_of_a_table_that_has_said_yes_gets_its_mail() {
    let (house, _, ada) = with_ada().await;
    house.panel(&ada, "POST", "/destinations", "address=%40inbox.test").await.expect(303);
    let rows: String = (0..70).map(|n| format!("a{n}@my.example,i{n}@inbox.test\n")).collect();
    let form = format!("what=import&text={}", crate::web::in_path(&rows));
    let answer = house.panel(&ada, "POST", "/aliases/import", &form).await;
    let told = house.follow(&ada, answer).await;
    assert!(told.contains("70 aliases are made.") && !told.contains("not verified"), "{told}");
    for n in [0, 49, 50, 69] {
        assert_eq!(unverified(&house, &format!("a{n}@my.example")).await, json!([]), "{n}");
    }
}
