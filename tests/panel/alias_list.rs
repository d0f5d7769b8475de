//! The list of aliases: filters, what is done with several at once and taken back, and every way to make one.

use serde_json::{Value, json};
use waypost::admin::Actor;
use waypost::store::activity::Row;

use super::aliases::{alias, mail_to, shown, undo};
use crate::web::House;
use crate::web::rows::forwarded;

async fn some(house: &House) -> Vec<String> {
    let mut ids = Vec::new();
    for (address, labels) in
        [("a@my.example", json!(["buy"])), ("b@my.example", json!([])), ("c@my.example", json!([]))]
    {
        ids.push(alias(house, json!({ "address": address, "labels": labels })).await);
    }
    ids
}

fn chosen(ids: &[String], more: &str) -> String {
    let ids: Vec<_> = ids.iter().map(|id| format!("id={id}")).collect();
    format!("back=%2Faliases%3Fq%3Dmy&{}&{more}", ids.join("&"))
}

#[tokio::test]
async fn what_the_list_shows_is_saved_as_a_table() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    some(&house).await;
    house.operator("POST", "/v1/destinations", json!({ "address": "two@inbox.example" })).await.expect(201);
    let both = json!(["owner@inbox.example", "two@inbox.example"]);
    let note = "=HYPERLINK(\"http://evil.example\"), shop";
    alias(&house, json!({ "address": "d@my.example", "destinations": both, "description": note })).await;
    alias(&house, json!({ "address": "+e@my.example", "action": "drop", "labels": ["buy", "no more"] })).await;
    let get = async |who: &str, path: &str| house.panel(who, "GET", path, "").await.expect(200);
    let list = get(&cookie, "/aliases?label=buy").await.text();
    let link = list.split("<a href=\"/aliases/export").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let saved = get(&cookie, &format!("/aliases/export{link}")).await;
    assert_eq!(saved.field("content-type").unwrap(), "text/csv; charset=utf-8");
    assert_eq!(saved.field("content-disposition").unwrap(), "attachment; filename=\"aliases.csv\"");
    let lines = [
        "alias,destination,action,enabled,description,labels",
        "'+e@my.example,,drop,true,,\"buy, no more\"",
        "a@my.example,owner@inbox.example,forward,true,,buy",
    ];
    assert_eq!(saved.text(), lines.join("\r\n") + "\r\n");
    let all = get(&cookie, "/aliases/export").await.text();
    let noted = "d@my.example,owner@inbox.example two@inbox.example,forward,true,\
                 \"'=HYPERLINK(\"\"http://evil.example\"\"), shop\",";
    assert!(all.lines().count() == 6 && all.contains(noted), "{all}");
    let viewer = json!([{ "domain": "my.example", "role": "viewer" }]);
    let viewer = house.signed_in_as("viewer@people.example", viewer).await;
    assert_eq!(get(&viewer, "/aliases/export").await.text().lines().count(), 6, "who sees the list may save it");
    let stranger = house.signed_in_as("stranger@people.example", json!([])).await;
    assert_eq!(get(&stranger, "/aliases/export").await.text().lines().count(), 1);
    house.panel("", "GET", "/aliases/export", "").await.expect(303);
    assert!(!get(&cookie, "/aliases?q=nowhere").await.text().contains("/aliases/export"), "there is nothing to save");
}

#[tokio::test]
async fn several_aliases_are_changed_at_once_and_taken_back() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let ids = some(&house).await;
    house.operator("POST", "/v1/destinations", json!({ "address": "new@inbox.example", "verified": true })).await;
    let is = async |field: &str| {
        let list = house.operator("GET", "/v1/aliases", Value::Null).await.json();
        let mut rows = list["items"].as_array().unwrap().clone();
        rows.sort_by_key(|row| row["address"].to_string());
        rows.into_iter().map(|row| row[field].clone()).collect::<Vec<_>>()
    };
    for (more, words, field, then) in [
        ("what=disable", "2 aliases are switched off.", "enabled", json!([false, false, true])),
        ("what=label&label=buy", "b@my.example is changed: Labels.", "labels", json!([["buy"], ["buy"], []])),
        ("what=unlabel&label=buy", "a@my.example is changed: Labels.", "labels", json!([[], [], []])),
        (
            "what=send&to=new%40inbox.example",
            "2 aliases are changed.",
            "destinations",
            json!([["new@inbox.example"], ["new@inbox.example"], ["owner@inbox.example"]]),
        ),
        ("what=remove", "2 aliases are removed: mail to them is refused", "address", json!(["c@my.example"])),
    ] {
        let before = is(field).await;
        let form = chosen(&ids[..2], more);
        let page = house.follow(&cookie, house.panel(&cookie, "POST", "/aliases/many", &form).await).await;
        assert!(page.contains(words) && page.contains("name=\"q\" value=\"my\""), "{more}: {words}\n{page}");
        assert_eq!(json!(is(field).await), then, "{more}");
        let page = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &undo(&page)).await).await;
        assert!(page.contains("as they were.") || page.contains("as it was."), "{more}\n{page}");
        assert_eq!(is(field).await, before, "{more}");
    }
}

