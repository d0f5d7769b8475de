//! Activity, one message, Aliases: what they say, and that mail cannot make them say anything else.

use std::time::Duration;

use serde_json::{Value, json};
use waypost::admin::Actor;
use waypost::mail::{Author, ReversePath};
use waypost::policy::greylist::{self, Seen, Triplet};
use waypost::policy::limits::Limits;
use waypost::policy::settings::{Abuse, Enforcement, Instance};
use waypost::policy::status::Status;
use waypost::store::activity::{Attempt, Bounced, DsnNote, Row};
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::{attempt, forwarded, mailbox, queued};

#[tokio::test]
async fn a_new_house_is_told_what_to_do_first() {
    let house = House::new().await;
    let cookie = house.signed_in().await;
    assert!(
        house
            .panel(&cookie, "GET", "/aliases", "")
            .await
            .expect(200)
            .text()
            .contains("href=\"/domains\">Add a domain</a>")
    );
    let activity = house.panel(&cookie, "GET", "/activity", "").await.expect(200).text();
    assert!(activity.contains("No mail has come yet") && activity.contains(">Add a domain</a>"));
    let overview = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    assert!(overview.contains("No mail can reach you yet.") && overview.contains("There is no domain yet."));
    assert!(overview.contains("href=\"/setup/go-on\">Go on with setting up</a>"), "{overview}");
    assert!(overview.contains("No mail in this time."), "{overview}");
}

#[tokio::test]
async fn the_overview_says_that_mail_flows_or_what_to_do() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let quiet = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    assert!(quiet.contains("All mail is flowing."), "{quiet}");
    house.admin.store.activity.record(vec![forwarded(&house, "shop@my.example")]).await.unwrap();
    queued(&house, "shop@my.example", Entry::Held).await;
    let page = house.panel(&cookie, "GET", "/?range=7d", "").await.expect(200).text();
    assert!(page.contains("One message is held until you release it."), "{page}");
    assert!(page.contains("<strong>1</strong> forwarded") && page.contains("Mail in the last 7 days"), "{page}");
    assert!(page.contains("<path class=\"line-ok\""), "{page}");
    for (range, heading) in [("1h", "Mail in this hour"), ("1y", "Mail in the last year"), ("2y", "the last two years")]
    {
        let page = house.panel(&cookie, "GET", &format!("/?range={range}"), "").await.expect(200).text();
        assert!(page.contains(heading) && page.contains("<strong>1</strong> forwarded"), "{page}");
        assert_eq!(page.contains("<figure"), range != "1h", "one step is no line: {page}");
    }
}

#[tokio::test]
async fn an_alias_is_made_switched_and_switched_back() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let form = "local_part=shop&domain=my.example&destination=owner%40inbox.example&description=Shops";
    let made = house.panel(&cookie, "POST", "/aliases", form).await;
    let page = house.follow(&cookie, made).await;
    assert!(page.contains("shop@my.example is ready to receive mail."), "{page}");
    let alias = house.operator("GET", "/v1/aliases/shop@my.example", Value::Null).await.expect(200).json();
    assert_eq!((&alias["description"], &alias["enabled"]), (&json!("Shops"), &json!(true)));

    let switch = format!("/aliases/{}/switch", alias["id"].as_str().unwrap());
    let page = house.follow(&cookie, house.panel(&cookie, "POST", &switch, "on=false").await).await;
    assert!(page.contains("shop@my.example is off") && page.contains(">Undo</button>"), "{page}");
    assert!(page.contains("aria-checked=\"false\""));
    house.panel(&cookie, "POST", &switch, "on=true").await.expect(303);
    let alias = house.operator("GET", "/v1/aliases/shop@my.example", Value::Null).await.json();
    assert_eq!(alias["enabled"], true);
}

