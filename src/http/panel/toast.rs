//! What was just done, told on the page that follows, with a button that takes it back. The words come from the audit log:
//! what [`told`] carries can name what was done, and say nothing else.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;

use crate::admin::shapes::AuditShape;
use crate::admin::{Actor, AdminError};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::told_in_unicode;
use crate::store::accounts::AuditSpan;

use super::changed;
use super::forms::Filled;
use super::frame;
use super::role_words;
use super::settings::audit_words;
use super::sign_in::local;
use super::text;
use super::told;

/// How the lists of senders begin where a change of them is told.
const LISTS: [&str; 2] = ["Kept out:", "Let in:"];

/// What was just done.
pub(super) struct Toast {
    pub(super) words: String,
    /// Something is still to be done.
    pub(super) waits: bool,
    /// The entries of the audit log that Undo takes back.
    pub(super) undo: Option<String>,
    /// The page that it stands on.
    pub(super) back: String,
}

impl Toast {
    /// Words alone.
    pub(super) const fn words(words: String, waits: bool) -> Self {
        Self { words, waits, undo: None, back: String::new() }
    }

    /// What is said to have been done: `undo=12-15`, or `undone=2&left=1`.
    pub(super) async fn of(site: &Site, actor: &Actor, (ask, back): (&Ask, String)) -> Option<Self> {
        if let Some(back) = number(ask, "undone") {
            let count = |key| number(ask, key).unwrap_or(0);
            return Some(Self::words(taken_back(back, count("left"), count("anew")), false));
        }
        let span = parse(ask.get("undo")?)?;
        let entries = site.admin.done_in(actor, span).await.ok()?;
        let done = text::visible(&told_in_unicode(&told(&entries)?));
        let (words, waits) = changed::said(site, actor, (&entries, done)).await;
        Some(Self { words, waits, undo: Some(written(span)), back })
    }
}

/// The page `to`, told what was done there.
pub(super) fn noted(to: &str, span: Option<AuditSpan>) -> Response {
    let to = local(to);
    match span {
        Some(span) => told::go(to, &[("undo", &written(span))]),
        None => Redirect::to(to).into_response(),
    }
}

/// `POST /undo`.
pub(super) async fn undo(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let Some(span) = parse(filled.get("entries")) else {
        return frame::failed(&AdminError::NotFound("There is no such change to take back.".to_owned()));
    };
    match site.admin.undo_span(&actor, span).await {
        Ok(undone) => {
            let (back, left) = (undone.back.to_string(), undone.left.to_string());
            let mut words = vec![("undone", &*back), ("left", &*left)];
            let anew = undone.anew.to_string();
            words.extend((undone.anew > 0).then_some(("anew", &*anew)));
            told::go(local(filled.get("back")), &words)
        }
        Err(error) => frame::failed(&error),
    }
}

pub(super) fn written(span: AuditSpan) -> String {
    format!("{}-{}", span.first, span.last)
}

fn parse(text: &str) -> Option<AuditSpan> {
    let (first, last) = text.split_once('-')?;
    Some(AuditSpan { first: first.parse().ok()?, last: last.parse().ok()? })
}

fn number(ask: &Ask, key: &str) -> Option<usize> {
    ask.get(key)?.parse().ok()
}

/// What is there again as another alias than it was: the log knows it by its address alone.
pub(super) const ANEW: &str = "It is there again as a new alias, for it was removed before this gateway kept what ties an \
    alias to its past: its counts begin anew, and so do its log and its senders, but for mail to its address.";

fn taken_back(back: usize, left: usize, anew: usize) -> String {
    let words = as_before(back, left);
    match (anew, back) {
        (0, _) => words,
        (_, 1) => ANEW.to_owned(),
        (anew, _) => format!("{words} Of {anew} the counts begin anew, and the log has them by their addresses alone."),
    }
}

fn as_before(back: usize, left: usize) -> String {
    match (back, left) {
        (0, _) => "Nothing was taken back: it was changed again since.".to_owned(),
        (1, 0) => "It is as it was.".to_owned(),
        (n, 0) => format!("{n} aliases are as they were."),
        (1, 1) => "One alias is as it was; one was changed again since, and is left as it is.".to_owned(),
        (1, left) => format!("One alias is as it was; {left} were changed again since, and are left as they are."),
        (n, 1) => format!("{n} aliases are as they were; one was changed again since, and is left as it is."),
        (n, left) => {
            format!("{n} aliases are as they were; {left} were changed again since, and are left as they are.")
        }
    }
}

/// What these entries did, in a sentence.
fn told(entries: &[AuditShape]) -> Option<String> {
    let first = entries.first()?;
    let alike = entries.iter().all(|entry| entry.action == first.action);
    if entries.len() == 1 {
        return Some(one(first));
    }
    let what = match first.action.as_str() {
        "alias.enable" if alike => "switched on",
        "alias.disable" if alike => "switched off",
        "alias.remove" if alike => "removed",
        "alias.create" if alike => "made",
        _ => "changed",
    };
    let then =
        if what == "removed" { ": mail to them is refused, unless a pattern or the catch-all takes it" } else { "" };
    Some(format!("{} aliases are {what}{then}.", entries.len()))
}

