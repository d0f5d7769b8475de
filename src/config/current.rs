//! The settings in service: what the panel says lies beneath environment and file, and whoever follows hears of a change.

use std::sync::Arc;

use serde_json::Value as Json;
use tokio::sync::watch;

use super::keys::{KEYS, Kind};
use super::written::{Place, Value};
use super::{Config, ConfigError, restart};
use crate::admin::{Notify, PanelSettings, Setting, SettingPlace, Settings};

/// What people change in the panel (INTERFACES): sections whole, and single keys.
const IN_PANEL: [&str; 11] = [
    "hostname",
    "http.public_url",
    "delivery.relay",
    "delivery.relay_username",
    "delivery.tls",
    "policy.",
    "limits.",
    "log.retention",
    "log.max_bytes",
    "log.subjects",
    "notify.",
];

/// Whether a key may be set in the panel.
pub(super) fn is_in_panel(key: &str) -> bool {
    IN_PANEL.iter().any(|name| *name == key || (name.ends_with('.') && key.starts_with(name)))
}

/// The settings in service, and those that the process was started with.
#[derive(Debug)]
pub struct Current {
    now: watch::Sender<Arc<Config>>,
    started: Arc<Config>,
}

impl Current {
    /// To begin with.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let started = Arc::new(config);
        Self { now: watch::Sender::new(Arc::clone(&started)), started }
    }

    /// As they are.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.now.borrow())
    }

    /// Hears of every change.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<Config>> {
        self.now.subscribe()
    }

    /// Puts a configuration that was read again in service.
    pub fn replace(&self, config: Config) {
        self.now.send_replace(Arc::new(config));
    }
}

impl Settings for Current {
    fn list(&self) -> Vec<Setting> {
        let config = self.config();
        KEYS.iter().map(|key| setting((&self.started, &config), key.name)).collect()
    }

    fn check(&self, panel: &PanelSettings) -> Result<(), (String, String)> {
        self.config().with_panel(panel).map(drop).map_err(|error| error.of_key())
    }

    fn notify(&self) -> Notify {
        self.now.borrow().notify.clone()
    }

    fn renew(&self, panel: &PanelSettings) {
        match self.config().with_panel(panel) {
            Ok(config) => self.replace(config),
            Err(error) => tracing::error!(%error, "settings of the panel were not taken"),
        }
    }
}

impl Config {
    /// The same with these values of the panel, in place of those that it has.
    pub fn with_panel(&self, panel: &PanelSettings) -> Result<Self, ConfigError> {
        let mut written = self.written.clone();
        written.lay_panel(panel)?;
        super::meant::config(&written)
    }

    /// The same with what of the panel's values can be taken; each of the others is told.
    #[must_use]
    pub fn with_sound_panel(&self, panel: &PanelSettings) -> (Self, Vec<ConfigError>) {
        let (mut config, mut taken, mut faults) = (self.clone(), Vec::new(), Vec::new());
        for pair in panel {
            taken.push(pair.clone());
            match self.with_panel(&taken) {
                Ok(better) => config = better,
                Err(fault) => {
                    taken.pop();
                    faults.push(fault);
                }
            }
        }
        (config, faults)
    }
}

fn setting((started, config): (&Config, &Config), key: &'static str) -> Setting {
    let entry = config.written.get(key);
    let (place, source) = match &entry.place {
        Place::Default => (SettingPlace::Default, None),
        Place::Panel => (SettingPlace::Panel, None),
        Place::Environment(name) => (SettingPlace::Environment, Some(name.clone())),
        Place::File { .. } | Place::Unread(_) => (SettingPlace::File, Some(entry.place.to_string())),
    };
    Setting {
        key,
        value: value(config, key),
        place,
        changeable: is_in_panel(key) && matches!(place, SettingPlace::Default | SettingPlace::Panel),
        source,
        restart: restart::is_after_restart(key),
        running: started.is_held(key, config).then(|| value(started, key)),
    }
}

/// What an empty text leaves to the program is told as it was chosen.
fn value(config: &Config, key: &'static str) -> Json {
    config.chosen(key).as_ref().unwrap_or(&config.written.get(key).value).to_json()
}

