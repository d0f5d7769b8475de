//! Notices: what is told by mail, to whom and how often; the digest; and who may see and choose.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use waypost::admin::Actor;
use waypost::mail::Moment;
use waypost::policy::checkup::{DiskFacts, Severity};
use waypost::policy::notices::memory::{Remembered, State};
use waypost::policy::notices::{Cause, Kind};
use waypost::store::activity::Row;
use waypost::store::notices::Noted;
use waypost::store::queue::{Entry, Purpose};

use crate::web::House;
use crate::web::rows::{forwarded, queued, queued_to, reported};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Lets time pass, minute by minute, with a look in each.
async fn pass(house: &House, time: Duration) {
    for _ in 0..time.as_secs() / 60 {
        house.clock.advance(MINUTE);
        house.admin.notice_by_the_clock().await.unwrap();
    }
}

/// The mails so far, oldest first: to whom, and as text.
async fn mails(house: &House) -> Vec<(String, String)> {
    let mut mails = Vec::new();
    for waiting in house.admin.store.queue.list(None, None, 500).await.unwrap() {
        if waiting.purpose == Purpose::Notice {
            let claim = house.admin.store.queue.get(waiting.id).await.unwrap();
            let octets = claim.message.octets.read(0).await.unwrap();
            mails.push((waiting.destination, String::from_utf8(octets.to_vec()).unwrap()));
        }
    }
    mails
}

/// To whom, and about what.
async fn subjects(house: &House) -> Vec<(String, String)> {
    let subject = |mail: &str| mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
    mails(house).await.into_iter().map(|(to, mail)| (to, subject(&mail))).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(to, subject)| ((*to).to_owned(), (*subject).to_owned())).collect()
}

async fn settings(house: &House, change: Value) {
    house.operator("PATCH", "/v1/settings", change).await.expect(200);
}

/// Mail for an inbox waits; gives its id.
async fn waits(house: &House) -> Uuid {
    let due = Entry::Due(house.clock.now().after(MINUTE));
    queued(house, "shop@my.example", due).await.id
}

#[tokio::test]
async fn a_destination_that_takes_no_mail_for_an_hour_is_told_once_and_so_is_its_end() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": ["boss@office.example"] })).await;
    let id = waits(&house).await;
    pass(&house, 59 * MINUTE).await;
    assert_eq!(mails(&house).await.len(), 0);
    pass(&house, 5 * HOUR).await;
    let told = mails(&house).await;
    assert_eq!(subjects(&house).await, pairs(&[("boss@office.example", "inbox.example takes no mail")]));
    for words in [
        "From: Waypost <postmaster@my.example>\r\n",
        "\r\nAuto-Submitted: auto-generated\r\n",
        "\r\nSince: Sun, 22 Nov 2026 18:56:24 +0000\r\n",
        "\r\nWhat to do: ",
    ] {
        assert!(told[0].1.contains(words), "{words}: {}", told[0].1);
    }
    let what =
        "inbox.example has taken no mail for 1 h. One message waits for it. What was said last: 450 4.2.0 Try later";
    assert!(told[0].1.replace("\r\n", " ").contains(what), "{}", told[0].1);
    let open = house.operator("GET", "/v1/notices?state=open", Value::Null).await.expect(200).json();
    let open = &open["items"][0];
    assert_eq!((&open["kind"], &open["subject"]), (&json!("refusing"), &json!("inbox.example")), "{open}");
    assert_eq!((&open["told"], &open["page"]), (&json!(["boss@office.example"]), &json!("/queue")), "{open}");

    house.admin.store.queue.cancel(id).await.unwrap();
    pass(&house, HOUR).await;
    let over = ("boss@office.example", "Over: inbox.example takes no mail");
    assert_eq!(subjects(&house).await, pairs(&[("boss@office.example", "inbox.example takes no mail"), over]));
    let past = house.operator("GET", "/v1/notices", Value::Null).await.expect(200).json();
    assert_eq!((&past["items"][0]["state"], past["items"].as_array().unwrap().len()), (&json!("over"), 1), "{past}");
}

