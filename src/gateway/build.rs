//! How the parts are made of a configuration, and of each other.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, Backups, Guesses, Heartbeat, Passwords};
use crate::auth::{self, Authenticator};
use crate::certificates::Certificates;
use crate::certificates::acme::{self, Acme, Proof};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{Config, Current};
use crate::delivery::{Courier, Tools};
use crate::facts::outside::Outside;
use crate::facts::{Facts, Lists};
use crate::inbound;
use crate::mail::Moment;
use crate::meter::Meter;
use crate::net::fetch::{Fetcher, Reach};
use crate::net::resolver::Dns;
use crate::net::tls;
use crate::policy::retry::AFTER_UNKNOWN;
use crate::smtp::server;
use crate::store::{Store, StoreError};

use super::{Listening, files, secrets};

/// Jitter makes a wait no longer than so many times itself.
const LONGEST_JITTER: u32 = 2;

/// The parts that live as long as the process.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) certificates: Certificates,
    pub(super) courier: Courier,
    pub(super) clock: Clock,
    pub(super) current: Arc<Current>,
    facts: Facts,
    pub(super) outside: Outside,
    found: crate::admin::Found,
    chance: Chance,
    meter: Arc<Meter>,
    passwords: Passwords,
    guesses: Guesses,
    pub(super) heartbeat: Heartbeat,
    pub(super) backups: Backups,
}

/// What takes new settings while it runs.
#[derive(Debug)]
pub(super) struct Renewal {
    facts: Facts,
    outside: Outside,
    courier: Courier,
    chance: Chance,
}

impl Renewal {
    pub(super) fn renew(&self, config: &Config) -> anyhow::Result<()> {
        self.facts.ring.store(Arc::new(secrets::ring(config, &self.chance)?));
        self.facts.instance.store(Arc::new(config.instance.clone()));
        self.outside.renew(config.outside.leaving.clone());
        self.courier.renew(&config.delivery);
        Ok(())
    }
}

/// Makes the data directory (0700) and its spool.
pub(super) fn prepare(config: &Config) -> anyhow::Result<()> {
    let spool = config.data_dir.join("spool");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&spool)
        .with_context(|| format!("cannot make {}", spool.display()))
}

