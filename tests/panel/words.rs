//! What pages say agrees with what is so, and with each other: in sentences, and with no word that is meant for programs.

use serde_json::json;
use waypost::mail::{Domain, Envelope, ReversePath};
use waypost::policy::status::{Status, TraceStep};
use waypost::store::activity::{EnvelopePair, Row};
use waypost::store::queue::Entry;

use crate::web::House;
use crate::web::rows::{attempt, forwarded, mailbox, queued};

async fn page(house: &House, cookie: &str, path: &str) -> String {
    house.panel(cookie, "GET", path, "").await.expect(200).text()
}

async fn recorded(house: &House, row: Row) -> String {
    let path = format!("/activity/{}", row.id);
    house.admin.store.activity.record(vec![row]).await.unwrap();
    path
}

#[tokio::test]
async fn the_story_of_a_message_says_what_the_alias_did_with_it_and_that_it_is_held() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let due = Entry::Due(house.clock.now().after(std::time::Duration::from_secs(300)));
    let path = format!("/activity/{}", queued(&house, "shop@my.example", due).await.id);
    house.panel(&cookie, "POST", &format!("{path}/hold"), "").await.expect(303);
    let held = page(&house, &cookie, &path).await;
    assert!(held.contains("<p class=\"under\"><bdi>Put on hold by hand</bdi>"), "{held}");
    assert!(held.contains("<bdi>It is on hold, and goes on when it is released.</bdi>"), "{held}");
    assert!(held.contains("It came for the alias shop@my.example, which leads to owner@inbox.example."), "{held}");
    assert!(!held.contains("decided."), "{held}");

    let row = forwarded(&house, "shop@my.example");
    let ours = Row { status: Status::Refused, destination: None, attempts: Vec::new(), ..row.clone() };
    let ours = page(&house, &cookie, &recorded(&house, ours).await).await;
    assert!(ours.contains("It came for the alias shop@my.example, and was refused."), "{ours}");
    let attempts = vec![attempt(house.clock.now(), "refused", "550 5.1.1 No such user")];
    let other = forwarded(&house, "shop@my.example");
    let theirs =
        page(&house, &cookie, &recorded(&house, Row { status: Status::Refused, attempts, ..other }).await).await;
    assert!(theirs.contains("which leads to owner@inbox.example."), "{theirs}");
    let nobody = Row { rule: None, destination: None, ..forwarded(&house, "who@my.example") };
    let nobody =
        page(&house, &cookie, &recorded(&house, Row { status: Status::Refused, attempts: vec![], ..nobody }).await)
            .await;
    assert!(nobody.contains("No alias takes mail for this address."), "{nobody}");
}

#[tokio::test]
async fn the_story_of_a_message_names_whom_its_alias_left_out_and_why() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = forwarded(&house, "shop@my.example");
    let trace = vec![
        TraceStep::new("alias", "matched", "shop@my.example, priority 0"),
        TraceStep::new("destination", "verified", "owner@inbox.example"),
        TraceStep::new("destination", "not verified", "bert@inbox.example"),
        TraceStep::new("hosted destination", "ends", "off@my.example: off@my.example is switched off."),
    ];
    let path = recorded(&house, Row { trace: trace.clone(), ..row }).await;
    let told = page(&house, &cookie, &path).await;
    for words in [
        "It did not go to bert@inbox.example: it is not verified, and gets no mail until it is.",
        "It did not go to off@my.example: off@my.example is switched off.",
    ] {
        assert!(told.contains(words), "{told}");
    }
    // Where nobody gets it, that is what the reason says.
    let row = Row { destination: None, attempts: Vec::new(), ..forwarded(&house, "shop@my.example") };
    let path = recorded(&house, Row { status: Status::Refused, trace, ..row }).await;
    assert!(!page(&house, &cookie, &path).await.contains("It did not go to"));
}