#[tokio::test]
async fn an_alias_to_an_inbox_that_is_not_verified_says_so() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let form = "local_part=shop&domain=my.example&destination=new%40inbox.example";
    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/aliases", form).await).await;
    assert!(
        page.contains("new@inbox.example is not verified and gets no mail until it is: open Destinations")
            && !page.contains("ready"),
        "{page}"
    );
    let list = house.panel(&cookie, "GET", "/aliases", "").await.expect(200).text();
    assert!(list.contains("not verified</span>"), "{list}");
    house.operator("POST", "/v1/destinations/new@inbox.example/verify", Value::Null).await.expect(200);
    let list = house.panel(&cookie, "GET", "/aliases", "").await.expect(200).text();
    assert!(!list.contains("not verified"), "{list}");
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_and_what_was_written_stays() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let form = "local_part=a..b&domain=my.example&destination=nowhere&description=Keep+me";
    let page = house.panel(&cookie, "POST", "/aliases", form).await.expect(422).text();
    assert!(
        page.contains("takes letters, digits, dots between them, signs such as - _ and +, and no spaces."),
        "{page}"
    );
    assert!(page.contains("value=\"a..b\"") && page.contains("value=\"Keep me\""));
    for (name, why) in
        [("", "Write what stands before the @."), ("x%40two.example", "only what stands before the @: x.")]
    {
        let form = format!("local_part={name}&domain=my.example&destination=owner%40inbox.example");
        let page = house.panel(&cookie, "POST", "/aliases", &form).await.expect(422).text();
        assert!(page.contains(why), "{why}: {page}");
    }
    let form = "local_part=a&domain=my.example&destination=nowhere";
    let page = house.panel(&cookie, "POST", "/aliases", form).await.expect(422).text();
    assert!(page.contains("“nowhere” is not an address"), "{page}");
    let form = "local_part=a&domain=my.example&destination=owner%40inbox.example";
    house.panel(&cookie, "POST", "/aliases", form).await.expect(303);
    let page = house.panel(&cookie, "POST", "/aliases", form).await.expect(409).text();
    assert!(page.contains("The alias a@my.example exists already."), "{page}");
}

#[tokio::test]
async fn activity_lists_filters_and_says_when_nothing_matches() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let refused = Row { status: Status::Refused, destination: None, ..forwarded(&house, "old@my.example") };
    house.admin.store.activity.record(vec![forwarded(&house, "shop@my.example"), refused]).await.unwrap();
    let page = house.panel(&cookie, "GET", "/activity", "").await.expect(200).text();
    assert!(page.contains("shop@my.example") && page.contains("old@my.example") && page.contains("data-live="));
    let page = house.panel(&cookie, "GET", "/activity?status=refused,refused_temporarily", "").await.expect(200).text();
    assert!(!page.contains("shop@my.example") && page.contains("old@my.example") && !page.contains("data-live="));
    let page = house.panel(&cookie, "GET", "/activity?status=held", "").await.expect(200).text();
    assert!(page.contains("No mail matches.") && page.contains("Clear filters"));
    let page = house.panel(&cookie, "GET", "/activity?q=nobody@shop.example", "").await.expect(200).text();
    assert!(
        page.contains("only its sender&#39;s domain is kept") && page.contains("href=\"/activity?q=shop.example\"")
    );
    let page = house.panel(&cookie, "GET", "/activity?q=nobody", "").await.expect(200).text();
    assert!(page.contains("No mail matches.") && !page.contains("only its sender"), "no address, no domain");
    for (asked, chip) in [("held", "Held"), ("failed,refused_temporarily", "Failed, refused temporarily")] {
        let page = house.panel(&cookie, "GET", &format!("/activity?status={asked}"), "").await.expect(200).text();
        assert!(page.contains(&format!("aria-label=\"Remove the filter {chip}\"")), "{chip}: {page}");
    }
    let since = house.panel(&cookie, "GET", "/activity?since=2026-11-21T18:00:00Z", "").await.expect(200).text();
    assert!(since.contains("<span><span class=\"unseen\">Remove the filter </span>since <time"), "{since}");
    let page = house.panel(&cookie, "GET", "/activity?status=nonsense", "").await.expect(200).text();
    assert!(page.contains("There is no state “nonsense”.") && page.contains("Clear filters"));
}

/// A row that a report came back for.
async fn sent_back(house: &House, words: &str) -> Row {
    let row = forwarded(house, "shop@my.example");
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let at = house.admin.clock.now();
    let attempt = Attempt { ended_at: None, ip: None, tls: None, ..attempt(at, "bounced", words) };
    let dsn = DsnNote { dsn: "suppressed".to_owned(), why: "it was not proved".to_owned() };
    house.admin.store.activity.bounced(vec![Bounced { id: row.id, at, attempt, dsn }]).await.unwrap();
    row
}

