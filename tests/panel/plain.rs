//! What a page says is so, is said in words that everybody knows, and leads to what is to be done.

use serde_json::{Value, json};

use crate::web::House;
use crate::web::pages::Planted;

/// A place of the table of pages, what stands there, and what does not.
type Said = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Of a house whose every page has something to show.
const FULL: &[Said] = &[
    (
        "/activity/{kept}",
        &[
            "class=\"button\">Send again</button>",
            "class=\"button primary\">Send there now</button>",
            "<summary class=\"button danger\" id=\"ask-cancel\">Delete</summary>",
            "because its sender was not told.",
        ],
        &["since its sender", "Cancel"],
    ),
    ("/activity/{held}", &["<bdi>You put it on hold</bdi>"], &["Delivered while"]),
    ("/activity/{refused}", &["the next hop said 550"], &["Delivered while", "took it in", "Octets identical"]),
    ("/activity/{message}", &[" at the second try, 5 min after it came"], &["owner@inbox.example"]),
    ("/activity?status=failed&since=2026-11-21T18:00:00Z", &[">Since the time below</option>"], &["Any time"]),
    ("/activity?status=held", &["<bdi>Held</bdi>"], &["<bdi>held</bdi>"]),
    ("/activity?status=nonsense", &["Choose one of the filters above."], &["Choose one of these"]),
    (
        "/domains/xn--mller-kva.example",
        &[
            "DNS has not been asked yet.",
            "status wait\"><svg aria-hidden=\"true\"><use href=\"#i-wait\"/></svg><span>not asked yet",
            "What stands here is needed",
            "Counts only where mail is sent on.",
        ],
        &["was not asked yet", "These records"],
    ),
    (
        "/destinations/new@inbox.example",
        &[
            "Mail with the link",
            ">Send the link</button>",
            ">not verified yet, added",
            "a link that verifies this inbox",
        ],
        &["Mail that asks", "How it stands", "Ask by mail", "which asks whether"],
    ),
    ("/destinations", &[">Send the link</button>"], &["Ask by mail"]),
    ("/aliases/*@my.example", &["1 message lately"], &["\">1 lately"]),
    (
        "/aliases/shop-*@my.example",
        &["whose part before the @ begins with “shop-”.", ">Try it on mail</button>", ">of 7 days</option>"],
        &["then anything", "on the mail of"],
    ),
    (
        "/aliases",
        &["<label for=\"bulk-label\">Labels</label>", "<label for=\"bulk-to\">Destination</label>", "More to do"],
        &["<summary class=\"button\">More</summary>"],
    ),
    ("/settings/tokens", &["<code>activity:read</code>"], &["<code>activity</code>", "which can only be read"]),
    ("/settings/notices", &["on a blocklist", "Not changed: this is the default."], &["is on a list", "The default."]),
    ("/settings/server", &["<code>hostname</code> <bdi>has its default</bdi>."], &["</code>: <bdi>default"]),
    ("/setup/on?at=limits", &["Messages to one destination an hour"], &["Messages to one inbox"]),
    (
        "/setup/on?at=inbox&inbox=new@inbox.example",
        &["The mail written <time", ">See its journey</a>", ">Send it a link</button>"],
        &["The mail of", "Ask it by mail"],
    ),
    ("/connect", &["may do only what the program needs"], &["There is no domain"]),
    ("/connect/curl?token={token}", &["is not shown again", ">make another</a>"], &[]),
    ("/help", &["<code>waypost restore</code>"], &["(point 4)", "What is younger"]),
    (
        "/help/did-not-arrive",
        &["refused_temporarily</code>", "<em>cancelled</em>", "<em>abandoned</em>", "<em>duplicate</em>", "<em>report"],
        &["Or with"],
    ),
    ("/help/come", &["<h2>Step by step</h2>"], &["comes in off, what", "The commands"]),
    ("/help/go-live", &["a certificate of your own"], &["One of your own is named by"]),
    ("/help/notices", &["where a row names no time"], &["is called over", "wrong as well"]),
    ("/", &["<div class=\"top small muted\"><span>from <time"], &[]),
    (
        "/simulator?to=shop@my.example&from=a@b.example",
        &["checked and shown", "where it is offered", "not added"],
        &["Check and show", "The alias that takes it is"],
    ),
    (
        "404 /destinations/owner@inbox.example/verify",
        &["Nothing was done", "does something only when a button of this panel sends it"],
        &["may be mistyped", "There is no such thing"],
    ),
    ("404 /aliases/none", &["was removed or belongs to somebody else."], &["what it showed is gone"]),
    ("409 /settings/people/owner@my.example", &["That is not possible"], &["possible now"]),
    ("410 /sign-in/none", &["href=\"/sign-in\">Sign in"], &[]),
    ("410 /setup/none", &["This gateway has an owner"], &["is set up", "This link was used"]),
    ("404 /verify/none", &["can have a new mail sent"], &[]),
    ("404 /help/none", &["Show the handbook"], &[">Help</a></p>"]),
];

