//! Rights that end where they should: at the domains of a token, and when somebody takes them away.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use waypost::clock::Clock;
use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::support::{PATIENCE, World};

const PASSWORD: &str = "correct horse battery";
/// By rights that are so old nothing is told any more.
const RIGHTS_FOR: Duration = Duration::from_secs(1);

/// An answer: its status, and its body as JSON where it is that.
type Answer = (u16, Value);

/// A request over a socket of its own, with these header fields.
async fn sent(http: SocketAddr, request: &str, fields: &str, body: &str) -> String {
    let mut stream = open(http, request, fields, body).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same, not read yet.
async fn open(http: SocketAddr, request: &str, fields: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let length = body.len();
    let own = format!("Host: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n");
    stream.write_all(format!("{request} HTTP/1.1\r\n{own}{fields}\r\n{body}").as_bytes()).await.unwrap();
    stream
}

/// Asks the API with a token.
async fn ask(world: &World, token: &str, request: &str, body: Value) -> Answer {
    ask_with(world, (token, ""), request, body).await
}

/// The same, with further header fields.
async fn ask_with(world: &World, (token, fields): (&str, &str), request: &str, body: Value) -> Answer {
    let fields = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n{fields}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = sent(world.gateway.listening.http[0], request, &fields, &body).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())))
}

/// A token of the owner.
async fn token(world: &World, name: &str, scopes: &[&str], domains: &[&str]) -> String {
    let made = world.post("/v1/tokens", json!({ "name": name, "scopes": scopes, "domains": domains })).await;
    made["token"].as_str().unwrap().to_owned()
}

/// A new person who is signed in: the cookie.
async fn person(world: &World, email: &str, more: Value) -> String {
    world.post("/v1/users", json!({ "email": email, "password": PASSWORD })).await;
    world.patch(&format!("/v1/users/{email}"), more).await;
    let form = format!("email={}&password={}", email.replace('@', "%40"), PASSWORD.replace(' ', "+"));
    let fields = "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let answer = sent(world.gateway.listening.http[0], "POST /sign-in", fields, &form).await;
    let cookie =
        answer.lines().find_map(|line| line.strip_prefix("set-cookie: waypost=")).unwrap_or_else(|| panic!("{answer}"));
    format!("waypost={}", cookie.split(';').next().unwrap())
}

