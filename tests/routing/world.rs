//! A world of domains, destinations and aliases, read from the head of a routing table.
//!
//! ```text
//! @ instance block=@bad.example tls=require
//! @ domain my.domain subaddressing keep_tag account=2 contact=owner@inbox.example block=x@y allow=x@y spf=enforce
//! @ destination anna@inbox.example verified | added=2d
//! @ alias shop@my.domain -> anna@inbox.example,bert@inbox.example quota=3 used=7 today=3 silent=2d
//! @ alias /n([0-9]+)/@my.domain priority=2 reject :: 450 4.2.1 later
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use waypost::mail::{Domain, Mailbox, Moment};
use waypost::policy::facts::{Candidates, Pattern, Usage};
use waypost::policy::ids::{AccountId, AliasId, DestinationId, DomainId};
use waypost::policy::routing::lookup_keys;
use waypost::policy::rule::{
    Action, After, Destination, Expiry, HostedDomain, Kind, Privacy, Rule, SenderLists, SenderPattern, Target,
};

use waypost::policy::settings::{Custody, Enforcement, Instance, Overrides, TlsPolicy, Unauthenticated};

pub(crate) const NOW: i64 = 1_795_373_784_120;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) instance: Instance,
    pub(crate) instance_senders: Arc<SenderLists>,
    pub(crate) domains: Vec<Arc<HostedDomain>>,
    destinations: BTreeMap<String, Destination>,
    trusted: Vec<Domain>,
    rules: Vec<Arc<Rule>>,
    usage: BTreeMap<i64, Usage>,
}

/// The words of a line: `name`, `key=value`, and the text behind `::`.
struct Words<'a> {
    words: Vec<&'a str>,
    text: Option<String>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let (line, text) =
            line.split_once("::").map_or((line, None), |(line, text)| (line, Some(text.trim().to_owned())));
        Self { words: line.split_whitespace().collect(), text }
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.value(key).map(|text| text.parse().unwrap_or_else(|_| panic!("{key}={text} is no number")))
    }

    fn span(&self, key: &str) -> Option<Duration> {
        let text = self.value(key)?;
        let (number, unit) = text.split_at(text.len() - 1);
        let seconds = match unit {
            "h" => 3600,
            "d" => 86_400,
            _ => panic!("{text} has no unit"),
        };
        Some(Duration::from_secs(number.parse::<u64>().unwrap() * seconds))
    }

    fn senders(&self) -> SenderLists {
        let list = |key| {
            let entries = self.value(key).into_iter().flat_map(|text| text.split(','));
            entries.map(|entry| SenderPattern::parse(entry).unwrap()).collect()
        };
        SenderLists { allow: list("allow"), block: list("block") }
    }

    fn overrides(&self) -> Overrides {
        let settings: serde_json::Map<_, _> = ["spf", "dkim", "dmarc", "unauthenticated", "tls"]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), self.value(key)?.into())))
            .collect();
        serde_json::from_value(settings.into()).unwrap()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            instance: instance(),
            instance_senders: Arc::default(),
            domains: Vec::new(),
            destinations: BTreeMap::new(),
            trusted: Vec::new(),
            rules: Vec::new(),
            usage: BTreeMap::new(),
        }
    }

    /// Takes one `@` line.
    pub(crate) fn take(&mut self, line: &str) {
        let words = Words::of(line);
        match words.words[0] {
            "instance" => {
                self.instance_senders = Arc::new(words.senders());
                self.instance.tls = words.overrides().tls.unwrap_or(self.instance.tls);
            }
            "domain" => self.add_domain(&words),
            "destination" => self.add_destination(&words),
            "alias" => self.add_alias(&words),
            other => panic!("no such word: {other}"),
        }
    }

    fn add_domain(&mut self, words: &Words<'_>) {
        let contact = words.value("contact").map(|address| self.destination(address));
        self.domains.push(Arc::new(HostedDomain {
            id: DomainId(i64::try_from(self.domains.len()).unwrap()),
            uuid: Uuid::nil(),
            account: AccountId(words.number("account").unwrap_or(1)),
            name: Domain::parse(words.words[1]).unwrap(),
            verified: true,
            subaddressing: words.has("subaddressing"),
            keep_tag: words.has("keep_tag"),
            srs_domain: words.value("srs").map(|name| Domain::parse(name).unwrap()),
            mirror_of: words.value("mirror").map(|name| Domain::parse(name).unwrap()),
            contact,
            senders: words.senders(),
            overrides: words.overrides(),
        }));
    }

    fn add_destination(&mut self, words: &Words<'_>) {
        let address = words.words[1];
        if let Some(domain) = address.strip_prefix('@') {
            self.trusted.push(Domain::parse(domain).unwrap());
            return;
        }
        let now = Moment::from_millis(NOW);
        let mailbox = Mailbox::parse(address).unwrap();
        let destination = Destination {
            id: DestinationId(i64::try_from(self.destinations.len()).unwrap()),
            verified_at: words.has("verified").then_some(now),
            added_at: now.before(words.span("added").unwrap_or_default()),
            address: mailbox.clone(),
        };
        self.destinations.insert(mailbox.key(), destination);
    }

    /// As the store gives it: unknown addresses are added, unverified.
    fn destination(&self, address: &str) -> Destination {
        let address = Mailbox::parse(address).unwrap();
        let added_at = Moment::from_millis(NOW);
        let unknown = || Destination { id: DestinationId(-1), address: address.clone(), verified_at: None, added_at };
        self.destinations.get(&address.key()).cloned().unwrap_or_else(unknown)
    }

    fn add_alias(&mut self, words: &Words<'_>) {
        let (pattern, name) = words.words[1].rsplit_once('@').unwrap();
        let (kind, pattern) = kind_of(pattern);
        let domain = self.hosted(&Domain::parse(name).unwrap()).expect("the domain stands above").clone();
        let now = Moment::from_millis(NOW);
        let id = i64::try_from(self.rules.len()).unwrap();
        let rule = Rule {
            id: AliasId(id),
            uuid: Uuid::nil(),
            domain: domain.id,
            account: domain.account,
            kind,
            pattern: pattern.to_owned(),
            priority: words.number("priority").unwrap_or(0),
            action: action_of(words),
            targets: self.targets(words),
            enabled: !words.has("disabled"),
            expiry: Expiry {
                at: words.span("ended").map(|ago| now.before(ago)).or(words.span("ends").map(|span| now.after(span))),
                messages: words.number("after"),
                idle: words.span("idle"),
            },
            after: after_of(words.value("then")),
            senders: words.senders(),
            quota: words.number("quota"),
            privacy: Privacy::Off,
            reject_text: words.text.clone(),
            overrides: words.overrides(),
            created_at: now.before(words.span("created").unwrap_or_default()),
        };
        self.rules.push(Arc::new(rule));
        self.usage.insert(id, usage_of(words));
    }

    fn targets(&self, words: &Words<'_>) -> Vec<Target> {
        let Some(arrow) = words.words.iter().position(|word| *word == "->") else { return Vec::new() };
        let target = |text: &str| match text.contains('$') {
            true => Target::Template(text.to_owned()),
            false => Target::Fixed(self.destination(text)),
        };
        words.words[arrow + 1].split(',').map(target).collect()
    }

    pub(crate) fn hosted(&self, name: &Domain) -> Option<&Arc<HostedDomain>> {
        self.domains.iter().find(|domain| domain.name == *name)
    }

    /// As the directory gives them.
    pub(crate) fn candidates(&self, recipient: &Mailbox) -> Option<Candidates> {
        let domain = self.hosted(recipient.domain()?)?;
        let of = domain.mirror_of.as_ref().map_or(domain, |name| self.hosted(name).unwrap());
        let own = || self.rules.iter().filter(|rule| rule.domain == of.id);
        let keys = lookup_keys(recipient, domain.subaddressing);
        let named = |rule: &&Arc<Rule>| rule.kind == Kind::Address && keys.contains(&rule.pattern.to_ascii_lowercase());
        let is_pattern = |rule: &&Arc<Rule>| matches!(rule.kind, Kind::Glob | Kind::Regex);
        let mut patterns: Vec<_> = own().filter(is_pattern).cloned().collect();
        patterns.sort_by_key(|rule| (rule.priority, rule.id));
        Some(Candidates {
            domain: Arc::clone(domain),
            addresses: own().filter(named).cloned().collect(),
            patterns: patterns.into_iter().map(|rule| Pattern::compile(rule).unwrap()).collect(),
            catch_all: own().find(|rule| rule.kind == Kind::CatchAll).cloned(),
        })
    }

    pub(crate) fn usage(&self, rule: &Rule) -> Usage {
        self.usage[&rule.id.0]
    }

    pub(crate) fn is_verified(&self, address: &Mailbox) -> bool {
        let by_row = self.destinations.get(&address.key()).is_some_and(|row| row.verified_at.is_some());
        by_row || address.domain().is_some_and(|name| self.trusted.contains(name))
    }
}

