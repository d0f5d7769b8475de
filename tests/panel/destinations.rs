//! One destination: how it stands in its next hop's words, where it is used, another one in its place.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::policy::no_mail::NoMail;
use waypost::policy::status::Status;
use waypost::policy::verdict::Fault;
use waypost::store::activity::{Attempt, Row};
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::{attempt, forwarded, handed_back, queued};

const HOUR: Duration = Duration::from_secs(3600);

async fn path_of(house: &House, address: &str) -> String {
    let found = house.operator("GET", &format!("/v1/destinations/{address}"), Value::Null).await.expect(200).json();
    format!("/destinations/{}", found["id"].as_str().unwrap())
}

async fn open(house: &House, cookie: &str, path: &str) -> String {
    house.panel(cookie, "GET", path, "").await.expect(200).text()
}

#[tokio::test]
async fn an_inbox_that_refuses_says_so_in_its_next_hop_s_words() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let path = path_of(&house, "owner@inbox.example").await;
    let well = open(&house, &cookie, &path).await;
    assert!(well.contains(">verified<") && well.contains("none yet") && !well.contains("It says"), "{well}");
    let words = "550 5.1.1 <b>gone</b>\u{202e}";
    let refused = Attempt { fault: Some(Fault::Mailbox), ..attempt(house.clock.now(), "refused", words) };
    let row = Row { status: Status::Refused, attempts: vec![refused], ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    for page in [open(&house, &cookie, &path).await, open(&house, &cookie, "/destinations").await] {
        assert!(
            page.contains("refusing; it began <time") && page.contains("550 5.1.1 &#60;b&#62;gone&#60;/b&#62;\u{fffd}"),
            "{page}"
        );
        assert!(page.contains("Try again"), "{page}");
    }
    assert!(open(&house, &cookie, &path).await.contains(&format!("/activity/{}", row.id)));
    let waits = queued(&house, "shop@my.example", Entry::Due(house.clock.now().after(HOUR))).await;
    let again = async |path: &str| {
        house.follow(&cookie, house.panel(&cookie, "POST", &format!("{path}/retry"), "").await).await
    };
    let page = again(&path).await;
    assert!(
        page.contains("One message for it is being tried now.") && page.contains("refusing; it began <time"),
        "{page}"
    );
    assert!(page.contains("data-live=\"/activity/stream\""), "what comes of it is said: {page}");
    house.admin.store.queue.cancel(waits.id).await.unwrap();
    let page = again(&path).await;
    assert!(page.contains("so nothing was tried: what it said last is shown until its next mail"), "{page}");
    assert!(page.contains("refusing; it began <time"), "{page}");
}

#[tokio::test]
async fn an_inbox_whose_domain_takes_no_mail_is_not_green() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let path = path_of(&house, "owner@inbox.example").await;
    house.admin.store.rules.note_no_mail("inbox.example", Some(NoMail::NoAddress)).await.unwrap();
    let why = "inbox.example takes no mail: it has no MX record and no address.";
    for page in [open(&house, &cookie, &path).await, open(&house, &cookie, "/destinations").await] {
        assert!(page.contains("its domain takes no mail, found <time") && page.contains(why), "{page}");
        assert!(!page.contains(">verified<"), "{page}");
    }
    let page = open(&house, &cookie, &path).await;
    assert!(page.contains("publish its MX record") && page.contains("?look=1\">Check its domain</a>"), "{page}");
    let looked = open(&house, &cookie, &format!("{path}?look=1")).await;
    assert!(looked.contains("no answer that proves anything") && looked.contains(why), "nobody answers: {looked}");
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let overview = open(&house, &cookie, "/").await;
    assert!(overview.contains(why) && overview.contains("Aliases that are in use lead there."), "{overview}");
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "enabled": false })).await.expect(200);
    assert!(!open(&house, &cookie, "/").await.contains(why), "no mail goes there");
}

