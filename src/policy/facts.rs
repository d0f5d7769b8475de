//! The facts that decisions read, in stages: connect, sender, recipient, message. Gathered by `facts`, never here.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rule::{HostedDomain, Rule, SenderLists};
use crate::mail::header::HeaderFacts;
use crate::mail::{Domain, Mailbox, Moment, ReversePath};

/// TLS of one leg, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: String,
    /// `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// Whether the peer's certificate verified for its name (outbound only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// Known when a client has connected and greeted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectFacts {
    /// Its address.
    pub peer: IpAddr,
    /// What it called itself.
    pub helo: String,
    /// Its TLS.
    pub tls: Option<TlsFacts>,
}

/// An SPF result (RFC 7208 §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfResult {
    /// No policy, or no domain to ask.
    None,
    /// Explicitly nothing said.
    Neutral,
    /// Authorised.
    Pass,
    /// Not authorised.
    Fail,
    /// Probably not.
    SoftFail,
    /// DNS failed for now.
    TempError,
    /// The record is broken.
    PermError,
}

impl SpfResult {
    /// As RFC 8601 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// SPF of one identity: MAIL FROM (`postmaster@HELO` for the null path), or HELO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpfFacts {
    /// The result.
    pub result: SpfResult,
    /// The domain that was asked.
    pub domain: String,
    /// Whether a pass came from `+all`, which proves nothing.
    pub by_plus_all: bool,
}

/// A DKIM result (RFC 8601 §2.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DkimResult {
    /// Verified.
    Pass,
    /// Did not verify.
    Fail,
    /// Malformed or unacceptable.
    Neutral,
    /// DNS failed for now.
    TempError,
    /// Cannot ever verify.
    PermError,
}

impl DkimResult {
    /// As RFC 8601 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Neutral => "neutral",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// One DKIM signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimFacts {
    /// The result.
    pub result: DkimResult,
    /// `d=`.
    pub domain: String,
    /// `s=`.
    pub selector: String,
    /// Why not.
    pub detail: String,
}

/// A DMARC result (RFC 8601 §2.7, RFC 7489 §11.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DmarcResult {
    /// The author's domain publishes nothing.
    None,
    /// An aligned SPF or DKIM pass.
    Pass,
    /// Nothing aligned passed, or there is no one author to ask about.
    Fail,
    /// DNS failed for now.
    TempError,
    /// The record is broken.
    PermError,
}

impl DmarcResult {
    /// As RFC 8601 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// What a domain asks for mail that fails (`p`, `sp` or `np`), mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DmarcPolicy {
    /// Nothing.
    None,
    /// To be suspicious.
    Quarantine,
    /// To refuse it.
    Reject,
}

impl DmarcPolicy {
    /// As records write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// DMARC of the author's domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmarcFacts {
    /// The result.
    pub result: DmarcResult,
    /// What is asked for; `None` where nobody could tell.
    pub policy: Option<DmarcPolicy>,
    /// The author's domain; empty where there is no one such.
    pub domain: String,
    /// Why not.
    pub detail: String,
}

/// What an ARC chain is worth (RFC 8617 §5.2); one that is not there has no facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArcResult {
    /// Every seal and the newest signature verify.
    Pass,
    /// They do not.
    Fail,
    /// DNS failed for now.
    TempError,
}

impl ArcResult {
    /// As RFC 8601 writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
        }
    }
}

/// The ARC chain of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArcFacts {
    /// The result.
    pub result: ArcResult,
    /// Sets in the chain, as far as they could be read.
    pub sets: usize,
    /// Who sealed last.
    pub sealer: String,
    /// Why not.
    pub detail: String,
}

/// Known at RCPT, beside connect and sender facts.
#[derive(Debug, Clone)]
pub struct RecipientFacts {
    /// The present.
    pub now: Moment,
    /// Our postmaster has no domain.
    pub recipient: Mailbox,
    /// The rules that may match; `None` when the domain is not hosted.
    pub candidates: Option<Candidates>,
    /// The instance's blocks.
    pub instance_senders: Arc<SenderLists>,
    /// Destinations of the selected rule that hold although no row says so: computed ones that are verified or lie in a
    /// trusted domain, and addresses on hosted domains of the same account.
    pub admitted: Vec<Mailbox>,
}

/// The rules of a hosted domain that a recipient may select among.
#[derive(Debug, Clone)]
pub struct Candidates {
    /// The domain.
    pub domain: Arc<HostedDomain>,
    /// Rules of kind address for the full local part or one without its tag.
    pub addresses: Vec<Arc<Rule>>,
    /// Patterns in the order of priority, then id.
    pub patterns: Arc<[Pattern]>,
    /// `*@domain`.
    pub catch_all: Option<Arc<Rule>>,
}

/// A pattern, compiled once when the rules were read.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What it matches: anchored, over the folded local part.
    pub matcher: Arc<Matcher>,
}

/// A compiled pattern, and what it takes.
#[derive(Debug)]
pub struct Matcher {
    pub(super) compiled: Compiled,
    /// Octets of memory, rounded up to a power of two.
    pub(super) octets: usize,
}

/// What it was compiled to.
#[derive(Debug)]
pub(super) enum Compiled {
    /// A glob, which sees octets.
    Glob(regex::bytes::Regex),
    /// A regular expression.
    Regex(regex::Regex),
}

/// How much mail a rule has had; asked for only where the rule has a quota or an expiry that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Messages accepted in all.
    pub messages: u64,
    /// Messages accepted in the last 24 h.
    pub last_day: u64,
    /// When the last one came.
    pub last_mail_at: Option<Moment>,
    /// Others that are on their way, taken at RCPT and not accepted yet: asked only where a message comes.
    pub pledged: u64,
}

/// What authentication found, at the end of data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthFacts {
    /// SPF of MAIL FROM.
    pub spf: Option<SpfFacts>,
    /// SPF of the greeting name, where it was asked beside.
    pub spf_helo: Option<SpfFacts>,
    /// The signatures, at most ten.
    pub dkim: Vec<DkimFacts>,
    /// DMARC, where it was asked.
    pub dmarc: Option<DmarcFacts>,
    /// The ARC chain, where there is one.
    pub arc: Option<ArcFacts>,
}

/// Known when the message is whole.
#[derive(Debug, Clone)]
pub struct MessageFacts {
    /// The present.
    pub now: Moment,
    /// The original reverse-path.
    pub reverse_path: ReversePath,
    /// The header.
    pub header: HeaderFacts,
    /// Authentication.
    pub auth: AuthFacts,
    /// Whether the reverse-path's domain is hosted here.
    pub sender_is_hosted: bool,
    /// The organisational domains by name, as the DMARC tree walk found them (author domains, reverse-path, alias and
    /// SRS domains); a name that is missing is its own organisational domain's unknown and counts as aligned.
    pub organisational: Vec<(Domain, Domain)>,
}
