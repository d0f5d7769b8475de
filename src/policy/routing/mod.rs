//! Which rule a recipient selects, and where its mail goes (DESIGN section 5).
//!
//! Order: exact local part; exact without the sub-address tag (longest left part first); patterns by priority, then id,
//! against the full local part, then the tagless; catch-all. The recipient alone selects *one* rule; its state and
//! conditions act inside it and never fall through.
//!
//! How the pieces meet: `facts` asks [`select`] for each recipient, has `admission::recipient` decide, and follows
//! destinations on hosted domains with a [`Fanout`]. At the end of data `inbound` hands the accepted decisions of the
//! transaction to [`plan`], which gives one [`Planned`] for each inbox that gets a copy:
//!
//! ```text
//! let planned = routing::plan(&decisions, &message_facts, &settings);   // decisions: &[(recipient as written, Decision)]
//! for parcel in planned.chunk_by(Planned::shares_parcel) { … }          // neighbours may share one SMTP transaction
//! ```

mod fanout;
mod pattern;
mod plan;
mod template;

use std::sync::Arc;

use super::facts::Candidates;
use super::rule::Rule;
use super::status::TraceStep;
use crate::mail::{Mailbox, fold};

pub use fanout::{Fanout, MAX_DEPTH, MAX_FAN_OUT};
pub use pattern::{MAX_COMPILED_OCTETS, MAX_PATTERN_OCTETS, PatternError};
pub use plan::{Planned, plan};
pub use template::{TemplateError, check_template, expand, may_give};

/// Separator of sub-address tags.
pub const TAG_SEPARATOR: char = '+';
/// Local parts that are asked for one recipient: the full one and those without their last tags.
pub const MAX_LOOKUP_KEYS: usize = 8;
/// Patterns that the trace names one by one; the others are counted.
const MAX_TRACED_PATTERNS: usize = 10;

/// What a recipient selected.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The rule.
    pub rule: Arc<Rule>,
    /// `$0`, `$1`, … of a regular expression.
    pub captures: Vec<String>,
    /// The sub-address tag with its separator (`+news`), when the tagless local part matched.
    pub tag: Option<String>,
}

/// The folded local parts to ask the directory for: the full one, then without tags, longest left part first. At most
/// [`MAX_LOOKUP_KEYS`].
#[must_use]
pub fn lookup_keys(recipient: &Mailbox, subaddressing: bool) -> Vec<String> {
    left_parts(recipient.local().as_str(), subaddressing).map(fold).collect()
}

/// The local part without its tags: what an alias is named that is to get all of them.
#[must_use]
pub fn without_tags(local: &str, subaddressing: bool) -> &str {
    let mut shorter = local.match_indices(TAG_SEPARATOR).filter(|(at, _)| subaddressing && *at > 0);
    shorter.next().map_or(local, |(at, _)| &local[..at])
}

/// Selects the rule, and says why the others did not match.
#[must_use]
pub fn select(recipient: &Mailbox, candidates: &Candidates, trace: &mut Vec<TraceStep>) -> Option<Selection> {
    let mut search = Search { local: recipient.local().as_str(), candidates, trace };
    search.mirror();
    search.exact().or_else(|| search.pattern()).or_else(|| search.catch_all())
}

/// The exact alias for the full local part, and no other rule.
#[must_use]
pub fn explicit(recipient: &Mailbox, candidates: &Candidates) -> Option<Selection> {
    let named = |rule: &&Arc<Rule>| same_local(&rule.pattern, recipient.local().as_str());
    let rule = candidates.addresses.iter().find(named)?;
    Some(Selection { rule: Arc::clone(rule), captures: Vec::new(), tag: None })
}

/// The local part, then what is left of its tags, longest first.
fn left_parts(local: &str, subaddressing: bool) -> impl Iterator<Item = &str> {
    let tags = local.rmatch_indices(TAG_SEPARATOR).map(|(at, _)| &local[..at]);
    let tagless = tags.filter(move |left| subaddressing && !left.is_empty());
    std::iter::once(local).chain(tagless).take(MAX_LOOKUP_KEYS)
}

struct Search<'a> {
    local: &'a str,
    candidates: &'a Candidates,
    trace: &'a mut Vec<TraceStep>,
}

