//! The one table of causes: what the gateway knows of itself, as what somebody should see to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::memory::Seen;
use super::{Cause, HOUR, Kind, NO_MAIL};
use crate::mail::{Moment, in_unicode, span_in_words};
use crate::policy::checkup::{Finding, Severity};
use crate::policy::no_mail::{self, TakesNone};
use crate::policy::verdict::is_reply;

/// A destination that has taken no mail for so long is spoken of.
pub const REFUSING_AFTER: Duration = HOUR;
/// Mail that waits without a next hop to blame is spoken of after so long.
pub const WAITING_AFTER: Duration = HOUR.saturating_mul(4);
/// An inbox that has refused its mail so long is dead, or nearly.
pub const BOUNCING_AFTER: Duration = HOUR.saturating_mul(72);
/// Inboxes of one provider that each take nothing, while others of it do; of more it is the provider.
const MAX_INBOXES: usize = 3;
/// Causes of one kind that are told at a time, the oldest first.
const MAX_OF_KIND: usize = 100;
/// Characters of what a stranger said.
const MAX_SAID: usize = 300;
/// What nobody looks at but the doctor.
const OF_DOCTOR: [Kind; 2] = [Kind::Listed, Kind::Gateway];
/// Records of a domain that are named.
const MAX_NAMED: usize = 3;

/// Why it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stay {
    /// It is to be sent on.
    Waits,
    /// It is held.
    Held,
    /// It failed, and its sender was not told.
    Untold,
}

/// Mail for one destination that is still here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// The destination's domain, or address literal.
    pub host: String,
    /// The destination.
    pub destination: String,
    /// Why it stays.
    pub stay: Stay,
    /// How many messages.
    pub count: u64,
    /// When the oldest came.
    pub since: Moment,
    /// Whether any was tried.
    pub is_tried: bool,
    /// Whether the destination is verified.
    pub is_verified: bool,
    /// Whether the inbox took mail within [`REFUSING_AFTER`].
    pub takes: bool,
    /// What was said to the oldest, in the next hop's words or in ours.
    pub said: String,
    /// Why the sender of the oldest was not told, where that is known.
    pub untold: Option<String>,
}

/// An inbox that took no mail since a refusal, or since it sent some back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whose it is.
    pub address: String,
    /// When it refused first.
    pub since: Moment,
    /// What was said last, in the next hop's words.
    pub said: String,
    /// It took the mail first, and handed it back afterwards.
    pub sends_back: bool,
}

/// What the gateway knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The present.
    pub now: Moment,
    /// Mail that is still here.
    pub stock: Vec<Stock>,
    /// Hosts that took mail within [`REFUSING_AFTER`].
    pub taking: BTreeSet<String>,
    /// Inboxes that took no mail since a refusal.
    pub failing: Vec<Refused>,
    /// Domains that take no mail, and where aliases in use lead.
    pub no_mail: Vec<TakesNone>,
    /// Domains whose records are not as they must be.
    pub drifting: Vec<Drifting>,
    /// What was found at this moment.
    pub present: Vec<Finding>,
    /// What the doctor found of the gateway and its host when he looked last; none before his first look.
    pub doctor: Option<Vec<Finding>>,
    /// What was open of that before this process began; it stands until he has looked.
    pub stood: Vec<Cause>,
}

/// A domain whose records are not as they must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drifting {
    /// Which.
    pub domain: String,
    /// Which of its records, in words; nothing before anybody has looked.
    pub wrong: Vec<String>,
}

impl Facts {
    /// Whether the DNS says why nothing of this address, or this host, arrives.
    fn is_explained(&self, address: &str) -> bool {
        let host = address.rsplit_once('@').map_or(address, |(_, host)| host);
        self.no_mail.iter().any(|one| one.domain.eq_ignore_ascii_case(host))
    }
}

