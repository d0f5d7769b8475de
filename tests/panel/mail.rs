//! What is done with mail in the panel: sent to another inbox, taken as a file, saved as a table; only where it works, only by
//! whom it is for.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::mail::Author;
use waypost::policy::rule::Kind;
use waypost::policy::settings::Instance;
use waypost::policy::status::{RuleRef, Status};
use waypost::policy::verdict::Fault;
use waypost::store::activity::{Attempt, Auth, DsnNote, Progress, Row};
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::{MESSAGE, attempt, forwarded, queued, queued_as, queued_to, reported};

#[tokio::test]
async fn a_message_that_is_kept_goes_to_another_inbox_that_is_verified() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let other = json!({ "address": "other@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", other).await.expect(201);
    let until = house.clock.now().after(Duration::from_secs(3600));
    let row = queued(&house, "shop@my.example", Entry::Kept(until)).await;
    let path = format!("/activity/{}", row.id);
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    assert!(page.contains("value=\"\" list=\"inboxes\""), "not to the one that refused it: {page}");
    assert!(page.contains("<option value=\"other@inbox.example\">"), "{page}");
    let wrong = house.panel(&cookie, "POST", &format!("{path}/resend"), "destination=who%40inbox.example").await;
    let wrong = wrong.expect(422).text();
    assert!(wrong.contains("id=\"e-destination\"><bdi>who@inbox.example is not a verified destination"), "{wrong}");
    assert!(wrong.contains("value=\"who@inbox.example\" list=\"inboxes\"") && wrong.contains("<h1>"), "{wrong}");
    house.panel(&cookie, "POST", &format!("{path}/resend"), "destination=other%40inbox.example").await.expect(303);
    let queue = house.operator("GET", "/v1/queue", Value::Null).await.expect(200).json();
    assert_eq!(queue["items"][0]["destination"], "other@inbox.example", "{queue}");
    // The page says by whom it went another way than the alias had decided, where that was done; and so does the log of changes.
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    let told = "<bdi>Sent to other@inbox.example instead of owner@inbox.example, by the owner.</bdi><time";
    let (tried, sent) = (page.find("refused it").unwrap(), page.find(told).unwrap_or_else(|| panic!("{page}")));
    assert!(tried < sent, "{page}");
    assert!(page.contains("It came for the alias shop@my.example, which leads to owner@inbox.example."), "{page}");
    let changes = house.panel(&cookie, "GET", "/settings/audit", "").await.expect(200).text();
    assert!(changes.contains(&format!("Sent the message <bdi>{} to other@inbox.example</bdi>", row.id)), "{changes}");
}

/// An inbox that is gone is not proposed.
#[tokio::test]
async fn what_is_kept_for_an_inbox_that_is_gone_is_not_proposed_to_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let other = json!({ "address": "other@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", other).await.expect(201);
    let until = house.clock.now().after(Duration::from_secs(3600));
    let row = queued(&house, "shop@my.example", Entry::Kept(until)).await;
    house.operator("DELETE", "/v1/destinations/owner@inbox.example", Value::Null).await.expect(204);
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(
        page.contains("value=\"\" list=\"inboxes\"") && page.contains("<option value=\"other@inbox.example\">"),
        "{page}"
    );
    assert!(!page.contains("<option value=\"owner@inbox.example\">"), "{page}");
}

/// Its alias leads elsewhere by now, for its inbox is gone: there it is to go.
#[tokio::test]
async fn a_message_that_failed_is_to_go_where_its_alias_leads_by_now() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for address in ["old@inbox.example", "new@inbox.example"] {
        let inbox = json!({ "address": address, "verified": true });
        house.operator("POST", "/v1/destinations", inbox).await.expect(201);
    }
    let id =
        super::aliases::alias(&house, json!({ "address": "shop@my.example", "destinations": ["old@inbox.example"] }));
    let id = id.await;
    let rule = RuleRef { id: id.parse().unwrap(), kind: Kind::Address, pattern: "shop@my.example".to_owned() };
    let refusal = attempt(house.clock.now(), "refused", "550 5.1.1 No such user");
    let kept = Row {
        status: Status::Failed,
        rule: Some(rule),
        destination: Some("old@inbox.example".to_owned()),
        attempts: vec![Attempt { fault: Some(Fault::Mailbox), ..refusal }],
        sha256_sent: None,
        ..forwarded(&house, "shop@my.example")
    };
    queued_as(&house, &kept, Entry::Kept(house.clock.now().after(Duration::from_secs(3600)))).await;
    let page = async || house.panel(&cookie, "GET", &format!("/activity/{}", kept.id), "").await.expect(200).text();
    let before = page().await;
    assert!(before.contains("<option value=\"old@inbox.example\">"), "{before}");
    assert!(before.contains("or it is closed: lead the alias to another one."), "{before}");
    let led = json!({ "destinations": ["new@inbox.example"] });
    house.operator("PATCH", &format!("/v1/aliases/{id}"), led).await.expect(200);
    house.operator("DELETE", "/v1/destinations/old@inbox.example", Value::Null).await.expect(204);
    let after = page().await;
    assert!(after.contains("value=\"new@inbox.example\" list=\"inboxes\""), "{after}");
    assert!(!after.contains("<option value=\"old@inbox.example\">"), "{after}");
    let words = "There is no such inbox, or it is closed. Its alias leads to new@inbox.example by now: send this message there.";
    assert!(after.contains(words) && !after.contains("lead the alias to another"), "{after}");
    // An inbox that has its own copy is not proposed for another.
    let other = Row {
        id: house.admin.chance.id(house.clock.now()),
        status: Status::Forwarded,
        destination: Some("new@inbox.example".to_owned()),
        ..kept.clone()
    };
    house.admin.store.activity.record(vec![other]).await.unwrap();
    let has = page().await;
    assert!(has.contains("name=\"destination\" value=\"\" list=\"inboxes\""), "{has}");
    assert!(
        has.contains("Its alias leads to new@inbox.example by now, which has this message.")
            && !has.contains("send this message there"),
        "{has}"
    );
}

