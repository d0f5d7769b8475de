//! The scene of the demo: a DNS, an inbox and the gateway on loopback, with throw-away data; and how a letter is played.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::api::Api;
use super::letters::{BUSY, Expected, GONE, INBOX, Letter, SENDER};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::dns::Dns;
use crate::demo::inbox::{Behaviour, Delivery, Inbox, Rule, Stage};
use crate::demo::sender::{Answers, Sender};
use crate::gateway::Gateway;

/// A letter's end is waited for so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the log is asked meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The gateway's host, and where every host stands.
const GATEWAY: &str = "gateway.my.example";
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Everything on stage.
pub(super) struct Scene {
    pub(super) dns: Dns,
    pub(super) inbox: Inbox,
    pub(super) gateway: Gateway,
    api: Api,
    data_dir: PathBuf,
}

/// What became of a letter.
pub(super) struct Story {
    pub(super) answers: Answers,
    pub(super) row: Value,
    pub(super) arrived: Option<Delivery>,
    pub(super) proof: Proof,
}

/// The proof of a letter.
pub(super) struct Proof {
    pub(super) sent: String,
    pub(super) arrived: Option<String>,
    pub(super) as_expected: bool,
}

impl Proof {
    /// Whether all went as it should, and what arrived is what was sent.
    pub(super) fn holds(&self) -> bool {
        self.as_expected && self.arrived.as_ref().is_none_or(|arrived| *arrived == self.sent)
    }
}

impl Scene {
    /// Sets it: starts all three, writes the rules.
    pub(super) async fn set() -> anyhow::Result<Self> {
        let dns = Dns::start().await.context("the demo's DNS cannot start")?;
        let inbox = Inbox::start().await.context("the demo's inbox cannot start")?;
        publish(&dns);
        inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 No such mailbox")).to(GONE));
        inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 Busy, try again later")).to(BUSY).times(1));
        let id = Chance::system().id(Clock::system().now());
        let data_dir = std::env::temp_dir().join(format!("waypost-demo-{id}"));
        // What this machine is configured for is not for throw-away letters: they would leave by its relay.
        let mut config = Config::without_file(&environment(&data_dir, &dns, &inbox))?.config;
        // The mail servers of the world are one here.
        config.outside.probes.far_domains = vec!["inbox.example".to_owned()];
        let api = Api::Socket(config.control_socket());
        let gateway = Gateway::start(config).await?;
        let scene = Self { dns, inbox, gateway, api, data_dir };
        scene.write_rules().await?;
        Ok(scene)
    }

    async fn write_rules(&self) -> anyhow::Result<()> {
        self.api.post("/v1/domains", &json!({ "name": "my.example" })).await?;
        self.api.post("/v1/destinations", &json!({ "address": "@inbox.example", "verified": true })).await?;
        for (alias, inbox) in
            [("shop@my.example", INBOX), ("old@my.example", GONE), ("later@my.example", BUSY), ("*@my.example", INBOX)]
        {
            self.api.post("/v1/aliases", &json!({ "address": alias, "destinations": [inbox] })).await?;
        }
        Ok(())
    }

    /// Sends a letter over TCP and follows it to its end.
    pub(super) async fn play(&self, letter: &Letter) -> anyhow::Result<Story> {
        let octets = letter.octets();
        let before = self.inbox.received().len();
        let mut sender = Sender::connect(self.gateway.listening.smtp[0], "mail.sender.example").await?;
        let answers = sender.send(SENDER, &[letter.to], &octets).await?;
        sender.quit().await?;
        let row = self.end_of(letter).await?;
        let arrived = self.inbox.received().into_iter().nth(before);
        let proof = prove(letter, (&octets, &answers), (&row, arrived.as_ref()));
        Ok(Story { answers, row, arrived, proof })
    }

