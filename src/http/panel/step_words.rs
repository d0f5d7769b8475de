//! The steps of a decision in the words of the panel. A step is stored, and told to programs, under a short name of its own;
//! what this version does not know is shown as it is.

use crate::policy::status::TraceStep;

use super::alias_fields::POLICIES;
use super::text;

/// What was asked, the answer, and why.
pub(super) type Step = (String, String, String);

/// What each step is called.
const NAMES: &[(&str, &str)] = &[
    ("settings", "Checks"),
    ("checks", "Checks"),
    ("policy", "Check that decided"),
    ("spf", "SPF"),
    ("spf of greeting", "SPF of the greeting"),
    ("dkim", "DKIM"),
    ("dmarc", "DMARC"),
    ("dmarc policy", "What DMARC asks for"),
    ("arc", "ARC"),
    ("authentication", "Proof of the sender"),
    ("dns list", "DNS list"),
    ("greylist", "Greylisting"),
    ("quota", "Messages a day"),
    ("expiry", "End of the alias"),
    ("reverse-path", "Return address"),
    ("SRS address", "Return address"),
    ("role address", "Postmaster and abuse"),
    ("hosted sender", "Sender on a domain here"),
    ("hosted destination", "Destination on a domain here"),
    ("fan-out", "How many it leads to"),
    ("loop", "Loop of mail"),
    ("octets", "Content"),
    ("redirect", "Destination"),
    ("reply", "Answer"),
];
/// Who says it: as a step has it, beside a check, and beside an entry of a list.
const LEVELS: [(&str, &str, &str); 3] = [
    (" (instance)", "", ", on the list of the server"),
    (" (domain)", " (set for the domain)", ", on the list of the domain"),
    (" (alias)", " (set for the alias)", ", on the list of the alias"),
];

/// Each step in words.
pub(super) fn told(steps: &[TraceStep]) -> Vec<Step> {
    steps.iter().map(one).collect()
}

fn one(step: &TraceStep) -> Step {
    let known = NAMES.iter().find(|(known, _)| *known == step.step);
    let name = known.map_or_else(|| capital(&step.step), |(_, name)| (*name).to_owned());
    let detail = match &*step.step {
        "settings" => settings(&step.detail),
        "policy" => check(&step.detail).to_owned(),
        "sender" | "author" => entry(&step.detail),
        _ => step.detail.clone(),
    };
    (text::visible(&name), text::visible(&step.verdict), text::visible(&detail))
}

/// What the panel calls a check.
pub(super) fn check(policy: &str) -> &str {
    POLICIES.iter().find(|(known, ..)| *known == policy).map_or(policy, |(_, label, _)| label)
}

/// `SPF: checked and shown; TLS to the destination: always, else mail waits (set for the domain)`, out of
/// `spf observe (instance), tls require (domain)`.
fn settings(detail: &str) -> String {
    detail.split(", ").map(setting).collect::<Vec<_>>().join("; ")
}

fn setting(text: &str) -> String {
    let level = LEVELS.iter().find(|(level, ..)| text.ends_with(level));
    let (said, by) = level.map_or((text, ""), |(level, by, _)| (text.trim_end_matches(level), *by));
    match said.rsplit_once(' ').and_then(|(name, value)| chosen(&name.replace(' ', "_"), value)) {
        Some((label, choice)) => format!("{label}: {choice}{by}"),
        None => format!("{said}{by}"),
    }
}

fn chosen(name: &str, value: &str) -> Option<(&'static str, &'static str)> {
    let value = match value {
        "on" => "true",
        "off" if name == "forwarded_headers" => "false",
        word => word,
    };
    let (_, label, choices) = POLICIES.iter().find(|(known, ..)| *known == name)?;
    let (_, choice) = choices.iter().find(|(word, _)| *word == value)?;
    Some((label, choice))
}

/// An entry of a list, and whose it is.
fn entry(detail: &str) -> String {
    LEVELS.iter().fold(detail.to_owned(), |told, (level, _, list)| told.replacen(level, list, 1))
}

/// With a capital first.
pub(super) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_in_words_and_what_is_not_known_as_it_is() {
        let told = |step, verdict, detail: &str| one(&TraceStep::new(step, verdict, detail)).2;
        let settings = "spf enforce (alias), forwarded headers off (instance), moon full (domain)";
        assert_eq!(
            told("settings", "in effect", settings),
            "SPF: refused where it fails (set for the alias); X-Forwarded-To and -For: not added; \
             moon full (set for the domain)"
        );
        assert_eq!(told("policy", "refuses", "unauthenticated"), "Mail that proves nothing");
        assert_eq!(told("sender", "blocked", "@shop.example (instance)"), "@shop.example, on the list of the server");
        assert_eq!(one(&TraceStep::new("tide", "low", "x (alias)")).0, "Tide");
        assert_eq!(one(&TraceStep::new("tide", "low", "x (alias)")).2, "x (alias)");
    }
}