/// What stands, the worst first.
#[must_use]
pub fn seen(facts: &Facts) -> Seen {
    let mut causes = of_waiting(facts);
    causes.extend(of_others(facts));
    let failing = facts.failing.iter().filter(|inbox| !facts.is_explained(&inbox.address));
    causes.extend(failing.flat_map(|inbox| of_inbox(inbox, facts.now)));
    causes.extend(facts.no_mail.iter().map(takes_none));
    causes.extend(facts.drifting.iter().map(drift));
    causes.extend(facts.present.iter().filter_map(of_finding));
    // What is looked at each time is not told by what was found hours ago.
    let found = facts.doctor.iter().flatten().filter_map(of_finding);
    causes.extend(found.filter(|cause| !matches!(cause.kind, Kind::Certificate | Kind::Disk | Kind::Backup)));
    if facts.doctor.is_none() {
        causes.extend(facts.stood.iter().cloned());
    }
    causes.sort_by(|a, b| (a.severity, a.kind, a.since, &a.subject).cmp(&(b.severity, b.kind, b.since, &b.subject)));
    let (mut counts, mut more) = (BTreeMap::new(), 0);
    causes.retain(|cause| {
        let count: &mut usize = counts.entry(cause.kind).or_default();
        *count += 1;
        more += usize::from(*count > MAX_OF_KIND);
        *count <= MAX_OF_KIND
    });
    let mut keys = BTreeSet::new();
    causes.retain(|cause| keys.insert(cause.key()));
    let blind = if facts.doctor.is_some() { BTreeSet::new() } else { OF_DOCTOR.into() };
    Seen { causes, more, blind, again: BTreeMap::new() }
}

/// Whether only the doctor finds causes of this kind.
#[must_use]
pub fn is_of_doctor(kind: Kind) -> bool {
    OF_DOCTOR.contains(&kind)
}

fn of_waiting(facts: &Facts) -> Vec<Cause> {
    let mut hosts: BTreeMap<&str, Vec<&Stock>> = BTreeMap::new();
    let is_open = |stock: &&Stock| stock.stay == Stay::Waits && !facts.is_explained(&stock.host);
    for stock in facts.stock.iter().filter(is_open) {
        hosts.entry(&stock.host).or_default().push(stock);
    }
    hosts.into_iter().flat_map(|(host, stock)| of_host(facts, host, &stock)).collect()
}

/// Whose fault is it that mail for this host waits: the host's, an inbox's, or nobody's?
fn of_host(facts: &Facts, host: &str, stock: &[&Stock]) -> Vec<Cause> {
    let late = |stock: &Stock| facts.now.since(stock.since) >= REFUSING_AFTER;
    let is_tried = |stock: &Stock| late(stock) && stock.is_tried && stock.is_verified;
    let (tried, others): (Vec<&Stock>, Vec<&Stock>) = stock.iter().copied().partition(|stock| is_tried(stock));
    let stuck: Vec<&Stock> = others.into_iter().filter(|stock| facts.now.since(stock.since) >= WAITING_AFTER).collect();
    let silent: Vec<&Stock> = tried.iter().copied().filter(|stock| !stock.takes).collect();
    let mut causes = Vec::new();
    if !tried.is_empty() && !facts.taking.contains(host) {
        causes.push(refusing(facts, host, &tried));
    } else if silent.len() <= MAX_INBOXES && silent.len() == tried.len() {
        causes.extend(silent.iter().map(|stock| refusing(facts, &stock.destination, &[*stock])));
    } else {
        causes.push(throttled(facts, host, &tried));
    }
    if !stuck.is_empty() && causes.is_empty() {
        causes.push(waiting(facts, host, &stuck));
    }
    causes
}

fn messages(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("One message {one}") } else { format!("{count} messages {many}") }
}

/// How many, since when, and what was said to the oldest.
fn sums<'a>(stock: &[&'a Stock]) -> (u64, Moment, &'a str) {
    let count = stock.iter().map(|stock| stock.count).sum();
    let oldest = stock.iter().min_by_key(|stock| stock.since);
    oldest.map_or((count, Moment::default(), ""), |oldest| (count, oldest.since, oldest.said.as_str()))
}

