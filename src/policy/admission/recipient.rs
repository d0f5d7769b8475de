//! The decision on one recipient by the rule that it selected.
//!
//! Four questions in this order, none of which falls through to another rule: is the rule in force, may this sender
//! write, what does the rule do, and has it room and a verified destination?

use std::time::Duration;

use super::super::facts::{Candidates, Usage};
use super::super::replies;
use super::super::routing::Selection;
use super::super::rule::{Action, After, Expiry, Rule};
use super::super::senders::Levels;
use super::super::status::TraceStep;
use super::entries;
use super::targets::legs;
use super::{Decision, Disposition, RecipientCase, Ruling};
use crate::mail::{Mailbox, Moment, ReversePath};

/// What is said of a rule that is off, and of one that refuses, behind its name.
pub const SWITCHED_OFF: &str = "is switched off.";
pub const REFUSES: &str = "refuses its mail.";

/// The decision on a recipient that selected `selection` (or nothing), given how much the rule was used.
#[must_use]
pub fn recipient(case: &RecipientCase<'_>, selection: Option<&Selection>, usage: Usage) -> Decision {
    let recipient = &case.facts.recipient;
    let Some(candidates) = &case.facts.candidates else {
        let reason = format!("{} is no domain of this server.", recipient.host());
        let mut decision = Decision::new(case, None, Ruling::reject(replies::relaying_denied(), reason));
        decision.trace.push(TraceStep::new("domain", "not hosted", recipient.host().to_string()));
        return decision;
    };
    let Some(selection) = selection else {
        let reason = format!("No alias matches {recipient}.");
        return Decision::new(case, None, Ruling::reject(replies::unknown(), reason));
    };
    let mut judge = Judge { case, candidates, selection, usage, trace: Vec::new() };
    let ruling = judge.ruling();
    let let_in = judge.levels().let_in(case.reverse_path);
    let trace = judge.trace;
    let mut decision = Decision::new(case, Some(&selection.rule), ruling);
    let forwards = matches!(decision.disposition, Disposition::Forward(_));
    decision.let_in = let_in;
    decision.create = selection.rule.action == Action::Create && forwards;
    decision.trace.extend(trace);
    if decision.create {
        say_what_is_made(&mut decision, recipient);
    }
    decision
}

/// Whoever asks beforehand, or wonders later where an alias came from, is told.
fn say_what_is_made(decision: &mut Decision, recipient: &Mailbox) {
    let forwards = decision.reason.trim_end_matches('.');
    decision.reason = format!("{forwards}, and makes the address an alias of its own.");
    decision.trace.push(TraceStep::new("alias", "made by its first mail", recipient.to_string()));
}

/// The decision by rules, for a recipient that selected `selection`, with the trace of the selection in front.
#[must_use]
pub fn by_rules(
    case: &RecipientCase<'_>,
    selection: Option<&Selection>,
    usage: Usage,
    mut trace: Vec<TraceStep>,
) -> Decision {
    let mut decision = recipient(case, selection, usage);
    trace.append(&mut decision.trace);
    decision.trace = trace;
    decision
}

/// Whether a rule refuses mail of this sender whatever was counted of it and wherever it leads: it is switched off, or at
/// its date, or the sender is blocked and the owner has chosen no words of his own for the end.
#[must_use]
pub fn is_closed(rule: &Rule, levels: Option<&Levels<'_>>, sender: &ReversePath, now: Moment) -> bool {
    let at_end = rule.expiry.at.is_some_and(|at| at <= now);
    let has_own_end = matches!(rule.after, After::Reject | After::Drop);
    let blocked = || levels.is_some_and(|levels| levels.block_of(sender, None).is_some());
    !rule.enabled || at_end || (!has_own_end && blocked())
}

/// How a rule came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// At a moment.
    At(Moment),
    /// After so many messages.
    Messages(u64),
    /// After so long without mail.
    Idle(Duration),
}

impl Ended {
    /// How it came, after the name of the rule.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::At(moment) => format!("ended at {}", moment.in_words()),
            Self::Messages(1) => "ended after one message".to_owned(),
            Self::Messages(count) => format!("ended after {count} messages"),
            Self::Idle(idle) => format!("ended after {} without mail", stretch(idle)),
        }
    }
}

/// For how long no mail came for a rule; from when it was made on.
fn silence(created_at: Moment, usage: Usage, now: Moment) -> Duration {
    now.since(usage.last_mail_at.unwrap_or(created_at).max(created_at))
}

/// Whether a rule has expired, and how: its end, and when it was made.
#[must_use]
pub fn ended((expiry, created_at): (Expiry, Moment), usage: Usage, now: Moment) -> Option<Ended> {
    let date = expiry.at.filter(|at| *at <= now).map(Ended::At);
    let count = || expiry.messages.filter(|most| usage.messages >= *most).map(Ended::Messages);
    let idle = || expiry.idle.filter(|most| silence(created_at, usage, now) >= *most).map(Ended::Idle);
    date.or_else(count).or_else(idle)
}

struct Judge<'a> {
    case: &'a RecipientCase<'a>,
    candidates: &'a Candidates,
    selection: &'a Selection,
    usage: Usage,
    trace: Vec<TraceStep>,
}

