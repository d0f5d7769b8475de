//! What stands before the pages: sign-in, hosts, forged writes, header fields.

use waypost::admin::Actor;
use waypost::net::network::Network;

use crate::web::House;

const HOST: (&str, &str) = ("host", "localhost:8080");

#[tokio::test]
async fn a_link_signs_in_once_and_looking_uses_none_up() {
    let house = House::new().await;
    let link = house.admin.add_panel_link(&Actor::operator()).await.unwrap();
    let path = format!("/sign-in/{}", link.text());
    for _ in 0..2 {
        let page = house.visitor("GET", &path, &[HOST], "").await.expect(200);
        assert!(page.text().contains("<button class=\"button primary\">Sign in</button>"));
    }
    let own = [HOST, ("sec-fetch-site", "same-origin")];
    let signed = house.visitor("POST", &path, &own, "").await.expect(303);
    let cookie = signed.field("set-cookie").unwrap();
    assert!(cookie.starts_with("waypost=") && cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains("Secure"), "plain HTTP on the machine itself");
    house.visitor("POST", &path, &own, "").await.expect(410);
    house.visitor("GET", &path, &[HOST], "").await.expect(410);
    let cookie = cookie.split(';').next().unwrap();
    house.panel(cookie, "GET", "/activity", "").await.expect(200);
    house.panel(cookie, "POST", "/sign-out", "").await.expect(303);
    assert_eq!(
        house.panel(cookie, "GET", "/activity", "").await.expect(303).field("location").as_deref(),
        Some("/sign-in?to=%2Factivity")
    );
}

#[tokio::test]
async fn a_link_ends_after_a_day_and_a_session_after_thirty_or_a_quiet_week() {
    let house = House::new().await;
    let link = house.admin.add_panel_link(&Actor::operator()).await.unwrap();
    let cookie = house.signed_in().await;
    house.clock.advance(std::time::Duration::from_secs(24 * 3600 + 1));
    house.visitor("GET", &format!("/sign-in/{}", link.text()), &[HOST], "").await.expect(410);
    house.panel(&cookie, "GET", "/aliases", "").await.expect(200);
    let used = |cookie: &str| house.admin.store.accounts.session(hash_of(cookie), house.clock.now());
    for day in 1..30 {
        house.clock.advance(std::time::Duration::from_secs(86_400));
        house.panel(&cookie, "GET", "/aliases", "").await.expect(if day < 29 { 200 } else { 303 });
        // That it was used is noted behind the answer's back.
        while used(&cookie).await.is_ok_and(|row| row.seen_at != house.clock.now()) {
            tokio::task::yield_now().await;
        }
    }
    let cookie = house.signed_in().await;
    house.clock.advance(std::time::Duration::from_secs(7 * 86_400));
    house.panel(&cookie, "GET", "/aliases", "").await.expect(303);
}

/// A browser sends one cookie to all ports of a host.
#[tokio::test]
async fn two_gateways_on_one_machine_leave_each_other_signed_in() {
    let (gateway, demo) = (House::new().await, House::new().await);
    let sign_in = async |house: &House, cookie: &str| {
        let link = house.admin.add_panel_link(&Actor::operator()).await.unwrap();
        let fields = [HOST, ("sec-fetch-site", "same-origin"), ("cookie", cookie)];
        let answer = house.visitor("POST", &format!("/sign-in/{}", link.text()), &fields, "").await.expect(303);
        answer.field("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    };
    // Chance is the same in each house of a test: by now they draw other secrets.
    for _ in 0..3 {
        sign_in(&gateway, "").await;
    }
    let first = sign_in(&gateway, "").await;
    let both = sign_in(&demo, &first).await;
    for house in [&gateway, &demo] {
        house.panel(&both, "GET", "/activity", "").await.expect(200);
    }
    let again = sign_in(&demo, &both).await;
    assert_eq!(again.matches('.').count(), 1, "what is replaced is not kept: {again}");
    demo.panel(&both.replace(first.split_once('=').unwrap().1, ""), "GET", "/activity", "").await.expect(303);
    let left = demo.panel(&again, "POST", "/sign-out", "").await.expect(303).field("set-cookie").unwrap();
    let left = left.split(';').next().unwrap();
    assert_eq!(left, first);
    gateway.panel(left, "GET", "/activity", "").await.expect(200);
    demo.panel(left, "GET", "/activity", "").await.expect(303);
    let gone = gateway.panel(left, "POST", "/sign-out", "").await.expect(303).field("set-cookie").unwrap();
    assert!(gone.starts_with("waypost=;") && gone.contains("Max-Age=0"), "{gone}");
}

fn hash_of(cookie: &str) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(cookie.split_once('=').unwrap().1).into()
}

#[tokio::test]
async fn https_by_a_trusted_proxy_gets_the_strict_cookie() {
    let house = House::with(|settings| {
        settings.trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()].into();
        settings.public_url = Some("https://panel.my.example".to_owned());
    })
    .await;
    let link = house.admin.add_panel_link(&Actor::operator()).await.unwrap();
    let path = format!("/sign-in/{}", link.text());
    let host = ("host", "panel.my.example");
    let plain = [host, ("x-forwarded-proto", "http"), ("sec-fetch-site", "same-origin")];
    assert!(house.visitor("POST", &path, &plain, "").await.expect(403).text().contains("https"));
    let safe = [host, ("x-forwarded-proto", "https"), ("sec-fetch-site", "same-origin")];
    let cookie = house.visitor("POST", &path, &safe, "").await.expect(303).field("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-waypost=") && cookie.contains("Path=/;") && cookie.contains("Secure"),
        "{cookie}"
    );
}

