//! Sender Rewriting Scheme: makes reverse-paths of ours, and reads them back. Compatible with postsrsd and Mail::SRS under
//! the same secret (`SRS0=HHH=TT=domain=local`, `SRS1=HHH=hop=…`). Pure: the day is given.
//!
//! A hash is HMAC-SHA1 over the lower-cased parts, without anything between them, in base64, cut to length. Remotes fold
//! the case of local parts, so hashes and stamps compare without case; hashes in constant time, under every secret.
//! Whether an address is on one of our domains is the caller's to know.

mod secrets;
mod shape;
mod stamp;

use crate::mail::{Domain, Host, LocalPart, Mailbox};

pub use secrets::{Secret, SecretsError};
use shape::Shape;
pub use shape::looks_like_srs;
pub use stamp::{DAY_CYCLE, MAX_DAYS_AHEAD};

/// What marks a stored token where a local part would stand.
const TOKEN_MARK: char = '~';

/// The secrets (the first signs, all verify) and the rules of one gateway.
#[derive(Clone)]
pub struct Ring {
    /// At least one.
    pub secrets: Vec<Secret>,
    /// Characters of the hashes we make (default 8).
    pub hash_length: usize,
    /// Days an address lives (default 21).
    pub max_age_days: i64,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} secrets)", self.secrets.len())
    }
}

/// What signing gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// The local part of the SRS address.
    Local(LocalPart),
    /// It would pass 64 octets, or be taken for a token: store the sender and call [`Ring::sign_token`].
    TooLong,
}

/// What an SRS address of ours leads back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reversed {
    /// The original sender (SRS0).
    Sender(Mailbox),
    /// The SRS0 address at the first forwarder (SRS1).
    FirstHop(Mailbox),
    /// A stored token, to be looked up.
    Token(String),
}

/// Why an address that looks like SRS does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrsError {
    /// Not `SRS0…` or `SRS1…`.
    #[error("not an SRS address")]
    NotSrs,
    /// The parts are missing or malformed.
    #[error("the SRS address is malformed")]
    Malformed,
    /// The hash does not verify under any secret.
    #[error("the SRS hash does not verify")]
    BadHash,
    /// Older than `max_age`, or stamped more than a day in the future.
    #[error("the SRS address has expired")]
    Expired,
}

impl Ring {
    /// Signs `sender` on `day`: SRS0 for a plain sender, SRS1 for another forwarder's SRS0 or SRS1.
    #[must_use]
    pub fn sign(&self, sender: &Mailbox, day: i64) -> Signed {
        let user = sender.local().as_str();
        let plain = match Shape::of(user) {
            Some(Shape::Srs0 { guarded, .. }) => self.guard(sender.host(), guarded),
            // Never nested: the first hop stays, ours takes the place of the second (Mail::SRS, "Guarded").
            Some(Shape::Srs1 { hop, rest, .. }) => match Host::parse(hop) {
                Ok(hop) => self.guard(&hop, rest),
                Err(_) => self.stamp(&sender.host().to_string(), user, day),
            },
            None if user.starts_with(TOKEN_MARK) => return Signed::TooLong,
            None => self.stamp(&sender.host().to_string(), user, day),
        };
        local_part(&plain).map_or(Signed::TooLong, Signed::Local)
    }

    /// Signs a stored token for a sender of `domain`: `SRS0=hash=TT=domain=~token`. The token alone leads back, so of a long
    /// domain only the last labels are shown; `None` when not even the last fits into 64 octets.
    #[must_use]
    pub fn sign_token(&self, domain: &Domain, token: &str, day: i64) -> Option<LocalPart> {
        let user = format!("{TOKEN_MARK}{token}");
        let mut shown = std::iter::successors(Some(domain.as_str()), |name| Some(name.split_once('.')?.1));
        shown.find_map(|host| local_part(&self.stamp(host, &user, day)))
    }

    /// Verifies and reverses the local part of an SRS address of ours, on `day`.
    pub fn reverse(&self, local: &LocalPart, day: i64) -> Result<Reversed, SrsError> {
        match Shape::of(local.as_str()) {
            Some(Shape::Srs0 { parts: Some(parts), .. }) => {
                self.verify(parts.hash, &[parts.stamp, parts.host, parts.user])?;
                let age = stamp::age(parts.stamp, day).ok_or(SrsError::Malformed)?;
                if age > self.max_age_days {
                    return Err(SrsError::Expired);
                }
                if let Some(token) = parts.user.strip_prefix(TOKEN_MARK) {
                    return Ok(Reversed::Token(token.to_owned()));
                }
                mailbox(parts.user, parts.host).map(Reversed::Sender)
            }
            Some(Shape::Srs1 { hash, hop, rest }) => {
                self.verify(hash, &[hop, rest])?;
                mailbox(&format!("SRS0{rest}"), hop).map(Reversed::FirstHop)
            }
            Some(Shape::Srs0 { parts: None, .. }) => Err(SrsError::Malformed),
            None if looks_like_srs(local) => Err(SrsError::Malformed),
            None => Err(SrsError::NotSrs),
        }
    }

    fn stamp(&self, host: &str, user: &str, day: i64) -> String {
        let stamp = stamp::of(day);
        let hash = self.hash(&[&stamp, host, user]);
        format!("SRS0={hash}={stamp}={host}={user}")
    }

    /// `rest` begins with the separator that stood behind the first forwarder's tag.
    fn guard(&self, hop: &Host, rest: &str) -> String {
        let hop = hop.to_string();
        let hash = self.hash(&[&hop, rest]);
        format!("SRS1={hash}={hop}={rest}")
    }

    fn hash(&self, parts: &[&str]) -> String {
        let mut hash = self.secrets.first().map(|secret| secret.hash(parts)).unwrap_or_default();
        hash.truncate(self.hash_length);
        hash
    }

    /// Every secret is tried, so that the time does not tell which one it was.
    fn verify(&self, hash: &str, parts: &[&str]) -> Result<(), SrsError> {
        let verified = self.secrets.iter().fold(false, |found, secret| secret.verifies(hash, parts) | found);
        if verified { Ok(()) } else { Err(SrsError::BadHash) }
    }
}

/// What is quoted must fit with its quoting (RFC 5321 §4.5.3.1.1).
fn local_part(plain: &str) -> Option<LocalPart> {
    let local = LocalPart::from_plain(plain).ok()?;
    LocalPart::from_plain(&local.to_string()).ok()?;
    Some(local)
}

fn mailbox(user: &str, host: &str) -> Result<Mailbox, SrsError> {
    let local = LocalPart::from_plain(user).map_err(|_| SrsError::Malformed)?;
    let host = Host::parse(host).map_err(|_| SrsError::Malformed)?;
    Ok(Mailbox::new(local, host))
}