#[tokio::test]
async fn a_status_is_found_by_its_word_and_a_figure_leads_to_the_mail_that_it_counts() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let bounced = sent_back(&house, "550 5.1.1 gone").await;
    let failed = Row { status: Status::Failed, ..forwarded(&house, "late@my.example") };
    let refused = Row { status: Status::Refused, ..forwarded(&house, "old@my.example") };
    let other = forwarded(&house, "other@my.example");
    house.admin.store.activity.record(vec![failed.clone(), refused.clone(), other.clone()]).await.unwrap();
    let shows = async |path: &str, rows: &[&Row]| {
        let page = house.panel(&cookie, "GET", path, "").await.expect(200).text();
        assert_eq!(page.matches("<li id=\"m-").count(), rows.len(), "{path}: {page}");
        assert!(rows.iter().all(|row| page.contains(&format!("id=\"m-{}\"", row.id))), "{path}: {page}");
    };
    for (word, row) in [("bounced", &bounced), ("Failed", &failed), ("refused", &refused), ("forwarded", &other)] {
        shows(&format!("/activity?q={word}"), &[row]).await;
        shows(&format!("/activity?status={}", word.to_lowercase()), &[row]).await;
    }
    let saved =
        house.panel(&cookie, "GET", "/activity/export?format=csv&status=forwarded", "").await.expect(200).text();
    assert!(saved.contains(&other.id.to_string()) && !saved.contains(&bounced.id.to_string()), "{saved}");
    shows("/activity?status=forwarded,bounced", &[&bounced, &other]).await;
    // The page counts whole hours: this is within the first of them, and the other before it.
    let ago = |minutes: u64| house.clock.now().before(Duration::from_secs(minutes * 60));
    let (first, before) = (ago(24 * 60 + 50), ago(24 * 60 + 60));
    let [first, before] = [first, before].map(|at| Row { received_at: at, ..forwarded(&house, "shop@my.example") });
    house.admin.store.activity.record(vec![before, first.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    for (figure, rows) in [
        ("2</strong> forwarded", &[&other, &first][..]),
        ("1</strong> refused", &[&refused]),
        ("2</strong> failed", &[&bounced, &failed]),
        ("5</strong> came in, by recipient", &[&other, &first, &refused, &bounced, &failed]),
    ] {
        let link = page.split("<li>").find(|part| part.contains(figure)).unwrap_or_else(|| panic!("{figure}: {page}"));
        let link = link.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
        shows(&link, rows).await;
    }
}

/// Whoever adds up what is told finds all that came in.
#[tokio::test]
async fn what_came_in_is_the_sum_of_what_became_of_it() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.admin.store.activity.record(vec![forwarded(&house, "shop@my.example")]).await.unwrap();
    let plain = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    assert!(!plain.contains("id=\"rest\""), "what there is none of is not told: {plain}");
    let of = |status| Row { status, ..forwarded(&house, "shop@my.example") };
    let mut rows: Vec<_> = Status::ALL.map(of).into();
    rows.extend([Status::Dropped, Status::Dropped, Status::Consumed].map(of));
    house.admin.store.activity.record(rows).await.unwrap();
    sent_back(&house, "550 5.1.1 gone").await;
    let page = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    let numbers = page.split("<strong>").skip(1).map(|part| part.split('<').next().unwrap().parse::<usize>().unwrap());
    let numbers: Vec<_> = numbers.collect();
    let rest = page.split_once("id=\"rest\">").unwrap().1.split_once("</p>").unwrap().0;
    let links: Vec<_> = rest.split("<a href=\"").skip(1).map(|part| part.split_once("\">").unwrap()).collect();
    let words: Vec<_> = links.iter().map(|(_, words)| words.split('<').next().unwrap()).collect();
    assert_eq!(
        words,
        ["1 on hold", "3 dropped", "1 cancelled", "1 duplicate", "1 abandoned", "2 reports received"],
        "{page}"
    );
    let more: usize = words.iter().map(|words| words.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!((numbers[0], numbers[1..].iter().sum::<usize>() + more), (18, 18), "{page}");
    for ((href, _), count) in links.iter().zip([1, 3, 1, 1, 1, 2]) {
        let found = house.panel(&cookie, "GET", &href.replace("&#38;", "&"), "").await.expect(200).text();
        assert_eq!(found.matches("<li id=\"m-").count(), count, "{href}: {found}");
    }
}

#[tokio::test]
async fn mail_that_there_was_nothing_to_judge_by_did_not_fail() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = forwarded(&house, "shop@my.example");
    let auth = waypost::store::activity::Auth { dmarc: Some("none".to_owned()), ..row.auth.clone() };
    house.admin.store.activity.record(vec![Row { auth, ..row }]).await.unwrap();
    let page = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    assert!(page.contains("<dt>DMARC</dt><dd>nothing to judge by: 1 from domains without a policy</dd>"), "{page}");
    assert!(page.contains("<dt>SPF</dt><dd>100 % passed (1 of 1)</dd>"), "{page}");
}

