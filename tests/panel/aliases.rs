//! One alias on its page, and what a click on mail says of its sender or its address; and taking it all back.

use serde_json::{Value, json};
use waypost::policy::status::{RuleRef, Status, TraceStep};
use waypost::store::activity::{Auth, Row};

use crate::web::rows::forwarded;
use crate::web::{House, in_path};

/// Makes an alias as the operator; gives its id.
pub(crate) async fn alias(house: &House, body: Value) -> String {
    let made = house.operator("POST", "/v1/aliases", body).await.expect(201).json();
    made["id"].as_str().unwrap().to_owned()
}

/// A row of mail to this alias.
pub(crate) async fn mail_to(house: &House, id: &str, (sender, recipient): (&str, &str)) -> Row {
    let row = house.admin.alias(&waypost::admin::Actor::operator(), id).await.unwrap();
    let rule = RuleRef { id: row.id, kind: row.spec.kind, pattern: recipient.to_owned() };
    let row = Row {
        alias: Some(row.key),
        domain: Some(row.domain),
        sender: sender.to_owned(),
        recipient: recipient.to_owned(),
        rule: Some(rule),
        ..forwarded(house, "any@my.example")
    };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    row
}

/// What Undo sends, from the page that offers it.
pub(crate) fn undo(page: &str) -> String {
    let value = |name: &str| {
        let rest = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
        rest.split('"').next().unwrap().to_owned()
    };
    format!("entries={}&back={}", value("entries"), in_path(&value("back")))
}

pub(crate) async fn shown(house: &House, address: &str) -> Value {
    house.operator("GET", &format!("/v1/aliases/{}", in_path(address)), Value::Null).await.expect(200).json()
}

#[tokio::test]
async fn an_alias_has_a_page_by_its_address_and_by_its_id() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let body = json!({ "address": "shop@my.example", "description": "Shops", "labels": ["buy"], "quota": 5 });
    let id = alias(&house, body).await;
    mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    for path in [format!("/aliases/{id}"), "/aliases/shop@my.example".to_owned()] {
        let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
        for part in [
            "<h1><bdi id=\"name\">shop@my.example</bdi></h1>",
            "On: its mail is sent on; 1 of the 5 that it takes within 24 hours have come.",
            "owner@inbox.example</textarea>",
            "1 forwarded",
            "value=\"Shops\"",
            "value=\"buy\"",
            "name=\"quota\" value=\"5\"",
            "Your order",
            &format!("/activity?alias={id}"),
            "orders@shop.example",
            "and shop+anything@my.example where that is no alias itself",
            "Remove this alias",
        ] {
            assert!(page.contains(part), "{path}: {part}\n{page}");
        }
    }
    let regex = in_path("/^n([0-9]+)/x$/@my.example");
    alias(&house, json!({ "address": "/^n([0-9]+)/x$/@my.example", "destinations": ["owner@inbox.example"] })).await;
    let page = house.panel(&cookie, "GET", &format!("/aliases/{regex}"), "").await.expect(200).text();
    assert!(page.contains("fits the regular expression") && page.contains("$1"), "{page}");
    house.panel(&cookie, "GET", "/aliases/nobody@my.example", "").await.expect(404);
}

/// What a catch-all makes aliases of has its mail there: its own page has none of it, and leads to them.
#[tokio::test]
async fn a_catch_all_that_makes_aliases_leads_to_them() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let leads = "with its next mail, and has its mail from then on: see <a href=\"/aliases?domain=my.example\">";
    let id = alias(&house, json!({ "address": "*@my.example", "action": "create" })).await;
    let page = async || house.panel(&cookie, "GET", &format!("/aliases/{id}"), "").await.expect(200).text();
    let makes = page().await;
    assert!(makes.contains(leads) && !makes.contains("None lately."), "{makes}");
    house.operator("PATCH", &format!("/v1/aliases/{id}"), json!({ "action": "forward" })).await.expect(200);
    let forwards = page().await;
    assert!(!forwards.contains(leads) && forwards.contains("None lately."), "{forwards}");
}

