//! A message that was refused: its page says what can be done about each reason, and where.

use serde_json::json;
use waypost::mail::Mailbox;
use waypost::policy::rule::Kind;
use waypost::policy::status::{RuleRef, Status, TraceStep};
use waypost::smtp::reply::Reply;
use waypost::store::activity::Row;

use crate::web::House;
use crate::web::rows::{attempt, forwarded};

/// What an address that nobody has is answered.
const UNKNOWN: &str = "550 5.1.1 No such address here";
/// A step that ends nothing.
const NONE: Step<'static> = ("alias", "none", "");
const SERVER: &str = "/settings/server";
/// Where the alias is, of which the id is known later.
const ALIAS: &str = "/aliases/{id}";

/// A step of the decision: what was asked, the answer, and why.
type Step<'s> = (&'static str, &'static str, &'s str);

/// What ended it: a step, the reply, and the reason in words; then what is said, and where it leads.
const CASES: &[(Step<'static>, &str, &str, &str, &str)] = &[
    (
        NONE,
        UNKNOWN,
        "",
        "It is taken once there is an alias for it.",
        "/aliases?new=1&#38;local_part=shop&#38;domain=my.example",
    ),
    (NONE, UNKNOWN, "shop@my.example is switched off.", "Its mail is taken again when you switch the alias on.", ALIAS),
    (NONE, UNKNOWN, "shop@my.example refuses its mail.", "The alias is set to refuse its mail", ALIAS),
    (
        NONE,
        "550 5.2.1 This address takes no mail",
        "shop@my.example has no destination.",
        "The alias leads nowhere",
        ALIAS,
    ),
    (
        ("destination", "not verified", "1 of 1 destinations"),
        UNKNOWN,
        "",
        "Its mail is taken once an inbox that it leads to is verified.",
        "/destinations",
    ),
    (("expiry", "ended", "ended after 3 messages"), UNKNOWN, "", "with a later end, or none", ALIAS),
    (
        ("sender", "blocked", "*@shop.example (alias)"),
        UNKNOWN,
        "",
        "Its mail is taken once this entry is off the list.",
        ALIAS,
    ),
    (
        ("author", "blocked", "*@shop.example (domain)"),
        UNKNOWN,
        "",
        "once this entry is off the list",
        "/domains/my.example",
    ),
    (("sender", "blocked", "*@shop.example (instance)"), UNKNOWN, "", "once this entry is off the list", SERVER),
    (("quota", "used up", "3 of 3"), "450 4.2.1 x", "", "with a higher limit", ALIAS),
    (("limit", "used up", "601 messages"), "450 4.7.1 x", "", "raise the limit", SERVER),
    (
        ("dns list", "refused", "zen.example"),
        "550 5.7.1 x",
        "",
        "An allow entry lets this sender in all the same",
        ALIAS,
    ),
    (("domain", "not hosted", "my.example"), "550 5.7.1 x", "", "once that is a domain of this gateway", "/domains"),
    (("domain", "not verified", "my.example"), "451 4.3.5 x", "", "once the domain is proved", "/domains/my.example"),
    (
        ("hosted sender", "forged", "shop.example is hosted"),
        "550 5.7.1 x",
        "",
        "its SPF record has to name it",
        "/domains/shop.example",
    ),
    (("policy", "refuses", "dmarc"), "550 5.7.1 x", "", "loosen the check DMARC", ALIAS),
    (("loop", "found", "x"), "554 5.4.6 x", "", "sends its mail on to an alias", "/destinations"),
    (
        ("hosted destination", "ends", "a@my.example: none"),
        "550 5.1.1 x",
        "",
        "Lead the alias to an inbox outside this gateway",
        ALIAS,
    ),
    (("fan-out", "refused", "x"), "554 5.4.6 x", "", "Lead the alias to an inbox outside this gateway", ALIAS),
    (("catch-all", "closed", "x"), "450 4.7.1 x", "", "an alias of its own is never closed", "/aliases?new=1"),
    (
        ("size", "too big", "at most 52428800 octets are taken (smtp.max_message_bytes)"),
        "552 5.3.4 x",
        "",
        "At most 50.0 MiB is taken here. If you want larger mail, set a higher smtp.max_message_bytes in the configuration file",
        "/help/did-not-arrive",
    ),
    (NONE, "452 4.2.2 Too much mail is waiting", "", "Make room: see what waits", "/queue"),
    (
        ("greylist", "come again", "x"),
        "451 4.7.1 x",
        "",
        "You need do nothing: a mail server comes again",
        "/help/did-not-arrive",
    ),
    (("client", "slowed", "x"), "450 4.7.1 x", "", "You need do nothing: it is let in again", "/help/did-not-arrive"),
    (
        ("greeting", "not waited for", "x"),
        "550 5.5.1 x",
        "",
        "You need do nothing: mail servers wait",
        "/help/did-not-arrive",
    ),
    (("SRS address", "invalid", "x"), UNKNOWN, "", "You need do nothing: only reports", "/help/did-not-arrive"),
    (NONE, "550 5.6.0 Bare LF in the message", "", "program has to be mended: what it sent", "/help/did-not-arrive"),
    (NONE, "452 4.5.3 Send separately", "", "You need do nothing: the sender", "/help/did-not-arrive"),
    (
        NONE,
        "451 4.3.0 Cannot take mail now, try again later",
        "",
        "The Overview says what is wrong with the gateway",
        "\"/\"",
    ),
];

/// A message that our own reply refused, decided so.
fn refused(house: &House, (step, verdict, detail): Step<'_>, reply: &str) -> Row {
    let mut row = forwarded(house, "shop@my.example");
    (row.status, row.destination, row.attempts, row.rule) = (Status::Refused, None, Vec::new(), None);
    row.trace =
        vec![TraceStep::new(step, verdict, detail.to_owned()), TraceStep::new("reply", "refused", reply.to_owned())];
    row
}

/// Whoever can do something about a refusal reads what, and finds the way there; who cannot is told that nothing is to be done.
#[tokio::test]
async fn each_refusal_says_what_can_be_done_about_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let blocks = json!({ "address": "shop@my.example", "block": ["*@shop.example"] });
    let made = house.operator("POST", "/v1/aliases", blocks).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let alias = format!("/aliases/{id}");
    for (step, reply, reason, words, href) in CASES {
        let href = href.replace(ALIAS, &alias);
        let mut row = refused(&house, *step, reply);
        if !reason.is_empty() || href == alias {
            let pattern = "shop@my.example".to_owned();
            row.rule = Some(RuleRef { id: id.parse().unwrap(), kind: Kind::Address, pattern });
        }
        row.reason = (*reason).to_owned();
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
        let told =
            page.split("<p id=\"next\">").nth(1).unwrap_or_else(|| panic!("{step:?} {reply}: no next step\n{page}"));
        let told = told.split("</p>").next().unwrap();
        assert!(told.contains(words) && told.contains(&href), "{step:?} {reply} {reason}: {words} {href}\n{told}");
    }
    // Who may change nothing there is offered nothing.
    let viewer =
        house.signed_in_as("viewer@people.example", json!([{ "domain": "my.example", "role": "viewer" }])).await;
    let row = refused(&house, NONE, UNKNOWN);
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let page = house.panel(&viewer, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(!page.contains("id=\"next\"") && !page.contains("/aliases?new=1"), "{page}");
}

/// What was blocked and is let in since is not told to wait for that.
#[tokio::test]
async fn a_block_that_has_ended_is_not_said_to_hold() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let made = house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201).json();
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let (entry, nobody) = (json!(["*@shop.example"]), json!([]));
    let friend = json!(["orders@shop.example"]);
    let (stands, gone) = ("once this entry is off the list", "This entry is off the list by now");
    for (block, allow, of_domain, level, words) in [
        (&entry, &nobody, &nobody, "alias", stands),
        (&nobody, &nobody, &nobody, "alias", gone),
        (&nobody, &nobody, &entry, "alias", stands),
        (&entry, &friend, &nobody, "alias", "is let in by now"),
        (&nobody, &friend, &entry, "domain", "is let in by now"),
        (&nobody, &nobody, &entry, "domain", stands),
        (&nobody, &nobody, &nobody, "domain", gone),
        (&nobody, &nobody, &nobody, "instance", gone),
        (&entry, &nobody, &nobody, "instance", stands),
    ] {
        let lists = json!({ "block": block, "allow": allow });
        house.operator("PATCH", "/v1/aliases/shop@my.example", lists).await.expect(200);
        house.operator("PATCH", "/v1/domains/my.example", json!({ "block": of_domain })).await.expect(200);
        let mut row = refused(&house, ("sender", "blocked", &format!("*@shop.example ({level})")), UNKNOWN);
        row.rule = Some(RuleRef { id, kind: Kind::Address, pattern: "shop@my.example".to_owned() });
        row.reason = format!("The entry *@shop.example ({level}) keeps this sender out.");
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
        let told = page.split("<p id=\"next\">").nth(1).unwrap().split("</p>").next().unwrap();
        assert!(told.contains(words), "{level} {words}: {told}");
        let says = if words == stands { "keeps this sender out." } else { "kept this sender out." };
        assert!(page.contains(&format!("The entry *@shop.example ({level}) {says}")), "{level} {words}: {page}");
    }
}

