//! One message told: the headline, and what happened in order, each in a sentence that says who did what.

use crate::mail::{Moment, span_in_words, told_in_unicode};
use crate::policy::left_out;
use crate::policy::no_way::{ITS_DOMAIN, NoWay};
use crate::policy::redirected;
use crate::policy::status::{Status, TraceStep, is_cancelled_by_hand};
use crate::policy::verdict::is_reply;
use crate::store::activity::{Attempt, BOUNCED, DsnNote, Row};

use super::forms;
use super::look::{self, Look};
use super::own_words;
use super::step_words;
use super::text::{self, When};

/// How an attempt begins that ended before anything was sent.
const NOT_OFFERED: &str = "not offered: ";

/// One thing that happened.
pub(super) struct Happening {
    pub(super) look: Look,
    pub(super) words: String,
    pub(super) at: Option<When>,
    pub(super) reply: Option<String>,
}

/// What became of it, in one sentence without its end.
pub(super) fn headline(row: &Row, now: Moment) -> String {
    if let Some(words) = own_words::headline(row, now) {
        return words;
    }
    let to = row.destination.as_deref().map_or_else(|| "its destination".to_owned(), text::short_address);
    match row.status {
        Status::Forwarded if row.bounced_at.is_some() => format!("Forwarded to {to}, and sent back from there"),
        Status::Forwarded => format!("Forwarded to {to}{}", at_which_try(row)),
        Status::Queued if is_being_tried(row) => format!("Being tried now, to {to}"),
        Status::Queued if row.attempts.is_empty() => format!("Waits for its first try to {to}"),
        Status::Queued => format!("Waits for its next try to {to}"),
        Status::Deferred => format!("{} {}{}", next_hop(row), put_off(row), next_try(row, now)),
        Status::Held => "On hold until it is released".to_owned(),
        Status::Refused if row.attempts.last().is_some_and(spoke) => {
            format!("{} refused it, and the sender was told at once", next_hop(row))
        }
        Status::Refused => "Refused: the sender was told so at once".to_owned(),
        Status::RefusedTemporarily => "Refused for now: the sender will try again".to_owned(),
        Status::Dropped => format!("Dropped, as {} says", rule(row)),
        Status::Failed => failed(row),
        Status::Expired => format!("Given up after {}", tries(row.attempts.len())),
        Status::Cancelled if is_cancelled_by_hand(&row.reason) => "Cancelled by hand".to_owned(),
        Status::Cancelled => "No longer in the queue".to_owned(),
        Status::Abandoned => "The sender hung up before the message was sent on".to_owned(),
        Status::Duplicate => "A repeat of a message that had arrived: not sent twice".to_owned(),
        Status::Consumed => "A report came back about mail that was forwarded".to_owned(),
    }
}

/// Who refused it, where anybody was asked.
fn failed(row: &Row) -> String {
    let why = no_way(row).map(|why| format!("Not sent on: {why}"));
    why.unwrap_or_else(|| format!("{} refused it", next_hop(row)))
}

/// Why what ended could go to no server, where none was asked at the last try.
pub(super) fn no_way(row: &Row) -> Option<String> {
    let last = row.attempts.last().filter(|_| matches!(row.status, Status::Failed | Status::Refused))?;
    not_reached(row, last).filter(|_| last.outcome == "refused")
}

/// Why no server was asked at that try, where none was; the domain of the inbox by its name.
fn not_reached(row: &Row, attempt: &Attempt) -> Option<String> {
    let is_called = attempt.ip.is_some() && NoWay::of(&attempt.reply).is_none();
    if is_called || attempt.outcome == BOUNCED || spoke(attempt) {
        return None;
    }
    let why = text::visible(attempt.reply.trim_end_matches('.'));
    let domain = led_at(row, attempt.at).and_then(|to| to.rsplit_once('@')).map(|(_, domain)| text::ours(domain));
    Some(domain.map_or_else(|| why.clone(), |domain| why.replacen(ITS_DOMAIN, &format!("the domain {domain}"), 1)))
}

