//! Which rule a recipient selects, and where its mail goes (DESIGN section 5).
//!
//! Order: exact local part; exact without the sub-address tag (longest left part first); patterns by priority, then id;
//! catch-all. The recipient alone selects *one* rule; its state and conditions act inside it and never fall through.

use std::sync::Arc;

use super::facts::Candidates;
use super::rule::Rule;
use super::status::TraceStep;
use crate::mail::Mailbox;

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

/// Separator of sub-address tags.
pub const TAG_SEPARATOR: char = '+';

/// The folded local parts to ask the directory for: the full one, then without tags, longest left part first. At most 8.
#[must_use]
pub fn lookup_keys(recipient: &Mailbox, subaddressing: bool) -> Vec<String> {
    let _ = (recipient, subaddressing);
    todo!("policy")
}

/// Selects the rule, and says why the others did not match.
#[must_use]
pub fn select(recipient: &Mailbox, candidates: &Candidates, trace: &mut Vec<TraceStep>) -> Option<Selection> {
    let _ = (recipient, candidates, trace);
    todo!("policy")
}