/// An answer begins with its code; else the words are ours, and nobody said them.
fn said(words: &str) -> String {
    let words: String = words.chars().take(MAX_SAID).collect();
    match words.as_str() {
        "" => String::new(),
        reply if is_reply(reply) => format!(" What was said last: {reply}"),
        ours => format!(" Why, as far as is known: {ours}"),
    }
}

fn refusing(facts: &Facts, subject: &str, stock: &[&Stock]) -> Cause {
    let (count, since, words) = sums(stock);
    let waiting = messages(count, "waits", "wait");
    let span = span_in_words(facts.now.since(since));
    Cause {
        id: "refusing".to_owned(),
        kind: Kind::Refusing,
        subject: subject.to_owned(),
        severity: Severity::Fault,
        since: Some(since),
        what: format!("{} has taken no mail for {span}. {waiting} for it.{}", in_unicode(subject), said(words)),
        remedy:
            "The mail is kept and tried again by itself; nothing is lost meanwhile. Read what was said: if it is about \
                 this gateway, waypost doctor tells more; if the inbox is full or gone, that is for its owner to mend."
                .to_owned(),
    }
}

fn throttled(facts: &Facts, host: &str, stock: &[&Stock]) -> Cause {
    let (count, since, words) = sums(stock);
    let (name, waiting) = (in_unicode(host), messages(count, "waits", "wait"));
    let span = span_in_words(facts.now.since(since));
    Cause {
        id: "throttled".to_owned(),
        kind: Kind::Throttled,
        subject: host.to_owned(),
        severity: Severity::Warning,
        since: Some(since),
        what: format!("{name} takes mail, but slower than it comes. {waiting}, the oldest for {span}.{}", said(words)),
        remedy:
            "The gateway sends slower by itself and tries again. If it goes on, look for one alias that gets far more \
                 mail than others, and limit or block what floods it."
                .to_owned(),
    }
}

fn waiting(facts: &Facts, host: &str, stock: &[&Stock]) -> Cause {
    let (count, since, words) = sums(stock);
    let (name, waiting) = (in_unicode(host), messages(count, "has", "have"));
    let span = span_in_words(facts.now.since(since));
    let remedy = if stock.iter().all(|stock| stock.is_verified) {
        "Open the queue and have them tried now. If they still wait, the log of the gateway says why."
    } else {
        "Its inbox is not verified any more: verify it again, and the mail goes on; or send it to another one."
    };
    Cause {
        id: "waiting".to_owned(),
        kind: Kind::Waiting,
        subject: host.to_owned(),
        severity: Severity::Warning,
        since: Some(since),
        what: format!("{waiting} waited for more than four hours for {name}, the oldest for {span}.{}", said(words)),
        remedy: remedy.to_owned(),
    }
}

/// What is held, and what failed unheard.
fn of_others(facts: &Facts) -> Vec<Cause> {
    let of = |stay| facts.stock.iter().filter(move |stock| stock.stay == stay);
    let mut causes: Vec<Cause> = of(Stay::Untold).map(untold).collect();
    let held: Vec<&Stock> = of(Stay::Held).collect();
    if !held.is_empty() {
        let (count, since, _) = sums(&held);
        let what = messages(count, "is held until you release it.", "are held until you release them.");
        causes.push(Cause {
            id: "held".to_owned(),
            kind: Kind::Held,
            subject: "the queue".to_owned(),
            severity: Severity::Warning,
            since: Some(since),
            what,
            remedy: "Open the queue, and release or cancel what is held there.".to_owned(),
        });
    }
    causes
}

fn untold(stock: &Stock) -> Cause {
    let to = in_unicode(&stock.destination);
    let why = |of: &str| stock.untold.as_ref().map(|why| format!("{of}: {why}")).unwrap_or_default();
    let one = format!("for {to} failed and is kept for you. Its sender was not told{}.", why(""));
    let many = format!("for {to} failed and are kept for you. Their senders were not told{}.", why("; of the oldest"));
    Cause {
        id: "untold".to_owned(),
        kind: Kind::Untold,
        subject: stock.destination.clone(),
        severity: Severity::Warning,
        since: Some(stock.since),
        what: format!("{}{}", messages(stock.count, &one, &many), said(&stock.said)),
        remedy: "Open the queue, and send it again there, to another inbox if need be, or delete it. If you do neither, it is \
                 deleted at the time that its page names."
            .to_owned(),
    }
}