/// The list follows at once, and the mail waits whether it stays so: what is back soon is told to nobody.
#[tokio::test]
async fn what_is_gone_is_open_no_more_while_mail_keeps_its_rhythm() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": ["boss@office.example"] })).await;
    let kept = async || {
        let until = house.clock.now().after(200 * HOUR);
        queued(&house, "shop@my.example", Entry::Kept(until)).await.id
    };
    let listed = async |state: &str| {
        let all = house.operator("GET", &format!("/v1/notices?state={state}"), Value::Null).await.expect(200).json();
        all["items"].as_array().unwrap().clone()
    };
    let id = kept().await;
    assert_eq!(listed("open").await.len(), 1, "nobody has looked by the clock yet");
    pass(&house, MINUTE).await;
    house.admin.store.queue.cancel(id).await.unwrap();
    let (open, over) = (listed("pending,open").await, listed("over").await);
    assert_eq!(open.len(), 0, "{open:?}");
    assert_eq!((&over[0]["kind"], over[0]["ended_at"].is_string()), (&json!("untold"), true), "{over:?}");
    pass(&house, 5 * MINUTE).await;
    let again = kept().await;
    let open = listed("open").await;
    assert_eq!((open.len(), &open[0]["told"]), (1, &json!(["boss@office.example"])), "{open:?}");
    pass(&house, 30 * MINUTE).await;
    let subject = "Mail for owner@inbox.example failed, and its sender was not told";
    let boss = "boss@office.example";
    assert_eq!(subjects(&house).await, pairs(&[(boss, subject)]), "it was back before its end was told");
    house.admin.store.queue.cancel(again).await.unwrap();
    pass(&house, 20 * MINUTE).await;
    let over = format!("Over: {subject}");
    assert_eq!(subjects(&house).await, pairs(&[(boss, subject), (boss, &over)]));
}

#[tokio::test]
async fn nobody_is_told_through_what_fails() {
    let house = House::furnished().await;
    waits(&house).await;
    pass(&house, 70 * MINUTE).await;
    assert_eq!(subjects(&house).await, pairs(&[]), "the owner's only inbox is what fails");
    let open = house.operator("GET", "/v1/notices?state=open", Value::Null).await.expect(200).json();
    assert_eq!(open["items"][0]["told"], json!([]), "the panel shows it all the same: {open}");

    let house = House::furnished().await;
    let spare = json!({ "address": "me@other.example", "verified": true });
    house.operator("POST", "/v1/destinations", spare).await.expect(201);
    house.operator("PATCH", "/v1/users/owner", json!({ "email": "anna@inbox.example" })).await.expect(200);
    waits(&house).await;
    pass(&house, 70 * MINUTE).await;
    assert_eq!(subjects(&house).await, pairs(&[("me@other.example", "inbox.example takes no mail")]));
}

/// The owner may be known by an alias of their own: we send no mail to ourselves.
#[tokio::test]
async fn an_address_of_ours_is_told_where_it_leads() {
    let house = House::furnished().await;
    let alias = json!({ "address": "me@my.example", "destinations": ["owner@inbox.example"] });
    house.operator("POST", "/v1/aliases", alias).await.expect(201);
    settings(&house, json!({ "notify.to": ["me@my.example"] })).await;
    let sent = house.operator("POST", "/v1/notices/test", Value::Null).await.expect(202).json();
    assert_eq!(sent, json!({ "to": ["owner@inbox.example"] }));
    assert_eq!(subjects(&house).await, pairs(&[("owner@inbox.example", "A test notice")]));
}

#[tokio::test]
async fn what_flickers_is_told_seldom_and_what_is_muted_never() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": ["boss@office.example"], "notify.mute": ["held"] })).await;
    queued(&house, "shop@my.example", Entry::Held).await;
    for _ in 0..24 {
        let id = waits(&house).await;
        pass(&house, 70 * MINUTE).await;
        house.admin.store.queue.cancel(id).await.unwrap();
        pass(&house, 10 * MINUTE).await;
    }
    let told = subjects(&house).await;
    assert!((1..=7).contains(&told.len()), "a day and a half of flapping: {told:?}");
    assert!(told.iter().all(|(_, subject)| !subject.contains("held")), "{told:?}");
    let all = house.operator("GET", "/v1/notices?state=open", Value::Null).await.expect(200).json();
    assert!(
        all["items"].as_array().unwrap().iter().any(|notice| notice["kind"] == "held"),
        "shown all the same: {all}"
    );
}