/// Of a house that nobody has furnished.
const BARE: &[Said] = &[
    ("/", &["class=\"button primary\" href=\"/setup/go-on\">Go on with setting up</a>"], &[]),
    ("/destinations", &["<a href=\"/settings/server#http.public_url\">"], &["<code>http.public_url</code>"]),
    ("/settings/notices", &["nobody would be told of it"], &["No fault stands."]),
    ("/connect", &["There is no domain on which you may make aliases"], &[]),
    ("/aliases/import", &["class=\"button primary\" href=\"/domains\">Add a domain</a>"], &["ask the owner"]),
    ("/simulator", &["There is none yet: <a href=\"/domains\">"], &[]),
];

/// What is said and should not be, and what is missing.
async fn faults(house: &House, planted: Option<&Planted>, all: &[Said]) -> Vec<String> {
    let cookie = house.signed_in().await;
    let mut faults = Vec::new();
    for (place, says, lost) in all {
        let (status, path) = place.split_once(' ').map_or((200, *place), |(s, path)| (s.parse().unwrap(), path));
        let path = planted.map_or_else(|| path.to_owned(), |planted| planted.filled(path));
        // What is for nobody in particular is asked for by nobody.
        let cookie = if status == 410 { "" } else { &cookie };
        let page = house.panel(cookie, "GET", &path, "").await.expect(status).text();
        let main = page.split_once("<main").unwrap().1;
        let missing = says.iter().filter(|words| !main.contains(**words)).map(|words| format!("{place} lacks {words}"));
        let stays = lost.iter().filter(|words| main.contains(**words)).map(|words| format!("{place} says {words}"));
        faults.extend(missing.chain(stays));
    }
    faults
}

#[tokio::test]
async fn every_page_says_what_is_so_in_words_that_everybody_knows() {
    let (house, planted) = House::planted().await;
    let mut found = faults(&house, Some(&planted), FULL).await;
    found.extend(faults(&House::new().await, None, BARE).await);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Pictures and walks show what real mail shows.
#[tokio::test]
async fn planted_mail_is_as_the_gateway_writes_it() {
    let (house, _) = House::planted().await;
    let rows = house.operator("GET", "/v1/activity?limit=100", Value::Null).await.expect(200).json();
    let mut states = std::collections::BTreeSet::new();
    for row in rows["items"].as_array().unwrap() {
        let status = row["status"].as_str().unwrap();
        let was_taken = row["attempts"].as_array().unwrap().iter().any(|attempt| attempt["outcome"] == "delivered");
        states.insert(status.to_owned());
        assert_eq!(was_taken, status == "forwarded", "{row:#}");
        let is_told = row["reason"] == "Delivered while the sender waited";
        assert!(!is_told || status == "forwarded", "{row:#}");
        let path = format!("/v1/activity/{}", row["id"].as_str().unwrap());
        let row = house.operator("GET", &path, Value::Null).await.expect(200).json();
        let from = row["envelope"]["before"]["from"].as_str().unwrap_or_else(|| panic!("{row:#}"));
        let sender = row["sender"].as_str().unwrap();
        assert!(from == sender || sender.len() > 254 || sender.contains('<'), "{row:#}");
    }
    assert!(states.len() >= 12, "{states:?}");
}

#[tokio::test]
async fn a_refused_form_of_an_alias_or_a_domain_leads_to_each_field_that_is_marked() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    for (path, form, links) in [
        (
            "/aliases/shop@my.example",
            "version=1&destinations=nowhere&quota=none&policy.dmarc=perhaps",
            &[
                ("f-destinations", "Destinations: "),
                ("f-quota", "Messages a day: "),
                ("f-policy", "Checks of its own: "),
            ][..],
        ),
        ("/domains/my.example", "contact=nobody%40nowhere.example", &[("f-contact", "Postmaster and abuse go to: ")]),
        ("/aliases", "local_part=a..b&domain=my.example&destination=owner@inbox.example", &[("local", "New alias: ")]),
    ] {
        let page = house.panel(&cookie, "POST", path, form).await.expect(422).text();
        let told = "<span>Nothing was saved yet: mend what is marked.</span>";
        let notice =
            page.split(told).nth(1).unwrap_or_else(|| panic!("{path}\n{page}")).split("</div>").next().unwrap();
        assert_eq!(notice.matches("<a ").count(), links.len(), "{path}: {notice}");
        for (id, words) in links {
            assert!(notice.contains(&format!("<a href=\"#{id}\"><bdi>{words}")), "{path}: {words}: {notice}");
            assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{path}: {id}\n{page}");
        }
    }
}

/// Quotes of the configuration file are none of the panel's.
#[tokio::test]
async fn what_is_wrong_with_a_setting_is_quoted_as_everywhere() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for (path, form, words) in [
        ("/settings/server", "log.retention=for+ever", "“for ever” is not a duration"),
        ("/settings/notices", "to=nobody&digest=off", "“nobody”: the address has no @."),
    ] {
        let page = house.panel(&cookie, "POST", path, form).await.expect(422).text();
        assert_eq!(page.matches(words).count(), 2, "{path}: {page}");
        assert!(!page.contains("&#34;"), "{path}: {page}");
    }
}
