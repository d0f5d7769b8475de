//! The records of a domain as a page shows them: the state in words, and each record with what is wanted, what was found by
//! whose mouth, the verdict, and the exact text to publish.

use crate::admin::shapes::{DomainShape, RecordShape, RecordsShape};
use crate::admin::{Actor, AdminError, KnownRecords, LookAge};
use crate::http::Site;
use crate::mail::Moment;
use crate::policy::records::{Record, Said, Verdict, Weight};

use super::super::text::{self, When};

/// Characters of one value that was found; more says nothing more.
const VALUE_CHARS: usize = 600;
/// Values of one record that are shown.
const MAX_VALUES: usize = 8;

/// What DNS alone can say of mail: whether any arrives, the doctor knows better.
const LEADS_HERE: &str = "The MX record leads here";
const LEADS_NOWHERE: &str = "Mail does not arrive: the MX record leads here, and this host's name has no address";
const AS_THEY_MUST_BE: &str = "The records are as they must be.";

/// How the domain stands.
pub(in crate::http::panel) struct State {
    pub(in crate::http::panel) tone: &'static str,
    pub(in crate::http::panel) icon: &'static str,
    pub(in crate::http::panel) words: String,
    /// When DNS was asked; none where it was not, as long as the process runs.
    pub(in crate::http::panel) at: Option<When>,
    /// Whether anything is left that DNS may yet say: then it is worth another look.
    pub(in crate::http::panel) unsettled: bool,
}

/// What somebody says of a record.
pub(in crate::http::panel) struct Mouth {
    pub(in crate::http::panel) who: String,
    pub(in crate::http::panel) values: Vec<String>,
    /// In place of values: that there is none, or why nothing is known.
    pub(in crate::http::panel) words: Option<String>,
}

/// A record as it is shown.
pub(in crate::http::panel) struct Shown {
    pub(in crate::http::panel) id: String,
    pub(in crate::http::panel) kind: &'static str,
    pub(in crate::http::panel) name: String,
    pub(in crate::http::panel) tone: &'static str,
    pub(in crate::http::panel) icon: &'static str,
    pub(in crate::http::panel) word: &'static str,
    pub(in crate::http::panel) weight: &'static str,
    pub(in crate::http::panel) detail: String,
    /// The text to publish; none where nothing is asked for.
    pub(in crate::http::panel) wanted: Option<String>,
    pub(in crate::http::panel) mouths: Vec<Mouth>,
}

/// All of it.
pub(in crate::http::panel) struct Records {
    pub(in crate::http::panel) state: State,
    /// What is asked for, or was found and is wrong.
    pub(in crate::http::panel) main: Vec<Shown>,
    /// What nobody asks for.
    pub(in crate::http::panel) rest: Vec<Shown>,
    /// The gateway's own.
    pub(in crate::http::panel) host: Vec<Shown>,
    pub(in crate::http::panel) zone: String,
    /// Why nothing is known of any of them.
    pub(in crate::http::panel) unheard: Option<String>,
}

/// The records of a domain: as they are known, or as DNS says now.
pub(in crate::http::panel) async fn look(
    site: &Site,
    actor: &Actor,
    domain: &DomainShape,
    anew: bool,
) -> Result<Records, AdminError> {
    let now = site.admin.clock.now();
    if anew {
        let found = site.admin.domain_records(actor, &domain.name).await?;
        return Ok(Records::new(&found, state(&found, now)));
    }
    Ok(Records::known(&site.admin.known_records(actor, &domain.name).await?, domain, now))
}

impl State {
    /// By what is known of its records: the list of domains and its own page say the same.
    pub(in crate::http::panel) fn known(known: &KnownRecords, domain: &DomainShape, now: Moment) -> Self {
        match known.age {
            LookAge::Fresh => state(&known.records, now),
            LookAge::Old => Self { unsettled: true, ..state(&known.records, now) },
            LookAge::None => Self::unasked(&known.wrong, domain),
        }
    }