/// Reads a value as the panel writes it.
pub(super) fn read(kind: Kind, value: &Json) -> Result<Value, String> {
    let wrong = |wanted: &str| format!("must be {wanted}");
    let text = value.as_str();
    match kind {
        Kind::Text => text.map(|text| Value::Text(text.to_owned())).ok_or_else(|| wrong("a text")),
        Kind::Flag => value.as_bool().map(Value::Flag).ok_or_else(|| wrong("true or false")),
        Kind::Count => value.as_u64().map(Value::Count).ok_or_else(|| wrong("a whole number from 0")),
        Kind::Size => match (value.as_u64(), text) {
            (Some(octets), _) => Ok(Value::Size(octets)),
            (None, Some(text)) => super::units::parse_size(text).map(Value::Size),
            (None, None) => Err(wrong("a size such as 4096 or \"50MiB\"")),
        },
        Kind::Span => match text {
            Some(text) => super::units::parse_span(text).map(Value::Span),
            None => Err(wrong("a duration with its unit, such as \"10s\"")),
        },
        Kind::List => {
            let text = |entry: &Json| entry.as_str().map(str::to_owned);
            let texts = value.as_array().and_then(|list| list.iter().map(text).collect::<Option<Vec<_>>>());
            texts.map(Value::List).ok_or_else(|| wrong("a list of texts"))
        }
        Kind::Map => Err("is set in the file alone".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn current(environment: &[(&str, &str)]) -> Current {
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Current::new(Config::load(None, &environment.collect::<BTreeMap<_, _>>()).unwrap().config)
    }

    fn panel(pairs: &[(&str, Json)]) -> PanelSettings {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    fn found(current: &Current, key: &str) -> Setting {
        current.list().into_iter().find(|setting| setting.key == key).unwrap()
    }

    #[test]
    fn the_panel_lies_beneath_environment_and_file() {
        let current = current(&[("WAYPOST_POLICY__SPF", "enforce")]);
        current.renew(&panel(&[
            ("policy.spf", json!("off")),
            ("policy.greylist", json!(true)),
            ("log.max_bytes", json!("1GiB")),
        ]));
        let spf = found(&current, "policy.spf");
        assert_eq!((spf.value, spf.place, spf.changeable), (json!("enforce"), SettingPlace::Environment, false));
        assert_eq!(spf.source.as_deref(), Some("WAYPOST_POLICY__SPF"));
        assert_eq!(found(&current, "policy.greylist").place, SettingPlace::Panel);
        assert_eq!(current.config().log.max_bytes, 1 << 30);
        current.renew(&panel(&[]));
        let greylist = found(&current, "policy.greylist");
        assert_eq!((greylist.value, greylist.place, greylist.changeable), (json!(false), SettingPlace::Default, true));
    }

    #[test]
    fn what_an_empty_text_leaves_to_the_program_is_shown_as_it_was_chosen() {
        let current = current(&[("WAYPOST_DATA_DIR", "/srv/mail")]);
        let hostname = found(&current, "hostname");
        assert_eq!(hostname.value, json!(current.config().hostname.as_str()));
        assert_eq!((hostname.place, hostname.changeable), (SettingPlace::Default, true));
        assert_eq!(found(&current, "database.url").value, json!("sqlite:/srv/mail/waypost.db"));
        assert_eq!(found(&current, "srs.secrets_file").value, json!("/srv/mail/srs.secrets"));
    }

    #[test]
    fn what_counts_after_a_restart_waits_while_it_differs_from_what_runs() {
        let current = current(&[]);
        let waits = |current: &Current| -> Vec<(&str, Json)> {
            let list = current.list().into_iter();
            list.filter_map(|setting| setting.running.map(|running| (setting.key, running))).collect()
        };
        assert_eq!(waits(&current), []);
        let named = current.config().hostname.to_string();
        let changes =
            [("policy.spf", json!("off")), ("log.retention", json!("60d")), ("hostname", json!("mx.my.example"))];
        current.renew(&panel(&changes));
        assert_eq!(waits(&current), [("hostname", json!(named)), ("log.retention", json!("30d"))]);
        current.renew(&panel(&[("log.retention", json!("720h"))]));
        assert_eq!(waits(&current), [], "the same, written in another way");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        let current = current(&[]);
        for (key, value) in [
            ("policy.spf", json!("perhaps")),
            ("policy.greylist", json!("yes")),
            ("limits.messages_per_ip_per_hour", json!(-1)),
            ("log.retention", json!("0s")),
            ("hostname", json!("not a name")),
            ("notify.to", json!(["nobody"])),
            ("notify.mute", json!(["weather"])),
            ("notify.digest", json!("hourly")),
            ("notify.heartbeat_url", json!("ftp://monitor.example/")),
            ("smtp.listen", json!(["127.0.0.1:25"])),
            ("no.such", json!(1)),
        ] {
            assert_eq!(current.check(&panel(&[(key, value)])).unwrap_err().0, key);
        }
        assert_eq!(current.check(&panel(&[("hostname", json!("mx.my.example"))])), Ok(()));
    }

    #[test]
    fn a_relay_that_is_set_in_the_panel_has_its_password_beside_the_databases() {
        let current = current(&[]);
        let name = ("delivery.relay_username", json!("me"));
        assert_eq!(
            current.check(&panel(std::slice::from_ref(&name))).unwrap_err().0,
            "delivery.relay_username",
            "there is no relay to sign in to"
        );
        let relay = panel(&[("delivery.relay", json!("smtp://relay.example")), name]);
        let config = current.config().with_panel(&relay).unwrap();
        assert_eq!(config.delivery.relay_sign_in, Some(("me".to_owned(), "data/relay.password".into())));
        assert_eq!(config.delivery.relay.unwrap().port, 587);
    }

    #[test]
    fn a_value_that_has_gone_bad_takes_no_other_with_it() {
        let current = current(&[]);
        let stored = panel(&[("policy.spf", json!("perhaps")), ("policy.dkim", json!("off"))]);
        let (config, faults) = current.config().with_sound_panel(&stored);
        assert_eq!(faults.len(), 1);
        assert_eq!(config.instance.dkim, crate::policy::settings::Enforcement::Off);
    }
}