/// It stands since somebody put it on hold, and not since the mail came; of several, since the first of them.
#[tokio::test]
async fn mail_is_held_since_it_was_put_on_hold() {
    let house = House::furnished().await;
    let due = || Entry::Due(house.clock.now().after(HOUR * 200));
    let (first, second) =
        (queued(&house, "shop@my.example", due()).await.id, queued(&house, "shop@my.example", due()).await.id);
    house.clock.advance(HOUR * 50);
    let since = house.clock.now();
    for id in [second, first] {
        house.operator("POST", &format!("/v1/queue/{id}/hold"), Value::Null).await.expect(200);
        house.clock.advance(MINUTE);
    }
    let stands = async || {
        house.admin.notice_by_the_clock().await.unwrap();
        let all = house.operator("GET", "/v1/notices", Value::Null).await.expect(200).json();
        let held = all["items"].as_array().unwrap().iter().find(|notice| notice["kind"] == "held").cloned();
        held.unwrap_or_else(|| panic!("{all}"))["since"].clone()
    };
    assert_eq!(stands().await, json!(since));
    // Of what nobody could take, that is when it came.
    house.operator("POST", &format!("/v1/queue/{second}/cancel"), Value::Null).await.expect(200);
    house.operator("POST", &format!("/v1/queue/{first}/release"), Value::Null).await.expect(200);
    house.admin.notice_by_the_clock().await.unwrap();
    pass(&house, 2 * HOUR).await;
    let since = house.clock.now();
    queued(&house, "shop@my.example", Entry::Held).await;
    house.clock.advance(MINUTE);
    assert_eq!(stands().await, json!(since));
}

/// What is held is one figure, whatever it is: the queue has our reports to senders among the rest.
#[tokio::test]
async fn a_report_that_is_held_is_counted_with_what_is_held() {
    let house = House::furnished().await;
    queued(&house, "shop@my.example", Entry::Held).await;
    let what = async || {
        house.admin.notice_by_the_clock().await.unwrap();
        let all = house.operator("GET", "/v1/notices", Value::Null).await.expect(200).json();
        let held = all["items"].as_array().unwrap().iter().find(|notice| notice["kind"] == "held").cloned();
        held.unwrap_or_else(|| panic!("{all}"))["what"].clone()
    };
    assert_eq!(what().await, "One message is held until you release it.");
    for recipient in ["shop@my.example", "news@my.example"] {
        reported(&house, recipient, Entry::Held).await;
    }
    assert_eq!(what().await, "3 messages are held until you release them.");
    let cookie = house.signed_in().await;
    let overview = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    assert!(overview.contains("3 messages are held until you release them."), "{overview}");
    assert!(overview.contains("; 2 of these are reports to senders</dd>"), "{overview}");
}

#[tokio::test]
async fn several_things_at_a_time_are_one_mail_and_words_of_strangers_are_inert() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": ["boss@office.example"], "notify.digest": "off" })).await;
    let id = queued(&house, "shop@my.example", Entry::Kept(house.clock.now().after(HOUR * 200))).await.id;
    let hostile = "550 no\r\nBcc: victim@evil.example\r\n\r\n.\r\n\u{1b}[2J\u{202e}";
    let attempt = crate::web::rows::attempt(house.clock.now(), "refused", hostile);
    let change = waypost::store::activity::Progress {
        id,
        status: waypost::policy::status::Status::Failed,
        reason: hostile.to_owned(),
        attempt: Some(attempt),
        next_attempt_at: None,
        sha256_sent: None,
        dsn: None,
    };
    house.admin.store.activity.progress(vec![change]).await.unwrap();
    house.operator("POST", "/v1/domains", json!({ "name": "other.example" })).await.expect(201);
    for domain in [1, 2] {
        house.admin.store.rules.note_dns(waypost::policy::ids::DomainId(domain), "drift", &[]).await.unwrap();
    }
    pass(&house, MINUTE).await;
    let told = mails(&house).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let mail = &told[0].1;
    assert!(mail.is_ascii() && !mail.contains("\nBcc") && !mail.contains('\u{1b}'), "{mail}");
    assert_eq!(mail.matches("\r\n\r\n.\r\n").count(), 0, "{mail}");
    pass(&house, HOUR).await;
    let told = subjects(&house).await;
    assert_eq!(
        told.last().unwrap().1,
        "2 things need your attention",
        "two domains have drifted for an hour: {told:?}"
    );
}