#[tokio::test]
async fn a_message_is_taken_as_a_file_while_it_is_here() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = queued(&house, "shop@my.example", Entry::Held).await;
    let path = format!("/activity/{}/message", row.id);
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(page.contains(&format!("href=\"{path}\" download")), "{page}");
    let file = house.panel(&cookie, "GET", &path, "").await.expect(200);
    assert_eq!(&file.body[..], MESSAGE);
    let disposition = format!("attachment; filename=\"{}.eml\"", row.id);
    assert_eq!(file.field("content-disposition"), Some(disposition));
    assert_eq!(file.field("content-type").as_deref(), Some("message/rfc822"));
    assert_eq!(file.field("x-content-type-options").as_deref(), Some("nosniff"));
    let gone = forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![gone.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", gone.id), "").await.expect(200).text();
    assert!(!page.contains("The message itself"), "what is delivered is not here any more");
    house.panel(&cookie, "GET", &format!("/activity/{}/message", gone.id), "").await.expect(404);
    house.panel(&cookie, "GET", "/activity/nonsense/message", "").await.expect(404);
}

#[tokio::test]
async fn who_only_looks_is_offered_nothing_that_would_be_refused() {
    let house = House::furnished().await;
    let password = "correct horse battery";
    let viewer = json!({ "email": "viewer@my.example", "password": password,
        "domains": [{ "domain": "my.example", "role": "viewer" }] });
    house.operator("POST", "/v1/users", viewer).await.expect(201);
    let form = format!("email=viewer%40my.example&password={}", password.replace(' ', "+"));
    let signed = house.panel("", "POST", "/sign-in", &form).await.expect(303);
    let cookie = signed.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let row = queued(&house, "shop@my.example", Entry::Held).await;
    let path = format!("/activity/{}", row.id);
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    assert!(page.contains("On hold until it is released"), "{page}");
    assert!(!page.contains(&format!("action=\"{path}")) && !page.contains("The message itself"), "{page}");
    house.panel(&cookie, "GET", &format!("{path}/message"), "").await.expect(403);
    house.panel(&cookie, "POST", &format!("{path}/release"), "").await.expect(403);
    let page = async |cookie: &str, path: &str| house.panel(cookie, "GET", path, "").await.expect(200).text();
    let queue = page(&cookie, "/queue").await;
    assert!(queue.contains("shop@my.example") && !queue.contains("action=\"/queue/"), "{queue}");
    house.panel(&cookie, "POST", "/queue/release", "domain=inbox.example").await.expect(403);
    let domain = page(&cookie, "/domains/my.example").await;
    assert!(domain.contains("You may look at what is set.") && domain.contains("<fieldset disabled>"), "{domain}");
    assert!(!domain.contains(">Save</button>") && !domain.contains("Remove this domain"), "{domain}");
    assert!(!page(&cookie, "/").await.contains("No mail can reach you yet."), "it comes to whoever's domain it is");
    let manager =
        house.signed_in_as("manager@people.example", json!([{ "domain": "my.example", "role": "manager" }])).await;
    let domain = page(&manager, "/domains/my.example").await;
    assert!(domain.contains(">Save</button>") && !domain.contains("Remove this domain"), "{domain}");
    assert!(page(&manager, "/queue").await.contains("action=\"/queue/release"));
    assert!(page(&house.signed_in().await, "/domains/my.example").await.contains("Remove this domain"));
}

/// A report that was read was to go nowhere: its destination is the sender of the mail that it is about.
#[tokio::test]
async fn what_has_no_inbox_of_ours_to_go_to_is_not_sent_again_as_it_is() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let until = house.clock.now().after(Duration::from_secs(3600));
    let row = queued_to(&house, ("shop@my.example", "ann@sender.example"), Entry::Kept(until)).await;
    let path = format!("/activity/{}", row.id);
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    assert!(page.contains("Send there now") && !page.contains(&format!("{path}/retry")), "{page}");
    let refused = house.panel(&cookie, "POST", &format!("{path}/retry"), "").await.expect(409).text();
    assert!(refused.contains("It has no verified inbox to go to: send it to one of yours."), "{refused}");
    house.operator("POST", &format!("/v1/queue/{}/resend", row.id), json!({})).await.expect(409);
    house.panel(&cookie, "POST", &format!("{path}/resend"), "destination=owner%40inbox.example").await.expect(303);
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    assert!(page.contains("Waits for its next try to owner@inbox.example"), "{page}");
}