/// An inbox that nobody knew is added, and gets nothing before it is verified: whoever sends mail there hears of it at once.
#[tokio::test]
async fn aliases_that_are_sent_to_an_inbox_that_is_not_verified_say_so() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let ids = some(&house).await;
    let many = async |to: &str| {
        let form = chosen(&ids[..2], &format!("what=send&to={to}"));
        house.follow(&cookie, house.panel(&cookie, "POST", "/aliases/many", &form).await).await
    };
    let page = many("stranger%40inbox.example").await;
    let words = "2 aliases are changed. stranger@inbox.example is not verified and gets no mail until it is: open Destinations \
                 to verify it. Until then their mail is put off, and refused after 3 days.";
    assert!(page.contains(words) && page.contains(">Undo</button>"), "{page}");
    let page = many("owner%40inbox.example%2C+stranger%40inbox.example").await;
    let words = "stranger@inbox.example is not verified and gets no mail until it is: open Destinations to verify it.";
    assert!(page.contains(words) && !page.contains("is put off"), "{page}");
    let page = many("owner%40inbox.example").await;
    assert!(page.contains("2 aliases are changed.") && !page.contains("gets no mail"), "{page}");
    // Where it is one alone, on its own page.
    let alias = shown(&house, "c@my.example").await;
    let form = format!("version={}&destinations=stranger%40inbox.example", alias["version"]);
    let saved = house.panel(&cookie, "POST", &format!("/aliases/{}", ids[2]), &form).await.expect(303);
    let page = house.follow(&cookie, saved).await;
    let words =
        "c@my.example is changed: Destinations. stranger@inbox.example is not verified and gets no mail until it is";
    assert!(page.contains(words), "{page}");
}

#[tokio::test]
async fn a_pattern_that_computes_no_verified_inbox_says_so_in_the_list() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/destinations", json!({ "address": "@team.example", "verified": true })).await;
    alias(&house, json!({ "address": "/y(.*)/@my.example", "destinations": ["$1@team.example"] })).await;
    let list = house.panel(&cookie, "GET", "/aliases", "").await.expect(200).text();
    assert!(!list.contains("</svg>not verified</span>"), "{list}");
    alias(&house, json!({ "address": "/x(.*)/@my.example", "destinations": ["$1@nobody.example"] })).await;
    let list = house.panel(&cookie, "GET", "/aliases", "").await.expect(200).text();
    assert_eq!(list.matches("</svg>not verified</span>").count(), 1, "{list}");
}

/// By the words that its page and its domain have for it.
#[tokio::test]
async fn what_a_catch_all_may_do_is_called_alike_everywhere() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    for path in ["/aliases?new=1", "/aliases/*@my.example", "/domains/my.example"] {
        let page = house.panel(&cookie, "GET", path, "").await.expect(200).text();
        assert!(page.contains("Make an alias, send it on"), "{path}: {page}");
    }
}