/// Between a start and the first comparison with DNS, what was found last is what is told.
#[tokio::test]
async fn what_is_wrong_with_records_is_told_in_full_after_a_restart() {
    let house = House::furnished().await;
    let wrong = "MX of my.example: it leads elsewhere. DNS says: 10 mx.elsewhere.example.";
    let domain = waypost::policy::ids::DomainId(1);
    house.admin.store.rules.note_dns(domain, "drift", &[wrong.to_owned()]).await.unwrap();
    let house = house.reopened().await;
    pass(&house, MINUTE).await;
    let told = house.operator("GET", "/v1/notices", Value::Null).await.expect(200).json();
    assert!(told["items"][0]["what"].as_str().unwrap().ends_with(wrong), "{told:#}");
}

#[tokio::test]
async fn what_is_remembered_outlives_a_restart() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": ["boss@office.example"] })).await;
    waits(&house).await;
    pass(&house, 70 * MINUTE).await;
    assert_eq!(subjects(&house).await.len(), 1);
    let house = house.reopened().await;
    pass(&house, 70 * MINUTE).await;
    assert_eq!(subjects(&house).await.len(), 1);
}

#[tokio::test]
async fn a_low_disk_is_told_and_its_end() {
    let mut house = House::furnished().await;
    settings(&house, json!({ "notify.to": ["boss@office.example"] })).await;
    house.admin.outside.settings.probes.disk = Some(DiskFacts { free: 100 << 20, total: 16 << 30 });
    pass(&house, 5 * MINUTE).await;
    house.admin.outside.settings.probes.disk = Some(DiskFacts { free: 8 << 30, total: 16 << 30 });
    pass(&house, 20 * MINUTE).await;
    let told = subjects(&house).await;
    let boss = "boss@office.example";
    assert_eq!(
        told,
        pairs(&[(boss, "The disk of the gateway is low"), (boss, "Over: The disk of the gateway is low")])
    );
}

/// However much later he looks.
#[tokio::test]
async fn the_doctor_dates_a_finding_as_its_notice_does() {
    let mut house = House::furnished().await;
    house.admin.outside.settings.probes.disk = Some(DiskFacts { free: 100 << 20, total: 16 << 30 });
    pass(&house, 5 * MINUTE).await;
    let notices = house.operator("GET", "/v1/notices", Value::Null).await.expect(200).json();
    let since = Moment::parse_rfc3339(notices["items"][0]["since"].as_str().unwrap());
    let found = house.admin.doctor(&Actor::operator(), None).await.unwrap().findings;
    let low = found.iter().find(|finding| finding.id == "disk_low").unwrap();
    assert_eq!((since.is_some(), low.since), (true, since));
}

#[tokio::test]
async fn a_digest_comes_each_week_with_figures_and_what_stands() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": ["boss@office.example"] })).await;
    house.admin.notice_by_the_clock().await.unwrap();
    house.admin.store.activity.record(vec![forwarded(&house, "shop@my.example")]).await.unwrap();
    house.clock.advance(HOUR * 24 * 6);
    house.admin.notice_by_the_clock().await.unwrap();
    assert_eq!(mails(&house).await.len(), 0);
    // Two days late, as after a gateway that was down: all since the last one is told.
    house.clock.advance(HOUR * 24 * 3);
    pass(&house, 10 * MINUTE).await;
    let told = mails(&house).await;
    assert_eq!(subjects(&house).await, pairs(&[("boss@office.example", "All is well at mx.gateway.example")]));
    assert!(told[0].1.contains("\r\n  1 came in, by recipient\r\n  1 forwarded\r\n  0 refused\r\n"), "{}", told[0].1);
    settings(&house, json!({ "notify.digest": "off" })).await;
    house.clock.advance(HOUR * 24 * 8);
    house.admin.notice_by_the_clock().await.unwrap();
    assert_eq!(mails(&house).await.len(), 1);
}