impl Parts {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let (clock, chance, meter) =
            (config.clock.clone().unwrap_or_else(Clock::system), Chance::system(), Arc::new(Meter::default()));
        let store = Store::open(config.store_settings(), clock.clone(), chance.clone())
            .await
            .map_err(|error| unopened(config, &error))?;
        let config = &with_panel(config, &store).await?;
        config.known_by().for_each(|line| tracing::warn!("{line}"));
        secrets::tell_if_gone(config, &store).await?;
        let ring = secrets::ring(config, &chance)?;
        let certificates = Certificates::load(config.certificate_settings())?;
        let auth = Authenticator::new(&auth(config)).context("cannot set up DNS")?;
        let facts = Facts {
            store: store.clone(),
            auth: auth.clone(),
            clock: clock.clone(),
            instance: Arc::new(ArcSwap::from_pointee(config.instance.clone())),
            ring: Arc::new(ArcSwap::from_pointee(ring)),
            reports: crate::facts::ReportCounter::default(),
            counts: Arc::default(),
            trials: Default::default(),
            pledges: Default::default(),
            lists: Lists::new(Dns::new(auth.resolver(), config.dns_timeout), clock.clone()),
        };
        let dns = Dns::new(auth.resolver(), config.dns_timeout);
        let outside = Outside::new(dns, config.outside.clone());
        let tools = Tools {
            store: store.clone(),
            auth,
            clock: clock.clone(),
            chance: chance.clone(),
            meter: Arc::clone(&meter),
            instance: Arc::clone(&facts.instance),
        };
        let courier = Courier::new(config.delivery.clone(), config.dns_timeout, tools);
        let (passwords, guesses) = (Passwords::default(), Guesses::default());
        let heartbeat = Heartbeat::new(Fetcher {
            dns: Dns::new(facts.auth.resolver(), config.dns_timeout),
            tls: tls::verifying_client(),
            reach: if config.delivery.allow_private { Reach::OwnNetwork } else { Reach::Public },
        });
        let current = Arc::new(Current::new(config.clone()));
        Ok(Self {
            store,
            certificates,
            courier,
            clock,
            current,
            facts,
            outside,
            found: crate::admin::Found::default(),
            passwords,
            guesses,
            heartbeat,
            backups: Backups::new(config.backup.clone()),
            chance,
            meter,
        })
    }

    /// A configuration that was read again, with what the panel says.
    pub(super) async fn with_panel(&self, config: &Config) -> anyhow::Result<Config> {
        with_panel(config, &self.store).await
    }

    /// After a crash: earlier leases lapse, rows that the log lacks are written from the queue, and answers that were on
    /// their way are in doubt.
    pub(super) async fn recover(&self) -> crate::store::Result<()> {
        let now = self.clock.now();
        let lapsed = self.store.queue.lapse_all(now).await?;
        self.bring_near(now).await?;
        let missing = self.store.queue.rows_to_restore().await?;
        if lapsed > 0 || !missing.is_empty() {
            tracing::info!(leases = lapsed, rows = missing.len(), "recovered from an unclean stop");
        }
        if !missing.is_empty() {
            self.store.activity.record(missing).await?;
        }
        let unheard = self.store.activity.recall_unheard().await?;
        if unheard > 0 {
            tracing::info!(
                rows = unheard,
                "answers may have been on their way when the gateway ended: repeats will be known"
            );
        }
        Ok(())
    }

    /// The clock may have been set back, or the waits made shorter, while nobody ran.
    async fn bring_near(&self, now: Moment) -> crate::store::Result<()> {
        let waits = self.facts.instance.load();
        let longest = waits.retry.iter().max().map_or(AFTER_UNKNOWN, |wait| *wait * LONGEST_JITTER).max(AFTER_UNKNOWN);
        let deliveries = self.store.queue.not_after(now.after(longest)).await?;
        if deliveries > 0 {
            tracing::warn!(deliveries, "next tries were further away than any wait, and are near again");
        }
        Ok(())
    }

    /// What of the parts takes new settings while it runs.
    pub(super) fn renewal(&self) -> Renewal {
        let (facts, outside) = (self.facts.clone(), self.outside.clone());
        Renewal { facts, outside, courier: self.courier.clone(), chance: self.chance.clone() }
    }

    pub(super) fn inbound(&self, config: &Config, stop: CancellationToken) -> inbound::Tools {
        let parts = inbound::Parts {
            facts: self.facts.clone(),
            courier: self.courier.clone(),
            certificates: self.certificates.clone(),
            chance: self.chance.clone(),
            meter: Arc::clone(&self.meter),
            stop,
        };
        inbound::Tools::new(parts, inbound(config))
    }

    /// Orders certificates, if it is to.
    pub(super) fn acme(&self, config: &Config, proofs: Vec<Proof>) -> anyhow::Result<Option<Acme>> {
        let (Some(acme), Some(settings)) = (&config.acme, config.certificate_settings().acme) else { return Ok(None) };
        let (tls, reach) = match &acme.root {
            None => (tls::verifying_client(), Reach::Public),
            Some(root) => {
                let unusable = || format!("tls.acme_root: the certificates in {} cannot be used", root.display());
                (tls::client_trusting(root).with_context(unusable)?, Reach::OwnNetwork)
            }
        };
        let fetcher = Fetcher { dns: Dns::new(self.facts.auth.resolver(), config.dns_timeout), tls, reach };
        let certificates = self.certificates.clone();
        let (clock, chance) = (self.clock.clone(), self.chance.clone());
        Ok(Some(Acme::new(settings, acme::Tools { certificates, fetcher, proofs, clock, chance })))
    }

    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    pub(super) fn admin(&self, links_at: Option<String>) -> Admin {
        Admin { courier: Some(self.courier.clone()), ..self.admin_offline(links_at) }
    }

    pub(super) fn admin_offline(&self, links_at: Option<String>) -> Admin {
        Admin {
            store: self.store.clone(),
            facts: self.facts.clone(),
            outside: self.outside.clone(),
            certificates: self.certificates.clone(),
            found: self.found.clone(),
            courier: None,
            links_at: links_at.map(Into::into),
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            meter: Arc::clone(&self.meter),
            passwords: self.passwords.clone(),
            guesses: self.guesses.clone(),
            heartbeat: self.heartbeat.clone(),
            backups: self.backups.clone(),
            settings: Arc::<Current>::clone(&self.current),
        }
    }
}

