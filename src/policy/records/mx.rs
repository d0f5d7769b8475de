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
    let hosts: Vec<(u16, &str)> = values.iter().filter_map(|value| split(value)).collect();
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
            let detail = format!("Mail goes to {} and not to this gateway.", others.join(", "));
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
        return format!("Mail comes here first; {} take it while this host does not answer.", names(|_, _| true));
    }
    format!("This gateway is among the hosts, but senders may turn to {before} first: those must know your aliases.")
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
