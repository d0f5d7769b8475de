//! The step that the trace of a message gains when somebody sends it to another inbox than was decided: where it goes, instead
//! of what, by whose word and when. Written and read here alone.

use crate::mail::{Mailbox, Moment};

use super::status::TraceStep;

const STEP: &str = "redirect";
/// What stands before where it was to go.
const INSTEAD: &str = " instead of ";
/// And after that, before who sent it elsewhere.
const BY: &str = ", by ";
/// What stands between what was done and when.
const AT: &str = ", at ";

/// The step: from where, and to where; a report that was read had been for nobody.
#[must_use]
pub fn step((from, to): (Option<&Mailbox>, &Mailbox), who: &str, at: Moment) -> TraceStep {
    let instead = from.map(|from| format!("{INSTEAD}{from}")).unwrap_or_default();
    TraceStep::new(STEP, "sent elsewhere", format!("to {to}{instead}{BY}{who}{AT}{}", at.rfc3339()))
}

/// Of such a step, what was done and when: `to b@inbox.example instead of a@inbox.example, by the command line`.
#[must_use]
pub fn read(step: &TraceStep) -> Option<(&str, Moment)> {
    let (done, at) = step.detail.rsplit_once(AT).filter(|_| step.step == STEP)?;
    Some((done, Moment::parse_rfc3339(at)?))
}

/// What was done as it is told: an account has the name of an inbox, and is none here.
#[must_use]
pub fn told(done: &str) -> String {
    let is_account = |who: &str| who.contains('@') && !who.contains(' ');
    match done.rsplit_once(BY).filter(|(_, who)| is_account(who)) {
        Some((what, who)) => format!("{what}{BY}the account {who}"),
        None => done.to_owned(),
    }
}

/// Of such a step, where it was to go before.
#[must_use]
pub fn read_from(step: &TraceStep) -> Option<&str> {
    let (_, rest) = read(step)?.0.rsplit_once(INSTEAD)?;
    rest.rsplit_once(BY).map(|(from, _)| from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let (from, to) =
            (Mailbox::parse("a@inbox.example").unwrap(), Mailbox::parse("\", at b\"@inbox.example").unwrap());
        let at = Moment::from_millis(1_795_373_784_120);
        let written = step((Some(&from), &to), "anna@my.example", at);
        assert_eq!(
            read(&written),
            Some(("to \", at b\"@inbox.example instead of a@inbox.example, by anna@my.example", at))
        );
        assert_eq!(read_from(&written), Some("a@inbox.example"));
        assert_eq!(read(&step((None, &from), "x", at)), Some(("to a@inbox.example, by x", at)));
        assert_eq!(read_from(&step((None, &from), "x", at)), None);
        assert_eq!(read(&TraceStep::new("alias", "matched", "x, at 2026-11-22T18:56:24Z".to_owned())), None);
    }
}
