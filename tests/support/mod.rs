//! A whole world on loopback: DNS, an inbox, and a gateway on real sockets, for end-to-end tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tower::ServiceExt;
use waypost::clock::Clock;
use waypost::config::Config;
use waypost::demo::dns::Dns;
use waypost::demo::inbox::{Delivery, Inbox};
use waypost::demo::sender::{Answers, Sender};
use waypost::gateway::Gateway;

/// The longest that a test waits for something to become true.
pub(crate) const PATIENCE: Duration = waypost::demo::inbox::MAX_WAIT;

/// The value of a setting that is not to be set.
pub(crate) const UNSET: &str = "unset";

/// A world; everything stops when it is dropped, but the gateway is better stopped by [`World::stop`].
pub(crate) struct World {
    pub(crate) dns: Dns,
    pub(crate) inbox: Inbox,
    pub(crate) gateway: Gateway,
    pub(crate) data: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

/// A plain message of `sender.example`.
pub(crate) const LETTER: &[u8] = b"From: Ann <ann@sender.example>\r\nTo: shop@my.example\r\nSubject: A letter\r\n\
Message-ID: <1@sender.example>\r\n\r\n.A line that begins with a dot\r\nand caf\xc3\xa9  \r\n";

impl World {
    /// A world with the domain `my.example`, whose alias `shop` leads to `anna@inbox.example`.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further settings, written as environment variables without `WAYPOST_`.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::bare(settings).await.furnished().await
    }

    /// The same on a clock that can be hastened.
    pub(crate) async fn start_at(clock: &Clock) -> Self {
        Self::bare_with(&[], |config, _| config.clock = Some(clock.clone())).await.furnished().await
    }

    /// With the domain, destination and alias of [`World::start`].
    pub(crate) async fn furnished(self) -> Self {
        self.domain("my.example").await;
        self.destination("@inbox.example").await;
        self.alias("shop@my.example", &["anna@inbox.example"]).await;
        self
    }

    /// A world without any rule.
    pub(crate) async fn bare(settings: &[(&str, &str)]) -> Self {
        Self::bare_with(settings, |_, _| {}).await
    }

    /// The same, with what no key says changed.
    pub(crate) async fn bare_with(settings: &[(&str, &str)], change: impl FnOnce(&mut Config, &Dns)) -> Self {
        let dns = Dns::start().await.unwrap();
        let inbox = Inbox::start().await.unwrap();
        dns.mx("inbox.example", 10, "mx.inbox.example");
        dns.a("mx.inbox.example", [127, 0, 0, 1].into());
        dns.txt("sender.example", "v=spf1 ip4:127.0.0.1 -all");
        let data = tempfile::tempdir().unwrap();
        let mut environment = BTreeMap::from(
            [
                ("DATA_DIR", data.path().to_str().unwrap().to_owned()),
                ("HOSTNAME", "gw.example".to_owned()),
                ("SMTP__LISTEN", "127.0.0.1:0".to_owned()),
                ("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
                ("DNS__SERVERS", dns.address().to_string()),
                ("DELIVERY__PORT", inbox.address().port().to_string()),
                ("DELIVERY__ALLOW_PRIVATE", "true".to_owned()),
                ("DELIVERY__RETRY", "1s".to_owned()),
            ]
            .map(|(key, value)| (format!("WAYPOST_{key}"), value)),
        );
        environment.extend(settings.iter().map(|(key, value)| (format!("WAYPOST_{key}"), (*value).to_owned())));
        environment.retain(|_, value| value != UNSET);
        let mut config = Config::load(None, &environment).unwrap().config;
        // Wherever the tests run: the machine's own addresses are none of this world's.
        config.outside.probes.routed = Some(Vec::new());
        change(&mut config, &dns);
        let gateway = Gateway::start(config).await.unwrap();
        Self { dns, inbox, gateway, data, environment }
    }

    /// Stops the gateway and starts it again on the same data.
    pub(crate) async fn restart(self) -> Self {
        let Self { dns, inbox, gateway, data, environment } = self;
        gateway.stop().await.unwrap();
        let gateway = Gateway::start(Config::load(None, &environment).unwrap().config).await.unwrap();
        Self { dns, inbox, gateway, data, environment }
    }

    /// The same, with what no key says changed.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { dns, inbox, gateway, data, environment } = self;
        gateway.stop().await.unwrap();
        let mut config = Config::load(None, &environment).unwrap().config;
        change(&mut config);
        let gateway = Gateway::start(config).await.unwrap();
        Self { dns, inbox, gateway, data, environment }
    }

