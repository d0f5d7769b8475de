//! Aliases brought in from a table: looked at first, made in one step, and taken back in one.

use serde_json::{Value, json};

use super::aliases::{alias, undo};
use crate::web::{House, in_path};

const PAGE: &str = "/aliases/import";

/// Two that are new, one that exists, and three lines that are wrong.
const TABLE: &str = "alias,destination,labels,enabled\r\nnew@my.example,,\"buy, toys\",no\r\n\
    two@my.example,owner@inbox.example two@inbox.example,,\r\nold@my.example,,,\r\n\
    gone@other.example,,,\r\nno-address,,,\r\nNEW@my.example,,,\r\n";

async fn with_old() -> (House, String) {
    let house = House::furnished().await;
    house.operator("POST", "/v1/destinations", json!({ "address": "two@inbox.example" })).await.expect(201);
    alias(&house, json!({ "address": "old@my.example", "description": "as it was" })).await;
    let cookie = house.signed_in().await;
    (house, cookie)
}

fn form(text: &str, what: &str) -> String {
    format!("what={what}&text={}", in_path(text))
}

async fn addresses(house: &House) -> Vec<String> {
    let list = house.operator("GET", "/v1/aliases", Value::Null).await.expect(200).json();
    let mut all: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|row| row["address"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_table_is_looked_at_and_its_sound_rows_are_made_and_taken_back() {
    let (house, cookie) = with_old().await;
    let post = async |text: &str, what: &str| house.panel(&cookie, "POST", PAGE, &form(text, what)).await;
    let list = house.panel(&cookie, "GET", "/aliases", "").await.expect(200).text();
    assert!(list.contains("<a href=\"/aliases/import\">Import aliases</a>"), "{list}");
    let page = house.panel(&cookie, "GET", PAGE, "").await.expect(200).text();
    assert!(page.contains("leads to <bdi>owner@inbox.example</bdi>"), "{page}");
    let look = post(TABLE, "look").await.expect(200).text();
    for words in [
        "2 aliases are new",
        "One exists already and is left as it is. 3 lines are left out.",
        "line 5</span> <bdi>other.example is not one of your domains",
        "line 6</span>",
        "line 7</span> <bdi>This alias stands in line 2 already.</bdi>",
        "two@my.example</bdi><span class=\"muted\"> → <bdi>owner@inbox.example, two@inbox.example",
        "Import 2 aliases</button>",
        "<bdi>two@inbox.example is not verified and gets no mail until it is.</bdi>",
    ] {
        assert!(look.contains(words), "{words}: {look}");
    }
    assert_eq!(addresses(&house).await, ["old@my.example"], "nothing is made yet");
    let made = post(TABLE, "import").await.expect(200).text();
    assert!(made.contains("2 aliases are made.") && made.contains("line 6</span>"), "{made}");
    assert_eq!(addresses(&house).await, ["new@my.example", "old@my.example", "two@my.example"]);
    let new = house.operator("GET", "/v1/aliases/new@my.example", Value::Null).await.expect(200).json();
    assert_eq!((&new["labels"], &new["enabled"]), (&json!(["buy", "toys"]), &json!(false)));
    let old = house.operator("GET", "/v1/aliases/old@my.example", Value::Null).await.expect(200).json();
    assert_eq!(old["description"], "as it was");
    let again = post(TABLE, "import").await.expect(200).text();
    assert!(again.contains("No alias is new") && again.contains("4 exist already"), "{again}");
    let back = house.panel(&cookie, "POST", "/undo", &undo(&made)).await;
    assert!(house.follow(&cookie, back).await.contains("2 aliases are as they were."));
    assert_eq!(addresses(&house).await, ["old@my.example"]);
}

#[tokio::test]
async fn a_plain_list_of_addresses_is_enough_and_the_list_tells_what_was_made() {
    let (house, cookie) = with_old().await;
    let text = "a@my.example\r\n\r\n# mine\r\nb-*@my.example\r\n";
    let done = house.panel(&cookie, "POST", PAGE, &form(text, "import")).await.expect(303);
    let list = house.follow(&cookie, done).await;
    assert!(list.contains("2 aliases are made.") && list.contains("b-*@my.example"), "{list}");
    let back = house.panel(&cookie, "POST", "/undo", &undo(&list)).await;
    assert!(house.follow(&cookie, back).await.contains("2 aliases are as they were."));
}

/// Each is sound by itself: what is wrong is that they lead to each other.
#[tokio::test]
async fn rows_that_lead_to_each_other_are_left_out_and_the_others_are_made() {
    let (house, cookie) = with_old().await;
    let text = "a@my.example\tb@my.example\nb@my.example\ta@my.example\nc@my.example\towner@inbox.example";
    let post = async |text: &str, what: &str| house.panel(&cookie, "POST", PAGE, &form(text, what)).await;
    let why = "line 1</span> <bdi>a@my.example leads to b@my.example, which this table makes too: import it again once that is \
               there.";
    let look = post(text, "look").await.expect(200).text();
    assert!(look.contains("2 aliases are new") && look.contains(why), "{look}");
    let made = post(text, "import").await.expect(200).text();
    assert!(made.contains("2 aliases are made.") && made.contains(why), "{made}");
    assert_eq!(addresses(&house).await, ["b@my.example", "c@my.example", "old@my.example"]);
    let again = post(text, "import").await.expect(200).text();
    assert!(again.contains("circle") && again.contains("2 exist already"), "{again}");
}

/// A chain goes in from its end on, however long it is, and nothing that it does not concern waits for it.
#[tokio::test]
async fn what_leads_to_a_row_of_the_table_is_imported_once_that_is_there() {
    let (house, cookie) = with_old().await;
    let text: String = (0..30).map(|n| format!("a{n}@my.example,b{n}@my.example\nb{n}@my.example\n")).collect();
    let made = house.panel(&cookie, "POST", PAGE, &form(&text, "import")).await.expect(200).text();
    assert!(made.contains("30 aliases are made.") && made.contains("30 lines are left out."), "{made}");
    house.panel(&cookie, "POST", PAGE, &form(&text, "import")).await.expect(303);
    let again = house.panel(&cookie, "POST", PAGE, &form(&text, "look")).await.expect(200).text();
    assert!(
        again.contains("No alias is new") && again.contains("<p>60 exist already and are left as they are.</p>"),
        "{again}"
    );
}

/// A quote that nobody closes is the fault of its own line, whatever stands in the lines after it.
#[tokio::test]
async fn a_stray_quote_is_told_by_its_line_and_costs_no_other() {
    let (house, cookie) = with_old().await;
    let why =
        "line 3</span> <bdi>A quote is opened here and not closed: close it, or put two where one is meant.</bdi>";
    let head = "alias,destination,description\na@my.example,owner@inbox.example,one\n";
    let last = "c@my.example,owner@inbox.example,three\n";
    for (stray, after) in [
        ("b@my.example,owner@inbox.example,\"two", "d@my.example,owner@inbox.example,\"four\"\n"),
        ("b@my.example,owner@inbox.example,\"two", "d@my.example,owner@inbox.example,four\"\n"),
        ("\"b@my.example,owner@inbox.example,two", "d@my.example,\"owner@inbox.example\",four"),
        ("\"b@my.example,\"owner@inbox.example\",two", "d@my.example,owner@inbox.example,\"\"\n"),
    ] {
        let text = format!("{head}{stray}\n{last}{after}");
        let look = house.panel(&cookie, "POST", PAGE, &form(&text, "look")).await.expect(200).text();
        assert!(look.contains("3 aliases are new") && look.contains(why), "{text}: {look}");
        assert!(look.contains("c@my.example</bdi>") && look.contains("One line is left out."), "{text}: {look}");
    }
}

/// A domain has room for so many patterns: which rows go beyond that is said at the look, and the others are made.
#[tokio::test]
async fn rows_for_which_there_is_no_room_are_named_and_the_others_are_made() {
    let (house, cookie) = with_old().await;
    house.operator("POST", "/v1/domains", json!({ "name": "two.example" })).await.expect(201);
    let patterns: String = (0..125).map(|n| format!("p{n}-*@my.example\n")).collect();
    let text = format!("{patterns}plain@my.example\nq-*@two.example\n");
    let why = "line 101</span> <bdi>A domain has at most 100 patterns: write one that stands for several.</bdi>";
    let look = house.panel(&cookie, "POST", PAGE, &form(&text, "look")).await.expect(200).text();
    assert!(look.contains("102 aliases are new") && look.contains("25 lines are left out."), "{look}");
    assert!(look.contains(why) && look.contains("line 125</span>") && !look.contains("line 100</span>"), "{look}");
    let made = house.panel(&cookie, "POST", PAGE, &form(&text, "import")).await.expect(200).text();
    assert!(made.contains("102 aliases are made.") && made.contains(why), "{made}");
    for alias in ["plain@my.example", "q-*@two.example", "p99-*@my.example"] {
        house.operator("GET", &format!("/v1/aliases/{}", in_path(alias)), Value::Null).await.expect(200);
    }
    house.operator("GET", &format!("/v1/aliases/{}", in_path("p100-*@my.example")), Value::Null).await.expect(404);
}

/// What tells patterns apart is their kind, and the case of what is a class.
#[tokio::test]
async fn patterns_that_differ_in_a_class_alone_are_two() {
    let (house, cookie) = with_old().await;
    let text = "/^\\d+$/@my.example\n/^\\D+$/@my.example\nShop-*@my.example\nshop-*@my.example\n";
    let made = house.panel(&cookie, "POST", PAGE, &form(text, "import")).await.expect(200).text();
    assert!(made.contains("3 aliases are made.") && made.contains("stands in line 3 already"), "{made}");
}

#[tokio::test]
async fn what_was_exported_is_imported_as_it_was() {
    let (house, cookie) = with_old().await;
    alias(&house, json!({ "address": "+p@my.example", "action": "drop", "description": "=1, \"x\"" })).await;
    alias(&house, json!({ "address": "/^n([0-9]{1,3})$/@my.example", "labels": ["a b", "c, d", "e;f\\"] })).await;
    alias(&house, json!({ "address": "\"*\"@my.example", "description": "'=two\nlines" })).await;
    alias(
        &house,
        json!({ "address": "#'+q@my.example", "destinations": ["\"a, b\"@inbox.example", "two@inbox.example"] }),
    )
    .await;
    alias(&house, json!({ "address": "'+q@my.example" })).await;
    let all = async || {
        let list = house.operator("GET", "/v1/aliases", Value::Null).await.expect(200).json();
        let kept = |row: &Value| {
            ["address", "destinations", "action", "enabled", "description", "labels"].map(|key| row[key].clone())
        };
        let mut rows: Vec<_> = list["items"].as_array().unwrap().iter().map(kept).collect();
        rows.sort_by_key(|row| row[0].to_string());
        json!(rows)
    };
    let before = all().await;
    let saved = house.panel(&cookie, "GET", "/aliases/export", "").await.expect(200).text();
    for address in addresses(&house).await {
        house.operator("DELETE", &format!("/v1/aliases/{}", in_path(&address)), Value::Null).await.expect(204);
    }
    // A browser sends the ends of lines in its own way.
    let pasted = saved.replace("\r\n", "\n").replace('\n', "\r\n");
    house.panel(&cookie, "POST", PAGE, &form(&pasted, "import")).await.expect(200);
    assert_eq!(all().await, before);
}

#[tokio::test]
async fn what_is_too_much_is_refused_as_a_whole_and_who_may_make_none_is_told() {
    let (house, cookie) = with_old().await;
    let many: String = (0..1001).map(|n| format!("a{n}@my.example\n")).collect();
    let large = format!("{}@my.example", "a".repeat(300 << 10));
    let huge = "a".repeat(2 << 20);
    for (text, words) in [
        (many.as_str(), "These are 1001 rows, and 1000 go at a time"),
        (&large, "This is larger than 256 KiB: import it in parts."),
        (&huge, "This is larger than 256 KiB: import it in parts."),
        (" \n# nothing\n", "Write at least one alias."),
    ] {
        let page = house.panel(&cookie, "POST", PAGE, &form(text, "import")).await.expect(422).text();
        assert!(page.contains(words) && page.contains("aria-invalid"), "{words}");
    }
    let viewer = json!([{ "domain": "my.example", "role": "viewer" }]);
    let viewer = house.signed_in_as("viewer@people.example", viewer).await;
    let page = house.panel(&viewer, "GET", PAGE, "").await.expect(200).text();
    assert!(page.contains("no domain on which you may make aliases"), "{page}");
    let refused = house.panel(&viewer, "POST", PAGE, &form("a@my.example", "import")).await.expect(200).text();
    assert!(refused.contains("line 1</span>") || refused.contains("no domain on which"), "{refused}");
    assert_eq!(addresses(&house).await, ["old@my.example"]);
}

/// As people write it, as addy.io takes it in, and as SimpleLogin saves it: what is off there comes in off.
#[tokio::test]
async fn columns_of_elsewhere_are_read_and_those_that_are_not_are_named() {
    let (house, cookie) = with_old().await;
    let look = async |text: &str| house.panel(&cookie, "POST", PAGE, &form(text, "look")).await.expect(200).text();
    for (text, to, unread) in [
        (
            "id,alias,active,description,recipients\n7,a@my.example,false,Shop,two@inbox.example\n",
            "two@inbox.example",
            "id.",
        ),
        ("email,recipients,active,note\na@my.example,two@inbox.example,0,Shop\n", "two@inbox.example", ""),
        ("alias,status,expires\na@my.example,disabled,2027-01-01\n", "owner@inbox.example", "expires."),
        (
            "alias,note,enabled,mailboxes\r\na@my.example,Shop,False,two@inbox.example owner@inbox.example\r\n",
            "two@inbox.example, owner@inbox.example",
            "",
        ),
    ] {
        let page = look(text).await;
        assert!(page.contains("comes in off") && page.contains(&format!("→ <bdi>{to}</bdi>")), "{text}: {page}");
        let said = format!("These columns were not read: <bdi>{unread}</bdi>");
        assert_eq!(page.contains(&said), !unread.is_empty(), "{text}: {page}");
        assert_eq!(page.contains("not read"), !unread.is_empty(), "{text}: {page}");
    }
    let page = look("alias\na@my.example\n").await;
    assert!(!page.contains("comes in off") && !page.contains("not read"), "{page}");
    let many: String = (0..12).map(|n| format!("a{n}@my.example,off\n")).collect();
    let page = look(&format!("alias,status\n{many}")).await;
    assert!(page.contains("12 of them come in off."), "{page}");
    house.panel(&cookie, "POST", PAGE, &form("alias,status\na@my.example,disabled\n", "import")).await.expect(303);
    let made = house.operator("GET", "/v1/aliases/a@my.example", Value::Null).await.expect(200).json();
    assert_eq!(made["enabled"], false);
}

/// Where addy.io saves what there is, a cell that is no or 0 is left empty, and what was deleted is there too.
#[tokio::test]
async fn the_export_of_addy_is_read_as_it_is_meant() {
    let (house, cookie) = with_old().await;
    let text = "id,user_id,local_part,extension,domain,email,active,description,emails_forwarded,deleted_at\n\
        1,9,on,,my.example,on@my.example,1,Shop,12,\n2,9,off,,my.example,off@my.example,,,,\n\
        3,9,gone,,my.example,gone@my.example,1,,,2026-01-31 10:00:00\n";
    let page = house.panel(&cookie, "POST", PAGE, &form(text, "look")).await.expect(200).text();
    for words in [
        "2 aliases are new",
        "One of them comes in off.",
        "line 4</span> <bdi>It was deleted where this table comes from.</bdi>",
        "These columns were not read: <bdi>id, user_id, local_part, domain, emails_forwarded.</bdi>",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    house.panel(&cookie, "POST", PAGE, &form(text, "import")).await.expect(200);
    for (alias, enabled) in [("on", true), ("off", false)] {
        let made = house.operator("GET", &format!("/v1/aliases/{alias}@my.example"), Value::Null).await.expect(200);
        assert_eq!(made.json()["enabled"], enabled, "{alias}");
    }
}

#[tokio::test]
async fn what_refuses_or_drops_is_told_as_such() {
    let (house, cookie) = with_old().await;
    let text = "alias,action\nno@my.example,reject\nbin@my.example,drop\n";
    let page = house.panel(&cookie, "POST", PAGE, &form(text, "look")).await.expect(200).text();
    assert!(page.contains("no@my.example</bdi><span class=\"muted\"> its mail is refused</span>"), "{page}");
    assert!(page.contains("bin@my.example</bdi><span class=\"muted\"> its mail is thrown away</span>"), "{page}");
    assert!(!page.contains("nowhere"), "{page}");
}
