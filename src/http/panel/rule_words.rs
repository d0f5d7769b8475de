//! A rule told in words: which addresses it takes, and what it does with their mail now.

use crate::admin::shapes::{AliasShape, ExpiresAfter};
use crate::mail::Moment;
use crate::policy::admission::stretch;
use crate::policy::rule::{Action, After, Kind};

use super::text;

/// Which addresses an alias takes.
pub(super) fn which(alias: &AliasShape, subaddressing: bool) -> String {
    let domain = text::ours(&alias.domain);
    let local = alias.address.rsplit_once('@').map_or(alias.address.as_str(), |(local, _)| local);
    let local = text::visible(local);
    match alias.kind {
        Kind::CatchAll => format!("Every address of {domain} that no other alias takes."),
        Kind::Address if subaddressing => {
            format!("This address, and {local}+anything@{domain} where that is no alias itself.")
        }
        Kind::Address => "This address and no other.".to_owned(),
        Kind::Glob => format!("Every address of {domain} whose part before the @ {}.", of_glob(&local)),
        Kind::Regex => {
            let groups = local.matches('(').count() - local.matches("(?:").count() - local.matches("\\(").count();
            let captured = if groups > 0 {
                " What its groups catch can stand in the destination as $1, $2 and so on."
            } else {
                ""
            };
            format!(
                "Every address of {domain} whose whole part before the @ fits the regular expression {local}.{captured}"
            )
        }
    }
}

/// Who cannot write to an address with letters beyond ASCII in front of its @; the domain has a name that all can write.
pub(super) fn wants_smtputf8(alias: &AliasShape) -> Option<&'static str> {
    let local = alias.address.rsplit_once('@').map_or("", |(local, _)| local);
    (!local.is_ascii()).then_some(
        "Only senders whose mail servers know internationalised addresses (SMTPUTF8) reach it: others are told 553. Give \
         everybody else an alias of plain letters.",
    )
}

/// What is so of each part before the @ that a glob takes: `begins with “shop-”`.
fn of_glob(glob: &str) -> String {
    let is_plain = |text: &&str| !text.is_empty() && !text.contains(['*', '?', '[']);
    match (glob.strip_suffix('*').filter(is_plain), glob.strip_prefix('*').filter(is_plain)) {
        (Some(begin), _) => format!("begins with “{begin}”"),
        (_, Some(end)) => format!("ends with “{end}”"),
        _ => format!("is {}", pieces(glob)),
    }
}

/// A glob, piece by piece: `“shop-”, then anything`.
fn pieces(glob: &str) -> String {
    let (mut told, mut plain) = (Vec::new(), String::new());
    let mut rest = glob.chars();
    while let Some(c) = rest.next() {
        let special = match c {
            '*' => "anything".to_owned(),
            '?' => "one character".to_owned(),
            '[' => {
                let set: String = rest.by_ref().take_while(|c| *c != ']').collect();
                match set.strip_prefix(['!', '^']) {
                    Some(set) => format!("one character that is none of {set}"),
                    None => format!("one of {set}"),
                }
            }
            c => {
                plain.push(c);
                continue;
            }
        };
        end(&mut told, &mut plain);
        told.push(special);
    }
    end(&mut told, &mut plain);
    told.join(", then ")
}

fn end(told: &mut Vec<String>, plain: &mut String) {
    if !plain.is_empty() {
        told.push(format!("“{}”", std::mem::take(plain)));
    }
}

/// What an alias does with mail now, its look, and whether that needs a hand: its own, or its domain's, which is put off.
pub(super) fn state(alias: &AliasShape, put_off: Option<&str>) -> (&'static str, &'static str, String) {
    if !alias.enabled {
        return ("", "stop", "Off: its mail is refused as if there were no such address.".to_owned());
    }
    if alias.ended.is_some() {
        let then = match alias.then {
            After::Refuse => "its mail is refused as if there were no such address",
            After::Reject => "its mail is refused with its own words",
            After::Drop => "its mail is taken and thrown away",
            After::Delete => "it is about to be removed",
        };
        return ("", "stop", format!("Expired: {then}."));
    }
    if put_off.is_some() {
        let domain = text::ours(&alias.domain);
        return ("wait", "wait", format!("Waits: {domain} is not proved yet, so its mail is put off."));
    }
    if let Some(used_up) = used_up(alias) {
        return ("wait", "wait", used_up);
    }
    match alias.action {
        Action::Drop => ("", "stop", "Its mail is taken and thrown away.".to_owned()),
        Action::Reject => ("", "stop", "Its mail is refused.".to_owned()),
        Action::Forward | Action::Create if alias.unverified.len() == alias.destinations.len() => {
            ("wait", "wait", "Waits: none of its destinations is verified, so its mail is put off.".to_owned())
        }
        Action::Create => {
            ("ok", "done", "Makes an alias of each address that mail comes for, and sends it on.".to_owned())
        }
        Action::Forward => ("ok", "done", format!("On: its mail is sent on{}.", of_its_day(alias))),
    }
}