/// The report itself is kept: whether the sender of the mail that it is about was told is that mail's to say.
#[tokio::test]
async fn a_report_that_was_read_is_not_said_to_be_kept_for_want_of_one() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let until = house.clock.now().after(Duration::from_secs(3600));
    let row = queued_to(&house, ("shop@my.example", "ann@sender.example"), Entry::Kept(until)).await;
    let progress = Progress {
        id: row.id,
        status: Status::Consumed,
        reason: "A report came back".to_owned(),
        attempt: None,
        next_attempt_at: None,
        sha256_sent: None,
        dsn: None,
    };
    house.admin.store.activity.progress(vec![progress]).await.unwrap();
    let shown = page(&house, &cookie, &format!("/activity/{}", row.id)).await;
    assert!(shown.contains("<p>A report that came back is kept until 22 Nov 2026, 19:56:24 UTC.</p>"), "{shown}");
    assert!(!shown.contains("was not told"), "{shown}");
}

#[tokio::test]
async fn a_message_that_speaks_of_another_one_leads_to_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let first = forwarded(&house, "shop@my.example");
    let reason = format!("A repeat of {}, whose answer may not have reached the client.", first.id);
    let row = Row { status: Status::Duplicate, reason, ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![first.clone(), row.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    let link = format!("A repeat of <a href=\"/activity/{0}\">{0}</a>, whose answer", first.id);
    assert!(page.contains(&link), "{page}");
}

#[tokio::test]
async fn what_came_without_a_message_is_told_without_subject_and_size() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = Row { status: Status::Refused, size: 0, subject: None, ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(!page.contains("<dt>Subject</dt>") && !page.contains("<dt>Size</dt>"), "{page}");
}

#[tokio::test]
async fn what_the_filters_show_is_saved_as_a_table_or_as_lines() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let old = house.clock.now().before(Duration::from_secs(3 * 86_400));
    let rows = vec![
        Row { status: Status::Refused, received_at: old, ..forwarded(&house, "old@my.example") },
        Row { status: Status::Refused, destination: None, ..forwarded(&house, "gone@my.example") },
        forwarded(&house, "shop@my.example"),
    ];
    house.admin.store.activity.record(rows).await.unwrap();
    let page = house.panel(&cookie, "GET", "/activity?status=refused&time=24h", "").await.expect(200).text();
    assert!(page.contains("gone@my.example") && !page.contains("old@my.example"), "{page}");
    assert!(page.contains("<option value=\"24h\" selected>"), "{page}");
    for (format, kind) in [("csv", "text/csv; charset=utf-8"), ("ndjson", "application/x-ndjson")] {
        let link = page.split("href=\"").find(|part| part.contains(&format!("format={format}"))).unwrap();
        let link = link.split('"').next().unwrap().replace("&#38;", "&");
        let file = house.panel(&cookie, "GET", &link, "").await.expect(200);
        assert_eq!(file.field("content-type").as_deref(), Some(kind));
        let name = format!("attachment; filename=\"activity.{format}\"");
        assert_eq!(file.field("content-disposition"), Some(name));
        let text = file.text();
        assert!(text.contains("gone@my.example"), "{text}");
        assert!(!text.contains("old@my.example") && !text.contains("shop@my.example"), "{text}");
    }
    let all = house.panel(&cookie, "GET", "/activity", "").await.expect(200).text();
    assert!(
        all.contains("The log begins here, on <time")
            && all.contains(">19 Nov 2026, ")
            && all.contains("older than 30 days"),
        "{all}"
    );
    assert!(!page.contains("The log begins here"), "a filter shows no beginning");
}

async fn page(house: &House, cookie: &str, path: &str) -> String {
    house.panel(cookie, "GET", path, "").await.expect(200).text()
}

/// What comes of a try.
async fn tried(house: &House, row: &Row, status: Status, reply: &str) {
    let outcome = if status == Status::Deferred { "deferred" } else { "delivered" };
    let progress = Progress {
        id: row.id,
        status,
        reason: reply.to_owned(),
        attempt: Some(attempt(house.clock.now(), outcome, reply)),
        next_attempt_at: (status == Status::Deferred).then(|| house.clock.now().after(Duration::from_secs(300))),
        sha256_sent: None,
        dsn: None,
    };
    house.admin.store.activity.progress(vec![progress]).await.unwrap();
}