fn one(entry: &AuditShape) -> String {
    let name = &entry.object;
    match entry.action.as_str() {
        "alias.enable" => format!("{name} is on: its mail is sent on again."),
        "alias.disable" => format!("{name} is off: its mail is refused as if there were no such address."),
        "alias.remove" => {
            format!("{name} is removed: its mail is refused, unless a pattern or the catch-all takes it.")
        }
        "alias.create" => match entry.after.as_ref().and_then(|after| after.get("action")?.as_str()) {
            Some("reject") => format!("{name} is made: its mail is refused from now on."),
            _ => format!("{name} is made."),
        },
        _ => senders(entry).or_else(|| roles(entry)).unwrap_or_else(|| changed(entry)),
    }
}

/// What was changed, by the names of the fields.
fn changed(entry: &AuditShape) -> String {
    let lines = audit_words::fields(entry);
    let names: Vec<_> = lines.iter().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    let what = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    format!("{} is changed{what}.", entry.object)
}

/// What a change says of one sender, where it says that and nothing else.
fn senders(entry: &AuditShape) -> Option<String> {
    let (says, sender) = judged(entry)?;
    let name = called(&entry.object);
    Some(match says {
        Says::Block => format!("Mail from {sender} to {name} is refused from now on."),
        Says::Allow => format!(
            "Mail from {sender} to {name} is let in from now on: no block of this alias or its domain keeps it out. What a \
             policy refuses comes in only where it proves who sent it."
        ),
        Says::Nothing => {
            let name = name.strip_prefix("the ").map_or_else(|| name.clone(), |rest| format!("The {rest}"));
            format!("{name} has {sender} on no list any more.")
        }
    })
}

/// What the lists of an alias say of somebody.
enum Says {
    Block,
    Allow,
    Nothing,
}

/// Of which one sender a change says what, where it changes nothing else.
fn judged(entry: &AuditShape) -> Option<(Says, String)> {
    let (before, after) = (&entry.before, &entry.after);
    let lists = [more("block", (before, after)), more("allow", (before, after))];
    let gone = [more("block", (after, before)), more("allow", (after, before))].concat();
    let named: BTreeSet<_> = lists.iter().flatten().chain(&gone).collect();
    let changed = audit_words::fields(entry);
    if named.len() != 1 || changed.iter().any(|line| !LISTS.iter().any(|list| line.starts_with(list))) {
        return None;
    }
    let [blocked, allowed] = lists.map(|list| list.into_iter().next());
    let blocked = blocked.map(|sender| (Says::Block, sender));
    let allowed = || allowed.map(|sender| (Says::Allow, sender));
    blocked.or_else(allowed).or_else(|| Some((Says::Nothing, gone.into_iter().next()?)))
}

/// Whom a change lets in, where it does nothing else.
pub(super) fn newly_let_in(entry: &AuditShape) -> Option<String> {
    judged(entry).and_then(|(says, sender)| matches!(says, Says::Allow).then_some(sender))
}

/// An alias within a sentence: the catch-all has no address of its own.
pub(super) fn called(name: &str) -> String {
    name.strip_prefix("*@").map_or_else(|| name.to_owned(), |domain| format!("the catch-all of {domain}"))
}

/// Whom a list names on the second side and not on the first.
fn more(key: &str, (from, to): (&Option<Value>, &Option<Value>)) -> Vec<String> {
    let list = |side: &Option<Value>| -> Vec<String> {
        let list = side.as_ref().and_then(|side| side.get(key)).cloned();
        list.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default()
    };
    let known = list(from);
    list(to).into_iter().filter(|one| !known.contains(one)).collect()
}

/// What a change says of somebody's role on one domain.
fn roles(entry: &AuditShape) -> Option<String> {
    let (name, turn) = (&entry.object, role_words::turns(entry)?.pop()?);
    Some(match turn.after {
        Some(role) => format!("{name} is {} of {} from now on.", role.as_str(), turn.domain),
        None => format!("{name} has no role on {} any more.", turn.domain),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_span_is_none() {
        assert_eq!(parse("3-5"), Some(AuditSpan { first: 3, last: 5 }));
        for text in ["", "3", "a-b", "3-", "99999999999999999999-1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn taking_back_says_how_much() {
        assert_eq!(taken_back(1, 0, 0), "It is as it was.");
        assert_eq!(
            taken_back(3, 1, 0),
            "3 aliases are as they were; one was changed again since, and is left as it is."
        );
        assert_eq!(taken_back(0, 2, 0), "Nothing was taken back: it was changed again since.");
        assert_eq!(taken_back(1, 0, 1), ANEW);
    }
}
