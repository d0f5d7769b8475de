//! Domains, destinations, the queue and the simulator: what they say, and what their buttons do.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use waypost::policy::no_mail::NoMail;
use waypost::policy::status::Status;
use waypost::store::activity::{Progress, Row};
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::{attempt, queued, queued_to, reported};

#[tokio::test]
async fn a_domain_is_added_set_and_removed() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let wrong = house.panel(&cookie, "POST", "/domains", "name=nonsense+here").await.expect(422).text();
    assert!(wrong.contains("value=\"nonsense here\"") && wrong.contains("aria-invalid=\"true\""), "{wrong}");
    let added = house.panel(&cookie, "POST", "/domains", "name=m%C3%BCller.example").await;
    assert_eq!(added.field("location").as_deref(), Some("/domains/xn--mller-kva.example"));
    assert_eq!(added.told().as_deref(), Some("waypost-told=done=added"));
    let page = house.follow(&cookie, added).await;
    assert!(
        page.contains("<bdi>müller.example</bdi>") && page.contains("<code>xn--mller-kva.example</code>"),
        "{page}"
    );
    let form = "catch_all=forward&catch_all_destinations=owner%40inbox.example&keep_tag=on&contact=&srs_domain=";
    house.panel(&cookie, "POST", "/domains/xn--mller-kva.example", form).await.expect(303);
    let set = house.operator("GET", "/v1/domains/xn--mller-kva.example", Value::Null).await.expect(200).json();
    assert_eq!(
        (&set["catch_all"], &set["keep_tag"], &set["subaddressing"]),
        (&json!("forward"), &json!(true), &json!(false))
    );
    let page = house.panel(&cookie, "GET", "/domains/xn--mller-kva.example", "").await.expect(200).text();
    assert!(page.contains("<option value=\"forward\" selected>") && page.contains("value=\"owner@inbox.example\""));
    // The words of a refusal, limits and notes are set at the alias that a catch-all is.
    let rule = page.split("More is set at its alias, <a href=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(house.panel(&cookie, "GET", rule, "").await.expect(200).text().contains("müller.example"), "{rule}");
    // What the domain of the author does not ask to refuse is not refused.
    assert!(page.contains(">refused if its domain asks</option>"), "{page}");
    let list = house.panel(&cookie, "GET", "/domains", "").await.expect(200).text();
    assert!(list.contains("catch-all: send it on"), "{list}");
    house.panel(&cookie, "POST", "/domains/xn--mller-kva.example/remove", "").await.expect(303);
    house.panel(&cookie, "GET", "/domains/xn--mller-kva.example", "").await.expect(404);
}

#[tokio::test]
async fn a_destination_is_added_vouched_for_and_removed() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let wrong = house.panel(&cookie, "POST", "/destinations", "address=nowhere").await.expect(422).text();
    assert!(wrong.contains("value=\"nowhere\""), "{wrong}");
    let added = house.panel(&cookie, "POST", "/destinations", "address=new%40inbox.example").await;
    let page = house.follow(&cookie, added).await;
    assert!(page.contains("new@inbox.example is added, and gets no mail until it is verified."), "{page}");
    let made = house.operator("GET", "/v1/destinations/new@inbox.example", Value::Null).await.expect(200).json();
    let path = format!("/destinations/{}", made["id"].as_str().unwrap());
    house.panel(&cookie, "POST", &format!("{path}/verify"), "").await.expect(303);
    house.panel(&cookie, "POST", &format!("{path}/default"), "").await.expect(303);
    let made = house.operator("GET", "/v1/destinations/new@inbox.example", Value::Null).await.expect(200).json();
    assert!(made["verified_at"].is_string() && made["default"] == true, "{made}");
    house.panel(&cookie, "POST", &format!("{path}/nonsense"), "").await.expect(404);
    house.panel(&cookie, "POST", "/destinations", "address=%40whole.example&verified=on").await.expect(303);
    house.panel(&cookie, "POST", "/destinations", "address=me%40whole.example").await.expect(303);
    let page = house.panel(&cookie, "GET", "/destinations", "").await.expect(200).text();
    assert!(page.contains("verified with its domain") && !page.contains("not verified"), "{page}");
    house.panel(&cookie, "POST", &format!("{path}/remove"), "").await.expect(303);
    house.operator("GET", "/v1/destinations/new@inbox.example", Value::Null).await.expect(404);
}

