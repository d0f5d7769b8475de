//! The queue over the API: every change is made, told to the log, and refused where it makes no sense.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::policy::no_mail::NoMail;
use waypost::policy::status::Status;
use waypost::store::activity::{Progress, Row};
use waypost::store::queue::{Entry, Settlement};

use crate::web::House;
use crate::web::rows::{MESSAGE, forwarded, queued};

fn later(house: &House) -> Entry {
    Entry::Due(house.clock.now().after(Duration::from_secs(3600)))
}

async fn status(house: &House, id: uuid::Uuid) -> String {
    let row = house.operator("GET", &format!("/v1/activity/{id}"), Value::Null).await.expect(200).json();
    row["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_waits_is_held_released_tried_and_cancelled() {
    let house = House::furnished().await;
    let row = queued(&house, "shop@my.example", later(&house)).await;
    let act = async |word: &str| house.operator("POST", &format!("/v1/queue/{}/{word}", row.id), Value::Null).await;
    let state = async || {
        let page = house.operator("GET", "/v1/queue", Value::Null).await.expect(200).json();
        page["items"][0]["state"].as_str().map(str::to_owned)
    };
    assert_eq!(state().await.as_deref(), Some("due"));
    act("release").await.expect(409).problem();
    act("hold").await.expect(200);
    assert_eq!((state().await.as_deref(), status(&house, row.id).await.as_str()), (Some("held"), "held"));
    act("hold").await.expect(409).problem();
    let refused = act("retry").await.expect(409);
    refused.problem();
    assert!(refused.text().contains("It is on hold: release lets it go on"), "{}", refused.text());
    assert_eq!((state().await.as_deref(), status(&house, row.id).await.as_str()), (Some("held"), "held"));
    act("release").await.expect(200);
    assert_eq!((state().await.as_deref(), status(&house, row.id).await.as_str()), (Some("due"), "queued"));
    act("retry").await.expect(200);
    act("cancel").await.expect(200);
    assert_eq!((state().await, status(&house, row.id).await.as_str()), (None, "cancelled"));
    act("cancel").await.expect(404).problem();
}

/// What is over says how it ended, why nothing can be done with it, and what can be done instead.
#[tokio::test]
async fn what_is_kept_no_more_says_why_and_what_to_do_instead() {
    let house = House::furnished().await;
    let row = queued(&house, "shop@my.example", Entry::Held).await;
    let act = async |word: &str| {
        let answer = house.operator("POST", &format!("/v1/queue/{}/{word}", row.id), Value::Null).await;
        (answer.status.as_u16(), answer.json()["detail"].as_str().unwrap_or_default().to_owned())
    };
    house.operator("POST", &format!("/v1/queue/{}/cancel", row.id), Value::Null).await.expect(200);
    let words = format!(
        "The message {} was cancelled, and with that deleted here: it cannot be sent any more. If it is wanted after all, \
         ask its sender for it.",
        row.id
    );
    for word in ["resend", "retry", "release", "hold", "cancel"] {
        assert_eq!(act(word).await, (404, words.clone()), "{word}");
    }
    for (status, words) in [
        (Status::Forwarded, "was handed over to owner@inbox.example, and is kept here no more: look for it there"),
        (Status::Dropped, "was dropped by its alias, and never kept"),
        (Status::Refused, "was refused, and never kept: its sender was told so"),
        (Status::Expired, "was given up, and is kept no more"),
        (Status::Abandoned, "is not kept here: its sender hung up before the answer, still has it, and sends it again"),
    ] {
        let row = Row { status, ..forwarded(&house, "shop@my.example") };
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let answer = house.operator("POST", &format!("/v1/queue/{}/resend", row.id), Value::Null).await.expect(404);
        assert!(answer.text().contains(words), "{status:?}: {}", answer.text());
    }
    let nobody = house.operator("POST", "/v1/queue/00000000-0000-0000-0000-000000000009/resend", Value::Null).await;
    assert!(nobody.expect(404).text().contains("There is no waiting delivery"));
}

#[tokio::test]
async fn a_list_is_of_one_domain_s_mail_or_of_what_one_inbox_is_to_get() {
    let house = House::furnished().await;
    house.operator("POST", "/v1/domains", json!({ "name": "other.example" })).await.expect(201);
    for recipient in ["shop@my.example", "shop@other.example"] {
        queued(&house, recipient, later(&house)).await;
    }
    let waiting = async |query: &str| {
        let page = house.operator("GET", &format!("/v1/queue?{query}"), Value::Null).await.expect(200).json();
        page["items"].as_array().unwrap().iter().map(|item| item["recipient"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(waiting("domain=other.example").await, ["shop@other.example"]);
    assert_eq!(waiting("destination=owner@inbox.example").await, ["shop@my.example", "shop@other.example"]);
    assert_eq!(waiting("domain=my.example&destination=spare@inbox.example").await, [] as [Value; 0]);
    house.operator("GET", "/v1/queue?domain=elsewhere.example", Value::Null).await.expect(404).problem();
    let token = house.token(&["queue:read"], &["other.example"]).await;
    let page = house.bearer(&token, "GET", "/v1/queue?destination=owner@inbox.example", Value::Null).await;
    assert_eq!(page.expect(200).json()["items"].as_array().unwrap().len(), 1, "no more than one may see");
    house.bearer(&token, "GET", "/v1/queue?domain=my.example", Value::Null).await.expect(404);
}

#[tokio::test]
async fn a_kept_failure_is_read_and_sent_again_to_a_verified_inbox() {
    let house = House::furnished().await;
    let kept = Entry::Kept(house.clock.now().after(Duration::from_secs(86_400)));
    let row = queued(&house, "shop@my.example", kept).await;
    let octets = house.operator("GET", &format!("/v1/queue/{}/message", row.id), Value::Null).await.expect(200);
    assert_eq!(octets.body, MESSAGE);
    assert_eq!(octets.field("content-type").as_deref(), Some("message/rfc822"));
    let resend = async |body: Value| house.operator("POST", &format!("/v1/queue/{}/resend", row.id), body).await;
    let stranger = json!({ "destination": "stranger@elsewhere.example" });
    assert_eq!(resend(stranger).await.expect(422).pointers(), ["/destination"]);
    let second = json!({ "address": "second@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", second).await.expect(201);
    assert_eq!(resend(json!({ "destinaton": "second@inbox.example" })).await.expect(422).pointers(), ["/destinaton"]);
    resend(json!({ "destination": "second@inbox.example" })).await.expect(200);
    let page = house.operator("GET", "/v1/queue", Value::Null).await.expect(200).json();
    assert_eq!(
        (&page["items"][0]["destination"], &page["items"][0]["state"]),
        (&json!("second@inbox.example"), &json!("due"))
    );
    assert_eq!(status(&house, row.id).await, "queued");
    let told = house.operator("GET", &format!("/v1/activity/{}", row.id), Value::Null).await.expect(200).json();
    let told = told["items"].as_array().map_or(&told, |rows| &rows[0]);
    assert_eq!(told["destination"], "second@inbox.example", "{told:#}");
    assert_eq!(told["envelope"]["after"]["to"], json!(["second@inbox.example"]), "{told:#}");
}

#[tokio::test]
async fn what_is_being_delivered_is_left_alone() {
    let house = House::furnished().await;
    let row = queued(&house, "shop@my.example", Entry::Leased).await;
    for word in ["retry", "hold", "release", "cancel", "resend"] {
        let answer = house.operator("POST", &format!("/v1/queue/{}/{word}", row.id), Value::Null).await.expect(409);
        assert!(answer.text().contains("being delivered"), "{word}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_queue_is_paged_oldest_first() {
    let house = House::furnished().await;
    let mut ids = Vec::new();
    for index in 0..3 {
        house.clock.advance(Duration::from_secs(1));
        ids.push(queued(&house, &format!("a{index}@my.example"), later(&house)).await.id.to_string());
    }
    let first = house.operator("GET", "/v1/queue?limit=2", Value::Null).await.expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second =
        house.operator("GET", &format!("/v1/queue?limit=2&cursor={cursor}"), Value::Null).await.expect(200).json();
    let seen: Vec<_> = [&first, &second].iter().flat_map(|page| page["items"].as_array().unwrap().clone()).collect();
    assert_eq!(seen.iter().map(|item| item["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    house.operator("GET", "/v1/queue?cursor=nonsense", Value::Null).await.expect(422).problem();
}

/// There it would fail for good.
#[tokio::test]
async fn nothing_is_sent_again_to_an_inbox_whose_domain_takes_no_mail() {
    let house = House::furnished().await;
    let gone = json!({ "address": "me@gone.example", "verified": true });
    house.operator("POST", "/v1/destinations", gone).await.expect(201);
    house.admin.store.rules.note_no_mail("gone.example", Some(NoMail::NoSuchDomain)).await.unwrap();
    let row = queued(&house, "shop@my.example", later(&house)).await;
    let resend = async || {
        let to = json!({ "destination": "me@gone.example" });
        house.operator("POST", &format!("/v1/queue/{}/resend", row.id), to).await
    };
    let refused = resend().await.expect(422);
    assert_eq!(refused.pointers(), ["/destination"]);
    assert!(refused.text().contains("gone.example takes no mail: the DNS knows no such domain"), "{}", refused.text());
    house.admin.store.rules.note_no_mail("gone.example", None).await.unwrap();
    resend().await.expect(200);
}

/// A delivery that is quicker than the row is told wrote down its end first, and had it written over: it was said to wait for
/// ever.
#[tokio::test]
async fn what_is_tried_at_once_keeps_how_that_ended() {
    let house = House::furnished().await;
    let spare = json!({ "address": "spare@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", spare).await.expect(201);
    let mut waiting = Vec::new();
    for number in 0..30 {
        waiting.push(queued(&house, &format!("shop{number}@my.example"), Entry::Held).await.id);
    }
    let ask = async {
        for (number, id) in waiting.iter().enumerate() {
            let (word, body) = match number % 3 {
                0 => ("release", Value::Null),
                1 => ("resend", json!({})),
                _ => ("resend", json!({ "destination": "spare@inbox.example" })),
            };
            house.operator("POST", &format!("/v1/queue/{id}/{word}"), body).await.expect(200);
        }
    };
    let (queue, log) = (&house.admin.store.queue, &house.admin.store.activity);
    let deliver = async {
        let mut left = waiting.len();
        while left > 0 {
            for claim in queue.claim(house.clock.now(), 10).await.unwrap() {
                let id = claim.delivery.id;
                log.progress(vec![delivered(id)]).await.unwrap();
                queue.settle(vec![(id, Settlement::Done)]).await.unwrap();
                left -= 1;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(ask, tokio::time::timeout(Duration::from_secs(60), deliver)).1.unwrap();
    for id in waiting {
        assert_eq!(status(&house, id).await, "forwarded");
    }
}

fn delivered(id: uuid::Uuid) -> Progress {
    Progress {
        id,
        status: Status::Forwarded,
        reason: "The next hop took it".to_owned(),
        attempt: None,
        next_attempt_at: None,
        sha256_sent: None,
        dsn: None,
    }
}
