//! Ways in which a next hop gives its mailbox away.

use waypost::demo::inbox::Stage;

/// What it says, and when: each names anna@inbox.example, or half of it.
pub(crate) const WAYS: &[(Stage, &str)] = &[
    (Stage::Rcpt, "550 5.1.1 <anna@inbox.example>: no such user"),
    (Stage::Rcpt, "550 5.2.1 anna@inbox.example is disabled"),
    (Stage::Rcpt, "552 5.2.2 Mailbox of anna is full"),
    (Stage::Rcpt, "553 5.1.3 anna at inbox.example"),
    (Stage::Rcpt, "550-5.1.1 The account\r\n550 5.1.1 anna@inbox.example does not exist"),
    (Stage::Rcpt, "450 4.2.1 anna@inbox.example receives too much"),
    (Stage::Rcpt, "451 4.7.1 greylisted anna@inbox.example"),
    (Stage::Rcpt, "550 anna@inbox.example unknown"),
    (Stage::Rcpt, "551 User not local; try <anna@inbox.example>"),
    (Stage::Data, "554 5.5.1 no anna@inbox.example here"),
    (Stage::Data, "451 4.3.0 anna@inbox.example later"),
    (Stage::Dot, "550 5.7.1 anna@inbox.example does not accept this"),
    (Stage::Dot, "552 5.2.2 anna@inbox.example over quota"),
    (Stage::Dot, "554 5.6.0 content refused for anna@inbox.example"),
    (Stage::Dot, "554 5.7.9 policy of inbox.example, anna"),
    (Stage::Dot, "451 4.3.2 anna@inbox.example busy"),
    (Stage::Dot, "421 4.3.2 inbox.example going down on anna"),
    (Stage::Mail, "550 5.7.1 not to anna@inbox.example"),
    (Stage::Mail, "451 4.7.0 anna@inbox.example slow down"),
    (Stage::Ehlo, "550 anna@inbox.example says go away"),
    (Stage::Greeting, "554 mx of anna@inbox.example"),
    (Stage::Greeting, "421 anna@inbox.example later"),
];
