//! The shape of SRS local parts: the tag, one of three separators behind it, and parts between equal signs.

use crate::mail::LocalPart;

/// What may stand behind the tag; everywhere else it is `=`.
pub(super) const SEPARATORS: [char; 3] = ['=', '+', '-'];

/// A local part that begins with a tag and a separator.
pub(super) enum Shape<'a> {
    /// `SRS0=hash=TT=host=user`.
    Srs0 {
        /// Everything behind the tag, the separator included: what SRS1 keeps.
        guarded: &'a str,
        /// The parts, where it has them all.
        parts: Option<Parts<'a>>,
    },
    /// `SRS1=hash=hop=rest`, where `rest` begins with the separator of the SRS0 address.
    Srs1 { hash: &'a str, hop: &'a str, rest: &'a str },
}

/// The parts of an SRS0 address.
pub(super) struct Parts<'a> {
    pub(super) hash: &'a str,
    pub(super) stamp: &'a str,
    pub(super) host: &'a str,
    pub(super) user: &'a str,
}

impl<'a> Shape<'a> {
    /// Takes a local part apart; an SRS1 that lacks parts is none.
    pub(super) fn of(local: &'a str) -> Option<Self> {
        let (tag, guarded) = local.split_at_checked(4)?;
        let body = guarded.strip_prefix(SEPARATORS)?;
        if tag.eq_ignore_ascii_case("SRS0") {
            return Some(Self::Srs0 { guarded, parts: Parts::of(body) });
        }
        let mut parts = body.splitn(3, '=');
        let (hash, hop, rest) = (parts.next()?, parts.next()?, parts.next()?);
        tag.eq_ignore_ascii_case("SRS1").then_some(Self::Srs1 { hash, hop, rest })
    }
}

impl<'a> Parts<'a> {
    fn of(body: &'a str) -> Option<Self> {
        let mut parts = body.splitn(4, '=');
        Some(Self { hash: parts.next()?, stamp: parts.next()?, host: parts.next()?, user: parts.next()? })
    }
}

/// Whether a local part has the shape of an SRS address (`SRS0` or `SRS1` and a separator, in any case).
#[must_use]
pub fn looks_like_srs(local: &LocalPart) -> bool {
    let Some((tag, rest)) = local.as_str().split_at_checked(4) else { return false };
    (tag.eq_ignore_ascii_case("SRS0") || tag.eq_ignore_ascii_case("SRS1")) && rest.starts_with(SEPARATORS)
}