/// A message with a copy that is still here has not all been sent on.
#[tokio::test]
async fn what_waits_or_is_held_of_an_alias_is_counted_beside_what_is_done() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let row = mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    let copy = |status| Row {
        id: house.admin.chance.id(house.clock.now()),
        destination: Some("other@inbox.example".to_owned()),
        status,
        ..row.clone()
    };
    let header = async || {
        let page = house.panel(&cookie, "GET", &format!("/aliases/{id}"), "").await.expect(200).text();
        page.split("<p class=\"muted lead-in\">").nth(1).unwrap().split("last mail").next().unwrap().to_owned()
    };
    assert_eq!(header().await, "1 forwarded · ");
    for (status, told) in [
        (Status::Deferred, "1 forwarded · 1 waiting · "),
        (Status::Queued, "1 forwarded · 2 waiting · "),
        (Status::Held, "1 forwarded · 2 waiting · 1 held · "),
    ] {
        house.admin.store.activity.record(vec![copy(status)]).await.unwrap();
        assert_eq!(header().await, told);
    }
}

/// By its date, by the mail it had, by the mail it did not have: it is nowhere told to send mail on.
#[tokio::test]
async fn an_alias_that_has_ended_is_told_as_ended() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let ends = [
        ("once", json!({ "expires_after": 1 }), "after one message"),
        ("dated", json!({ "expires_at": "2026-11-23" }), "at 23 Nov 2026, 00:00:00 UTC"),
        ("idle", json!({ "expires_after": "12h" }), "after 12 hours without mail"),
    ];
    for (local, end, _) in &ends {
        let mut body = json!({ "address": format!("{local}@my.example") });
        body.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
        let id = alias(&house, body).await;
        assert_eq!(shown(&house, &format!("{local}@my.example")).await["ended"], Value::Null);
        mail_to(&house, &id, ("orders@shop.example", &format!("{local}@my.example"))).await;
    }
    house.clock.advance(std::time::Duration::from_secs(86_400));
    for (local, _, how) in ends {
        let address = format!("{local}@my.example");
        assert_eq!(shown(&house, &address).await["ended"], format!("ended {how}"));
        let page = house.panel(&cookie, "GET", &format!("/aliases/{address}"), "").await.expect(200).text();
        let told = format!("Expired: its mail is refused as if there were no such address. It ended {how}.");
        assert!(page.contains(&told) && !page.contains("its mail is sent on"), "{told}\n{page}");
    }
    let list = house.panel(&cookie, "GET", "/aliases?q=my.example", "").await.expect(200).text();
    assert_eq!(list.matches("</svg>ended</span>").count(), 3, "{list}");
}

/// Mail beyond what it takes a day is put off: the page does not say that it is sent on.
#[tokio::test]
async fn an_alias_that_has_had_its_mail_of_a_day_says_so() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example", "quota": 2 })).await;
    let page = async || house.panel(&cookie, "GET", &format!("/aliases/{id}"), "").await.expect(200).text();
    mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    let one = "On: its mail is sent on; 1 of the 2 that it takes within 24 hours have come.";
    assert!(page().await.contains(one), "{}", page().await);
    mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    let all = "Waits: 2 of the 2 that it takes within 24 hours have come, so its mail is put off for now.";
    assert!(page().await.contains(all), "{}", page().await);
    let mine = shown(&house, "shop@my.example").await;
    assert_eq!(mine["quota_used"], 2);
    // What is only shown is no field that a change sets, and none that it stumbles over.
    house.operator("PATCH", "/v1/aliases/shop@my.example", mine).await.expect(200);
}

