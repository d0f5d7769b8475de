//! Who holds the ports that mail needs, and whether port 25 leads out.

use std::net::SocketAddr;

use super::{Finding, Severity};

/// The port of mail between systems.
const SMTP: u16 = 25;
/// The port of DNS.
const DNS: u16 = 53;
/// The words of what is found of the way out.
const BLOCKED: &str = "port_25_out_blocked";
const UNANSWERED: &str = "dns_does_not_answer";

/// Who listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// This gateway.
    Us,
    /// Nobody.
    Nobody,
    /// Somebody else, as far as this user may see it.
    Other {
        /// Its name.
        program: Option<String>,
        /// Its process.
        process: Option<u32>,
    },
}

/// A port that is configured, or port 25.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `smtp.listen`, …
    pub key: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Who.
    pub holder: Holder,
}

/// All ports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortFacts {
    /// Whether a gateway runs on these data.
    pub runs: bool,
    /// What is configured.
    pub listeners: Vec<Listener>,
    /// Who holds port 25, where it is not among them.
    pub port_25: Option<Holder>,
}

/// A host that was tried on port 25.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Its name.
    pub host: String,
    /// Its greeting, or why there was none.
    pub outcome: Result<String, Unreached>,
}

/// Why a host was not heard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// Nobody could say where it is.
    #[error("{0}")]
    Unknown(String),
    /// It did not answer.
    #[error("{0}")]
    Silent(String),
}

/// What came of the try, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOut {
    /// Nobody was tried, or a relay takes it all.
    Untried,
    /// Somebody answers.
    Open,
    /// Somebody was called at an address, and nobody answers.
    Blocked,
    /// Nobody's address was told: that is the DNS, and says nothing of the port.
    Unresolved,
}

/// What is said where nobody's address was told.
pub const UNRESOLVED: &str = "The DNS does not say where mail servers are";

/// The DNS server that is asked first, where `dns.servers` names any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsServer {
    /// Where it is.
    pub address: SocketAddr,
    /// Where it is set.
    pub place: String,
}

/// The way out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortOut {
    /// The relay that everything goes to: then port 25 is not needed.
    pub relay: Option<String>,
    /// Whom we tried.
    pub tried: Vec<Tried>,
    /// On which port: `delivery.port`.
    pub port: u16,
    /// Whom the DNS is asked of; none is whom the system asks.
    pub dns: Option<DnsServer>,
}

impl PortOut {
    /// What came of it.
    #[must_use]
    pub fn way(&self) -> WayOut {
        if self.relay.is_some() || self.tried.is_empty() {
            WayOut::Untried
        } else if self.tried.iter().any(|tried| tried.outcome.is_ok()) {
            WayOut::Open
        } else if self.tried.iter().any(|tried| matches!(tried.outcome, Err(Unreached::Silent(_)))) {
            WayOut::Blocked
        } else {
            WayOut::Unresolved
        }
    }

    /// What to do where nobody's address was told.
    #[must_use]
    pub fn dns_remedy(&self) -> String {
        let (asked, mend) = match &self.dns {
            None => (String::new(), "mend /etc/resolv.conf, or set dns.servers".to_owned()),
            Some(DnsServer { address, place }) => {
                let port = if address.port() == DNS { String::new() } else { format!(" -p {}", address.port()) };
                (format!("@{}{port} ", address.ip()), format!("correct dns.servers in {place}"))
            }
        };
        format!(
            "Try “dig {asked}gmail.com MX” on this machine. If it has no answer either, {mend}, before mail comes: an inbox \
             whose domain does not exist for the DNS refuses its mail for good, and other mail is put off, with a relay too."
        )
    }
}

pub(super) fn judge(facts: &PortFacts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.listeners.iter().filter_map(taken).collect();
    if !facts.runs {
        findings.push(Finding::fault(
            "not_running",
            &"waypost",
            "No gateway runs on these data: no mail is taken.",
            "Start it: systemctl start waypost. Its log says why it stopped: journalctl -u waypost",
        ));
    }
    findings.extend(facts.port_25.as_ref().and_then(beside_25));
    findings
}

fn taken(listener: &Listener) -> Option<Finding> {
    let Holder::Other { program, process } = &listener.holder else { return None };
    Some(Finding::fault(
        "port_taken",
        &listener.address,
        format!("{} ({}) is held by {}.", listener.address, listener.key, named(program.as_deref(), *process)),
        "Stop and disable that program, then start the gateway again. Mail servers that systems bring along are postfix, \
         exim4 and sendmail: systemctl disable --now postfix",
    ))
}

fn beside_25(holder: &Holder) -> Option<Finding> {
    match holder {
        Holder::Us => None,
        Holder::Nobody => Some(
            Finding::fault(
                "not_on_port_25",
                &SMTP,
                "The gateway does not listen on port 25, where all mail from outside comes.",
                "Set smtp.listen = [\"[::]:25\"], unless a proxy or a redirection of ports brings it here.",
            )
            .graded(Severity::Warning),
        ),
        Holder::Other { program, process } => Some(Finding::fault(
            "port_taken",
            &SMTP,
            format!("Port 25 is held by {}, and the gateway listens elsewhere.", named(program.as_deref(), *process)),
            "If that program is no proxy of the gateway, stop and disable it, and set smtp.listen = [\"[::]:25\"].",
        )),
    }
}

fn named(program: Option<&str>, process: Option<u32>) -> String {
    match (program, process) {
        (Some(program), Some(process)) => format!("{program} (process {process})"),
        (Some(program), None) => program.to_owned(),
        (None, _) => "another program (root can see which: ss -ltnp)".to_owned(),
    }
}

pub(super) fn judge_out(facts: &PortOut) -> Option<Finding> {
    let why = |tried: &Tried| tried.outcome.as_ref().err().map(|why| format!("{}: {why}", tried.host));
    let tried = facts.tried.iter().filter_map(why).collect::<Vec<_>>().join("; ");
    match facts.way() {
        WayOut::Untried | WayOut::Open => None,
        WayOut::Blocked => Some(Finding::fault(
            BLOCKED,
            &facts.port,
            format!("No mail server could be reached on port {} ({tried}).", facts.port),
            format!(
                "Most hosters block it until they are asked: ask yours to open port {} outwards, look at the machine's own \
                 firewall, or send by a relay (delivery.relay). Until then mail waits in the queue.",
                facts.port
            ),
        )),
        WayOut::Unresolved => {
            Some(Finding::fault(UNANSWERED, &"dns.servers", format!("{UNRESOLVED} ({tried})."), facts.dns_remedy()))
        }
    }
}

/// Whether a later try shows that this, which was found of the way out, is over.
pub(super) fn is_past(finding: &Finding, out: &PortOut) -> bool {
    [BLOCKED, UNANSWERED].contains(&&*finding.id) && judge_out(out).is_none_or(|now| now.id != finding.id)
}