#[tokio::test]
async fn a_message_under_way_is_asked_for_again_and_what_was_asked_for_is_told_as_long_as_it_is_so() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let later = house.clock.now().after(Duration::from_secs(3600));
    let row = queued(&house, "shop@my.example", Entry::Due(later)).await;
    let path = format!("/activity/{}", row.id);
    let waits = page(&house, &cookie, &format!("{path}?done=retry")).await;
    assert!(waits.contains(&format!("data-again=\"{path}\"")) && !waits.contains("being tried again"), "{waits}");
    for (action, told) in
        [("retry", "It is being tried again."), ("hold", "It is on hold until it is released.</span>")]
    {
        let done = house.panel(&cookie, "POST", &format!("{path}/{action}"), "").await.expect(303);
        let shown = house.follow(&cookie, done).await;
        assert!(shown.contains(told), "{action}: {shown}");
        assert!(shown.contains(&format!("data-again=\"{path}?done={action}\"")), "{action}: {shown}");
    }
    let stale = page(&house, &cookie, &format!("{path}?done=retry")).await;
    assert!(!stale.contains("being tried again"), "{stale}");
    house.panel(&cookie, "POST", &format!("{path}/release"), "").await.expect(303);
    let shown = page(&house, &cookie, &format!("{path}?done=release")).await;
    assert!(shown.contains("It is released and being tried."), "{shown}");
    tried(&house, &row, Status::Forwarded, "250 OK").await;
    let end = page(&house, &cookie, &format!("{path}?done=release")).await;
    assert!(end.contains("Forwarded to") && !end.contains("being tried") && !end.contains("data-again"), "{end}");
}

#[tokio::test]
async fn the_queue_is_asked_for_again_as_long_as_anything_is_in_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    assert!(!page(&house, &cookie, "/queue").await.contains("data-again"));
    let later = house.clock.now().after(Duration::from_secs(3600));
    let row = queued(&house, "shop@my.example", Entry::Due(later)).await;
    let place = "/queue?done=retry&count=1";
    let waits = page(&house, &cookie, place).await;
    assert!(waits.contains("data-again=\"/queue\"") && !waits.contains("is being tried now"), "{waits}");
    let done = house.panel(&cookie, "POST", "/queue/retry", "domain=inbox.example").await.expect(303);
    let tried = house.follow(&cookie, done).await;
    assert!(tried.contains("One message is being tried now."), "{tried}");
    assert!(tried.contains("data-again=\"/queue\""), "{tried}");
    // What was answered stays, whatever the list says next.
    let (answer, list) = (tried.find("One message is being tried now."), tried.find("<div id=\"waits\""));
    assert!(answer < list, "{tried}");
    house.admin.store.queue.cancel(row.id).await.unwrap();
    let empty = page(&house, &cookie, place).await;
    assert!(!empty.contains("data-again") && !empty.contains("being tried"), "{empty}");
}

#[tokio::test]
async fn what_failed_is_not_said_to_wait() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let until = house.clock.now().after(Duration::from_secs(3600));
    let waits = queued(&house, "shop@my.example", Entry::Due(until)).await;
    let failed = queued(&house, "news@my.example", Entry::Kept(until)).await;
    tried(&house, &waits, Status::Deferred, "452 4.2.2 <anna@inbox.example> over quota").await;
    tried(&house, &failed, Status::Failed, "550 5.1.1 no such user").await;
    let shown = page(&house, &cookie, "/queue").await;
    assert!(shown.contains("They are here for different reasons, which are told with each."), "{shown}");
    assert!(!shown.contains("They wait for"), "{shown}");
}

#[tokio::test]
async fn who_sent_it_elsewhere_is_told_from_where_it_went() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = queued(&house, "shop@my.example", Entry::Due(house.clock.now())).await;
    let [from, to] = ["full@inbox.example", "me@inbox.example"].map(|one| waypost::mail::Mailbox::parse(one).unwrap());
    let step = waypost::policy::redirected::step((Some(&from), &to), "me@inbox.example", house.clock.now());
    let row = Row { id: house.admin.chance.id(house.clock.now()), trace: vec![step], ..row };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let shown = page(&house, &cookie, &format!("/activity/{}", row.id)).await;
    let told = "<bdi>Sent to me@inbox.example instead of full@inbox.example, by the account me@inbox.example.</bdi>";
    assert!(shown.contains(told), "{shown}");
}

/// An inbox that is full and one that greylists, at one provider: each has its own reason and its own advice.
#[tokio::test]
async fn what_waits_for_one_site_for_several_reasons_says_its_own_in_each_row() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(Duration::from_secs(300)));
    let full = queued(&house, "shop@my.example", due).await;
    let grey = queued(&house, "news@my.example", due).await;
    let (full_up, patience) = ("The inbox is full", "the other server asked for patience");
    tried(&house, &full, Status::Deferred, "452 4.2.2 <anna@inbox.example> over quota").await;
    tried(&house, &grey, Status::Deferred, "451 4.7.1 Greylisted").await;
    let shown = page(&house, &cookie, "/queue").await;
    assert!(shown.contains("They wait for different reasons, which are told with each."), "{shown}");
    let rows: Vec<_> = shown.split("<li>").skip(1).collect();
    let of = |row: &Row| *rows.iter().find(|one| one.contains(&format!("id=\"m-{}\"", row.id))).unwrap();
    assert!(of(&full).contains(full_up) && !of(&full).contains(patience), "{}", of(&full));
    assert!(of(&grey).contains(patience) && !of(&grey).contains(full_up), "{}", of(&grey));
    // What is alike but for the name of its inbox has one reason.
    tried(&house, &grey, Status::Deferred, "452 4.2.2 <ben@inbox.example> over quota").await;
    let shown = page(&house, &cookie, "/queue").await;
    assert_eq!(shown.matches(full_up).count(), 1, "{shown}");
    assert!(!shown.contains("more than one reason"), "{shown}");
}