/// It ends with so many messages in all: a number that has come already would end it at once, without a word.
#[tokio::test]
async fn an_end_by_a_count_says_how_many_came_and_is_no_number_that_is_reached() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    for _ in 0..3 {
        mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    }
    let path = format!("/aliases/{id}");
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    assert!(
        page.contains("A number of messages in all, such as 100 (3 have come), or a time without any, such as 30d."),
        "{page}"
    );
    let why = "3 messages have come already, and it ends with so many in all: write a larger number";
    for after in [1, 3] {
        let change = json!({ "expires_after": after });
        let refused = house.operator("PATCH", "/v1/aliases/shop@my.example", change.clone()).await.expect(422);
        assert_eq!(refused.pointers(), ["/expires_after"]);
        assert!(refused.text().contains(why), "{}", refused.text());
        let mut change = change;
        change.as_object_mut().unwrap().extend([("op".to_owned(), json!("update")), ("id".to_owned(), json!(id))]);
        let batch = json!({ "operations": [change] });
        let refused = house.operator("POST", "/v1/aliases/batch", batch).await.expect(422);
        assert_eq!(refused.pointers(), ["/operations/0/expires_after"]);
    }
    let page = house.panel(&cookie, "POST", &path, "version=1&expires_after=3").await.expect(422).text();
    assert!(page.contains("aria-describedby=\"h-expires_after\"") && page.contains(&why[2..]), "{page}");
    assert_eq!(shown(&house, "shop@my.example").await["ended"], Value::Null);
    let change = json!({ "expires_after": 4, "quota": "many" });
    let refused = house.operator("PATCH", "/v1/aliases/shop@my.example", change).await.expect(422);
    assert_eq!(refused.pointers(), ["/quota"]);
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "expires_after": 4 })).await.expect(200);
    mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    let ended = shown(&house, "shop@my.example").await;
    assert_eq!(ended["ended"], "ended after 4 messages");
    // What has ended is changed otherwise as it is, and set on again by a larger number.
    house.operator("PATCH", "/v1/aliases/shop@my.example", ended).await.expect(200);
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "description": "old" })).await.expect(200);
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "expires_after": "30d" })).await.expect(200);
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "expires_after": 5 })).await.expect(200);
    assert_eq!(shown(&house, "shop@my.example").await["ended"], Value::Null);
}

#[tokio::test]
async fn what_is_set_on_the_page_counts_and_is_taken_back() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let path = format!("/aliases/{id}");
    let form = "version=1&description=Shops&labels=buy,+old&quota=9&expires_at=2027-01-31&expires_after=30d&then=drop\
                &privacy=subject&block=%40ads.example%0D%0Aeve%40shop.example&allow=&policy.dmarc=enforce&policy.spf=";
    let page = house.follow(&cookie, house.panel(&cookie, "POST", &path, form).await).await;
    assert!(page.contains("shop@my.example is changed: Note, Labels, ") && page.contains(">Undo</button>"), "{page}");
    let is = shown(&house, "shop@my.example").await;
    assert_eq!(is["labels"], json!(["buy", "old"]));
    assert_eq!((&is["quota"], &is["then"], &is["privacy"]), (&json!(9), &json!("drop"), &json!("subject")));
    assert_eq!((&is["expires_after"], &is["policy"]["dmarc"]), (&json!("30d"), &json!("enforce")));
    assert_eq!(is["block"], json!(["@ads.example", "eve@shop.example"]));

    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &undo(&page)).await).await;
    assert!(page.contains("It is as it was."), "{page}");
    let is = shown(&house, "shop@my.example").await;
    assert_eq!((&is["quota"], &is["labels"], &is["policy"]), (&Value::Null, &json!([]), &json!({})));
    let to = "version=3&action=forward&destinations=owner%40inbox.example%0D%0Aother%40inbox.example&reject_message=";
    let page = house.follow(&cookie, house.panel(&cookie, "POST", &path, to).await).await;
    assert!(page.contains("<bdi>other@inbox.example</bdi> is not verified and gets no mail."), "{page}");
}

#[tokio::test]
async fn the_page_has_one_form_for_all_that_is_set_whichever_button_is_pressed() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let path = format!("/aliases/{}", alias(&house, json!({ "address": "shop@my.example" })).await);
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    assert_eq!(page.matches(&format!("action=\"{path}\">")).count(), 1, "{page}");
    let own = page.split_once("<form id=\"set\"").unwrap().1.split_once("</form>").unwrap().0;
    for field in ["action", "reject_message", "destinations", "description", "block", "version"] {
        let tag = page.split('<').find(|tag| tag.contains(&format!("name=\"{field}\""))).unwrap();
        assert!(tag.contains(" form=\"set\"") || own.contains(tag), "{field}: {tag}");
    }
    assert_eq!(page.matches(">Save</button>").count(), 2, "{page}");
    assert!(page.contains("<button class=\"button primary\" form=\"set\">Save</button>") && own.contains(">Save<"));
    let all = "version=1&action=drop&destinations=&reject_message=&description=Shops&labels=&quota=9";
    house.panel(&cookie, "POST", &path, all).await.expect(303);
    let is = shown(&house, "shop@my.example").await;
    assert_eq!((&is["action"], &is["description"], &is["quota"]), (&json!("drop"), &json!("Shops"), &json!(9)));
}