/// That many of a kind are counted on one row.
pub(super) fn many(row: &Row) -> Option<String> {
    let words = "of one hour from the same network are counted here. What follows below is about the first of them.";
    (row.count > 1).then(|| format!("{} {words}", row.count))
}

/// Why it waits, in a sentence that leaves to the next hop its own words, which stand beside.
pub(super) fn why(row: &Row) -> String {
    match (row.status, row.attempts.last()) {
        (Status::Deferred, Some(last)) if spoke(last) || row.reason == last.reply => put_off_by(&next_hop(row), last),
        (Status::Failed, Some(last)) if spoke(last) => format!("{} refused it.", next_hop(row)),
        (_, Some(last)) if spoke(last) => {
            let ours = row.reason.strip_suffix(&last.reply).map(|ours| ours.trim_end_matches([' ', ':']));
            forms::sentence(&text::visible(ours.unwrap_or(&row.reason)))
        }
        _ => forms::sentence(&text::visible(&row.reason)),
    }
}

/// Whether these words say all that is known of the last try: where nobody answered, ours do.
pub(super) fn tells(words: &str, last: &Attempt) -> bool {
    let said = last.reply.strip_prefix(NOT_OFFERED).unwrap_or(&last.reply);
    !spoke(last) && words.contains(&text::visible(said))
}

/// What a next hop did that did not take it; where it said nothing, why that was so.
fn put_off_by(host: &str, last: &Attempt) -> String {
    match last.reply.as_str() {
        _ if spoke(last) => format!("{host} {}.", later(last)),
        "" => format!("{host} could not take it yet."),
        why => format!("{host} could not take it yet: {}.", text::visible(why).trim_end_matches('.')),
    }
}

/// How long it took, or, where the first try did not do, which one did and how late it began.
pub(super) fn at_which_try(row: &Row) -> String {
    match row.attempts.as_slice() {
        [] => String::new(),
        [only] => only.ended_at.map(|end| took(row.received_at, end)).unwrap_or_default(),
        [.., last] => {
            let waited = span_in_words(last.at.since(row.received_at));
            format!(" at the {} try, {waited} after it came", ordinal(row.attempts.len()))
        }
    }
}

/// ` in 0.8 s`.
fn took(from: Moment, to: Moment) -> String {
    format!(" in {}", span_in_words(to.since(from)))
}

fn ordinal(n: usize) -> String {
    match (n % 10, n % 100) {
        (2, 2) if n < 10 => "second".to_owned(),
        (3, 3) if n < 10 => "third".to_owned(),
        (1, tens) if tens != 11 => format!("{n}st"),
        (2, tens) if tens != 12 => format!("{n}nd"),
        (3, tens) if tens != 13 => format!("{n}rd"),
        _ => format!("{n}th"),
    }
}

pub(super) fn tries(n: usize) -> String {
    if n == 1 { "one try".to_owned() } else { format!("{n} tries") }
}

/// What waits and has no next try is at it.
pub(super) const fn is_being_tried(row: &Row) -> bool {
    row.status.waits() && row.next_attempt_at.is_none()
}

pub(super) fn next_try(row: &Row, now: Moment) -> String {
    if is_being_tried(row) {
        return "; it is being tried now".to_owned();
    }
    row.next_attempt_at.map(|at| format!("; next try {}", text::ahead(at, now))).unwrap_or_default()
}

pub(super) fn put_off(row: &Row) -> &'static str {
    row.attempts.last().filter(|attempt| spoke(attempt)).map_or("could not take it yet", later)
}

fn rule(row: &Row) -> String {
    row.rule.as_ref().map_or_else(|| "your rule".to_owned(), |rule| text::ours(&rule.pattern))
}