#[tokio::test]
async fn an_inbox_that_waits_shows_the_mail_that_asks_it() {
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    let added = house.panel(&cookie, "POST", "/destinations", "address=new%40inbox.example").await;
    let told = house.follow(&cookie, added).await;
    assert!(told.contains("is on its way there"), "{told}");
    let path = path_of(&house, "new@inbox.example").await;
    let page = open(&house, &cookie, &path).await;
    assert!(
        page.contains(">not verified yet, added <time") && page.contains("data-live=\"/activity/stream\""),
        "{page}"
    );
    assert!(page.contains("<span>waiting</span>") && page.contains("waits for its first try"), "{page}");
    assert!(page.contains(", written <time") && !page.contains("class=\"reply\""), "nobody said that: {page}");
    let soon = house.panel(&cookie, "POST", &format!("{path}/resend"), "").await.expect(429).text();
    assert!(soon.contains("less than a minute ago") && soon.contains("<h2 id=\"state\">"), "{soon}");
    house.clock.advance(std::time::Duration::from_secs(60));
    let sent = house.panel(&cookie, "POST", &format!("{path}/resend"), "").await.expect(303);
    assert!(house.follow(&cookie, sent).await.contains("A mail with a link was sent"));
    let place = format!("{path}?done=resend");
    house.panel(&cookie, "POST", &format!("{path}/verify"), "").await.expect(303);
    assert!(!open(&house, &cookie, &place).await.contains("A mail with a link was sent"), "it asks nothing any more");
}

#[tokio::test]
async fn an_inbox_of_a_trusted_domain_is_not_asked() {
    let house = House::linked().await;
    house.operator("POST", "/v1/destinations", json!({ "address": "@whole.example" })).await.expect(201);
    house.operator("POST", "/v1/destinations", json!({ "address": "me@whole.example" })).await.expect(201);
    let refused = house.operator("POST", "/v1/destinations/me@whole.example/resend", Value::Null).await.expect(409);
    assert!(refused.text().contains("me@whole.example is verified already"), "{}", refused.text());
}

#[tokio::test]
async fn an_address_of_the_gateway_s_own_is_no_inbox() {
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    for (form, why) in [
        ("address=me%40my.example", "“me@my.example” is on a domain of this gateway: write the address"),
        ("address=%40my.example", "“@my.example” is on a domain of this gateway: write the address"),
        ("address=nowhere", "<bdi>“nowhere” is not an address: the address has no @.</bdi>"),
    ] {
        let page = house.panel(&cookie, "POST", "/destinations", form).await.expect(422).text();
        assert!(page.contains(why), "{page}");
    }
}

#[tokio::test]
async fn another_one_takes_its_place_after_a_look_at_what_changes() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let new = json!({ "address": "new@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", new).await.expect(201);
    for address in ["shop@my.example", "news@my.example"] {
        house.operator("POST", "/v1/aliases", json!({ "address": address })).await.expect(201);
    }
    let regex = json!({ "address": "/^(owner)$/@my.example", "destinations": ["$1@inbox.example"] });
    house.operator("POST", "/v1/aliases", regex).await.expect(201);
    let path = path_of(&house, "owner@inbox.example").await;
    let page = open(&house, &cookie, &path).await;
    assert!(page.contains("2 aliases lead here.") && page.contains("href=\"/aliases/shop@my.example\""), "{page}");
    assert!(page.contains("cannot be removed while aliases lead to it") && !page.contains("button danger"), "{page}");
    let refused = house.panel(&cookie, "POST", &format!("{path}/remove"), "").await.expect(409).text();
    assert!(refused.contains("still used by"), "{refused}");
    let wrong =
        house.panel(&cookie, "GET", &format!("{path}/replace?to=no@inbox.example"), "").await.expect(422).text();
    assert!(wrong.contains("is no destination yet"), "{wrong}");
    house.panel(&cookie, "GET", &format!("{path}/verify"), "").await.expect(404);

    let asks = open(&house, &cookie, &format!("{path}/replace?to=new@inbox.example")).await;
    for words in [
        "Replace it in 2 aliases",
        "shop@my.example",
        "New aliases lead to new@inbox.example",
        "^(owner)$",
        "You can undo this in Settings, under <a href=\"/settings/audit\">Changes</a>",
    ] {
        assert!(asks.contains(words), "{words}: {asks}");
    }
    let shop = async || house.operator("GET", "/v1/aliases/shop@my.example", Value::Null).await.json();
    assert_eq!(shop().await["destinations"], json!(["owner@inbox.example"]), "looking changes nothing");
    let done = house.panel(&cookie, "POST", &format!("{path}/replace"), "to=new%40inbox.example").await.expect(303);
    let page = house.follow(&cookie, done).await;
    assert!(page.contains("No alias leads here.") && page.contains("button danger"), "{page}");
    assert_eq!(shop().await["destinations"], json!(["new@inbox.example"]));
    let removed = house.panel(&cookie, "POST", &format!("{path}/remove"), "").await;
    assert!(house.follow(&cookie, removed).await.contains("Removed."));
}

