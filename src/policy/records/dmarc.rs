//! DMARC of a hosted domain: its own record or one above it is enough; none is a proposal, not a fault.

use super::{Answers, Hosted, Record, Said, Verdict, Weight, judged};

/// What is proposed: nothing is refused by it, and receivers see that somebody looks after the domain.
const PROPOSED: &str = "v=DMARC1; p=none";
const POLICIES: [&str; 3] = ["none", "quarantine", "reject"];

pub(super) fn judge(domain: &Hosted, answers: &Answers, above: Option<&(String, Said)>) -> Record {
    let record = Record::blank(("dmarc", "TXT"), &format!("_dmarc.{}", domain.name), answers).weighing(Weight::Advised);
    judged(record, answers, |record, values| by_values(record, values, above))
}

fn by_values(record: Record, values: &[String], above: Option<&(String, Said)>) -> Record {
    let own: Vec<&String> = values.iter().filter(|value| is_dmarc(value)).collect();
    let record = Record { found: own.iter().map(|value| (*value).clone()).collect(), ..record };
    match own.as_slice() {
        [] => match inherited(above) {
            Some((name, text)) => record.said(Verdict::Ok, format!("The record of {name} holds here: {text}")),
            None => {
                let record = record.wanting(Some(PROPOSED.to_owned()));
                record.said(Verdict::Missing, "Large providers want one. The proposal refuses nothing.")
            }
        },
        [one] => match fault(one) {
            None => record.said(Verdict::Ok, "There is a DMARC record."),
            Some(why) => record
                .wanting(Some(PROPOSED.to_owned()))
                .said(Verdict::Differs, format!("Receivers pass it over: {why}.")),
        },
        [first, ..] => record
            .wanting(Some((*first).clone()))
            .said(Verdict::Differs, "There is more than one, which is as good as none (RFC 7489 §6.6.3): leave one."),
    }
}

fn inherited(above: Option<&(String, Said)>) -> Option<(&str, &str)> {
    let (name, said) = above?;
    let text = said.values()?.iter().find(|value| is_dmarc(value) && fault(value).is_none())?;
    Some((name, text))
}

/// Whether a text is a DMARC record (RFC 7489 §6.3).
fn is_dmarc(text: &str) -> bool {
    text.split(';').next().is_some_and(|tag| tag.split_whitespace().collect::<String>() == "v=DMARC1")
}

/// What keeps it from counting.
fn fault(text: &str) -> Option<String> {
    let policy = text.split(';').filter_map(|tag| tag.split_once('=')).find(|(name, _)| name.trim() == "p");
    match policy.map(|(_, value)| value.trim()) {
        None => Some("it has no p=".to_owned()),
        Some(value) if POLICIES.iter().any(|policy| value.eq_ignore_ascii_case(policy)) => None,
        Some(value) => Some(format!("p={value} is none of none, quarantine, reject")),
    }
}