/// Who was talked to last: the host by its name, else the destination's domain.
pub(super) fn next_hop(row: &Row) -> String {
    let host = row.attempts.last().and_then(|attempt| attempt.mx.as_deref());
    let domain = || row.destination.as_deref().and_then(|to| to.rsplit_once('@')).map(|(_, domain)| domain);
    host.or_else(domain).map_or_else(|| "The next hop".to_owned(), text::visible)
}

/// What happened, in order.
pub(super) fn happenings(row: &Row, now: Moment) -> Vec<Happening> {
    let mut told =
        if row.own.is_some() { vec![own_words::written(row, now)] } else { vec![received(row, now), decided(row)] };
    told.extend(left_out(row));
    told.extend(not_asked(row));
    told.extend(on_the_way(row, now));
    told.extend(next(row, now));
    told.extend(row.dsn.iter().filter(|dsn| dsn.written_at().is_none()).map(|dsn| reported(dsn, now)));
    if let Some(at) = row.bounced_at.filter(|_| row.attempts.iter().all(|attempt| attempt.outcome != BOUNCED)) {
        let words = "A report came back: it was not delivered in the end.".to_owned();
        told.push(Happening { look: look::FAILED, words, at: Some(When::new(at, now)), reply: None });
    }
    told
}

/// What was tried, where people sent it meanwhile, and when its sender was told.
fn on_the_way(row: &Row, now: Moment) -> impl Iterator<Item = Happening> {
    let tried = row.attempts.iter().map(|attempt| (attempt.at, tried_or_sent_back(row, attempt, now)));
    let sent = row.trace.iter().filter_map(redirected::read).map(|(done, at)| (at, sent_elsewhere((done, at), now)));
    let told = row.dsn.iter().filter_map(|dsn| Some((dsn.written_at()?, reported(dsn, now))));
    let mut all: Vec<_> = tried.chain(sent).chain(told).collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, happening)| happening)
}

fn sent_elsewhere((done, at): (&str, Moment), now: Moment) -> Happening {
    let words = format!("Sent {}.", text::visible(&told_in_unicode(&redirected::told(done))));
    Happening { look: look::DONE, words, at: Some(When::new(at, now)), reply: None }
}

/// The report to the sender, which has no row of its own.
fn reported(dsn: &DsnNote, now: Moment) -> Happening {
    let look = if dsn.is_waiting() { look::WAITING } else { look::ENDED };
    let words = match dsn.dsn.as_str() {
        _ if dsn.is_waiting() => {
            format!("A report for its sender is {}.", text::visible(dsn.why.trim_end_matches('.')))
        }
        "sent" if dsn.is_taken() => "The sender was told by a report, which their server took.".to_owned(),
        "sent" => "The sender was told by a report.".to_owned(),
        _ => format!("No report went to the sender: {}", text::visible(&dsn.why)),
    };
    let at = dsn.written_at().map(|at| When::new(at, now));
    Happening { look, words, at, reply: None }
}

/// What the server of somebody who is to get a report did at the last try, in a sentence.
pub(super) fn answered(last: &Attempt) -> String {
    put_off_by(&last.mx.as_deref().map_or_else(|| "The sender's server".to_owned(), text::visible), last)
}

fn next(row: &Row, now: Moment) -> Option<Happening> {
    if row.status == Status::Held {
        let words = "It is on hold, and goes on when it is released.".to_owned();
        return Some(Happening { look: look::HELD, words, at: None, reply: None });
    }
    if is_being_tried(row) {
        let words = "It is being tried now.".to_owned();
        return Some(Happening { look: look::WAITING, words, at: None, reply: None });
    }
    let at = row.next_attempt_at.filter(|_| !row.status.is_terminal())?;
    let words = format!("The next try is {}.", text::ahead(at, now));
    Some(Happening { look: look::WAITING, words, at: Some(When::new(at, now)), reply: None })
}

