//! Signing in by password and second factor, the first set-up, new passwords; and what keeps guessers out.

use futures_util::future::join_all;
use serde_json::{Value, json};
use waypost::admin::Actor;
use waypost::net::network::Network;

use crate::web::{Answer, House};

const PASSWORD: &str = "correct horse battery";
const HOST: (&str, &str) = ("host", "localhost:8080");
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A gateway behind a proxy, with anna who has a password.
async fn behind_a_proxy() -> House {
    let house = House::with(|settings| {
        settings.trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()].into();
        settings.public_url = Some("https://panel.my.example".to_owned());
    })
    .await;
    with_people(house).await
}

async fn with_people(house: House) -> House {
    let owner = json!({ "email": "owner@my.example", "password": PASSWORD });
    house.operator("PATCH", "/v1/users/owner", owner).await.expect(200);
    let anna = json!({ "email": "anna@my.example", "password": PASSWORD });
    house.operator("POST", "/v1/users", anna).await.expect(201);
    house
}

fn form(email: &str, password: &str) -> String {
    format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"))
}

/// Signs in over HTTPS from an address, perhaps with cookies.
async fn from(house: &House, ip: &str, cookies: &str, form: &str) -> Answer {
    let fields = [
        ("host", "panel.my.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", ip),
        OWN,
        FORM,
        ("cookie", cookies),
    ];
    house.visitor("POST", "/sign-in", &fields, form).await
}

async fn here(house: &House, path: &str, form: &str) -> Answer {
    house.visitor("POST", path, &[HOST, OWN, FORM], form).await
}

