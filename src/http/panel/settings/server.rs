//! `/settings/server`: every setting, its value and where it was set. What the panel may change is changed in place; what
//! file or environment set is shown with its place.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::admin::{Actor, AdminError, Setting, SettingPlace};
use crate::http::Site;
use crate::http::api::{Ask, Caller};

use super::super::forms::{self, Filled, Marked};
use super::super::frame::{self, Frame};
use super::super::text;
use super::server_keys::{self, Known, SECTIONS};
use super::{Around, done, status};

/// One value to choose.
pub(in crate::http::panel) struct Choice {
    pub(in crate::http::panel) word: String,
    pub(in crate::http::panel) label: String,
    pub(in crate::http::panel) chosen: bool,
}

/// A setting that may be changed here.
struct Field {
    key: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
    /// What may be chosen; empty where anything may be written.
    choices: Vec<Choice>,
    place: String,
    changeable: bool,
    /// It was set here, so that it can be taken back.
    ours: bool,
    /// That it waits for a restart, while another value is in service.
    waits: Option<String>,
    wrong: Option<String>,
}

/// Settings that belong together.
struct Section {
    id: &'static str,
    title: &'static str,
    fields: Vec<Field>,
    /// The sign-in at a relay has a password, which is never shown.
    password: bool,
    password_wrong: Option<String>,
    changeable: bool,
    /// A change asks for the present password.
    sensitive: bool,
    /// What is wrong with the one that was sent with it.
    present_wrong: Option<String>,
}

/// A setting that is made elsewhere.
struct Other {
    key: &'static str,
    value: String,
    place: String,
    waits: Option<String>,
}

#[derive(Template)]
#[template(path = "settings_server.html", config = "web/askama.toml")]
struct ServerPage {
    frame: Frame,
    around: Around,
    sections: Vec<Section>,
    others: Vec<Other>,
    backups: String,
    may_change: bool,
}

/// What a form sends beside its settings: the password at the relay, and the sender's own.
const PASSWORD: &str = "delivery.relay_password";
const PRESENT: &str = "current_password";

const DONE: [(&str, &str); 2] = [
    ("saved", "Saved: it counts from now on."),
    ("restart", "Saved. What is marked counts when Waypost is started again."),
];

/// `GET /settings/server`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, (&ask, &Filled::default()), None).await
}

/// `POST /settings/server`: the fields of one section; `reset` names a setting to take back.
pub(super) async fn change(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let all = match site.admin.settings(&actor) {
        Ok(all) => all.items,
        Err(error) => return frame::failed(&error),
    };
    let written = written(&all, &filled);
    match site.admin.change_settings(&actor, &written).await {
        Ok(all) => {
            let is_waiting = |setting: &Setting| setting.running.is_some() && written.contains_key(setting.key);
            done("server", if all.items.iter().any(is_waiting) { "restart" } else { "saved" })
        }
        Err(error) => show(&site, &actor, (&Ask::default(), &filled), Some(&error)).await,
    }
}

/// What of a form is a change: what is not as it was shown.
fn written(all: &[Setting], filled: &Filled) -> Map<String, Value> {
    let mut written = Map::new();
    let reset = filled.get("reset");
    for setting in all.iter().filter(|setting| setting.changeable) {
        let Some(text) = filled.given(setting.key).map(str::trim) else { continue };
        if reset == setting.key {
            written.insert(setting.key.to_owned(), Value::Null);
        } else if reset.is_empty() && text != server_keys::shown(&setting.value) {
            written.insert(setting.key.to_owned(), value(&setting.value, text));
        }
    }
    for (key, secret) in [(PASSWORD, false), (PRESENT, true)] {
        if !filled.get(key).is_empty() && (reset.is_empty() || secret) {
            written.insert(key.to_owned(), json!(filled.get(key)));
        }
    }
    written
}

