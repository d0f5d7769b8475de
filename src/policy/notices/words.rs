//! What the mails say: what, since when, what to do, and where.

use super::memory::News;
use super::{Cause, Kind};
use crate::mail::{Domain, Moment, in_unicode, span_in_words};
use crate::policy::checkup::Severity;

/// Causes that one mail tells at length; of more it says how many.
const MAX_TOLD: usize = 10;

/// One thing to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// What of it.
    pub news: News,
    /// The cause, as it was seen last.
    pub cause: &'a Cause,
    /// When it was seen first.
    pub began_at: Moment,
    /// When it was over, where it is.
    pub ended_at: Option<Moment>,
}

/// Who writes, and where more can be seen.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// Our host name.
    pub host: &'a Domain,
    /// Where the panel is, if people elsewhere can reach it.
    pub panel: Option<&'a str>,
    /// The present.
    pub now: Moment,
}

/// Subject and text of the mail that tells these.
#[must_use]
pub fn mail(writer: &Writer<'_>, items: &[Item<'_>]) -> (String, Vec<String>) {
    let mut text = vec![format!("This is the mail gateway {}.", writer.host), String::new()];
    for item in items.iter().take(MAX_TOLD) {
        text.extend(told(writer, item));
        text.push(String::new());
    }
    if let Some(more) = items.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
        text.push(format!("And {more} more of the kind."));
        text.push(String::new());
    }
    text.extend(end(writer));
    (subject(items), text)
}

