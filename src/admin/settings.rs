//! What the gateway runs with: every setting with its value and place, and changes of those that people make in the panel.
//! What file or environment set is shown and not changed here.

use std::fmt::Debug;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::mail::Domain;
use crate::policy::deeds::Deed;
use crate::store::rules::ListQuery;

use super::new_domains::unfit_for_mail;
use super::relay::{RELAY_PASSWORD, RELAY_USERNAME};
use super::shapes::ListShape;
use super::{Actor, ActorName, Admin, AdminError, Fault, Form, Notify, Result, fields};

/// The field of a change that has the present password of whoever makes it.
pub(super) const PRESENT_PASSWORD: &str = "current_password";
/// What the gateway is called.
const HOSTNAME: &str = "hostname";
/// What takes that password, where a person in the panel changes it.
const SENSITIVE: [&str; 4] = [HOSTNAME, "http.public_url", "delivery.relay", RELAY_USERNAME];

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingPlace {
    /// A variable of the environment.
    Environment,
    /// The configuration file.
    File,
    /// Set here.
    Panel,
    /// Nobody set it.
    Default,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Setting {
    /// As the configuration file names it: `policy.spf`.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// Where it comes from.
    pub place: SettingPlace,
    /// The file and its line, or the name of the variable.
    pub source: Option<String>,
    /// It can be changed here.
    pub changeable: bool,
    /// A change counts after a restart.
    pub restart: bool,
    /// What the gateway runs with until it is started again, where that is another value.
    pub running: Option<Value>,
}

/// What was set in the panel: keys with their values.
pub type PanelSettings = Vec<(String, Value)>;

/// What `admin` asks of the configuration.
pub trait Settings: Debug + Send + Sync {
    /// Every setting, in the order of the documentation.
    fn list(&self) -> Vec<Setting>;

    /// Whether the gateway could run with these values from the panel; else the key that is wrong, and why.
    fn check(&self, panel: &PanelSettings) -> std::result::Result<(), (String, String)>;

    /// Whom and what notices tell.
    fn notify(&self) -> Notify;

    /// Has the gateway run with these values from the panel.
    fn renew(&self, panel: &PanelSettings);
}

/// Whether a change of this setting takes the present password of a person in the panel.
#[must_use]
pub fn is_sensitive(key: &str) -> bool {
    SENSITIVE.contains(&key)
}

/// What a gateway can be called: other servers look its name up, and its notices come from there.
pub fn read_hostname(written: &Value) -> Result<Domain> {
    let name = fields::domain(written);
    let fit = name.and_then(|name| unfit_for_mail(&name).map_or(Ok(name), |why| Err(why.into())));
    fit.map_err(|why| AdminError::Invalid(vec![why.of(HOSTNAME)]))
}

impl Admin {
    /// Every setting.
    pub fn settings(&self, actor: &Actor) -> Result<ListShape<Setting>> {
        actor.must_see_all("see its settings")?;
        Ok(ListShape { items: self.settings.list(), next_cursor: None })
    }

    /// Changes settings, all of those named or none; `null` takes back what was set here. Beside them may stand
    /// `delivery.relay_password`, which is kept and never shown, and the `current_password` of whoever asks.
    pub async fn change_settings(&self, actor: &Actor, written: &Map<String, Value>) -> Result<ListShape<Setting>> {
        actor.must_be_admin("change its settings")?;
        let mut written = written.clone();
        let (present, password) = (written.remove(PRESENT_PASSWORD), written.remove(RELAY_PASSWORD));
        let mut faults: Vec<Fault> = written.keys().filter_map(|key| self.refused(key)).collect();
        faults.extend(self.refused_relay_password(password.as_ref()));
        if !faults.is_empty() {
            return Err(AdminError::Invalid(faults));
        }
        if let Some(name) = written.get(HOSTNAME).filter(|name| !name.is_null()) {
            read_hostname(name)?;
        }
        let is_sensitive = password.is_some() || written.keys().any(|key| is_sensitive(key));
        if is_sensitive {
            self.must_be_themselves(actor, present).await?;
        }
        self.store_settings(actor, &written, password.as_ref()).await?;
        self.settings(actor)
    }

    /// Checks, keeps and puts in service. The password at the relay lies in a file of its own.
    async fn store_settings(
        &self,
        actor: &Actor,
        written: &Map<String, Value>,
        password: Option<&Value>,
    ) -> Result<()> {
        if written.is_empty() && password.is_none() {
            return Ok(());
        }
        let mut panel = self.store.accounts.settings().await?;
        let before: Map<String, Value> = panel.iter().filter(|(key, _)| written.contains_key(key)).cloned().collect();
        panel.retain(|(key, _)| !written.contains_key(key));
        panel.extend(written.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())));
        self.settings.check(&panel).map_err(|(key, why)| AdminError::field(&key, why))?;
        let has_name = panel.iter().any(|(key, name)| key == RELAY_USERNAME && name.as_str() != Some(""));
        self.keep_relay_password(password.and_then(Value::as_str), has_name).await?;
        let told = password.map(|_| RELAY_PASSWORD);
        let object = written.keys().map(String::as_str).chain(told).collect::<Vec<_>>().join(", ");
        let subject = super::Subject { object: &object, before: Some(&before), after: Some(written) };
        let audit = self.audit(actor, Deed::SettingsChange, &subject);
        let changes = written.iter().map(|(key, value)| (key.clone(), Some(value.clone()).filter(|v| !v.is_null())));
        self.store.accounts.set(changes.collect(), audit).await?;
        self.settings.renew(&panel);
        if written.contains_key(HOSTNAME) {
            self.found.is_outdated();
        }
        Ok(())
    }

    /// A span of time that is set, as people say it: `7 days`.
    #[must_use]
    pub fn span_in_words(&self, key: &str) -> String {
        let settings = self.settings.list();
        let found = settings.iter().find(|setting| setting.key == key).map(|setting| &setting.value);
        let span = found.and_then(Value::as_str).unwrap_or_default();
        match span.strip_suffix('d') {
            Some("1") => "1 day".to_owned(),
            Some(days) => format!("{days} days"),
            None => span.to_owned(),
        }
    }

    /// By what is set here, mail or people could be led elsewhere: an open session alone is not enough.
    async fn must_be_themselves(&self, actor: &Actor, present: Option<Value>) -> Result<()> {
        if !self.asks_again(actor).await? {
            return Ok(());
        }
        let given = present.as_ref().and_then(Value::as_str).map(str::to_owned);
        let nothing = Map::new();
        let mut form = Form::new(&nothing);
        self.check_current(actor, &mut form, given).await?;
        form.finish()
    }

    /// Whether changes of what is sensitive take the password of whoever makes them, where they have one. During the first run
    /// they do not: before there is an alias, there is no mail that could be led elsewhere.
    pub async fn asks_again(&self, actor: &Actor) -> Result<bool> {
        if actor.name != ActorName::Session {
            return Ok(false);
        }
        let any = ListQuery { limit: 1, ..ListQuery::default() };
        let has_password = self.store.accounts.credentials(actor.account).await?.password_hash.is_some();
        Ok(has_password && !self.store.rules.aliases(any).await?.items.is_empty())
    }

    /// Why a key cannot be changed here.
    fn refused(&self, key: &str) -> Option<Fault> {
        let settings = self.settings.list();
        let Some(setting) = settings.iter().find(|setting| setting.key == key) else {
            return Some(Fault::new(key, "there is no setting of this name"));
        };
        if setting.changeable {
            return None;
        }
        Some(Fault::new(
            key,
            match &setting.source {
                Some(source) => format!("this is set in {source}: change it there"),
                None => "this is set in the configuration file or the environment alone".to_owned(),
            },
        ))
    }
}
