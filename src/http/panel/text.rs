//! Words made fit to be seen: mail is hostile until shown inert. Escaping is the templates' part; here control characters
//! become visible marks, long addresses are cut in the middle with the domain kept, times and sizes are told.

use crate::mail::{Moment, in_unicode};

/// Characters of an address in a list.
pub(super) const SHORT: usize = 48;
/// Characters of any other text in a list.
pub(super) const LINE: usize = 120;

/// Every character can be seen, and none turns the direction of what stands around it.
pub(super) fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut seen, c| {
        // Letters: few fonts draw the pictures of control characters.
        if c.is_ascii_control() {
            seen.push_str(&format!("\\x{:02x}", u32::from(c)))
        } else {
            seen.push(mark(c))
        }
        seen
    })
}

fn mark(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' => '\u{fffd}',
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\u{200b}' | '\u{2060}' | '\u{feff}' => '\u{2423}',
        c => c,
    }
}

/// An address or a domain of ours, with the domain as people read it. What strangers wrote stays as they wrote it.
pub(super) fn ours(text: &str) -> String {
    visible(&in_unicode(text))
}

/// Several of them.
pub(super) fn all_ours(texts: &[String]) -> String {
    texts.iter().map(|text| ours(text)).collect::<Vec<_>>().join(", ")
}

/// What is said of words that somebody else may have chosen.
pub(super) fn said(words: &impl std::fmt::Display) -> String {
    visible(&words.to_string())
}

/// Several lines stay lines.
pub(super) fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// Cut to `max` characters at its end.
pub(super) fn short(text: &str, max: usize) -> String {
    let text = visible(text);
    if text.chars().count() <= max {
        return text;
    }
    text.chars().take(max - 1).chain(['…']).collect()
}

/// A recipient as it stands in the log; a client that was turned away at once had named none.
pub(super) fn recipient(text: &str) -> &str {
    if text.is_empty() { "nobody yet" } else { text }
}

/// An address of ours cut in the middle to about [`SHORT`] characters, so that its domain stays whole as long as it can.
pub(super) fn short_address(text: &str) -> String {
    short_sender(&in_unicode(text))
}

/// The same of a stranger's, or of a domain alone.
pub(super) fn short_sender(text: &str) -> String {
    let text = visible(text);
    let length = text.chars().count();
    if length <= SHORT {
        return text;
    }
    let Some((local, domain)) = text.rsplit_once('@') else { return middle_cut(&text, length) };
    let domain_length = domain.chars().count();
    let kept = SHORT.saturating_sub(domain_length + 2).max(4);
    let head: String = local.chars().take(kept).collect();
    if head.chars().count() + domain_length + 2 <= SHORT {
        return format!("{head}…@{domain}");
    }
    let tail: String = domain.chars().skip(domain_length.saturating_sub(SHORT - kept - 3)).collect();
    format!("{head}…@…{tail}")
}

/// What has no domain of its own keeps its begin and its end.
fn middle_cut(text: &str, length: usize) -> String {
    let (head, tail) = (SHORT / 2 - 1, SHORT / 2);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(length - tail)).collect()
}

/// A sender; the null path in words.
pub(super) fn sender(text: &str) -> String {
    if text.is_empty() { "<> (a report or automatic mail)".to_owned() } else { visible(text) }
}

/// A moment as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    /// For machines.
    pub(super) stamp: String,
    /// `22 Nov 2026, 18:56:24 UTC`.
    pub(super) full: String,
    /// `3 min ago`.
    pub(super) ago: String,
}

impl When {
    /// As seen from `now`.
    pub(super) fn new(at: Moment, now: Moment) -> Self {
        Self { stamp: at.rfc3339(), full: full(at), ago: ago(at, now) }
    }
}

/// `22 Nov 2026, 18:56:24 UTC`, out of `Sun, 22 Nov 2026 18:56:24 +0000`.
pub(super) fn full(at: Moment) -> String {
    let stamp = at.rfc5322();
    let (date, time) = (stamp.get(5..16).unwrap_or_default(), stamp.get(17..25).unwrap_or_default());
    format!("{date}, {time} UTC")
}

fn ago(at: Moment, now: Moment) -> String {
    const DAY: u64 = 86_400;
    match now.since(at).as_secs() {
        0..60 => "just now".to_owned(),
        secs @ 60..3600 => format!("{} min ago", secs / 60),
        secs @ 3600..DAY => format!("{} h ago", secs / 3600),
        secs if secs < 7 * DAY => format!("{} d ago", secs / DAY),
        _ => full(at).split(',').next().unwrap_or_default().to_owned(),
    }
}