#[tokio::test]
async fn a_message_that_was_sent_back_says_who_told_and_in_which_words() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = sent_back(&house, "550 5.1.1 <owner@inbox.example> is gone").await;
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    for part in [
        "sent back from there",
        "mx1.inbox.example reported that it was not delivered in the end.",
        "550 5.1.1 &#60;owner@inbox.example&#62; is gone",
        "No report went to the sender: it was not proved",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn a_message_tells_its_story() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = forwarded(&house, "shop@my.example");
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    for words in [
        "Forwarded to owner@inbox.example in 0.8 s",
        "mx1.inbox.example (198.51.100.4) took it in 0.8 s, over TLSv1.3, its certificate verified.",
        "250 2.0.0 OK: queued as 4F7",
        "<mark><bdi>&#60;SRS0=abcdefgh=AB=shop.example=orders@my.example&#62;</bdi></mark>",
        "Octets identical",
        "pass d=shop.example s=mail",
        "shop@my.example, priority 0",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let plain = page.split("<details>").next().unwrap();
    for digest in [row.sha256_received, row.sha256_sent] {
        let digest: String = digest.unwrap().iter().map(|octet| format!("{octet:02x}")).collect();
        assert!(plain.contains(&digest), "both hashes stand where nothing is folded: {digest}\n{plain}");
    }
    assert!(!page.contains("Try now"), "nothing can be done about what is done");
}

#[tokio::test]
async fn actions_stand_only_where_they_work_and_work() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(Duration::from_secs(240)));
    let row = queued(&house, "shop@my.example", due).await;
    let path = format!("/activity/{}", row.id);
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    for button in ["Try now", "Hold", "Cancel it for good"] {
        assert!(page.contains(&format!(">{button}</button>")), "{button}\n{page}");
    }
    let page = house.follow(&cookie, house.panel(&cookie, "POST", &format!("{path}/hold"), "").await).await;
    assert!(
        page.contains("On hold until it is released")
            && page.contains(">Release</button>")
            && !page.contains("Try now")
    );
    house.panel(&cookie, "POST", &format!("{path}/cancel"), "").await.expect(303);
    let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
    assert!(page.contains("Cancelled by hand") && !page.contains("<form method=\"post\" action=\"/activity"));
    // Nobody has cancelled what is not there any more after a restore.
    let row = queued(&house, "shop@my.example", Entry::Held).await;
    house.admin.store.queue.cancel(row.id).await.unwrap();
    house.admin.store.end_lost("it is not in the queue of this backup").await.unwrap();
    let page = house.panel(&cookie, "GET", &format!("/activity/{}", row.id), "").await.expect(200).text();
    assert!(page.contains("No longer in the queue") && !page.contains("Cancelled by hand"), "{page}");
}

#[tokio::test]
async fn hostile_mail_stays_inert() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let evil = "<script>alert(1)</script>\u{1b}[2J\u{202e}\"'&\r\nX: y";
    let client = waypost::store::activity::Client {
        helo: evil.to_owned(),
        name: Some(evil.to_owned()),
        ..forwarded(&house, "a@my.example").client
    };
    let row = Row {
        subject: Some(evil.to_owned()),
        author: Some(Author::read(&format!("{evil} <{evil}@author.test>"))),
        sender: format!("{evil}@{}.example", "x".repeat(200)),
        reason: evil.to_owned(),
        message_id: Some(evil.to_owned()),
        attempts: vec![attempt(house.clock.now(), "refused", evil)],
        client,
        ..forwarded(&house, "shop@my.example")
    };
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    for path in ["/activity".to_owned(), format!("/activity/{}", row.id), "/activity?q=%3Cscript%3E%22".to_owned()] {
        let page = house.panel(&cookie, "GET", &path, "").await.expect(200).text();
        assert!(!page.contains("<script>"), "{path}");
        assert!(!page.contains(['\u{1b}', '\u{202e}', '\r']), "{path}");
        assert_eq!(page.matches("<script ").count(), 1, "our own alone: {path}");
    }
}

