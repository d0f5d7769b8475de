//! DKIM keys that a domain publishes under usual selectors. None is asked for: they are other systems', and judged so that a
//! broken one is noticed.

use data_encoding::BASE64;

use super::{Answers, Hosted, Record, Verdict, Weight, judged};

/// Selectors that are looked for: those of large providers and common programs. DNS cannot list what there is.
pub const SELECTORS: [&str; 8] = ["default", "google", "selector1", "selector2", "dkim", "mail", "s1", "k1"];
/// Octets of a 1024-bit RSA key as it is published, and a little less: anything shorter is refused (RFC 8301 §3.2).
const MIN_RSA_OCTETS: usize = 140;

/// A record for each key that is there.
pub(super) fn judge<'a>(domain: &'a Hosted, found: &'a [(String, Answers)]) -> impl Iterator<Item = Record> + use<'a> {
    let is_there = |answers: &Answers| answers.values().is_ok_and(|values| !values.is_empty());
    found.iter().filter(move |(_, answers)| is_there(answers)).map(|(selector, answers)| {
        let name = format!("{selector}._domainkey.{}", domain.name);
        let record = Record::blank(("dkim", "TXT"), &name, answers).weighing(Weight::Optional);
        judged(record, answers, by_values)
    })
}

fn by_values(record: Record, values: &[String]) -> Record {
    match values {
        [one] => match fault(one) {
            None => record.said(Verdict::Ok, "There is a key that can verify."),
            Some(why) => record.said(Verdict::Differs, format!("No signature under it verifies: {why}.")),
        },
        _ => record.said(Verdict::Differs, "There is more than one key under this selector: which one counts is luck."),
    }
}

fn fault(text: &str) -> Option<&'static str> {
    let tag = |wanted: &str| {
        let tags = text.split(';').filter_map(|tag| tag.split_once('='));
        tags.filter(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim()).next()
    };
    if tag("v").is_some_and(|version| version != "DKIM1") {
        return Some("its v= is not DKIM1");
    }
    let Some(key) = tag("p") else { return Some("it has no p=") };
    if key.is_empty() {
        return Some("the key was revoked (an empty p=)");
    }
    let octets = BASE64.decode(key.split_whitespace().collect::<String>().as_bytes());
    match octets {
        Err(_) => Some("its p= is not base64"),
        Ok(octets) if tag("k").unwrap_or("rsa") == "rsa" && octets.len() < MIN_RSA_OCTETS => {
            Some("the key is shorter than 1024 bits")
        }
        Ok(_) => None,
    }
}
