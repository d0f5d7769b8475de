//! What can be said of an alias on the command line, and the API's body that says the same.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::policy::{self, Setting};

/// What the alias does: one of these.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(super) struct What {
    /// Forward to this address; several times for several
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// Take its mail and throw it away
    #[arg(long)]
    drop: bool,
    /// Refuse its mail, with a text of your own
    #[arg(long, value_name = "TEXT", num_args = 0..=1, default_missing_value = "")]
    reject: Option<String>,
    /// Catch-all only: the first mail makes an alias that forwards to this address
    #[arg(long, value_name = "ADDRESS")]
    create: Vec<String>,
}

/// Whatever else can be set.
#[derive(Debug, Default, Args)]
pub(super) struct Fields {
    /// Among patterns, the smaller is tried first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i64>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// To find it by; several times for several
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// When it ends: 2027-01-31 or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// After how many messages in all (100) or how long without mail (30d) it ends
    #[arg(long, value_name = "N")]
    expires_after: Option<String>,
    /// What it does once it has ended
    #[arg(long, value_name = "WHAT")]
    then: Option<Then>,
    /// A sender that may write: an address, @domain or a glob; no policy refuses it where SPF or DKIM proves it.
    /// 'authenticated:@domain' means only who is proved. Those of one command replace all that were there
    #[arg(long, value_name = "SENDER")]
    allow: Vec<String>,
    /// A sender that is refused, of the envelope or as the author (From): an address, @domain or a glob;
    /// 'authenticated:@domain' means only who is proved. Those of one command replace all that were there
    #[arg(long, value_name = "SENDER")]
    block: Vec<String>,
    /// Messages in 24 hours
    #[arg(long, value_name = "N")]
    quota: Option<u64>,
    /// What the log does not keep: off keeps all; subject keeps no subjects and no authors; envelope
    /// neither, and of the envelope sender only the domain
    #[arg(long, value_name = "WHAT")]
    privacy: Option<Privacy>,
    /// A policy of its own: spf, dkim, dmarc (off, observe, enforce), unauthenticated (accept, reject), tls (opportunistic,
    /// require); inherit takes the domain's again
    #[arg(long, value_name = "NAME=VALUE", value_parser = policy::setting)]
    policy: Vec<Setting>,
    /// Set back to its default; several times for several
    #[arg(long, value_name = "FIELD")]
    clear: Vec<Clearable>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Then {
    Refuse,
    Reject,
    Drop,
    Delete,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Privacy {
    Off,
    Subject,
    Envelope,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Clearable {
    Note,
    Label,
    Expires,
    ExpiresAfter,
    Allow,
    Block,
    Quota,
    Reject,
    Policy,
}

impl Clearable {
    const fn field(self) -> &'static str {
        match self {
            Self::Note => "description",
            Self::Label => "labels",
            Self::Expires => "expires_at",
            Self::ExpiresAfter => "expires_after",
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Quota => "quota",
            Self::Reject => "reject_message",
            Self::Policy => "policy",
        }
    }
}

impl What {
    fn fields(&self) -> Vec<(&'static str, Value)> {
        if !self.to.is_empty() {
            return vec![("action", "forward".into()), ("destinations", self.to.clone().into())];
        }
        if !self.create.is_empty() {
            return vec![("action", "create".into()), ("destinations", self.create.clone().into())];
        }
        match &self.reject {
            Some(text) if text.is_empty() => vec![("action", "reject".into())],
            Some(text) => vec![("action", "reject".into()), ("reject_message", text.clone().into())],
            None if self.drop => vec![("action", "drop".into())],
            None => Vec::new(),
        }
    }
}

impl Fields {
    /// The API's body: only what was said.
    pub(super) fn body(&self, what: &What) -> Map<String, Value> {
        let list =
            |items: &Vec<String>| Some(items).filter(|items| !items.is_empty()).map(|items| items.clone().into());
        let said = [
            ("priority", self.priority.map(Value::from)),
            ("description", self.note.clone().map(Value::from)),
            ("labels", list(&self.label)),
            ("expires_at", self.expires.clone().map(Value::from)),
            ("expires_after", self.expires_after.as_deref().map(count_or_span)),
            ("then", self.then.as_ref().and_then(word)),
            ("allow", list(&self.allow)),
            ("block", list(&self.block)),
            ("quota", self.quota.map(Value::from)),
            ("privacy", self.privacy.as_ref().and_then(word)),
            ("policy", policy::field(&self.policy)),
        ];
        let said = said.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let cleared = self.clear.iter().map(|clear| (clear.field(), Value::Null));
        what.fields().into_iter().chain(said).chain(cleared).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// `100` is a number of messages, `30d` a span.
fn count_or_span(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}

fn word<T: ValueEnum>(choice: &T) -> Option<Value> {
    Some(choice.to_possible_value()?.get_name().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        fields: Fields,
    }

    fn body(arguments: &[&str]) -> Value {
        let line = Line::try_parse_from(std::iter::once("x").chain(arguments.iter().copied())).unwrap();
        Value::Object(line.fields.body(&line.what))
    }

    #[test]
    fn says_only_what_was_said() {
        assert_eq!(body(&[]), json!({}));
        assert_eq!(body(&["--to", "a@b", "--to", "c@d"]), json!({"action": "forward", "destinations": ["a@b", "c@d"]}));
        assert_eq!(body(&["--drop", "--note", "x"]), json!({"action": "drop", "description": "x"}));
        assert_eq!(body(&["--reject"]), json!({"action": "reject"}));
        assert_eq!(body(&["--reject", "No."]), json!({"action": "reject", "reject_message": "No."}));
        assert_eq!(body(&["--create", "a@b"]), json!({"action": "create", "destinations": ["a@b"]}));
    }

    #[test]
    fn counts_are_numbers_and_spans_are_texts() {
        assert_eq!(body(&["--expires-after", "100"]), json!({"expires_after": 100}));
        assert_eq!(
            body(&["--expires-after", "30d", "--then", "delete"]),
            json!({"expires_after": "30d", "then": "delete"})
        );
        assert_eq!(body(&["--priority", "-5", "--quota", "3"]), json!({"priority": -5, "quota": 3}));
    }

    #[test]
    fn a_field_can_be_cleared() {
        assert_eq!(body(&["--clear", "note", "--clear", "quota"]), json!({"description": null, "quota": null}));
    }

    #[test]
    fn policies_are_named_one_by_one() {
        let said = ["--policy", "dmarc=observe", "--policy", "spf=inherit", "--allow", "authenticated:@a.example"];
        let wanted = json!({"policy": {"dmarc": "observe", "spf": null}, "allow": ["authenticated:@a.example"]});
        assert_eq!(body(&said), wanted);
        assert!(Line::try_parse_from(["x", "--policy", "dmarc"]).is_err());
    }

    #[test]
    fn an_alias_does_one_thing() {
        assert!(Line::try_parse_from(["x", "--to", "a@b", "--drop"]).is_err());
        assert!(Line::try_parse_from(["x", "--reject", "a", "--drop"]).is_err());
    }
}