/// Its line is cut at its end, which is on the left there.
#[tokio::test]
async fn a_subject_that_is_read_from_the_right_is_cut_at_its_end() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = Row { subject: Some("שלום ".repeat(60)), ..forwarded(&house, "shop@my.example") };
    house.admin.store.activity.record(vec![row]).await.unwrap();
    let list = house.panel(&cookie, "GET", "/activity", "").await.expect(200).text();
    assert!(list.contains("<span class=\"subject muted\" dir=\"auto\">שלום "), "{list}");
}

#[tokio::test]
async fn a_message_that_is_not_there_has_a_page_too() {
    let house = House::new().await;
    let cookie = house.signed_in().await;
    for path in ["/activity/nonsense", "/activity/00000000-0000-0000-0000-000000000000"] {
        assert!(
            house.panel(&cookie, "GET", path, "").await.expect(404).text().contains("There is no message “"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_simulator_says_how_much_of_a_limit_is_used_and_whom_greylisting_asks_to_come_again() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let was = house.admin.facts.instance.load_full();
    let limits = Limits { messages: 60, alias: 30, ..Limits::default() };
    let abuse = Abuse { limits, greylist: true, ..was.abuse.clone() };
    house.admin.facts.instance.store(std::sync::Arc::new(Instance {
        abuse,
        dmarc: Enforcement::Observe,
        ..(*was).clone()
    }));
    let path = "/simulator?to=shop@my.example&from=a@b.example&ip=192.0.2.7";
    for _ in 0..2 {
        let told = house.panel(&cookie, "GET", path, "").await.expect(200).text();
        assert!(told.contains("0 of 60 messages of 192.0.2.7 in the last hour"), "{told}");
        assert!(told.contains("0 of 30 messages for shop@my.example in the last hour"), "{told}");
        assert!(told.contains("451 4.7.1 Greylisted"), "asking does not count as coming: {told}");
        house.clock.advance(greylist::WAIT);
    }
    let (peer, sender) = ("192.0.2.7".parse().unwrap(), ReversePath::parse("a@b.example").unwrap());
    let recipient = mailbox("shop@my.example");
    let key = Triplet { peer, proved: None, sender: &sender, recipient: &recipient }.key();
    let came = Seen { first_at: house.clock.now().before(greylist::WAIT), let_in_at: None };
    house.admin.store.activity.note_greylist(&[(key, came)]).await.unwrap();
    let told = house.panel(&cookie, "GET", path, "").await.expect(200).text();
    assert!(told.contains("It would be sent on.") && told.contains("it has come again"), "{told}");
}

#[tokio::test]
async fn the_simulator_says_why_the_message_itself_is_refused_and_what_it_could_not_judge() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let ask = async |ip: &str| {
        let path = format!("/simulator?to=shop@my.example&from=anna@my.example&ip={ip}");
        house.panel(&cookie, "GET", &path, "").await.expect(200).text()
    };
    let judged = ask("192.0.2.7").await;
    assert!(judged.contains("It would be refused") && !judged.contains("forwards to"), "{judged}");
    assert!(judged.contains("<p><bdi>The sender could not be checked for now"), "{judged}");
    let unjudged = ask("").await;
    assert!(
        unjudged.contains("It would be sent on.") && unjudged.contains("must be proved by SPF or DKIM"),
        "{unjudged}"
    );
}

#[tokio::test]
async fn what_is_held_is_in_the_list_of_what_waits() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    queued(&house, "shop@my.example", Entry::Held).await;
    let waits = async || {
        let page = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
        assert!(page.contains("waiting</a>"), "{page}");
        page.split_once("<h2 id=\"waits\">").unwrap().1.split_once("</section>").unwrap().0.to_owned()
    };
    let held = waits().await;
    assert!(held.contains("<dt><bdi>inbox.example</bdi></dt>") && !held.contains("Nothing waits"), "{held}");
    assert!(held.contains("#i-held") && held.contains("1 held") && !held.contains("waiting"), "{held}");
    queued(&house, "news@my.example", Entry::Due(house.clock.now())).await;
    let both = waits().await;
    assert!(both.contains("1 waiting") && both.contains("1 held"), "{both}");
}

/// Whoever looks after what somebody else has set up is told of that, and not of what is not their own.
#[tokio::test]
async fn an_admin_without_an_inbox_sees_the_state_of_the_gateway_and_a_member_their_own() {
    let house = House::furnished().await;
    let member = house.signed_in_as("ben@people.example", json!([])).await;
    let overview = house.panel(&member, "GET", "/", "").await.expect(200).text();
    assert!(overview.contains("You have no domain yet.") && overview.contains(">Add a domain</a>"), "{overview}");
    house.panel(&member, "POST", "/domains", "name=ben.example").await.expect(303);
    let overview = house.panel(&member, "GET", "/", "").await.expect(200).text();
    assert!(overview.contains("You have no inbox yet"), "{overview}");

    let admin = house.signed_in_as("ada@people.example", json!([])).await;
    let change = json!({ "role": "admin" });
    house.operator("PATCH", "/v1/users/ada@people.example", change).await.expect(200);
    let overview = house.panel(&admin, "GET", "/", "").await.expect(200).text();
    assert!(overview.contains("All mail is flowing."), "{overview}");
    assert!(
        !overview.contains("No mail can reach you yet.") && !overview.contains("Go on with setting up"),
        "{overview}"
    );
    house.operator("DELETE", "/v1/destinations/owner@inbox.example", Value::Null).await.expect(204);
    let overview = house.panel(&admin, "GET", "/", "").await.expect(200).text();
    assert!(overview.contains("There is no inbox yet that mail could be sent on to."), "{overview}");
}

/// However many copies it makes, and whatever becomes of each.
#[tokio::test]
async fn a_message_for_several_inboxes_came_in_once() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let mut keys = Vec::new();
    for address in ["shop@my.example", "*@my.example"] {
        house.operator("POST", "/v1/aliases", json!({ "address": address })).await.expect(201);
        keys.push(Some(house.admin.alias(&Actor::operator(), address).await.unwrap().key));
    }
    let twice = |recipient: &str, alias| {
        let mut one = Row { alias, ..forwarded(&house, recipient) };
        one.client.ip = "10.0.0.7".parse().unwrap();
        let (id, destination) = (house.admin.chance.id(house.clock.now()), Some("other@inbox.example".to_owned()));
        [one.clone(), Row { id, destination, ..one }]
    };
    let mut rows = twice("shop@my.example", keys[0]).to_vec();
    rows.extend(twice("news@my.example", keys[1]));
    house.admin.store.activity.record(rows).await.unwrap();
    let overview = house.panel(&cookie, "GET", "/", "").await.expect(200).text();
    for words in [
        "<strong>2</strong> came in, by recipient",
        "<strong>4</strong> forwarded",
        "2 more than came in: a message for several inboxes is counted for each of them.",
        "<dt>SPF</dt><dd>100 % passed (2 of 2)</dd>",
    ] {
        assert!(overview.contains(words), "{words}: {overview}");
    }
    let stats = async |by: &str| house.operator("GET", &format!("/v1/stats?by={by}"), Value::Null).await.json();
    let counted = stats("status").await;
    assert_eq!((&counted["series"][0]["total"], &counted["copies"]), (&json!(4), &json!(2)), "{counted}");
    assert_eq!(counted["series"].as_array().unwrap().len(), 1, "{counted}");
    for by in ["domain", "spf", "dkim"] {
        assert_eq!(stats(by).await["series"][0]["total"], 2, "{by}");
    }
    let page = async |path: &str| house.panel(&cookie, "GET", path, "").await.expect(200).text();
    let alias = page("/aliases/shop@my.example").await;
    assert!(alias.contains("1 message · 2 copies forwarded"), "{alias}");
    let catch_all = page("/aliases/*@my.example").await;
    assert!(catch_all.contains("<span class=\"muted\">1 message lately"), "{catch_all}");
    let tried =
        house.operator("POST", "/v1/aliases/test", json!({ "address": "s*@my.example" })).await.expect(200).json();
    assert_eq!(tried["matched"][0]["messages"], 1, "{tried}");
    for _ in 0..4 {
        house.admin.store.activity.record(twice("shop@my.example", keys[0]).to_vec()).await.unwrap();
    }
    let checkup = house.operator("GET", "/v1/doctor", Value::Null).await.expect(200).json();
    assert!(!checkup.to_string().contains("clients_hidden"), "six messages are not enough: {checkup}");
}
