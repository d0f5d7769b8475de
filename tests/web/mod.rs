//! A gateway's web side over real databases in a directory of its own: both routers, called without a socket.

// Each test binary uses its own part of this.
#![expect(dead_code, reason = "api, panel and browser each use a part")]

pub(crate) mod pages;
pub(crate) mod rows;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use waypost::admin::{Actor, Admin, BackupSettings, Backups, Guesses, Heartbeat, Passwords};
use waypost::auth::{self, Authenticator};
use waypost::certificates::{self, Certificates};
use waypost::chance::Chance;
use waypost::clock::Clock;
use waypost::config::{Config, Current};
use waypost::facts::outside::{self, Outside};
use waypost::facts::{Facts, Lists, ReportCounter};
use waypost::http;
use waypost::mail::{Domain, Moment};
use waypost::meter::Meter;
use waypost::net::fetch::{Fetcher, Reach};
use waypost::net::network::Networks;
use waypost::net::resolver::Dns;
use waypost::net::tls;
use waypost::policy::checkup::DiskFacts;
use waypost::policy::settings::{Custody, Enforcement, Instance, TlsPolicy, Unauthenticated};
use waypost::srs::{Ring, Secret};
use waypost::store::accounts::SessionRow;
use waypost::store::{self, Store};

/// 22 Nov 2026, 18:56:24 UTC.
pub(crate) const START: i64 = 1_795_373_784_000;
const DAY: Duration = Duration::from_secs(86_400);

/// Everything, over a directory that goes with it.
pub(crate) struct House {
    pub(crate) admin: Admin,
    pub(crate) public: Router,
    pub(crate) control: Router,
    pub(crate) clock: Clock,
    pub(crate) dir: TempDir,
}

