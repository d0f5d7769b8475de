//! Plays the routing tables in `tests/routing/*.txt`: a world of `@` lines, then cases.
//!
//! ```text
//! recipient [<sender>] => disposition; the rule that decided
//!     ~ words that the reason or the trace must hold
//! ```
//! `UPDATE_EXPECT=1 cargo test --test routing` writes what came out into the tables, to be looked at.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "routing/world.rs"]
mod world;

use std::path::{Path, PathBuf};

use waypost::mail::{Mailbox, Moment, ReversePath};
use waypost::policy::admission::reserved;
use waypost::policy::admission::{Decision, Disposition, Leg, RecipientCase, by_rules, computed};
use waypost::policy::facts::{ConnectFacts, RecipientFacts, Usage};
use waypost::policy::routing::{Fanout, Selection, explicit, select};
use waypost::policy::rule::Target;
use waypost::policy::settings::TlsPolicy;
use world::{NOW, World};

#[test]
fn every_table_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/routing");
    let mut tables: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    tables.retain(|path| path.extension().is_some_and(|ext| ext == "txt"));
    assert!(tables.len() >= 8, "the tables are missing");
    let failures: Vec<String> = tables.iter().flat_map(|path| play(path)).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Plays one table; says which cases came out otherwise.
fn play(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut table = Table { name: path.file_name().unwrap().to_string_lossy().into(), ..Table::new() };
    let lines: Vec<String> = text.lines().map(|line| table.line(line)).collect();
    assert!(table.cases > 0, "{} has no cases", table.name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    table.failures
}

struct Table {
    name: String,
    world: World,
    last: Option<Decision>,
    cases: usize,
    failures: Vec<String>,
}

impl Table {
    fn new() -> Self {
        Self { name: String::new(), world: World::new(), last: None, cases: 0, failures: Vec::new() }
    }

    /// Plays one line, and gives it as it should read.
    fn line(&mut self, line: &str) -> String {
        if let Some(setting) = line.strip_prefix("@ ") {
            self.world.take(setting);
        } else if let Some(words) = line.trim_start().strip_prefix("~ ") {
            self.explains(words);
        } else if let Some((question, expected)) = line.split_once(" => ") {
            return self.case(question, expected);
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{}: what is this? {line}", self.name);
        }
        line.to_owned()
    }

    fn case(&mut self, question: &str, expected: &str) -> String {
        let (recipient, sender) = question.trim().split_once(' ').unwrap_or((question.trim(), "<x@sender.example>"));
        let sender = sender.trim().trim_start_matches('<').trim_end_matches('>');
        let decision = decide(&self.world, &ReversePath::parse(sender).unwrap(), &Mailbox::parse(recipient).unwrap());
        let came = in_words(&decision);
        if came != expected {
            self.failures.push(format!("{}: {question}\n  expected {expected}\n  came     {came}", self.name));
        }
        self.cases += 1;
        self.last = Some(decision);
        format!("{question} => {came}")
    }

    fn explains(&mut self, words: &str) {
        let decision = self.last.as_ref().expect("a case stands above");
        let steps = decision.trace.iter().map(|step| format!("{} {}: {}", step.step, step.verdict, step.detail));
        let story: Vec<_> = std::iter::once(decision.reason.clone()).chain(steps).collect();
        if !story.iter().any(|sentence| sentence.contains(words)) {
            self.failures.push(format!("{}: nothing says {words:?} in\n  {}", self.name, story.join("\n  ")));
        }
    }
}

/// What `facts` does, with the world in place of the store.
fn decide(world: &World, sender: &ReversePath, recipient: &Mailbox) -> Decision {
    let decision = judge(world, sender, recipient);
    let by_role = reserved::is_role(recipient.local()) && decision.rule.is_none();
    let mut fanout = Fanout::new(decision);
    while let Some(leg) = fanout.next_leg() {
        match leg.destination.domain().and_then(|name| world.hosted(name)) {
            Some(_) => fanout.enters(&leg, judge(world, sender, &leg.destination)),
            None => fanout.leaves(leg),
        }
    }
    let decision = fanout.finish();
    if by_role { reserved::hold_unless_forwarded(decision, recipient) } else { decision }
}

fn judge(world: &World, sender: &ReversePath, recipient: &Mailbox) -> Decision {
    let mut facts = RecipientFacts {
        now: Moment::from_millis(NOW),
        recipient: recipient.clone(),
        candidates: world.candidates(recipient),
        instance_senders: world.instance_senders.clone(),
        admitted: Vec::new(),
    };
    let mut trace = Vec::new();
    let is_role = reserved::is_role(recipient.local()) && facts.candidates.is_some();
    let selection = match (&facts.candidates, is_role) {
        (Some(candidates), true) => explicit(recipient, candidates),
        (Some(candidates), false) => select(recipient, candidates, &mut trace),
        (None, _) => None,
    };
    let usage = selection.as_ref().map_or(Usage::default(), |selection| world.usage(&selection.rule));
    facts.admitted = selection.as_ref().map_or(Vec::new(), |selection| admitted(world, selection));
    let connect = ConnectFacts { peer: [192, 0, 2, 1].into(), helo: "client.example".into(), tls: None };
    let case = RecipientCase { settings: &world.instance, connect: &connect, reverse_path: sender, facts: &facts };
    let wins = |selection: &Selection| reserved::wins(&selection.rule, usage, facts.now);
    if is_role && !selection.as_ref().is_some_and(wins) {
        let contact = facts.candidates.as_ref().and_then(|known| known.domain.contact.as_ref());
        return reserved::role(&case, contact.map(|contact| &contact.address));
    }
    by_rules(&case, selection.as_ref(), usage, trace)
}

fn admitted(world: &World, selection: &Selection) -> Vec<Mailbox> {
    let account = selection.rule.account;
    let own = |address: &Mailbox| {
        address.domain().and_then(|name| world.hosted(name)).is_some_and(|domain| domain.account == account)
    };
    let fixed = selection.rule.targets.iter().filter_map(|target| match target {
        Target::Fixed(destination) => Some(destination.address.clone()),
        Target::Template(_) => None,
    });
    let known = computed(selection).filter(|address| world.is_verified(address) || own(address));
    fixed.filter(own).chain(known).collect()
}

fn in_words(decision: &Decision) -> String {
    let disposition = match &decision.disposition {
        Disposition::Forward(legs) => {
            let verb = if decision.create { "create" } else { "forward" };
            format!("{verb} {}", legs.iter().map(leg_in_words).collect::<Vec<_>>().join(", "))
        }
        Disposition::Reject(reply) => format!("reject {reply}"),
        Disposition::Defer(reply) => format!("defer {reply}"),
        Disposition::Discard | Disposition::Repeat => "discard".to_owned(),
        Disposition::Hold => "hold".to_owned(),
        Disposition::Report(_) => "report".to_owned(),
    };
    let tls = if decision.tls == TlsPolicy::Require { " (tls)" } else { "" };
    let rule = decision.rule.as_ref().map_or("-", |rule| rule.pattern.as_str());
    format!("{disposition}{tls}; {rule}")
}

/// `anna@inbox.example`, with the aliases on the way where there are several.
fn leg_in_words(leg: &Leg) -> String {
    let [_, inner @ ..] = &leg.delivered_to[..] else { panic!("a leg names its recipient") };
    let inner: Vec<_> = inner.iter().map(Mailbox::to_string).collect();
    let via = if inner.is_empty() { String::new() } else { format!(" via {}", inner.join(" ")) };
    format!("{}{via}", leg.destination)
}