    /// As it was when a process before this one asked, if any did.
    fn unasked(wrong: &[String], domain: &DomainShape) -> Self {
        let (tone, icon, words) = match domain.dns.as_str() {
            "ok" => ("ok", "done", "All records were found when DNS was asked last.".to_owned()),
            "drift" if domain.verified_at.is_none() => {
                ("wait", "wait", "Its mail is put off until it is proved whose it is.".to_owned())
            }
            "drift" => ("wait", "wait", format!("Some records differed when DNS was asked last{}.", named(wrong))),
            _ => ("wait", "wait", "DNS has not been asked yet.".to_owned()),
        };
        Self { tone, icon, words, at: None, unsettled: true }
    }
}

impl Records {
    /// As they are known.
    fn known(known: &KnownRecords, domain: &DomainShape, now: Moment) -> Self {
        let state = State::known(known, domain, now);
        match known.age {
            LookAge::Fresh | LookAge::Old => Self::new(&known.records, state),
            LookAge::None => Self::unasked(known, domain, state),
        }
    }

    /// What is wanted, and what was wrong when a process before this one asked, while no more is known of what is there.
    fn unasked(known: &KnownRecords, domain: &DomainShape, state: State) -> Self {
        let KnownRecords { records: found, wrong, .. } = known;
        let word = if was_asked(domain) { "not asked since the start" } else { "not asked yet" };
        let shown = |records: &[RecordShape]| -> Vec<Shown> {
            let wanted = records.iter().enumerate().filter(|(_, shape)| shape.record.wanted.is_some());
            wanted.map(|(index, shape)| unasked(shown(&shape.record, index), (word, wrong))).collect()
        };
        let (main, host) = (shown(&found.records), shown(&found.host));
        Self { state, main, rest: Vec::new(), host, zone: zone(found).replace('\t', " "), unheard: None }
    }

    /// As they were found.
    fn new(found: &RecordsShape, state: State) -> Self {
        let is_spare = |(_, shape): &(usize, &RecordShape)| match shape.record.verdict {
            Verdict::Absent => true,
            Verdict::Unknown => shape.record.weight == Weight::Optional,
            _ => false,
        };
        let (rest, main): (Vec<_>, Vec<_>) = found.records.iter().enumerate().partition(is_spare);
        let all = |records: Vec<(usize, &RecordShape)>| -> Vec<Shown> {
            records.into_iter().map(|(index, shape)| shown(&shape.record, index)).collect()
        };
        let (mut main, mut rest, mut host) = (all(main), all(rest), of_host(&found.host));
        let unheard = said_once(main.iter_mut().chain(&mut rest));
        for record in host.iter_mut().filter(|record| Some(&record.detail) == unheard.as_ref()) {
            record.detail.clear();
        }
        Self { state, main, rest, host, zone: zone(found).replace('\t', " "), unheard }
    }
}

/// That nobody answered of any record, which stands above them then, and not with each.
pub(in crate::http::panel) fn said_once<'s>(records: impl Iterator<Item = &'s mut Shown>) -> Option<String> {
    let records: Vec<_> = records.collect();
    let said = records.first()?.detail.clone();
    let is_alike = records.iter().all(|record| record.mouths.is_empty() && record.detail == said);
    if !is_alike || said.is_empty() || records.len() < 2 {
        return None;
    }
    records.into_iter().for_each(|record| record.detail.clear());
    Some(said)
}

fn was_asked(domain: &DomainShape) -> bool {
    matches!(domain.dns.as_str(), "ok" | "drift")
}