#[tokio::test]
async fn the_queue_is_told_by_where_it_goes_and_worked_with_one_button() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let empty = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    assert!(empty.contains("Nothing waits."), "{empty}");
    let due = Entry::Due(house.clock.now().after(std::time::Duration::from_secs(300)));
    queued(&house, "shop@my.example", due).await;
    queued(&house, "news@my.example", due).await;
    let page = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    assert!(page.contains("<bdi>inbox.example</bdi>") && page.contains("2 waiting"), "{page}");
    assert!(page.contains("<bdi>Orders</bdi> <bdi class=\"muted\">orders@shop.example</bdi>"), "{page}");
    assert!(page.contains("<bdi>Your order</bdi> · to "), "{page}");
    assert!(page.contains("450 4.2.0 Try later") && page.contains("next try in 5 min"), "{page}");
    assert!(page.contains(" asked to try later.</bdi></p>"), "the next hop's words stand once: {page}");
    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/queue/hold", "domain=inbox.example").await).await;
    assert!(page.contains("2 messages are held until you release them.") && page.contains("2 held"), "{page}");
    assert!(page.contains(">Release all</button>") && !page.contains(">Hold all</button>"), "{page}");
    assert!(!page.contains("by the relay"), "{page}");
    let relay = json!({ "delivery.relay": "smtp://relay.example:587" });
    house.operator("PATCH", "/v1/settings", relay).await.expect(200);
    let page = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    assert!(page.contains("2 held. Mail there goes by the relay <bdi>relay.example:587</bdi>."), "{page}");
    let other = house.panel(&cookie, "POST", "/queue/release", "domain=elsewhere.example").await.expect(303);
    assert_eq!(other.told().as_deref(), Some("waypost-told=done=release&count=0"));
    house.panel(&cookie, "POST", "/queue/nonsense", "domain=inbox.example").await.expect(404);
}

#[tokio::test]
async fn a_long_queue_shows_its_oldest_mail_and_counts_and_works_through_all() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(std::time::Duration::from_secs(300)));
    for number in 0..23 {
        queued(&house, &format!("n{number}@my.example"), due).await;
    }
    let page = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    assert!(page.contains("23 waiting") && page.contains("and 3 more"), "{page}");
    assert!(page.contains("n0@my.example") && !page.contains("n22@my.example"), "{page}");
    let hold = house.panel(&cookie, "POST", "/queue/hold", "domain=inbox.example").await.expect(303);
    assert_eq!(hold.told().as_deref(), Some("waypost-told=done=hold&count=23"));
}

/// What is held never leaves by itself, however little is to be done about the rest.
#[tokio::test]
async fn what_is_held_has_a_reason_of_its_own_beside_what_waits_for_another() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(std::time::Duration::from_secs(300)));
    let (stays, patience) = ("It stays here until somebody releases it.", "the other server asked for patience");
    let apart = "They wait for different reasons, which are told with each.";
    let shown = async || house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    let held = queued(&house, "held@my.example", due).await;
    house.panel(&cookie, "POST", "/queue/hold", "domain=inbox.example").await.expect(303);
    let alone = shown().await;
    assert!(alone.contains("<bdi>Put on hold by hand.</bdi>") && !alone.contains(apart), "{alone}");
    assert_eq!(alone.matches(stays).count(), 1, "{alone}");
    let waits = queued(&house, "news@my.example", due).await;
    let mixed = shown().await;
    assert!(head_of(&mixed).contains(apart) && !head_of(&mixed).contains(patience), "{mixed}");
    let (of_held, of_waiting) = (of_row(&mixed, held.id), of_row(&mixed, waits.id));
    assert!(of_held.contains("Put on hold by hand.") && of_held.contains(stays), "{of_held}");
    assert!(!of_held.contains(patience), "{of_held}");
    assert!(of_waiting.contains(patience) && !of_waiting.contains(stays), "{of_waiting}");
}

