//! What can be learnt of addresses: nothing by the words of an answer, and nothing by what it costs.

use std::time::Duration;

use serde_json::json;
use waypost::mail::{ForwardPath, ReversePath};
use waypost::policy::admission::Disposition;
use waypost::policy::facts::ConnectFacts;
use waypost::policy::replies;

use crate::web::House;

/// Unknown, disabled, expired and blocked: one reply, and as many questions to the databases, the first time and after; so do
/// those of which only counts can tell.
#[tokio::test]
async fn unknown_disabled_expired_and_blocked_cost_the_same() {
    let house = House::furnished().await;
    for (address, more) in [
        ("off@my.example", json!({ "enabled": false, "quota": 5 })),
        ("past@my.example", json!({ "expires_at": "2026-11-22T19:00:00Z", "quota": 5 })),
        ("blocked@my.example", json!({ "block": ["@sender.example"], "quota": 5, "expires_after": 9 })),
    ] {
        let mut body = json!({ "address": address, "destinations": ["owner@inbox.example"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        house.operator("POST", "/v1/aliases", body).await.expect(201);
    }
    let idle = json!({ "address": "idle@my.example", "destinations": ["owner@inbox.example"], "expires_after": "1h" });
    house.operator("POST", "/v1/aliases", idle).await.expect(201);
    house.clock.advance(Duration::from_secs(2 * 3600));
    let facts = &house.admin.facts;
    let connect = ConnectFacts { peer: [192, 0, 2, 1].into(), helo: "mail.sender.example".to_owned(), tls: None };
    let from = ReversePath::parse("ann@sender.example").unwrap();
    for (round, questions) in [("first", 2), ("second", 0)] {
        for local in ["unknown", "other", "off", "past", "blocked", "idle"] {
            let to = ForwardPath::parse(&format!("{local}@my.example")).unwrap();
            let before = facts.store.directory.asked();
            let decision = facts.recipient(&connect, &from, &to).await.unwrap();
            let asked = facts.store.directory.asked() - before;
            assert_eq!(decision.disposition, Disposition::Reject(replies::unknown()), "{local}");
            assert_eq!(asked, questions, "{local}, the {round} time");
        }
    }
}
