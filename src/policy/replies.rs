//! The texts of the replies that decisions give, together in one file. None names a destination or says what an address
//! is rather than that it takes no mail: unknown, disabled, expired and blocked answer alike, so that nobody can harvest.

use super::verdict::Fault;
use crate::mail::Domain;
use crate::smtp::reply::{Enhanced, Reply};

/// The highest detail of a registered enhanced code (RFC 3463 and its registry) that is passed on to a sender; the
/// larger ones are a provider's own and would tell where the mail was going.
const MAX_REGISTERED_DETAIL: u16 = 30;

/// What a domain with a null MX is answered (RFC 7505 §4.2).
const NULL_MX: u16 = 556;

/// The recipient is taken, as far as RCPT can tell.
#[must_use]
pub fn recipient_ok() -> Reply {
    Reply::new(250, 1, 5, "Recipient ok")
}

/// Unknown, disabled, expired or blocked: all the same.
#[must_use]
pub fn unknown() -> Reply {
    Reply::new(550, 1, 1, "No such address here")
}

/// The domain is not hosted here.
#[must_use]
pub fn relaying_denied() -> Reply {
    Reply::new(550, 7, 1, "Relaying denied: this server takes no mail for that domain")
}

/// An SRS address of ours whose report comes from somebody who is no mailer.
#[must_use]
pub fn only_reports() -> Reply {
    Reply::new(550, 7, 1, "This address takes delivery reports only, from the null sender")
}

/// A rule that refuses, without words of its owner.
#[must_use]
pub fn refused_by_owner() -> Reply {
    Reply::new(550, 7, 1, "The owner of this address takes no mail here")
}

/// Over quota.
#[must_use]
pub fn over_quota() -> Reply {
    Reply::new(450, 2, 1, "This address has had its share of mail for now, try again later")
}

/// The client's address is on a DNS list. Nothing more is told; what the list says stands in the log.
#[must_use]
pub fn listed_client(zone: &Domain) -> Reply {
    Reply::new(550, 7, 1, format!("Your address is on the list {zone}"))
}

/// The domain of the reverse-path is on a DNS list.
#[must_use]
pub fn listed_sender(zone: &Domain) -> Reply {
    Reply::new(550, 7, 1, format!("The sender's domain is on the list {zone}"))
}

/// Next hops keep refusing what this client sends.
#[must_use]
pub fn too_much_refused() -> Reply {
    Reply::new(450, 7, 1, "Too much of your mail was refused as spam, try again later")
}

/// Who speaks before the greeting has not read it, and would not read a reply either. As Postfix's postscreen does when it
/// enforces its greet test, the recipient is refused, and not the connection: so the log says who wanted to write to whom.
#[must_use]
pub fn early_talker() -> Reply {
    Reply::new(550, 5, 1, "Protocol error: you spoke before the greeting")
}

/// Who comes for the first time has to come again.
#[must_use]
pub fn come_again() -> Reply {
    Reply::new(451, 7, 1, "Greylisted, please try again in five minutes")
}

/// Too many connections of one address within a minute.
#[must_use]
pub fn too_many_connections() -> Reply {
    Reply::new(421, 7, 0, "Too many connections from your address, try again later")
}

/// Too many messages of one address within an hour.
#[must_use]
pub fn too_many_messages() -> Reply {
    Reply::new(450, 7, 1, "Too many messages from your address, try again later")
}

/// Too many unknown recipients of one address within an hour: whatever comes next is not looked at.
#[must_use]
pub fn too_many_unknown() -> Reply {
    Reply::new(450, 7, 1, "Too many unknown recipients from your address, try again later")
}

/// Too many messages of one authenticated sender domain within an hour (X.7.28 is a flood of mail).
#[must_use]
pub fn too_much_of_domain() -> Reply {
    Reply::new(451, 7, 28, "Too much mail from your domain, try again later")
}

/// Too many messages for one alias, or for a destination that it leads to, which the sender is not to know.
#[must_use]
pub fn too_much_for_address() -> Reply {
    Reply::new(450, 7, 28, "Too much mail for this address, try again later")
}

/// No destination is verified yet.
#[must_use]
pub fn not_ready() -> Reply {
    Reply::new(450, 2, 1, "This address is not ready for mail yet, try again later")
}

/// Whoever added the domain has not proved that it is theirs (RFC 3463 §3.4, X.3.5: not configured to accept it). For now:
/// nobody's mail is refused for what somebody merely claims.
#[must_use]
pub fn unproven_domain() -> Reply {
    Reply::new(451, 3, 5, "Mail for this domain is not taken here yet, try again later")
}

