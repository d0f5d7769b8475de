//! What the door would add to a decision, for the simulator: greylisting, by what was written of it last, and which limits
//! apply. What counts towards them is known to the listener alone; asking here changes and counts nothing.

use std::fmt::Display;

use crate::mail::Mailbox;
use crate::policy::admission::{Decision, Disposition};
use crate::policy::alignment::spf_domain;
use crate::policy::facts::{AuthFacts, SpfFacts};
use crate::policy::greylist::{self, Triplet};
use crate::policy::limits::{Limit, Limits};
use crate::policy::status::TraceStep;

use super::{Admin, Result, RouteQuestion};

impl Admin {
    /// Turns a recipient away that greylisting would, and names the limits that count for one that is taken.
    pub(super) async fn ask_door(
        &self,
        (question, recipient): (&RouteQuestion, Option<&Mailbox>),
        spf: Option<&SpfFacts>,
        decision: &mut Decision,
    ) -> Result<()> {
        if !decision.is_taken() {
            return Ok(());
        }
        let abuse = &self.facts.instance.load_full().abuse;
        decision.trace.extend(applying(&abuse.limits, question, decision));
        let is_asked = abuse.greylist && !decision.let_in && !matches!(decision.disposition, Disposition::Report(_));
        let (Some(peer), Some(recipient)) = (question.ip.filter(|_| is_asked), recipient) else { return Ok(()) };
        let auth = AuthFacts { spf: spf.cloned(), ..AuthFacts::default() };
        let proved = spf_domain(&question.from, &auth);
        let key = Triplet { peer, proved: proved.as_ref(), sender: &question.from, recipient }.key();
        let seen = self.store.activity.greylist_seen(&key).await?;
        match greylist::judge(seen, self.clock.now()).1 {
            Ok(step) => decision.trace.push(step),
            Err(refusal) => decision.turn_away(*refusal),
        }
        Ok(())
    }
}

/// The limits that are set, and whose they are.
fn applying(limits: &Limits, question: &RouteQuestion, decision: &Decision) -> Vec<TraceStep> {
    let applies = |limit: Limit, whose: &dyn Display| limits.of(limit).map(|most| limit.applies(most, &whose));
    let client = question.ip.map_or_else(|| "one client".to_owned(), |ip| ip.to_string());
    let mut steps: Vec<_> = [Limit::Connections, Limit::Messages, Limit::UnknownRecipients]
        .into_iter()
        .filter_map(|limit| applies(limit, &client))
        .collect();
    steps.extend(question.from.domain().and_then(|domain| applies(Limit::SenderDomain, domain)));
    steps.extend(decision.rule.as_ref().and_then(|rule| applies(Limit::Alias, &rule.pattern)));
    if let Disposition::Forward(legs) = &decision.disposition {
        steps.extend(legs.iter().filter_map(|leg| applies(Limit::Destination, &leg.destination)));
    }
    steps
}
