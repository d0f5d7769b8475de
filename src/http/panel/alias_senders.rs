//! Who writes to an alias, and what can be said of them; and, of mail that a catch-all took, what can be made of its
//! address.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::admin::shapes::alias_name;
use crate::admin::{Actor, AdminError, CaughtAddress, Judgement, SenderSeen};
use crate::http::Site;
use crate::http::api::Caller;
use crate::mail::{Domain, Mailbox, Moment};
use crate::policy::rule::{Action, Kind};
use crate::store::activity::Row;
use crate::store::rules::AliasRow;

use super::alias;
use super::forms::{self, Filled};
use super::story;
use super::text::{self, When};
use super::withheld::Withheld;

/// A button that says something of a sender.
pub(super) struct Say {
    pub(super) word: &'static str,
    /// The button's name where the word alone does not say it.
    pub(super) label: String,
    pub(super) entry: String,
    pub(super) what: &'static str,
}

/// A sender as the page of an alias shows it.
pub(super) struct Writer {
    pub(super) address: String,
    pub(super) full: String,
    pub(super) messages: String,
    pub(super) last: When,
    pub(super) stands: Option<String>,
    pub(super) says: Vec<Say>,
}

/// An address that mail came for, and that only the catch-all takes.
pub(super) struct Came {
    pub(super) full: String,
    pub(super) messages: u64,
    pub(super) last: When,
    /// The alias that it is by now.
    pub(super) alias: Option<String>,
    pub(super) new_href: String,
}

/// What can be said on the page of a message.
pub(super) struct Judge {
    pub(super) alias: String,
    pub(super) name: String,
    pub(super) stands: Option<String>,
    /// What the alias does with all its mail, whoever sends it.
    pub(super) does: Option<&'static str>,
    /// The same in a sentence, with until what is done about it.
    pub(super) withheld: Option<String>,
    pub(super) says: Vec<Say>,
    /// A policy refused it, and no allow entry for its sender would have let it in.
    pub(super) is_unproven: bool,
    /// How the block that refused it has ended since.
    pub(super) lifted: Option<&'static str>,
    pub(super) came: Option<Came>,
}

/// Who wrote of late.
pub(super) fn of(
    site: &Site,
    (row, mail): (&AliasRow, &[Row]),
    (withheld, now): (Option<Withheld>, Moment),
) -> Vec<Writer> {
    site.admin.senders_of(row, mail).iter().map(|sender| writer(sender, (withheld, now))).collect()
}

/// The addresses that mail came for of late.
pub(super) async fn came(site: &Site, actor: &Actor, row: &AliasRow, now: Moment) -> Result<Vec<Came>, AdminError> {
    let caught = site.admin.caught_by(actor, row).await?;
    Ok(caught.iter().map(|address| shown(address, now)).collect())
}

/// What can be said of the sender of a message, and made of its address; nothing where there is no alias to say it to.
pub(super) async fn judge(site: &Site, actor: &Actor, row: &Row, now: Moment) -> Option<Judge> {
    let took = alias_of(site, actor, row).await?;
    let caught = if took.spec.kind == Kind::CatchAll { site.admin.caught(&took, row).await.ok()? } else { None };
    // What the next message to this address meets is what is to be said something to.
    let own = caught.as_ref().and_then(|address| address.alias);
    let alias = match own {
        Some(id) => site.admin.alias(actor, &id.to_string()).await.ok()?,
        None => took,
    };
    if !site.admin.may_change_alias(actor, &alias) {
        return None;
    }
    let shape = site.admin.alias_shapes(std::slice::from_ref(&alias)).await.ok()?.pop()?;
    let withheld = Withheld::of(&shape);
    let author = site.admin.author_at(&alias, row);
    let is_both = row.author.as_ref().is_some_and(|author| author.is(&row.sender));
    let seen = site.admin.sender_at(&alias, row).filter(|_| !is_both);
    let mut says = match &author {
        Some(author) if !is_both => of_both(row, author, seen.as_ref()),
        known => known.as_ref().or(seen.as_ref()).map(|sender| says(sender, OF_SENDER)).unwrap_or_default(),
    };
    let is_refused = story::refused_by(row).is_some();
    says.retain(|say| !(is_refused && say.what == "allow") || is_proven(row) || is_signed(row, &say.entry));
    let is_unproven = is_refused && says.iter().all(|say| say.what != "allow") && !is_proven(row);
    let name = text::short_address(&alias_name(&alias).to_string());
    Some(Judge {
        withheld: withheld.map(|withheld| withheld.of_one(&name)),
        name,
        alias: alias.id.to_string(),
        does: withheld.map(Withheld::does),
        stands: author.as_ref().and_then(|author| stands(author, withheld)).or_else(|| {
            let of_sender = stands(seen.as_ref()?, withheld)?;
            Some(if author.is_some() { format!("its envelope sender is {of_sender}") } else { of_sender })
        }),
        says,
        is_unproven,
        lifted: lifted(site, (&alias, row), author.iter().chain(&seen)).filter(|_| own.is_none() && withheld.is_none()),
        came: caught.map(|address| shown(&address, now)),
    })
}