#[tokio::test]
async fn what_is_saved_as_it_stood_offers_no_undo_of_the_change_before() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let path = format!("/aliases/{}", alias(&house, json!({ "address": "shop@my.example" })).await);
    house.panel(&cookie, "POST", &path, "version=1&description=Shops").await.expect(303);
    let again = house.panel(&cookie, "POST", &path, "version=2&description=Shops").await;
    let page = house.follow(&cookie, again).await;
    assert!(page.contains("value=\"Shops\"") && !page.contains(">Undo</button>"), "{page}");
}

#[tokio::test]
async fn what_is_wrong_with_an_alias_stands_beside_its_field_and_stays_written() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let path = format!("/aliases/{id}");
    let form = "version=1&description=Keep+me&quota=none&expires_at=tomorrow&block=nobody&policy.dmarc=perhaps";
    let page = house.panel(&cookie, "POST", &path, form).await.expect(422).text();
    for part in [
        "Nothing was saved yet: mend what is marked.",
        "Write a whole number from 1.",
        "“tomorrow” is not a time",
        "an entry is an address, @domain",
        "value=\"Keep me\"",
        "name=\"quota\" value=\"none\"",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let late = "version=7&description=late&quota=&labels=a,b&then=drop&policy.dmarc=enforce&block=&privacy=off";
    let stale = house.panel(&cookie, "POST", &path, late).await.expect(409).text();
    assert!(stale.contains("Somebody changed this meanwhile") && stale.contains("value=\"late\""), "{stale}");
    let differs = stale.split_once("What differs</h2>").unwrap().1.split_once("</dl>").unwrap().0;
    for (label, stored, written) in [
        ("Note", "nothing", "late"),
        ("Labels", "nothing", "a,b"),
        ("Once it has ended", "Refuse it, no such address", "Take it, throw it away"),
        ("DMARC", "as the domain has it", "refused if its domain asks"),
    ] {
        let told = format!("<dt>{label}</dt><dd>Stored now: <bdi>{stored}</bdi><br>You wrote: <bdi>{written}</bdi>");
        assert!(differs.contains(&told), "{label}: {differs}");
    }
    assert_eq!(differs.matches("<dt>").count(), 4, "what is the same is not told: {differs}");
    assert_eq!(shown(&house, "shop@my.example").await["description"], "");
}

#[tokio::test]
async fn an_alias_that_is_removed_comes_back_by_undo() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example", "description": "Shops", "quota": 4 })).await;
    let removed = house.panel(&cookie, "POST", &format!("/aliases/{id}/remove"), "").await;
    let page = house.follow(&cookie, removed).await;
    assert!(page.contains("shop@my.example is removed: its mail is refused"), "{page}");
    house.operator("GET", "/v1/aliases/shop@my.example", Value::Null).await.expect(404);
    let form = undo(&page);
    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &form).await).await;
    assert!(page.contains("It is as it was."), "{page}");
    let is = shown(&house, "shop@my.example").await;
    assert_eq!((&is["description"], &is["quota"]), (&json!("Shops"), &json!(4)));
    house.panel(&cookie, "POST", "/undo", &form).await.expect(303);
    house.panel(&cookie, "POST", "/undo", "entries=nonsense&back=https://evil.example").await.expect(404);
}

