//! Clients whose mail next hops keep refusing for what it is: each refusal costs our own good name, so such a client is
//! asked to come later before the next hop is asked again. The refusals are forgotten within the hour.

use std::time::Duration;

use super::admission::Refusal;
use super::replies;
use super::status::TraceStep;
use super::verdict::{Fault, Outcome, Stage};

/// Within this time refusals count.
pub const WITHIN: Duration = Duration::from_secs(3600);
/// So many refusals slow a client down, if they are more than what was delivered of its mail.
pub const MAX_REFUSALS: u64 = 5;
/// The subject of enhanced codes that speaks of security and policy (RFC 3463 §3.8).
const POLICY: u16 = 7;

/// Whether a next hop refused the message at its end for what it is: by its policy, or without saying why. Size, kind and
/// form of a message are no spam.
#[must_use]
pub fn is_refused_as_spam(outcome: &Outcome) -> bool {
    let Outcome::Refused { stage: Stage::Data | Stage::Content | Stage::Dot, reply, fault: Fault::Message } = outcome
    else {
        return false;
    };
    reply.enhanced().is_none_or(|enhanced| matches!(enhanced.subject, 0 | POLICY))
}

/// Whether a client of whose mail so much was refused, and so much delivered, may send more now.
pub fn judge(refused: u64, delivered: u64) -> Result<(), Box<Refusal>> {
    if refused < MAX_REFUSALS || refused <= delivered {
        return Ok(());
    }
    let detail = format!("{refused} messages refused by next hops in the last hour, {delivered} delivered");
    let reason = format!("Next hops keep refusing what this client sends: {detail}.");
    let step = TraceStep::new("client", "slowed", detail);
    Err(Box::new(Refusal { reply: replies::too_much_refused(), reason, step }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::verdict::judge as verdict;
    use crate::smtp::reply::Reply;

    #[test]
    fn refusals_of_content_count_and_those_of_form_and_of_mailboxes_do_not() {
        for (stage, reply, expected) in [
            (Stage::Dot, Reply::new(550, 7, 1, "spam"), true),
            (Stage::Dot, Reply::plain(554, "rejected"), true),
            (Stage::Dot, Reply::new(554, 6, 0, "no 8-bit here"), false),
            (Stage::Dot, Reply::new(552, 3, 4, "too large"), false),
            (Stage::Recipient, Reply::new(550, 1, 1, "unknown"), false),
            (Stage::Recipient, Reply::new(550, 7, 1, "you may not write"), false),
            (Stage::Dot, Reply::new(451, 7, 1, "later"), false),
            (Stage::Dot, Reply::new(250, 0, 0, "taken"), false),
        ] {
            assert_eq!(is_refused_as_spam(&verdict(stage, reply.clone())), expected, "{stage:?} {reply}");
        }
    }

    #[test]
    fn few_refusals_among_much_good_mail_slow_nobody_down() {
        assert!(judge(MAX_REFUSALS - 1, 0).is_ok());
        assert_eq!(judge(MAX_REFUSALS, 0).unwrap_err().reply.code(), 450);
        assert!(judge(MAX_REFUSALS, MAX_REFUSALS).is_ok());
        assert!(judge(MAX_REFUSALS + 1, MAX_REFUSALS).is_err());
    }
}