/// By its announced size a message is refused before anybody is named whom it is for, and of its sender the domain alone is
/// kept.
#[tokio::test]
async fn what_named_no_recipient_is_not_said_to_have_come_for_an_address_without_alias() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let row = forwarded(&house, "shop@my.example");
    let before = Envelope { from: ReversePath::Null, to: Vec::new() };
    let row = Row {
        status: Status::Refused,
        sender: "@plain.example".to_owned(),
        recipient: String::new(),
        destination: None,
        rule: None,
        attempts: Vec::new(),
        envelope: EnvelopePair { before, after: None },
        ..row
    };
    let shown = page(&house, &cookie, &recorded(&house, row).await).await;
    assert!(shown.contains("It was turned away before it named a recipient."), "{shown}");
    assert!(!shown.contains("No alias takes mail"), "{shown}");
    let from = "<code data-when=\"before\"><bdi>@plain.example, of which no more is kept</bdi>";
    assert!(shown.contains(from), "{shown}");

    // As with privacy `envelope`, where the message was sent on.
    let before = Envelope { from: ReversePath::Null, to: vec![mailbox("shop@my.example")] };
    let after = Some(Envelope { from: ReversePath::Null, to: vec![mailbox("owner@inbox.example")] });
    let envelope = EnvelopePair { before, after };
    let row = Row { sender: "@plain.example".to_owned(), envelope, ..forwarded(&house, "shop@my.example") };
    let shown = page(&house, &cookie, &recorded(&house, row).await).await;
    assert!(shown.contains(from) && shown.contains("<code data-when=\"after\"><bdi>not kept</bdi>"), "{shown}");
}

#[tokio::test]
async fn what_an_empty_log_asks_for_first_is_what_is_missing_first() {
    let house = House::new().await;
    let cookie = house.signed_in().await;
    let bare = page(&house, &cookie, "/activity").await;
    assert!(bare.contains("<a class=\"button primary\" href=\"/domains\">Add a domain</a>"), "{bare}");
    assert!(!bare.contains("Create an alias"), "{bare}");
    house.operator("POST", "/v1/domains", json!({ "name": "my.example" })).await.expect(201);
    let next = page(&house, &cookie, "/activity").await;
    assert!(next.contains("href=\"/aliases?new=1\">Create an alias</a>"), "{next}");
}

#[tokio::test]
async fn a_password_is_asked_for_only_where_there_is_one() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    for path in ["/settings/account", "/settings/server"] {
        let bare = page(&house, &cookie, path).await;
        assert!(!bare.contains("Present password") && !bare.contains("takes your password"), "{path}: {bare}");
    }
    assert!(page(&house, &cookie, "/settings/account").await.contains(">Set password</button>"));
    let form = "name=Anna&email=owner%40my.example";
    house.panel(&cookie, "POST", "/settings/account", form).await.expect(303);
    house.operator("PATCH", "/v1/users/owner", json!({ "password": "correct horse battery" })).await.expect(200);
    let cookie = house.signed_in().await;
    for path in ["/settings/account", "/settings/server"] {
        let with = page(&house, &cookie, path).await;
        assert!(with.contains("Present password"), "{path}: {with}");
    }
}

#[tokio::test]
async fn that_notices_reach_nobody_is_said_with_what_to_do() {
    let house = House::new().await;
    let cookie = house.signed_in().await;
    let says = "Nobody gets these notices yet";
    let bare = page(&house, &cookie, "/settings/notices").await;
    assert!(bare.contains("<div class=\"notice wait\"") && bare.contains(says), "{bare}");
    assert!(bare.contains("nobody would be told of it") && !bare.contains("Nothing does."), "{bare}");
    let inbox = json!({ "address": "owner@inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", inbox).await.expect(201);
    assert!(!page(&house, &cookie, "/settings/notices").await.contains(says));
}

#[tokio::test]
async fn the_list_of_domains_says_of_each_what_its_own_page_says() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let name = Domain::parse("my.example").unwrap();
    let key = house.admin.store.rules.domain(&name).await.unwrap().key;
    let note = async |dns: &str, wrong: &[String]| house.admin.store.rules.note_dns(key, dns, wrong).await.unwrap();
    let state = |text: &str| -> String {
        let at = text.find("status ").unwrap();
        let told = text[at..].split_once("<svg").unwrap().1.split_once("<span>").unwrap().1;
        let tone = text[at..].split_once("status ").unwrap().1.split('"').next().unwrap();
        format!("{tone}: {}", told.split("</span>").next().unwrap())
    };
    let same = async |words: &str| {
        let list = page(&house, &cookie, "/domains").await;
        let row = list.split("<a class=\"row domain\"").nth(1).unwrap();
        let own = page(&house, &cookie, "/domains/my.example").await;
        let own = own.split("<div id=\"standing\"").nth(1).unwrap();
        assert_eq!(state(row), state(own));
        assert!(state(row).contains(words), "{words}: {}", state(row));
    };
    same("DNS has not been asked yet.").await;
    note("ok", &[]).await;
    same("ok: All records were found when DNS was asked last.").await;
    note("drift", &["MX of my.example: it leads elsewhere".to_owned()]).await;
    same("Some records differed when DNS was asked last: MX of my.example.").await;
    page(&house, &cookie, "/domains/my.example?check=1").await;
    same("DNS does not say whether mail arrives").await;
}