#[tokio::test]
async fn what_is_to_be_done_fits_what_the_other_server_said() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let later = house.clock.now().after(Duration::from_secs(300));
    let row = queued(&house, "shop@my.example", Entry::Due(later)).await;
    let path = format!("/activity/{}", row.id);
    let (why, what) = ("Why mail waits", "What to do about it");
    let busy = page(&house, &cookie, "/queue").await;
    assert!(busy.contains("You need do nothing") && busy.contains(why) && !busy.contains(what), "{busy}");
    for (reply, words, help, more) in [
        ("450 4.2.1 Mailbox busy", "You need do nothing: the other server asked for patience", "waits", why),
        ("421 4.7.28 Unusual rate of mail", "slows down mail from addresses that it hardly knows", "waits", why),
        ("452 4.2.2 Over quota", "The inbox is full", "waits", what),
        ("550 5.7.25 No PTR record", "objects to this server, not to the message", "refused", what),
        ("connection refused", "The other server cannot be reached", "port-25", what),
        ("no answer to RCPT within 300 s", "takes the connection and then says no more", "waits", why),
        ("552 5.3.4 Too big", "takes no message so large", "refused", what),
        (
            "not offered: the message has 200 octets, and the next hop takes 20",
            "takes no message so large",
            "refused",
            what,
        ),
        ("bind: Too many open files", "Nothing more is known than how its last try ended", "waits", why),
    ] {
        tried(&house, &row, Status::Deferred, reply).await;
        for path in [&path, "/queue"] {
            let shown = page(&house, &cookie, path).await;
            assert!(shown.contains(words) && shown.contains(&format!("href=\"/help/{help}\">{more}<")), "{shown}");
        }
        let shown = page(&house, &cookie, &path).await;
        let end =
            "It is tried again by itself in 5 min, and so on until 27 Nov 2026, 18:56:24 UTC. If no try succeeds,";
        assert!(shown.contains(end) && shown.contains("its sender is told"), "{shown}");
    }
}

#[tokio::test]
async fn who_wrote_it_is_told_first_and_who_sent_it_where_that_is_another_one() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let shown = async |author: Option<&str>, sender: &str| {
        let author = author.map(Author::read);
        let row = Row { author, sender: sender.to_owned(), ..forwarded(&house, "shop@my.example") };
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let list = page(&house, &cookie, "/activity").await;
        let line =
            list.split("<span class=\"from\">").nth(1).unwrap().split("<span class=\"alias-of\">").next().unwrap();
        let whole = page(&house, &cookie, &format!("/activity/{}", row.id)).await;
        let told = whole.split("<dl class=\"facts\">").nth(1).unwrap().split("</dd>").next().unwrap();
        (in_words(line), in_words(told))
    };
    for (author, sender, line, told) in [
        (
            Some("Müller <real@author.test>"),
            "env2@bounces.test",
            "from Müller real@author.test sent by env2@bounces.test",
            "From Müller <real@author.test>, sent by env2@bounces.test",
        ),
        (
            Some("Müller <Real@author.test>"),
            "real@AUTHOR.test",
            "from Müller Real@author.test",
            "From Müller <Real@author.test>",
        ),
        (Some("real@author.test"), "real@author.test", "from real@author.test", "From real@author.test"),
        (
            Some("real@author.test"),
            "",
            "from real@author.test sent by <>",
            "From real@author.test, sent by <> (a report or automatic mail)",
        ),
        (None, "env2@bounces.test", "from env2@bounces.test", "Envelope sender env2@bounces.test"),
    ] {
        assert_eq!(shown(author, sender).await, (line.to_owned(), told.to_owned()), "{author:?} {sender}");
    }
    let table = page(&house, &cookie, "/activity/export?format=csv").await;
    assert!(table.lines().next().unwrap().ends_with(",author"), "{table}");
    assert!(table.contains(",Müller <real@author.test>\r\n"), "{table}");
}