fn kind_of(pattern: &str) -> (Kind, &str) {
    match pattern.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(source) => (Kind::Regex, source),
        None if pattern == "*" => (Kind::CatchAll, pattern),
        None if pattern.contains(['*', '?', '[']) => (Kind::Glob, pattern),
        None => (Kind::Address, pattern),
    }
}

fn action_of(words: &Words<'_>) -> Action {
    let actions = [("drop", Action::Drop), ("reject", Action::Reject), ("create", Action::Create)];
    actions.into_iter().find(|(word, _)| words.has(word)).map_or(Action::Forward, |(_, action)| action)
}

fn after_of(then: Option<&str>) -> After {
    match then {
        None | Some("refuse") => After::Refuse,
        Some("reject") => After::Reject,
        Some("drop") => After::Drop,
        Some("delete") => After::Delete,
        Some(other) => panic!("no such after-state: {other}"),
    }
}

fn usage_of(words: &Words<'_>) -> Usage {
    let silent = words.span("silent").map(|ago| Moment::from_millis(NOW).before(ago));
    Usage {
        messages: words.number("used").unwrap_or(0),
        last_day: words.number("today").unwrap_or(0),
        last_mail_at: silent,
        pledged: 0,
    }
}

pub(crate) fn instance() -> Instance {
    Instance {
        hostname: Domain::parse("mx.waypost.example").unwrap(),
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
        lifetime: Duration::from_secs(5 * 86_400),
        direct_max_bytes: 2 << 20,
        direct_per_site: 20,
        direct_total: 500,
        subjects: true,
        abuse: waypost::policy::settings::Abuse::default(),
    }
}