#[tokio::test]
async fn the_sender_of_a_message_is_blocked_let_in_and_forgotten_in_one_click() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let row = mail_to(&house, &id, ("Orders@shop.example", "shop@my.example")).await;
    let message = format!("/activity/{}", row.id);
    let page = house.panel(&cookie, "GET", &message, "").await.expect(200).text();
    for word in ["Block sender", "Block domain", "Allow sender"] {
        assert!(page.contains(&format!(">{word}</button>")), "{word}\n{page}");
    }
    let say = |entry: &str, what: &str| format!("entry={}&what={what}&back={}", in_path(entry), in_path(&message));
    let place = format!("/aliases/{id}/sender");
    for (entry, what, words, key) in [
        ("Orders@shop.example", "block", "Mail from orders@shop.example to shop@my.example is refused", "block"),
        ("@shop.example", "block", "Mail from @shop.example to shop@my.example is refused", "block"),
        ("orders@shop.example", "allow", "orders@shop.example to shop@my.example is let in from now on", "allow"),
    ] {
        let page = house.follow(&cookie, house.panel(&cookie, "POST", &place, &say(entry, what)).await).await;
        assert!(page.contains(words), "{words}\n{page}");
        let is = shown(&house, "shop@my.example").await;
        assert_eq!(is[key], json!([entry.to_lowercase()]), "{what}");
        let back = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &undo(&page)).await).await;
        assert!(back.contains("It is as it was.") && back.contains(">Block sender</button>"), "{back}");
    }
    house.panel(&cookie, "POST", &place, &say("@shop.example", "block")).await.expect(303);
    let page = house.panel(&cookie, "GET", &message, "").await.expect(200).text();
    assert!(page.contains("blocked, as all of @shop.example is") && page.contains(">Unblock</button>"), "{page}");
    let page = house.follow(&cookie, house.panel(&cookie, "POST", &place, &say("@shop.example", "forget")).await).await;
    assert!(page.contains("shop@my.example has @shop.example on no list any more."), "{page}");
    for (entry, what, stands) in [
        ("Orders@shop.example", "block", "blocked"),
        ("Orders@shop.example", "allow", "let in"),
        ("orders*@shop.example", "allow", "let in, as all that matches orders*@shop.example is"),
    ] {
        let other = if what == "allow" { "block" } else { "allow" };
        let lists = json!({ what: [entry], other: [] });
        house.operator("PATCH", "/v1/aliases/shop@my.example", lists).await.expect(200);
        let page = house.panel(&cookie, "GET", &message, "").await.expect(200).text();
        assert!(page.contains(&format!("<bdi>{stands}</bdi>")), "nobody blocks themselves: {page}");
    }
    house.panel(&cookie, "POST", &place, &say("nobody", "block")).await.expect(422);
    house.panel(&cookie, "POST", &place, &say("a@b.example", "praise")).await.expect(404);
}

#[tokio::test]
async fn the_author_of_a_message_is_blocked_before_the_sender_of_its_envelope() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let row = mail_to(&house, &id, ("bounce-7@esp.example", "shop@my.example")).await;
    let author = Some(waypost::mail::Author::read("Anna <anna@author.example>"));
    let offered = async |auth: Auth| {
        let again = Row { id: house.admin.chance.id(house.clock.now()), author: author.clone(), auth, ..row.clone() };
        house.admin.store.activity.record(vec![again.clone()]).await.unwrap();
        let page = house.panel(&cookie, "GET", &format!("/activity/{}", again.id), "").await.expect(200).text();
        let labels = page.split("<button class=\"button\" aria-label=\"").skip(1);
        labels.map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let signed = |domain: &str| Auth { dkim: vec![format!("pass d={domain} s=mail")], ..Auth::default() };
    let blocks = ["Block author: anna@author.example", "Block author&#39;s domain: @author.example"];
    let envelope = "Block envelope sender: bounce-7@esp.example";
    assert_eq!(offered(Auth::default()).await, [blocks[0], blocks[1], envelope], "nothing is proved");
    let by_author = [blocks[0], blocks[1], "Allow author&#39;s domain: @author.example", envelope];
    assert_eq!(offered(signed("author.example")).await, by_author);
    let by_service = [blocks[0], blocks[1], envelope, "Allow envelope sender: bounce-7@esp.example"];
    assert_eq!(offered(signed("esp.example")).await, by_service);

    let page = house.panel(&cookie, "GET", &format!("/aliases/{id}"), "").await.expect(200).text();
    assert!(page.contains("Block sender: anna@author.example"), "{page}");
    let block = format!("entry={}&what=block&back=/aliases", in_path("anna@author.example"));
    house.panel(&cookie, "POST", &format!("/aliases/{id}/sender"), &block).await.expect(303);
    assert_eq!(offered(Auth::default()).await, ["Unblock: anna@author.example", envelope]);
}

