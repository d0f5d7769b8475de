//! `/settings/notices`: what needs attention and did lately, which kinds write to whom, the digest, the heartbeat; and where
//! each of these is set.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::admin::{Actor, AdminError, NoticeShape, Setting, SettingPlace};
use crate::http::Site;
use crate::http::api::{Ask, Caller};
use crate::mail::{Mailbox, Moment};
use crate::policy::notices::Kind;
use crate::policy::notices::recipients::is_in_the_way;

use super::super::forms::{self, Filled};
use super::super::frame::{self, Frame};
use super::super::look::{self, Look};
use super::super::policy_words::Words;
use super::super::text::{self, When};
use super::{Around, done, server_keys, status};

/// Notices that are shown.
const MAX_OPEN: usize = 50;
const MAX_OVER: usize = 20;
/// The state of those that stand no more.
const OVER: &str = "over";

/// One notice.
struct Line {
    tone: &'static str,
    icon: &'static str,
    words: String,
    remedy: String,
    since: When,
    /// When it was over.
    over: Option<When>,
    told: String,
    page: String,
}

/// A kind that may write.
struct Choice {
    kind: &'static str,
    words: &'static str,
    ticked: bool,
}

/// A setting: what it is now, whether it can be changed here, and where it is set.
struct Field {
    value: String,
    locked: bool,
    place: String,
}

#[derive(Template)]
#[template(path = "settings_notices.html", config = "web/askama.toml")]
struct NoticesPage {
    frame: Frame,
    around: Around,
    open: Vec<Line>,
    over: Vec<Line>,
    choices: Vec<Choice>,
    mute: Field,
    to: Field,
    told: String,
    digest: Field,
    digests: Words,
    heartbeat: Field,
    beat: Option<(When, Option<String>)>,
    may_change: bool,
}

const DONE: [(&str, &str); 2] =
    [("saved", "Your choice is saved."), ("tested", "A test notice is on its way. Activity shows what becomes of it.")];

/// `GET /settings/notices`.
pub(super) async fn page(State(site): State<Site>, Caller(actor): Caller, ask: Ask) -> Response {
    show(&site, &actor, (&ask, None), None).await
}

/// `POST /settings/notices`.
pub(super) async fn change(State(site): State<Site>, Caller(actor): Caller, filled: Filled) -> Response {
    let changed = match site.admin.settings(&actor) {
        Ok(settings) => site.admin.change_settings(&actor, &changes(&settings.items, &filled)).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(_) => done("notices", "saved"),
        Err(error) => show(&site, &actor, (&Ask::default(), Some(&filled)), Some(error)).await,
    }
}

/// `POST /settings/notices/test`.
pub(super) async fn test(State(site): State<Site>, Caller(actor): Caller) -> Response {
    match site.admin.test_notice(&actor).await {
        Ok(_) => done("notices", "tested"),
        Err(error) => show(&site, &actor, (&Ask::default(), None), Some(error)).await,
    }
}

/// What the form changes of the settings that can be changed here; what was emptied is taken back.
fn changes(settings: &[Setting], filled: &Filled) -> Map<String, Value> {
    let to: Vec<&str> = filled.get("to").split([',', ' ', '\n', '\r']).filter(|to| !to.is_empty()).collect();
    let mute: Vec<&str> =
        Kind::ALL.iter().map(|kind| kind.as_str()).filter(|kind| filled.get(kind).is_empty()).collect();
    let wanted = [
        ("notify.to", json!(to), to.is_empty()),
        ("notify.mute", json!(mute), mute.is_empty()),
        ("notify.digest", json!(filled.get("digest")), false),
        ("notify.heartbeat_url", json!(filled.get("heartbeat_url")), filled.get("heartbeat_url").is_empty()),
    ];
    let mut written = Map::new();
    for (key, value, is_empty) in wanted {
        let Some(setting) = settings.iter().find(|setting| setting.key == key) else { continue };
        if setting.changeable && setting.value != value {
            written.insert(key.to_owned(), if is_empty { Value::Null } else { value });
        }
    }
    written
}

async fn show(
    site: &Site,
    actor: &Actor,
    (ask, filled): (&Ask, Option<&Filled>),
    error: Option<AdminError>,
) -> Response {
    match gathered(site, actor, filled).await {
        Ok(page) => {
            let around = Around::new(actor, "notices").told(ask, &DONE).placed(error.as_ref(), place);
            frame::page(status(error.as_ref()), &NoticesPage { around, ..page })
        }
        Err(error) => frame::failed(&error),
    }
}

/// The fields that say themselves what is wrong with them.
fn place(field: &str) -> Option<&str> {
    match field {
        "notify.to" => Some("to"),
        "notify.heartbeat_url" => Some("heartbeat"),
        _ => None,
    }
}