#[tokio::test]
async fn a_long_domain_keeps_its_end_and_shows_that_it_is_verified() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let name = format!("{}example", "long-label.".repeat(8));
    house.operator("POST", "/v1/domains", json!({ "name": name })).await.expect(201);
    let shown = "<bdi>long-label.long-label.l…label.long-label.example</bdi>";
    let list = page(&house, &cookie, "/domains").await;
    assert!(list.contains(shown) && list.contains("#i-done\"/></svg><span>verified</span>"), "{list}");
    let own = page(&house, &cookie, &format!("/domains/{name}")).await;
    assert!(own.contains(&format!("<h1>{shown}</h1>")) && own.contains(">Empty: the domain itself.<"), "{own}");
}

#[tokio::test]
async fn an_owner_without_name_and_address_is_named_once() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let people = page(&house, &cookie, "/settings/people").await;
    assert!(people.contains("<bdi>The owner</bdi><span class=\"muted\"> no password yet</span>"), "{people}");
}

#[tokio::test]
async fn a_status_that_there_is_not_is_told_with_what_to_choose() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let told = page(&house, &cookie, "/activity?status=%3Cb%3E").await;
    let says = "There is no state “&#60;b&#62;”. Choose one of the filters above.";
    assert!(told.contains(says), "{told}");
    let told = page(&house, &cookie, "/activity?alias=none@my.example").await;
    assert!(told.contains("There is no alias none@my.example."), "{told}");
}

#[tokio::test]
async fn the_simulator_speaks_of_checks_by_their_names_and_of_each_fault_by_itself() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let made = json!({ "address": "shop@my.example", "policy": { "spf": "enforce" } });
    house.operator("POST", "/v1/aliases", made).await.expect(201);
    let told = page(&house, &cookie, "/simulator?to=shop@my.example&from=a@b.example").await;
    for words in [
        "<bdi>Checks</bdi>",
        "SPF: refused where it fails (set for the alias)",
        "DKIM: checked and shown;",
        "TLS to the destination: where it is offered;",
        "X-Forwarded-To and -For: not added",
        "<bdi>Return address</bdi>",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("(instance)") && !told.contains("spf enforce"), "{told}");
    let wrong = house.panel(&cookie, "GET", "/simulator?to=nowhere&ip=nonsense", "").await.expect(422).text();
    let links = wrong.split("There is no answer yet: mend what is marked.</span>").nth(1).unwrap();
    let links = links.split("</div>").next().unwrap();
    assert!(links.contains("<a href=\"#ip\"><bdi>Client&#39;s address: write an IP address.</bdi></a>"), "{links}");
    assert!(links.starts_with(" <a href=\"#to\"><bdi>To: this is not a recipient: "), "{links}");
    for (id, words) in [("to", "This is not a recipient: the address has no @."), ("ip", "Write an IP address.")] {
        let field = format!("aria-invalid=\"true\" autofocus aria-describedby=\"e-{id} {id}-help\"");
        assert!(wrong.contains(&field), "{field}: {wrong}");
        assert!(wrong.contains(&format!("id=\"e-{id}\"><bdi>{words}</bdi></p>")), "{words}: {wrong}");
    }
    assert_eq!(wrong.matches("aria-invalid").count(), 2, "{wrong}");
    // The same words stand on the page of a message.
    let mut row = forwarded(&house, "shop@my.example");
    row.trace = vec![
        TraceStep::new("settings", "in effect", "spf observe (instance), tls require (domain), what is new (alias)"),
        TraceStep::new("sender", "blocked", "*@shop.example (domain)"),
    ];
    let told = page(&house, &cookie, &recorded(&house, row).await).await;
    let settings = "SPF: checked and shown; TLS to the destination: always, else mail waits (set for the domain); what is new (set for the alias)";
    assert!(told.contains(settings) && told.contains("*@shop.example, on the list of the domain"), "{told}");
}