/// Those that a restore held may have arrived meanwhile; those that somebody held have not.
#[tokio::test]
async fn what_is_held_for_several_reasons_or_after_several_answers_says_its_own() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let shown = async || house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    let hold = async |row: &Row, reason: &str, reply: &str| {
        let progress = Progress {
            id: row.id,
            status: Status::Held,
            reason: reason.to_owned(),
            attempt: Some(attempt(house.clock.now(), "deferred", reply)),
            next_attempt_at: None,
            sha256_sent: None,
            dsn: None,
        };
        house.admin.store.activity.progress(vec![progress]).await.unwrap();
    };
    let (yours, restored) =
        ("Put on hold by hand", "held since a backup was restored: it may have been delivered meanwhile");
    let one = queued(&house, "shop@my.example", Entry::Held).await;
    let other = queued(&house, "news@my.example", Entry::Held).await;
    for ((reason, reply), (other_reason, other_reply)) in [
        ((yours, "452 4.2.2 Mailbox full"), (restored, "452 4.2.2 Mailbox full")),
        ((yours, "452 4.2.2 Mailbox full"), (yours, "450 4.7.1 Greylisted")),
    ] {
        hold(&one, reason, reply).await;
        hold(&other, other_reason, other_reply).await;
        let page = shown().await;
        assert!(head_of(&page).contains("They wait for different reasons"), "{page}");
        for (row, reason, reply) in [(&one, reason, reply), (&other, other_reason, other_reply)] {
            let told = of_row(&page, row.id).to_lowercase();
            assert!(told.contains(&reason.to_lowercase()) && told.contains(&reply.to_lowercase()), "{told}");
            assert!(told.contains("it stays here until somebody releases it."), "{told}");
        }
    }
    hold(&other, yours, "452 4.2.2 Over quota").await;
    let alike = shown().await;
    assert!(head_of(&alike).contains("Put on hold by hand.") && !alike.contains("different reasons"), "{alike}");
}

/// A group whose oldest are all held, or none of them, shows one of the others as well.
#[tokio::test]
async fn a_long_group_shows_both_what_is_held_and_what_goes_on() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(std::time::Duration::from_secs(300)));
    let groups = [("a@one.example", Entry::Held, due), ("b@two.example", due, Entry::Held)];
    for (mixed, (inbox, most, last)) in groups.into_iter().enumerate() {
        for number in 0..20 {
            queued_to(&house, (&format!("n{number}@my.example"), inbox), most).await;
        }
        let alone = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
        assert_eq!(alone.matches("different reasons").count(), mixed, "{alone}");
        let last = queued_to(&house, ("last@my.example", inbox), last).await;
        let both = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
        assert_eq!(both.matches("different reasons").count(), mixed + 1, "{both}");
        assert!(both.contains(&format!("id=\"m-{}\"", last.id)), "{both}");
    }
}

fn head_of(page: &str) -> &str {
    page.split_once("<ol class=\"rows waiting-rows\"").unwrap().0
}

fn of_row(page: &str, id: Uuid) -> &str {
    page.split("<li>").skip(1).find(|row| row.contains(&format!("id=\"m-{id}\""))).unwrap()
}