impl House {
    /// An empty one.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// One with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut http::Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, chance) = (Clock::manual(Moment::from_millis(START)), Chance::seeded(1));
        let admin = admin(dir.path().to_owned(), &clock, chance).await;
        let mut settings = settings();
        change(&mut settings);
        let public = http::router(admin.clone(), settings.clone());
        let control = http::control(admin.clone(), settings);
        Self { admin, public, control, clock, dir }
    }

    /// One with the domain my.example and the verified default destination owner@inbox.example.
    pub(crate) async fn furnished() -> Self {
        let house = Self::new().await;
        house.operator("POST", "/v1/domains", json!({ "name": "my.example" })).await.expect(201);
        let inbox = json!({ "address": "owner@inbox.example", "verified": true });
        house.operator("POST", "/v1/destinations", inbox).await.expect(201);
        house
    }

    /// The same databases after a restart.
    pub(crate) async fn reopened(self) -> Self {
        let Self { admin: before, clock, dir, .. } = self;
        before.store.close().await;
        let admin = admin(dir.path().to_owned(), &clock, Chance::seeded(2)).await;
        admin.settings.renew(&admin.store.accounts.settings().await.unwrap());
        let settings = settings();
        let (public, control) = (http::router(admin.clone(), settings.clone()), http::control(admin.clone(), settings));
        Self { admin, public, control, clock, dir }
    }

    /// The same, with an address that links can lead to.
    pub(crate) async fn linked() -> Self {
        let house = Self::furnished().await;
        let admin = Admin { links_at: Some("https://gw.example".into()), ..house.admin.clone() };
        let settings = settings();
        let public = http::router(admin.clone(), settings.clone());
        let control = http::control(admin.clone(), settings);
        Self { admin, public, control, ..house }
    }

    /// Asks the control router.
    pub(crate) async fn operator(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        call(&self.control, request(method, path, &[("content-type", "application/json")], body)).await
    }

    /// Asks the control router with header fields.
    pub(crate) async fn operator_with(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        call(&self.control, request(method, path, fields, Body::from(body.to_owned()))).await
    }

    /// Asks the public router from this machine.
    pub(crate) async fn visitor(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let mut request = request(method, path, fields, Body::from(body.to_owned()));
        let peer = SocketAddr::from(([127, 0, 0, 1], 40000));
        request.extensions_mut().insert(http::Arrival { peer, over: http::Transport::Plain });
        call(&self.public, request).await
    }

    /// Makes a token of these scopes and domains.
    pub(crate) async fn token(&self, scopes: &[&str], domains: &[&str]) -> String {
        let name = format!("{} {}", scopes.join(" "), domains.join(" "));
        let body = json!({ "name": name, "scopes": scopes, "domains": domains });
        let made = self.operator("POST", "/v1/tokens", body).await;
        made.expect(201).json()["token"].as_str().unwrap().to_owned()
    }

    /// Asks the public API with a token.
    pub(crate) async fn bearer(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let bearer = format!("Bearer {token}");
        self.visitor(method, path, &[("authorization", &bearer), ("content-type", "application/json")], &body).await
    }

    /// Signs in; gives the cookie.
    pub(crate) async fn signed_in(&self) -> String {
        let link = self.admin.add_panel_link(&Actor::operator()).await.unwrap();
        let fields = [("host", "localhost:8080"), ("sec-fetch-site", "same-origin")];
        let answer = self.visitor("POST", &format!("/sign-in/{}", link.text()), &fields, "").await;
        let cookie = answer.expect(303).field("set-cookie").unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Signs a new person in, a member with these roles on domains; gives the cookie.
    pub(crate) async fn signed_in_as(&self, email: &str, domains: Value) -> String {
        const PASSWORD: &str = "correct horse battery";
        let person = json!({ "email": email, "password": PASSWORD });
        self.operator("POST", "/v1/users", person).await.expect(201);
        self.operator("PATCH", &format!("/v1/users/{email}"), json!({ "domains": domains })).await.expect(200);
        let form = format!("email={}&password={}", in_path(email), in_path(PASSWORD));
        let fields = [
            ("host", "localhost:8080"),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let answer = self.visitor("POST", "/sign-in", &fields, &form).await.expect(303);
        answer.field("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    /// An account as its session in the panel acts.
    pub(crate) async fn actor_of(&self, email: &str) -> Actor {
        let accounts = &self.admin.store.accounts;
        let account = accounts.account_by_email(email).await.unwrap().key;
        let (id, at) = (uuid::Uuid::nil(), self.clock.now());
        let row = SessionRow { id, account, created_at: at, seen_at: at, expires_at: at, ip: None, agent: None };
        Actor::session(&row, accounts.standing(account).await.unwrap())
    }

    /// Asks the panel as somebody who is signed in, from the panel's own page.
    pub(crate) async fn panel(&self, cookie: &str, method: &str, path: &str, form: &str) -> Answer {
        let fields = [
            ("host", "localhost:8080"),
            ("sec-fetch-site", "same-origin"),
            ("cookie", cookie),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.visitor(method, path, &fields, form).await
    }

    /// The page that an answer leads to, as a browser gets it: with the cookie of what it is to tell.
    pub(crate) async fn follow(&self, cookie: &str, answer: Answer) -> String {
        let answer = answer.expect(303);
        let place = answer.field("location").unwrap();
        let told = answer.told().map(|told| format!("{cookie}; {told}"));
        let place = place.split('#').next().unwrap();
        self.panel(told.as_deref().unwrap_or(cookie), "GET", place, "").await.expect(200).text()
    }
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Fails unless the status is this one, showing the body.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    /// A header field.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.fields.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    /// The cookie of what the next page is to tell, as a browser sends it back; an empty one takes it away.
    pub(crate) fn told(&self) -> Option<String> {
        let cookies = self.fields.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        let mut pairs = cookies.filter_map(|cookie| cookie.split(';').next());
        pairs.find(|pair| pair.starts_with("waypost-told=")).map(str::to_owned)
    }

    /// Where a problem's faults lie, after checking that it is a whole problem.
    #[track_caller]
    pub(crate) fn pointers(&self) -> Vec<String> {
        let problem = self.problem();
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    /// The problem that this is, checked.
    #[track_caller]
    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.field("content-type").as_deref(), Some("application/problem+json"), "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["detail"], problem["message"]);
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["errors"].is_array());
        problem
    }
}

/// Puts a request together.
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(body).unwrap()
}

/// Calls a router and reads the whole answer.
pub(crate) async fn call(router: &Router, request: Request<Body>) -> Answer {
    let answer = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, fields: parts.headers, body }
}

/// An alias in a path.
pub(crate) fn in_path(alias: &str) -> String {
    alias
        .bytes()
        .map(
            |octet| if octet.is_ascii_alphanumeric() { char::from(octet).to_string() } else { format!("%{octet:02X}") },
        )
        .collect()
}

fn settings() -> http::Settings {
    http::Settings {
        hostname: Domain::parse("mx.gateway.example").unwrap(),
        public_url: None,
        allowed_hosts: Vec::new(),
        trusted_proxies: Networks::default(),
        serves_https: false,
    }
}

async fn admin(data_dir: PathBuf, clock: &Clock, chance: Chance) -> Admin {
    let hostname = Domain::parse("mx.gateway.example").unwrap();
    let presented =
        certificates::Settings { files: None, data_dir: data_dir.clone(), hostname: hostname.clone(), acme: None };
    let certificates = Certificates::load(presented).unwrap();
    let backups = BackupSettings {
        srs_secrets: data_dir.join("srs.secrets"),
        data_dir: data_dir.clone(),
        dir: None,
        every: DAY,
        keep: 7,
    };
    let (database, directory) = (data_dir.join("waypost.db"), data_dir.clone());
    let store = Store::open(store::Settings { data_dir, database }, clock.clone(), chance.clone()).await.unwrap();
    let asking =
        auth::Settings { servers: vec![SocketAddr::from(([127, 0, 0, 1], 9))], timeout: Duration::from_millis(50) };
    let secrets = vec![Secret { key: b"the secret of the tests".to_vec(), min_hash: 8 }];
    let auth = Authenticator::new(&asking).unwrap();
    let facts = Facts {
        store: store.clone(),
        lists: Lists::new(Dns::new(auth.resolver(), asking.timeout), clock.clone()),
        auth,
        clock: clock.clone(),
        instance: Arc::new(ArcSwap::from_pointee(instance(hostname))),
        ring: Arc::new(ArcSwap::from_pointee(Ring { secrets, hash_length: 8, max_age_days: 21 })),
        reports: ReportCounter::default(),
        counts: Arc::default(),
        trials: Default::default(),
        pledges: Default::default(),
    };
    let dns = Dns::new(facts.auth.resolver(), asking.timeout);
    let outside = Outside::new(dns, looking(directory));
    let fetcher = Fetcher { dns: outside.dns.clone(), tls: tls::verifying_client(), reach: Reach::OwnNetwork };
    let (clock, heartbeat) = (clock.clone(), Heartbeat::new(fetcher));
    Admin {
        store,
        facts,
        outside,
        certificates,
        found: waypost::admin::Found::default(),
        courier: None,
        links_at: None,
        clock,
        chance,
        meter: Arc::new(Meter::default()),
        passwords: Passwords::default(),
        guesses: Guesses::default(),
        heartbeat,
        backups: Backups::new(backups),
        settings: current(),
    }
}

fn looking(data_dir: PathBuf) -> outside::Settings {
    outside::Settings {
        dns: None,
        leaving: outside::Leaving { allow_private: true, port: 9, ..outside::Leaving::default() },
        listeners: Vec::new(),
        data_dir,
        probes: outside::Probes {
            disk: Some(DiskFacts { free: 8 << 30, total: 16 << 30 }),
            ..outside::Probes::default()
        },
    }
}

fn instance(hostname: Domain) -> Instance {
    Instance {
        hostname,
        srs_domain: None,
        spf: Enforcement::Observe,
        dkim: Enforcement::Observe,
        dmarc: Enforcement::Enforce,
        unauthenticated: Unauthenticated::Accept,
        authentication_results: true,
        forwarded_headers: false,
        tls: TlsPolicy::Opportunistic,
        custody: Custody::Careful,
        retry: vec![Duration::from_secs(60)],
        lifetime: 5 * DAY,
        direct_max_bytes: 2 << 20,
        direct_per_site: 20,
        direct_total: 500,
        subjects: true,
        abuse: waypost::policy::settings::Abuse::default(),
    }
}

/// Every setting at its default.
fn current() -> Arc<Current> {
    Arc::new(Current::new(Config::load(None, &BTreeMap::new()).unwrap().config))
}
