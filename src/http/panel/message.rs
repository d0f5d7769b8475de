//! `/activity/{id}`: the story of one message, and what can be done about it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::admin::{Actor, AdminError, QueueAction, QueuePowers};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::Moment;
use crate::policy::admission::{NOT_CHECKED, kept_out_then};
use crate::policy::rule::{Kind, Privacy};
use crate::policy::status::Status;
use crate::store::activity::Row;
use crate::store::queue::Entry;

use super::activity::Line;
use super::alias_senders::{self, Judge};
use super::author::Told;
use super::envelopes::Compared;
use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::kept::{self, Kept, Moved};
use super::look::{self, Look};
use super::next_step::NextStep;
use super::remedy::{Octets, Remedy};
use super::step_words::{self, Step};
use super::story::{self, Happening};
use super::text::{self, When};
use super::toast::Toast;
use super::told;

/// A button.
struct Button {
    name: &'static str,
    word: &'static str,
    primary: bool,
    danger: bool,
}

#[derive(Template)]
#[template(path = "message.html", config = "web/askama.toml")]
struct MessagePage {
    frame: Frame,
    done: Option<&'static str>,
    /// Where the page is asked for again while any of its deliveries is under way.
    again: Option<String>,
    toast: Option<Toast>,
    judge: Option<Judge>,
    back: String,
    id: String,
    look: Look,
    headline: String,
    /// That its row stands for many.
    many: Option<String>,
    /// Why; where it names another message, what stands before that one's id, the id, and what stands after it.
    reason: (String, Option<String>, String),
    actions: Vec<Button>,
    /// What is lost with the last of them.
    lost: String,
    kept: Option<Kept>,
    remedy: Option<Remedy>,
    next: Option<NextStep>,
    siblings: Vec<Line>,
    facts: Facts,
}

impl MessagePage {
    /// Whether another inbox is what helps: the field for it then stands on top.
    fn goes_elsewhere(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.is_the_way)
    }
}

