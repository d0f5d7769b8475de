//! What an alias would take, asked before it is saved: the recipients of the last days' mail, and which alias each of them
//! would select then and selects now, by the very function that RCPT asks.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::mail::{Domain, Host, LocalPart, Mailbox};
use crate::policy::admission::reserved::{self, Reserved};
use crate::policy::facts::{Candidates, Matcher, Pattern};
use crate::policy::ids::AliasId;
use crate::policy::routing;
use crate::policy::rule::{Action, After, Expiry, HostedDomain, Kind, Privacy, Rule, SenderLists};
use crate::policy::settings::Overrides;
use crate::store::activity::recipients::Recipient;

use super::name::{AliasName, read_name, unfinished};
use super::patterns::Matching;
use super::shapes::{MatchedShape, RuleNamed, TriedShape};
use super::{Access, Actor, Admin, AdminError, Area, Form, Result, fields};

/// Days that are looked back where nobody says how many, and at most.
const DEFAULT_DAYS: u64 = 7;
const MAX_DAYS: u64 = 90;
const DAY: Duration = Duration::from_secs(86_400);
/// The id of what is not saved: behind all others of its priority, as a new one would be.
const UNSAVED: AliasId = AliasId(i64::MAX);

/// What is tried.
struct Trial {
    rule: Arc<Rule>,
    matching: Matching,
}

/// A recipient of whom it is asked.
struct Asked {
    recipient: Recipient,
    mailbox: Mailbox,
    reserved: Option<Reserved>,
    candidates: Candidates,
}

/// A recipient that it matches, and the rules that it selects now and then.
struct Judged {
    shape: MatchedShape,
    now: Option<Arc<Rule>>,
    then: Option<Arc<Rule>>,
}

impl Admin {
    /// Tries an alias as written: `address` (or `local_part` and `domain`), `priority`, and `days` to look back.
    pub async fn try_alias(&self, actor: &Actor, written: &Map<String, Value>) -> Result<TriedShape> {
        actor.must(Area::Aliases, Access::Read)?;
        actor.must(Area::Activity, Access::Read)?;
        let mut form = Form::new(written);
        let Some(name) = read_name(&mut form, actor) else { return Err(unfinished(form)) };
        let (mut priority, mut days) = (0, DEFAULT_DAYS);
        form.set("priority", &mut priority, fields::priority);
        form.require("days", &mut days, within_days);
        form.finish()?;
        let row = self.find_domain(actor, name.domain.as_str()).await.map_err(|error| match error {
            AdminError::NotFound(why) => AdminError::field("address", why),
            other => other,
        })?;
        let hosted = self.store.directory.domain(&row.name).ok_or_else(|| AdminError::missing("domain", &row.name))?;
        if let Some(original) = &hosted.mirror_of {
            let detail = format!("{} has the aliases of {original}: try it there", row.name);
            return Err(AdminError::field("address", detail));
        }
        let matching =
            Matching::of(&name, &self.store.matchers).await.map_err(|why| AdminError::field("address", why))?;
        let trial = Trial { rule: Arc::new(unsaved(&name, &hosted, priority)), matching };
        let since = self.clock.now().before(DAY * u32::try_from(days).unwrap_or(1));
        let seen = self.store.activity.recipients(row.key, since).await?;
        let mut asked = Vec::with_capacity(seen.len());
        for recipient in seen {
            let Some(mailbox) = mailbox(&recipient.address, &row.name) else { continue };
            let Some(candidates) = self.store.directory.candidates(&mailbox).await? else { continue };
            let reserved = self.facts.reserved(&mailbox);
            let candidates = if reserved.is_some() { self.in_force(candidates).await? } else { candidates };
            asked.push(Asked { recipient, mailbox, reserved, candidates });
        }
        // Patterns are matched beside the threads that carry mail.
        let judged = tokio::task::spawn_blocking(move || judge(&trial, asked));
        let (looked_at, judged) = judged.await.map_err(|_| AdminError::Unwell)?;
        let mut matched = Vec::with_capacity(judged.len());
        for Judged { mut shape, now, then } in judged {
            shape.now = self.rule_named(now, &row.name).await?;
            shape.then = self.rule_named(then, &row.name).await?;
            matched.push(shape);
        }
        Ok(TriedShape { days, looked_at, matched })
    }

    async fn rule_named(&self, rule: Option<Arc<Rule>>, domain: &Domain) -> Result<Option<RuleNamed>> {
        let Some(rule) = rule else { return Ok(None) };
        let usage = self.store.directory.usage(&rule).await?;
        let sends = matches!(rule.action, Action::Forward | Action::Create);
        Ok(Some(RuleNamed {
            id: rule.uuid,
            address: AliasName::new(rule.kind, rule.pattern.clone(), domain.clone()).to_string(),
            sends_on: sends && reserved::wins(&rule, usage, self.clock.now()),
        }))
    }

