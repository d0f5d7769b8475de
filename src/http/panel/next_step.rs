//! What can be done about mail that was refused here: a sentence for each reason that policy has, and the page where it is
//! done. It is told by what ended the message: the words of the rule, the reply, else the last step of the decision.

use crate::admin::Actor;
use crate::http::Site;
use crate::policy::admission::{NO_DESTINATION, REFUSES, SWITCHED_OFF};
use crate::policy::status::{Status, TraceStep};
use crate::store::activity::Row;

use super::alias_senders::Judge;
use super::step_words;
use super::story;
use super::text;

/// What to do, and where.
#[derive(Debug)]
pub(super) struct NextStep {
    /// Nothing, where the remedy says it already.
    pub(super) words: String,
    pub(super) href: String,
    pub(super) link: &'static str,
}

/// Where something is done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Alias,
    NewAlias,
    Destinations,
    Domains,
    Domain(String),
    Queue,
    Overview,
    Server,
    /// Nothing is done anywhere, or in a file: there is more to read.
    Handbook,
}

type Told = (String, Place);

/// What is said of a block, as long as it holds.
const OFF_THE_LIST: &str = "Its mail is taken once this entry is off the list.";

impl NextStep {
    /// For whoever may do it, with what its alias does by now.
    pub(super) async fn of(site: &Site, actor: &Actor, row: &Row, judge: Option<&Judge>) -> Option<Self> {
        if row.own.is_none() && story::no_way(row).is_some() && may(site, actor, row).await {
            return Some(Self::of_no_way(site, actor, row).await);
        }
        let is_ours = matches!(row.status, Status::Refused | Status::RefusedTemporarily) && row.attempts.is_empty();
        if !is_ours || !may(site, actor, row).await {
            return None;
        }
        if let Some(found) = Self::of_failing(site, actor, row).await {
            return Some(found);
        }
        let (words, place) = told(row)?;
        let words = if words == OFF_THE_LIST { off_the_list(judge) } else { words };
        let place = if place == Place::Server && !actor.is_admin() { Place::Handbook } else { place };
        let (href, link) = place.link(row);
        Some(Self { words, href, link })
    }
}

/// What comes of taking the entry off that kept a sender out: it may be off by now, and the alias may take no mail at all.
fn off_the_list(judge: Option<&Judge>) -> String {
    match judge.map(|judge| (judge.lifted, &judge.withheld)) {
        Some((Some(lifted), _)) => lifted.to_owned(),
        Some((None, Some(withheld))) => format!("Off the list alone would not help: {withheld}"),
        _ => OFF_THE_LIST.to_owned(),
    }
}

impl NextStep {
    /// Of an inbox that refused a short while before, and may be asked again by now or by a word: for whoever sees it.
    async fn of_failing(site: &Site, actor: &Actor, row: &Row) -> Option<Self> {
        let detail = &row.trace.iter().find(|step| step.step == "destination" && step.verdict == "failing")?.detail;
        let (address, _) = detail.split_once(" refused its mailbox")?;
        let inbox = site.admin.destination(actor, address).await.ok()?;
        let shape = site.admin.destination_shape(actor, &inbox).await.ok()?;
        let shown = text::short_address(address);
        let words = match shape.not_asked_until {
            Some(until) => format!(
                "{shown} is not asked again until {}. If it is mended, press Try again on its page; else lead the alias to \
                 another inbox.",
                text::full(until)
            ),
            None => {
                format!("{shown} is asked again with the next mail. If it is closed, lead the alias to another inbox.")
            }
        };
        Some(Self { words, href: format!("/destinations/{}", inbox.id), link: "Open the inbox" })
    }
}

impl NextStep {
    /// Of an inbox to which there is no way: where people see to it.
    async fn of_no_way(site: &Site, actor: &Actor, row: &Row) -> Self {
        let address = row.destination.as_deref().unwrap_or_default();
        let (href, link) = match site.admin.destination(actor, address).await {
            Ok(inbox) => (format!("/destinations/{}", inbox.id), "Open the inbox"),
            Err(_) => Place::Destinations.link(row),
        };
        Self { words: String::new(), href, link }
    }
}

