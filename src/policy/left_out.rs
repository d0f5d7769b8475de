//! Of an alias that leads to several places, those that got no copy of a message: as the trace of each row of the others has
//! them, since they have no row of their own. Which step says so is known here and nowhere else.

use super::status::TraceStep;

/// What was found of an inbox that nobody has verified.
pub const VERDICT: &str = "not verified";
const INBOX: &str = "destination";
/// An alias of a domain here that leads on to nobody.
const ALIAS: (&str, &str) = ("hosted destination", "ends");
/// Instead of an address that is not for whoever reads the trace.
const OF_OTHERS: &str = "an inbox of somebody else";

/// Who got no copy, and why, in words that end no sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut<'s> {
    /// An address, or in words which.
    pub who: &'s str,
    /// Why.
    pub why: &'s str,
}

/// That an inbox, by its address, gets no copy while nobody has verified it.
#[must_use]
pub fn step(inbox: &str) -> TraceStep {
    TraceStep::new(INBOX, VERDICT, inbox)
}

/// The step as it is told to somebody else than the owner of the alias.
#[must_use]
pub fn unnamed(step: TraceStep) -> TraceStep {
    if is_of_inbox(&step) { self::step(OF_OTHERS) } else { step }
}

/// Who got no copy, in the order of the trace.
pub fn read(trace: &[TraceStep]) -> impl Iterator<Item = LeftOut<'_>> {
    trace.iter().filter_map(|step| {
        if is_of_inbox(step) {
            return Some(LeftOut { who: &step.detail, why: "it is not verified, and gets no mail until it is" });
        }
        let (who, why) = step.detail.split_once(": ").filter(|_| (&*step.step, &*step.verdict) == ALIAS)?;
        Some(LeftOut { who, why: why.trim_end_matches('.') })
    })
}

fn is_of_inbox(step: &TraceStep) -> bool {
    step.step == INBOX && step.verdict == VERDICT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_got_no_copy_is_read_off_the_trace_and_nobody_else() {
        let trace = [
            TraceStep::new("destination", "verified", "anna@inbox.example"),
            step("ben@inbox.example"),
            TraceStep::new("hosted destination", "followed", "on@my.example: it forwards"),
            TraceStep::new("hosted destination", "ends", "off@my.example: off@my.example is switched off."),
            unnamed(step("secret@inbox.example")),
            unnamed(TraceStep::new("destination", "verified", "carl@inbox.example")),
        ];
        let found: Vec<_> = read(&trace).map(|left| (left.who, left.why)).collect();
        let unverified = "it is not verified, and gets no mail until it is";
        assert_eq!(
            found,
            [
                ("ben@inbox.example", unverified),
                ("off@my.example", "off@my.example is switched off"),
                ("an inbox of somebody else", unverified),
            ]
        );
        assert_eq!(trace[5].detail, "carl@inbox.example");
    }
}