    /// Without the aliases that do not keep a role address from the contact.
    async fn in_force(&self, mut candidates: Candidates) -> Result<Candidates> {
        let now = self.clock.now();
        let mut kept = Vec::new();
        for rule in candidates.addresses {
            let usage = self.store.directory.usage(&rule).await?;
            kept.extend(reserved::wins(&rule, usage, now).then_some(rule));
        }
        candidates.addresses = kept;
        Ok(candidates)
    }
}

fn within_days(value: &Value) -> super::form::Read<u64> {
    let within = |days: &u64| (1..=MAX_DAYS).contains(days);
    value.as_u64().filter(within).ok_or_else(|| format!("write a number of days from 1 to {MAX_DAYS}").into())
}

/// A recipient as the log has it, on this domain.
fn mailbox(address: &str, domain: &Domain) -> Option<Mailbox> {
    let local: LocalPart = Mailbox::parse(address).ok()?.local().clone();
    Some(Mailbox::new(local, Host::Name(domain.clone())))
}

/// What of recipients the alias takes; how many were asked, and those that it matches.
fn judge(trial: &Trial, asked: Vec<Asked>) -> (usize, Vec<Judged>) {
    let looked_at = asked.len();
    let matched = asked.into_iter().filter_map(|Asked { recipient, mailbox, reserved, candidates }| {
        let now = selected((&mailbox, reserved), &candidates);
        let then = selected((&mailbox, reserved), &with(trial, candidates));
        let wins = then.as_ref().is_some_and(|rule| rule.id == UNSAVED);
        if !wins && !trial.matching.matches(mailbox.local()) {
            return None;
        }
        let shape = MatchedShape {
            recipient: mailbox.to_string(),
            messages: recipient.messages,
            last_at: recipient.last_at,
            wins,
            now: None,
            then: None,
            reserved,
        };
        Some(Judged { shape, now, then: then.filter(|_| !wins) })
    });
    (looked_at, matched.collect())
}

/// The rule that a recipient selects.
fn selected((mailbox, reserved): (&Mailbox, Option<Reserved>), candidates: &Candidates) -> Option<Arc<Rule>> {
    let found = match reserved {
        None => routing::select(mailbox, candidates, &mut Vec::new()),
        Some(Reserved::Contact) => routing::explicit(mailbox, candidates),
        Some(Reserved::Reports) => None,
    };
    found.map(|found| found.rule)
}

/// The rules as they would be with this one among them.
fn with(trial: &Trial, mut candidates: Candidates) -> Candidates {
    let rule = &trial.rule;
    let is_same = |other: &Rule| other.kind == rule.kind && other.pattern == rule.pattern;
    match &trial.matching {
        Matching::Exactly(_) => {
            candidates.addresses.retain(|other| !is_same(other));
            candidates.addresses.push(Arc::clone(rule));
        }
        Matching::Pattern(matcher) => {
            candidates.patterns = among(&candidates.patterns, (rule, matcher), is_same);
        }
        Matching::All => candidates.catch_all = Some(Arc::clone(rule)),
    }
    candidates
}

fn among(
    patterns: &[Pattern],
    (rule, matcher): (&Arc<Rule>, &Arc<Matcher>),
    is_same: impl Fn(&Rule) -> bool,
) -> Arc<[Pattern]> {
    let mut all: Vec<_> = patterns.iter().filter(|other| !is_same(&other.rule)).cloned().collect();
    let at = all.partition_point(|other| other.rule.priority <= rule.priority);
    all.insert(at, Pattern { rule: Arc::clone(rule), matcher: Arc::clone(matcher) });
    all.into()
}

/// A rule of this name of which nothing else counts: the recipient alone selects it.
fn unsaved(name: &AliasName, domain: &HostedDomain, priority: i64) -> Rule {
    Rule {
        id: UNSAVED,
        uuid: uuid::Uuid::nil(),
        domain: domain.id,
        account: domain.account,
        kind: name.kind,
        pattern: name.pattern.clone(),
        priority,
        action: if name.kind == Kind::CatchAll { Action::Create } else { Action::Forward },
        targets: Vec::new(),
        enabled: true,
        expiry: Expiry::default(),
        after: After::Refuse,
        senders: SenderLists::default(),
        quota: None,
        privacy: Privacy::Off,
        reject_text: None,
        overrides: Overrides::default(),
        created_at: crate::mail::Moment::from_millis(0),
    }
}