/// Which file, why, and what helps.
pub(super) fn unopened(config: &Config, error: &StoreError) -> anyhow::Error {
    let said = format!("cannot open the databases in {}: {error}", config.data_dir.display());
    error.remedy().map_or_else(|| anyhow!("{said}"), |remedy| anyhow!("{said}; {remedy}"))
}

/// The panel's values beneath those of file and environment. One that has gone bad, as a new version may have it, stops
/// nobody from starting.
async fn with_panel(config: &Config, store: &Store) -> anyhow::Result<Config> {
    let panel = store.accounts.settings().await?;
    let (config, faults) = config.with_sound_panel(&panel);
    for fault in faults {
        tracing::warn!(%fault, "a setting of the panel is not acted on");
    }
    Ok(config)
}

pub(super) fn inbound(config: &Config) -> inbound::Settings {
    inbound::Settings {
        session: server::Settings {
            hostname: config.hostname.clone(),
            max_message_bytes: config.smtp.max_message_bytes,
            max_recipients: config.smtp.max_recipients,
            starttls: true,
        },
        answer_within: config.smtp.answer_within,
        direct_timeout: config.direct_timeout,
        after_dot_wait: config.after_dot_wait,
        max_connections: files::places(config.smtp.max_connections),
        max_connections_per_ip: config.smtp.max_connections_per_ip,
        proxy_protocol_from: config.smtp.proxy_protocol_from.clone(),
        data_dir: config.data_dir.clone(),
        keep_failed: config.keep_failed,
        max_bytes_per_domain: config.max_bytes_per_domain,
    }
}

/// Without a public URL, the panel is reached where it listens: over HTTPS by the gateway's name, else by the address.
pub(super) fn http(config: &Config, listening: Option<&Listening<Vec<SocketAddr>>>) -> crate::http::Settings {
    let http = listening.map_or(&config.http.listen, |bound| &bound.http).first();
    let reached = || http.map(|address| format!("http://{address}"));
    let serves_https = !listening.map_or(&config.http.https_listen, |bound| &bound.https).is_empty();
    let public_url = links_at(config, listening).or_else(reached);
    crate::http::Settings { public_url, serves_https, ..config.http_settings() }
}

/// Where links lead that are sent by mail: only to what people elsewhere can reach.
pub(super) fn links_at(config: &Config, listening: Option<&Listening<Vec<SocketAddr>>>) -> Option<String> {
    let https = listening.map_or(&config.http.https_listen, |bound| &bound.https).first();
    let named = https.map(|address| match address.port() {
        443 => format!("https://{}", config.hostname),
        port => format!("https://{}:{port}", config.hostname),
    });
    config.http_settings().public_url.or(named)
}

pub(super) const fn upkeep(config: &Config) -> crate::upkeep::Settings {
    crate::upkeep::Settings {
        retention: config.log.retention,
        max_log_bytes: config.log.max_bytes,
        certificates_every: config.certificates_every,
        records: config.records_pace,
        doctor: config.doctor_pace,
        notices: config.notices_pace,
        backups: config.backup_pace,
    }
}

fn auth(config: &Config) -> auth::Settings {
    auth::Settings { servers: config.dns_servers.clone(), timeout: config.dns_timeout }
}