/// What is read of a piece of a page.
fn in_words(piece: &str) -> String {
    let mut text = String::new();
    for part in piece.split('<') {
        text += part.split_once('>').map_or(part, |(_, text)| text);
        text += if part.starts_with("/dt") { " " } else { "" };
    }
    let text = text.replace("&#60;", "<").replace("&#62;", ">").replace("&lt;", "<").replace("&gt;", ">");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn why_there_is_no_subject_is_said() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let shown = async |cookie: &str, row: Row| {
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let whole = page(&house, cookie, &format!("/activity/{}", row.id)).await;
        let subject = whole.split("<dt>Subject</dt>").nth(1).unwrap().split("</dd>").next().unwrap().to_owned();
        subject.split("muted\">").nth(1).unwrap().trim_end_matches("</span>").to_owned()
    };
    let bare = Row { subject: None, ..forwarded(&house, "shop@my.example") };
    assert_eq!(shown(&cookie, bare).await, "it had none, or none was kept then");
    let quiet = json!({ "address": "quiet@my.example", "privacy": "subject" });
    let id = house.operator("POST", "/v1/aliases", quiet).await.expect(201).json()["id"].clone();
    let alias = RuleRef { id: id.as_str().unwrap().parse().unwrap(), ..bare_rule() };
    let kept = Row { subject: None, rule: Some(alias), ..forwarded(&house, "quiet@my.example") };
    assert_eq!(shown(&cookie, kept).await, "not kept: its alias is set so");
    let viewer =
        house.signed_in_as("viewer@people.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    assert_eq!(shown(&viewer, forwarded(&house, "shop@my.example")).await, "not shown to people who may only look");
}

fn bare_rule() -> RuleRef {
    RuleRef { id: uuid::Uuid::nil(), kind: Kind::Address, pattern: "quiet".to_owned() }
}

#[tokio::test]
async fn a_domain_that_publishes_no_policy_is_told_as_such() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let mut row = forwarded(&house, "shop@my.example");
    for (result, told) in [
        ("none p=none d=shop.example", "no policy published by shop.example"),
        ("fail p=reject d=shop.example", "fail p=reject d=shop.example"),
    ] {
        row = Row { auth: Auth { dmarc: Some(result.to_owned()), ..row.auth }, ..forwarded(&house, "shop@my.example") };
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let shown = page(&house, &cookie, &format!("/activity/{}", row.id)).await;
        assert!(shown.contains(&format!("<dt>DMARC</dt><dd><bdi>{told}</bdi>")), "{shown}");
    }
}

#[tokio::test]
async fn that_a_message_is_not_signed_is_told_of_one_that_came() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let unsigned = || {
        let row = forwarded(&house, "shop@my.example");
        Row { auth: Auth { dkim: Vec::new(), ..row.auth.clone() }, ..row }
    };
    let refused = Row { status: Status::Refused, size: 0, sha256_received: None, sha256_sent: None, ..unsigned() };
    let words = ["the message has no DKIM signature", "not asked: the message itself never came"];
    for (row, told) in [unsigned(), refused].into_iter().zip(words) {
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let shown = page(&house, &cookie, &format!("/activity/{}", row.id)).await;
        assert!(shown.contains(&format!("<dt>DKIM</dt><dd><bdi>{told}</bdi>")), "{shown}");
    }
}

#[tokio::test]
async fn what_the_gateway_itself_wrote_is_told_as_such() {
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    house.panel(&cookie, "POST", "/destinations", "address=new%40inbox.example").await.expect(303);
    house.panel(&cookie, "POST", "/settings/notices/test", "").await.expect(303);
    let came = forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![came.clone()]).await.unwrap();
    let own = house.operator("GET", "/v1/activity?own=true", Value::Null).await.expect(200).json();
    let path_of = |kind: &str| {
        let rows = own["items"].as_array().unwrap().iter();
        let row = rows.clone().find(|row| row["own"] == kind).unwrap();
        format!("/activity/{}", row["id"].as_str().unwrap())
    };
    let asked = page(&house, &cookie, &path_of("verification")).await;
    let words = "Waypost&#39;s own message: verification of new@inbox.example, waiting for its first try";
    assert!(asked.contains(words) && asked.contains("Waypost itself, as <bdi>postmaster@my.example"), "{asked}");
    assert!(asked.contains("Waypost wrote it.") && asked.contains("<h2>Content</h2>"), "{asked}");
    for stranger in ["connected", "No alias", "<h2>Checks</h2>", "<dt>SPF</dt>", "Block", "?alias=", "step by step"] {
        assert!(!asked.contains(stranger), "{stranger}: {asked}");
    }
    let told = page(&house, &cookie, &path_of("notice")).await;
    assert!(told.contains("Waypost&#39;s own message: notice to owner@inbox.example, waiting"), "{told}");

    let all = page(&house, &cookie, "/activity").await;
    assert_eq!((all.matches("Waypost itself").count(), all.matches("<li id=\"m-").count()), (2, 3), "{all}");
    let own = page(&house, &cookie, "/activity?own=true").await;
    assert!(own.matches("<li id=\"m-").count() == 2 && !own.contains(&came.id.to_string()), "{own}");
    assert!(own.contains("href=\"/activity\" aria-current=\"true\">Waypost&#39;s own</a>"), "{own}");
    let overview = page(&house, &cookie, "/").await;
    assert!(
        overview.contains("<strong>1</strong> came in, by recipient")
            && overview.contains("<strong>0</strong> waiting"),
        "{overview}"
    );
    let link = overview.split("<ul class=\"figures\"><li><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let counted = page(&house, &cookie, &link.replace("&#38;", "&")).await;
    assert!(counted.matches("<li id=\"m-").count() == 1 && counted.contains("without Waypost's own"), "{counted}");
}