/// A record that nobody asked for as long as the process runs: what was wrong with it before that is known still.
fn unasked(record: Shown, (word, wrong): (&'static str, &[String])) -> Shown {
    let begin = format!("{} of {}: ", record.kind, record.name);
    let then = wrong.iter().find_map(|words| text::visible(words).strip_prefix(&begin).map(str::to_owned));
    let word = if then.is_some() { "differed then" } else { word };
    Shown { word, tone: "wait", detail: then.unwrap_or_default(), mouths: Vec::new(), ..record }
}

/// `: MX of my.example, TXT of my.example`, of what was wrong.
fn named(wrong: &[String]) -> String {
    let names = wrong.iter().filter_map(|words| words.split_once(": ")).map(|(name, _)| text::visible(name));
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() { String::new() } else { format!(": {names}") }
}

/// The gateway's own records, by themselves.
pub(in crate::http::panel) fn of_host(records: &[RecordShape]) -> Vec<Shown> {
    records.iter().enumerate().map(|(index, shape)| shown(&shape.record, index)).collect()
}

/// What is to be published, as a fragment of a zone file.
pub(in crate::http::panel) fn zone(found: &RecordsShape) -> String {
    let lines = |shape: &RecordShape| {
        let wanted = shape.zone.iter().map(|line| format!("{line}\n"));
        let goes = shape.remove.iter().map(|line| format!("; remove: {line}\n"));
        wanted.chain(goes).collect::<String>()
    };
    found.records.iter().map(lines).collect()
}

fn state(found: &RecordsShape, now: Moment) -> State {
    let records: Vec<&Record> = found.records.iter().map(|shape| &shape.record).collect();
    let mx = records.iter().find(|record| record.id == "mx");
    let is_shared = mx.is_some_and(|record| record.is_shared());
    let mx = mx.map_or(Verdict::Unknown, |record| record.verdict);
    let named = |is_meant: fn(&Record) -> bool| -> Vec<&'static str> {
        records.iter().filter(|record| record.id != "mx" && is_meant(record)).map(|record| name(record.id)).collect()
    };
    let differ = named(|record| record.verdict == Verdict::Differs);
    let missing = named(|record| record.verdict == Verdict::Missing && record.is_drift());
    let advised = named(|record| record.verdict == Verdict::Missing && record.weight == Weight::Advised);
    let unjudged = named(|record| record.verdict == Verdict::Unknown && record.weight != Weight::Optional);
    let unproven = records.iter().any(|record| record.id == "proof" && record.is_drift());
    let is_nowhere =
        found.host.iter().any(|shape| shape.record.id == "address" && shape.record.verdict == Verdict::Missing);
    let (tone, icon, begin) = match mx {
        Verdict::Ok | Verdict::Extra if is_nowhere => ("bad", "fail", LEADS_NOWHERE),
        Verdict::Ok | Verdict::Extra if unproven => ("bad", "fail", "Mail comes here, and is put off"),
        Verdict::Ok | Verdict::Extra if [&differ, &missing, &unjudged].iter().all(|names| names.is_empty()) => {
            ("ok", "done", LEADS_HERE)
        }
        Verdict::Ok | Verdict::Extra => ("wait", "wait", LEADS_HERE),
        Verdict::Missing => ("bad", "fail", "Mail does not arrive yet: the MX record is missing"),
        Verdict::Differs if is_shared => ("bad", "fail", "Other hosts take mail too: their MX records have to go"),
        Verdict::Differs => ("bad", "fail", "Mail does not arrive: the MX record leads elsewhere"),
        Verdict::Absent | Verdict::Unknown => ("wait", "wait", "DNS does not say whether mail arrives"),
    };
    let rest: String = [
        told(&differ, ("differs", "differ")),
        told(&missing, ("is missing", "are missing")),
        told(&advised, ("is advised and missing", "are advised and missing")),
        told(&unjudged, ("cannot be judged yet", "cannot be judged yet")),
    ]
    .concat();
    let all = || found.records.iter().chain(&found.host).map(|shape| &shape.record);
    let unsettled = all().any(|r| r.is_drift() || (r.verdict == Verdict::Unknown && r.weight == Weight::Needed));
    let words = if rest.is_empty() && tone == "ok" { AS_THEY_MUST_BE.to_owned() } else { format!("{begin}{rest}.") };
    State { tone, icon, words, at: Some(When::new(found.checked_at, now)), unsettled }
}

/// `; SPF and DMARC are missing`; nothing of none.
fn told(names: &[&str], (is, are): (&str, &str)) -> String {
    match names {
        [] => String::new(),
        [one] => format!("; {one} {is}"),
        [before @ .., last] => format!("; {} and {last} {are}", before.join(", ")),
    }
}