/// Where nobody answered, our words for it are the whole reason; where somebody did, theirs stand beside it and not in it.
#[tokio::test]
async fn the_head_of_a_group_says_nothing_twice() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(Duration::from_secs(300)));
    let row = queued(&house, "shop@my.example", due).await;
    let head = async || {
        let page = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
        page.split_once("<ol class=\"rows waiting-rows\"").unwrap().0.to_owned()
    };
    let given_up = "given up after the last try: asked to come later: 450 4.2.0 Later";
    for (outcome, status, reply, reason, told) in [
        (
            "deferred",
            Status::Deferred,
            "connection refused",
            "connection refused",
            "mx1.inbox.example could not take it yet: connection refused.",
        ),
        (
            "unknown",
            Status::Deferred,
            "it hung up",
            "it may or may not have been delivered: it hung up",
            "It may or may not have been delivered: it hung up.",
        ),
        (
            "refused",
            Status::Failed,
            "not offered: too big",
            "not offered to the next hop: too big",
            "Not offered to the next hop: too big.",
        ),
        ("deferred", Status::Expired, "450 4.2.0 Later", given_up, "Given up after the last try: asked to come later."),
    ] {
        let attempt = Some(attempt(house.clock.now(), outcome, reply));
        let (id, reason) = (row.id, reason.to_owned());
        let change = Progress { id, status, reason, attempt, next_attempt_at: None, sha256_sent: None, dsn: None };
        house.admin.store.activity.progress(vec![change]).await.unwrap();
        let head = head().await;
        assert!(head.contains(&format!("<bdi>{told}</bdi>")), "{told}: {head}");
        let said = reply.trim_start_matches("not offered: ");
        assert_eq!(head.matches(said).count(), 1, "{said}: {head}");
    }
}

/// It has no page of its own where the mail's button is: its row in the queue has one.
#[tokio::test]
async fn a_report_in_the_queue_is_cancelled_there_by_who_may() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(Duration::from_secs(300)));
    let (row, report) = reported(&house, "shop@my.example", due).await;
    let mail = queued(&house, "news@my.example", due).await;
    let viewer = house.signed_in_as("v@my.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    let form = format!("report={report}");
    let seen = house.panel(&viewer, "GET", "/queue", "").await.expect(200).text();
    assert!(seen.contains(&report.to_string()) && !seen.contains("name=\"report\""), "{seen}");
    house.panel(&viewer, "POST", "/queue/cancel", &form).await.expect(403);
    let page = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    assert!(page.contains("<bdi>orders@sender.example</bdi> never gets this report"), "{page}");
    assert!(page.contains(&format!("name=\"report\" value=\"{report}\"")), "{page}");
    assert_eq!(page.matches("name=\"report\"").count(), 1, "mail has its own page for that: {page}");
    for _ in 0..2 {
        let done = house.panel(&cookie, "POST", "/queue/cancel", &form).await;
        let after = house.follow(&cookie, done).await;
        assert!(after.contains("It is cancelled and will not be sent."), "{after}");
        assert!(!after.contains(&report.to_string()) && after.contains(&mail.id.to_string()), "{after}");
    }
    let told = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(told.contains("the report was cancelled"), "{told}");
    house.panel(&cookie, "POST", "/queue/cancel", "report=nonsense").await.expect(404);
}

/// By the rights and the consent that each takes alone; what stays is told with the reason.
#[tokio::test]
async fn all_that_is_for_a_site_is_sent_to_another_inbox() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let spare = json!({ "address": "spare@other.example", "verified": true });
    house.operator("POST", "/v1/destinations", spare).await.expect(201);
    let due = Entry::Due(house.clock.now().after(Duration::from_secs(300)));
    queued(&house, "shop@my.example", due).await;
    queued(&house, "news@my.example", Entry::Held).await;
    let busy = queued(&house, "busy@my.example", Entry::Leased).await;
    let page = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    assert!(
        page.contains("action=\"/queue/resend\"") && page.contains("<option value=\"spare@other.example\">"),
        "{page}"
    );
    let send = async |who: &str, to: &str| {
        let form = format!("domain=inbox.example&destination={}", crate::web::in_path(to));
        house.panel(who, "POST", "/queue/resend", &form).await
    };
    let none = send(&cookie, "").await.expect(422).text();
    assert!(none.contains("Write the inbox that these messages are to go to."), "{none}");
    let wrong = send(&cookie, "who@inbox.example").await.expect(422).text();
    assert!(wrong.contains("2 messages stay: who@inbox.example is not a verified destination"), "{wrong}");
    let viewer = house.signed_in_as("v@my.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    let seen = house.panel(&viewer, "GET", "/queue", "").await.expect(200).text();
    assert!(seen.contains("busy@my.example") && !seen.contains("/queue/resend"), "{seen}");
    send(&viewer, "spare@other.example").await.expect(403);
    let part = send(&cookie, "spare@other.example").await.expect(200).text();
    assert!(
        part.contains("2 messages are on the way to spare@other.example. One message stays: It is being"),
        "{part}"
    );
    let listed = house.operator("GET", "/v1/queue?destination=spare@other.example", Value::Null).await.json();
    let states: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["due", "due"], "{listed}");
    house.admin.store.queue.give_back(vec![busy.id], house.clock.now()).await.unwrap();
    let done = house.follow(&cookie, send(&cookie, "spare@other.example").await).await;
    assert!(done.contains("One message is on the way to the other inbox."), "{done}");
}