impl Judge<'_> {
    fn ruling(&mut self) -> Ruling {
        let refusal = self.out_of_force().or_else(|| {
            self.note_expiry();
            self.blocked()
        });
        refusal.unwrap_or_else(|| match self.rule().action {
            Action::Forward | Action::Create => self.forward(),
            Action::Drop => Ruling::new(Disposition::Discard, format!("{} drops its mail.", self.name())),
            Action::Reject => {
                let reply = replies::owners_words(self.rule().reject_text.as_deref());
                refusal_of(reply, format!("{} {REFUSES}", self.name()))
            }
        })
    }

    fn rule(&self) -> &Rule {
        &self.selection.rule
    }

    fn levels(&self) -> Levels<'_> {
        Levels {
            instance: &self.case.facts.instance_senders,
            domain: &self.candidates.domain.senders,
            alias: &self.selection.rule.senders,
        }
    }

    fn name(&self) -> String {
        super::RuleRef::of(self.rule(), &self.candidates.domain.name).pattern
    }

    fn out_of_force(&mut self) -> Option<Ruling> {
        if !self.rule().enabled {
            return Some(Ruling::reject(replies::unknown(), format!("{} {SWITCHED_OFF}", self.name())));
        }
        let rule = self.rule();
        let how = ended((rule.expiry, rule.created_at), self.usage, self.case.facts.now)?.in_words();
        let reason = format!("{} {how}.", self.name());
        self.trace.push(TraceStep::new("expiry", "ended", how));
        Some(match self.rule().after {
            After::Refuse | After::Delete => Ruling::reject(replies::unknown(), reason),
            After::Reject => refusal_of(replies::owners_words(self.rule().reject_text.as_deref()), reason),
            After::Drop => Ruling::new(Disposition::Discard, reason),
        })
    }

    /// How far a rule is from its end, where it has one.
    fn note_expiry(&mut self) {
        let (expiry, usage) = (&self.rule().expiry, self.usage);
        let silent = || silence(self.rule().created_at, usage, self.case.facts.now);
        let steps = [
            expiry.at.map(|at| format!("until {}", at.in_words())),
            expiry.messages.map(|most| format!("{} of {most} messages", usage.messages)),
            expiry
                .idle
                .map(|most| format!("no mail for {}; it ends after {} without any", stretch(silent()), stretch(most))),
        ];
        let steps = steps.map(|detail| detail.map(|detail| TraceStep::new("expiry", "runs", detail)));
        self.trace.extend(steps.into_iter().flatten());
    }

    fn blocked(&mut self) -> Option<Ruling> {
        let block = self.levels().block_of(self.case.reverse_path, None)?;
        let entry = format!("{} ({})", block.entry.0, block.level);
        let reason = entries::keeps_out(&entry, block.named.as_str());
        self.trace.push(TraceStep::new(block.named.as_str(), "blocked", entry));
        Some(Ruling::reject(replies::unknown(), reason))
    }

    fn over_quota(&mut self) -> Option<Ruling> {
        let quota = self.rule().quota?;
        let detail = format!("{} of {quota} messages in the last 24 h", self.usage.last_day);
        if self.usage.last_day >= quota {
            let reason = format!("{} has had {detail}.", self.name());
            self.trace.push(TraceStep::new("quota", "used up", detail));
            return Some(Ruling::defer(replies::over_quota(), reason));
        }
        self.trace.push(TraceStep::new("quota", "below", detail));
        None
    }

    /// What is left is on its way already. Some of it may yet be given up, so that this one is asked to come again.
    fn promised(&mut self) -> Option<Ruling> {
        let rule = self.rule();
        let left = [
            rule.quota.map(|quota| quota.saturating_sub(self.usage.last_day)),
            rule.expiry.messages.map(|most| most.saturating_sub(self.usage.messages)),
        ];
        let left = left.into_iter().flatten().min()?;
        if self.usage.pledged < left {
            return None;
        }
        let detail = format!("takes {left} more, and {} are on their way", self.usage.pledged);
        let reason = format!("{} {detail}.", self.name());
        self.trace.push(TraceStep::new("quota", "promised", detail));
        Some(Ruling::defer(replies::over_quota(), reason))
    }

    fn forward(&mut self) -> Ruling {
        if let Some(ruling) = self.over_quota().or_else(|| self.promised()) {
            return ruling;
        }
        legs(self.case, &self.candidates.domain, self.selection, &mut self.trace)
    }
}

/// `30 days`, `a day and 5 hours`: in no more than two units.
#[must_use]
pub fn stretch(time: Duration) -> String {
    let told = |count: u64, one: &str, several: &str| match count {
        0 => None,
        1 => Some(one.to_owned()),
        count => Some(format!("{count} {several}")),
    };
    let minutes = time.as_secs() / 60;
    let days = told(minutes / 1440, "a day", "days");
    let parts = [days, told(minutes / 60 % 24, "an hour", "hours"), told(minutes % 60, "a minute", "minutes")];
    let parts: Vec<_> = parts.into_iter().flatten().take(2).collect();
    if parts.is_empty() { "less than a minute".to_owned() } else { parts.join(" and ") }
}

/// A refusal of the owner's, which may be one for now.
fn refusal_of(reply: crate::smtp::reply::Reply, reason: String) -> Ruling {
    if reply.is_transient() { Ruling::defer(reply, reason) } else { Ruling::reject(reply, reason) }
}
