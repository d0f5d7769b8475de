//! Whom to tell: those who are to be told, but for whom the telling would go where the cause says that mail does not arrive.

use super::{Cause, Kind};
use crate::mail::Mailbox;

/// Who may be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipients {
    /// Who is told of everything.
    pub first: Vec<Mailbox>,
    /// Who is told, one after the other, where nobody of the first can be.
    pub spare: Vec<Mailbox>,
}

impl Recipients {
    /// Who is told of this cause, or of what concerns no cause that stands, while these others do and those are deaf. Nobody,
    /// where each way leads through what fails.
    #[must_use]
    pub fn of(&self, cause: Option<&Cause>, standing: &[Cause], deaf: &[String]) -> Vec<&Mailbox> {
        let is_deaf = |to: &Mailbox| deaf.iter().any(|one| *one == to.to_string());
        let fails_here = |to: &&Mailbox| is_deaf(to) || cause.is_some_and(|cause| concerns(cause, to));
        let fails = |to: &&Mailbox| fails_here(to) || standing.iter().any(|other| concerns(other, to));
        let well: Vec<&Mailbox> = self.first.iter().filter(|to| !fails(to)).collect();
        if !well.is_empty() {
            return well;
        }
        let next = self.spare.iter().find(|to| !fails(to));
        // Of another cause it may be over before the mail comes: better late than never.
        let late = || self.first.iter().chain(&self.spare).find(|to| !fails_here(to));
        next.or_else(late).into_iter().collect()
    }
}

/// Whether mail to this address goes where the cause says that it does not arrive.
fn concerns(cause: &Cause, to: &Mailbox) -> bool {
    is_in_the_way(cause.kind, &cause.subject, to)
}

/// The same of a kind of cause and its subject.
#[must_use]
pub fn is_in_the_way(kind: Kind, subject: &str, to: &Mailbox) -> bool {
    if !kind.speaks_of_destination() {
        return false;
    }
    match Mailbox::parse(subject) {
        Ok(inbox) => inbox.key() == to.key(),
        Err(_) => subject.eq_ignore_ascii_case(&to.host().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::checkup::Severity;

    fn cause(kind: Kind, subject: &str) -> Cause {
        Cause {
            id: kind.as_str().to_owned(),
            kind,
            subject: subject.to_owned(),
            severity: Severity::Fault,
            since: None,
            what: String::new(),
            remedy: String::new(),
        }
    }

    #[test]
    fn nobody_is_told_through_what_fails() {
        let parsed = |list: &[&str]| list.iter().map(|text| Mailbox::parse(text).unwrap()).collect::<Vec<_>>();
        let all =
            Recipients { first: parsed(&["anna@one.example", "ben@two.example"]), spare: parsed(&["c@three.example"]) };
        let only =
            Recipients { first: parsed(&["anna@one.example"]), spare: parsed(&["b@one.example", "c@three.example"]) };
        let alone = Recipients { first: parsed(&["anna@one.example"]), spare: Vec::new() };
        let one = cause(Kind::Refusing, "ONE.example");
        let (anna, disk) = (cause(Kind::Bouncing, "anna@one.example"), cause(Kind::Disk, "data_dir"));
        let drift = cause(Kind::Drift, "one.example");
        let cases: [(&Recipients, &Cause, &[Cause], &[&str]); 9] = [
            (&all, &disk, &[], &["anna@one.example", "ben@two.example"]),
            (&all, &one, &[], &["ben@two.example"]),
            (&all, &disk, std::slice::from_ref(&one), &["ben@two.example"]),
            (&all, &drift, &[], &["anna@one.example", "ben@two.example"]),
            (&only, &anna, &[], &["b@one.example"]),
            (&only, &one, &[], &["c@three.example"]),
            (&alone, &one, &[], &[]),
            (&alone, &disk, std::slice::from_ref(&one), &["anna@one.example"]),
            (&Recipients::default(), &disk, &[], &[]),
        ];
        for (number, (recipients, cause, standing, wanted)) in cases.into_iter().enumerate() {
            let told: Vec<_> = recipients.of(Some(cause), standing, &[]).into_iter().map(ToString::to_string).collect();
            assert_eq!(told, wanted, "case {number}");
        }
        assert_eq!(all.of(None, &[], &[]).len(), 2, "the end of what failed goes there again");
        let deaf = ["anna@one.example", "ben@two.example"].map(str::to_owned);
        assert_eq!(all.of(Some(&disk), &[], &deaf), [&all.spare[0]], "who refused it does not hear it the next minute");
        assert!(alone.of(Some(&disk), &[], &deaf).is_empty());
    }
}
