//! The `policy` of a domain or an alias: what it sets for itself, read like a merge patch. A key that is not named stays, and
//! `null` inherits again. Members may tighten what holds for the whole server, only admins loosen it.

use serde_json::{Map, Value};

use super::form::{Form, Misread, Read};
use super::{Actor, Admin};
use crate::mail::Domain;
use crate::policy::settings::{Instance, Overrides};

const FIELD: &str = "policy";
const ENFORCEMENT: &str = "off, observe, enforce";
/// What can be set, and to what.
const CHOICES: [(&str, &str); 6] = [
    ("spf", ENFORCEMENT),
    ("dkim", ENFORCEMENT),
    ("dmarc", ENFORCEMENT),
    ("unauthenticated", "accept, reject"),
    ("tls", "opportunistic, require"),
    ("forwarded_headers", "true, false"),
];

impl Admin {
    /// Reads what a domain sets for itself.
    pub(super) fn read_domain_policy(&self, actor: &Actor, form: &mut Form<'_>, slot: &mut Overrides) {
        self.read_policy(actor, form, (slot, &Overrides::default()));
    }

    /// Reads what an alias sets for itself, of this domain.
    pub(super) fn read_alias_policy(
        &self,
        actor: &Actor,
        domain: &Domain,
        (form, slot): (&mut Form<'_>, &mut Overrides),
    ) {
        let domain = self.facts.store.directory.domain(domain);
        let above = domain.map(|domain| domain.overrides.clone()).unwrap_or_default();
        self.read_policy(actor, form, (slot, &above));
    }

    /// What an actor may not choose for a domain that has set this: each policy, and the value that would loosen it.
    #[must_use]
    pub fn beyond_at_domain(&self, actor: &Actor, own: &Overrides) -> Vec<(&'static str, &'static str)> {
        self.beyond(actor, (own, &Overrides::default()))
    }

    /// The same for an alias of a domain.
    #[must_use]
    pub fn beyond_at_alias(
        &self,
        actor: &Actor,
        (domain, own): (&Domain, &Overrides),
    ) -> Vec<(&'static str, &'static str)> {
        let domain = self.facts.store.directory.domain(domain);
        let above = domain.map(|domain| domain.overrides.clone()).unwrap_or_default();
        self.beyond(actor, (own, &above))
    }

    fn beyond(&self, actor: &Actor, levels: (&Overrides, &Overrides)) -> Vec<(&'static str, &'static str)> {
        if actor.is_admin() {
            return Vec::new();
        }
        let instance = self.facts.instance.load();
        let all = CHOICES.iter().flat_map(|(name, values)| values.split(", ").map(move |value| (*name, value)));
        all.filter(|choice| would_loosen(*choice, levels, &instance)).collect()
    }

    fn read_policy(&self, actor: &Actor, form: &mut Form<'_>, (slot, above): (&mut Overrides, &Overrides)) {
        let before = slot.clone();
        form.set(FIELD, slot, |value| merged(&before, value));
        if actor.is_admin() {
            return;
        }
        let instance = self.facts.instance.load();
        for loosened in loosened(&before, slot, (above, &instance)) {
            form.fault(FIELD, format!("only an administrator may loosen {loosened}, which holds for the whole server"));
        }
    }
}

fn would_loosen((name, value): (&str, &str), (own, above): (&Overrides, &Overrides), instance: &Instance) -> bool {
    let value = value.parse::<bool>().map_or_else(|_| Value::from(value), Value::from);
    let change = Value::Object(Map::from_iter([(name.to_owned(), value)]));
    merged(own, &change).is_ok_and(|after| !loosened(own, &after, (above, instance)).is_empty())
}

/// What was set, with the changes.
fn merged(before: &Overrides, changes: &Value) -> Read<Overrides> {
    let unreadable = |why: serde_json::Error| Misread::from(format!("{why}"));
    let Value::Object(changes) = changes else {
        return Err("write an object such as {\"dmarc\": \"observe\"}; null in it inherits".into());
    };
    let mut fields: Map<String, Value> =
        serde_json::to_value(before).and_then(serde_json::from_value).map_err(unreadable)?;
    for (name, value) in changes {
        check_one(name, value)?;
        fields.insert(name.clone(), value.clone());
    }
    serde_json::from_value(Value::Object(fields)).map_err(unreadable)
}

/// Says of what cannot be set what can be.
fn check_one(name: &str, value: &Value) -> Read<()> {
    let Some((_, choices)) = CHOICES.iter().find(|(known, _)| *known == name) else {
        let known = CHOICES.map(|(known, _)| known).join(", ");
        return Err(format!("there is no policy “{name}”: write one of {known}").into());
    };
    let alone = Value::Object(Map::from_iter([(name.to_owned(), value.clone())]));
    if serde_json::from_value::<Overrides>(alone).is_ok() {
        return Ok(());
    }
    let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Err(format!("{name}: “{said}” is none of {choices}").into())
}

/// The settings that are set anew to something milder than both the instance and the level above say.
fn loosened(before: &Overrides, after: &Overrides, (above, instance): (&Overrides, &Instance)) -> Vec<&'static str> {
    fn is_loose<T: Ord + Copy>(before: Option<T>, after: Option<T>, above: Option<T>, instance: T) -> bool {
        let is_new = after != before;
        after.is_some_and(|after| is_new && after < instance && above.is_none_or(|above| after < above))
    }
    let settings = [
        ("spf", is_loose(before.spf, after.spf, above.spf, instance.spf)),
        ("dkim", is_loose(before.dkim, after.dkim, above.dkim, instance.dkim)),
        ("dmarc", is_loose(before.dmarc, after.dmarc, above.dmarc, instance.dmarc)),
        (
            "unauthenticated",
            is_loose(before.unauthenticated, after.unauthenticated, above.unauthenticated, instance.unauthenticated),
        ),
        ("tls", is_loose(before.tls, after.tls, above.tls, instance.tls)),
    ];
    settings.into_iter().filter(|(_, is_loose)| *is_loose).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::settings::Enforcement;

    #[test]
    fn a_policy_is_merged_key_by_key() {
        let before =
            Overrides { spf: Some(Enforcement::Enforce), dmarc: Some(Enforcement::Off), ..Overrides::default() };
        let after = merged(&before, &json!({ "dmarc": null, "dkim": "observe" })).unwrap();
        let wanted =
            Overrides { spf: Some(Enforcement::Enforce), dkim: Some(Enforcement::Observe), ..Overrides::default() };
        assert_eq!(after, wanted);
        for wrong in [json!("enforce"), json!({ "dmarc": "perhaps" }), json!({ "dmrac": "enforce" })] {
            assert!(merged(&before, &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_would_be_right() {
        for (wrong, told) in [
            (json!({ "dmarc": "maybe" }), "dmarc: “maybe” is none of off, observe, enforce"),
            (json!({ "unauthenticated": true }), "unauthenticated: “true” is none of accept, reject"),
            (json!({ "tls": "" }), "tls: “” is none of opportunistic, require"),
            (json!({ "forwarded_headers": "yes" }), "forwarded_headers: “yes” is none of true, false"),
            (
                json!({ "arc": "off" }),
                "there is no policy “arc”: write one of spf, dkim, dmarc, unauthenticated, tls, forwarded_headers",
            ),
        ] {
            let error = merged(&Overrides::default(), &wrong).unwrap_err();
            assert!(format!("{error:?}").contains(&format!("\"{told}\"")), "{error:?}");
        }
    }
}