#[tokio::test]
async fn a_message_for_two_inboxes_says_in_each_row_which() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let one = forwarded(&house, "shop@my.example");
    let id = uuid::Uuid::from_u128(one.id.as_u128() + 1);
    let other = Row { id, destination: Some("bert@inbox.example".to_owned()), ..one.clone() };
    house.admin.store.activity.record(vec![one]).await.unwrap();
    let alone = page(&house, &cookie, "/activity").await;
    assert!(!alone.contains("<small class=\"muted\">for "), "{alone}");
    house.admin.store.activity.record(vec![other]).await.unwrap();
    let both = page(&house, &cookie, "/activity").await;
    assert!(both.contains("<small class=\"muted\">for <bdi>bert@inbox.example</bdi>"), "{both}");
    assert_eq!(both.matches("<small class=\"muted\">for ").count(), 2, "{both}");
}

#[tokio::test]
async fn what_its_sender_was_told_of_is_not_said_to_be_kept() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let until = house.clock.now().after(Duration::from_secs(300));
    let waits = queued(&house, "shop@my.example", Entry::Due(until)).await;
    let shown = page(&house, &cookie, &format!("/activity/{}", waits.id)).await;
    let then = "If no try succeeds, its sender is told, unless another inbox of the alias has the message or it is not \
                certain who the sender is: then the message is kept here for 7 days, to be sent elsewhere.";
    assert!(shown.contains(then), "{shown}");
    let busy = "450 4.2.1 Mailbox busy";
    let attempts = vec![attempt(house.clock.now(), "deferred", busy)];
    let dsn = Some(DsnNote { dsn: "sent".to_owned(), why: String::new() });
    let told = Row { status: Status::Expired, attempts, dsn, ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![told.clone()]).await.unwrap();
    let shown = page(&house, &cookie, &format!("/activity/{}", told.id)).await;
    assert!(shown.contains("until the time was over. Nothing of it is kept here, for its sender was told"), "{shown}");
    assert!(!shown.contains("send it again, or elsewhere") && !shown.contains("/resend"), "{shown}");
    let path = format!("/v1/queue/{}/resend", told.id);
    let refused = house.operator("POST", &path, json!({})).await.expect(404).text();
    assert!(refused.contains("is kept no more: its sender was told"), "{refused}");
    let help = page(&house, &cookie, "/help/waits").await;
    assert!(help.contains("If nobody can be told, the message is kept for") && help.contains("or is kept"), "{help}");
}

/// The sender is not said to be told before their server has the report, nor once somebody has cancelled it.
#[tokio::test]
async fn a_sender_is_said_to_be_told_when_the_report_was_taken_and_not_before() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let (row, report) = reported(&house, "shop@my.example", Entry::Due(house.clock.now())).await;
    let story = format!("/activity/{}", row.id);
    let waits = page(&house, &cookie, &story).await;
    assert!(waits.contains("A report for its sender is in the queue, waiting, not tried yet."), "{waits}");
    assert!(waits.contains("Nothing of it is kept here: a report for its sender is in the queue."), "{waits}");
    let resend = format!("/v1/queue/{}/resend", row.id);
    let refused = house.operator("POST", &resend, json!({})).await.expect(404).text();
    assert!(
        refused.contains("a report for its sender is in the queue, waiting") && !refused.contains("told"),
        "{refused}"
    );
    house.operator("POST", &format!("/v1/queue/{report}/cancel"), json!({})).await.expect(200);
    let ended = page(&house, &cookie, &story).await;
    let words = "No report went to the sender: the report was cancelled, so its sender was not told";
    assert!(ended.contains(words) && ended.contains("Nothing of it is kept here any more."), "{ended}");
    house.operator("GET", &format!("/v1/activity/{report}"), Value::Null).await.expect(404);
    let (row, report) = reported(&house, "news@my.example", Entry::Due(house.clock.now())).await;
    house.admin.store.activity.reported((row.id, report), &DsnNote::taken(report)).await.unwrap();
    let told = page(&house, &cookie, &format!("/activity/{}", row.id)).await;
    let when = "The sender was told by a report, which their server took.</bdi><time";
    assert!(told.contains(when), "{told}");
}

#[tokio::test]
async fn what_is_kept_can_be_sent_again_and_what_is_kept_no_more_cannot() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let kept = queued(&house, "shop@my.example", Entry::Kept(house.clock.now().after(Duration::from_secs(60)))).await;
    tried(&house, &kept, Status::Expired, "450 4.2.1 Mailbox busy").await;
    let path = format!("/activity/{}", kept.id);
    let shown = page(&house, &cookie, &path).await;
    assert!(shown.contains("send it again, or elsewhere") && shown.contains("/resend"), "{shown}");
    house.admin.store.queue.cancel(kept.id).await.unwrap();
    let shown = page(&house, &cookie, &path).await;
    assert!(shown.contains("Nothing of it is kept here any more") && !shown.contains("or elsewhere"), "{shown}");
}