/// What is said of a new alias is what would become of its mail.
#[tokio::test]
async fn a_new_alias_is_ready_only_where_its_mail_would_be_sent_on() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/destinations", json!({ "address": "gone@my.example", "verified": true })).await;
    house.operator("POST", "/v1/destinations", json!({ "address": "@team.example", "verified": true })).await;
    let made = async |local: &str, to: &str| {
        let form = format!("local_part={local}&domain=my.example&destination={to}");
        house.follow(&cookie, house.panel(&cookie, "POST", "/aliases", &form).await.expect(303)).await
    };
    for (local, to, words) in [
        ("a", "owner%40inbox.example", "a@my.example is ready to receive mail."),
        ("b-*", "owner%40inbox.example", "b-*@my.example is ready to receive mail."),
        ("c", "new%40inbox.example", "c@my.example is made, but new@inbox.example is not verified and gets no mail"),
        ("loop", "gone%40my.example", "loop@my.example is made, but its mail is refused: "),
        (
            "%2Fx(.*)%2F",
            "%241%40nobody.example",
            "/x(.*)/@my.example is made, but no verified inbox is one that it computes ($1@nobody.example): its mail is refused \
             until there is one.",
        ),
        (
            "%2Fy(.*)%2F",
            "%241%40team.example",
            "/y(.*)/@my.example is ready to receive mail, as far as the inbox that it computes ($1@team.example) is verified.",
        ),
        ("%2Fz(.*)%2F", "owner%40inbox.example", "/z(.*)/@my.example is ready to receive mail."),
        ("*", "owner%40inbox.example", "*@my.example is ready to receive mail."),
    ] {
        let page = made(local, to).await;
        assert!(page.contains(words), "{local}: {words}\n{page}");
        assert_eq!(page.contains("is ready to receive mail"), words.contains("is ready"), "{local}: {page}");
    }
}

#[tokio::test]
async fn what_was_changed_again_since_is_left_alone_by_undo() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let ids = some(&house).await;
    let off = house.panel(&cookie, "POST", "/aliases/many", &chosen(&ids, "what=disable")).await;
    let page = house.follow(&cookie, off).await;
    house.operator("PATCH", &format!("/v1/aliases/{}", ids[1]), json!({ "description": "mine" })).await.expect(200);
    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &undo(&page)).await).await;
    assert!(page.contains("2 aliases are as they were; one was changed again since, and is left as it is."), "{page}");
    assert_eq!(shown(&house, "b@my.example").await["enabled"], false);
    assert_eq!(shown(&house, "a@my.example").await["enabled"], true);
}