/// What people call a record.
fn name(id: &'static str) -> &'static str {
    match id {
        "spf" => "SPF",
        "dkim" => "DKIM",
        "dmarc" => "DMARC",
        "mta_sts" => "MTA-STS",
        "tls_rpt" => "TLS reporting",
        "proof" => "the proof that it is yours",
        other => other,
    }
}

fn shown(record: &Record, index: usize) -> Shown {
    let (tone, icon, word) = match (record.verdict, record.weight) {
        (Verdict::Ok, _) => ("ok", "done", "as wanted"),
        (Verdict::Extra, _) if record.id == "ptr" => ("ok", "done", "another name"),
        (Verdict::Extra, _) => ("ok", "done", "found, with others"),
        (Verdict::Missing, Weight::Needed) => ("bad", "fail", "missing"),
        (Verdict::Missing, _) => ("wait", "wait", "missing"),
        (Verdict::Differs, _) if record.is_shared() => ("bad", "fail", "others take mail too"),
        (Verdict::Differs, _) => ("bad", "fail", "differs"),
        (Verdict::Absent, _) => ("", "stop", "not needed"),
        (Verdict::Unknown, _) if is_answered(record) => ("wait", "wait", "cannot tell"),
        (Verdict::Unknown, _) => ("wait", "wait", "no answer"),
    };
    Shown {
        id: format!("{}-{index}", record.id),
        kind: record.kind,
        name: text::visible(&record.name),
        tone,
        icon,
        word,
        weight: match record.weight {
            Weight::Needed => "needed",
            Weight::Advised => "advised",
            Weight::Optional => "optional",
        },
        detail: text::visible(&record.detail),
        wanted: record.wanted.as_deref().map(text::visible),
        mouths: mouths(record),
    }
}

/// Whether anybody said anything of it, be it that there is none.
fn is_answered(record: &Record) -> bool {
    record.servers.iter().map(|heard| &heard.said).chain([&record.resolver]).any(|said| said.values().is_some())
}

/// Who says what; one line where all say the same.
fn mouths(record: &Record) -> Vec<Mouth> {
    let all_alike = record.servers.iter().all(|heard| heard.said == record.resolver);
    // Why there is no answer is what the record's own words say.
    if all_alike && matches!(record.resolver, Said::Error(_)) {
        return Vec::new();
    }
    if all_alike {
        let who = match record.servers.len() {
            0 => "The resolver says".to_owned(),
            1 => "Name server and resolver say".to_owned(),
            n => format!("{n} name servers and the resolver say"),
        };
        return vec![mouth(who, &record.resolver)];
    }
    let servers =
        record.servers.iter().map(|heard| mouth(format!("{} says", text::visible(&heard.server)), &heard.said));
    servers.chain(std::iter::once(mouth("The resolver says".to_owned(), &record.resolver))).collect()
}

fn mouth(who: String, said: &Said) -> Mouth {
    match said {
        Said::Values(values) if values.is_empty() => {
            Mouth { who, values: Vec::new(), words: Some("nothing".to_owned()) }
        }
        Said::Values(values) => {
            let shown = values.iter().take(MAX_VALUES).map(|value| text::short(value, VALUE_CHARS)).collect();
            let words = (values.len() > MAX_VALUES).then(|| format!("and {} more", values.len() - MAX_VALUES));
            Mouth { who, values: shown, words }
        }
        Said::Error(why) => {
            Mouth { who, values: Vec::new(), words: Some(format!("no answer: {}", text::visible(why))) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::records::{Heard, Standing};

    fn record(id: &'static str, verdict: Verdict) -> RecordShape {
        let said = Said::Values(vec!["10 gw.example.".to_owned()]);
        RecordShape::from(Record {
            id,
            name: "my.example".to_owned(),
            kind: "MX",
            weight: Weight::Needed,
            wanted: Some("10 gw.example.".to_owned()),
            found: Vec::new(),
            servers: vec![Heard { server: "ns1.example".to_owned(), said: said.clone() }],
            resolver: said,
            verdict,
            detail: String::new(),
            cause: None,
        })
    }

    fn words(verdicts: &[(&'static str, Verdict)]) -> String {
        let records = verdicts.iter().map(|(id, verdict)| record(id, *verdict)).collect();
        let now = Moment::from_millis(1_795_373_784_120);
        let domain = "my.example".to_owned();
        state(&RecordsShape { domain, dns: Standing::Ok, checked_at: now, records, host: Vec::new() }, now).words
    }

    #[test]
    fn the_state_is_one_sentence() {
        use Verdict::{Differs, Missing, Ok, Unknown};
        assert_eq!(words(&[("mx", Ok), ("spf", Ok)]), "The records are as they must be.");
        assert_eq!(words(&[("mx", Ok), ("spf", Differs)]), "The MX record leads here; SPF differs.");
        assert_eq!(
            words(&[("mx", Ok), ("spf", Missing), ("dmarc", Missing)]),
            "The MX record leads here; SPF and DMARC are missing."
        );
        assert_eq!(
            words(&[("mx", Ok), ("spf", Missing), ("dmarc", Differs)]),
            "The MX record leads here; DMARC differs; SPF is missing."
        );
        assert_eq!(words(&[("mx", Missing), ("spf", Ok)]), "Mail does not arrive yet: the MX record is missing.");
        assert_eq!(
            words(&[("mx", Missing), ("spf", Missing)]),
            "Mail does not arrive yet: the MX record is missing; SPF is missing."
        );
        assert_eq!(
            words(&[("mx", Ok), ("proof", Missing)]),
            "Mail comes here, and is put off; the proof that it is yours is missing."
        );
        assert_eq!(words(&[("mx", Ok), ("spf", Unknown)]), "The MX record leads here; SPF cannot be judged yet.");
        assert_eq!(words(&[("mx", Unknown)]), "DNS does not say whether mail arrives.");
    }

    #[test]
    fn what_leads_to_a_host_without_an_address_is_not_as_it_must_be() {
        let now = Moment::from_millis(1_795_373_784_120);
        let records = vec![record("mx", Verdict::Ok), record("spf", Verdict::Unknown)];
        let host = vec![record("address", Verdict::Missing)];
        let said = state(
            &RecordsShape { domain: "my.example".to_owned(), dns: Standing::Ok, checked_at: now, records, host },
            now,
        );
        let words = "Mail does not arrive: the MX record leads here, and this host's name has no address; SPF cannot be judged yet.";
        assert_eq!((said.words.as_str(), said.tone), (words, "bad"));
    }

    #[test]
    fn a_host_that_takes_the_mail_first_is_no_record_as_it_must_be() {
        let mut mx = record("mx", Verdict::Differs);
        mx.record.cause = Some("mx_shared");
        assert_eq!(shown(&mx.record, 0).word, "others take mail too");
        let domain = "my.example".to_owned();
        let now = Moment::from_millis(1_795_373_784_120);
        let records =
            RecordsShape { domain, dns: Standing::Drift, checked_at: now, records: vec![mx], host: Vec::new() };
        let said = state(&records, now);
        let words = "Other hosts take mail too: their MX records have to go.";
        assert_eq!((said.words.as_str(), said.tone), (words, "bad"));
    }

    #[test]
    fn a_reverse_name_that_is_another_is_not_said_to_stand_beside_ours() {
        let word = |id| shown(&record(id, Verdict::Extra).record, 0).word;
        assert_eq!((word("ptr"), word("mx")), ("another name", "found, with others"));
    }

    #[test]
    fn who_says_the_same_stands_on_one_line() {
        let alike = record("mx", Verdict::Ok).record;
        assert_eq!(mouths(&alike).len(), 1);
        let behind = Record { resolver: Said::Values(Vec::new()), ..alike };
        let mouths = mouths(&behind);
        assert_eq!(
            mouths.iter().map(|mouth| mouth.who.as_str()).collect::<Vec<_>>(),
            ["ns1.example says", "The resolver says"]
        );
        assert_eq!(mouths[1].words.as_deref(), Some("nothing"));
    }
}