/// Of a report the queue tells what it was answered, as of other mail; its row leads to the message that it is about.
#[tokio::test]
async fn a_report_in_the_queue_is_told_by_its_last_answer_and_leads_to_its_message() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(std::time::Duration::from_secs(300)));
    let (row, report) = reported(&house, "shop@my.example", due).await;
    let page = async |path: &str| house.panel(&cookie, "GET", path, "").await.expect(200).text();
    let untried = page("/queue").await;
    assert!(untried.contains("It waits for its first try: you need do nothing."), "{untried}");
    let answer = attempt(house.clock.now(), "deferred", "450 4.7.1 Greylisted, come back");
    house.admin.store.queue.answered(report, &answer).await.unwrap();
    let tried = page("/queue").await;
    assert!(tried.contains("450 4.7.1 Greylisted, come back") && !tried.contains("first try"), "{tried}");
    assert!(tried.contains("mx1.inbox.example asked to try later.") && tried.contains("asked for patience"), "{tried}");
    assert!(tried.contains("Waypost itself, a report"), "{tried}");
    assert!(tried.contains(&format!("id=\"m-{report}\" href=\"/activity/{}\"", row.id)), "{tried}");
    house.panel(&cookie, "POST", "/queue/hold", "domain=sender.example").await.expect(303);
    let held = page("/queue").await;
    assert!(held.contains("It stays here until somebody releases it.") && !held.contains("first try"), "{held}");
    let listed = house.operator("GET", "/v1/queue", Value::Null).await.expect(200).json();
    let item = &listed["items"][0];
    assert_eq!((&item["purpose"], &item["about_activity_id"]), (&json!("dsn"), &json!(row.id)), "{listed}");
    assert_eq!(item["last_attempt"]["reply"], "450 4.7.1 Greylisted, come back", "{listed}");
    for path in [format!("/activity/{report}"), format!("/activity/{}", row.id)] {
        let story = page(&path).await;
        let words =
            "A report for its sender is in the queue, held until somebody releases it, not tried yet: 450 4.7.1";
        assert!(story.contains(words) && story.contains("550 5.1.1 No such user"), "{story}");
    }
}