#[tokio::test]
async fn nothing_is_changed_where_one_of_several_may_not_be() {
    let house = House::furnished().await;
    let ids = some(&house).await;
    let cookie = house.signed_in().await;
    for (form, status) in [
        (chosen(&[], "what=disable"), 422),
        (chosen(&ids, "what=praise"), 404),
        (chosen(&ids, "what=label&label=+"), 422),
        (chosen(&ids, "what=send&to="), 422),
        (chosen(&ids, "what=send&to=nowhere"), 422),
        (chosen(&[ids[0].clone(), "nobody@my.example".to_owned()], "what=disable"), 404),
    ] {
        house.panel(&cookie, "POST", "/aliases/many", &form).await.expect(status);
    }
    let viewer =
        house.signed_in_as("viewer@people.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    house.panel(&viewer, "POST", "/aliases/many", &chosen(&ids, "what=remove")).await.expect(403);
    let list = house.panel(&viewer, "GET", "/aliases", "").await.expect(200).text();
    assert!(list.contains("a@my.example") && !list.contains("name=\"what\"") && !list.contains("/switch"), "{list}");
    for address in ["a@my.example", "b@my.example", "c@my.example"] {
        assert_eq!(shown(&house, address).await["enabled"], true);
    }
}

#[tokio::test]
async fn what_is_wrong_with_many_is_said_in_the_list_and_they_stay_chosen() {
    let house = House::furnished().await;
    let ids = some(&house).await;
    let cookie = house.signed_in().await;
    for (more, words, kept) in [
        (
            "what=label&label=+",
            "id=\"e-label\"><bdi>Write a label into this field first.",
            "aria-label=\"Remove the filter",
        ),
        (
            "what=enter&label=&to=",
            "<bdi>Press the button of what is to be done with them.</bdi></span>",
            "value=\"enter\" hidden",
        ),
        ("what=send&to=nowhere", "id=\"e-to\"><bdi>“nowhere” is not an address", "name=\"to\" value=\"nowhere\""),
        (
            "what=send&to=",
            "id=\"e-to\"><bdi>Write the destination into",
            "aria-invalid=\"true\" autofocus aria-describedby=\"e-to ",
        ),
    ] {
        let form = chosen(&ids[..2], more).replace("q%3Dmy", "on%3Dtrue");
        let page = house.panel(&cookie, "POST", "/aliases/many", &form).await.expect(422).text();
        assert!(page.contains(words) && page.contains(kept), "{more}: {page}");
        assert_eq!(page.matches(" checked>").count(), 2, "{more}: {page}");
    }
    house.panel(&cookie, "POST", "/aliases/many", &chosen(&ids[..1], "what=enter&label=seen&to=")).await.expect(303);
    let is = house.operator("GET", &format!("/v1/aliases/{}", ids[0]), Value::Null).await.json();
    assert!(
        is["labels"].as_array().unwrap().contains(&json!("seen")),
        "Enter in the one field that is filled in presses its button"
    );
}

#[tokio::test]
async fn the_list_is_narrowed_by_what_aliases_are_and_by_their_mail() {
    let house = House::furnished().await;
    let ids = some(&house).await;
    mail_to(&house, &ids[0], ("x@shop.example", "a@my.example")).await;
    house.clock.advance(std::time::Duration::from_secs(40 * 86_400));
    let cookie = house.signed_in().await;
    mail_to(&house, &ids[1], ("x@shop.example", "b@my.example")).await;
    house
        .operator("PATCH", &format!("/v1/aliases/{}", ids[2]), json!({ "expires_after": "90d", "enabled": false }))
        .await;
    for (address, body) in
        [("d-*@my.example", json!({ "action": "drop" })), ("*@my.example", json!({ "action": "reject" }))]
    {
        let mut body = body;
        body["address"] = json!(address);
        alias(&house, body).await;
    }
    for (query, wanted) in [
        ("mail=never", "c d-* *"),
        ("mail=30", "a c d-* *"),
        ("mail=365", "c d-* *"),
        ("ends=true", "c"),
        ("on=false", "c"),
        ("on=true&kind=address", "a b"),
        ("label=buy", "a"),
        ("action=drop", "d-*"),
        ("kind=catch_all", "*"),
        ("to=owner%40inbox.example", "a b c"),
        ("domain=my.example&q=b%40my", "b"),
    ] {
        let page = house.panel(&cookie, "GET", &format!("/aliases?{query}"), "").await.expect(200).text();
        let found: Vec<_> = ["a", "b", "c", "d-*", "*"]
            .into_iter()
            .filter(|name| page.contains(&format!("aria-label=\"Choose {name}@my.example\"")))
            .collect();
        assert_eq!(found.join(" "), wanted, "{query}");
    }
    let all = house.panel(&cookie, "GET", "/aliases", "").await.expect(200).text();
    assert!(all.contains("<input type=\"checkbox\"> Select the 5 shown</label>"), "{all}");
    let one = house.panel(&cookie, "GET", "/aliases?label=buy", "").await.expect(200).text();
    assert!(one.contains("<input type=\"checkbox\"> Select the one shown</label>"), "{one}");
    let place = |page: &str, name: &str| page.find(&format!("Choose {name}@my.example")).unwrap();
    for (sort, first, then) in [("", "b", "a"), ("oldest", "a", "b"), ("name", "a", "b"), ("backwards", "b", "a")] {
        let page = house.panel(&cookie, "GET", &format!("/aliases?sort={sort}"), "").await.expect(200).text();
        assert!(place(&page, first) < place(&page, then), "{sort}");
    }
    let page = house.panel(&cookie, "GET", "/aliases", "").await.text();
    assert!(page.contains("aria-label=\"1 message in 30 days, at most 1 on one\""), "{page}");
    assert_eq!(page.matches("<path d=\"M0 ").count(), 1, "a line only where mail came of late");
    let wrong = house.panel(&cookie, "GET", "/aliases?kind=nonsense", "").await.expect(200).text();
    assert!(wrong.contains("write one of address, glob") && wrong.contains("Clear filters"), "{wrong}");
    let list = house.operator("GET", "/v1/aliases?last_mail_before=never&ending=true", Value::Null).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    house.operator("GET", "/v1/aliases?last_mail_before=soon", Value::Null).await.expect(422);
}

#[tokio::test]
async fn aliases_are_made_to_several_inboxes_dropped_refused_and_by_chance() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let make =
        async |path: &str, form: &str| house.follow(&cookie, house.panel(&cookie, "POST", path, form).await).await;
    let to = "destination=owner%40inbox.example%2C+b%40inbox.example";
    make("/aliases", &format!("local_part=two&domain=my.example&{to}&labels=x%2C+y&action=")).await;
    let two = shown(&house, "two@my.example").await;
    assert_eq!(two["destinations"], json!(["owner@inbox.example", "b@inbox.example"]));
    assert_eq!(two["labels"], json!(["x", "y"]));
    let page =
        make("/aliases", "local_part=gone&domain=my.example&destination=owner%40inbox.example&action=drop").await;
    assert!(page.contains("gone@my.example is made: its mail is taken and thrown away."), "{page}");
    let gone = shown(&house, "gone@my.example").await;
    assert_eq!((&gone["action"], &gone["destinations"]), (&json!("drop"), &json!([])));
    let form = "local_part=no&domain=my.example&action=reject&reject_message=550+5.7.1+Closed";
    let page = make("/aliases", form).await;
    assert_eq!(shown(&house, "no@my.example").await["reject_message"], "550 5.7.1 Closed");
    make("/undo", &undo(&page)).await;
    house.operator("GET", "/v1/aliases/no@my.example", Value::Null).await.expect(404);
    let page = make("/aliases", "local_part=&domain=my.example&for=shop.example&format=site&description=Shop").await;
    assert!(page.contains("@my.example is ready to receive mail.") && page.contains(">Undo</button>"), "{page}");
    let list = house.operator("GET", "/v1/aliases?search=shop.", Value::Null).await.json();
    assert!(list["items"][0]["address"].as_str().unwrap().starts_with("shop."), "{list}");
    let wrong =
        house.panel(&cookie, "POST", "/aliases/random", "domain=my.example&format=site").await.expect(422).text();
    assert!(wrong.contains("Name the website that it is for") && wrong.contains("<details open>"), "{wrong}");
    let wrong = "local_part=x&domain=my.example&destination=&action=reject&reject_message=gr%C3%BC%C3%9Fe";
    let page = house.panel(&cookie, "POST", "/aliases", wrong).await.expect(422).text();
    assert!(page.contains("Write one line of at most 200 ASCII characters."), "{page}");
}