/// No destination is verified, and that for days.
#[must_use]
pub fn never_ready() -> Reply {
    Reply::new(550, 2, 1, "This address takes no mail")
}

/// A loop: in the aliases, or in what the header tells.
#[must_use]
pub fn routing_loop() -> Reply {
    Reply::new(554, 4, 6, "Routing loop detected")
}

/// An envelope sender on a hosted domain that nothing proves.
#[must_use]
pub fn forged_sender() -> Reply {
    Reply::new(550, 7, 1, "Neither SPF nor DKIM proves that this mail is from the domain of its sender")
}

/// As [`forged_sender`], but DNS failed and may yet prove it.
#[must_use]
pub fn sender_unproven_yet() -> Reply {
    Reply::new(451, 7, 5, "The sender could not be checked for now, try again later")
}

/// Policy wants SPF or aligned DKIM, and there is neither.
#[must_use]
pub fn unauthenticated() -> Reply {
    Reply::new(550, 7, 26, "This server takes authenticated mail only: neither SPF nor aligned DKIM passed")
}

/// As [`unauthenticated`], but DNS failed and may yet authenticate it.
#[must_use]
pub fn not_authenticated_yet() -> Reply {
    Reply::new(451, 7, 5, "The mail could not be authenticated for now, try again later")
}

/// The author's domain asks to refuse what it does not stand for (RFC 7489 §10.3).
#[must_use]
pub fn dmarc_failed(domain: &str) -> Reply {
    Reply::new(550, 7, 1, format!("Refused as the DMARC policy of {domain} asks: neither SPF nor DKIM passed for it"))
}

/// Nobody to ask whether they stand for it: no From field, several, or one that cannot be read (RFC 7489 §6.6.1).
#[must_use]
pub fn no_one_author() -> Reply {
    Reply::new(550, 7, 1, "The message must have one From field, with authors of one domain that can be checked")
}

/// DNS failed, and what the author's domain asks for may be to refuse it.
#[must_use]
pub fn dmarc_not_known_yet() -> Reply {
    Reply::new(451, 7, 5, "The DMARC policy of the author could not be checked for now, try again later")
}

/// SPF fails, and that is enforced (RFC 7372 §3.2).
#[must_use]
pub fn spf_failed() -> Reply {
    Reply::new(550, 7, 23, "SPF validation failed: the domain of the sender does not authorise this client")
}

/// SPF could not be evaluated for now (RFC 7372 §3.2).
#[must_use]
pub fn spf_not_known_yet() -> Reply {
    Reply::new(451, 7, 24, "SPF could not be evaluated for now, try again later")
}

/// Signatures, and none passes, and that is enforced (RFC 7372 §3.1).
#[must_use]
pub fn dkim_failed() -> Reply {
    Reply::new(550, 7, 20, "No DKIM signature of the message passed")
}

/// As [`dkim_failed`], but DNS failed and one may yet pass.
#[must_use]
pub fn dkim_not_known_yet() -> Reply {
    Reply::new(451, 7, 20, "The DKIM signatures could not be verified for now, try again later")
}

/// What a sender hears of a refusal that is no fault of ours.
#[must_use]
pub fn refusal(fault: Fault, remote: &Reply) -> Reply {
    match fault {
        Fault::Message => message_refused(remote),
        Fault::Mailbox | Fault::Us => mailbox_refused(remote),
    }
}

/// The next hop refused the message itself: the same class and detail, in our words.
#[must_use]
pub fn message_refused(remote: &Reply) -> Reply {
    let Enhanced { subject, detail } = remote.enhanced().unwrap_or(Enhanced { subject: 0, detail: 0 });
    let detail = if detail <= MAX_REGISTERED_DETAIL { detail } else { 0 };
    Reply::new(554, subject, detail, message_words(subject, detail))
}

/// The next hop refused the mailbox: the full one stays full, a null MX stays one (RFC 7505 §4.2, and only our own look-up
/// says 556), everything else takes no mail.
#[must_use]
pub fn mailbox_refused(remote: &Reply) -> Reply {
    match remote.enhanced() {
        Some(Enhanced { subject: 2, detail: 2 }) => Reply::new(550, 2, 2, "The mailbox is full"),
        Some(Enhanced { subject: 1, detail: 10 }) if remote.code() == NULL_MX => {
            Reply::new(550, 1, 10, "The mailbox takes no mail (null MX)")
        }
        _ => Reply::new(550, 2, 1, "The mailbox takes no mail"),
    }
}