impl<'a> Search<'a> {
    fn left_parts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        left_parts(self.local, self.candidates.domain.subaddressing)
    }

    /// Whose rules these are, where the domain has none of its own.
    fn mirror(&mut self) {
        let domain = &self.candidates.domain;
        if let Some(original) = &domain.mirror_of {
            self.note("mirror", "followed", format!("{} has the aliases of {original}", domain.name));
        }
    }

    fn exact(&mut self) -> Option<Selection> {
        let rules = &self.candidates.addresses;
        let named = |left| rules.iter().find(|rule| same_local(&rule.pattern, left)).map(|rule| (rule, left));
        let Some((rule, left)) = self.left_parts().find_map(named) else {
            self.note("alias", "no match", format!("no alias is named {}", self.names()));
            return None;
        };
        self.note("alias", "matched", self.with_tag(self.pattern_of(rule), left));
        Some(self.selected(rule, Vec::new(), left))
    }

    fn pattern(&mut self) -> Option<Selection> {
        let mut missed = 0;
        for left in self.left_parts() {
            for pattern in self.candidates.patterns.iter() {
                if let Some(captures) = pattern.matcher.captures(left) {
                    self.count_missed(missed);
                    self.note("pattern", "matched", self.with_tag(self.in_order(&pattern.rule), left));
                    return Some(self.selected(&pattern.rule, captures, left));
                }
                missed += 1;
                if missed <= MAX_TRACED_PATTERNS {
                    self.note("pattern", "no match", self.with_tag(self.in_order(&pattern.rule), left));
                }
            }
        }
        self.count_missed(missed);
        None
    }

    fn catch_all(&mut self) -> Option<Selection> {
        let Some(rule) = &self.candidates.catch_all else {
            self.note("catch-all", "none", format!("{} has no catch-all", self.candidates.domain.name));
            return None;
        };
        self.note("catch-all", "matched", self.pattern_of(rule));
        Some(self.selected(rule, Vec::new(), self.local))
    }

    fn selected(&self, rule: &Arc<Rule>, captures: Vec<String>, left: &str) -> Selection {
        let tag = &self.local[left.len()..];
        Selection { rule: Arc::clone(rule), captures, tag: (!tag.is_empty()).then(|| tag.to_owned()) }
    }

    fn note(&mut self, step: &'static str, verdict: &'static str, detail: String) {
        self.trace.push(TraceStep::new(step, verdict, detail));
    }

    fn count_missed(&mut self, missed: usize) {
        if let Some(more) = missed.checked_sub(MAX_TRACED_PATTERNS).filter(|more| *more > 0) {
            self.note("pattern", "no match", format!("{more} more tries of patterns"));
        }
    }

    /// `shop+x@my.domain or shop@my.domain`.
    fn names(&self) -> String {
        let name = &self.candidates.domain.name;
        self.left_parts().map(|left| format!("{left}@{name}")).collect::<Vec<_>>().join(" or ")
    }

    fn pattern_of(&self, rule: &Rule) -> String {
        super::status::RuleRef::of(rule, &self.candidates.domain.name).pattern
    }

    fn in_order(&self, rule: &Rule) -> String {
        format!("{}, priority {}", self.pattern_of(rule), rule.priority)
    }

    fn with_tag(&self, detail: String, left: &str) -> String {
        let tag = &self.local[left.len()..];
        if tag.is_empty() { detail } else { format!("{detail}, asked without the tag {tag}") }
    }
}

/// Whether the pattern of an exact alias names this local part.
fn same_local(pattern: &str, local: &str) -> bool {
    if pattern.is_ascii() && local.is_ascii() {
        return pattern.eq_ignore_ascii_case(local);
    }
    fold(pattern) == fold(local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples::mailbox;

    #[test]
    fn keys_are_folded_longest_first_and_bounded() {
        let keys = |address, subaddressing| lookup_keys(&mailbox(address), subaddressing);
        assert_eq!(keys("Shop+A+B@my.domain", true), ["shop+a+b", "shop+a", "shop"]);
        assert_eq!(keys("Shop+A+B@my.domain", false), ["shop+a+b"]);
        assert_eq!(keys("++x@my.domain", true), ["++x", "+"]);
        assert_eq!(keys("a+b+c+d+e+f+g+h+i+j@my.domain", true).len(), MAX_LOOKUP_KEYS);
    }

    #[test]
    fn the_name_without_tags_is_the_shortest_that_is_looked_up() {
        for local in ["shop", "shop+a+b", "+x", "++x"] {
            let keys = lookup_keys(&mailbox(&format!("{local}@my.domain")), true);
            assert_eq!(keys.last().map(String::as_str), Some(without_tags(local, true)));
            assert_eq!(without_tags(local, false), local);
        }
    }

    #[test]
    fn beyond_ascii_the_normal_form_is_compared_and_nothing_more() {
        assert!(same_local("M\u{FC}ller", "mu\u{308}ller"));
        assert!(!same_local("m\u{FC}ller", "M\u{DC}LLER"));
        assert!(!same_local("shop", "\u{17F}hop"));
    }
}