#[tokio::test]
async fn what_is_kept_is_said_to_be_kept_for_so_many_days() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let until = house.clock.now().after(std::time::Duration::from_secs(3600));
    queued(&house, "shop@my.example", Entry::Kept(until)).await;
    let told = page(&house, &cookie, "/settings/notices").await;
    assert!(told.contains("If you do neither, it is deleted at the time that its page names."), "{told}");
    assert!(!told.contains("queue.keep_failed"), "{told}");
}

#[tokio::test]
async fn a_change_says_who_did_what_in_a_sentence() {
    let house = House::linked().await;
    let cookie = house.signed_in().await;
    house.panel(&cookie, "POST", "/destinations", "address=new%40inbox.example").await.expect(303);
    house.panel(&cookie, "POST", "/settings/account", "name=Anna").await.expect(303);
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    house.operator("PATCH", "/v1/settings", json!({ "log.retention": "60d" })).await.expect(200);
    let told = page(&house, &cookie, "/settings/audit").await;
    for words in [
        "Made the alias <bdi>shop@my.example</bdi><span class=\"muted\"> <bdi>on the command line</bdi>",
        "Changed <bdi>log.retention</bdi> in the settings<span",
        "Changed the account <bdi>of the owner</bdi><span class=\"muted\"> <bdi>by the owner</bdi>",
        "Asked <bdi>new@inbox.example</bdi> whether it takes mail from here<span",
        "Name: none → Anna",
        "How: by a link",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
async fn an_alias_without_an_inbox_is_told_what_its_field_needs_and_where_the_default_is() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let made = house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201).json();
    let path = format!("/aliases/{}", made["id"].as_str().unwrap());
    let says = "Write at least one inbox that its mail goes to.";
    let there = "make one of your inboxes the default, on its page under Destinations";
    for (path, form) in
        [(path.as_str(), "action=forward&destinations="), ("/aliases", "local_part=x&domain=my.example&destination=")]
    {
        let wrong = house.panel(&cookie, "POST", path, form).await.expect(422).text();
        assert!(wrong.contains(says) && wrong.contains(there), "{path}: {wrong}");
    }
    let api = house.operator("POST", "/v1/aliases", json!({ "address": "y@my.example", "destinations": [] })).await;
    assert_eq!(api.expect(422).pointers(), ["/destinations"]);
}

#[tokio::test]
async fn a_new_alias_is_proposed_where_mail_arrives() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/domains", json!({ "name": "a.example" })).await.expect(201);
    let name = Domain::parse("my.example").unwrap();
    let key = house.admin.store.rules.domain(&name).await.unwrap().key;
    house.admin.store.rules.note_dns(key, "ok", &[]).await.unwrap();
    let form = page(&house, &cookie, "/aliases?new=1").await;
    assert!(form.contains("<option value=\"my.example\" selected>"), "{form}");
}

#[tokio::test]
async fn the_handbook_says_the_same_on_each_page() {
    let house = House::new().await;
    let cookie = house.signed_in().await;
    let (not_for, security) =
        (page(&house, &cookie, "/help/not-for").await, page(&house, &cookie, "/help/security").await);
    assert!(
        not_for.contains("adds a few lines on top of a message") && security.contains("A few lines are added on top")
    );
    assert!(!not_for.contains("by its envelope"), "an author is blocked by From: {not_for}");
    for name in ["waits", "security", "notices"] {
        let text = page(&house, &cookie, &format!("/help/{name}")).await;
        assert!(text.contains("seven days"), "{name}: the default of queue.keep_failed: {text}");
    }
}
