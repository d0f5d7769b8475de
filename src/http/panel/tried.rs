//! What an alias would take of the last days' mail, told beside the form that is about to make or change it.

use serde_json::{Map, Value};

use crate::admin::shapes::{MatchedShape, TriedShape};
use crate::mail::Moment;
use crate::policy::admission::reserved::Reserved;

use super::alias_fields::Choice;
use super::forms::Filled;
use super::new_alias::{choices, insert_number};
use super::text::{self, When};

/// Recipients that are shown.
const SHOWN: usize = 50;
/// How far a trial looks back: as the API has it, and in words.
const DAYS: [(&str, &str); 3] = [("", "of 7 days"), ("30", "of 30 days"), ("90", "of 90 days")];

/// How far a trial can look back.
pub(super) fn spans(chosen: &str) -> Vec<Choice> {
    choices(&DAYS, chosen)
}

/// A form as it asks what an alias of this name would take.
pub(super) fn written(filled: &Filled, name: &[(&'static str, &str)]) -> Map<String, Value> {
    let mut trial: Map<_, _> = name.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    insert_number(&mut trial, "priority", filled);
    insert_number(&mut trial, "days", filled);
    trial
}

/// The answer.
pub(super) struct Tried {
    pub(super) words: String,
    pub(super) rows: Vec<Hit>,
    /// How many more there are.
    pub(super) more: usize,
}

/// A recipient that matches.
pub(super) struct Hit {
    pub(super) recipient: String,
    pub(super) messages: u64,
    pub(super) last: When,
    pub(super) tone: &'static str,
    pub(super) icon: &'static str,
    pub(super) verdict: String,
}

impl Tried {
    /// As seen from `now`.
    pub(super) fn new(tried: &TriedShape, now: Moment) -> Self {
        let won = tried.matched.iter().filter(|hit| hit.wins).count();
        Self {
            words: summary(tried, won),
            rows: tried.matched.iter().take(SHOWN).map(|hit| row(hit, now)).collect(),
            more: tried.matched.len().saturating_sub(SHOWN),
        }
    }
}

fn summary(tried: &TriedShape, won: usize) -> String {
    let asked = match tried.looked_at {
        0 => {
            return format!("No mail came to this domain in the last {} days, so nothing can be said yet.", tried.days);
        }
        1 => "one address".to_owned(),
        n => format!("{n} addresses"),
    };
    let asked = format!("Of {asked} with mail in the last {} days", tried.days);
    match (tried.matched.len(), won) {
        (0, _) => format!("{asked} it matches none."),
        (n, won) if n == won => format!("{asked} it would get the mail of {n}."),
        (n, 0) => format!("{asked} it matches {n}, and would get the mail of none."),
        (n, won) => format!("{asked} it matches {n}, and would get the mail of {won}."),
    }
}

fn row(hit: &MatchedShape, now: Moment) -> Hit {
    let now_at = hit.now.as_ref().map(|rule| (text::short_address(&rule.address), rule.sends_on));
    let stays = |words: String| ("", "stop", words);
    let (tone, icon, verdict) = match (&hit.then, now_at, hit.reserved) {
        (Some(nearer), ..) => stays(format!("stays with {}, which is nearer", text::short_address(&nearer.address))),
        (None, _, Some(Reserved::Reports)) => stays("takes reports that come back, and no other mail".to_owned()),
        (None, _, Some(Reserved::Contact)) if !hit.wins => stays("stays with the contact of the domain".to_owned()),
        (None, Some((before, true)), _) => ("ok", "done", format!("would come here; now {before} takes it")),
        (None, Some((before, false)), _) => ("ok", "done", format!("would come here; now {before} sends none on")),
        (None, None, Some(_)) => ("ok", "done", "would come here; now the contact takes it".to_owned()),
        (None, None, None) => ("ok", "done", "would come here; now it is refused".to_owned()),
    };
    Hit {
        recipient: text::ours(&hit.recipient),
        messages: hit.messages,
        last: When::new(hit.last_at, now),
        tone,
        icon,
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_counts_what_matches_and_what_wins() {
        let now = Moment::from_millis(1_795_373_784_000);
        let hit = |wins| MatchedShape {
            recipient: "shop-a@my.example".to_owned(),
            messages: 1,
            last_at: now,
            wins,
            now: None,
            then: None,
            reserved: None,
        };
        let told =
            |looked_at, matched: Vec<MatchedShape>| Tried::new(&TriedShape { days: 7, looked_at, matched }, now).words;
        assert_eq!(
            told(3, vec![hit(true), hit(false)]),
            "Of 3 addresses with mail in the last 7 days it matches 2, and would get the mail of 1."
        );
        assert_eq!(
            told(1, vec![hit(false)]),
            "Of one address with mail in the last 7 days it matches 1, and would get the mail of none."
        );
        assert_eq!(told(1, Vec::new()), "Of one address with mail in the last 7 days it matches none.");
        assert!(told(0, Vec::new()).starts_with("No mail came to this domain"));
    }
}