/// The alias that took it; or that of its address by now, where that one is gone.
async fn alias_of(site: &Site, actor: &Actor, row: &Row) -> Option<AliasRow> {
    match site.admin.alias(actor, &row.rule.as_ref()?.id.to_string()).await {
        Ok(alias) => Some(alias),
        Err(_) => site.admin.alias(actor, &row.recipient).await.ok(),
    }
}

/// How a block has ended: somebody of whom it was is let in by the alias, which also lifts what its domain says; or no list
/// has an entry that means them any more.
fn lifted<'s>(
    site: &Site,
    (alias, row): (&AliasRow, &Row),
    mut seen: impl Iterator<Item = &'s SenderSeen>,
) -> Option<&'static str> {
    let block = row.trace.iter().rfind(|step| step.verdict == "blocked")?;
    if !block.detail.ends_with("(instance)") && seen.any(|sender| sender.allowed_by.is_some()) {
        return Some("Its sender is let in by now: what it sends from now on is taken.");
    }
    let is_off = !site.admin.is_blocked(alias, row);
    is_off.then_some("This entry is off the list by now: what its sender sends from now on is taken.")
}

/// Whether the sender of its envelope was proved, as an entry that lets it in past a policy asks for.
fn is_proven(row: &Row) -> bool {
    row.auth.spf.as_deref() == Some("pass") || is_signed(row, &row.sender)
}

/// Whether a signature of this address's domain passed.
fn is_signed(row: &Row, address: &str) -> bool {
    let domain = address.rsplit_once('@').and_then(|(_, host)| Domain::parse(host).ok());
    let signer = |result: &String| Domain::parse(result.strip_prefix("pass d=")?.split(' ').next()?).ok();
    row.auth.dkim.iter().any(|result| domain.is_some() && signer(result) == domain)
}

/// Of the author first. What is offered to be let in is what was proved: From proves nothing, a signature of its domain does.
fn of_both(row: &Row, author: &SenderSeen, sender: Option<&SenderSeen>) -> Vec<Say> {
    let mut all = says(author, OF_AUTHOR);
    all.retain(|say| say.what != "allow");
    all.extend(allow_signer(author, row));
    let of_sender = sender.iter().flat_map(|sender| says(sender, OF_ENVELOPE));
    // A whole service sends for many authors.
    let fits = |say: &Say| !say.entry.starts_with('@') && (say.what != "allow" || is_proven(row));
    // One entry may hold for both.
    let stands: Vec<String> = all.iter().filter(|say| say.what == "forget").map(|say| say.entry.clone()).collect();
    all.extend(of_sender.filter(|say| if say.what == "forget" { !stands.contains(&say.entry) } else { fits(say) }));
    all
}

/// To let in what the author's domain signs, where this message was.
fn allow_signer(author: &SenderSeen, row: &Row) -> Option<Say> {
    let (_, domain) = author.address.rsplit_once('@').filter(|_| is_signed(row, &author.address))?;
    let entry = format!("@{domain}");
    let word = "Allow author's domain";
    author.allowed_by.is_none().then(|| Say { word, label: format!("{word}: {entry}"), entry, what: "allow" })
}

fn writer(sender: &SenderSeen, (withheld, now): (Option<Withheld>, Moment)) -> Writer {
    let refused = match sender.refused {
        0 => String::new(),
        n if n == sender.messages => ", all refused".to_owned(),
        n => format!(", {n} refused"),
    };
    let messages = if sender.messages == 1 { "1 message".to_owned() } else { format!("{} messages", sender.messages) };
    Writer {
        address: text::short_sender(&sender.address),
        full: text::visible(&sender.address),
        messages: format!("{messages}{refused}"),
        last: When::new(sender.last_at, now),
        stands: stands(sender, withheld),
        says: says(sender, OF_SENDER),
    }
}

/// What the lists say of a sender; to be let in lets nobody past what is done with all mail.
fn stands(sender: &SenderSeen, withheld: Option<Withheld>) -> Option<String> {
    match (&sender.allowed_by, &sender.blocked_by) {
        (Some(entry), _) => {
            let but = withheld.map(|withheld| format!(", but it {}", withheld.does())).unwrap_or_default();
            Some(format!("{}{but}", by_entry("let in", entry, &sender.address)))
        }
        (None, Some(entry)) => Some(by_entry("blocked", entry, &sender.address)),
        (None, None) => None,
    }
}