/// A row on which a flood is counted says for how many it stands.
#[tokio::test]
async fn a_row_that_counts_a_flood_says_so() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for (count, says) in [(1, false), (69, true)] {
        let row = Row { count, ..refused(&house, NONE, UNKNOWN) };
        house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
        let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
        assert_eq!(
            page.contains(&format!("{count} of one hour from the same network are counted here")),
            says,
            "{page}"
        );
    }
}

/// A next hop that refused while the sender waited has told why, and what helps against that.
#[tokio::test]
async fn a_refusal_of_the_next_hop_says_what_helps() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let mut row = forwarded(&house, "shop@my.example");
    row.status = Status::Refused;
    row.attempts = vec![attempt(house.clock.now(), "refused", "552 5.2.2 Over quota")];
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(page.contains("The inbox is full: whoever reads it has to make room."), "{page}");
}

/// Ten minutes long nobody asks an inbox again that has refused, and whoever has mended it need not wait.
#[tokio::test]
async fn a_refusal_from_memory_says_until_when_and_how_it_ends_sooner() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let inbox: Mailbox = "owner@inbox.example".parse().unwrap();
    let mut row = refused(&house, ("destination", "failing", "owner@inbox.example refused its mailbox"), UNKNOWN);
    row.destination = Some(inbox.to_string());
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let page = async |path: &str| house.panel(&cookie, "GET", path, "").await.expect(200).text();
    let message = format!("/activity/{}", row.id);
    let over = page(&message).await;
    assert!(
        over.contains("owner@inbox.example is asked again with the next mail")
            && !over.contains("is not asked again until"),
        "{over}"
    );

    house.admin.store.directory.remember_failing(&inbox, Reply::new(550, 1, 1, "gone"));
    let until = "is not asked again until ";
    let told = page(&message).await;
    assert!(told.contains(&format!("{until}22 Nov 2026, 19:06:")) && told.contains("Try again"), "{told}");
    let found = house.operator("GET", "/v1/destinations/owner@inbox.example", json!(null)).await.expect(200).json();
    assert!(found["not_asked_until"].as_str().unwrap().starts_with("2026-"), "{found}");
    let path = format!("/destinations/{}", found["id"].as_str().unwrap());
    assert!(told.contains(&format!("href=\"{path}\"")), "{told}");
    let shown = page(&path).await;
    assert!(shown.contains(&format!("{until}<time")) && shown.contains(&format!("action=\"{path}/retry\"")), "{shown}");
    house.panel(&cookie, "POST", &format!("{path}/retry"), "").await.expect(303);
    assert!(!page(&path).await.contains(until), "who tries it asks it again");
}
