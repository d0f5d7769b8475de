//! By which relay or route mail goes, as it is set: for people to read. What is tried, [`crate::delivery`] knows.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::mail::Domain;

use super::{Admin, Setting};

/// The relay, and the routes that go before it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NextHops {
    routes: BTreeMap<String, String>,
    relay: Option<String>,
}

impl NextHops {
    fn read(all: &[Setting]) -> Self {
        let value = |key: &str| all.iter().find(|setting| setting.key == key).map(|setting| &setting.value);
        let routes = value("delivery.routes").and_then(Value::as_object).into_iter().flatten();
        let route = |(domain, hop): (&String, &Value)| Some((Domain::parse(domain).ok()?.to_string(), host(hop)?));
        Self { routes: routes.filter_map(route).collect(), relay: value("delivery.relay").and_then(host) }
    }

    /// Host and port of the route of a domain.
    #[must_use]
    pub fn route(&self, domain: &str) -> Option<&str> {
        self.routes.get(domain).map(String::as_str)
    }

    /// Whether what has no route goes by a relay.
    #[must_use]
    pub const fn has_relay(&self) -> bool {
        self.relay.is_some()
    }

    /// Host and port by which mail for a domain goes; none where its own mail servers are asked for.
    #[must_use]
    pub fn of(&self, domain: &str) -> Option<&str> {
        self.route(domain).or(self.relay.as_deref())
    }

    /// Whether that is a route of the domain's own.
    #[must_use]
    pub fn is_route(&self, domain: &str) -> bool {
        self.routes.contains_key(domain)
    }
}

/// `relay.example:587` of `smtp://relay.example:587`.
fn host(hop: &Value) -> Option<String> {
    let (_, host) = hop.as_str()?.split_once("//")?;
    Some(host.to_owned())
}

impl Admin {
    /// By which relay or route mail goes now.
    #[must_use]
    pub fn next_hops(&self) -> NextHops {
        NextHops::read(&self.settings.list())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::SettingPlace;
    use super::*;

    fn set(relay: &str) -> NextHops {
        let setting = |key, value| Setting {
            key,
            value,
            place: SettingPlace::File,
            source: None,
            changeable: false,
            restart: false,
            running: None,
        };
        let routes = json!({ "Corp.example": "smtp://10.0.0.5:25" });
        NextHops::read(&[setting("delivery.relay", json!(relay)), setting("delivery.routes", routes)])
    }

    #[test]
    fn a_route_goes_before_the_relay_and_without_either_none_is_named() {
        let hops = set("smtps://relay.example:465");
        assert_eq!(
            (hops.of("corp.example"), hops.of("inbox.example")),
            (Some("10.0.0.5:25"), Some("relay.example:465"))
        );
        assert!(hops.is_route("corp.example") && !hops.is_route("inbox.example"));
        assert_eq!((set("").of("corp.example"), set("").of("inbox.example")), (Some("10.0.0.5:25"), None));
    }
}
