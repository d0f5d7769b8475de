//! Sender Rewriting Scheme: makes reverse-paths of ours, and reads them back. Compatible with postsrsd and Mail::SRS under
//! the same secret (`SRS0=HHH=TT=domain=local`, `SRS1=HHH=hop=…`). Pure: the day is given.

use crate::mail::{Domain, LocalPart, Mailbox};

/// Base32 characters of an SRS day stamp run over this many days.
pub const DAY_CYCLE: i64 = 1024;

/// One secret of the ring.
#[derive(Clone)]
pub struct Secret {
    /// The key octets.
    pub key: Vec<u8>,
    /// The shortest hash that verifies under it (`min=4` for moving from postsrsd; else `hash_length`).
    pub min_hash: usize,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

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
    /// It would pass 64 octets: store the sender under a token and call [`Ring::sign_token`].
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
    /// Older than `max_age`, or stamped in the future.
    #[error("the SRS address has expired")]
    Expired,
}

impl Ring {
    /// Signs `sender` on `day`: SRS0 for a plain sender, SRS1 for another forwarder's SRS0 or SRS1.
    #[must_use]
    pub fn sign(&self, sender: &Mailbox, day: i64) -> Signed {
        let _ = (sender, day);
        todo!("words")
    }

    /// Signs a stored token for a sender of `domain`: `SRS0=hash=TT=domain=~token`.
    #[must_use]
    pub fn sign_token(&self, domain: &Domain, token: &str, day: i64) -> Option<LocalPart> {
        let _ = (domain, token, day);
        todo!("words")
    }

    /// Verifies and reverses the local part of an SRS address of ours, on `day`.
    pub fn reverse(&self, local: &LocalPart, day: i64) -> Result<Reversed, SrsError> {
        let _ = (local, day);
        todo!("words")
    }
}

/// Whether a local part has the shape of an SRS address (`SRS0` or `SRS1` and a separator, in any case).
#[must_use]
pub fn looks_like_srs(local: &LocalPart) -> bool {
    let _ = local;
    todo!("words")
}