fn cookies(answer: &Answer) -> Vec<String> {
    let all = answer.fields.get_all("set-cookie").iter();
    all.map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_password_signs_in_and_leads_where_one_wanted_to_go() {
    let house = with_people(House::new().await).await;
    let page = house.visitor("GET", "/sign-in?to=/aliases", &[HOST], "").await.expect(200).text();
    assert!(page.contains("value=\"/aliases\"") && page.contains("autocomplete=\"current-password\""), "{page}");
    let filled = format!("{}&to=%2Faliases", form("Anna@my.example", PASSWORD));
    let signed = here(&house, "/sign-in", &filled).await.expect(303);
    assert_eq!(signed.field("location").as_deref(), Some("/aliases"));
    let cookie = cookies(&signed)[0].clone();
    house.panel(&cookie, "GET", "/aliases", "").await.expect(200);
    let evil = format!("{}&to=%2F%2Fevil.example", form("anna@my.example", PASSWORD));
    assert_eq!(here(&house, "/sign-in", &evil).await.expect(303).field("location").as_deref(), Some("/"));
}

#[tokio::test]
async fn whatever_is_wrong_is_answered_alike() {
    let house = with_people(House::new().await).await;
    house.operator("POST", "/v1/users", json!({ "email": "new@my.example" })).await.expect(201);
    house.operator("POST", "/v1/users", json!({ "email": "off@my.example", "password": PASSWORD })).await.expect(201);
    house.operator("PATCH", "/v1/users/off@my.example", json!({ "disabled": true })).await.expect(200);
    let mut told = Vec::new();
    for (email, password) in [
        ("anna@my.example", "wrong horse battery"),
        ("nobody@my.example", PASSWORD),
        ("new@my.example", PASSWORD),
        ("off@my.example", PASSWORD),
        ("anna@my.example", ""),
        ("", ""),
    ] {
        let answer = here(&house, "/sign-in", &form(email, password)).await.expect(422);
        assert!(cookies(&answer).is_empty());
        told.push(answer.text().replace(email, ""));
    }
    assert!(told.iter().all(|page| *page == told[0]), "{told:?}");
    assert!(told[0].contains("if you use one, write its code too"), "the code is asked for, of whomever: {}", told[0]);
    let with_code = format!("{}&code=123456", form("anna@my.example", "wrong horse battery"));
    let page = here(&house, "/sign-in", &with_code).await.expect(422).text();
    assert!(page.contains("the password or the code is not right"), "{page}");
}

#[tokio::test]
async fn who_cannot_be_sent_a_link_is_told_before_an_address_is_asked_for() {
    let house = House::furnished().await;
    let page = house.visitor("GET", "/reset", &[HOST], "").await.expect(200).text();
    assert!(page.contains("in Settings, under People (Password link)") && !page.contains("name=\"email\""), "{page}");
    let answer = here(&house, "/reset", "email=anna%40my.example").await.expect(409).text();
    assert_eq!(answer.matches("no address that a link").count(), 1, "{answer}");
    let linked = House::linked().await;
    let page = linked.visitor("GET", "/reset", &[HOST], "").await.expect(200).text();
    assert!(page.contains("name=\"email\"") && !page.contains("Password link"), "{page}");
}

#[tokio::test]
async fn an_address_beyond_ascii_signs_in_however_its_domain_is_written() {
    let house = House::furnished().await;
    let person = json!({ "email": "Grüße@Bücher.example", "password": PASSWORD });
    house.operator("POST", "/v1/users", person).await.expect(201);
    for email in ["grüße@bücher.example", "GRÜSSE@bücher.example", "grüße@xn--bcher-kva.example"] {
        let filled = form(&crate::web::in_path(email), PASSWORD);
        let status = if email.starts_with("GRÜSSE") { 422 } else { 303 };
        here(&house, "/sign-in", &filled).await.expect(status);
    }
    let page = house.visitor("GET", "/sign-in", &[HOST], "").await.expect(200).text();
    assert!(!page.contains("type=\"email\"") && page.contains("inputmode=\"email\""), "browsers refuse it: {page}");
}

#[tokio::test]
async fn guessing_is_slowed_down_and_nobody_is_locked_out_by_it() {
    let house = behind_a_proxy().await;
    let known = from(&house, "192.0.2.9", "", &form("anna@my.example", PASSWORD)).await.expect(303);
    let device = cookies(&known).into_iter().find(|cookie| cookie.starts_with("__Host-waypost-device=")).unwrap();
    for _ in 0..10 {
        from(&house, "203.0.113.7", "", &form("anna@my.example", "guess guess guess")).await.expect(422);
    }
    let limited = from(&house, "203.0.113.7", "", &form("anna@my.example", PASSWORD)).await.expect(429);
    assert!(limited.text().contains("waypost panel-link"), "{}", limited.text());
    assert!(limited.field("retry-after").is_some());
    let nobody = form("nobody@my.example", PASSWORD);
    for _ in 0..10 {
        from(&house, "203.0.113.7", "", &nobody).await.expect(422);
    }
    from(&house, "203.0.113.7", "", &nobody).await.expect(429);
    from(&house, "198.51.100.1", "", &form("anna@my.example", PASSWORD)).await.expect(303);
    from(&house, "203.0.113.7", &device, &form("anna@my.example", PASSWORD)).await.expect(303);
    let link = house.admin.add_panel_link(&Actor::operator()).await.unwrap();
    let fields =
        [("host", "panel.my.example"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.7"), OWN];
    let asks = house.visitor("GET", &format!("/sign-in/{}", link.text()), &fields, "").await.expect(200).text();
    assert!(asks.contains("signed in on this browser for 30 days, or until you have not used it for a week"), "{asks}");
    house.visitor("POST", &format!("/sign-in/{}", link.text()), &fields, "").await.expect(303);
}

#[tokio::test]
async fn each_sign_in_has_a_session_of_its_own_and_replaces_the_browser_s_last() {
    let house = behind_a_proxy().await;
    let sign =
        async |cookies: &str| from(&house, "192.0.2.9", cookies, &form("anna@my.example", PASSWORD)).await.expect(303);
    let first = cookies(&sign("").await)[0].clone();
    let second = cookies(&sign(&first).await)[0].clone();
    assert_ne!(first, second);
    let ask = async |cookie: &str| {
        let fields = [("host", "panel.my.example"), ("x-forwarded-proto", "https"), ("cookie", cookie)];
        house.visitor("GET", "/aliases", &fields, "").await.status.as_u16()
    };
    assert_eq!((ask(&first).await, ask(&second).await), (303, 200));
    let actor = house.actor_of("anna@my.example").await;
    let sessions = house.admin.sessions(&actor).await.unwrap().items;
    assert_eq!((sessions.len(), sessions[0].ip.as_deref()), (1, Some("192.0.2.9")));
    house.admin.end_session(&actor, &sessions[0].id.to_string()).await.unwrap();
    assert_eq!(ask(&second).await, 303);
}

#[tokio::test]
async fn whoever_has_a_password_signs_in_before_the_owner_has_one() {
    let house = House::new().await;
    let bob = json!({ "email": "bob@my.example", "password": PASSWORD });
    house.operator("POST", "/v1/users", bob).await.expect(201);
    let page = house.visitor("GET", "/sign-in", &[HOST], "").await.expect(200).text();
    assert!(page.contains("name=\"password\"") && page.contains("waypost panel-link"), "{page}");
    here(&house, "/sign-in", &form("bob@my.example", PASSWORD)).await.expect(303);
}

#[tokio::test]
async fn the_first_set_up_makes_the_owner_and_signs_in() {
    let house = House::new().await;
    let page = house.visitor("GET", "/sign-in", &[HOST], "").await.expect(200).text();
    assert!(page.contains("waypost panel-link"), "{page}");
    let made = house.operator("POST", "/control/panel-link", Value::Null).await.expect(201).json();
    let path = made["url"].as_str().unwrap().replace("http://127.0.0.1:8080", "");
    for _ in 0..2 {
        let page = house.visitor("GET", &path, &[HOST], "").await.expect(200).text();
        assert!(page.contains("Welcome to Waypost") && page.contains("autocomplete=\"new-password\""), "{page}");
    }
    let page = here(&house, &path, "email=me&password=short").await.expect(422).text();
    assert!(
        page.contains("value=\"me\"") && page.contains("12 characters") && !page.contains("value=\"short\""),
        "{page}"
    );
    house.operator("POST", "/v1/users", json!({ "email": "bob@my.example" })).await.expect(201);
    let taken = here(&house, &path, &form("bob@my.example", PASSWORD)).await.expect(409).text();
    assert!(taken.contains("An account of bob@my.example exists already."), "{taken}");
    // A form that is refused leaves the link good.
    let signed = here(&house, &path, &form("me@my.example", PASSWORD)).await.expect(303);
    house.panel(&cookies(&signed)[0], "GET", "/aliases", "").await.expect(200);
    here(&house, &path, &form("evil@my.example", PASSWORD)).await.expect(410);
    here(&house, "/sign-in", &form("me@my.example", PASSWORD)).await.expect(303);
    let other = house.admin.setup_link(&Actor::operator()).await.unwrap();
    assert!(other.is_none(), "it is done once");
}

#[tokio::test]
async fn a_reset_link_sets_a_password_once_ends_sessions_and_signs_nobody_in() {
    let house = with_people(House::new().await).await;
    let signed = here(&house, "/sign-in", &form("anna@my.example", PASSWORD)).await.expect(303);
    let link = house.admin.password_link("Anna@my.example").await.unwrap().unwrap();
    assert_eq!(link.email, "anna@my.example");
    assert!(house.admin.password_link("nobody@my.example").await.unwrap().is_none());
    let path = format!("/reset/{}", link.secret.text());
    here(&house, &format!("/sign-in/{}", link.secret.text()), "").await.expect(410);
    house.visitor("GET", &path, &[HOST], "").await.expect(200);
    here(&house, &path, "password=short").await.expect(422);
    let done = here(&house, &path, "password=another+horse+battery").await.expect(200);
    assert!(cookies(&done).iter().all(|cookie| cookie.starts_with("waypost-device=")), "no session");
    house.panel(&cookies(&done)[0], "GET", "/aliases", "").await.expect(303);
    here(&house, &path, "password=a+third+horse+battery").await.expect(410);
    house.panel(&cookies(&signed)[0], "GET", "/aliases", "").await.expect(303);
    here(&house, "/sign-in", &form("anna@my.example", PASSWORD)).await.expect(422);
    here(&house, "/sign-in", &form("anna@my.example", "another horse battery")).await.expect(303);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_works_once() {
    let house = with_people(House::new().await).await;
    let actor = house.actor_of("anna@my.example").await;
    let proposed = house.admin.propose_totp(&actor).await.unwrap();
    assert!(proposed.uri.starts_with("otpauth://totp/Waypost%20") && proposed.uri.contains(&proposed.secret));
    let wrong = json!({ "secret": proposed.secret, "code": "000000", "current_password": PASSWORD });
    assert!(house.admin.enable_totp(&actor, wrong.as_object().unwrap()).await.is_err());
    let body =
        json!({ "secret": proposed.secret, "code": code(&house, &proposed.secret), "current_password": PASSWORD });
    let codes = house.admin.enable_totp(&actor, body.as_object().unwrap()).await.unwrap().recovery_codes;
    assert_eq!(codes.len(), 10);
    let sign = async |code: &str| {
        let filled = format!("{}&code={}", form("anna@my.example", PASSWORD), code.replace(' ', "+"));
        here(&house, "/sign-in", &filled).await.status.as_u16()
    };
    assert_eq!(sign("").await, 422);
    assert_eq!(sign(&code(&house, &proposed.secret)).await, 422, "the code that switched it on is used up");
    house.clock.advance(std::time::Duration::from_secs(60));
    let fresh = code(&house, &proposed.secret);
    assert_eq!(sign(&format!("{} {}", &fresh[..3], &fresh[3..])).await, 303);
    assert_eq!(sign(&fresh).await, 422, "nobody uses it again");
    assert_eq!(sign(&codes[0].to_uppercase()).await, 303);
    assert_eq!(sign(&codes[0]).await, 422);
    let off = json!({ "code": codes[1] });
    house.admin.disable_totp(&actor, off.as_object().unwrap()).await.unwrap();
    assert_eq!(sign("").await, 303);
}

/// The code that an authenticator shows now (RFC 6238).
fn code(house: &House, secret: &str) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(house.clock.now().millis() / 1000).unwrap()).to_string()
}

#[tokio::test]
async fn sign_in_from_elsewhere_is_a_forged_request() {
    let house = with_people(House::new().await).await;
    let filled = form("anna@my.example", PASSWORD);
    for foreign in [vec![("sec-fetch-site", "cross-site")], vec![("origin", "https://evil.example")]] {
        let fields = [vec![HOST, FORM], foreign].concat();
        house.visitor("POST", "/sign-in", &fields, &filled).await.expect(403);
    }
    house.visitor("POST", "/sign-in", &[("host", "192.0.2.1:8080"), OWN, FORM], &filled).await.expect(403);
}

#[tokio::test]
async fn a_second_factor_outlives_a_forgotten_password() {
    let house = with_people(House::new().await).await;
    let actor = house.actor_of("anna@my.example").await;
    let proposed = house.admin.propose_totp(&actor).await.unwrap();
    let body =
        json!({ "secret": proposed.secret, "code": code(&house, &proposed.secret), "current_password": PASSWORD });
    house.admin.enable_totp(&actor, body.as_object().unwrap()).await.unwrap();
    let link = house.admin.password_link("anna@my.example").await.unwrap().unwrap();
    let path = format!("/reset/{}", link.secret.text());
    here(&house, &path, "password=another+horse+battery").await.expect(200);
    here(&house, "/sign-in", &form("anna@my.example", "another horse battery")).await.expect(422);
    house.clock.advance(std::time::Duration::from_secs(60));
    let with_code =
        format!("{}&code={}", form("anna@my.example", "another horse battery"), code(&house, &proposed.secret));
    here(&house, "/sign-in", &with_code).await.expect(303);
    let late = house.admin.password_link("anna@my.example").await.unwrap().unwrap();
    house.clock.advance(waypost::admin::RESET_LIFETIME);
    let page = house.visitor("GET", &format!("/reset/{}", late.secret.text()), &[HOST], "").await.expect(410).text();
    assert!(page.contains("href=\"/reset\""), "{page}");
}

#[tokio::test]
async fn who_does_not_get_in_stands_in_the_audit_log_once_an_hour_with_a_count() {
    let house = behind_a_proxy().await;
    let log = async || {
        let log = house.operator("GET", "/v1/audit?action=session.refused", Value::Null).await.expect(200).json();
        log["items"].as_array().unwrap().clone()
    };
    for _ in 0..12 {
        from(&house, "203.0.113.7", "", &form("anna@my.example", "guess guess guess")).await;
    }
    from(&house, "198.51.100.1", "", &form("anna@my.example", "guess guess guess")).await.expect(422);
    for nobody in 0..5 {
        from(&house, "203.0.113.7", "", &form(&format!("{nobody}@my.example"), PASSWORD)).await.expect(422);
    }
    let told = log().await;
    assert_eq!(told.len(), 3, "{told:#?}");
    let of = |object: &str, ip: &str| {
        let found = told.iter().find(|entry| entry["object"] == object && entry["after"]["ip"] == ip);
        found.unwrap_or_else(|| panic!("{object} {ip}: {told:#?}")).clone()
    };
    let limited = of("anna@my.example", "203.0.113.7");
    assert_eq!((&limited["after"]["count"], &limited["after"]["stopped_at"]), (&json!(11), &json!("limit")));
    assert_eq!((&limited["actor"], &limited["undoable"]), (&json!("visitor"), &json!(false)));
    assert_eq!(of("anna@my.example", "198.51.100.1")["after"]["count"], 1);
    assert_eq!(of("no account of this gateway", "203.0.113.7")["after"]["count"], 5, "they share one");
    let owner = from(&house, "192.0.2.9", "", &form("owner@my.example", PASSWORD)).await.expect(303);
    let cookie = cookies(&owner)[0].clone();
    let fields = [("host", "panel.my.example"), ("x-forwarded-proto", "https"), ("cookie", &*cookie)];
    let page = house.visitor("GET", "/settings/audit?q=anna", &fields, "").await.expect(200).text();
    assert!(page.contains("11 times from 203.0.113.7, stopped at the limit"), "{page}");
    assert!(
        page.contains("once from 198.51.100.1")
            && page.contains("Turned somebody away who wanted to sign in as <bdi>anna@my.example</bdi>"),
        "{page}"
    );
}

/// Strangers from everywhere have used up the guesses for an account. Whoever has its inbox gets in, and nobody else.
#[tokio::test]
async fn a_new_password_by_link_gets_past_the_guesses_of_strangers() {
    let house = behind_a_proxy().await;
    for network in 0..20 {
        let ip = format!("198.51.{network}.1");
        let wrong = form("anna@my.example", "guess guess guess");
        join_all((0..10).map(|_| from(&house, &ip, "", &wrong))).await;
    }
    from(&house, "192.0.2.56", "", &form("anna@my.example", PASSWORD)).await.expect(429);
    let link = house.admin.password_link("anna@my.example").await.unwrap().unwrap();
    let fields =
        [("host", "panel.my.example"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "192.0.2.56"), OWN, FORM];
    let path = format!("/reset/{}", link.secret.text());
    let done = house.visitor("POST", &path, &fields, "password=another+horse+battery").await.expect(200);
    let new = form("anna@my.example", "another horse battery");
    from(&house, "192.0.2.56", "", &new).await.expect(429);
    from(&house, "192.0.2.56", &cookies(&done).join("; "), &new).await.expect(303);
    from(&house, "192.0.2.56", &cookies(&done).join("; "), &form("owner@my.example", "guess")).await.expect(422);
}

/// What this process holds in memory, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1024
}

/// A password takes 19 MiB, two are worked on at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wrong_passwords_of_many_at_once_leave_no_memory_taken() {
    let house = with_people(House::new().await).await;
    let wrong = form("anna@my.example", "guess guess guess");
    let before = resident();
    for _ in 0..6 {
        let answers = join_all((0..16).map(|_| here(&house, "/sign-in", &wrong))).await;
        answers.into_iter().for_each(|answer| drop(answer.expect(422)));
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 100, "{grown} MiB more than before");
}