/// The next hop deferred the whole message after its final dot, and nobody could be told later: the client keeps it.
#[must_use]
pub fn try_again(remote: Option<&Reply>) -> Reply {
    let text = "The message could not be passed on for now, try again later";
    match remote.and_then(Reply::enhanced) {
        Some(Enhanced { subject, detail }) if detail <= MAX_REGISTERED_DETAIL => Reply::new(451, subject, detail, text),
        _ => Reply::new(451, 3, 0, text),
    }
}

fn message_words(subject: u16, detail: u16) -> &'static str {
    match (subject, detail) {
        (3, 4) | (2, 3) => "The message is too large for the next system",
        (6, _) => "The next system does not take content of this kind",
        (7, _) => "The next system refused the message by its policy",
        (4, 6) => "The next system found a routing loop",
        _ => "The next system refused the message",
    }
}

/// The owner's own text: `450 4.2.1 later`, `550 no`, or words alone. Whatever it says, the answer is a refusal whose
/// class and enhanced code agree.
#[must_use]
pub fn owners_words(text: Option<&str>) -> Reply {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return refused_by_owner() };
    let (code, rest) = leading_code(text).unwrap_or((550, text));
    let (enhanced, words) = leading_enhanced(rest, code / 100).unwrap_or((Enhanced { subject: 7, detail: 1 }, rest));
    let Enhanced { subject, detail } = enhanced;
    if words.is_empty() {
        return Reply::new(code, subject, detail, refused_by_owner().text().to_owned());
    }
    Reply::new(code, subject, detail, words.to_owned())
}

/// `4yz` or `5yz` in front, except 421, which would close the connection.
fn leading_code(text: &str) -> Option<(u16, &str)> {
    let (code, rest) = first_word(text);
    let valid = code.len() == 3 && code.bytes().all(|octet| octet.is_ascii_digit());
    let number = code.parse().ok().filter(|number| valid && (400..600).contains(number) && *number != 421)?;
    Some((number, rest))
}

/// `class.subject.detail` in front, of the class of the code.
fn leading_enhanced(text: &str, class: u16) -> Option<(Enhanced, &str)> {
    let (code, rest) = first_word(text);
    let mut numbers = code.split('.').map(|number| number.parse::<u16>().ok().filter(|n| *n <= 999));
    let parts = (numbers.next()??, numbers.next()??, numbers.next()??);
    let whole = numbers.next().is_none() && parts.0 == class;
    whole.then_some((Enhanced { subject: parts.1, detail: parts.2 }, rest))
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owners_text_may_begin_with_a_code() {
        let cases = [
            (None, "550 5.7.1 The owner of this address takes no mail here"),
            (Some("  "), "550 5.7.1 The owner of this address takes no mail here"),
            (Some("I moved to new@elsewhere"), "550 5.7.1 I moved to new@elsewhere"),
            (Some("450 4.2.1 later"), "450 4.2.1 later"),
            (Some("550 5.1.6 moved away"), "550 5.1.6 moved away"),
            (Some("450 later"), "450 4.7.1 later"),
            (Some("450 5.2.1 classes disagree"), "450 4.7.1 5.2.1 classes disagree"),
            (Some("554"), "554 5.7.1 The owner of this address takes no mail here"),
            (Some("250 ok"), "550 5.7.1 250 ok"),
            (Some("421 close"), "550 5.7.1 421 close"),
            (Some("404 not found"), "404 4.7.1 not found"),
        ];
        for (text, expected) in cases {
            assert_eq!(owners_words(text).to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_providers_own_detail_is_not_passed_on() {
        let remote = Reply::new(550, 7, 509, "Access denied, sending domain [x] does not pass DMARC");
        let ours = message_refused(&remote);
        assert_eq!(ours.to_string(), "554 5.7.0 The next system refused the message by its policy");
    }

    #[test]
    fn a_refused_mailbox_never_reads_as_an_unknown_alias() {
        let gone = Reply::new(550, 1, 1, "<anna@inbox.example>: no such user");
        assert_eq!(mailbox_refused(&gone).to_string(), "550 5.2.1 The mailbox takes no mail");
        let full = Reply::new(552, 2, 2, "anna is over quota");
        assert_eq!(mailbox_refused(&full).to_string(), "550 5.2.2 The mailbox is full");
    }
}