fn of_inbox(inbox: &Refused, now: Moment) -> Vec<Cause> {
    let (address, age) = (&inbox.address, now.since(inbox.since));
    let (name, span) = (in_unicode(address), span_in_words(age));
    let what = if inbox.sends_back {
        format!("{name} took mail {span} ago and sent it back, and has kept none since.{}", said(&inbox.said))
    } else {
        format!("{name} has refused its mail for {span}.{}", said(&inbox.said))
    };
    let refusing = |id: &str, kind, remedy: &str| Cause {
        id: id.to_owned(),
        kind,
        subject: address.clone(),
        severity: Severity::Fault,
        since: Some(inbox.since),
        what: what.clone(),
        remedy: remedy.to_owned(),
    };
    let mut causes = Vec::new();
    if age >= REFUSING_AFTER {
        let remedy = "Look at what became of its last mail, which has the words of the refusal. Senders are told while it \
                      lasts.";
        causes.push(refusing("refusing", Kind::Refusing, remedy));
    }
    if age >= BOUNCING_AFTER {
        let remedy = "Nothing is removed by itself. If the inbox is gone, let its aliases lead to another one.";
        causes.push(refusing("bouncing", Kind::Bouncing, remedy));
    }
    causes
}

fn takes_none(found: &TakesNone) -> Cause {
    Cause {
        id: NO_MAIL.to_owned(),
        kind: Kind::Refusing,
        subject: found.domain.clone(),
        severity: Severity::Fault,
        since: Some(found.since),
        what: format!("{} Aliases that are in use lead there.", found.why.told(&found.domain)),
        remedy: no_mail::REMEDY.to_owned(),
    }
}

fn drift(drifting: &Drifting) -> Cause {
    let domain = in_unicode(&drifting.domain);
    let mut what = format!("Some DNS records of {domain} are not as they should be.");
    for wrong in drifting.wrong.iter().take(MAX_NAMED) {
        what.push(' ');
        what.push_str(wrong);
    }
    Cause {
        id: "drift".to_owned(),
        kind: Kind::Drift,
        subject: drifting.domain.clone(),
        severity: Severity::Fault,
        since: None,
        what,
        remedy: format!("Compare the records with what they should be, and correct them: waypost dns {domain}"),
    }
}

/// Whether causes of this kind are found by looking at the host, at DNS or at lists, and not by what becomes of mail.
#[must_use]
pub fn is_looked_for(kind: Kind) -> bool {
    is_of_doctor(kind) || kind == Kind::Drift
}

/// A cause as the doctor names it.
#[must_use]
pub fn as_finding(cause: Cause) -> Finding {
    let Cause { id, kind: _, subject, severity, since, what, remedy } = cause;
    Finding { id, severity, subject, what, since, remedy }
}

