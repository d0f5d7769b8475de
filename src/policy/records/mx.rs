//! MX of a hosted domain: ours is wanted; others behind it are allowed and said, others before or beside it take mail away.

use super::{Answers, Gateway, Hosted, Record, Verdict, judged};

/// The preference of the record that is proposed.
const PREFERENCE: u16 = 10;
/// Why it differs where ours is there and others take mail before it, or as often.
pub(super) const SHARED: &str = "mx_shared";

pub(super) fn judge(gateway: &Gateway, domain: &Hosted, answers: &Answers) -> Record {
    let record = Record::blank(("mx", "MX"), domain.name.as_str(), answers);
    let record = record.wanting(Some(format!("{PREFERENCE} {}.", gateway.hostname)));
    judged(record, answers, |record, values| by_values(record, values, gateway))
}

fn by_values(record: Record, values: &[String], gateway: &Gateway) -> Record {
    let hosts = by_preference(values);
    let ours = hosts.iter().filter(|(_, host)| is(host, gateway)).map(|(preference, _)| *preference).min();
    let others: Vec<&str> = hosts.iter().filter(|(_, host)| !is(host, gateway)).map(|(_, host)| *host).collect();
    match ours {
        None if hosts.is_empty() => {
            record.said(Verdict::Missing, "There is no MX record: no mail for this domain comes here.")
        }
        None if hosts.iter().all(|(_, host)| host.is_empty()) => record.because("null_mx").said(
            Verdict::Differs,
            "The null MX says that this domain takes no mail at all (RFC 7505). Replace it by the record shown.",
        ),
        None => {
            let place = match others.as_slice() {
                [_] => "in its place: if it stays beside it, it still gets mail",
                _ => "in their place: what stays beside it still gets mail",
            };
            let others = others.join(", ");
            let detail = format!("Mail goes to {others} and not to this gateway. Put the record shown {place}.");
            record.because("mx_elsewhere").said(Verdict::Differs, detail)
        }
        Some(_) if others.is_empty() => record.said(Verdict::Ok, "Mail for this domain comes here."),
        Some(ours) => beside(record, (ours, &hosts), gateway),
    }
}

/// What others beside ours mean.
fn beside(record: Record, (ours, hosts): (u16, &[(u16, &str)]), gateway: &Gateway) -> Record {
    let others = |wanted: fn(u16, u16) -> bool| {
        let some = hosts.iter().filter(|(preference, host)| wanted(*preference, ours) && !is(host, gateway));
        some.map(|(_, host)| *host).collect::<Vec<_>>()
    };
    let (before, equal) = (others(|theirs, ours| theirs < ours), others(|theirs, ours| theirs == ours));
    let when = match (before.as_slice(), equal.as_slice()) {
        ([], []) => return record.said(Verdict::Extra, behind(&others(|_, _| true))),
        (_, []) => "before they turn to this gateway",
        ([], _) => "as often as to this gateway",
        _ => "no later than to this gateway",
    };
    taken(record, &[before, equal].concat(), when)
}

/// Mail that comes here last, or by chance, does not arrive.
fn taken(record: Record, hosts: &[&str], when: &str) -> Record {
    let unless = match hosts {
        [_] => "Remove that record, unless that host knows your aliases and hands mail on to this gateway.",
        _ => "Remove those records, unless those hosts know your aliases and hand mail on to this gateway.",
    };
    record.because(SHARED).said(Verdict::Differs, format!("Senders turn to {} {when}. {unless}", hosts.join(", ")))
}

fn behind(hosts: &[&str]) -> String {
    let (take, them, they) = if hosts.len() > 1 { ("take", "them", "they hand") } else { ("takes", "it", "it hands") };
    format!(
        "Mail comes here first; {} {take} it while this host does not answer. Remove {them} unless {they} that mail on to this \
         gateway.",
        hosts.join(", ")
    )
}

/// The values that take mail away from this gateway: those that senders turn to no later than to ours.
pub(super) fn to_remove(record: &Record) -> Vec<String> {
    let ours = record.wanted.as_deref().and_then(split).map(|(_, host)| host).unwrap_or_default();
    let is_ours = |host: &str| host.eq_ignore_ascii_case(ours);
    let hosts = by_preference(&record.found);
    let limit = hosts.iter().find(|(_, host)| is_ours(host)).map_or(u16::MAX, |(preference, _)| *preference);
    let before = hosts.into_iter().filter(|(preference, host)| *preference <= limit && !is_ours(host));
    before.map(|(preference, host)| format!("{preference} {host}.")).collect()
}

/// Preferences and hosts, in the order in which senders try them.
fn by_preference(values: &[String]) -> Vec<(u16, &str)> {
    let mut hosts: Vec<_> = values.iter().filter_map(|value| split(value)).collect();
    hosts.sort_unstable();
    hosts
}

fn split(value: &str) -> Option<(u16, &str)> {
    let (preference, host) = value.split_once(' ')?;
    Some((preference.parse().ok()?, host.trim_end_matches('.')))
}

fn is(host: &str, gateway: &Gateway) -> bool {
    host.eq_ignore_ascii_case(gateway.hostname.as_str())
}

/// The hosts of these values, for the MTA-STS policy to be compared with.
pub(super) fn hosts(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().filter_map(|value| split(value)).map(|(_, host)| host).filter(|host| !host.is_empty())
}
