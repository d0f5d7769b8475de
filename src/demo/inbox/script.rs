//! The script of an inbox: what it does at which stage, to whom, and how often.

use std::time::Duration;

/// Where in a conversation something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection was accepted; nothing is said yet.
    Connect,
    /// The greeting.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS, before the handshake.
    StartTls,
    /// The handshake itself.
    Handshake,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The content, after 354 and before the final dot.
    Content,
    /// The answer to the final dot.
    Dot,
    /// QUIT.
    Quit,
}

/// What is done at a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers this (without the last CRLF). 2yz and 3yz take what was asked, 4yz and 5yz refuse it, 421 also closes.
    Reply(String),
    /// Says nothing and keeps the connection open; at [`Stage::Content`] reads nothing either.
    Hang,
    /// Closes at once; nothing is taken.
    Drop,
    /// Takes what was asked and closes without an answer: at [`Stage::Dot`] the message is kept, at
    /// [`Stage::Connect`] and [`Stage::Greeting`] the client's next octets are awaited first.
    DropAfterReading,
    /// Answers these octets; nothing is taken.
    Garbage(Vec<u8>),
    /// Answers this when the content has begun, and reads on; for [`Stage::Content`] of DATA.
    Early(String),
    /// Takes what was asked and gives the usual answer octet by octet, with this pause before each.
    SlowBytes(Duration),
    /// Answers this as [`Behaviour::Reply`] does, after a pause.
    Late(Duration, String),
}

impl Behaviour {
    /// Shorthand for [`Behaviour::Reply`].
    #[must_use]
    pub fn reply(text: &str) -> Self {
        Self::Reply(text.to_owned())
    }

    /// Whether what was asked is taken.
    pub(super) fn takes(&self) -> bool {
        match self {
            Self::Reply(text) | Self::Late(_, text) => text.starts_with(['2', '3']),
            Self::DropAfterReading | Self::SlowBytes(_) | Self::Early(_) => true,
            Self::Hang | Self::Drop | Self::Garbage(_) => false,
        }
    }
}

/// One rule of the script: at a stage, for those it names, so many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    stage: Stage,
    behaviour: Behaviour,
    sender: Option<String>,
    recipient: Option<String>,
    connection: Option<usize>,
    times: Option<usize>,
}

impl Rule {
    /// At `stage`, for everyone, always.
    #[must_use]
    pub const fn at(stage: Stage, behaviour: Behaviour) -> Self {
        Self { stage, behaviour, sender: None, recipient: None, connection: None, times: None }
    }

    /// Only for this sender (as written; empty is the null path).
    #[must_use]
    pub fn from(mut self, sender: &str) -> Self {
        self.sender = Some(sender.to_owned());
        self
    }

    /// Only for this recipient (as written); after RCPT for every transaction that has it.
    #[must_use]
    pub fn to(mut self, recipient: &str) -> Self {
        self.recipient = Some(recipient.to_owned());
        self
    }

    /// Only on this connection, counted from 1.
    #[must_use]
    pub const fn on_connection(mut self, number: usize) -> Self {
        self.connection = Some(number);
        self
    }

    /// Only the first `times` times; then as if the rule were not there.
    #[must_use]
    pub const fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    fn matches(&self, stage: Stage, conversation: &Conversation<'_>) -> bool {
        self.stage == stage
            && self.times != Some(0)
            && self.connection.is_none_or(|number| number == conversation.connection)
            && self.sender.as_deref().is_none_or(|sender| conversation.sender == Some(sender))
            && self.recipient.as_ref().is_none_or(|recipient| conversation.recipients.contains(recipient))
    }
}

/// Who is talking, as far as rules ask.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    pub(super) connection: usize,
    pub(super) sender: Option<&'a str>,
    /// At RCPT the one that is asked for, later all that were taken.
    pub(super) recipients: &'a [String],
}

/// The rules in order.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<Rule>);

impl Script {
    pub(super) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    /// What the first rule that matches says; counts it.
    pub(super) fn at(&mut self, stage: Stage, conversation: &Conversation<'_>) -> Option<Behaviour> {
        let rule = self.0.iter_mut().find(|rule| rule.matches(stage, conversation))?;
        rule.times = rule.times.map(|left| left - 1);
        Some(rule.behaviour.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_holds_and_wears_out() {
        let recipients = ["b@inbox.example".to_owned()];
        let talk = Conversation { connection: 2, sender: Some("a@x.example"), recipients: &recipients };
        let mut script = Script::default();
        script.add(Rule::at(Stage::Rcpt, Behaviour::Drop).on_connection(1));
        script.add(Rule::at(Stage::Rcpt, Behaviour::reply("450 later")).to("b@inbox.example").times(1));
        script.add(Rule::at(Stage::Rcpt, Behaviour::Hang).from("a@x.example"));

        assert_eq!(script.at(Stage::Mail, &talk), None);
        assert_eq!(script.at(Stage::Rcpt, &talk), Some(Behaviour::reply("450 later")));
        assert_eq!(script.at(Stage::Rcpt, &talk), Some(Behaviour::Hang));
    }
}