#[tokio::test]
async fn a_full_list_of_long_addresses_stays_small_and_inert() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let host = format!("{}.example", "long-label.".repeat(16).trim_end_matches('.'));
    for index in 0..41 {
        let address = format!("{:x<60}{index:02}@my.example", "y");
        let to = format!("{:z<64}@{host}", "z");
        let body = json!({ "address": address, "destinations": [to], "description": "<b>\u{202e}".repeat(40), "labels": ["<i>one</i>"] });
        let id = alias(&house, body).await;
        let row = house.admin.alias(&Actor::operator(), &id).await.unwrap();
        let mail = Row { alias: Some(row.key), ..forwarded(&house, "x@my.example") };
        house.admin.store.activity.record(vec![mail]).await.unwrap();
    }
    let page = house.panel(&cookie, "GET", "/aliases", "").await.expect(200).text();
    assert!(page.len() <= 60 * 1024, "{} octets", page.len());
    assert!(
        page.contains("More aliases") && !page.contains("<b>") && !page.contains("<i>") && !page.contains('\u{202e}')
    );
    let more = page.split_once("rel=\"next\"").unwrap().0.rsplit_once("href=\"").unwrap().1;
    let more = more.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert!(house.panel(&cookie, "GET", &more, "").await.expect(200).text().contains("yxxx"));
}

#[tokio::test]
async fn a_pattern_is_tried_before_it_is_saved() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let rows = ["shop-a@my.example", "shop-b@my.example", "<script>@my.example"]
        .map(|recipient| Row { recipient: recipient.to_owned(), ..forwarded(&house, "x@my.example") });
    house.admin.store.activity.record(rows.into()).await.unwrap();
    alias(&house, json!({ "address": "shop-b@my.example" })).await;
    let form = "local_part=shop-*&domain=my.example&description=Keep+me&days=30";
    let page = house.panel(&cookie, "POST", "/aliases/try", form).await.expect(200).text();
    for part in [
        "Of 2 addresses with mail in the last 30 days it matches 2, and would get the mail of 1.",
        "would come here; now it is refused",
        "stays with shop-b@my.example, which is nearer",
        "name=\"local_part\" value=\"shop-*\"",
        "value=\"Keep me\"",
        "<option value=\"30\" selected>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let list = json!({ "address": "*@my.example", "action": "create", "enabled": false });
    house.operator("POST", "/v1/aliases", list).await.expect(201);
    let page = house.panel(&cookie, "POST", "/aliases/try", form).await.expect(200).text();
    assert!(page.contains("would come here; now *@my.example sends none on"), "{page}");
    house.operator("GET", "/v1/aliases/shop-*@my.example", Value::Null).await.expect(404);
    let wrong = house.panel(&cookie, "POST", "/aliases/try", "local_part=%2F(%2F&domain=my.example").await.expect(422);
    assert!(wrong.text().contains("aria-invalid=\"true\""), "{}", wrong.text());
}

