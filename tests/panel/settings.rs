//! The settings pages: one's own account, people, tokens, sessions, changes; what is shown once is shown once.

use serde_json::{Value, json};
use waypost::admin::Actor;

use crate::web::House;

const PASSWORD: &str = "correct horse battery";

/// The owner, signed in by password.
async fn owner() -> (House, String) {
    let house = House::furnished().await;
    let body = json!({ "email": "owner@my.example", "password": PASSWORD });
    house.operator("PATCH", "/v1/users/owner", body).await.expect(200);
    let cookie = signed_in(&house, "owner%40my.example").await;
    (house, cookie)
}

async fn signed_in(house: &House, email: &str) -> String {
    let form = format!("email={email}&password={}", PASSWORD.replace(' ', "+"));
    let answer = house.panel("", "POST", "/sign-in", &form).await.expect(303);
    answer.field("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// What stands in the first block of text to copy.
fn shown(page: &str) -> String {
    let (_, block) = page.split("<code class=\"reply\"").nth(1).unwrap().split_once('>').unwrap();
    block.split("</code>").next().unwrap().trim().to_owned()
}

#[tokio::test]
async fn every_page_is_there_and_lean() {
    let (house, cookie) = owner().await;
    for n in 0..40 {
        let body = json!({ "address": format!("a{n}@my.example"), "description": "x".repeat(900) });
        house.operator("POST", "/v1/aliases", body).await.expect(201);
        let path = format!("/v1/aliases/a{n}@my.example");
        house.operator("PATCH", &path, json!({ "description": "<script>y</script>".repeat(40) })).await.expect(200);
    }
    house.panel(&cookie, "GET", "/settings", "").await.expect(303);
    for place in ["account", "people", "tokens", "sessions", "server", "audit"] {
        let page = house.panel(&cookie, "GET", &format!("/settings/{place}"), "").await.expect(200).text();
        assert!(page.len() <= 60 * 1024, "{place} has {} octets", page.len());
        assert!(
            page.contains("aria-current=\"page\"") && !page.contains("<script>") && !page.contains("style="),
            "{place}"
        );
        assert_eq!(
            page.matches("button primary").count(),
            usize::from(!["sessions", "server", "audit"].contains(&place)),
            "{place}"
        );
    }
    house.visitor("GET", "/settings/people", &[("host", "localhost:8080")], "").await.expect(303);
}

#[tokio::test]
async fn one_s_own_account_is_changed_in_place() {
    let (house, cookie) = owner().await;
    let other = signed_in(&house, "owner%40my.example").await;
    let name = "email=owner%40my.example&name=The+Owner";
    let page = house.follow(&cookie, house.panel(&cookie, "POST", "/settings/account", name).await).await;
    assert!(page.contains("value=\"The Owner\"") && page.contains("Your account is saved."), "{page}");
    let wrong = "current_password=wrong&password=another+horse+battery";
    let page = house.panel(&cookie, "POST", "/settings/account/password", wrong).await.expect(422).text();
    assert!(page.contains("id=\"e-old\"><bdi>This is not your present password.</bdi>"), "{page}");
    assert!(page.contains("aria-invalid=\"true\" autofocus aria-describedby=\"e-old \""), "{page}");
    let short = "current_password=correct+horse+battery&password=short";
    let page = house.panel(&cookie, "POST", "/settings/account/password", short).await.expect(422).text();
    assert!(page.contains("id=\"e-new\">") && page.contains("href=\"#new\"><bdi>New password: "), "{page}");
    let moved = "email=other%40my.example&name=Somebody&current_password=wrong";
    let page = house.panel(&cookie, "POST", "/settings/account", moved).await.expect(422).text();
    assert!(page.contains("id=\"e-present\">") && page.contains("value=\"other@my.example\""), "{page}");
    let right = "current_password=correct+horse+battery&password=another+horse+battery";
    house.panel(&cookie, "POST", "/settings/account/password", right).await.expect(303);
    house.panel(&cookie, "GET", "/aliases", "").await.expect(200);
    house.panel(&other, "GET", "/aliases", "").await.expect(303);
}

#[tokio::test]
async fn an_authenticator_is_set_up_and_switched_off() {
    let (house, cookie) = owner().await;
    let place = "/settings/account/totp";
    let page = house.panel(&cookie, "POST", place, "").await.expect(200).text();
    let secret = page.split("name=\"secret\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let groups = secret.as_bytes().chunks(4).map(|group| format!("<span>{}</span>", String::from_utf8_lossy(group)));
    assert!(page.contains(&groups.collect::<String>()), "it can be written by hand: {page}");
    let link = page.split("href=\"otpauth:").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    assert_eq!(photographed(&page), format!("otpauth:{link}"));
    assert!(link.contains(&format!("secret={secret}")), "{link}");
    let wrong = format!("secret={secret}&code=000000");
    let page = house.panel(&cookie, "POST", place, &wrong).await.expect(422).text();
    assert!(page.contains("id=\"e-code\">"), "{page}");
    assert_eq!(photographed(&page), format!("otpauth:{link}"), "the secret stays: it is in the app already");
    house.panel(&cookie, "POST", place, "secret=nonsense&code=000000").await.expect(422);
    let totp = totp_rs::Builder::new().with_secret(data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap());
    let code = totp.build().unwrap().generate(u64::try_from(house.clock.now().millis() / 1000).unwrap());
    let page = house.panel(&cookie, "POST", place, &format!("secret={secret}&code={code}")).await.expect(422).text();
    assert!(page.contains("id=\"proof\" name=\"current_password\"") && page.contains("id=\"e-proof\">"), "{page}");
    assert_eq!(photographed(&page), format!("otpauth:{link}"));
    let whole = format!("secret={secret}&code={code}&current_password={}", PASSWORD.replace(' ', "+"));
    let page = house.panel(&cookie, "POST", place, &whole).await.expect(200).text();
    let codes = shown(&page);
    assert_eq!(codes.lines().count(), 10, "{codes}");
    let page = house.panel(&cookie, "GET", "/settings/account", "").await.expect(200).text();
    assert!(page.contains("10 recovery codes are left") && !page.contains(codes.lines().next().unwrap()), "{page}");
    let off = format!("code={}", codes.lines().next().unwrap());
    house.panel(&cookie, "POST", "/settings/account/totp/off", "code=000000").await.expect(422);
    house.panel(&cookie, "POST", "/settings/account/totp/off", &off).await.expect(303);
}

/// What a camera reads of the code on a page: each of its paths is squares of one row, black on white.
fn photographed(page: &str) -> String {
    const MODULE: usize = 4;
    let svg = page.split("role=\"img\"").nth(1).unwrap().split("</svg>").next().unwrap();
    let between = |text: &str, begin: &str| text.split(begin).nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(between(svg, "<path fill=\"#fff\" d=\"").starts_with("M0 0h"), "{svg}");
    let side = page.split("viewBox=\"0 0 ").find_map(|rest| rest.split_once("\" role=\"img\"")).unwrap().0;
    let side: usize = side.split(' ').next().unwrap().parse().unwrap();
    let mut dark = vec![false; side * side];
    for run in between(svg, "<path fill=\"#000\" d=\"").split('M').skip(1) {
        let (place, length) = run.split_once('h').unwrap();
        let (x, y) = place.split_once(' ').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        let length: usize = length.split('v').next().unwrap().parse().unwrap();
        dark[y * side + x..][..length].fill(true);
    }
    let shade = |x: usize, y: usize| if dark[y / MODULE * side + x / MODULE] { 0 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * MODULE, side * MODULE, shade);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[tokio::test]
async fn people_are_added_by_a_link_and_changed() {
    let (house, cookie) = owner().await;
    let form = "email=anna%40my.example&name=Anna&role=member";
    let page = house.panel(&cookie, "POST", "/settings/people", form).await.expect(200).text();
    let path = shown(&page).replace("http://127.0.0.1:8080", "");
    assert!(path.starts_with("/reset/"), "{page}");
    let listed = house.panel(&cookie, "GET", "/settings/people", "").await.expect(200).text();
    assert!(listed.contains("anna@my.example") && !listed.contains("/reset/"), "{listed}");
    let set = async |path: &str| {
        let form = format!("password={}", PASSWORD.replace(' ', "+"));
        house.panel("", "POST", path, &form).await.expect(200).text()
    };
    let first = set(&path).await;
    assert!(first.contains("Sign in with it from now on.") && !first.contains("has ended"), "{first}");
    let anna = signed_in(&house, "anna%40my.example").await;
    let page = house.panel(&anna, "GET", "/settings/people", "").await.expect(403).text();
    assert!(page.contains("Only the owner"), "{page}");
    assert!(!house.panel(&anna, "GET", "/settings/account", "").await.expect(200).text().contains("/settings/people"));
    let users = house.operator("GET", "/v1/users", Value::Null).await.expect(200).json();
    let id = users["items"][1]["id"].as_str().unwrap().to_owned();
    let page = house.panel(&cookie, "POST", &format!("/settings/people/{id}/link"), "").await.expect(200).text();
    assert!(page.contains("Hand this link to <bdi>anna@my.example</bdi> yourself: no mail is sent."), "{page}");
    let again = set(&shown(&page).replace("http://127.0.0.1:8080", "")).await;
    assert!(again.contains("every earlier session has ended"), "{again}");
    house.panel(&anna, "GET", "/aliases", "").await.expect(303);
    let anna = signed_in(&house, "anna%40my.example").await;
    for (action, form) in [("role", "role=admin"), ("disable", ""), ("enable", ""), ("disable", "")] {
        house.panel(&cookie, "POST", &format!("/settings/people/{id}/{action}"), form).await.expect(303);
    }
    let page = house.panel(&cookie, "POST", &format!("/settings/people/{id}/link"), "").await.expect(409).text();
    assert!(page.contains("anna@my.example is switched off"), "{page}");
    house.panel(&cookie, "POST", &format!("/settings/people/{id}/remove"), "").await.expect(303);
    house.panel(&cookie, "POST", &format!("/settings/people/{id}/explode"), "").await.expect(404);
    house.panel(&anna, "GET", "/aliases", "").await.expect(303);
}

#[tokio::test]
async fn tokens_and_sessions_are_listed_and_ended() {
    let (house, cookie) = owner().await;
    let page = house.panel(&cookie, "POST", "/settings/tokens", "name=vault").await.expect(422).text();
    assert!(
        page.contains("value=\"vault\"") && page.contains("id=\"e-scopes\"><bdi>Say what the token is for"),
        "{page}"
    );
    let form = "name=vault&scope+aliases%3Acreate=on&domain=my.example&expires_at=2027-01-31";
    let token = shown(&house.panel(&cookie, "POST", "/settings/tokens", form).await.expect(200).text());
    let alias = json!({ "address": "a@my.example" });
    house.bearer(&token, "POST", "/v1/aliases", alias).await.expect(201);
    let page = house.panel(&cookie, "GET", "/settings/tokens", "").await.expect(200).text();
    assert!(page.contains("only my.example") && !page.contains(&token), "{page}");
    let id =
        house.operator("GET", "/v1/tokens", Value::Null).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    house.panel(&cookie, "POST", &format!("/settings/tokens/{id}/revoke"), "").await.expect(303);
    house.bearer(&token, "GET", "/v1/me", Value::Null).await.expect(401);
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0 <b>";
    let link = house.admin.add_panel_link(&Actor::operator()).await.unwrap();
    let fields = [("host", "localhost:8080"), ("sec-fetch-site", "same-origin"), ("user-agent", firefox)];
    let other = house.visitor("POST", &format!("/sign-in/{}", link.text()), &fields, "").await.expect(303);
    let other = other.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let page = house.panel(&cookie, "GET", "/settings/sessions", "").await.expect(200).text();
    assert!(page.contains("<bdi>Firefox on Linux</bdi>") && page.contains("An unknown browser"), "{page}");
    assert!(page.contains("Firefox/144.0 &#60;b&#62;</bdi>"), "what it calls itself stands there too: {page}");
    assert_eq!((page.matches("this session").count(), page.matches("/end\"").count()), (1, 1), "{page}");
    let place = page.split("action=\"/settings/sessions/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    house.panel(&cookie, "POST", &format!("/settings/sessions/{place}"), "").await.expect(303);
    house.panel(&other, "GET", "/aliases", "").await.expect(303);
}

/// Every scope of INTERFACES can be ticked, each with what it is for, but the one that gives no more than another.
#[tokio::test]
async fn a_token_can_be_made_of_every_scope_that_there_is() {
    let (house, cookie) = owner().await;
    let page = house.panel(&cookie, "GET", "/settings/tokens", "").await.expect(200).text();
    let areas = ["aliases", "destinations", "domains", "activity", "queue", "account", "admin"];
    let all = areas.iter().flat_map(|area| [format!("{area}:read"), (*area).to_owned()]);
    let all = std::iter::once("aliases:create".to_owned()).chain(all);
    let all: Vec<_> = all.filter(|scope| scope != "activity").collect();
    for scope in &all {
        let tick = format!("name=\"scope {scope}\"");
        assert_eq!(page.matches(&tick).count(), 1, "{scope}: {page}");
        assert!(page.contains(&format!("<code>{scope}</code>")), "{scope}: {page}");
    }
    assert_eq!(page.matches("name=\"scope ").count(), all.len(), "{page}");
    let form = "name=metrics&scope+admin%3Aread=on";
    let token = shown(&house.panel(&cookie, "POST", "/settings/tokens", form).await.expect(200).text());
    house.bearer(&token, "GET", "/v1/settings", Value::Null).await.expect(200);
    house.bearer(&token, "PATCH", "/v1/settings", json!({ "policy.spf": "off" })).await.expect(403);
}

#[tokio::test]
async fn all_other_sessions_end_with_one_button_and_this_one_stays() {
    let (house, cookie) = owner().await;
    let page = house.panel(&cookie, "GET", "/settings/sessions", "").await.expect(200).text();
    assert!(!page.contains("End all other sessions"), "there is no other: {page}");
    let others = [signed_in(&house, "owner%40my.example").await, signed_in(&house, "owner%40my.example").await];
    let anna = house.signed_in_as("anna@my.example", json!([{ "domain": "my.example", "role": "manager" }])).await;
    let page = house.panel(&cookie, "GET", "/settings/sessions", "").await.expect(200).text();
    let form = "<form class=\"lead-in\" method=\"post\" action=\"/settings/sessions/end-others\">";
    assert!(page.contains(&format!("{form}<button class=\"button danger\">End all other sessions</button>")), "{page}");
    for _ in 0..2 {
        let done = house.panel(&cookie, "POST", "/settings/sessions/end-others", "").await;
        let after = house.follow(&cookie, done).await;
        assert!(after.contains("All other sessions have ended.") && !after.contains("/end\""), "{after}");
    }
    for other in others {
        house.panel(&other, "GET", "/aliases", "").await.expect(303);
    }
    house.panel(&anna, "GET", "/aliases", "").await.expect(200);
    let log = house.operator("GET", "/v1/audit?action=session.end", Value::Null).await.expect(200).json();
    assert_eq!(log["items"].as_array().unwrap().len(), 2, "each is written down: {log}");
}

#[tokio::test]
async fn a_change_is_taken_back_from_its_page() {
    let (house, cookie) = owner().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example", "quota": 5 })).await.expect(201);
    house.operator("PATCH", "/v1/aliases/shop@my.example", json!({ "quota": null })).await.expect(200);
    let page = house.panel(&cookie, "GET", "/settings/audit?q=SHOP", "").await.expect(200).text();
    assert!(page.contains("Messages a day: 5 → none") && page.contains("the command line"), "{page}");
    let place = page.split("action=\"/settings/audit/").nth(1).unwrap().split('"').next().unwrap();
    house.panel(&cookie, "POST", &format!("/settings/audit/{place}"), "").await.expect(303);
    let alias = house.operator("GET", "/v1/aliases/shop@my.example", Value::Null).await.expect(200).json();
    assert_eq!(alias["quota"], 5);
    let none = house.panel(&cookie, "GET", "/settings/audit?q=nothing", "").await.expect(200).text();
    assert!(none.contains("No change matches."));
}

#[tokio::test]
async fn a_sensitive_setting_is_taken_back_with_the_present_password() {
    let (house, cookie) = owner().await;
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    house.operator("PATCH", "/v1/settings", json!({ "log.retention": "60d" })).await.expect(200);
    house.operator("PATCH", "/v1/settings", json!({ "delivery.relay": "smtp://relay.example:587" })).await.expect(200);
    let page = house.panel(&cookie, "GET", "/settings/audit", "").await.expect(200).text();
    assert_eq!(page.matches("aria-label=\"Present password\"").count(), 1, "{page}");
    let place = page.split("action=\"/settings/audit/").nth(1).unwrap().split('"').next().unwrap();
    let undo = async |form: &str| house.panel(&cookie, "POST", &format!("/settings/audit/{place}"), form).await;
    assert!(undo("").await.expect(422).text().contains("write your present password"));
    undo("current_password=wrong").await.expect(422);
    undo("current_password=correct+horse+battery").await.expect(303);
    let set = house.operator("GET", "/v1/settings", Value::Null).await.json();
    let relay = set["items"].as_array().unwrap().iter().find(|setting| setting["key"] == "delivery.relay").unwrap();
    assert_eq!(relay["place"], "default");
}

#[tokio::test]
async fn what_is_wrong_with_a_setting_is_said_on_top_with_the_way_to_its_field() {
    let (house, cookie) = owner().await;
    let page = house.panel(&cookie, "POST", "/settings/server", "log.retention=soon").await.expect(422).text();
    assert!(page.contains("mend what is marked.</span><a href=\"#log.retention\"><bdi>Kept for: "), "{page}");
    assert!(page.contains("id=\"log.retention\" name=\"log.retention\" value=\"soon\""), "{page}");
    assert!(page.contains("selected>refused if its domain asks</option>"), "{page}");
    house.operator("POST", "/v1/aliases", json!({ "address": "shop@my.example" })).await.expect(201);
    let relay = "delivery.relay=smtp%3A%2F%2Frelay.example&current_password=wrong";
    let page = house.panel(&cookie, "POST", "/settings/server", relay).await.expect(422).text();
    assert!(
        page.contains(
            "<a href=\"#present-sending\"><bdi>Present password: this is not your present password.</bdi></a>"
        ),
        "{page}"
    );
    assert!(
        page.contains("autocomplete=\"current-password\" aria-invalid=\"true\" aria-describedby=\"ph-sending\""),
        "{page}"
    );
    assert_eq!(page.matches("This is not your present password.").count(), 1, "only where it was sent: {page}");
}

#[tokio::test]
async fn a_refused_form_of_the_settings_says_on_top_that_nothing_was_saved_and_leads_to_what_is_marked() {
    let (house, cookie) = owner().await;
    let anna = json!({ "email": "anna@my.example" });
    let anna = house.operator("POST", "/v1/users", anna).await.expect(201).json();
    let person = format!("/settings/people/{}", anna["id"].as_str().unwrap());
    for (place, form, (id, words)) in [
        ("/settings/account", "email=other%40my.example", ("present", "Present password: write your ")),
        ("/settings/account/password", "current_password=wrong&password=short", ("new", "New password: ")),
        ("/settings/notices", "to=nobody&digest=off", ("to", "To: “nobody”: the address has no @.")),
        ("/settings/notices", "heartbeat_url=nowhere&digest=off", ("heartbeat", "Heartbeat: ")),
        ("/settings/people", "email=nobody&role=member", ("email", "E-mail address: ")),
        ("/settings/tokens", "name=x", ("scopes", "It may: ")),
        (&person, "domain=nowhere.example&role=viewer", ("domain", "Domain: ")),
    ] {
        let page = house.panel(&cookie, "POST", place, form).await.expect(422).text();
        let told = "<span>Nothing was saved yet: mend what is marked.</span>";
        let link = page.split(told).nth(1).unwrap_or_else(|| panic!("{place}\n{page}")).split("</div>").next().unwrap();
        assert!(link.starts_with(&format!("<a href=\"#{id}\"><bdi>{words}")), "{place}: {words}: {link}");
        assert_eq!(link.matches("<a ").count(), 1, "{place}: {link}");
        assert!(link.ends_with(".</bdi></a>") && link.len() > 60, "a sentence: {place}: {link}");
        assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{place}: {id}\n{page}");
    }
}

#[tokio::test]
async fn a_host_name_that_no_mail_server_has_is_refused() {
    let (house, _) = owner().await;
    for (name, why) in [
        ("192.0.2.1", "is an IP address"),
        ("localhost", "is a single label"),
        ("gw_x.my.example", "an underscore"),
        ("gw.my.12", "ends in a number"),
        ("gw-.my.example", "no hyphen first or last"),
    ] {
        let answer = house.operator("PATCH", "/v1/settings", json!({ "hostname": name })).await.expect(422);
        assert!(answer.text().contains(why), "{name}: {}", answer.text());
    }
    house.operator("PATCH", "/v1/settings", json!({ "hostname": "gw.my.example" })).await.expect(200);
    house.operator("PATCH", "/v1/settings", json!({ "hostname": null })).await.expect(200);
}

/// What the doctor found is of the old name: it looks at once, and not when it is due.
#[tokio::test]
async fn what_was_found_of_the_gateway_is_outdated_by_another_host_name() {
    let (house, _) = owner().await;
    let is_outdated = || futures_util::FutureExt::now_or_never(house.admin.look_is_outdated()).is_some();
    house.operator("PATCH", "/v1/settings", json!({ "log.subjects": false })).await.expect(200);
    assert!(!is_outdated());
    house.operator("PATCH", "/v1/settings", json!({ "hostname": "gw.my.example" })).await.expect(200);
    assert!(is_outdated() && !is_outdated());
}

#[tokio::test]
async fn the_host_name_in_service_is_shown_though_nobody_has_set_it() {
    let (house, cookie) = owner().await;
    let system = house.admin.settings.list().into_iter().find(|setting| setting.key == "hostname").unwrap();
    let name = system.value.as_str().unwrap().to_owned();
    let page = house.panel(&cookie, "GET", "/settings/server", "").await.expect(200).text();
    assert!(!name.is_empty() && page.contains(&format!("name=\"hostname\" value=\"{name}\"")), "{name}: {page}");
    assert!(page.contains("<code>hostname</code> <bdi>has its default</bdi>."), "{page}");
    house.panel(&cookie, "POST", "/settings/server", &format!("hostname={name}")).await.expect(303);
    let set = house.operator("GET", "/v1/settings", Value::Null).await.json();
    let set = set["items"].as_array().unwrap().iter().find(|setting| setting["key"] == "hostname").unwrap().clone();
    assert_eq!(set["place"], "default", "what was shown and not changed is not set");
}

#[tokio::test]
async fn what_was_done_is_told_once_and_not_again_by_a_reload() {
    let (house, cookie) = owner().await;
    let saved = house.panel(&cookie, "POST", "/settings/server", "log.subjects=false").await.expect(303);
    assert_eq!(saved.field("location").as_deref(), Some("/settings/server"), "nothing of it hangs on the address");
    let all = saved.field("set-cookie").unwrap();
    assert!(all.contains("HttpOnly") && all.contains("Max-Age=60"), "{all}");
    let told = format!("{cookie}; {}", saved.told().unwrap());
    let stream = house.panel(&told, "GET", "/activity/export", "").await.expect(200);
    assert_eq!(stream.told(), None, "a file tells nothing and takes nothing away");
    let first = house.panel(&told, "GET", "/settings/server", "").await.expect(200);
    assert!(first.text().contains("Saved: it counts from now on."), "{}", first.text());
    assert_eq!(first.told().as_deref(), Some("waypost-told="), "shown, it is taken away");
    let again = house.panel(&cookie, "GET", "/settings/server", "").await.expect(200);
    assert!(!again.text().contains("Saved:") && again.told().is_none(), "{}", again.text());
}

#[tokio::test]
async fn a_setting_says_that_it_waits_for_a_restart_only_while_another_value_runs() {
    let (house, cookie) = owner().await;
    let waits = "Takes effect after a restart. Until then Waypost runs with “30d”.";
    let page = house.panel(&cookie, "GET", "/settings/server", "").await.expect(200).text();
    assert!(!page.contains("after a restart"), "{page}");
    let save =
        async |form: &str| house.follow(&cookie, house.panel(&cookie, "POST", "/settings/server", form).await).await;
    let page = save("log.retention=60d").await;
    assert!(page.contains(waits) && page.contains("What is marked counts when Waypost is started again."), "{page}");
    let page = save("log.subjects=false").await;
    assert!(page.contains(waits) && page.contains("Saved: it counts from now on."), "{page}");
    let page = save("log.retention=30d").await;
    assert!(!page.contains("after a restart") && page.contains("Saved: it counts from now on."), "{page}");
    let page = save("hostname=gw.my.example").await;
    assert!(page.contains("Mail has this name already.") && !page.contains("Until then Waypost runs"), "{page}");
}

/// A link for a forgotten password, or a notice, would go round and reach nobody.
#[tokio::test]
async fn an_account_is_told_that_its_address_leads_nowhere() {
    let (house, cookie) = owner().await;
    let page = async || house.panel(&cookie, "GET", "/settings/account", "").await.expect(200).text();
    let told = "Mail to owner@my.example reaches nobody";
    let seen = page().await;
    assert!(seen.contains(told) && seen.contains("waypost panel-link"), "{seen}");
    let alias = json!({ "address": "owner@my.example", "destinations": ["owner@inbox.example"] });
    house.operator("POST", "/v1/aliases", alias).await.expect(201);
    let seen = page().await;
    assert!(!seen.contains("reaches nobody"), "{seen}");
    house.operator("PATCH", "/v1/aliases/owner@my.example", json!({ "enabled": false })).await.expect(200);
    assert!(page().await.contains(told));
    house.operator("PATCH", "/v1/users/owner", json!({ "email": "owner@inbox.example" })).await.expect(200);
    let seen = page().await;
    assert!(!seen.contains("reaches nobody"), "{seen}");
    let people = house.panel(&cookie, "GET", "/settings/people", "").await.expect(200).text();
    assert!(people.contains("gets it only where an alias sends its mail on"), "{people}");
}