#[tokio::test]
async fn the_queue_of_one_domain_is_shown_and_worked_with_alone() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for name in ["other.example", "empty.example"] {
        house.operator("POST", "/v1/domains", json!({ "name": name })).await.expect(201);
    }
    let due = Entry::Due(house.clock.now().after(std::time::Duration::from_secs(300)));
    queued(&house, "shop@my.example", due).await;
    queued(&house, "shop@other.example", due).await;
    let page = async |path: &str| house.panel(&cookie, "GET", path, "").await.expect(200).text();
    let all = page("/queue").await;
    assert!(all.contains("2 waiting") && all.contains("<option value=\"other.example\">"), "{all}");
    let one = page("/queue?domain=other.example").await;
    assert!(one.contains("1 waiting") && one.contains("shop@other.example") && !one.contains("shop@my"), "{one}");
    let overview = page("/?domain=other.example").await;
    assert!(overview.contains("<a href=\"/queue?domain=other.example\">1 waiting</a>"), "{overview}");
    let hold = house.panel(&cookie, "POST", "/queue/hold", "domain=inbox.example&of=other.example").await.expect(303);
    let place = hold.field("location").unwrap();
    assert_eq!(place, "/queue?domain=other.example");
    assert_eq!(hold.told().as_deref(), Some("waypost-told=done=hold&count=1"));
    assert!(page(&place).await.contains("1 held") && page("/queue").await.contains("1 waiting · 1 held"));
    assert!(page("/queue?domain=empty.example").await.contains("No mail of this domain waits."));
    house.panel(&cookie, "GET", "/queue?domain=elsewhere.example", "").await.expect(404);
}

#[tokio::test]
async fn a_domain_to_choose_is_named_as_people_read_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/domains", json!({ "name": "müller.example" })).await.expect(201);
    for path in ["/activity", "/aliases?new=1", "/domains", "/connect/curl"] {
        let page = house.panel(&cookie, "GET", path, "").await.expect(200).text();
        assert!(page.contains("<option value=\"xn--mller-kva.example\">müller.example</option>"), "{page}");
    }
}

#[tokio::test]
async fn a_mirror_is_offered_where_mail_is_looked_for_and_not_for_a_new_alias() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let mirror = json!({ "name": "mirror.example", "mirror_of": "my.example" });
    house.operator("POST", "/v1/domains", mirror).await.expect(201);
    let form = house.panel(&cookie, "GET", "/aliases?new=1", "").await.expect(200).text();
    let (_, choice) = form.split_once("<select id=\"on\"").unwrap();
    let (choice, _) = choice.split_once("</select>").unwrap();
    assert!(choice.contains("my.example") && !choice.contains("mirror.example"), "{choice}");
    assert!(house.panel(&cookie, "GET", "/activity", "").await.expect(200).text().contains("mirror.example"));
}

#[tokio::test]
async fn the_simulator_decides_as_the_server_does() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let asks = house.panel(&cookie, "GET", "/simulator", "").await.expect(200).text();
    // On a telephone the answer stands below the form.
    assert!(asks.contains("formaction=\"/simulator#found\">Show what would happen") && !asks.contains("Envelope</h2>"));
    let form = "local_part=shop&domain=my.example&destination=owner%40inbox.example";
    house.panel(&cookie, "POST", "/aliases", form).await.expect(303);
    let told =
        house.panel(&cookie, "GET", "/simulator?to=shop@my.example&from=a@b.example", "").await.expect(200).text();
    assert!(told.contains("It would be sent on.") && told.contains("owner@inbox.example"), "{told}");
    let told = house.panel(&cookie, "GET", "/simulator?to=nobody@my.example", "").await.expect(200).text();
    assert!(told.contains("It would be refused.") && told.contains("550 5.1.1"), "{told}");
    let wrong = house.panel(&cookie, "GET", "/simulator?to=a@b&ip=nonsense", "").await.expect(422).text();
    assert!(wrong.contains("<bdi>Client&#39;s address: write an IP address.</bdi>"), "{wrong}");
}

#[tokio::test]
async fn the_simulator_says_that_an_inbox_is_known_to_take_no_mail() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let inbox = json!({ "address": "me@gmial.example", "verified": true });
    house.operator("POST", "/v1/destinations", inbox).await.expect(201);
    let alias = json!({ "address": "typo@my.example", "destinations": ["me@gmial.example"] });
    house.operator("POST", "/v1/aliases", alias).await.expect(201);
    house.admin.store.rules.note_no_mail("gmial.example", Some(NoMail::NoSuchDomain)).await.unwrap();
    let told = house.panel(&cookie, "GET", "/simulator?to=typo@my.example", "").await.expect(200).text();
    assert!(told.contains("It would be sent on, and may not arrive.") && !told.contains("class=\"verdict status ok\""));
    let words = "forwards to me@gmial.example. gmial.example takes no mail: the DNS knows no such domain.";
    assert!(told.contains(words), "{told}");
}