/// That it has had what it takes a day, which counts where mail would be sent on.
fn used_up(alias: &AliasShape) -> Option<String> {
    let sends = matches!(alias.action, Action::Forward | Action::Create);
    let (most, used) = (alias.quota?, alias.quota_used?);
    (sends && used >= most).then(|| {
        format!("Waits: {used} of the {most} that it takes within 24 hours have come, so its mail is put off for now.")
    })
}

/// How much of a day's mail has come, where there is a limit.
fn of_its_day(alias: &AliasShape) -> String {
    match (alias.quota, alias.quota_used) {
        (Some(most), Some(used)) => {
            format!("; {used} of the {most} that it takes within 24 hours have come")
        }
        _ => String::new(),
    }
}

/// When it ends, or how it ended, in words; nothing where it does not.
pub(super) fn ending(alias: &AliasShape) -> Option<String> {
    if let Some(how) = &alias.ended {
        return Some(format!("It {how}."));
    }
    let by_use = alias.expires_after.as_ref().map(|after| match after {
        ExpiresAfter::Messages(1) => "after one message".to_owned(),
        ExpiresAfter::Messages(n) => format!("after {n} messages"),
        ExpiresAfter::Idle(text) => {
            format!("after {} without mail", after.idle().map_or_else(|| text.clone(), stretch))
        }
    });
    let at = alias.expires_at.map(ends);
    match (at, by_use) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(format!("Ends {one}.")),
        (Some(at), Some(by_use)) => Some(format!("Ends {at}, or {by_use}.")),
    }
}

/// A date alone is the first instant of that day, and not its last.
fn ends(at: Moment) -> String {
    let stamp = at.rfc3339();
    match stamp.split_once('T') {
        Some((day, "00:00:00.000Z")) => format!("as {day} begins (UTC)"),
        Some((day, time)) => format!("on {day} at {} UTC", time.get(..8).unwrap_or(time)),
        None => format!("on {stamp}"),
    }
}

/// A moment as a field shows it: the date alone where it is the first instant of a day.
pub(super) fn date(at: Moment) -> String {
    let stamp = at.rfc3339();
    stamp.strip_suffix("T00:00:00.000Z").map_or_else(|| stamp.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_told_piece_by_piece() {
        assert_eq!(pieces("shop-*"), "“shop-”, then anything");
        assert_eq!(pieces("*.news?"), "anything, then “.news”, then one character");
        assert_eq!(pieces("a[bc]d[!0-9]"), "“a”, then one of bc, then “d”, then one character that is none of 0-9");
        assert_eq!(of_glob("shop-*"), "begins with “shop-”");
        assert_eq!(of_glob("*-shop"), "ends with “-shop”");
        assert_eq!(of_glob("a*z"), "is “a”, then anything, then “z”");
        assert_eq!(of_glob("*"), "is anything");
        assert_eq!(pieces("[unclosed"), "one of unclosed");
    }

    #[test]
    fn a_date_ends_as_its_day_begins_and_a_time_when_it_comes() {
        let words = |text| ends(Moment::parse_rfc3339(text).unwrap());
        assert_eq!(words("2027-01-31T00:00:00Z"), "as 2027-01-31 begins (UTC)");
        assert_eq!(words("2027-01-31T12:30:00Z"), "on 2027-01-31 at 12:30:00 UTC");
    }

    #[test]
    fn the_first_instant_of_a_day_is_shown_as_its_date() {
        let day = Moment::parse_rfc3339("2027-01-31T00:00:00Z").unwrap();
        assert_eq!(date(day), "2027-01-31");
        assert_eq!(date(Moment::parse_rfc3339("2027-01-31T12:00:00Z").unwrap()), "2027-01-31T12:00:00.000Z");
    }
}