#[tokio::test]
async fn to_allow_a_sender_is_no_remedy_for_mail_that_proved_nothing() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let seen = mail_to(&house, &id, ("bob@shop.example", "shop@my.example")).await;
    let page = async |auth: Auth, step: TraceStep| {
        let other = forwarded(&house, "shop@my.example");
        let (status, trace) = (Status::Refused, vec![step]);
        let row = Row { id: other.id, transaction: other.transaction, status, trace, auth, ..seen.clone() };
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text()
    };
    let policy = || TraceStep::new("policy", "refuses", "unauthenticated");
    let (says, allows) = ("This message did not prove who sent it", ">Allow sender</button>");
    let bare = page(Auth { spf: Some("none".to_owned()), ..Auth::default() }, policy()).await;
    assert!(bare.contains(says) && !bare.contains(allows), "{bare}");
    assert!(
        bare.contains("The check “Mail that proves nothing”, which counts for shop@my.example, refused it."),
        "{bare}"
    );
    let forged = page(Auth { dkim: vec!["pass d=other.example s=mail".to_owned()], ..Auth::default() }, policy()).await;
    assert!(forged.contains(says), "somebody else's signature: {forged}");
    for auth in [
        Auth { spf: Some("pass".to_owned()), ..Auth::default() },
        Auth { dkim: vec!["pass d=shop.example s=mail".to_owned()], ..Auth::default() },
    ] {
        let proven = page(auth, policy()).await;
        assert!(!proven.contains(says) && proven.contains(allows), "{proven}");
    }
    let blocked = page(Auth::default(), TraceStep::new("sender", "blocked", "@shop.example (alias)")).await;
    assert!(!blocked.contains(says) && blocked.contains(allows), "{blocked}");
    let place = format!("/aliases/{id}/sender");
    let form = format!("entry=bob@shop.example&what=allow&back=/activity/{}", seen.id);
    let page = house.follow(&cookie, house.panel(&cookie, "POST", &place, &form).await).await;
    assert!(
        page.contains("no block of this alias or its domain keeps it out. What a policy refuses comes in"),
        "{page}"
    );
}

#[tokio::test]
async fn mail_that_a_catch_all_took_is_kept_or_blocked_in_one_click() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    let first = mail_to(&house, &id, ("a@shop.example", "Books+x@my.example")).await;
    mail_to(&house, &id, ("b@spam.example", "spam@my.example")).await;
    let page = house.panel(&cookie, "GET", "/aliases/*@my.example", "").await.expect(200).text();
    assert!(page.contains("books@my.example") && page.contains("aria-label=\"Block spam@my.example\""), "{page}");
    let place = format!("/aliases/{id}/address");
    let keep = format!("address=books%40my.example&what=keep&back=/activity/{}", first.id);
    let page = house.follow(&cookie, house.panel(&cookie, "POST", &place, &keep).await).await;
    assert!(page.contains("books@my.example is made.") && page.contains("is an alias of its own by now"), "{page}");
    let kept = shown(&house, "books@my.example").await;
    assert_eq!(kept["destinations"], json!(["owner@inbox.example"]));
    let block = "address=spam%40my.example&what=block&back=";
    let told = house.follow(&cookie, house.panel(&cookie, "POST", &place, block).await).await;
    assert!(told.contains("spam@my.example is made: its mail is refused from now on."), "{told}");
    assert_eq!(shown(&house, "spam@my.example").await["action"], "reject");
    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/undo", &undo(&page)).await).await;
    assert!(page.contains("It is as it was.") && page.contains("has no alias of its own"), "{page}");
    let new = house.panel(&cookie, "GET", "/aliases?new=1&local_part=books&domain=my.example", "").await.text();
    assert!(new.contains("name=\"local_part\" value=\"books\""), "{new}");
}

#[tokio::test]
async fn of_mail_that_a_catch_all_took_its_own_address_is_meant() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    let row = mail_to(&house, &id, ("a@shop.example", "info@my.example")).await;
    let message = format!("/activity/{}", row.id);
    let page = house.panel(&cookie, "GET", &message, "").await.expect(200).text();
    assert!(page.contains("<dt>To</dt><dd><a href=\"/activity?q=info@my.example\">"), "{page}");
    for (what, words) in [
        ("block", "Mail from a@shop.example to the catch-all of my.example is refused from now on."),
        ("forget", "The catch-all of my.example has a@shop.example on no list any more."),
    ] {
        let form = format!("entry=a@shop.example&what={what}&back={message}");
        let said = house.panel(&cookie, "POST", &format!("/aliases/{id}/sender"), &form).await;
        let page = house.follow(&cookie, said).await;
        assert!(page.contains(words), "{words}\n{page}");
    }
}