#[tokio::test]
async fn that_mail_waits_for_its_first_try_is_said_once() {
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    house.panel(&cookie, "POST", "/destinations", "address=new%40inbox.example").await.expect(303);
    let queue = house.panel(&cookie, "GET", "/queue", "").await.expect(200).text();
    assert_eq!(queue.matches("its first try").count(), 1, "{queue}");
    assert!(queue.contains("<p>You need do nothing. <a href=\"/help/waits\">"), "{queue}");
}

#[tokio::test]
async fn the_first_run_shows_how_inboxes_stand_and_nothing_of_ours_as_a_servers_reply() {
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    house.panel(&cookie, "POST", "/destinations", "address=new%40inbox.example").await.expect(303);
    let shown = async |inbox: &str| {
        let place = format!("/setup/on?at=inbox&inbox={inbox}");
        house.panel(&cookie, "GET", &place, "").await.expect(200).text()
    };
    let asked = shown("new@inbox.example").await;
    assert!(
        asked.contains("<p><bdi>Waypost&#39;s own mail, with a link") && !asked.contains("class=\"reply\""),
        "{asked}"
    );
    let verified = "<span class=\"status ok\"><svg aria-hidden=\"true\"><use href=\"#i-done\"/></svg><span>verified";
    assert!(asked.contains(verified), "{asked}");
    let other = shown("owner@inbox.example").await;
    let waits = "<use href=\"#i-wait\"/></svg><span>has not answered yet";
    assert!(other.contains(waits) && !other.contains(">verified<"), "{other}");
}

#[tokio::test]
async fn the_first_run_says_once_that_no_dns_answers() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let place = "/setup/on?at=host&hostname=mx.gateway.example";
    let page = house.panel(&cookie, "GET", place, "").await.expect(200).text();
    assert_eq!(page.matches("DNS gave no answer within ").count(), 1, "{page}");
    assert_eq!(page.matches("gave no answer").count(), 1, "{page}");
    assert!(page.matches("<span>no answer</span>").count() > 1 && !page.contains("failed for now"), "{page}");
}

#[tokio::test]
async fn the_first_run_makes_its_alias_on_a_domain_that_has_aliases() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/domains", json!({ "name": "zoo.example" })).await.expect(201);
    house.clock.advance(Duration::from_secs(60));
    let mirror = json!({ "name": "mirror.example", "mirror_of": "my.example" });
    house.operator("POST", "/v1/domains", mirror).await.expect(201);
    for place in ["/setup/go-on?at=alias", "/setup/go-on?at=alias&domain=mirror.example"] {
        let page = house.panel(&cookie, "GET", place, "").await.expect(200).text();
        let (_, choice) = page.split_once("<select id=\"domain\"").unwrap();
        let (choice, _) = choice.split_once("</select>").unwrap();
        assert!(choice.contains("zoo.example") && !choice.contains("mirror.example"), "{place}: {choice}");
        assert!(choice.contains("<option value=\"my.example\" selected>"), "{place}: {choice}");
    }
}

#[tokio::test]
async fn a_new_alias_is_proposed_on_the_domain_of_the_last_one() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for name in ["a.example", "zoo.example"] {
        house.operator("POST", "/v1/domains", json!({ "name": name })).await.expect(201);
    }
    for name in ["zoo.example", "my.example"] {
        let form = format!("local_part=shop&domain={name}&destination=owner%40inbox.example");
        house.panel(&cookie, "POST", "/aliases", &form).await.expect(303);
        let page = house.panel(&cookie, "GET", "/aliases?new=1", "").await.expect(200).text();
        assert!(page.contains(&format!("<option value=\"{name}\" selected>")), "{page}");
    }
}