    /// Stops the gateway, changes its data while nobody holds them, and starts it again.
    pub(crate) async fn restart_after<F: Future<Output = ()>>(
        self,
        change: impl FnOnce(std::path::PathBuf) -> F,
    ) -> Self {
        let Self { dns, inbox, gateway, data, environment } = self;
        gateway.stop().await.unwrap();
        change(data.path().to_owned()).await;
        let gateway = Gateway::start(Config::load(None, &environment).unwrap().config).await.unwrap();
        Self { dns, inbox, gateway, data, environment }
    }

    /// Runs the statements of a script, parted by semicolons at the ends of lines, on a database that nobody holds.
    pub(crate) async fn run_script(database: &std::path::Path, script: &str) {
        let options = SqliteConnectOptions::new().filename(database).pragma("synchronous", "off");
        let mut connection = options.pragma("temp_store", "file").connect().await.unwrap();
        for statement in script.split(";\n") {
            let run = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await;
            run.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        connection.close().await.unwrap();
    }

    /// Has the running gateway read its configuration again, with these settings changed.
    pub(crate) async fn reload_with(&self, settings: &[(&str, &str)]) {
        let mut environment = self.environment.clone();
        environment.extend(settings.iter().map(|(key, value)| (format!("WAYPOST_{key}"), (*value).to_owned())));
        self.gateway.reload(Config::load(None, &environment).unwrap().config).await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.gateway.stop().await.unwrap();
    }

    pub(crate) fn smtp(&self) -> SocketAddr {
        self.gateway.listening.smtp[0]
    }

    pub(crate) async fn sender(&self) -> Sender {
        Sender::connect(self.smtp(), "mail.sender.example").await.unwrap()
    }

    /// Sends one message over a connection of its own.
    pub(crate) async fn send(&self, from: &str, to: &[&str], octets: &[u8]) -> Answers {
        let mut sender = self.sender().await;
        let answers = sender.send(from, to, octets).await.unwrap();
        sender.quit().await.unwrap();
        answers
    }

    /// Sends [`LETTER`] from `ann@sender.example`.
    pub(crate) async fn letter(&self, to: &str) -> Answers {
        self.send("ann@sender.example", &[to], LETTER).await
    }

    /// Asks the control API.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let answer = self.gateway.control().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status();
        let octets = axum::body::to_bytes(answer.into_body(), 64 << 20).await.unwrap();
        (status, serde_json::from_slice(&octets).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(Method::GET, path, Value::Null).await;
        assert!(status.is_success(), "GET {path}: {status} {value}");
        value
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, value) = self.ask(Method::POST, path, body.clone()).await;
        assert!(status.is_success(), "POST {path} {body}: {status} {value}");
        value
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Value {
        let (status, value) = self.ask(Method::PATCH, path, body.clone()).await;
        assert!(status.is_success(), "PATCH {path} {body}: {status} {value}");
        value
    }

    pub(crate) async fn domain(&self, name: &str) {
        self.post("/v1/domains", json!({ "name": name })).await;
    }

    /// A destination, verified by the operator's word.
    pub(crate) async fn destination(&self, address: &str) {
        self.post("/v1/destinations", json!({ "address": address, "verified": true })).await;
    }

    pub(crate) async fn alias(&self, address: &str, destinations: &[&str]) {
        self.post("/v1/aliases", json!({ "address": address, "destinations": destinations })).await;
    }

    /// The rows of the log, newest first.
    pub(crate) async fn rows(&self) -> Vec<Value> {
        self.get("/v1/activity?limit=200").await["items"].as_array().unwrap().clone()
    }

    /// The one row of the log.
    pub(crate) async fn row(&self) -> Value {
        let rows = self.rows().await;
        assert_eq!(rows.len(), 1, "{rows:#?}");
        self.get(&format!("/v1/activity/{}", rows[0]["id"].as_str().unwrap())).await
    }

    /// Runs a statement on a database of this world, behind the gateway's back.
    pub(crate) async fn change(&self, database: &str, statement: &'static str) {
        let mut connection = self.open(database).await;
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Asks a database of this world for a number, behind the gateway's back.
    pub(crate) async fn count(&self, database: &str, question: &'static str) -> i64 {
        let mut connection = self.open(database).await;
        let count = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        count
    }

    /// Locks a database against every writer until the connection is dropped.
    pub(crate) async fn lock(&self, database: &str) -> SqliteConnection {
        let mut connection = self.open(database).await;
        sqlx::query("begin immediate").execute(&mut connection).await.unwrap();
        connection
    }

    async fn open(&self, database: &str) -> SqliteConnection {
        let path = self.data.path().join(database);
        SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE).connect().await.unwrap()
    }

    /// Waits until the inbox has read a command that begins with `verb`.
    pub(crate) async fn until_inbox_hears(&self, verb: &str) {
        self.until_inbox_hears_times(verb, 1).await;
    }

    /// The same so many times.
    pub(crate) async fn until_inbox_hears_times(&self, verb: &str, times: usize) {
        let look = async {
            while self.inbox.commands().iter().filter(|(_, command)| command.starts_with(verb)).count() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the inbox must hear it");
    }

    /// Waits until nothing is in the queue.
    pub(crate) async fn until_queue_is_empty(&self) {
        let look = async {
            while !self.get("/v1/queue").await["items"].as_array().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the queue must become empty");
    }

    /// Waits until nothing in the queue is to be sent any more: what is left is kept for the owner.
    pub(crate) async fn until_all_is_sent(&self) {
        let look = async {
            while self.get("/v1/queue").await["items"].as_array().unwrap().iter().any(|item| item["state"] != "kept") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("all must be sent");
    }

    /// Waits until the rows of the log are as `wanted`.
    pub(crate) async fn until_rows(&self, wanted: impl Fn(&[Value]) -> bool) {
        let look = async {
            while !wanted(&self.rows().await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, look).await.is_err() {
            panic!("the log never became as wanted: {:#?}", self.rows().await);
        }
    }

    /// Waits until the newest row for `recipient` has `status`.
    pub(crate) async fn until(&self, recipient: &str, status: &str) -> Value {
        let look = async {
            loop {
                let rows = self.rows().await;
                if let Some(row) = rows.iter().find(|row| row["recipient"] == recipient)
                    && row["status"] == status
                {
                    return row.clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(row) => row,
            Err(_) => panic!("{recipient} never became {status}: {:#?}", self.rows().await),
        }
    }
}

/// The octets behind the prefix: what the sender sent, if nothing was changed.
pub(crate) fn without_prefix<'a>(delivery: &'a Delivery, sent: &[u8]) -> &'a [u8] {
    let at = delivery.octets.len().checked_sub(sent.len()).expect("nothing may be missing");
    &delivery.octets[at..]
}

/// The prefix of a delivery, as text.
pub(crate) fn prefix(delivery: &Delivery, sent: &[u8]) -> String {
    String::from_utf8(delivery.octets[..delivery.octets.len() - sent.len()].to_vec()).unwrap()
}
