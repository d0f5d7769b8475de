//! The settings that people change in the panel, in their words: what each is called here, what is to be known of it, and
//! what may be chosen.

use serde_json::Value;

use super::super::policy_words::{self, Words};

/// A setting.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    /// As the configuration has it, and in words; empty where anything may be written.
    pub(super) choices: Words,
}

/// Settings that belong together.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// A change asks for the present password.
    pub(super) sensitive: bool,
    pub(super) keys: &'static [Known],
}

/// How often a digest may come.
pub(super) const DIGESTS: Words =
    &[("off", "never"), ("daily", "every day"), ("weekly", "every week"), ("monthly", "every thirty days")];
const YES_NO: Words = &[("true", "yes"), ("false", "no")];

const fn written(name: &'static str, label: &'static str, hint: &'static str) -> Known {
    Known { name, label, hint, choices: &[] }
}

const fn chosen((name, label): (&'static str, &'static str), hint: &'static str, choices: Words) -> Known {
    Known { name, label, hint, choices }
}

/// What a limit of none is written as, and what limits do.
const LIMIT: &str = "0: no limit.";

/// All of them.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        id: "name",
        title: "Name and address",
        sensitive: true,
        keys: &[
            written(
                "hostname",
                "Host name",
                "What the gateway calls itself to other mail servers; until it is set, the name of the system. Its PTR record must say the same.",
            ),
            written(
                "http.public_url",
                "Address of this panel",
                "Links in mails lead there, such as to https://gw.my.example. Empty: to the host name, if HTTPS is open.",
            ),
        ],
    },
    Section {
        id: "sending",
        title: "Sending",
        sensitive: true,
        keys: &[
            written(
                "delivery.relay",
                "Relay",
                "Empty: mail goes straight to each destination, on port 25. Otherwise all of it goes to this server, such as smtp://relay.example:587.",
            ),
            written(
                "delivery.relay_username",
                "Name at the relay",
                "Empty: no sign-in. It is sent over verified TLS only.",
            ),
            chosen(
                ("delivery.tls", "TLS towards destinations"),
                "A domain or an alias may ask for more.",
                policy_words::TLS,
            ),
        ],
    },
    Section {
        id: "policy",
        title: "What is asked of senders",
        sensitive: false,
        keys: &[
            chosen(("policy.spf", "SPF"), "Whether the sender's domain lets that server send.", policy_words::CHECKS),
            chosen(("policy.dkim", "DKIM"), "Whether the signatures are valid.", policy_words::CHECKS),
            chosen(
                ("policy.dmarc", "DMARC"),
                "Whether it really comes from the author's domain. What that domain asks to quarantine is sent on, and marked in the log.",
                policy_words::DMARC,
            ),
            chosen(
                ("policy.unauthenticated", "Mail that proves nothing"),
                "Neither SPF nor a signature passes.",
                policy_words::STRANGERS,
            ),
            written("policy.dns_lists", "DNS lists", "Clients on one of them are refused. Separated by commas."),
            chosen(
                ("policy.greylist", "Greylisting"),
                "Servers that are not known yet are asked to come again a little later.",
                YES_NO,
            ),
            chosen(
                ("policy.authentication_results", "Authentication-Results"),
                "The results of the checks are written at the top of the message.",
                YES_NO,
            ),
            chosen(
                ("policy.forwarded_headers", "X-Forwarded-To and -For"),
                "For inboxes that sort by them.",
                policy_words::HEADERS,
            ),
        ],
    },
    Section {
        id: "limits",
        title: "Limits",
        sensitive: false,
        keys: &[
            written("limits.connections_per_ip_per_minute", "Connections of one IP address a minute", LIMIT),
            written("limits.messages_per_ip_per_hour", "Messages of one IP address an hour", LIMIT),
            written("limits.unknown_recipients_per_ip_per_hour", "Unknown recipients of one IP address an hour", LIMIT),
            written("limits.messages_per_sender_domain_per_hour", "Messages of one sender's domain an hour", LIMIT),
            written("limits.messages_per_alias_per_hour", "Messages to one alias an hour", LIMIT),
            written("limits.messages_per_destination_per_hour", "Messages to one destination an hour", LIMIT),
        ],
    },
    Section {
        id: "log",
        title: "The log of mail",
        sensitive: false,
        keys: &[
            written("log.retention", "Kept for", "Such as 30d."),
            written("log.max_bytes", "At most", "Such as 4GiB. Beyond that, the oldest refusals are deleted first."),
            chosen(("log.subjects", "Subjects and authors are kept"), "A domain or an alias may keep less.", YES_NO),
        ],
    },
    Section {
        id: "notices",
        title: "Notices by mail",
        sensitive: false,
        keys: &[
            written("notify.to", "To", "Addresses, separated by commas. Empty: the owner."),
            chosen(("notify.digest", "Digest"), "What came in and went out, and what needs your attention.", DIGESTS),
            written(
                "notify.heartbeat_url",
                "Heartbeat",
                "This address is called as long as all is well, so that a monitor notices when the calls stop.",
            ),
        ],
    },
];

/// A setting that has a field here.
pub(super) fn known(key: &str) -> Option<&'static Known> {
    SECTIONS.iter().flat_map(|section| section.keys).find(|known| known.name == key)
}

/// A value as people write it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(pairs) => {
            pairs.iter().map(|(key, value)| format!("{key} = {}", shown(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