async fn gathered(site: &Site, actor: &Actor, filled: Option<&Filled>) -> Result<NoticesPage, AdminError> {
    let now = site.admin.clock.now();
    let settings = site.admin.settings(actor)?.items;
    let field = |key: &'static str, name: &str| {
        let mut field = field_of(&settings, key);
        if let Some(filled) = filled.filter(|_| !field.locked) {
            filled.get(name).clone_into(&mut field.value);
        }
        field
    };
    let mute = field_of(&settings, "notify.mute");
    let is_ticked = |kind: Kind| match filled.filter(|_| !mute.locked) {
        Some(filled) => !filled.get(kind.as_str()).is_empty(),
        None => !mute.value.split(", ").any(|word| word == kind.as_str()),
    };
    let choice = |kind: Kind| Choice { kind: kind.as_str(), words: kind.title(), ticked: is_ticked(kind) };
    let recipients = site.admin.who_is_told(actor).await?;
    let told = recipients.of(None, &[], &[]);
    let beat = site.admin.heartbeat.last();
    let all = site.admin.notices_now(actor).await?.into_iter();
    let (over, open): (Vec<_>, Vec<_>) = all.partition(|notice| notice.state == OVER);
    let muted = Kind::ALL.into_iter().filter(|kind| mute.value.split(", ").any(|word| word == kind.as_str())).collect();
    let first = First::of(&told, &open, muted);
    Ok(NoticesPage {
        frame: Frame::inside(site, "Notices", "settings"),
        around: Around::new(actor, "notices"),
        open: open.iter().take(MAX_OPEN).map(|notice| line(notice, &first, now)).collect(),
        over: over.iter().take(MAX_OVER).map(|notice| line(notice, &first, now)).collect(),
        choices: Kind::ALL.into_iter().map(choice).collect(),
        to: field("notify.to", "to"),
        told: text::all_ours(&told.into_iter().map(ToString::to_string).collect::<Vec<_>>()),
        digest: field("notify.digest", "digest"),
        digests: server_keys::DIGESTS,
        heartbeat: field("notify.heartbeat_url", "heartbeat_url"),
        beat: beat.map(|beat| (When::new(beat.at, now), beat.failure.map(|why| text::visible(&why)))),
        may_change: actor.is_admin(),
        mute,
    })
}

fn field_of(settings: &[Setting], key: &str) -> Field {
    let Some(setting) = settings.iter().find(|setting| setting.key == key) else {
        return Field { value: String::new(), locked: true, place: String::new() };
    };
    let value = match &setting.value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let source = setting.source.as_deref().unwrap_or("the configuration file");
    let place = match setting.place {
        SettingPlace::Environment | SettingPlace::File => format!("Set in {source}, where it is changed."),
        SettingPlace::Panel => "Set here.".to_owned(),
        SettingPlace::Default => "Not changed: this is the default.".to_owned(),
    };
    Field { value, locked: !setting.changeable, place: text::visible(&place) }
}

/// Who is to be told first, and whose mail of theirs does not arrive, as what stands says.
struct First {
    /// Kinds of which no mail is sent.
    muted: Vec<Kind>,
    all: Vec<String>,
    failing: Vec<String>,
}

impl First {
    fn of(first: &[&Mailbox], open: &[NoticeShape], muted: Vec<Kind>) -> Self {
        let fails = |to: &&&Mailbox| open.iter().any(|one| is_in_the_way(one.kind, &one.subject, to));
        let named = |to: &&Mailbox| to.to_string();
        Self { muted, all: first.iter().map(named).collect(), failing: first.iter().filter(fails).map(named).collect() }
    }

    /// To whom a notice went; and where it did not go to these, why not.
    fn told(&self, notice: &NoticeShape) -> String {
        let refused = &notice.refused;
        let sent = match (notice.told_at, notice.told.as_slice()) {
            (None, _) if self.muted.contains(&notice.kind) => return "no mail is sent of this kind".to_owned(),
            (None, _) => return "not told yet".to_owned(),
            (Some(_), []) if refused.is_empty() => return "nobody was written to".to_owned(),
            (Some(_), []) => "nobody has heard of it yet".to_owned(),
            (Some(_), told) => format!("sent to {}", text::all_ours(told)),
        };
        let mut why = Vec::new();
        if !refused.is_empty() {
            let is_asked_again = notice.state != OVER && refused.iter().any(|one| self.all.contains(one));
            let again = if is_asked_again { ", and is sent again once other mail arrives there" } else { "" };
            why.push(format!("the mail about it to {} came to nothing{again}", text::all_ours(refused)));
        }
        let left = |to: &&String| notice.state != OVER && !notice.told.contains(to) && !refused.contains(to);
        let failing: Vec<String> = self.failing.iter().filter(left).cloned().collect();
        if !failing.is_empty() {
            why.push(format!("mail to {} fails at present", text::all_ours(&failing)));
        }
        if why.is_empty() { sent } else { format!("{sent}: {}", why.join("; ")) }
    }
}

fn line(notice: &NoticeShape, first: &First, now: Moment) -> Line {
    let told = first.told(notice);
    let Look { tone, icon, .. } = look::of_cause(notice.kind, notice.severity);
    Line {
        tone,
        icon,
        words: forms::sentence(&text::visible(&notice.what)),
        remedy: text::visible(&notice.remedy),
        since: When::new(notice.since, now),
        over: notice.ended_at.filter(|_| notice.state == OVER).map(|at| When::new(at, now)),
        told: text::visible(&told),
        page: notice.page.clone(),
    }
}