#[tokio::test]
async fn an_inbox_that_takes_mail_and_sent_one_back_is_not_said_to_refuse() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let path = path_of(&house, "owner@inbox.example").await;
    let first = forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![first.clone()]).await.unwrap();
    house.clock.advance(Duration::from_secs(60));
    handed_back(&house, &first, "550 5.1.1 No such user").await;
    let states = async || [open(&house, &cookie, &path).await, open(&house, &cookie, "/destinations").await];
    for page in states().await {
        assert!(page.contains("takes mail, but sent one back <time") && !page.contains("refusing since"), "{page}");
    }
    house.clock.advance(Duration::from_secs(60));
    house.admin.store.activity.record(vec![forwarded(&house, "shop@my.example")]).await.unwrap();
    for page in states().await {
        assert!(
            page.contains("takes mail, but sent one back <time") && !page.contains("refusing; it began <time"),
            "{page}"
        );
    }
    let again = house.panel(&cookie, "POST", &format!("{path}/retry"), "").await;
    let page = house.follow(&cookie, again).await;
    assert!(page.contains("that it sent one back is shown until it takes the next"), "{page}");
    house.clock.advance(Duration::from_secs(60));
    house.admin.store.activity.record(vec![forwarded(&house, "shop@my.example")]).await.unwrap();
    for page in states().await {
        assert!(page.contains(">verified<") && !page.contains("sent one back"), "the next mail clears it: {page}");
    }
}

/// One report hours ago is no notice once mail was taken that nobody handed back.
#[tokio::test]
async fn a_notice_of_mail_that_came_back_looks_at_what_was_taken_since() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let take = async || {
        let row = forwarded(&house, "shop@my.example");
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        row
    };
    let first = take().await;
    house.clock.advance(Duration::from_secs(60));
    handed_back(&house, &first, "550 5.1.1 No such user").await;
    house.clock.advance(2 * HOUR);
    let page = open(&house, &cookie, "/").await;
    let words = "owner@inbox.example took mail 2 h ago and sent it back, and has kept none since.";
    assert!(page.contains(words) && !page.contains("has refused its mail"), "{page}");
    take().await;
    house.clock.advance(HOUR);
    let page = open(&house, &cookie, "/").await;
    assert!(page.contains("All mail is flowing") && !page.contains("sent it back"), "{page}");
    let path = path_of(&house, "owner@inbox.example").await;
    assert!(open(&house, &cookie, &path).await.contains(">verified<"));
}

/// Nobody is named for it, and it has to go somewhere: that is said before an inbox goes and after.
#[tokio::test]
async fn who_gets_mail_for_postmaster_is_said_wherever_an_inbox_goes() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let new = json!({ "address": "new@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", new).await.expect(201);
    let path = path_of(&house, "owner@inbox.example").await;
    let page = open(&house, &cookie, &path).await;
    let here = "Mail for postmaster and abuse of my.example comes here, as no other inbox is named for it.";
    let after = "From then on mail for postmaster and abuse of my.example goes to new@inbox.example.";
    assert!(page.contains(here) && page.contains(after), "{page}");
    let of_domain = open(&house, &cookie, "/domains/my.example").await;
    assert!(of_domain.contains("Empty: your default destination, now owner@inbox.example."), "{of_domain}");
    let asks = open(&house, &cookie, &format!("{path}/replace?to=new@inbox.example")).await;
    assert!(asks.contains("Mail for postmaster and abuse of my.example goes to new@inbox.example."), "{asks}");
    for (inbox, goes) in [
        ("owner@inbox.example", "goes to new@inbox.example from now on."),
        ("new@inbox.example", "has nobody to go to from now on, and is held."),
    ] {
        let path = path_of(&house, inbox).await;
        let removed = house.panel(&cookie, "POST", &format!("{path}/remove"), "").await;
        let page = house.follow(&cookie, removed).await;
        let told = format!("Removed. Mail for postmaster and abuse of my.example {goes}");
        assert!(page.contains(&told), "{told}: {page}");
    }
    let of_domain = open(&house, &cookie, "/domains/my.example").await;
    assert!(of_domain.contains("Empty: your default destination; there is none, so this mail is held."), "{of_domain}");
}