#[tokio::test]
async fn bad_choices_are_refused_by_their_name_and_lists_by_their_words() {
    let house = House::furnished().await;
    for (key, value) in [
        ("notify.to", json!(["nobody"])),
        ("notify.to", json!(vec!["a@b.example"; 21])),
        ("notify.mute", json!(["weather"])),
        ("notify.digest", json!("hourly")),
        ("notify.heartbeat_url", json!("ftp://monitor.example/")),
    ] {
        let refused = house.operator("PATCH", "/v1/settings", json!({ key: value })).await.expect(422);
        assert_eq!(refused.problem()["errors"][0]["field"], key);
    }
    house.operator("GET", "/v1/notices?state=closed", Value::Null).await.expect(422).problem();
    house.operator("GET", "/v1/notices?cursor=x", Value::Null).await.expect(422).problem();
    let pages = house.operator("GET", "/v1/notices?limit=1", Value::Null).await.expect(200).json();
    assert_eq!(pages, json!({ "items": [], "next_cursor": null }));
    let nowhere = House::new().await;
    nowhere.operator("POST", "/v1/notices/test", Value::Null).await.expect(409).problem();
}

/// Nothing comes again by starting the gateway anew, and no end is later for it.
#[tokio::test]
async fn what_was_over_before_a_restart_is_over_after_it_and_lasted_as_long_as_it_did() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": ["boss@office.example"] })).await;
    let began = house.clock.now();
    let cause = |subject: &str| Cause {
        id: "listed".to_owned(),
        kind: Kind::Listed,
        subject: subject.to_owned(),
        severity: Severity::Fault,
        since: Some(began),
        what: format!("{subject} is on a list."),
        remedy: "Have it taken off.".to_owned(),
    };
    let came_and_went = |subject: &str| Remembered {
        cause: cause(subject),
        state: State::Open,
        began_at: began,
        told_at: Some(began),
        gone_since: Some(began.after(5 * MINUTE)),
        ended_at: None,
        turns: 1,
        told: std::collections::BTreeMap::from([("boss@office.example".to_owned(), began)]),
        refused: std::collections::BTreeMap::new(),
    };
    let changed = vec![came_and_went("192.0.2.7"), came_and_went("192.0.2.8")];
    house.admin.store.queue.accept_noting(Vec::new(), Noted { changed, ..Noted::default() }).await.unwrap();
    house.clock.advance(6 * MINUTE);
    let house = house.reopened().await;
    let all = house.operator("GET", "/v1/notices", Value::Null).await.expect(200).json();
    let items = all["items"].as_array().unwrap();
    let gone_at = json!(began.after(5 * MINUTE).rfc3339());
    assert_eq!(items.len(), 2, "{all}");
    assert!(items.iter().all(|one| one["state"] == "over" && one["ended_at"] == gone_at), "{all}");
    house.operator("GET", "/v1/doctor", Value::Null).await.expect(200);
    pass(&house, 20 * MINUTE).await;
    let over: Vec<_> = mails(&house).await.into_iter().filter(|(_, mail)| mail.contains("Subject: Over")).collect();
    assert_eq!(over.len(), 1, "{over:?}");
    assert_eq!(over[0].1.matches("this is over. It lasted 5 min.").count(), 2, "{}", over[0].1);
}

const BOSS: &str = "boss@office.example";
const KIM: &str = "kim@hall.example";

/// Mail that failed is kept: a notice that speaks of one message more each time.
async fn fails(house: &House) {
    queued(house, "shop@my.example", Entry::Kept(house.clock.now().after(HOUR * 200))).await;
}

/// What is remembered of that mail.
async fn untold(house: &House) -> Remembered {
    let all = house.admin.store.notices.remembered().await.unwrap();
    all.into_iter().find(|one| one.cause.kind == Kind::Untold).unwrap()
}

/// Whom the notice of it went to, and whose mail about it came to nothing.
async fn whom(house: &House) -> (Value, Value) {
    let all = house.operator("GET", "/v1/notices?state=open", Value::Null).await.expect(200).json();
    let one = all["items"].as_array().unwrap().iter().find(|one| one["kind"] == "untold").unwrap().clone();
    (one["told"].clone(), one["refused"].clone())
}

