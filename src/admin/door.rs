//! What the door would add to a decision, for the simulator: how much of each limit is used, and greylisting, by what was
//! written of it last. Asking here changes and counts nothing.

use crate::facts::{Asker, Inquest};
use crate::mail::{Domain, Mailbox};
use crate::policy::admission::{Decision, Disposition, Refusal};
use crate::policy::alignment::spf_domain;
use crate::policy::facts::{AuthFacts, SpfFacts};
use crate::policy::greylist::{self, Triplet};
use crate::policy::limits::{Limit, network_of};
use crate::policy::status::TraceStep;

use super::{Actor, Admin, Result, RouteQuestion};

impl Admin {
    /// Turns a recipient away that limits or greylisting would, and says how much of each limit is used.
    pub(super) async fn ask_door(
        &self,
        (actor, question, recipient): (&Actor, &RouteQuestion, Option<&Mailbox>),
        spf: Option<&SpfFacts>,
        decision: &mut Decision,
    ) -> Result<()> {
        if !decision.is_taken() {
            return Ok(());
        }
        let abuse = &self.facts.instance.load_full().abuse;
        let auth = AuthFacts { spf: spf.cloned(), ..AuthFacts::default() };
        let proved = spf_domain(&question.from, &auth);
        match self.limits_of(actor, (question, proved.as_ref()), decision) {
            Ok(steps) => decision.trace.extend(steps),
            Err(refusal) => {
                decision.turn_away(*refusal);
                return Ok(());
            }
        }
        let is_asked = abuse.greylist && !decision.let_in && !matches!(decision.disposition, Disposition::Report(_));
        let (Some(peer), Some(recipient)) = (question.ip.filter(|_| is_asked), recipient) else { return Ok(()) };
        let key = Triplet { peer, proved: proved.as_ref(), sender: &question.from, recipient }.key();
        let seen = self.store.activity.greylist_seen(&key).await?;
        match greylist::judge(seen, self.clock.now()).1 {
            Ok(step) => decision.trace.push(step),
            Err(refusal) => decision.turn_away(*refusal),
        }
        Ok(())
    }

    /// By the counts of the door itself. A member learns of their own aliases only, and of a sender domain that is not proved
    /// nothing is refused.
    fn limits_of(
        &self,
        actor: &Actor,
        (question, proved): (&RouteQuestion, Option<&Domain>),
        decision: &Decision,
    ) -> std::result::Result<Vec<TraceStep>, Box<Refusal>> {
        let asker = match question.ip {
            _ if !actor.sees_all() || actor.is_limited() => Asker::Member,
            Some(ip) => Asker::Client(network_of(ip)),
            None => Asker::Nobody,
        };
        let (counts, limits) = (&*self.facts.counts, self.facts.instance.load().abuse.limits);
        let inquest = Inquest { counts, limits, now: self.clock.steady(), asker, begins_message: true };
        let mut steps = Vec::new();
        steps.extend(inquest.of_client(Limit::Connections, &counts.connections)?);
        steps.extend(inquest.of_client(Limit::UnknownRecipients, &counts.unknown)?);
        steps.extend(inquest.judge(decision)?);
        if let Some(domain) = question.from.domain() {
            let judged = inquest.of_sender(domain);
            let unproved = |refusal: Box<Refusal>| Ok(Some(refusal.step));
            steps.extend(if proved == Some(domain) { judged } else { judged.or_else(unproved) }?);
        }
        Ok(steps)
    }
}