/// Whoever may make aliases where it was to go.
async fn may(site: &Site, actor: &Actor, row: &Row) -> bool {
    let domain = domain_of(&row.recipient);
    actor.is_admin()
        || site.admin.domains_for_aliases(actor).await.is_ok_and(|all| all.iter().any(|name| name == domain))
}

fn told(row: &Row) -> Option<Told> {
    let reply = row.trace.iter().rfind(|step| step.step == "reply").map_or("", |step| step.detail.as_str());
    let by_steps = || row.trace.iter().rev().find_map(|step| by_step(step, row));
    by_rule(row).or_else(|| by_reply(reply)).or_else(by_steps).or_else(|| by_unknown(row, reply))
}

/// What the owner has set.
fn by_rule(row: &Row) -> Option<Told> {
    let words = match row.reason.as_str() {
        _ if row.rule.is_none() => return None,
        off if off.ends_with(SWITCHED_OFF) => "Its mail is taken again when you switch the alias on.",
        refuses if refuses.ends_with(REFUSES) => {
            "The alias is set to refuse its mail: choose something else for it to do, if you want it."
        }
        nowhere if nowhere.ends_with(NO_DESTINATION) => "The alias leads nowhere: give it a destination.",
        _ => return None,
    };
    Some((words.to_owned(), Place::Alias))
}

/// What no rule is asked about.
fn by_reply(reply: &str) -> Option<Told> {
    let mut parts = reply.split(' ');
    let (words, place) = match (parts.next()?, parts.next()?) {
        ("550", "5.6.0") => {
            ("Its sender's program has to be mended: what it sent is not fit to be sent on as it is.", Place::Handbook)
        }
        ("452", "4.5.3") | ("550", "5.5.3") => {
            ("You need do nothing: the sender sends it again to each recipient.", Place::Handbook)
        }
        ("452", "4.2.2") => {
            ("Make room: see what waits for this domain, or raise queue.max_bytes_per_domain.", Place::Queue)
        }
        ("451", "4.3.0") | ("452", "4.3.1") => {
            ("The Overview says what is wrong with the gateway; the sender tries again meanwhile.", Place::Overview)
        }
        _ => return None,
    };
    Some((words.to_owned(), place))
}

/// What a step of the decision found.
fn by_step(step: &TraceStep, row: &Row) -> Option<Told> {
    let (words, place) = match (&*step.step, &*step.verdict) {
        ("size", "too big") => return Some((larger(&step.detail), Place::Handbook)),
        ("policy", _) => return Some((loosened(&step.detail), Place::Alias)),
        ("sender" | "author", "blocked") => (OFF_THE_LIST, of_level(&step.detail, row)),
        ("domain", "not hosted") => {
            ("Mail for another domain is taken once that is a domain of this gateway.", Place::Domains)
        }
        ("domain", "not verified") => (
            "Its mail is taken once the domain is proved to be yours.",
            Place::Domain(domain_of(&row.recipient).to_owned()),
        ),
        ("hosted sender", "forged") => (
            "If a service of yours sent it, its SPF record has to name it, or a DKIM signature of the domain has to be on it.",
            Place::Domain(domain_of(&row.sender).to_owned()),
        ),
        ("expiry", "ended") => ("Its mail is taken again with a later end, or none.", Place::Alias),
        ("quota", "used up") => ("It takes mail again as time passes, or with a higher limit.", Place::Alias),
        ("limit", "used up") => ("If this is mail that you want, raise the limit.", Place::Server),
        ("destination", "not verified") => {
            ("Its mail is taken once an inbox that it leads to is verified.", Place::Destinations)
        }
        ("hosted destination", "ends") | ("fan-out", "refused") => {
            ("Lead the alias to an inbox outside this gateway.", Place::Alias)
        }
        ("destination", "failing") => (
            "The inbox that it leads to refuses its mail: see what it says, or lead the alias elsewhere.",
            Place::Destinations,
        ),
        ("loop", "found") => {
            ("Find the inbox that sends its mail on to an alias here, and end that.", Place::Destinations)
        }
        ("dns list", "refused") => ("An allow entry lets this sender in all the same.", Place::Alias),
        ("catch-all", "closed") => {
            ("The catch-all opens again by itself; an alias of its own is never closed.", Place::NewAlias)
        }
        (step, verdict) => (nothing_to_do(step, verdict)?, Place::Handbook),
    };
    Some((words.to_owned(), place))
}

