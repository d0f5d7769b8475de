//! Circles: a destination that is an alias of ours leads on, and must not lead back to the alias being saved.

use std::collections::{BTreeSet, VecDeque};

use crate::mail::Mailbox;
use crate::policy::routing;
use crate::policy::rule::{Kind, Rule, Target};
use crate::store::rules::AliasSpec;

use super::aliases::sends_on;
use super::name::AliasName;
use super::patterns::Matching;
use super::spec::Named;
use super::{Admin, AdminError, Fault, Result};

/// Addresses that are followed at most; mail itself fans out no further (DESIGN section 5).
const MAX_FOLLOWED: usize = 100;

impl Admin {
    /// Refuses destinations from which mail would come back to the alias.
    pub(super) async fn refuse_circles(&self, named: &Named, spec: &AliasSpec) -> Result<()> {
        let Ok(matching) = &named.matching else { return Ok(()) };
        if !sends_on(spec.action) {
            return Ok(());
        }
        for (index, text) in spec.destinations.iter().enumerate() {
            let Ok(mailbox) = Mailbox::parse(text) else { continue };
            if let Some(via) = self.way_back((&named.name, matching), mailbox).await? {
                let detail = format!("mail would go round in a circle: {text} leads back here by way of {via}");
                return Err(AdminError::Invalid(vec![Fault::at("destinations", index, detail)]));
            }
        }
        Ok(())
    }

    /// The address by way of which `start` leads back to the alias.
    async fn way_back(&self, (name, matching): (&AliasName, &Matching), start: Mailbox) -> Result<Option<Mailbox>> {
        let mut seen = BTreeSet::new();
        let mut open = VecDeque::from([start]);
        while let Some(mailbox) = open.pop_front() {
            if seen.len() >= MAX_FOLLOWED || !seen.insert(mailbox.key()) {
                continue;
            }
            let Some(candidates) = self.store.directory.candidates(&mailbox).await? else { continue };
            // Many destinations among many patterns are not to keep mail waiting.
            tokio::task::yield_now().await;
            let rule = routing::select(&mailbox, &candidates, &mut Vec::new()).map(|selection| selection.rule);
            let is_ours = mailbox.domain() == Some(&name.domain) && matching.matches(mailbox.local());
            if is_ours && takes_precedence(name.kind, rule.as_deref()) {
                return Ok(Some(mailbox));
            }
            open.extend(rule.iter().flat_map(|rule| fixed_targets(rule)));
        }
        Ok(None)
    }
}

/// Whether an alias of `kind` that matches gets the mail although `rule` matches too: the nearer kind does.
fn takes_precedence(kind: Kind, rule: Option<&Rule>) -> bool {
    const fn nearness(kind: Kind) -> u8 {
        match kind {
            Kind::Address => 0,
            Kind::Glob | Kind::Regex => 1,
            Kind::CatchAll => 2,
        }
    }
    rule.is_none_or(|rule| nearness(kind) <= nearness(rule.kind))
}

fn fixed_targets(rule: &Rule) -> impl Iterator<Item = Mailbox> {
    rule.targets.iter().filter_map(|target| match target {
        Target::Fixed(destination) => Some(destination.address.clone()),
        Target::Template(_) => None,
    })
}
