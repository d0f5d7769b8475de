//! The alignment guard, which is not a setting (DESIGN section 6): a reverse-path may leave us on domain D only if no
//! author domain in From shares D's organisational domain, or the message proved that author domain on entry.

use super::facts::MessageFacts;
use crate::mail::Domain;

/// On which domain the reverse-path may be rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// SRS on this domain.
    On(Domain),
    /// Left as it is; it fails SPF at the next hop as it should.
    Leave,
}

/// Chooses between the wanted SRS domain (the alias's own, or the shared one), the shared one, and leaving it.
#[must_use]
pub fn rewrite(facts: &MessageFacts, wanted: &Domain, shared: Option<&Domain>) -> Rewrite {
    let _ = (facts, wanted, shared);
    todo!("policy")
}