fn received(row: &Row, now: Moment) -> Happening {
    let client = &row.client;
    let name = client.name.as_deref().map(|name| format!(" ({})", text::visible(name))).unwrap_or_default();
    let tls =
        client.tls.as_ref().map_or("without TLS".to_owned(), |tls| format!("over {}", text::visible(&tls.version)));
    let words = format!("{}{name} connected {tls} and called itself {}.", client.ip, text::visible(&client.helo));
    Happening { look: look::DONE, words, at: Some(When::new(row.received_at, now)), reply: None }
}

fn decided(row: &Row) -> Happening {
    let is_ours = matches!(row.status, Status::Refused | Status::RefusedTemporarily) && row.attempts.is_empty();
    let look = if is_ours || row.status == Status::Dropped { look::ENDED } else { look::DONE };
    let words = match &row.rule {
        Some(rule) => by_alias(row, &text::ours(&rule.pattern)),
        None => without_alias(row).to_owned(),
    };
    Happening { look, words, at: None, reply: None }
}

/// What an alias did with it.
fn by_alias(row: &Row, name: &str) -> String {
    if let Some(policy) = refused_by(row) {
        let check = text::visible(step_words::check(policy));
        return format!("The check “{check}”, which counts for {name}, refused it.");
    }
    match (row.status, led_to(row)) {
        (Status::Dropped, _) => format!("It came for the alias {name}, which throws it away."),
        (Status::Refused, _) if row.attempts.is_empty() => format!("It came for the alias {name}, and was refused."),
        (Status::RefusedTemporarily, _) if row.attempts.is_empty() => {
            format!("It came for the alias {name}, and was put off.")
        }
        (_, Some(to)) => format!("It came for the alias {name}, which leads to {}.", text::ours(to)),
        (_, None) => format!("It came for the alias {name}."),
    }
}

/// Where the alias leads, wherever people have sent it since.
fn led_to(row: &Row) -> Option<&str> {
    let of_alias = row.trace.iter().find_map(redirected::read_from);
    of_alias.or(row.destination.as_deref())
}

/// Where it led at that time, wherever people have sent it since.
fn led_at(row: &Row, at: Moment) -> Option<&str> {
    let since = |step: &&TraceStep| redirected::read(step).is_some_and(|(_, sent)| sent > at);
    match row.trace.iter().find(since) {
        Some(sent) => redirected::read_from(sent),
        None => row.destination.as_deref(),
    }
}

/// Why it has to do with no alias.
fn without_alias(row: &Row) -> &'static str {
    if row.status == Status::Consumed {
        return "It came to a return address of this gateway, and to no alias.";
    }
    if row.trace.iter().any(|step| step.step == "role address") {
        return "It came to postmaster or abuse, which need no alias.";
    }
    if row.recipient.is_empty() {
        return "It was turned away before it named a recipient.";
    }
    "No alias takes mail for this address."
}

/// Whom the alias leads to beside this row's inbox, and who has no row.
fn left_out(row: &Row) -> Vec<Happening> {
    let told = left_out::read(&row.trace).filter(|_| row.destination.is_some() && row.own.is_none());
    let told = told.map(|left| (text::ours(left.who), text::visible(&told_in_unicode(left.why))));
    let told = told.map(|(who, why)| format!("It did not go to {who}: {why}."));
    told.map(|words| Happening { look: look::ENDED, words, at: None, reply: None }).collect()
}

/// Why the next hop of a refused message was not asked.
fn not_asked(row: &Row) -> Option<Happening> {
    let is_failing = |step: &TraceStep| step.step == "destination" && step.verdict == "failing";
    let is_refused = row.status == Status::Refused && row.attempts.is_empty();
    let words = text::visible(&row.trace.iter().find(|step| is_refused && is_failing(step))?.detail);
    Some(Happening { look: look::ENDED, words, at: None, reply: None })
}

