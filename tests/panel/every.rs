//! What holds on every page: it is lean, it is ours alone, and what strangers wrote stays inert on it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::web::House;
use crate::web::pages::{self, Place, Whose};
use crate::web::rows::forwarded;

/// Octets of a page, at most.
const MAX_PAGE_OCTETS: usize = 60 * 1024;
const HOST: (&str, &str) = ("host", "localhost:8080");

async fn page(house: &House, cookie: &str, place: &Place) -> crate::web::Answer {
    let path = place.path.split('#').next().unwrap();
    let cookie = if place.whose == Whose::Inside { cookie } else { "" };
    house.visitor("GET", path, &[HOST, ("cookie", cookie)], "").await.expect(place.status)
}

#[test]
fn the_table_knows_every_page_of_the_router() {
    assert_eq!(pages::missing(), BTreeSet::new());
}

#[tokio::test]
async fn every_page_is_lean_inert_and_ours_alone() {
    let (house, planted) = House::planted().await;
    let cookie = house.signed_in().await;
    let mut faults = Vec::new();
    for place in planted.places() {
        let answer = page(&house, &cookie, &place).await;
        let text = answer.text();
        if text.len() > MAX_PAGE_OCTETS {
            faults.push(format!("{}: {} octets", place.path, text.len()));
        }
        faults.extend(loose(&text).into_iter().map(|what| format!("{}: {what}", place.path)));
        let csp = answer.field("content-security-policy").unwrap_or_default();
        if !csp.starts_with("default-src 'none';") || csp.contains("unsafe") || csp.contains("http") {
            faults.push(format!("{}: its policy is {csp:?}", place.path));
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            if answer.field(name).as_deref() != Some(value) {
                faults.push(format!("{}: {name} is {:?}", place.path, answer.field(name)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What no page may hold: script or style of its own, addresses elsewhere, characters that act.
fn loose(page: &str) -> Vec<String> {
    let mut found: Vec<_> =
        ["<script>", "<style", "javascript:", " style=", "<iframe", "<object", "<base", "<meta http-equiv"]
            .into_iter()
            .filter(|word| page.contains(word))
            .map(str::to_owned)
            .collect();
    if page.matches("<script").count() != 1 || page.matches("<link rel=\"stylesheet\"").count() != 1 {
        found.push("other scripts or sheets than ours".to_owned());
    }
    let mut seen = String::new();
    for rest in page.split('<') {
        let (tag, text) = rest.split_once('>').unwrap_or((rest, ""));
        let attributes = attributes(tag);
        found.extend(attributes.iter().filter(|(name, value)| is_loose(name, value)).map(|_| format!("<{tag}>")));
        // What somebody has written into a field stands in that field alone.
        seen.extend(attributes.iter().filter(|(name, _)| *name != "value").map(|(_, value)| *value));
        seen.push_str(text);
    }
    let acts =
        |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    found.extend(seen.chars().find(acts).map(|c| format!("the character {c:?}")));
    found
}

/// Names and values, quoted or not.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let parts: Vec<_> = tag.split('"').collect();
    let outside = parts.iter().enumerate().step_by(2);
    let words = outside.flat_map(|(at, text)| text.split_whitespace().map(move |word| (at, word)));
    let pairs = words.filter_map(|(at, word)| word.split_once('=').map(|(name, value)| (at, name, value)));
    let quoted = |at: usize| parts.get(at + 1).copied().unwrap_or_default();
    pairs.map(|(at, name, value)| (name, if value.is_empty() { quoted(at) } else { value })).collect()
}

fn is_loose(name: &str, value: &str) -> bool {
    let elsewhere = ["http:", "https:", "//", "data:", "javascript:"];
    let leads = matches!(name, "src" | "href" | "action" | "formaction" | "srcset" | "poster" | "xlink:href");
    name.starts_with("on") || (leads && elsewhere.iter().any(|begin| value.starts_with(begin)))
}

#[tokio::test]
async fn an_empty_house_has_every_list_and_they_are_lean_and_inert_too() {
    let house = House::new().await;
    let cookie = house.signed_in().await;
    for page in pages::PAGES.iter().filter(|page| page.whose == Whose::Inside && !page.route.contains('{')) {
        let text = house.panel(&cookie, "GET", page.route, "").await.expect(200).text();
        assert_eq!(loose(&text), Vec::<String>::new(), "{}", page.route);
        assert!(text.contains("<h1"), "{}", page.route);
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_sign_in_and_back_to_the_page() {
    let (house, planted) = House::planted().await;
    for place in planted.places().into_iter().filter(|place| place.whose == Whose::Inside) {
        let path = place.path.split('#').next().unwrap();
        let led = house.visitor("GET", path, &[HOST], "").await.expect(303).field("location").unwrap();
        assert!(led == "/sign-in" || led.starts_with("/sign-in?to=%2F"), "{path} leads to {led}");
    }
}

#[tokio::test]
async fn who_is_signed_in_keeps_the_rail_where_nothing_is_found_or_allowed() {
    let house = House::furnished().await;
    let owner = house.signed_in().await;
    let anna = house.signed_in_as("anna@my.example", json!([])).await;
    for (cookie, path, status, here, words) in [
        (&owner, "/nothing", 404, "", "Go to Activity"),
        (&owner, "/aliases/none", 404, "/aliases", "Go to Aliases"),
        (&owner, "/settings/people/none", 404, "/settings/account", "The address may be mistyped"),
        (&owner, "/help/none", 404, "/help", "Show the handbook"),
        (&anna, "/docs/api", 200, "/help", "← Help"),
        (&anna, "/docs/api/aliases", 200, "/help", "← API"),
        (&anna, "/settings/people", 403, "/settings/account", "ask the owner of this gateway"),
    ] {
        let page = house.panel(cookie, "GET", path, "").await.expect(status).text();
        assert!(page.contains("<nav class=\"rail\"") && page.contains(words), "{path}: {page}");
        let current = format!("href=\"{here}\" aria-current=\"page\"");
        assert!(here.is_empty() || page.contains(&current), "{path}: {page}");
        let is_under_more = !matches!(here, "" | "/aliases");
        assert_eq!(page.contains("href=\"#more\" aria-current=\"true\""), is_under_more, "{path}: {page}");
        assert!(status == 200 || !page.contains("token"), "{path}: {page}");
        let plain = house.visitor("GET", path, &[HOST], "").await.text();
        assert!(!plain.contains("class=\"rail\""), "{path}: {plain}");
    }
    let elsewhere = [HOST, ("sec-fetch-site", "cross-site"), ("cookie", &*owner)];
    let page = house.visitor("POST", "/undo", &elsewhere, "").await.expect(403).text();
    assert!(page.contains("<nav class=\"rail\"") && page.contains("try again there"), "{page}");
}

/// PANEL, states: names of ours in U-labels, wherever they stand; what is sent and what is published stays in A-labels.
#[tokio::test]
async fn international_domains_are_read_as_people_write_them() {
    let house = House::furnished().await;
    let owner = house.signed_in().await;
    house.operator("POST", "/v1/domains", json!({ "name": "bücher.example" })).await.expect(201);
    let inbox = json!({ "address": "anna@bücher.inbox.example", "verified": true });
    house.operator("POST", "/v1/destinations", inbox).await.expect(201);
    let alias = json!({ "address": "shop@bücher.example", "destinations": ["anna@bücher.inbox.example"] });
    let id = house.operator("POST", "/v1/aliases", alias).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let mut row = forwarded(&house, "shop@xn--bcher-kva.example");
    row.destination = Some("anna@xn--bcher-kva.inbox.example".to_owned());
    house.admin.store.activity.record(vec![row.clone()]).await.unwrap();
    let (alias, inbox) = ("<bdi>shop@bücher.example</bdi>", "anna@bücher.inbox.example");
    for (path, shown) in [
        ("/aliases", &[alias, inbox, "<option value=\"xn--bcher-kva.example\">bücher.example</option>"][..]),
        (&format!("/aliases/{id}"), &["<bdi id=\"name\">shop@bücher.example</bdi>", ">bücher.example</bdi>"]),
        ("/activity", &[alias, "<option value=\"xn--bcher-kva.example\">bücher.example</option>"]),
        (&format!("/activity/{}", row.id), &["shop@bücher.example", inbox, "&#60;shop@xn--bcher-kva.example&#62;"]),
        ("/destinations", &[inbox]),
        ("/settings/audit", &["shop@bücher.example", inbox]),
        ("/activity?domain=xn--bcher-kva.example", &["value=\"xn--bcher-kva.example\" selected>bücher.example"]),
    ] {
        let page = house.panel(&owner, "GET", path, "").await.expect(200).text();
        for words in shown {
            assert!(page.contains(words), "{path}: {words}\n{page}");
        }
    }
    let page = house.panel(&owner, "GET", "/domains/nowhere.xn--bcher-kva.example", "").await.expect(404).text();
    assert!(page.contains("There is no domain nowhere.bücher.example."), "{page}");
}

#[test]
fn what_is_loose_is_found() {
    let ours =
        "<script src=\"/a.js\"></script><link rel=\"stylesheet\" href=\"/a.css\"><input value=\"onclick=x \u{1b}\">";
    assert_eq!(loose(ours), Vec::<String>::new());
    let elsewhere = "<a href=\"https://elsewhere.example\">";
    for more in ["<p onclick=x>", elsewhere, "<p style=\"x\">", "<p>a\u{202e}b", "<p>\u{1b}"] {
        assert_eq!(loose(&format!("{ours}{more}")).len(), 1, "{more}");
    }
}