/// A token of a person, made in the panel's own way: by the session.
async fn token_of(world: &World, cookie: &str, scopes: &[&str]) -> String {
    let form = scopes.iter().map(|scope| format!("scope+{scope}=on")).collect::<Vec<_>>().join("&");
    let fields = format!(
        "Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    );
    let answer =
        sent(world.gateway.listening.http[0], "POST /settings/tokens", &fields, &format!("name=phone&{form}")).await;
    let at = answer.find("wp_").unwrap_or_else(|| panic!("{answer}"));
    answer[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_limited_to_domains_has_no_right_to_the_instance() {
    let world = World::start().await;
    world.domain("lim.example").await;
    world.post("/v1/users", json!({ "email": "ben@people.example", "password": PASSWORD })).await;
    let limited = token(&world, "lim", &["admin"], &["lim.example"]).await;
    let intruder = json!({ "email": "eve@people.example", "role": "admin", "password": PASSWORD });
    for (request, body) in [
        ("POST /v1/users", intruder),
        ("GET /v1/users", Value::Null),
        ("PATCH /v1/users/ben@people.example", json!({ "password": "another horse battery" })),
        ("DELETE /v1/users/ben@people.example", Value::Null),
        ("PATCH /v1/me", json!({ "email": "eve@people.example", "password": PASSWORD })),
        ("POST /v1/me/totp", json!({ "secret": "JBSWY3DPEHPK3PXP", "code": "000000" })),
        ("GET /v1/settings", Value::Null),
        ("PATCH /v1/settings", json!({ "policy.spf": "off" })),
        ("GET /v1/notices", Value::Null),
        ("POST /v1/notices/test", Value::Null),
        ("GET /v1/doctor", Value::Null),
        ("GET /metrics", Value::Null),
    ] {
        let (status, told) = ask(&world, &limited, request, body).await;
        assert_eq!(status, 403, "{request}: {told}");
    }
    let (status, more) =
        ask(&world, &limited, "POST /v1/tokens", json!({ "name": "wide", "scopes": ["admin"], "domains": [] })).await;
    assert_eq!(status, 422, "{more}");
    let (_, audit) = ask(&world, &limited, "GET /v1/audit", Value::Null).await;
    assert_eq!(audit["items"], json!([]), "what others did is on other domains");
    let alias = json!({ "address": "a@lim.example", "destinations": ["anna@inbox.example"] });
    assert_eq!(ask(&world, &limited, "POST /v1/aliases", alias).await.0, 201);
    let (_, audit) = ask(&world, &limited, "GET /v1/audit?actor=operator", Value::Null).await;
    assert_eq!(audit["items"], json!([]));
    let (_, audit) = ask(&world, &limited, "GET /v1/audit", Value::Null).await;
    assert_eq!(audit["items"][0]["object"], "a@lim.example", "{audit}");
    assert_eq!(ask(&world, &limited, "GET /v1/domains/lim.example", Value::Null).await.0, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counters_of_the_instance_are_for_its_admins() {
    let world = World::start().await;
    let cookie = person(&world, "ben@people.example", json!({})).await;
    let member = token_of(&world, &cookie, &["admin"]).await;
    assert_eq!(ask(&world, &member, "GET /v1/me", Value::Null).await.0, 200);
    assert_eq!(ask(&world, &member, "GET /metrics", Value::Null).await.0, 403);
    let owner = token(&world, "prometheus", &["admin:read"], &[]).await;
    assert_eq!(ask(&world, &owner, "GET /metrics", Value::Null).await.0, 200);
    world.stop().await;
}

/// A live stream.
struct Stream(TcpStream, String);

impl Stream {
    async fn of(world: &World, path: &str, who: &str) -> Self {
        let stream = open(world.gateway.listening.http[0], &format!("GET {path}"), &format!("{who}\r\n"), "").await;
        let mut stream = Self(stream, String::new());
        stream.until("text/event-stream").await;
        stream
    }

    /// Reads until it has said this.
    async fn until(&mut self, word: &str) {
        let read = async {
            while !self.1.contains(word) {
                let mut octets = [0; 4096];
                let read = self.0.read(&mut octets).await.unwrap();
                assert!(read > 0, "it ended before {word}: {}", self.1);
                self.1.push_str(&String::from_utf8_lossy(&octets[..read]));
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("it never said {word}"));
    }

    /// Reads to its end, which must come by itself and within seconds; all that it said.
    async fn end(mut self) -> String {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), self.0.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the stream goes on");
        self.1 + &String::from_utf8_lossy(&rest)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_right_to_it() {
    let clock = Clock::hastened();
    let world = World::start_at(&clock).await;
    let viewer = || json!({ "domains": [{ "domain": "my.example", "role": "viewer" }] });
    let mut streams = Vec::new();
    for name in ["disabled", "removed", "signed-out"] {
        let cookie = person(&world, &format!("{name}@people.example"), viewer()).await;
        let token = token_of(&world, &cookie, &["activity:read"]).await;
        streams
            .push((Stream::of(&world, "/v1/activity/stream", &format!("Authorization: Bearer {token}")).await, name));
        streams.push((Stream::of(&world, "/activity/stream", &format!("Cookie: {cookie}")).await, name));
        if name == "signed-out" {
            let fields = format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n");
            sent(world.gateway.listening.http[0], "POST /sign-out", &fields, "").await;
            // The token goes on without the session.
            streams.remove(streams.len() - 2);
        }
    }
    let token = token(&world, "phone", &["activity:read"], &[]).await;
    streams
        .push((Stream::of(&world, "/v1/activity/stream", &format!("Authorization: Bearer {token}")).await, "revoked"));
    world.patch("/v1/users/disabled@people.example", json!({ "disabled": true })).await;
    world.ask(axum::http::Method::DELETE, "/v1/users/removed@people.example", Value::Null).await;
    world.ask(axum::http::Method::DELETE, "/v1/tokens/phone", Value::Null).await;
    // Their rights are looked up before the next row is told, and that one comes while they are all open.
    clock.advance(RIGHTS_FOR);
    world.letter("shop@my.example").await;
    for (stream, whose) in streams {
        let said = stream.end().await;
        assert!(!said.contains("shop"), "{whose}: {said}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_follows_the_roles_of_now() {
    let clock = Clock::hastened();
    let world = World::start_at(&clock).await;
    let other = json!({ "domains": [{ "domain": "other.example", "role": "viewer" }] });
    world.domain("other.example").await;
    world.alias("shop@other.example", &["anna@inbox.example"]).await;
    let cookie = person(&world, "ben@people.example", other).await;
    let token = token_of(&world, &cookie, &["activity:read"]).await;
    let mut stream = Stream::of(&world, "/v1/activity/stream", &format!("Authorization: Bearer {token}")).await;
    world.letter("shop@other.example").await;
    stream.until("shop@other.example").await;
    world
        .patch("/v1/users/ben@people.example", json!({ "domains": [{ "domain": "my.example", "role": "viewer" }] }))
        .await;
    clock.advance(RIGHTS_FOR);
    let before = stream.1.matches("shop@other.example").count();
    world.letter("shop@other.example").await;
    world.letter("shop@my.example").await;
    stream.until("shop@my.example").await;
    assert_eq!(stream.1.matches("shop@other.example").count(), before, "{}", stream.1);
    assert!(!stream.1.contains("A letter"), "a viewer reads no subject: {}", stream.1);
    world.stop().await;
}

const NOTHING: fn() -> Value = || json!({ "items": [], "next_cursor": null });

/// A world whose inbox takes nothing for now: two letters with a subject wait, and an alias has a note.
async fn waiting_world() -> World {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 come tomorrow")));
    world.domain("lim.example").await;
    world.patch("/v1/aliases/shop@my.example", json!({ "description": "zebrafish" })).await;
    world.alias("post@my.example", &["anna@inbox.example"]).await;
    for to in ["shop@my.example", "post@my.example"] {
        assert!(world.letter(to).await.is_accepted());
    }
    for to in ["shop@my.example", "post@my.example"] {
        world.until(to, "deferred").await;
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_token_learns_nothing_of_other_domains_by_a_cursor() {
    let world = waiting_world().await;
    let scopes = ["activity:read", "aliases:read", "queue:read", "domains:read"];
    let limited = token(&world, "lim", &scopes, &["lim.example"]).await;
    for list in [
        "activity?",
        "activity?recipient=shop@my.example&",
        "activity?sender=ann@sender.example&",
        "activity?destination=anna@inbox.example&",
        "activity?status=deferred&",
        "activity?status=bounced,deferred&",
        "activity?search=shop@my.example&",
        "activity?search=letter&",
        "activity?search=tomorrow&",
        "aliases?",
        "aliases?search=zebrafish&",
        "aliases?search=shop&",
        "aliases?enabled=true&",
        "aliases?sort=address&",
        "aliases?sort=created_at&",
        "queue?",
        "queue?destination=anna@inbox.example&",
    ] {
        let (status, told) = ask(&world, &limited, &format!("GET /v1/{list}limit=1"), Value::Null).await;
        assert_eq!((status, told), (200, NOTHING()), "{list}");
    }
    for sort in ["name", "-name", "created_at", "-created_at"] {
        let (_, told) = ask(&world, &limited, &format!("GET /v1/domains?limit=1&sort={sort}"), Value::Null).await;
        assert_eq!((&told["items"][0]["name"], &told["next_cursor"]), (&json!("lim.example"), &Value::Null), "{told}");
    }
    let wide = token(&world, "wide", &scopes, &["lim.example", "my.example"]).await;
    for (list, items) in
        [("activity?search=letter", 2), ("aliases?search=zebrafish", 1), ("queue?", 2), ("domains?", 2)]
    {
        let (_, told) = ask(&world, &wide, &format!("GET /v1/{list}"), Value::Null).await;
        assert_eq!(told["items"].as_array().map(Vec::len), Some(items), "{list}: {told}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_s_search_does_not_touch_subjects() {
    let world = waiting_world().await;
    let role = json!({ "domains": [{ "domain": "my.example", "role": "viewer" }] });
    let cookie = person(&world, "ben@people.example", role).await;
    let viewer = token_of(&world, &cookie, &["activity:read"]).await;
    for indexed in [false, true] {
        if indexed {
            // Upkeep feeds the index.
            let fed = async || world.count("activity.db", "select count(*) from words").await >= 2;
            for _ in 0..600 {
                if fed().await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(fed().await, "upkeep never fed the index");
        }
        for word in ["letter", "lett", "a+letter", "giraffe", "tomorrow+letter", "letter+tomorrow"] {
            for domain in ["", "&domain=my.example"] {
                let request = format!("GET /v1/activity?limit=1&search={word}{domain}");
                assert_eq!(ask(&world, &viewer, &request, Value::Null).await, (200, NOTHING()), "{request}");
            }
        }
        let shown = ["tomorrow", "come+tomo", "shop@my.example", "ann@sender.example", "127.0.0.1", "1@sender.example"];
        // Addresses are found once the index has them.
        for word in &shown[..if indexed { shown.len() } else { 2 }] {
            let (_, told) = ask(&world, &viewer, &format!("GET /v1/activity?search={word}"), Value::Null).await;
            assert!(!told["items"].as_array().unwrap().is_empty(), "{word}: {told}");
            assert_eq!(told["items"][0]["subject"], Value::Null);
        }
    }
    let (_, export) = ask(&world, &viewer, "GET /v1/activity/export?search=letter&format=ndjson", Value::Null).await;
    assert!(!export.to_string().contains("my.example"), "{export}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_its_token_s_own_and_its_rights_too() {
    let world = World::start().await;
    let (one, other) = (token(&world, "a b", &["admin"], &[]).await, token(&world, "a", &["domains:read"], &[]).await);
    let question = || json!({ "from": "ann@sender.example", "to": "shop@my.example" });
    let keyed = async |token: &str, key: &str, path: &str, body: Value| {
        ask_with(&world, (token, &format!("Idempotency-Key: {key}\r\n")), &format!("POST {path}"), body).await
    };
    assert_eq!(keyed(&one, "c", "/v1/route", question()).await.0, 200);
    assert_eq!(keyed(&other, "b c", "/v1/route", question()).await.0, 403);
    // A token of the same name, made after the first was revoked, is another one.
    let first = token(&world, "phone", &["aliases"], &[]).await;
    let alias = || json!({ "address": "x@my.example", "destinations": ["anna@inbox.example"] });
    assert_eq!(keyed(&first, "k", "/v1/aliases", alias()).await.0, 201);
    world.ask(axum::http::Method::DELETE, "/v1/tokens/phone", Value::Null).await;
    let second = token(&world, "phone", &["domains:read"], &[]).await;
    assert_eq!(keyed(&second, "k", "/v1/aliases", alias()).await.0, 403);
    // Whoever has lost a right since hears no answer that it gave.
    let cookie = person(&world, "ben@people.example", json!({ "role": "admin" })).await;
    let bens = token_of(&world, &cookie, &["admin"]).await;
    assert_eq!(keyed(&bens, "k", "/v1/route", question()).await.0, 200);
    assert_eq!(keyed(&bens, "k", "/v1/route", question()).await.0, 200);
    world.patch("/v1/users/ben@people.example", json!({ "role": "member" })).await;
    let (status, told) = keyed(&bens, "k", "/v1/route", question()).await;
    assert!(status >= 400, "{status} {told}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_answers_stay_few_and_small() {
    let world = World::start().await;
    let writer = token(&world, "writer", &["aliases"], &[]).await;
    let keyed = async |key: &str, path: &str, body: Value| {
        let answer = ask_with(&world, (&writer, &format!("Idempotency-Key: {key}\r\n")), path, body).await;
        (answer, world.count("waypost.db", "select coalesce(sum(octet_length(body)), 0) from idempotency_keys").await)
    };
    let wrong = || json!({ "address": "a@my.example", "labels": vec![Value::Null; 20_000] });
    for key in 0..3 {
        let ((status, _), octets) = keyed(&format!("wrong {key}"), "POST /v1/aliases", wrong()).await;
        assert_eq!(status, 422);
        assert!(octets < 100_000, "{octets} octets are kept");
    }
    // Of a large answer stays that it was given: what it did is not done again.
    let make = |n: usize| json!({ "op": "create", "address": format!("n{n}@my.example"), "destinations": ["anna@inbox.example"] });
    let batch = || json!({ "operations": (0..400).map(make).collect::<Vec<_>>() });
    let ((status, first), octets) = keyed("large", "POST /v1/aliases/batch", batch()).await;
    assert_eq!(status, 200, "{first}");
    assert!(octets < 100_000, "{octets} octets are kept");
    let ((status, again), _) = keyed("large", "POST /v1/aliases/batch", batch()).await;
    assert_eq!(status, 200, "{again}");
    assert_eq!(world.count("waypost.db", "select count(*) from aliases").await, 401);
    // However many keys there are, the oldest make room.
    world
        .change(
            "waypost.db",
            "insert into idempotency_keys (account_id, key, request, status, body, created_at) \
        with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000) \
        select 1, 'old ' || i, zeroblob(32), 200, printf('%.500c', 'x'), unixepoch() * 1000 - 60000 + i from n",
        )
        .await;
    let alias = json!({ "address": "new@my.example", "destinations": ["anna@inbox.example"] });
    let ((status, _), octets) = keyed("new", "POST /v1/aliases", alias.clone()).await;
    assert_eq!(status, 201);
    assert!(octets <= 4 << 20, "{octets} octets are kept");
    let keys = world.count("waypost.db", "select count(*) from idempotency_keys").await;
    assert!(keys <= 10_000, "{keys} keys are kept");
    assert_eq!(keyed("new", "POST /v1/aliases", alias).await.0.0, 201, "the newest is there");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_holds_off_a_change_by_changing_all_the_time() {
    let world = World::start().await;
    let cookie = person(&world, "ben@people.example", json!({})).await;
    let bens = token_of(&world, &cookie, &["account"]).await;
    let owners = token(&world, "owner", &["admin"], &[]).await;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let hammer = async |who: usize| {
        let mut turn = 0;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            turn += 1;
            let (status, told) =
                ask(&world, &bens, "PATCH /v1/me", json!({ "name": format!("Ben {who} {turn}") })).await;
            assert!(matches!(status, 200 | 401 | 409), "{status} {told}");
        }
    };
    let rule = async {
        for turn in 0..30 {
            let body = json!({ "email": format!("ben{turn}@people.example") });
            let path = if turn == 0 { "ben".to_owned() } else { format!("ben{}", turn - 1) };
            let (status, told) = ask(&world, &owners, &format!("PATCH /v1/users/{path}@people.example"), body).await;
            assert_eq!(status, 200, "{told}");
        }
        let body = json!({ "disabled": true });
        let (status, told) = ask(&world, &owners, "PATCH /v1/users/ben29@people.example", body).await;
        assert_eq!((status, &told["disabled"]), (200, &json!(true)), "{told}");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(hammer(1), hammer(2), hammer(3), hammer(4), rule);
    for round in 0..10 {
        let patch = async |body: Value| ask(&world, &owners, "PATCH /v1/aliases/shop@my.example", body).await.0;
        let (note, label) = (format!("note {round}"), format!("label {round}"));
        let both = tokio::join!(patch(json!({ "description": note })), patch(json!({ "labels": [label] })));
        assert_eq!(both, (200, 200));
        let is = world.get("/v1/aliases/shop@my.example").await;
        assert_eq!((&is["description"], &is["labels"]), (&json!(note), &json!([label])));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_account_may_be_bound_to_what_was_seen() {
    let world = World::start().await;
    let cookie = person(&world, "ben@people.example", json!({})).await;
    let bens = token_of(&world, &cookie, &["account"]).await;
    let owners = token(&world, "owner", &["admin"], &[]).await;
    let http = world.gateway.listening.http[0];
    for (token, path) in [(&owners, "/v1/users/ben@people.example"), (&bens, "/v1/me")] {
        let patch = async |tag: &str, name: &str| {
            let fields =
                format!("Authorization: Bearer {token}\r\nIf-Match: {tag}\r\nContent-Type: application/json\r\n");
            sent(http, &format!("PATCH {path}"), &fields, &json!({ "name": name }).to_string()).await
        };
        let tag =
            |answer: &str| answer.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or("none").to_owned();
        assert!(patch("\"0\"", "Eve").await.starts_with("HTTP/1.1 412 "), "{path}");
        let changed = patch("*", "Ben").await;
        assert!(changed.starts_with("HTTP/1.1 200 "), "{changed}");
        let seen = tag(&changed);
        let again = patch(&seen, "Benjamin").await;
        assert!(again.starts_with("HTTP/1.1 200 ") && tag(&again) != seen, "{again}");
        assert!(patch(&seen, "Eve").await.starts_with("HTTP/1.1 412 "), "{path}");
        if path == "/v1/me" {
            let me = sent(http, "GET /v1/me", &format!("Authorization: Bearer {token}\r\n"), "").await;
            assert_eq!(tag(&me), tag(&again));
        }
    }
    world.stop().await;
}

/// A destination on a domain of one's own needs no proof, since its mail does not leave; on one that is merely claimed it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_opens_no_way_out() {
    let world = World::start().await;
    let cookie = person(&world, "eve@people.example", json!({})).await;
    let eve = token_of(&world, &cookie, &["aliases", "destinations"]).await;
    let database = "insert into domains (uuid, account_id, name, verified_at, created_at, updated_at) \
        select randomblob(16), id, 'eve.example', 1, 0, 0 from accounts where email = 'eve@people.example';\n\
        insert into domains (uuid, account_id, name, created_at, updated_at) \
        select randomblob(16), id, 'inbox.example', 0, 0 from accounts where email = 'eve@people.example'";
    let world =
        world.restart_after(|data| async move { World::run_script(&data.join("waypost.db"), database).await }).await;
    for (alias, inbox) in [("a@eve.example", "victim@inbox.example"), ("/^n([a-z]+)$/@eve.example", "$1@inbox.example")]
    {
        let made = ask(&world, &eve, "POST /v1/aliases", json!({ "address": alias, "destinations": [inbox] })).await;
        assert_eq!(made.0, 201, "{made:?}");
    }
    assert!(world.letter("a@eve.example").await.last().starts_with("450 4.2.1 "));
    assert!(world.letter("nvictim@eve.example").await.last().starts_with("550 5.1.1 "));
    assert!(world.inbox.received().is_empty());
    world.stop().await;
}