#[tokio::test]
async fn a_pattern_is_tried_as_it_is_changed_and_nothing_is_saved() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop-*@my.example" })).await;
    let nearer = alias(&house, json!({ "address": "shop-a*@my.example", "priority": 5 })).await;
    let rows = ["shop-a@my.example", "shop-b@my.example", "other@my.example"].map(|to| forwarded(&house, to));
    house.admin.store.activity.record(rows.to_vec()).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/aliases/{id}"), "").await.expect(200).text();
    assert!(page.contains(&format!("formaction=\"/aliases/{id}/try\"")), "{page}");
    let tried = async |form: &str, status| {
        house.panel(&cookie, "POST", &format!("/aliases/{id}/try"), form).await.expect(status).text()
    };
    let page = tried("priority=0&description=Kept+in+its+field&days=30", 200).await;
    assert!(page.contains("Of 3 addresses with mail in the last 30 days it would get the mail of 2."), "{page}");
    assert!(page.contains("value=\"Kept in its field\"") && page.contains("value=\"30\" selected"), "{page}");
    let page = tried("priority=9", 200).await;
    assert!(
        page.contains("it matches 2, and would get the mail of 1.") && page.contains("stays with shop-a*@my.example"),
        "{page}"
    );
    assert!(tried("priority=many", 422).await.contains("id=\"f-priority\" name=\"priority\" value=\"many\""));
    let is = house.operator("GET", &format!("/v1/aliases/{id}"), Value::Null).await.json();
    assert_eq!((&is["priority"], &is["description"]), (&json!(0), &json!("")), "nothing is saved");
    house.panel(&cookie, "POST", &format!("/aliases/{nearer}x/try"), "").await.expect(404);
}

#[tokio::test]
async fn labels_are_taken_back_in_whatever_order_they_were_written() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "books@my.example", "labels": ["shopping"] })).await;
    let labels = async || {
        house.operator("GET", &format!("/v1/aliases/{id}"), Value::Null).await.expect(200).json()["labels"].clone()
    };
    let (many, own) = ("/aliases/many".to_owned(), format!("/aliases/{id}"));
    for (path, form, then) in [
        (&many, format!("id={id}&back=/aliases&what=label&label=aaa"), json!(["aaa", "shopping"])),
        (&many, format!("id={id}&back=/aliases&what=label&label=zzz%2C+bbb"), json!(["bbb", "shopping", "zzz"])),
        (&own, "labels=zzz%2C+mmm%2C+aaa".to_owned(), json!(["aaa", "mmm", "zzz"])),
    ] {
        let page = house.follow(&cookie, house.panel(&cookie, "POST", path, &form).await).await;
        assert_eq!(labels().await, then, "{form}");
        let page = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &undo(&page)).await).await;
        assert!(page.contains("It is as it was."), "{form}: {page}");
        assert_eq!(labels().await, json!(["shopping"]), "{form}");
    }
    house.panel(&cookie, "POST", &own, "labels=zzz%2C+aaa&block=b%40x.example%0Aa%40x.example").await.expect(303);
    let page = house.panel(&cookie, "GET", "/settings/audit", "").await.expect(200).text();
    let place = page.split("action=\"/settings/audit/").nth(1).unwrap().split('"').next().unwrap();
    house.panel(&cookie, "POST", &format!("/settings/audit/{place}"), "").await.expect(303);
    assert_eq!(labels().await, json!(["shopping"]), "under Changes too");
}