/// A text as the kind of value that stands there now; one that is none is refused with its reason.
fn value(now: &Value, text: &str) -> Value {
    match now {
        Value::Bool(_) => text.parse::<bool>().map_or_else(|_| json!(text), Value::Bool),
        Value::Number(_) => text.parse::<u64>().map_or_else(|_| json!(text), Value::from),
        Value::Array(_) => {
            let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
            Value::from(parts.collect::<Vec<_>>())
        }
        _ => json!(text),
    }
}

async fn show(site: &Site, actor: &Actor, (ask, filled): (&Ask, &Filled), error: Option<&AdminError>) -> Response {
    let all = match site.admin.settings(actor) {
        Ok(all) => all.items,
        Err(error) => return frame::failed(&error),
    };
    let asks = match site.admin.asks_again(actor).await {
        Ok(asks) => asks,
        Err(error) => return frame::failed(&error),
    };
    let mut wrong = faults(error);
    let told = wrong.clone();
    let present_wrong = wrong.remove(PRESENT);
    let mut sections: Vec<_> = SECTIONS.iter().map(|known| section(known, &all, (filled, &mut wrong))).collect();
    sections.iter_mut().for_each(|section| section.sensitive &= asks);
    if let Some(sent) = sections.iter_mut().find(|section| was_sent(section, filled)) {
        sent.present_wrong = present_wrong.as_deref().map(forms::wrong);
    }
    // What stands beside no field is said above all.
    let rest = wrong.iter().map(|(field, detail)| forms::labelled(field, detail)).collect();
    let around = Around::new(actor, "server").told(ask, &DONE);
    let above = match error {
        Some(AdminError::Invalid(_)) | None => rest,
        Some(other) => forms::faults(other),
    };
    let page = ServerPage {
        frame: Frame::inside(site, "Server", "settings"),
        around: Around {
            wrong: above,
            marked: sections.iter().flat_map(|section| marked(section, &told)).collect(),
            ..around
        },
        sections,
        others: all.iter().filter(|setting| server_keys::known(setting.key).is_none()).map(other).collect(),
        backups: backups(site).await,
        may_change: actor.is_admin(),
    };
    frame::page(status(error), &page)
}

/// Whether these are the fields that came with a present password.
fn was_sent(section: &Section, filled: &Filled) -> bool {
    section.sensitive && section.fields.iter().any(|field| filled.has(field.key))
}

/// What of a section is marked as wrong, of all that is.
fn marked(section: &Section, wrong: &BTreeMap<String, String>) -> Vec<Marked> {
    let at = |place: String, (key, label): (&str, &str)| Some((place, forms::labelled(label, wrong.get(key)?)));
    let fields = section.fields.iter().filter_map(|field| at(field.key.to_owned(), (field.key, field.label)));
    let password = section.password_wrong.as_ref();
    let password = password.and_then(|_| at("relay_password".to_owned(), (PASSWORD, "Password at the relay")));
    let present = section.present_wrong.as_ref();
    let present = present.and_then(|_| at(format!("present-{}", section.id), (PRESENT, "Present password")));
    fields.chain(password).chain(present).collect()
}

async fn backups(site: &Site) -> String {
    let now = site.admin.clock.now();
    match site.admin.backup_facts().await {
        None => "No backups are made: backup.dir, the folder for them, is not set.".to_owned(),
        Some(facts) => text::visible(&facts.in_words(now)),
    }
}

/// What is wrong, by the setting.
fn faults(error: Option<&AdminError>) -> BTreeMap<String, String> {
    match error {
        Some(AdminError::Invalid(faults)) => {
            faults.iter().map(|fault| (fault.field.clone(), fault.detail.clone())).collect()
        }
        _ => BTreeMap::new(),
    }
}

fn section(
    known: &server_keys::Section,
    all: &[Setting],
    (filled, wrong): (&Filled, &mut BTreeMap<String, String>),
) -> Section {
    let found = known.keys.iter().filter_map(|key| Some((key, all.iter().find(|setting| setting.key == key.name)?)));
    let fields: Vec<Field> = found.map(|(key, setting)| field(key, setting, (filled, wrong))).collect();
    let password = known.id == "sending";
    Section {
        id: known.id,
        title: known.title,
        changeable: fields.iter().any(|field| field.changeable),
        password,
        password_wrong: if password { wrong.remove(PASSWORD).as_deref().map(forms::wrong) } else { None },
        sensitive: known.sensitive,
        present_wrong: None,
        fields,
    }
}