/// Of the domains without a contact only those are named whose mail the removed inbox got, and of many only one.
#[tokio::test]
async fn what_a_removal_changes_for_postmaster_is_said_and_no_more() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for (more, of) in
        [(1, "b1.example"), (2, "c1.example and one other domain"), (102, "d1.example and more than 100 other domains")]
    {
        let letter = &of[..1];
        let inbox = format!("{letter}@inbox.example");
        let new = json!({ "address": inbox, "verified": true });
        house.operator("POST", "/v1/destinations", new).await.expect(201);
        let names: Vec<_> = (1..=more).map(|n| format!("{letter}{n}.example")).collect();
        for names in names.chunks(50) {
            let domains = json!({ "names": names, "contact": inbox });
            house.operator("POST", "/v1/domains/batch", domains).await.expect(201);
        }
        let path = path_of(&house, &inbox).await;
        let removed = house.panel(&cookie, "POST", &format!("{path}/remove"), "").await;
        let page = house.follow(&cookie, removed).await;
        let told = format!("Removed. Mail for postmaster and abuse of {of} goes to owner@inbox.example from now on.");
        assert!(page.contains(&told), "{told}: {page}");
    }
}

/// Whoever sees the domains of others is not told that their destinations are the reader's.
#[tokio::test]
async fn the_default_contact_of_somebody_else_s_domain_is_called_theirs() {
    let house = House::furnished().await;
    let (admin, member) = (house.signed_in().await, house.signed_in_as("kim@people.example", json!([])).await);
    for (path, form) in [("/domains", "name=kim.example"), ("/destinations", "address=kim@inbox.example")] {
        house.panel(&member, "POST", path, form).await.expect(303);
    }
    let read = async |cookie: &str| open(&house, cookie, "/domains/kim.example").await;
    let none = "A destination of its owner. Empty: their default destination; there is none, so this mail is held.";
    assert!(read(&admin).await.contains(none), "{}", read(&admin).await);
    house.operator("POST", "/v1/destinations/kim@inbox.example/verify", Value::Null).await.expect(200);
    let theirs = "A destination of its owner. Empty: their default destination, now kim@inbox.example.";
    assert!(read(&admin).await.contains(theirs), "{}", read(&admin).await);
    let own = "One of your destinations. Empty: your default destination, now kim@inbox.example.";
    assert!(read(&member).await.contains(own), "{}", read(&member).await);
}

/// It refuses nothing, and yet nothing arrives.
#[tokio::test]
async fn what_waits_for_an_inbox_is_said_with_what_was_answered_last() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let path = path_of(&house, "owner@inbox.example").await;
    assert!(!open(&house, &cookie, &path).await.contains("<dt>Waiting</dt>"));
    let row = queued(&house, "shop@my.example", Entry::Due(house.clock.now().after(HOUR))).await;
    let page = open(&house, &cookie, &path).await;
    let facts = page.split("<dt>Waiting</dt>").nth(1).unwrap_or_else(|| panic!("{page}"));
    let message = format!("<a href=\"/activity/{}\">The oldest</a>", row.id);
    assert!(facts.starts_with("<dd>One message.") && facts.contains(&message), "{page}");
    assert!(facts.contains("<code class=\"reply\"><bdi>450 4.2.0 Try later</bdi></code>"), "{page}");
    let shown = house.operator("GET", "/v1/destinations/owner@inbox.example", Value::Null).await.expect(200).json();
    let waiting = &shown["waiting"];
    assert_eq!((&waiting["messages"], &waiting["reply"]), (&json!(1), &json!("450 4.2.0 Try later")), "{shown:#}");
}

/// Its record is gone, and that of the other one still leads.
#[tokio::test]
async fn what_was_replaced_and_removed_says_what_to_do_before_it_is_taken_back() {
    let house = House::furnished().await;
    let new = json!({ "address": "new@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", new).await.expect(201);
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let to = json!({ "to": "new@inbox.example" });
    house.operator("POST", "/v1/destinations/owner@inbox.example/replace", to).await.expect(200);
    let last = house.operator("GET", "/v1/audit?limit=1", Value::Null).await.json()["items"][0]["id"].clone();
    house.operator("DELETE", "/v1/destinations/owner@inbox.example", Value::Null).await.expect(204);
    let undone = house.operator("POST", &format!("/v1/audit/{last}/undo"), Value::Null).await.expect(409).problem();
    let words = "owner@inbox.example was removed since then: add and verify it again, then undo this.";
    assert_eq!(undone["detail"], words);
}