/// `in 4 min`.
pub(super) fn ahead(at: Moment, now: Moment) -> String {
    match at.since(now).as_secs() {
        0 => "now".to_owned(),
        secs @ 1..60 => format!("in {secs} s"),
        secs @ 60..3600 => format!("in {} min", secs / 60),
        secs => format!("in {} h", secs / 3600),
    }
}

/// `812 B`, `4.2 KiB`.
pub(super) fn size(octets: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    let tenths = |unit: u64| format!("{}.{}", octets / unit, octets % unit * 10 / unit);
    match octets {
        0..KIB => format!("{octets} B"),
        KIB..MIB => format!("{} KiB", tenths(KIB)),
        _ => format!("{} MiB", tenths(MIB)),
    }
}

/// So many things by their words for one and for several; none where there are none.
pub(super) fn counted(count: u64, is_more: bool, (one, several): (&str, &str)) -> Option<String> {
    match (count, is_more) {
        (0, false) => None,
        (1, false) => Some(format!("one {one}")),
        (count, false) => Some(format!("{count} {several}")),
        (count, true) => Some(format!("more than {count} {several}")),
    }
}

/// An address with a query of what is not empty.
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<_> = pairs.map(|(key, value)| format!("{key}={}", in_query(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// A value in a query, percent-encoded.
pub(super) fn in_query(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, octet| {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => out.push(char::from(octet)),
            _ => drop(write!(out, "%{octet:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_to_come_is_told_from_the_second_on() {
        let now = Moment::from_millis(1_000_000);
        let told = [0, 1, 59, 60, 3599, 7200].map(|secs| ahead(Moment::from_millis(1_000_000 + secs * 1000), now));
        assert_eq!(told, ["now", "in 1 s", "in 59 s", "in 1 min", "in 59 min", "in 2 h"]);
        assert_eq!(ahead(now, Moment::from_millis(2_000_000)), "now", "what is overdue is tried as soon as may be");
    }

    #[test]
    fn nothing_stays_unseen() {
        assert_eq!(visible("a\u{1b}[31m\r\nb\u{7f}"), r"a\x1b[31m\x0d\x0ab\x7f", "of letters that every font has");
        assert_eq!(visible("gpj.\u{202e}exe"), "gpj.\u{fffd}exe");
        assert_eq!(visible("grüße 漢字"), "grüße 漢字");
    }

    #[test]
    fn who_was_turned_away_at_once_had_named_nobody() {
        assert_eq!((recipient(""), recipient("shop@my.example")), ("nobody yet", "shop@my.example"));
    }

    #[test]
    fn a_long_address_keeps_its_domain() {
        let long = format!("{}@mail.example.org", "x".repeat(64));
        let cut = short_address(&long);
        assert!(cut.ends_with("…@mail.example.org") && cut.chars().count() <= SHORT, "{cut}");
        let endless = format!("shop@{}.example", "y".repeat(240));
        let cut = short_address(&endless);
        assert!(cut.starts_with("shop…@…") && cut.ends_with(".example") && cut.chars().count() <= SHORT, "{cut}");
        assert_eq!(short_address("shop@my.example"), "shop@my.example");
        let cut = short_address(endless.trim_start_matches("shop@"));
        assert!(cut.starts_with("yyy") && cut.ends_with("yyy.example") && cut.chars().count() == SHORT, "{cut}");
    }

    #[test]
    fn an_address_has_a_query_of_what_is_not_empty() {
        assert_eq!(with_query("/queue", &[("domain", "")]), "/queue");
        assert_eq!(with_query("/activity", &[("q", "a&b"), ("time", ""), ("to", "a@b")]), "/activity?q=a%26b&to=a@b");
    }

    #[test]
    fn times_and_sizes_are_told_in_words() {
        let now = Moment::from_millis(1_795_373_784_120);
        let told = |secs| ago(now.before(Duration::from_secs(secs)), now);
        assert_eq!(told(5), "just now");
        assert_eq!(told(200), "3 min ago");
        assert_eq!(told(8000), "2 h ago");
        assert_eq!(told(200_000), "2 d ago");
        assert_eq!(told(864_000), "12 Nov 2026");
        assert_eq!(When::new(now, now).full, "22 Nov 2026, 18:56:24 UTC");
        assert_eq!(size(4300), "4.1 KiB");
    }
}
