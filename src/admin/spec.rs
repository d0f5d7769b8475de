//! All that can be set of an alias, read from a form: the same for making one and for changing one.

use crate::mail::Mailbox;
use crate::policy::rule::{Action, After, Kind, Privacy, SenderPattern};
use crate::policy::settings::Overrides;
use crate::store::rules::AliasSpec;

use super::fields::{self, ExpiresAfter};
use super::form::{Form, Read};
use super::name::AliasName;
use super::patterns::{self, Matching};

/// Destinations of one alias, as many as a message may fan out to (DESIGN section 5).
pub(super) const MAX_DESTINATIONS: usize = 100;

/// An alias as it is when nothing but its name is given.
pub(super) fn fresh(name: &AliasName) -> AliasSpec {
    AliasSpec {
        kind: name.kind,
        pattern: name.pattern.clone(),
        priority: 0,
        action: Action::Forward,
        destinations: Vec::new(),
        enabled: true,
        description: String::new(),
        labels: Vec::new(),
        expires_at: None,
        expires_after_messages: None,
        expires_after_idle: None,
        then: After::Refuse,
        allow: Vec::new(),
        block: Vec::new(),
        quota: None,
        privacy: Privacy::Off,
        reject_message: None,
        overrides: Overrides::default(),
    }
}

/// An alias by its name, and what that matches, or why it matches nothing.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: AliasName,
    pub(super) matching: Result<Matching, String>,
}

/// Reads every field but the name into `spec`, then checks what fields say together.
pub(super) fn read(form: &mut Form<'_>, named: &Named, spec: &mut AliasSpec) {
    form.require("enabled", &mut spec.enabled, fields::boolean);
    form.set("priority", &mut spec.priority, fields::priority);
    form.set("description", &mut spec.description, |v| fields::prose(v, fields::MAX_NOTE_CHARS));
    form.set("labels", &mut spec.labels, fields::labels);
    read_words(form, spec);
    read_limits(form, spec);
    let kind = named.name.kind;
    form.set("destinations", &mut spec.destinations, |v| fields::list(v, MAX_DESTINATIONS, |v| destination(kind, v)));
    form.set("allow", &mut spec.allow, senders);
    form.set("block", &mut spec.block, senders);
    form.set("reject_message", &mut spec.reject_message, |v| fields::reject_message(v).map(Some));
    check(form, named, spec);
}

fn read_words(form: &mut Form<'_>, spec: &mut AliasSpec) {
    form.require("action", &mut spec.action, |v| fields::word(v, "forward, drop, reject, create"));
    form.require("then", &mut spec.then, |v| fields::word(v, "refuse, reject, drop, delete"));
    form.require("privacy", &mut spec.privacy, |v| fields::word(v, "off, subject, envelope"));
}

fn read_limits(form: &mut Form<'_>, spec: &mut AliasSpec) {
    form.set("quota", &mut spec.quota, |v| fields::whole(v).map(Some));
    form.set("expires_at", &mut spec.expires_at, |v| fields::moment(v).map(Some));
    if form.has("expires_after") {
        let after = form.optional("expires_after", fields::expires_after);
        spec.expires_after_messages = after.and_then(ExpiresAfter::messages);
        spec.expires_after_idle = after.and_then(ExpiresAfter::idle);
    }
}

/// A destination as written: an address, or a template with `$1`. Whether a template fits is asked with the name at hand.
fn destination(kind: Kind, value: &serde_json::Value) -> Read<String> {
    let text = fields::text(value)?.trim();
    if patterns::is_template(kind, text) {
        return Ok(text.to_owned());
    }
    fields::mailbox(value).map(|mailbox| mailbox.to_string())
}

/// Whom `allow` and `block` mean: an address, `@domain`, or a glob over the whole address, with `authenticated:` in front
/// where only a proved sender is meant; folded as they are compared.
pub(super) fn senders(value: &serde_json::Value) -> Read<Vec<String>> {
    fields::list(value, fields::MAX_ENTRIES, |entry| {
        let text = fields::text(entry)?;
        SenderPattern::parse(text).map(|pattern| pattern.0).map_err(|why| format!("“{text}”: {why}").into())
    })
}

/// Where mail that is sent on has nowhere to go.
pub(super) const NO_INBOX: &str = "write at least one inbox that its mail goes to. Or make one of your inboxes the default, on its \
    page under Destinations: it is proposed for every new alias";

/// What the fields must be together.
fn check(form: &mut Form<'_>, named: &Named, spec: &AliasSpec) {
    if spec.action == Action::Create && spec.kind != Kind::CatchAll {
        form.fault("action", "create is for the catch-all (*@your.domain) only");
    }
    let wants_destination = matches!(spec.action, Action::Forward | Action::Create);
    if wants_destination && spec.destinations.is_empty() && form.is_sound() {
        form.fault("destinations", NO_INBOX);
    }
    check_destinations(form, named, spec);
    if let Some(leaked) = leaked(spec) {
        let detail = format!("this text goes to senders and names {leaked}, which is to stay private");
        form.fault("reject_message", detail);
    }
}

fn check_destinations(form: &mut Form<'_>, Named { name, matching }: &Named, spec: &AliasSpec) {
    let matching = match matching {
        Ok(matching) => matching,
        Err(why) => return form.fault("address", why.clone()),
    };
    let mut seen = std::collections::BTreeSet::new();
    for (index, text) in spec.destinations.iter().enumerate() {
        let verdict = match Mailbox::parse(text).ok().filter(|_| !patterns::is_template(name.kind, text)) {
            None => matching.check_template(text),
            Some(mailbox) if !seen.insert(mailbox.key()) => Err(format!("{text} stands here twice")),
            Some(mailbox) if is_self(name, matching, &mailbox) => {
                Err(format!("{text} is this alias itself: its mail would go round in a circle"))
            }
            Some(_) => Ok(()),
        };
        if let Err(why) = verdict {
            form.fault_at("destinations", index, why);
        }
    }
}

/// Whether the destination is the very address that the alias stands for. (What a pattern would catch only where nothing
/// nearer does is a question for `loops`.)
fn is_self(name: &AliasName, matching: &Matching, mailbox: &Mailbox) -> bool {
    name.kind == Kind::Address && mailbox.domain() == Some(&name.domain) && matching.matches(mailbox.local())
}

/// The destination that the text of reject would tell senders (promise 4).
fn leaked(spec: &AliasSpec) -> Option<&String> {
    let text = spec.reject_message.as_ref()?.to_lowercase();
    spec.destinations.iter().find(|address| text.contains(&address.to_lowercase()))
}