/// The entry is what was said of the sender, and not who said it.
fn by_entry(stands: &str, entry: &str, address: &str) -> String {
    let shown = text::visible(entry);
    match entry {
        _ if entry.eq_ignore_ascii_case(address) => stands.to_owned(),
        _ if entry.starts_with('@') && !entry.contains(['*', '?']) => format!("{stands}, as all of {shown} is"),
        _ => format!("{stands}, as all that matches {shown} is"),
    }
}

/// What the buttons are called: to block somebody, to block the whole domain, to let somebody in.
type Words = [&'static str; 3];
const OF_SENDER: Words = ["Block sender", "Block domain", "Allow sender"];
const OF_AUTHOR: Words = ["Block author", "Block author's domain", "Allow author"];
const OF_ENVELOPE: Words = ["Block envelope sender", "Block its domain", "Allow envelope sender"];

fn says(sender: &SenderSeen, [block, block_domain, allow]: Words) -> Vec<Say> {
    let say = |word: &'static str, what, entry: &str| Say {
        word,
        label: format!("{word}: {}", text::visible(entry)),
        entry: entry.to_owned(),
        what,
    };
    let domain = sender.address.rsplit_once('@').and_then(|(_, host)| Domain::parse(host).ok());
    let domain = domain.map(|domain| format!("@{domain}")).unwrap_or_default();
    // An address with a wildcard in it would be read as a pattern; and what cannot be read, or is no address, is nobody's.
    let seen = text::visible(&sender.address) == sender.address && Mailbox::parse(&sender.address).is_ok();
    let plain = seen && !sender.address.contains(['*', '?']);
    let mut all = Vec::new();
    match (&sender.allowed_by, &sender.blocked_by) {
        (Some(entry), _) => all.push(say("Stop letting in", "forget", entry)),
        (None, Some(entry)) => all.push(say("Unblock", "forget", entry)),
        (None, None) if plain => all.push(say(block, "block", &sender.address)),
        (None, None) => {}
    }
    if sender.blocked_by.is_none() && sender.allowed_by.is_none() && !domain.is_empty() {
        all.push(say(block_domain, "block", &domain));
    }
    if sender.allowed_by.is_none() && plain {
        all.push(say(allow, "allow", &sender.address));
    }
    all
}

fn shown(caught: &CaughtAddress, now: Moment) -> Came {
    let (local, domain) = caught.address.rsplit_once('@').unwrap_or((&caught.address, ""));
    Came {
        full: text::ours(&caught.address),
        messages: caught.messages,
        last: When::new(caught.last_at, now),
        alias: caught.alias.map(|id| format!("/aliases/{id}")),
        new_href: format!("/aliases?new=1&local_part={}&domain={}", text::in_query(local), text::in_query(domain)),
    }
}

/// `POST /aliases/{id}/sender`.
pub(super) async fn say(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    filled: Filled,
) -> Response {
    let judged = match judgement(filled.get("what")) {
        Some(judgement) => site.admin.judge_sender(&actor, &id, (filled.get("entry"), judgement)).await,
        None => Err(forms::no_such_action()),
    };
    alias::after(&site, &actor, (judged, filled.get("back"))).await
}

fn judgement(word: &str) -> Option<Judgement> {
    Some(match word {
        "block" => Judgement::Block,
        "allow" => Judgement::Allow,
        "forget" => Judgement::Forget,
        _ => return None,
    })
}

/// `POST /aliases/{id}/address`: an address that this catch-all took becomes an alias of its own, which keeps its mail
/// coming or refuses it.
pub(super) async fn make(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    filled: Filled,
) -> Response {
    let made = match own_alias(&site, &actor, &id, &filled).await {
        Err(AdminError::Conflict(why)) => made_before(&site, &actor, &filled).await.ok_or(AdminError::Conflict(why)),
        made => made,
    };
    alias::after(&site, &actor, (made, filled.get("back"))).await
}

/// The alias, where the same button made it already.
async fn made_before(site: &Site, actor: &Actor, filled: &Filled) -> Option<AliasRow> {
    let row = site.admin.alias(actor, filled.get("address")).await.ok()?;
    let is_block = filled.get("what") == "block";
    ((row.spec.action == Action::Reject) == is_block).then_some(row)
}

async fn own_alias(site: &Site, actor: &Actor, id: &str, filled: &Filled) -> Result<AliasRow, AdminError> {
    let catch_all = site.admin.alias(actor, id).await?;
    let mut written = Map::from_iter([("address".to_owned(), Value::from(filled.get("address")))]);
    match filled.get("what") {
        "keep" if matches!(catch_all.spec.action, Action::Forward | Action::Create) => {
            written.insert("destinations".to_owned(), json!(catch_all.spec.destinations));
        }
        "keep" => {}
        "block" => drop(written.insert("action".to_owned(), "reject".into())),
        _ => return Err(forms::no_such_action()),
    }
    site.admin.add_alias(actor, &written).await
}