/// What a row says of itself.
struct Facts {
    /// The gateway itself wrote it.
    is_own: bool,
    from: Told,
    recipient: String,
    to_href: String,
    destination: Option<String>,
    /// The message was sent after its envelope: it has a subject, and a size.
    came: bool,
    /// The subject, or why there is none to read.
    subject: Result<String, &'static str>,
    at: When,
    size: String,
    events: Vec<Happening>,
    envelope: Compared,
    checks: Vec<(&'static str, String)>,
    octets: &'static str,
    hashes: Vec<(&'static str, String)>,
    steps: Vec<Step>,
    technical: Vec<(&'static str, String)>,
}

/// `GET /activity/{id of a row or transaction}`.
pub(super) async fn page(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    ask: Ask,
) -> Response {
    frame::answer(None, build(&site, &actor, &id, &ask).await)
}

/// `POST /activity/{id}/retry|hold|release|cancel|resend`.
pub(super) async fn act(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path((id, word)): Path<(String, String)>,
    filled: Filled,
) -> Response {
    let to = Some(filled.get("destination")).filter(|to| !to.is_empty());
    let to = to.map(|to| ("destination".to_owned(), Value::from(to))).into_iter().collect();
    let done = match (Uuid::try_parse(&id), QueueAction::parse(&word)) {
        (Ok(id), Some(action)) => site.admin.queue_action(&actor, id, action).await,
        (Ok(id), None) if word == "resend" => site.admin.resend(&actor, id, &to).await,
        _ => Err(forms::no_such_action()),
    };
    match done {
        Ok(()) => acted(&id, &word),
        // The same button, pressed twice.
        Err(AdminError::Conflict(_) | AdminError::NotFound(_)) if is_so(&site, &actor, &id, (&word, &filled)).await => {
            acted(&id, &word)
        }
        Err(error @ AdminError::Invalid(_)) => refused(&site, &actor, &id, (&filled, &error)).await,
        Err(error) => frame::failed(&error),
    }
}

fn acted(id: &str, word: &str) -> Response {
    told::go(&format!("/activity/{id}"), &[("done", word)])
}

/// Whether a message is already what an action makes of it.
async fn is_so(site: &Site, actor: &Actor, id: &str, (word, filled): (&str, &Filled)) -> bool {
    let Ok(rows) = site.admin.activity_of(actor, id).await else { return false };
    let Some(row) = rows.first() else { return false };
    let Ok(powers) = site.admin.queue_powers(actor, row.id).await else { return false };
    let to = filled.get("destination");
    let goes_on = matches!(word, "release" | "retry")
        || word == "resend" && (to.is_empty() || row.destination.as_deref() == Some(to));
    match powers.map(|powers| powers.entry) {
        Some(Entry::Held) => word == "hold",
        Some(Entry::Leased) => goes_on,
        Some(Entry::Due(_)) => word == "release",
        Some(Entry::Kept(_)) => false,
        None if word == "cancel" => row.status == Status::Cancelled,
        None => goes_on && matches!(row.status, Status::Queued | Status::Forwarded),
    }
}

/// What is wrong with the inbox that a message was to go to is said beside it, where there still is a field for it.
async fn refused(site: &Site, actor: &Actor, id: &str, (filled, error): (&Filled, &AdminError)) -> Response {
    let mut built = build(site, actor, id, &Ask::default()).await;
    let Ok(Some(kept)) = built.as_mut().map(|page| page.kept.as_mut().filter(|kept| kept.inboxes.is_some())) else {
        return frame::failed(error);
    };
    let form = std::mem::take(&mut kept.form);
    kept.form = form.filled(Some(filled)).marked(Some(error), |field| field);
    frame::answer(Some(error), built)
}

async fn build(site: &Site, actor: &Actor, id: &str, ask: &Ask) -> Result<MessagePage, AdminError> {
    let now = site.admin.clock.now();
    let rows = site.admin.activity_of(actor, id).await?;
    let row = rows.first().ok_or_else(|| AdminError::missing("message", id))?;
    let powers = site.admin.queue_powers(actor, row.id).await?;
    let all = site.admin.activity_of(actor, &row.transaction.to_string()).await.unwrap_or_default();
    let moved = Moved::of(site, actor, (row, &all)).await;
    let kept = match powers {
        Some(powers) => kept::build(site, actor, (row, moved.as_ref(), powers)).await?,
        None => None,
    };
    let octets = if powers.is_some() { Octets::Here } else { Octets::Gone };
    let siblings = all.iter().filter(|other| other.id != row.id).map(|other| Line::new(other, now)).collect();
    let done = ask.get("done").filter(|word| told(word, row.status).is_some());
    let is_under_way = std::iter::once(row).chain(&all).any(|row| !row.status.is_terminal());
    let title = row.subject.as_deref().map_or_else(|| "Message".to_owned(), |subject| text::short(subject, 60));
    let back = format!("/activity/{}", row.id);
    let judge = alias_senders::judge(site, actor, row, now).await;
    Ok(MessagePage {
        frame: Frame::inside(site, title, "activity"),
        again: is_under_way.then(|| text::with_query(&back, &[("done", done.unwrap_or_default())])),
        done: done.and_then(|word| told(word, row.status)),
        toast: Toast::of(site, actor, (ask, back.clone())).await,
        back,
        id: row.id.to_string(),
        look: look::of(row),
        headline: story::headline(row, now),
        many: story::many(row),
        reason: linked(&reason(row, judge.as_ref())),
        actions: powers.filter(|powers| powers.may_act).map(|powers| buttons(powers, row.status)).unwrap_or_default(),
        lost: lost(row),
        kept,
        remedy: Remedy::of(site, (row, octets), now).map(|remedy| match &moved {
            Some(moved) => remedy.where_it_goes_by_now(row, (moved, octets)),
            None => remedy,
        }),
        next: NextStep::of(site, actor, row, judge.as_ref()).await,
        judge,
        siblings,
        facts: Facts::of(row, subject(site, actor, row).await, now),
    })
}

impl Facts {
    fn of(row: &Row, subject: Result<String, &'static str>, now: Moment) -> Self {
        Self {
            is_own: row.own.is_some(),
            from: Told::of(row),
            recipient: text::ours(text::recipient(&row.recipient)),
            to_href: mail_like(row),
            destination: row.destination.as_deref().map(text::ours),
            came: row.size > 0,
            subject,
            at: When::new(row.received_at, now),
            size: text::size(row.size),
            events: story::happenings(row, now),
            envelope: Compared::of(&row.envelope.before, row.envelope.after.as_ref()).of_sender(&row.sender),
            checks: if row.own.is_some() { Vec::new() } else { checks(row) },
            octets: story::octets(row),
            hashes: hashes(row),
            steps: step_words::told(&row.trace),
            technical: technical(row),
        }
    }
}

/// Where all mail of its alias is shown; of what a pattern took, that of its address.
fn mail_like(row: &Row) -> String {
    match &row.rule {
        Some(rule) if rule.kind == Kind::Address => format!("/activity?alias={}", rule.id),
        Some(_) => format!("/activity?q={}", text::in_query(&row.recipient)),
        None => format!("/activity?alias={}", text::in_query(&row.recipient)),
    }
}

/// Why, as it was decided then: an entry that is off its list since kept somebody out, and does so no more.
fn reason(row: &Row, judge: Option<&Judge>) -> String {
    let is_lifted = judge.is_some_and(|judge| judge.lifted.is_some());
    let then = is_lifted.then(|| kept_out_then(&row.trace)).flatten();
    text::visible(then.as_ref().unwrap_or(&row.reason))
}

/// Words about another message, parted at its id.
fn linked(words: &str) -> (String, Option<String>, String) {
    let is_id = |word: &&str| word.len() == Hyphenated::LENGTH && Uuid::try_parse(word).is_ok();
    let parted = words.split(|c: char| !c.is_ascii_hexdigit() && c != '-').find(is_id);
    match parted.and_then(|id| Some((id, words.split_once(id)?))) {
        Some((id, (before, after))) => (before.to_owned(), Some(id.to_owned()), after.to_owned()),
        None => (words.to_owned(), None, String::new()),
    }
}

/// The subject, or why there is none to read; of mail that is older than what is set now, nobody can tell.
async fn subject(site: &Site, actor: &Actor, row: &Row) -> Result<String, &'static str> {
    if let Some(subject) = &row.subject {
        return Ok(text::visible(subject));
    }
    let alias = match &row.rule {
        Some(rule) => site.admin.alias(actor, &rule.id.to_string()).await.ok(),
        None => None,
    };
    Err(if site.admin.reads_no_subject(actor, row) {
        "not shown to people who may only look"
    } else if alias.is_some_and(|alias| alias.spec.privacy != Privacy::Off) {
        "not kept: its alias is set so"
    } else if !site.admin.facts.instance.load().subjects {
        "not kept: log.subjects is off"
    } else {
        "it had none, or none was kept then"
    })
}

/// What was asked for, as long as it is so.
fn told(word: &str, status: Status) -> Option<&'static str> {
    match (word, status) {
        ("retry" | "resend", Status::Queued) => Some("It is being tried again."),
        ("hold", Status::Held) => Some("It is on hold until it is released."),
        ("release", Status::Queued) => Some("It is released and being tried."),
        ("arrived", Status::Forwarded) => Some(
            "The set-up is complete: mail from elsewhere reaches your inbox by your alias. Make more of them under Aliases; \
             Activity shows all mail that comes.",
        ),
        ("works", Status::Forwarded) => Some(
            "Your alias works, and its mail gets to your inbox. That others reach this server shows with the first mail from \
             elsewhere; what is still to be mended stands on the Overview.",
        ),
        ("cancel", Status::Cancelled) => Some("It is cancelled and will not be sent."),
        _ => None,
    }
}

/// What is lost with what is cancelled.
fn lost(row: &Row) -> String {
    let to = row
        .destination
        .as_deref()
        .map_or_else(|| "Nobody ever gets it".to_owned(), |to| format!("{} never gets it", text::ours(to)));
    format!(
        "{to}, and its sender is not told. What is kept of it here is deleted: it can be neither downloaded nor sent again, \
         and there is no Undo."
    )
}

/// Only what works in this state. An inbox that refused hardly takes it another time: of what failed, another one is the way.
fn buttons(QueuePowers { entry, has_a_way, .. }: QueuePowers, status: Status) -> Vec<Button> {
    const ALL: [(QueueAction, Button); 4] = [
        (QueueAction::Release, Button { name: "release", word: "Release", primary: true, danger: false }),
        (QueueAction::Retry, Button { name: "retry", word: "Try now", primary: true, danger: false }),
        (QueueAction::Hold, Button { name: "hold", word: "Hold", primary: false, danger: false }),
        (QueueAction::Cancel, Button { name: "cancel", word: "Cancel", primary: false, danger: true }),
    ];
    let mut fitting: Vec<_> =
        ALL.into_iter().filter(|(action, _)| action.fits(entry)).map(|(_, button)| button).collect();
    if !has_a_way {
        fitting.retain(|button| button.name != "retry");
    }
    for button in fitting.iter_mut().filter(|_| matches!(entry, Entry::Kept(_))) {
        match button.name {
            "retry" => (button.word, button.primary) = ("Send again", status == Status::Expired),
            _ => button.word = "Delete",
        }
    }
    fitting
}

fn checks(row: &Row) -> Vec<(&'static str, String)> {
    if row.trace.iter().any(|step| step.step == NOT_CHECKED) {
        return vec![("SPF, DKIM, DMARC", "not asked: the gateway itself wrote this message".to_owned())];
    }
    let not_asked = || "not asked".to_owned();
    let told = |result: &Option<String>| result.as_deref().map_or_else(not_asked, text::visible);
    let dkim = match row.auth.dkim.as_slice() {
        [] if row.sha256_received.is_none() => "not asked: the message itself never came".to_owned(),
        [] => "the message has no DKIM signature".to_owned(),
        all => all.iter().map(|one| text::visible(one)).collect::<Vec<_>>().join("; "),
    };
    let mut checks = vec![("SPF", told(&row.auth.spf))];
    checks.extend(row.auth.spf_helo.as_deref().map(|result| ("SPF of the greeting", text::visible(result))));
    checks.push(("DKIM", dkim));
    checks.extend(row.auth.dmarc.as_deref().map(|result| ("DMARC", dmarc(result))));
    checks.extend(row.auth.arc.as_deref().map(|result| ("ARC", text::visible(result))));
    checks
}

/// `none p=none d=author.example` is no policy of that domain: it has published nothing.
fn dmarc(result: &str) -> String {
    match result.strip_prefix("none ").and_then(|rest| rest.split_once("d=")) {
        Some((_, domain)) => format!("no policy published by {}", text::ours(domain)),
        None => text::visible(result),
    }
}

/// Of the octets as they came in, and as they were handed over.
fn hashes(row: &Row) -> Vec<(&'static str, String)> {
    let both = [("SHA-256 in", row.sha256_received), ("SHA-256 out", row.sha256_sent)];
    both.into_iter().filter_map(|(name, digest)| Some((name, data_encoding::HEXLOWER.encode(&digest?)))).collect()
}

fn technical(row: &Row) -> Vec<(&'static str, String)> {
    let mut told = vec![("Id", row.id.to_string()), ("Transaction", row.transaction.to_string())];
    told.extend(row.message_id.as_deref().map(|id| ("Message-ID", text::visible(id))));
    told.push(("Octets", row.size.to_string()));
    told.extend(
        row.client.tls.as_ref().map(|tls| ("TLS in", text::visible(&format!("{} {}", tls.version, tls.cipher)))),
    );
    let last = row.attempts.last().and_then(|attempt| attempt.tls.as_ref());
    told.extend(last.map(|tls| ("TLS out", text::visible(&format!("{} {}", tls.version, tls.cipher)))));
    told
}
