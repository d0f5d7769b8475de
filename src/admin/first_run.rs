//! What the first run asks of the gateway beside what is there for everybody: how the server might be called, how that name
//! stands in the DNS, whether mail can leave by port 25, and a first message through the gateway's own door.

use std::sync::{Arc, Mutex, PoisonError};

use crate::mail::{Domain, Mailbox, Moment, ReversePath};
use crate::policy::checkup::{self, PortOut};
use crate::policy::deeds::Deed;
use crate::policy::records::{self, Gateway, HostFacts};

use super::shapes::RecordShape;
use super::{Access, Actor, Admin, AdminError, Area, Result};

/// The last try of port 25, as long as the process runs.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWayOut(Arc<Mutex<Option<(PortOut, Moment)>>>);

impl Admin {
    /// How the server is called by itself and by the DNS: the reverse name of its address where that leads back, else the
    /// system's name where that has a dot in it.
    pub async fn propose_hostname(&self, actor: &Actor) -> Result<Option<Domain>> {
        actor.must_be_admin("name the server")?;
        let own = self.facts.instance.load().hostname.clone();
        let gateway = self.outside.gateway(&own).await;
        let found = self.outside.host(&gateway).await;
        let reverse = confirmed(&found).find_map(|name| Domain::parse(name.trim_end_matches('.')).ok());
        Ok(reverse.or_else(|| Some(own).filter(|name| name.as_str().contains('.'))))
    }

    /// How a name of the server stands in the DNS.
    pub async fn host_records(&self, actor: &Actor, hostname: &Domain) -> Result<Vec<RecordShape>> {
        actor.must_see_all("see how the server's name stands")?;
        let gateway = Gateway { hostname: hostname.clone(), ..self.outside.gateway(hostname).await };
        let found = self.outside.host(&gateway).await;
        Ok(records::host(&gateway, &found).into_iter().map(RecordShape::from).collect())
    }

    /// Whether port 25 leads out: as it was tried last, or by a try now; none where nobody has tried. A relay makes the
    /// question void.
    pub async fn way_out(&self, actor: &Actor, try_now: TryNow) -> Result<Option<(PortOut, Moment)>> {
        actor.must_see_all("have port 25 tried")?;
        let known = self.found.way_out.last().filter(|(out, _)| out.relay.is_none());
        if try_now == TryNow::No && self.outside.relay().is_none() {
            return Ok(known);
        }
        let out = self.outside.way_out().await;
        let now = self.clock.now();
        self.found.way_out.keep(out.clone(), now);
        self.found.drop(|finding| checkup::is_way_out_past(finding, &out));
        Ok(Some((out, now)))
    }

    /// Sends a message of the gateway's own to an alias, through the door that all mail comes by; gives the answer to it.
    pub async fn send_trial(&self, actor: &Actor, alias: &str) -> Result<String> {
        actor.must(Area::Aliases, Access::Write)?;
        let row = self.find_alias(actor, alias).await?;
        let address = format!("{}@{}", row.spec.pattern, row.domain_name);
        let refused = |why: String| AdminError::Conflict(format!("The message did not get through the door: {why}."));
        let to = Mailbox::parse(&address).map_err(|_| refused(format!("{address} is a pattern and no address")))?;
        let host = self.facts.instance.load().hostname.clone();
        let now = self.clock.now();
        let message = trial((&host, &to), &self.chance.id(now).to_string(), now);
        self.store.accounts.audit(self.audit_plain(actor, Deed::AliasTrial, &address)).await?;
        // Whoever tries is not to hear of what was refused before.
        let inboxes = row.spec.destinations.iter().filter_map(|inbox| Mailbox::parse(inbox).ok());
        inboxes.for_each(|inbox| self.store.directory.forget_failing(&inbox));
        let _on_its_way = self.facts.trials.begin(&message);
        self.outside.to_own_door(&host, (&ReversePath::Null, &to), &message).await.map_err(refused)
    }
}

/// Whether port 25 is tried anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryNow {
    /// It is.
    Yes,
    /// The last try counts.
    No,
}

impl LastWayOut {
    fn last(&self) -> Option<(PortOut, Moment)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, out: PortOut, at: Moment) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((out, at));
    }
}

/// Names that lead back to the address that they are of.
fn confirmed(found: &HostFacts) -> impl Iterator<Item = &str> {
    found.reverse.iter().flat_map(|reverse| {
        let address = reverse.address.to_string();
        let leads_back = move |said: &records::Said| said.values().is_some_and(|values| values.contains(&address));
        reverse.forward.iter().filter(move |(_, said)| leads_back(said)).map(|(name, _)| name.as_str())
    })
}

/// The first message: from nobody, so that nothing can come back (RFC 3834), and in 7 bits.
fn trial((host, to): (&Domain, &Mailbox), unique: &str, at: Moment) -> Vec<u8> {
    let lines = [
        format!("From: Waypost <postmaster@{host}>"),
        format!("To: <{to}>"),
        "Subject: The first message of your gateway".to_owned(),
        format!("Date: {}", at.rfc5322()),
        format!("Message-ID: <{unique}@{host}>"),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=us-ascii".to_owned(),
        String::new(),
        "The gateway".to_owned(),
        host.to_string(),
        "sent this to itself, and from there to your inbox: the way out works.".to_owned(),
        "That mail from others arrives shows when somebody else writes to".to_owned(),
        format!("{to}."),
    ];
    lines.iter().flat_map(|line| line.bytes().chain(*b"\r\n")).collect()
}