    /// The letter's row, once nothing more will happen to it.
    async fn end_of(&self, letter: &Letter) -> anyhow::Result<Value> {
        let look = async {
            loop {
                let rows = self.api.get("/v1/activity?limit=50").await?.value;
                let mine = rows["items"].as_array().into_iter().flatten().find(|row| row["recipient"] == letter.to);
                if let Some(row) = mine.filter(|row| !is_waiting(row)) {
                    let id = row["id"].as_str().unwrap_or_default();
                    return anyhow::Ok(self.api.get(&format!("/v1/activity/{id}")).await?.value);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(row) => row,
            Err(_) => bail!("the log never told the end of the letter to {}", letter.to),
        }
    }

    /// A one-time link into the panel.
    pub(super) async fn panel_link(&self) -> anyhow::Result<String> {
        let link = self.api.post("/control/panel-link?purpose=sign-in", &Value::Null).await?.value;
        Ok(link["url"].as_str().unwrap_or_default().to_owned())
    }

    /// Takes everything away again.
    pub(super) async fn strike(self) -> anyhow::Result<()> {
        self.gateway.stop().await?;
        std::fs::remove_dir_all(&self.data_dir).with_context(|| format!("cannot remove {}", self.data_dir.display()))
    }
}

fn is_waiting(row: &Value) -> bool {
    matches!(row["status"].as_str(), Some("queued" | "deferred" | "held"))
}

fn publish(dns: &Dns) {
    dns.mx("inbox.example", 10, "mx.inbox.example");
    dns.a("mx.inbox.example", LOOPBACK);
    dns.txt("sender.example", "v=spf1 ip4:127.0.0.1 -all");
    dns.mx("my.example", 10, GATEWAY);
    dns.txt("my.example", "v=spf1 mx -all");
    dns.txt("_dmarc.my.example", "v=DMARC1; p=none");
    dns.a(GATEWAY, LOOPBACK);
    dns.ptr(LOOPBACK.into(), GATEWAY);
}

fn environment(data_dir: &std::path::Path, dns: &Dns, inbox: &Inbox) -> BTreeMap<String, String> {
    BTreeMap::from(
        [
            ("DATA_DIR", data_dir.display().to_string()),
            ("HOSTNAME", GATEWAY.to_owned()),
            ("SMTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("DNS__SERVERS", dns.address().to_string()),
            ("DELIVERY__PORT", inbox.address().port().to_string()),
            ("DELIVERY__ALLOW_PRIVATE", "true".to_owned()),
            ("DELIVERY__RETRY", "1s".to_owned()),
        ]
        .map(|(key, value)| (format!("WAYPOST_{key}"), value)),
    )
}

fn prove(letter: &Letter, (octets, answers): (&[u8], &Answers), (row, arrived): (&Value, Option<&Delivery>)) -> Proof {
    let behind_prefix = |delivery: &Delivery| {
        let at = delivery.octets.len().saturating_sub(octets.len());
        hash(&delivery.octets[at..])
    };
    let status = row["status"].as_str();
    let tries = row["attempts"].as_array().map_or(0, Vec::len);
    let as_expected = match letter.expected {
        Expected::Delivered => answers.is_accepted() && status == Some("forwarded") && arrived.is_some(),
        Expected::Refused => answers.last().starts_with('5') && status == Some("refused") && arrived.is_none(),
        Expected::DeliveredLater => {
            answers.is_accepted() && status == Some("forwarded") && arrived.is_some() && tries == 2
        }
    };
    Proof { sent: hash(octets), arrived: arrived.map(behind_prefix), as_expected }
}

fn hash(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_a_look_finds_is_that_nothing_comes_by_port_25() {
        let scene = Scene::set().await.unwrap();
        let checkup = scene.api.get("/v1/doctor").await.unwrap().value;
        let findings = checkup["findings"].as_array().unwrap().iter();
        let found: Vec<_> = findings.filter(|finding| finding["severity"] != "note").map(|f| &f["id"]).collect();
        assert_eq!(found, ["not_on_port_25"], "{checkup:#}");
        scene.strike().await.unwrap();
    }
}