fn field(key: &Known, setting: &Setting, (filled, wrong): (&Filled, &mut BTreeMap<String, String>)) -> Field {
    let value = filled.given(key.name).map_or_else(|| server_keys::shown(&setting.value), str::to_owned);
    let choices = key.choices.iter().map(|(word, label)| Choice {
        word: (*word).to_owned(),
        label: (*label).to_owned(),
        chosen: value == *word,
    });
    Field {
        key: key.name,
        label: key.label,
        hint: key.hint,
        choices: choices.collect(),
        value,
        place: set_by(setting),
        changeable: setting.changeable,
        ours: setting.place == SettingPlace::Panel && setting.changeable,
        waits: waits(setting),
        wrong: wrong.remove(key.name).as_deref().map(forms::wrong),
    }
}

/// Of the name, little waits (`config::restart` names it).
fn waits(setting: &Setting) -> Option<String> {
    let running = text::visible(&server_keys::shown(setting.running.as_ref()?));
    let running = if running.is_empty() { "none".to_owned() } else { format!("“{running}”") };
    Some(match setting.key {
        "hostname" => format!(
            "Mail has this name already. The certificate, and links to the panel unless public_url gives theirs, take effect \
             after a restart; until then they have {running}."
        ),
        _ => format!("Takes effect after a restart. Until then Waypost runs with {running}."),
    })
}

fn other(setting: &Setting) -> Other {
    let value = match server_keys::shown(&setting.value) {
        empty if empty.is_empty() => "–".to_owned(),
        value => text::visible(&value),
    };
    Other { key: setting.key, value, place: place(setting), waits: waits(setting) }
}

/// The same after the name of the setting, as a sentence ends.
fn set_by(setting: &Setting) -> String {
    match setting.place {
        SettingPlace::Default => "has its default".to_owned(),
        _ => format!("is {}", place(setting)),
    }
}

fn place(setting: &Setting) -> String {
    match (setting.place, &setting.source) {
        (SettingPlace::Default, _) => "default".to_owned(),
        (SettingPlace::Panel, _) => "set here".to_owned(),
        (SettingPlace::Environment, source) => {
            format!("set by the environment: {}", source.as_deref().unwrap_or_default())
        }
        (SettingPlace::File, source) => format!("set in {}", source.as_deref().unwrap_or("the file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &'static str, value: Value) -> Setting {
        Setting {
            key,
            value,
            place: SettingPlace::Default,
            source: None,
            changeable: true,
            restart: false,
            running: None,
        }
    }

    #[test]
    fn only_what_was_changed_is_written_and_as_its_kind() {
        let all = [
            setting("policy.spf", json!("observe")),
            setting("policy.greylist", json!(false)),
            setting("limits.messages_per_ip_per_hour", json!(0)),
            setting("notify.to", json!([])),
            setting("log.retention", json!("30d")),
        ];
        let filled = Filled::from_pairs(&[
            ("policy.spf", "observe"),
            ("policy.greylist", "true"),
            ("limits.messages_per_ip_per_hour", "many"),
            ("notify.to", "a@b.example,\r\nc@d.example"),
            ("log.retention", " 60d "),
            ("nonsense", "1"),
        ]);
        let wanted = json!({
            "policy.greylist": true,
            "limits.messages_per_ip_per_hour": "many",
            "notify.to": ["a@b.example", "c@d.example"],
            "log.retention": "60d",
        });
        assert_eq!(Value::Object(written(&all, &filled)), wanted);
        let back = Filled::from_pairs(&[("policy.spf", "off"), ("policy.greylist", "true"), ("reset", "policy.spf")]);
        assert_eq!(Value::Object(written(&all, &back)), json!({ "policy.spf": null }));
    }
}