/// RFC 5321 §4.5.1: what a pattern takes at RCPT, and nothing else, is what a trial of it says.
#[tokio::test]
async fn a_trial_leaves_the_contact_and_reports_what_mail_leaves_them() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let sender = "orders@shop.example";
    let srs = house.admin.srs_forward(&Actor::operator(), sender, Some("my.example")).await.unwrap().to_string();
    let came = ["postmaster@my.example", "Abuse@my.example", "post@my.example", &srs.to_lowercase()];
    let rows = came.map(|to| forwarded(&house, to));
    house.admin.store.activity.record(rows.to_vec()).await.unwrap();
    let tried = async |name: &str| {
        let form = format!("local_part={name}&domain=my.example");
        house.panel(&cookie, "POST", "/aliases/try", &form).await.expect(200).text()
    };
    for (name, words) in [
        ("*", "Of 4 addresses with mail in the last 7 days it matches 4, and would get the mail of 1."),
        ("post*", "it matches 2, and would get the mail of 1."),
        ("srs0*", "it matches 1, and would get the mail of none."),
    ] {
        let page = tried(name).await;
        assert!(page.contains(words), "{name}: {page}");
        assert_eq!(page.contains("stays with the contact"), name != "srs0*", "{name}: {page}");
        assert_eq!(page.contains("takes reports that come back"), name != "post*", "{name}: {page}");
    }
    assert!(
        tried("postmaster").await.contains("would come here; now the contact takes it"),
        "an alias of that name wins"
    );
    alias(&house, json!({ "address": "abuse@my.example" })).await;
    assert!(tried("a*").await.contains("stays with abuse@my.example, which is nearer"));
    house.operator("PATCH", "/v1/aliases/abuse@my.example", json!({ "enabled": false })).await.expect(200);
    assert!(tried("a*").await.contains("stays with the contact"), "what is off does not keep it from the contact");
    for to in ["postmaster@my.example", &srs] {
        house.operator("POST", "/v1/aliases", json!({ "address": "*@my.example" })).await;
        let route = house.operator("POST", "/v1/route", json!({ "from": "", "to": to })).await.expect(200).json();
        assert_eq!(route["rule"], Value::Null, "and so does mail: {route}");
    }
}

#[tokio::test]
async fn what_is_searched_and_filtered_is_put_in_order_up_to_a_bound() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let ids = some(&house).await;
    mail_to(&house, &ids[0], ("x@shop.example", "a@my.example")).await;
    house.clock.advance(std::time::Duration::from_secs(60));
    mail_to(&house, &ids[2], ("x@shop.example", "c@my.example")).await;
    let list =
        async |query: &str| house.panel(&cookie, "GET", &format!("/aliases?{query}"), "").await.expect(200).text();
    for (query, wanted) in [
        ("q=my.example&sort=name", "a b c"),
        ("on=true&sort=backwards", "c b a"),
        ("to=owner%40inbox.example&sort=oldest", "a b c"),
        ("kind=address&sort=mail", "c a"),
        ("label=buy&domain=my.example&sort=name", "a"),
        ("mail=never&sort=oldest", "b"),
        ("q=nowhere&sort=name", ""),
    ] {
        let page = list(query).await;
        let found: Vec<_> = page.split("aria-label=\"Choose ").skip(1).map(|rest| &rest[..1]).collect();
        assert_eq!(found.join(" "), wanted, "{query}");
        assert_eq!(page.contains("No alias matches."), wanted.is_empty(), "{query}: {page}");
    }
    let wrong = list("kind=nonsense").await;
    assert!(wrong.contains("write one of address, glob") && !wrong.contains("No alias matches"), "{wrong}");
    for part in 0..6 {
        let made = (0..100).map(|n| json!({ "op": "create", "address": format!("shop{part}{n:02}@my.example") }));
        let batch = json!({ "operations": made.collect::<Vec<_>>(), "atomic": true });
        house.operator("POST", "/v1/aliases/batch", batch).await.expect(200);
    }
    let many = list("q=shop&sort=name").await;
    assert!(many.contains("Too many match to be put in this order") && many.contains("shop599@"), "{many}");
    assert!(!many.contains("No alias matches"), "{many}");
    let saved = house.panel(&cookie, "GET", "/aliases/export?q=shop&sort=name", "").await.expect(200).text();
    assert_eq!(saved.lines().count(), 601, "all of them are saved");
    assert!(list("q=shop1&sort=name").await.contains("aria-label=\"Choose shop100@"), "fewer are put in order");
}