/// The policy that refused it, for good or for now.
pub(super) fn refused_by(row: &Row) -> Option<&str> {
    let is_refused = matches!(row.status, Status::Refused | Status::RefusedTemporarily);
    let step = row.trace.iter().rfind(|step| is_refused && step.step == "policy")?;
    Some(&step.detail)
}

fn tried_or_sent_back(row: &Row, attempt: &Attempt, now: Moment) -> Happening {
    match not_reached(row, attempt) {
        _ if attempt.outcome == BOUNCED => sent_back(attempt, now),
        Some(why) => in_vain(attempt, &why, now),
        None => tried(attempt, now),
    }
}

/// A try that ended before there was any server to ask.
fn in_vain(attempt: &Attempt, why: &str, now: Moment) -> Happening {
    let look = if attempt.outcome == "refused" { look::FAILED } else { look::WAITING };
    let words = format!("No server was asked: {why}.");
    Happening { look, words, at: Some(When::new(attempt.at, now)), reply: None }
}

fn sent_back(attempt: &Attempt, now: Moment) -> Happening {
    let host = attempt.mx.as_deref().map_or_else(|| "Its next system".to_owned(), text::visible);
    let words = format!("{host} reported that it was not delivered in the end.");
    let reply = Some(text::visible_lines(&attempt.reply));
    Happening { look: look::FAILED, words, at: Some(When::new(attempt.at, now)), reply }
}

fn tried(attempt: &Attempt, now: Moment) -> Happening {
    let (look, verb) = match attempt.outcome.as_str() {
        "delivered" => (look::DONE, "took it"),
        "refused" => (look::FAILED, "refused it"),
        "deferred" if spoke(attempt) => (look::WAITING, later(attempt)),
        "deferred" => (look::WAITING, "could not take it"),
        _ => (look::WAITING, "may have taken it: the connection was lost before its answer"),
    };
    let host = attempt.mx.as_deref().map_or_else(|| "The next hop".to_owned(), text::visible);
    let ip = attempt.ip.map(|ip| format!(" ({ip})")).unwrap_or_default();
    let note = attempt.note.as_deref().map(|note| format!(" {}.", text::visible(note))).unwrap_or_default();
    let ended = attempt.ended_at.filter(|_| look != look::WAITING);
    let after = ended.map(|end| took(attempt.at, end)).unwrap_or_default();
    let words = format!("{host}{ip} {verb}{after}, {}.{note}", leg(attempt));
    let reply = Some(text::visible_lines(&attempt.reply)).filter(|reply| !reply.is_empty());
    Happening { look, words, at: Some(When::new(attempt.at, now)), reply }
}

/// A 5yz that is about this server, and not about the mail, is asked for again.
fn later(attempt: &Attempt) -> &'static str {
    if attempt.reply.starts_with('5') { "refuses this server, and is asked again" } else { "asked to try later" }
}

/// Whether the words are the remote's own.
pub(super) fn spoke(attempt: &Attempt) -> bool {
    is_reply(&attempt.reply)
}

fn leg(attempt: &Attempt) -> String {
    match &attempt.tls {
        None => "without TLS".to_owned(),
        Some(tls) => {
            let verified = if tls.verified == Some(true) { ", its certificate verified" } else { "" };
            format!("over {}{verified}", text::visible(&tls.version))
        }
    }
}

/// Whether what was handed over is what came, octet by octet.
pub(super) fn octets(row: &Row) -> &'static str {
    match (row.sha256_received, row.sha256_sent) {
        (Some(received), Some(sent)) if received == sent => "Octets identical: what was handed over is what came in.",
        (Some(_), Some(_)) => "A missing line end was added; everything else is as it came in.",
        (Some(_), None) => "Not handed over.",
        (None, _) => "Never received.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_counted_in_words() {
        let told: Vec<_> = [2, 3, 4, 11, 21, 22, 113].map(ordinal).to_vec();
        assert_eq!(told, ["second", "third", "4th", "11th", "21st", "22nd", "113th"]);
        assert_eq!(tries(1), "one try");
    }
}