/// What a finding is a cause of; a note is no cause to write a mail.
#[must_use]
pub fn of_finding(finding: &Finding) -> Option<Cause> {
    if finding.severity == Severity::Note {
        return None;
    }
    let (id, kind) = match finding.id.as_str() {
        // Whether it ends soon or has ended, it is the same cause.
        "certificate_expires" | "certificate_expired" => ("certificate_expiry", Kind::Certificate),
        id if id.starts_with("certificate_") => (id, Kind::Certificate),
        id @ "disk_low" => (id, Kind::Disk),
        id @ "backup_failed" => (id, Kind::Backup),
        id @ ("address_listed" | "name_listed") => (id, Kind::Listed),
        id => (id, Kind::Gateway),
    };
    Some(Cause {
        id: id.to_owned(),
        kind,
        subject: finding.subject.clone(),
        severity: finding.severity,
        since: finding.since,
        what: finding.what.clone(),
        remedy: finding.remedy.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::no_mail::NoMail;

    fn now() -> Moment {
        Moment::from_millis(1_795_373_784_000)
    }

    fn stock(destination: &str, minutes: u64) -> Stock {
        Stock {
            host: destination.split('@').nth(1).unwrap().to_owned(),
            destination: destination.to_owned(),
            stay: Stay::Waits,
            count: 2,
            since: now().before(Duration::from_secs(60 * minutes)),
            is_tried: true,
            is_verified: true,
            takes: false,
            said: "451 4.7.1 come later".to_owned(),
            untold: None,
        }
    }

    fn facts(stock: Vec<Stock>, taking: &[&str]) -> Facts {
        Facts {
            now: now(),
            stock,
            taking: taking.iter().map(|host| (*host).to_owned()).collect(),
            failing: Vec::new(),
            no_mail: Vec::new(),
            drifting: Vec::new(),
            present: Vec::new(),
            doctor: None,
            stood: Vec::new(),
        }
    }

    /// Kinds with what they speak of.
    type Told = Vec<(&'static str, String)>;

    fn told(facts: &Facts) -> Told {
        seen(facts).causes.into_iter().map(|cause| (cause.kind.as_str(), cause.subject)).collect()
    }

    fn one(kind: &'static str, subject: &str) -> Told {
        vec![(kind, subject.to_owned())]
    }

    #[test]
    fn what_the_dns_explains_is_told_once() {
        let gone = TakesNone { domain: "inbox.example".to_owned(), why: NoMail::NullMx, since: now() };
        let address = "new@inbox.example".to_owned();
        let failing =
            vec![Refused { address, since: now().before(WAITING_AFTER), said: String::new(), sends_back: false }];
        let facts = Facts { failing, no_mail: vec![gone], ..facts(vec![stock("old@inbox.example", 300)], &[]) };
        let causes = seen(&facts).causes;
        assert_eq!(causes.len(), 1, "{causes:?}");
        assert_eq!((causes[0].page().as_str(), causes[0].kind), ("/destinations?q=inbox.example", Kind::Refusing));
        assert!(causes[0].what.starts_with("inbox.example takes no mail: its null MX record says so."), "{causes:?}");
    }

    #[test]
    fn who_is_to_blame_when_mail_waits() {
        let waits = |minutes| vec![stock("anna@big.example", minutes)];
        let slow = vec![Stock { takes: true, ..stock("anna@big.example", 90) }, stock("ben@big.example", 90)];
        let many: Vec<_> = (0..5).map(|n| stock(&format!("a{n}@big.example"), 90)).collect();
        let untried = |minutes| vec![Stock { is_tried: false, ..stock("anna@big.example", minutes) }];
        let unverified = vec![Stock { is_verified: false, ..stock("anna@big.example", 300) }];
        let cases: [(Vec<Stock>, &[&str], Told); 9] = [
            (waits(59), &[], vec![]),
            (waits(60), &[], one("refusing", "big.example")),
            (waits(60), &["other.example"], one("refusing", "big.example")),
            (waits(60), &["big.example"], one("refusing", "anna@big.example")),
            (slow, &["big.example"], one("throttled", "big.example")),
            (many, &["big.example"], one("throttled", "big.example")),
            (untried(239), &["big.example"], vec![]),
            (untried(240), &[], one("waiting", "big.example")),
            (unverified, &[], one("waiting", "big.example")),
        ];
        for (number, (stock, taking, wanted)) in cases.into_iter().enumerate() {
            assert_eq!(told(&facts(stock, taking)), wanted, "case {number}");
        }
    }

    #[test]
    fn one_host_that_refuses_is_one_cause_and_each_host_its_own() {
        let all = vec![stock("a@one.example", 70), stock("b@one.example", 80), stock("a@two.example", 61)];
        let causes = seen(&facts(all, &[])).causes;
        assert_eq!(
            causes.iter().map(|cause| cause.subject.as_str()).collect::<Vec<_>>(),
            ["one.example", "two.example"]
        );
        assert!(causes[0].what.contains("4 messages wait for it. What was said last: 451 4.7.1"), "{}", causes[0].what);
        assert_eq!(causes[0].since, Some(now().before(Duration::from_secs(4800))));
    }

    #[test]
    fn held_untold_and_dead_inboxes() {
        let held = Stock { stay: Stay::Held, count: 1, ..stock("x@my.example", 1) };
        let why = Some("another destination of the alias has the message".to_owned());
        let untold = Stock { stay: Stay::Untold, count: 1, untold: why, ..stock("anna@inbox.example", 1) };
        let hours = |hours: u64| now().before(Duration::from_secs(3600 * hours));
        let refused = |address: &str, since| {
            let said = "550 5.1.1 nobody here".to_owned();
            Refused { address: address.to_owned(), since, said, sends_back: false }
        };
        let failing = vec![refused("new@inbox.example", now()), refused("old@inbox.example", hours(80))];
        let facts = Facts { failing, ..facts(vec![held, untold], &[]) };
        assert_eq!(
            told(&facts),
            [
                ("refusing", "old@inbox.example".to_owned()),
                ("bouncing", "old@inbox.example".to_owned()),
                ("untold", "anna@inbox.example".to_owned()),
                ("held", "the queue".to_owned()),
            ]
        );
        let causes = seen(&facts).causes;
        assert!(causes[0].what.ends_with("What was said last: 550 5.1.1 nobody here"), "{}", causes[0].what);
        let untold = "One message for anna@inbox.example failed and is kept for you. Its sender was not told: another \
                      destination of the alias has the message. What was said last: 451 4.7.1 come later";
        assert_eq!(causes[2].what, untold);
        assert_eq!(causes[3].what, "One message is held until you release it.");
    }

    #[test]
    fn findings_of_the_doctor_are_causes_and_notes_are_not() {
        let finding = |id: &str, subject: &str, severity| Finding {
            id: id.to_owned(),
            severity,
            subject: subject.to_owned(),
            what: format!("{id} is wrong."),
            since: None,
            remedy: "Mend it.".to_owned(),
        };
        let gateway = vec![
            finding("ptr_missing", "192.0.2.7", Severity::Fault),
            finding("address_listed", "192.0.2.7", Severity::Fault),
            finding("certificate_wrong_name", "gw.example", Severity::Fault),
        ];
        let present = vec![
            finding("certificate_expired", "gw.example", Severity::Fault),
            finding("certificate_self_signed", "gw.example", Severity::Note),
            finding("disk_low", "data_dir", Severity::Warning),
        ];
        let wrong = vec!["MX of my.example: it leads elsewhere.".to_owned()];
        let drifting = vec![Drifting { domain: "my.example".to_owned(), wrong }];
        let facts = Facts { doctor: Some(gateway), present, drifting, ..facts(Vec::new(), &[]) };
        let found = seen(&facts);
        assert_eq!(
            found.causes.iter().map(|cause| cause.kind).collect::<Vec<_>>(),
            [Kind::Drift, Kind::Certificate, Kind::Listed, Kind::Gateway, Kind::Disk]
        );
        assert!(found.causes[0].what.ends_with(" MX of my.example: it leads elsewhere."), "{}", found.causes[0].what);
        assert_eq!(found.causes[1].id, "certificate_expiry");
        assert!(found.blind.is_empty());
        // Before he has looked, what stood stands.
        let stood = vec![found.causes[3].clone()];
        let unlooked = Facts { doctor: None, stood: stood.clone(), ..facts.clone() };
        assert_eq!(seen(&unlooked).blind, OF_DOCTOR.into());
        assert!(seen(&unlooked).causes.contains(&stood[0]));
        let well = Facts { doctor: Some(Vec::new()), stood: stood.clone(), ..facts };
        assert!(!seen(&well).causes.contains(&stood[0]));
    }

    #[test]
    fn of_very_many_the_oldest_are_told() {
        let many = (0..300).map(|n| stock(&format!("a@d{n:03}.example"), 600 - n)).collect();
        let causes = seen(&facts(many, &[])).causes;
        assert_eq!((causes.len(), causes[0].subject.as_str()), (MAX_OF_KIND, "d000.example"));
    }
}