/// Where whoever sent it does what is to be done.
fn nothing_to_do(step: &str, verdict: &str) -> Option<&'static str> {
    Some(match (step, verdict) {
        ("greylist", "come again") => {
            "You need do nothing: a mail server comes again within minutes, and then it is let in."
        }
        ("client", "slowed") => "You need do nothing: it is let in again when less of its mail is refused as spam.",
        ("greeting", "not waited for") => {
            "You need do nothing: mail servers wait for the greeting, and what does not is hardly one."
        }
        ("SRS address", _) => {
            "You need do nothing: only reports on mail that this gateway sent on may come to such an address."
        }
        (_, "not known yet") => "You need do nothing: DNS did not answer, and the sender tries again.",
        _ => return None,
    })
}

/// With the limit that stood then.
fn larger(detail: &str) -> String {
    let most = detail.rsplit_once("at most ").and_then(|(_, most)| most.split(' ').next()?.parse::<u64>().ok());
    let most = most.map(|most| format!("At most {} is taken here. ", text::size(most))).unwrap_or_default();
    format!("{most}If you want larger mail, set a higher smtp.max_message_bytes in the configuration file.")
}

fn loosened(policy: &str) -> String {
    let check = text::visible(step_words::check(policy));
    format!("If you want such mail all the same, loosen the check {check} under Checks of its own.")
}

/// The list that an entry stands on: `*@shop.example (alias)`.
fn of_level(entry: &str, row: &Row) -> Place {
    match entry.rsplit_once(' ').map(|(_, level)| level) {
        Some("(domain)") => Place::Domain(domain_of(&row.recipient).to_owned()),
        Some("(instance)") => Place::Server,
        _ => Place::Alias,
    }
}

/// Nothing but that no alias has this address.
fn by_unknown(row: &Row, reply: &str) -> Option<Told> {
    let is_unknown = row.rule.is_none() && row.domain.is_some() && reply.starts_with("550 5.1.1 ");
    is_unknown.then(|| ("It is taken once there is an alias for it.".to_owned(), Place::NewAlias))
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

impl Place {
    fn link(self, row: &Row) -> (String, &'static str) {
        match self {
            Self::Alias => match &row.rule {
                Some(rule) => (format!("/aliases/{}", rule.id), "Open the alias"),
                None => ("/aliases".to_owned(), "Open Aliases"),
            },
            Self::NewAlias => {
                let (local, domain) = row.recipient.rsplit_once('@').unwrap_or((&row.recipient, ""));
                let asked = [("new", "1"), ("local_part", local), ("domain", domain)];
                (text::with_query("/aliases", &asked), "Make an alias")
            }
            Self::Destinations => ("/destinations".to_owned(), "Open Destinations"),
            Self::Domains => ("/domains".to_owned(), "Open Domains"),
            Self::Domain(name) => (format!("/domains/{}", text::in_query(&name)), "Open the domain"),
            Self::Queue => ("/queue".to_owned(), "Open the queue"),
            Self::Overview => ("/".to_owned(), "Open Overview"),
            Self::Server => ("/settings/server".to_owned(), "Open the settings"),
            Self::Handbook => ("/help/did-not-arrive".to_owned(), "Why mail does not arrive"),
        }
    }
}