#[tokio::test]
async fn what_a_catch_all_refused_is_no_address_that_it_took_mail_for() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    let taken = mail_to(&house, &id, ("a@shop.example", "books@my.example")).await;
    let id = forwarded(&house, "any@my.example").id;
    let guess = Row { id, status: Status::Refused, recipient: "guess@my.example".to_owned(), ..taken };
    house.admin.store.activity.record(vec![guess]).await.unwrap();
    let page = house.panel(&cookie, "GET", "/aliases/*@my.example", "").await.expect(200).text();
    assert!(page.contains("aria-label=\"Block books@my.example\""), "{page}");
    assert!(!page.contains("aria-label=\"Block guess@my.example\""), "{page}");
}

#[tokio::test]
async fn a_sender_is_blocked_at_the_alias_that_an_address_of_a_catch_all_has_become() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    let first = mail_to(&house, &id, ("a@shop.example", "books@my.example")).await;
    let own = alias(&house, json!({ "address": "books@my.example", "destinations": ["owner@inbox.example"] })).await;
    let message = format!("/activity/{}", first.id);
    let page = house.panel(&cookie, "GET", &message, "").await.expect(200).text();
    assert!(
        page.contains("What <bdi>books@my.example</bdi> does with this sender"),
        "its next mail meets that: {page}"
    );
    assert!(page.contains("is an alias of its own by now"), "{page}");
    let place = format!("/aliases/{own}/sender");
    assert!(page.contains(&format!("action=\"{place}\"")), "{page}");
    let form = format!("entry=a@shop.example&what=block&back={message}");
    let page = house.follow(&cookie, house.panel(&cookie, "POST", &place, &form).await).await;
    assert!(page.contains("Mail from a@shop.example to books@my.example is refused from now on."), "{page}");
    assert_eq!(shown(&house, "books@my.example").await["block"], json!(["a@shop.example"]));
}

#[tokio::test]
async fn who_may_only_look_is_shown_everything_and_changes_nothing() {
    let house = House::furnished().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    let row = mail_to(&house, &id, ("orders@shop.example", "shop@my.example")).await;
    let viewer =
        house.signed_in_as("viewer@people.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    let page = house.panel(&viewer, "GET", &format!("/aliases/{id}"), "").await.expect(200).text();
    assert!(page.contains("You may look at this alias.") && page.contains("orders@shop.example"), "{page}");
    assert!(!page.contains("action=\"/aliases/"), "{page}");
    let page = house.panel(&viewer, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(!page.contains("Block sender"), "{page}");
    for (path, form) in [
        ("", "description=x"),
        ("/switch", "on=false"),
        ("/remove", ""),
        ("/sender", "entry=a@b.example&what=block"),
        ("/address", "address=x@my.example&what=keep"),
    ] {
        house.panel(&viewer, "POST", &format!("/aliases/{id}{path}"), form).await.expect(403);
    }
    let stranger = house.signed_in_as("stranger@people.example", json!([])).await;
    house.panel(&stranger, "GET", &format!("/aliases/{id}"), "").await.expect(404);
    house.panel(&stranger, "POST", &format!("/aliases/{id}/remove"), "").await.expect(404);
    let span =
        house.admin.entry_of(&waypost::admin::Actor::operator(), ("alias", "shop@my.example")).await.unwrap().unwrap();
    let form = format!("entries={}-{}&back=/aliases", span.first, span.last);
    let page = house.follow(&stranger, house.panel(&stranger, "POST", "/undo", &form).await).await;
    assert!(page.contains("Nothing was taken back") && !page.contains("shop@my.example"), "{page}");
    shown(&house, "shop@my.example").await;
}

#[tokio::test]
async fn hostile_addresses_stay_inert_on_the_page_of_an_alias() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "*@my.example", "destinations": ["owner@inbox.example"] })).await;
    let evil = "<script>alert(1)</script>\u{202e}\u{1b}\"'@shop.example";
    let long = format!("{}@{}.example", "x".repeat(64), "long-label.".repeat(16).trim_end_matches('.'));
    for (sender, recipient) in [(evil, "a@my.example"), (long.as_str(), "b@my.example"), ("a@b.example", evil)] {
        mail_to(&house, &id, (sender, recipient)).await;
    }
    let evil_note = json!({ "address": "note@my.example", "description": "<b>\u{202e}note", "labels": ["<i>"] });
    let noted = alias(&house, evil_note).await;
    for path in [format!("/aliases/{id}"), format!("/aliases/{noted}"), "/aliases".to_owned()] {
        let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("<i>"), "{path}");
        assert_eq!(page.matches("<script ").count(), 1, "our own alone: {path}");
        assert!(!page.contains('\u{1b}'), "{path}");
    }
    let blocked = house
        .panel(&cookie, "POST", &format!("/aliases/{id}/sender"), &format!("entry={}&what=block&back=", in_path(&long)))
        .await;
    assert!(house.follow(&cookie, blocked).await.contains("is refused from now on"));
}