#[tokio::test]
async fn other_plain_http_is_refused_with_its_reason() {
    let house = House::new().await;
    let proxied = [HOST, ("x-forwarded-for", "203.0.113.9")];
    let page = house.visitor("GET", "/sign-in", &proxied, "").await.expect(403);
    assert!(page.text().contains("http.trusted_proxies"), "{}", page.text());
    let page = house.visitor("GET", "/sign-in", &[("host", "192.0.2.1:8080")], "").await.expect(403);
    assert!(page.text().contains("ssh -L"), "{}", page.text());
}

#[tokio::test]
async fn a_host_that_is_not_ours_gets_no_page() {
    let house = House::with(|settings| settings.allowed_hosts = vec!["panel.lan".to_owned()]).await;
    let elsewhere = [("host", "evil.example")];
    house.visitor("GET", "/static/waypost.css", &elsewhere, "").await.expect(200);
    let page = house.visitor("GET", "/activity", &elsewhere, "").await.expect(421);
    assert!(page.text().contains("http.allowed_hosts"));
    house.visitor("GET", "/activity", &[], "").await.expect(421);
    house.visitor("GET", "/activity", &[("host", "panel.lan")], "").await.expect(303);
}

#[tokio::test]
async fn writes_from_elsewhere_change_nothing() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    let form = "local_part=shop&domain=my.example&destination=owner%40inbox.example";
    let kind = ("content-type", "application/x-www-form-urlencoded");
    for foreign in [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![],
    ] {
        let fields = [vec![HOST, kind, ("cookie", cookie.as_str())], foreign.clone()].concat();
        house.visitor("POST", "/aliases", &fields, form).await.expect(403);
    }
    let listed = house.operator("GET", "/v1/aliases", serde_json::Value::Null).await.json();
    assert_eq!(listed["items"], serde_json::json!([]));
    let own = [HOST, kind, ("cookie", cookie.as_str()), ("origin", "http://localhost:8080")];
    house.visitor("POST", "/aliases", &own, form).await.expect(303);
}

#[tokio::test]
async fn every_page_has_its_header_fields() {
    let house = House::furnished().await;
    let cookie = house.signed_in().await;
    for path in ["/activity", "/aliases", "/nothing", "/static/waypost.css", "/sign-in"] {
        let page = house.panel(&cookie, "GET", path, "").await;
        let csp = page.field("content-security-policy").unwrap();
        assert!(csp.starts_with("default-src 'none';") && csp.contains("frame-ancestors 'none'"), "{path}");
        assert!(!csp.contains("unsafe"), "{path}");
        assert_eq!(page.field("referrer-policy").as_deref(), Some("no-referrer"), "{path}");
        assert_eq!(page.field("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(page.field("cross-origin-opener-policy").as_deref(), Some("same-origin"), "{path}");
    }
    house.visitor("GET", "/aliases", &[HOST], "").await.expect(303);
    assert!(house.panel(&cookie, "GET", "/nothing", "").await.expect(404).text().contains("There is no such page"));
}
