//! MX of a hosted domain: ours is wanted; others beside it are allowed and said.

use super::{Answers, Gateway, Hosted, Record, Verdict, judged};

/// The preference of the record that is proposed.
const PREFERENCE: u16 = 10;

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
            let detail = format!(
                "Mail goes to {} and not to this gateway. Put the record shown in their place: what stays beside it still \
                 gets mail.",
                others.join(", ")
            );
            record.because("mx_elsewhere").said(Verdict::Differs, detail)
        }
        Some(_) if others.is_empty() => record.said(Verdict::Ok, "Mail for this domain comes here."),
        Some(ours) => record.said(Verdict::Extra, beside(ours, &hosts, gateway)),
    }
}

/// What others beside ours mean.
fn beside(ours: u16, hosts: &[(u16, &str)], gateway: &Gateway) -> String {
    let names = |wanted: fn(u16, u16) -> bool| {
        let some = hosts.iter().filter(|(preference, host)| wanted(*preference, ours) && !is(host, gateway));
        some.map(|(_, host)| *host).collect::<Vec<_>>().join(", ")
    };
    let before = names(|theirs, ours| theirs <= ours);
    if before.is_empty() {
        let behind = names(|_, _| true);
        let (take, them, they) =
            if behind.contains(", ") { ("take", "them", "they hand") } else { ("takes", "it", "it hands") };
        return format!(
            "Mail comes here first; {behind} {take} it while this host does not answer. Remove {them} unless {they} that mail \
             on to this gateway."
        );
    }
    format!(
        "This gateway is among the hosts, but senders may turn to {before} first. Remove those records, unless the hosts know \
         your aliases and hand mail on to this gateway."
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