#[tokio::test]
async fn a_new_alias_takes_a_random_name_or_an_end_where_it_is_made() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let page = house.panel(&cookie, "GET", "/aliases?new=1", "").await.expect(200).text();
    let (first, folded) =
        page.split("class=\"button primary\">Create alias").nth(1).unwrap().split_once("<details").unwrap();
    assert!(first.contains("formaction=\"/aliases/random\"") && !folded.contains("/aliases/random"), "{page}");
    let form = "local_part=once&domain=my.example&destination=owner%40inbox.example&expires_after=1&expires_at=2027-01-31\
                &block=%40ads.example&allow=good%40ads.example";
    house.panel(&cookie, "POST", "/aliases", form).await.expect(303);
    let made = house.operator("GET", "/v1/aliases/once@my.example", Value::Null).await.expect(200).json();
    assert_eq!((&made["expires_after"], &made["expires_at"]), (&json!(1), &json!("2027-01-31T00:00:00.000Z")));
    assert_eq!((&made["block"], &made["allow"]), (&json!(["@ads.example"]), &json!(["good@ads.example"])));
    let form = "domain=my.example&for=Gr%C3%B6%C3%9Fe+Shop.example&expires_after=30d";
    let told = house.follow(&cookie, house.panel(&cookie, "POST", "/aliases/random", form).await).await;
    assert!(told.contains("groesse-shop."), "{told}");
    let wrong = "local_part=late&domain=my.example&destination=owner%40inbox.example&expires_at=2020-01-31";
    let page = house.panel(&cookie, "POST", "/aliases", wrong).await.expect(422).text();
    assert!(page.contains("aria-invalid=\"true\" aria-describedby=\"h-expires_at\""), "{page}");
}

#[tokio::test]
async fn an_alias_beyond_ascii_says_who_cannot_write_to_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let form = "local_part=gr%C3%BC%C3%9Fe&domain=my.example&destination=owner%40inbox.example";
    let told = house.follow(&cookie, house.panel(&cookie, "POST", "/aliases", form).await).await;
    let words = "Only senders whose mail servers know internationalised addresses (SMTPUTF8) reach it";
    assert!(told.contains("grüße@my.example is ready to receive mail.") && told.contains(words), "{told}");
    let page = house.panel(&cookie, "GET", "/aliases/gr%C3%BC%C3%9Fe@my.example", "").await.expect(200).text();
    assert!(page.contains(words), "{page}");
    house.operator("POST", "/v1/aliases", json!({ "address": "plain@my.example" })).await.expect(201);
    let page = house.panel(&cookie, "GET", "/aliases/plain@my.example", "").await.expect(200).text();
    assert!(!page.contains("SMTPUTF8"), "{page}");
}

#[tokio::test]
async fn what_changes_several_things_names_them_all() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let id = alias(&house, json!({ "address": "shop@my.example" })).await;
    for (form, words) in [
        ("block=%40ads.example&labels=buy", "shop@my.example is changed: Labels, Kept out."),
        ("block=%40ads.example%0A%40more.example", "Mail from @more.example to shop@my.example is refused"),
        ("block=%40one.example%0A%40two.example", "shop@my.example is changed: Kept out."),
        ("description=Shops", "shop@my.example is changed: Note."),
    ] {
        let saved = house.panel(&cookie, "POST", &format!("/aliases/{id}"), form).await.expect(303);
        let page = house.follow(&cookie, saved).await;
        assert!(page.contains(words), "{words}: {page}");
    }
}