fn subject(items: &[Item<'_>]) -> String {
    let began = items.iter().filter(|item| item.news != News::Ended).count();
    match items {
        [one] if one.news == News::Ended => format!("Over: {}", headline(one.cause)),
        [one] => headline(one.cause),
        _ if began == 0 => format!("Over: {} things that you were told of", items.len()),
        _ if began == items.len() => format!("{began} things need your attention"),
        _ => format!("{began} of {} things need your attention, the others are over", items.len()),
    }
}

/// A cause in a few words.
#[must_use]
pub fn headline(cause: &Cause) -> String {
    let subject = in_unicode(&cause.subject);
    match cause.kind {
        Kind::Refusing => format!("{subject} takes no mail"),
        Kind::Throttled => format!("{subject} takes mail slowly"),
        Kind::Waiting => format!("Mail for {subject} waits"),
        Kind::Untold => format!("Mail for {subject} failed, and its sender was not told"),
        Kind::Bouncing => format!("{subject} has refused its mail for days"),
        Kind::Held => "Mail is held until you release it".to_owned(),
        Kind::Drift => format!("DNS records of {subject} differ"),
        Kind::Certificate => format!("The certificate of {subject}"),
        Kind::Disk => "The disk of the gateway is low".to_owned(),
        Kind::Backup => "The backup of the gateway failed".to_owned(),
        Kind::Listed => format!("{subject} is on a list"),
        Kind::Gateway => cause.what.clone(),
    }
}

fn told(writer: &Writer<'_>, item: &Item<'_>) -> Vec<String> {
    let cause = item.cause;
    let since = cause.since.unwrap_or(item.began_at);
    let mut text = Vec::new();
    match item.news {
        News::Began | News::Unheard => {
            text.push(cause.what.clone());
            text.push(format!("Since: {}", since.rfc5322()));
            text.push(format!("What to do: {}", cause.remedy));
        }
        News::Ended => {
            let span = span_in_words(item.ended_at.unwrap_or(writer.now).since(since));
            let over = match cause.kind {
                Kind::Refusing | Kind::Bouncing => "mail arrives there again, or no alias in use leads there any more",
                _ => "this is over",
            };
            text.push(format!("{}: {over}. It lasted {span}.", headline(cause).trim_end_matches('.')));
            text.push("There is nothing to do.".to_owned());
        }
    }
    text.extend(writer.panel.map(|panel| format!("{}{}", panel.trim_end_matches('/'), cause.page())));
    text
}

fn end(writer: &Writer<'_>) -> Vec<String> {
    let choose = "You get one mail when something begins and one when it is over. Which kinds write to you, and to whom, is \
                  chosen under Settings, Notices";
    vec![
        "-- ".to_owned(),
        match writer.panel {
            Some(panel) => format!("{choose}: {}/settings/notices", panel.trim_end_matches('/')),
            None => format!("{choose}, in the panel of the gateway."),
        },
    ]
}

/// Subject and text of the mail that shows that mail arrives.
#[must_use]
pub fn test(writer: &Writer<'_>) -> (String, Vec<String>) {
    let mut text = vec![
        format!("This is the mail gateway {}.", writer.host),
        String::new(),
        "Somebody asked for a test notice. Notices of the gateway come to this address.".to_owned(),
        String::new(),
    ];
    text.extend(end(writer));
    ("A test notice".to_owned(), text)
}

/// What a digest tells of a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest<'a> {
    /// From when.
    pub since: Moment,
    /// Figures, each with its word.
    pub figures: Vec<(&'static str, i64)>,
    /// What stands.
    pub open: Vec<&'a Cause>,
    /// What was over in this time.
    pub over: Vec<&'a Cause>,
}

/// Subject and text of a digest.
#[must_use]
pub fn digest(writer: &Writer<'_>, digest: &Digest<'_>) -> (String, Vec<String>) {
    let mut text = vec![
        format!("This is the mail gateway {}.", writer.host),
        format!("What it did from {} to {}:", digest.since.rfc5322(), writer.now.rfc5322()),
        String::new(),
    ];
    text.extend(digest.figures.iter().map(|(word, figure)| format!("  {figure} {word}")));
    text.push(String::new());
    text.extend(listed("Needs your attention:", &digest.open));
    text.extend(listed("Was over in this time:", &digest.over));
    if digest.open.is_empty() {
        text.push("Nothing needs your attention.".to_owned());
        text.push(String::new());
    }
    text.extend(end(writer));
    let subject = match digest.open.len() {
        0 => format!("All is well at {}", writer.host),
        1 => format!("One thing needs your attention at {}", writer.host),
        count => format!("{count} things need your attention at {}", writer.host),
    };
    (subject, text)
}

fn listed(title: &str, causes: &[&Cause]) -> Vec<String> {
    if causes.is_empty() {
        return Vec::new();
    }
    let mut text = vec![title.to_owned()];
    for cause in causes.iter().take(MAX_TOLD) {
        let mark = if cause.severity == Severity::Fault { "!" } else { "-" };
        text.push(format!("  {mark} {}", headline(cause)));
    }
    if let Some(more) = causes.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
        text.push(format!("  and {more} more"));
    }
    text.push(String::new());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANEL: &str = "https://gw.example/";

    fn cause(kind: Kind, subject: &str) -> Cause {
        Cause {
            id: kind.as_str().to_owned(),
            kind,
            subject: subject.to_owned(),
            severity: Severity::Fault,
            since: Some(Moment::from_millis(1_795_373_784_000)),
            what: "It is wrong.".to_owned(),
            remedy: "Mend it.".to_owned(),
        }
    }

    fn written(panel: Option<&str>, items: &[(News, &Cause)]) -> (String, String) {
        let began_at = Moment::from_millis(1_795_373_784_000);
        let now = began_at.after(std::time::Duration::from_secs(7200));
        let host = Domain::parse("gw.example").unwrap();
        // Its end is told an hour later.
        let ended_at = Some(now.before(std::time::Duration::from_secs(3600)));
        let items: Vec<_> = items.iter().map(|(news, cause)| Item { news: *news, cause, began_at, ended_at }).collect();
        let (subject, text) = mail(&Writer { host: &host, panel, now }, &items);
        (subject, text.join("\n"))
    }

    #[test]
    fn it_says_what_since_when_what_to_do_and_where() {
        let cause = cause(Kind::Drift, "my.example");
        let (subject, text) = written(Some(PANEL), &[(News::Began, &cause)]);
        assert_eq!(subject, "DNS records of my.example differ");
        for words in [
            "It is wrong.\nSince: Sun, 22 Nov 2026 18:56:24 +0000\nWhat to do: Mend it.\n",
            "https://gw.example/domains/my.example\n",
            "https://gw.example/settings/notices",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let (subject, text) = written(None, &[(News::Ended, &cause)]);
        assert_eq!(subject, "Over: DNS records of my.example differ");
        assert!(text.contains("this is over. It lasted 1 h.") && !text.contains("http"), "{text}");
    }

    #[test]
    fn several_are_one_mail_of_one_page() {
        let causes: Vec<_> = (0..50).map(|n| cause(Kind::Refusing, &format!("d{n}.example"))).collect();
        let items: Vec<_> = causes.iter().map(|cause| (News::Began, cause)).collect();
        let (subject, text) = written(Some(PANEL), &items);
        assert_eq!(subject, "50 things need your attention");
        assert!(text.lines().count() < 70 && text.contains("And 40 more of the kind."), "{text}");
        let (subject, _) = written(None, &[(News::Began, &causes[0]), (News::Ended, &causes[1])]);
        assert_eq!(subject, "1 of 2 things need your attention, the others are over");
    }

    #[test]
    fn a_digest_counts_and_names_what_stands() {
        let host = Domain::parse("gw.example").unwrap();
        let now = Moment::from_millis(1_795_373_784_000);
        let writer = Writer { host: &host, panel: Some(PANEL), now };
        let stands = cause(Kind::Disk, "data_dir");
        let figures = vec![("came in", 7), ("forwarded", 5)];
        let mut told = Digest { since: now, figures, open: vec![&stands], over: Vec::new() };
        let (subject, text) = digest(&writer, &told);
        assert_eq!(subject, "One thing needs your attention at gw.example");
        let text = text.join("\n");
        assert!(text.contains("\n  7 came in\n  5 forwarded\n") && text.contains("\n  ! The disk"), "{text}");
        told.open.clear();
        assert_eq!(digest(&writer, &told).0, "All is well at gw.example");
    }
}