/// The mail of that moment to this address comes to nothing, now.
async fn refuses(house: &House, address: &str, sent: Moment) {
    house.admin.store.notices.refused(sent, (address.to_owned(), house.clock.now())).await.unwrap();
}

#[tokio::test]
async fn the_only_inbox_that_is_written_to_again_has_refused_no_more() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": [BOSS], "notify.digest": "off" })).await;
    fails(&house).await;
    pass(&house, MINUTE).await;
    refuses(&house, BOSS, house.clock.now()).await;
    pass(&house, HOUR).await;
    assert_eq!(whom(&house).await, (json!([]), json!([BOSS])));
    pass(&house, 6 * HOUR).await;
    assert_eq!(whom(&house).await, (json!([BOSS]), json!([])));
    let subject = "Mail for owner@inbox.example failed, and its sender was not told";
    let all = subjects(&house).await;
    assert_eq!(all.iter().filter(|(_, about)| about == subject).count(), 2, "{all:?}");
}

/// Who may be written to again and is not, as its mail waits: what is remembered of the cause goes on all the same.
#[tokio::test]
async fn what_stands_is_remembered_as_it_is_though_nobody_more_can_be_told() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": [BOSS, KIM] })).await;
    fails(&house).await;
    pass(&house, MINUTE).await;
    refuses(&house, BOSS, house.clock.now()).await;
    queued_to(&house, ("shop@my.example", BOSS), Entry::Due(house.clock.now().after(200 * HOUR))).await;
    house.clock.advance(70 * MINUTE);
    house.operator("POST", "/v1/destinations", json!({ "address": BOSS, "verified": true })).await.expect(201);
    fails(&house).await;
    pass(&house, 2 * MINUTE).await;
    let what = untold(&house).await.cause.what;
    assert!(what.starts_with("2 messages "), "{what}");
    assert_eq!(whom(&house).await, (json!([KIM]), json!([BOSS])));
}

/// Whoever was written to since.
#[tokio::test]
async fn the_mail_that_told_first_may_come_to_nothing_after_others_were_told() {
    let house = House::furnished().await;
    settings(&house, json!({ "notify.to": [BOSS, KIM] })).await;
    fails(&house).await;
    pass(&house, MINUTE).await;
    let first = house.clock.now();
    pass(&house, 5 * MINUTE).await;
    refuses(&house, BOSS, first).await;
    pass(&house, 10 * MINUTE).await;
    let taken = Row { destination: Some(BOSS.to_owned()), ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![taken]).await.unwrap();
    pass(&house, 2 * MINUTE).await;
    assert_eq!(whom(&house).await, (json!([KIM, BOSS]), json!([])));
    refuses(&house, KIM, first).await;
    assert_eq!(whom(&house).await, (json!([BOSS]), json!([KIM])));
}

/// What a mail tells of, a look names too, once.
#[tokio::test]
async fn the_doctor_names_what_a_notice_is_open_for() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let why = Some(waypost::policy::no_mail::NoMail::NoAddress);
    house.admin.store.rules.note_no_mail("inbox.example", why).await.unwrap();
    for _ in 0..2 {
        let checkup = house.operator("GET", "/v1/doctor", Value::Null).await.expect(200).json();
        let found = checkup["findings"].as_array().unwrap().iter().filter(|one| one["subject"] == "inbox.example");
        let found: Vec<_> = found.collect();
        assert_eq!(found.len(), 1, "{checkup:#}");
        assert_eq!((&found[0]["id"], &found[0]["severity"]), (&json!("no_mail"), &json!("fault")), "{checkup:#}");
        assert!(found[0]["what"].as_str().unwrap().contains("it has no MX record and no address"), "{checkup:#}");
        let all = house.operator("GET", "/v1/notices", Value::Null).await.expect(200).json();
        let of_it = all["items"].as_array().unwrap().iter().filter(|one| one["subject"] == "inbox.example");
        assert_eq!(of_it.count(), 1, "{all:#}");
    }
    let of_domain = house.operator("GET", "/v1/doctor?domain=my.example", Value::Null).await.expect(200).text();
    assert!(!of_domain.contains("no_mail"), "{of_domain}");
}