/// Nothing is given up before it was tried often enough: with a short lifetime that is later than the lifetime says.
#[tokio::test]
async fn no_end_is_named_that_is_over() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let instance = &house.admin.facts.instance;
    let short = Instance { lifetime: Duration::from_secs(60), ..Instance::clone(&instance.load()) };
    instance.store(std::sync::Arc::new(short));
    let row = queued(&house, "shop@my.example", Entry::Due(house.clock.now().after(Duration::from_secs(300)))).await;
    tried(&house, &row, Status::Deferred, "450 4.2.1 Mailbox busy").await;
    let shown = page(&house, &cookie, &format!("/activity/{}", row.id)).await;
    let end = "It is tried again by itself in 5 min, and so on until it was tried 8 times. If no try succeeds,";
    assert!(shown.contains(end) && !shown.contains("and so on until 2"), "{shown}");
}

/// What the log wrote down as the next try is over once that try runs.
#[tokio::test]
async fn what_is_being_tried_is_said_to_be_and_no_next_try_of_the_past_is_named() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = queued(&house, "shop@my.example", Entry::Leased).await;
    tried(&house, &row, Status::Deferred, "450 4.2.0 Try later").await;
    house.clock.advance(Duration::from_secs(480));
    let shown = page(&house, &cookie, &format!("/activity/{}", row.id)).await;
    assert!(shown.contains("mx1.inbox.example asked to try later; it is being tried now</bdi></h1>"), "{shown}");
    assert!(shown.contains("<bdi>It is being tried now.</bdi>") && !shown.contains("next try"), "{shown}");
    assert!(!shown.contains("It is tried again by itself in") && !shown.contains("by itself now"), "{shown}");
    for path in [format!("/v1/activity/{}", row.id), format!("/v1/activity/{}", row.transaction)] {
        let seen = house.operator("GET", &path, Value::Null).await.expect(200).json();
        assert_eq!((&seen["status"], &seen["next_attempt_at"]), (&json!("deferred"), &Value::Null), "{seen}");
    }
    let listed = house.operator("GET", "/v1/activity", Value::Null).await.expect(200).json();
    assert_eq!(listed["items"][0]["next_attempt_at"], Value::Null, "{listed}");
}

/// Nobody refused what no server was asked to take: the page says why none was, and what can be done.
#[tokio::test]
async fn mail_for_a_domain_that_does_not_exist_or_takes_none_is_told_so() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let inbox = json!({ "address": "me@vanish.example", "verified": true });
    house.operator("POST", "/v1/destinations", inbox).await.expect(201);
    let cases = [
        (
            "does not exist",
            "the domain vanish.example does not exist",
            "does not exist: lead the alias to another inbox.",
        ),
        (
            "takes no mail (null MX)",
            "the domain vanish.example takes no mail (null MX)",
            "takes no mail: lead the alias to another inbox.",
        ),
    ];
    for (said, why, remedy) in cases {
        for status in [Status::Failed, Status::Refused] {
            let reply = format!("the destination's domain {said}");
            let reason = format!("There is no way to the destination: 550 5.1.2 {reply}");
            let tried = attempt(house.clock.now(), "refused", &reply);
            let attempts = vec![Attempt { mx: None, ip: None, tls: None, fault: Some(Fault::Mailbox), ..tried }];
            let destination = Some("me@vanish.example".to_owned());
            let row = Row { status, reason, destination, attempts, ..forwarded(&house, "shop@my.example") };
            house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
            let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
            assert!(page.contains(&format!("<bdi>No server was asked: {why}.</bdi>")), "{page}");
            let is_failed = status == Status::Failed;
            assert_eq!(page.contains(&format!("<h1><bdi>Not sent on: {why}</bdi></h1>")), is_failed, "{page}");
            assert!(page.contains(&format!("The domain of this inbox {remedy}")), "{page}");
            assert!(!page.contains("publish its MX record") && page.contains(">Open the inbox</a>"), "{page}");
            assert!(!page.contains("refused it") && !page.contains("first try"), "{page}");
        }
    }
}

/// An earlier release kept such mail though its sender was told, and no try in which no server was asked.
#[tokio::test]
async fn what_is_kept_though_its_sender_was_told_is_not_said_to_be_untold() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let until = house.clock.now().after(Duration::from_secs(3600));
    let row = queued(&house, "shop@my.example", Entry::Kept(until)).await;
    let words = async |dsn: DsnNote| {
        let change = Progress {
            id: row.id,
            status: Status::Failed,
            reason: "The next hop refused it: 550 5.1.2 the destination's domain does not exist".to_owned(),
            attempt: None,
            next_attempt_at: None,
            sha256_sent: None,
            dsn: Some(dsn),
        };
        house.admin.store.activity.progress(vec![change]).await.unwrap();
        house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text()
    };
    let told = words(DsnNote::taken(row.id)).await;
    assert!(told.contains("It is kept until ") && !told.contains("was not told"), "{told}");
    let untold = words(DsnNote::suppressed("there is no sender to tell".to_owned())).await;
    assert!(untold.contains("because its sender was not told."), "{untold}");
    let untried = Row { id: house.admin.chance.id(house.clock.now()), attempts: Vec::new(), ..row.clone() };
    let reason = "The next hop refused it: 550 5.1.2 the destination's domain does not exist".to_owned();
    house.admin.store.activity.record(vec![Row { reason, ..untried.clone() }]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", untried.id), "").await.expect(200).text();
    assert!(page.contains("The domain of this inbox does not exist") && !page.contains("first try"), "{page}");
}
