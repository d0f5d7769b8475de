//! The simulator: what would happen to a message, and why, by the very functions that RCPT and the end of data ask.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::auth::{Asked, Content};
use crate::mail::header::{HeaderFacts, HeaderScan};
use crate::mail::{Domain, Envelope, ForwardPath, Host, Mailbox, ReversePath};
use crate::policy::admission::{self, Decision, Disposition, MessageCase, Unproven};
use crate::policy::alignment::Rewrite;
use crate::policy::facts::{ConnectFacts, MessageFacts, SpfFacts};
use crate::policy::replies::recipient_ok;
use crate::policy::routing::{self, Planned};
use crate::policy::settings::Enforcement;
use crate::policy::status::TraceStep;
use crate::smtp::reply::Reply;
use crate::srs::Signed;

use super::shapes::{EnvelopeChange, RouteShape};
use super::{Access, Actor, Admin, AdminError, Area, Form, Result, fields};

/// Octets of header that a question may bring.
const MAX_HEADER_OCTETS: usize = 64 * 1024;
/// Organisational domains are looked up for so long, as for a message that comes.
const LOOK_UPS_WITHIN: Duration = Duration::from_secs(4);
/// The client of a question that names none (RFC 5737: it is nobody's).
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// A message that might come.
#[derive(Debug, Clone)]
pub struct RouteQuestion {
    /// `MAIL FROM`.
    pub from: ReversePath,
    /// `RCPT TO`.
    pub to: ForwardPath,
    /// The client, where its SPF is to count.
    pub ip: Option<IpAddr>,
    /// The author, where there is no header to name one.
    pub author: Option<Mailbox>,
    /// The header, where its authors are to count.
    pub headers: Option<String>,
}

impl RouteQuestion {
    /// Reads one: `to`, and optionally `from`, `ip`, `author` and `headers`.
    pub fn read(written: &Map<String, Value>) -> Result<Self> {
        let mut form = Form::new(written);
        let to = form.optional("to", |v| {
            ForwardPath::parse(fields::text(v)?.trim()).map_err(|why| format!("this is not a recipient: {why}").into())
        });
        let from = form.optional("from", |v| {
            ReversePath::parse(unbracketed(fields::text(v)?))
                .map_err(|why| format!("this is not a sender: {why}").into())
        });
        let ip = form.optional("ip", |v| fields::text(v)?.trim().parse().map_err(|_| "write an IP address".into()));
        let author = form.optional("author", |v| {
            Mailbox::parse(unbracketed(fields::text(v)?)).map_err(|why| format!("this is not an author: {why}").into())
        });
        let headers = form.optional("headers", |v| fields::prose(&joined(v), MAX_HEADER_OCTETS));
        if to.is_none() && form.is_sound() {
            form.fault("to", "name the recipient, such as shop@my.example");
        }
        form.finish()?;
        let to = to.unwrap_or(ForwardPath::Postmaster);
        Ok(Self { from: from.unwrap_or(ReversePath::Null), to, ip, author, headers })
    }
}

impl Admin {
    /// What would happen to a message.
    pub async fn route(&self, actor: &Actor, question: &RouteQuestion) -> Result<RouteShape> {
        actor.must(Area::Aliases, Access::Read)?;
        self.must_see(actor, &question.to).await?;
        let connect = self.client(question.ip);
        let mut decision = self.facts.recipient(&connect, &question.from, &question.to).await?;
        self.ask_lists(question, &mut decision).await;
        let spf = if decision.is_taken() { self.spf_of(&connect, question).await } else { None };
        let to = recipient(&question.to);
        self.ask_door((actor, question, to.as_ref()), spf.as_ref(), &mut decision).await?;
        self.tell_what_is_remembered(&mut decision).await?;
        let (refusal, after) = self.after_data((question, spf), &mut decision).await?;
        Ok(shape(question, decision, (refusal, after)))
    }

    /// What the rules say to mail of the gateway itself for one of its own addresses. It comes by no door.
    pub(super) async fn own_mail(&self, to: &Mailbox) -> Result<Decision> {
        let to = ForwardPath::Mailbox(to.clone());
        Ok(self.facts.recipient(&self.client(None), &ReversePath::Null, &to).await?)
    }

    fn client(&self, ip: Option<IpAddr>) -> ConnectFacts {
        let helo = self.facts.instance.load().hostname.to_string();
        ConnectFacts { peer: ip.unwrap_or(NOBODY), helo, tls: None }
    }

    async fn spf_of(&self, connect: &ConnectFacts, question: &RouteQuestion) -> Option<SpfFacts> {
        question.ip?;
        Some(self.facts.spf(connect.peer, &connect.helo, &question.from).await)
    }

    /// What DNS lists say of client and sender, where a client is named.
    async fn ask_lists(&self, question: &RouteQuestion, decision: &mut Decision) {
        let (Some(client), Some(to)) = (question.ip, recipient(&question.to)) else { return };
        let (mut found, of_sender) =
            tokio::join!(self.facts.listings_of(client), self.facts.listings_of_sender(&question.from));
        found.extend(of_sender);
        if let Some(refusal) = admission::listed(decision, &to, &found) {
            decision.turn_away(refusal);
        }
    }

    /// A member asks for their own domains only: what would happen elsewhere shows the rules of others.
    async fn must_see(&self, actor: &Actor, to: &ForwardPath) -> Result<()> {
        if !sees(actor, to) {
            return Err(AdminError::Forbidden("This token is limited to other domains.".to_owned()));
        }
        if actor.sees_all() {
            return Ok(());
        }
        let name = recipient(to).and_then(|to| to.domain().map(ToString::to_string)).unwrap_or_default();
        self.find_domain(actor, &name).await.map(drop)
    }

    /// What the end of data would add: a refusal of the whole message, or the envelope as it goes on.
    async fn after_data(
        &self,
        (question, spf): (&RouteQuestion, Option<SpfFacts>),
        decision: &mut Decision,
    ) -> Result<(Option<Reply>, Option<Envelope>)> {
        if !matches!(decision.disposition, Disposition::Forward(_)) {
            return Ok((None, None));
        }
        let settings = self.facts.instance.load_full();
        let host = || Mailbox::parse(&format!("postmaster@{}", settings.hostname)).ok();
        let Some(recipient) = recipient(&question.to).or_else(host) else { return Ok((None, None)) };
        let facts = self.message_facts((question, spf), decision).await;
        let refused = if question.ip.is_some() {
            let recipients = std::slice::from_ref(&recipient);
            let after_data = Some(&decision.after_data);
            let case = MessageCase { settings: &settings, facts: &facts, recipients, after_data };
            admission::message(&case, &mut decision.trace)
        } else {
            kept_out(&facts, decision)
        };
        if let Some(refused) = refused {
            decision.reason = admission::why_refused(&decision.trace, &refused);
            return Ok((Some(refused), None));
        }
        if question.ip.is_none() && facts.sender_is_hosted {
            must_prove(decision);
        }
        let planned = routing::plan(&[(recipient, decision.clone())], &facts, &settings);
        let from = self.rewritten(&facts.reverse_path, planned.first(), &mut decision.trace);
        let to = planned.into_iter().map(|delivery| delivery.destination).collect();
        Ok((None, Some(Envelope { from, to })))
    }

    async fn message_facts(
        &self,
        (question, spf): (&RouteQuestion, Option<SpfFacts>),
        decision: &Decision,
    ) -> MessageFacts {
        let header = header_facts(self.facts.instance.load().hostname.clone(), question);
        let until = self.clock.instant() + LOOK_UPS_WITHIN;
        let dmarc = if question.ip.is_some() { decision.after_data.strictest_dmarc() } else { Enforcement::Off };
        // Without a body no signature can be verified.
        let asked = Asked { content: Content::Unsigned, header: &header, dmarc };
        let auth = self.facts.auth.message(&asked, std::future::ready(spf), until).await;
        self.facts.message(&question.from, header, (auth, until), std::iter::once(decision)).await
    }

    /// The reverse-path as the next hop would see it.
    fn rewritten(&self, from: &ReversePath, delivery: Option<&Planned>, trace: &mut Vec<TraceStep>) -> ReversePath {
        let (ReversePath::Mailbox(sender), Some(delivery)) = (from, delivery) else { return from.clone() };
        match &delivery.srs_on {
            Rewrite::Leave => {
                trace.push(TraceStep::new("reverse-path", "left as it is", "rewriting it would vouch for its author"));
                from.clone()
            }
            Rewrite::On(domain) => self.signed(sender, domain.clone(), trace),
        }
    }

    fn signed(&self, sender: &Mailbox, domain: Domain, trace: &mut Vec<TraceStep>) -> ReversePath {
        match self.sign(sender) {
            Signed::Local(local) => {
                trace.push(TraceStep::new("reverse-path", "rewritten", format!("on {domain}")));
                ReversePath::Mailbox(Mailbox::new(local, Host::Name(domain)))
            }
            Signed::TooLong => {
                let detail = format!("on {domain}, under a token that is stored when a message comes");
                trace.push(TraceStep::new("reverse-path", "rewritten", detail));
                ReversePath::Mailbox(sender.clone())
            }
        }
    }
}

/// Without a client, entries that ask for proof decide only where whatever is proved comes to the same.
fn kept_out(facts: &MessageFacts, decision: &mut Decision) -> Option<Reply> {
    match admission::without_proof(&decision.after_data, facts, &mut decision.trace) {
        Unproven::In => None,
        Unproven::Out(reply) => Some(reply),
        Unproven::Depends(words) => {
            decision.reason = format!("{} {words}", decision.reason);
            None
        }
    }
}

/// Without a client, nothing says whether the sender would.
fn must_prove(decision: &mut Decision) {
    decision.reason.push_str(
        " Its sender is on a domain of yours, and must be proved by SPF or DKIM; without proof it is refused.",
    );
    let detail = "name the client, and its SPF is looked at";
    decision.trace.push(TraceStep::new("hosted sender", "not judged", detail));
}

fn shape(
    question: &RouteQuestion,
    decision: Decision,
    (refusal, after): (Option<Reply>, Option<Envelope>),
) -> RouteShape {
    let (disposition, reply) = match (&decision.disposition, refusal) {
        (_, Some(reply)) if reply.is_transient() => ("defer", reply),
        (_, Some(reply)) => ("reject", reply),
        (Disposition::Forward(_), None) => ("forward", recipient_ok()),
        (Disposition::Report(_), None) => ("report", recipient_ok()),
        (Disposition::Reject(reply), None) => ("reject", reply.clone()),
        (Disposition::Defer(reply), None) => ("defer", reply.clone()),
        (Disposition::Discard | Disposition::Repeat, None) => ("discard", recipient_ok()),
        (Disposition::Hold, None) => ("hold", recipient_ok()),
    };
    let before = Envelope { from: question.from.clone(), to: recipient(&question.to).into_iter().collect() };
    RouteShape {
        disposition,
        reply: reply.to_string(),
        rule: decision.rule,
        reason: decision.reason,
        trace: decision.trace,
        envelope: EnvelopeChange { before, after },
    }
}

/// Without a header, the message is taken to be from whom the envelope says.
fn header_facts(host: Domain, question: &RouteQuestion) -> HeaderFacts {
    let named = || question.author.as_ref().map(|author| format!("From: <{author}>"));
    match question.headers.clone().or_else(named) {
        Some(text) => {
            let mut scan = HeaderScan::new(host);
            scan.push(text.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes());
            scan.push(b"\r\n\r\n");
            scan.finish()
        }
        None => {
            let author_domains = question.from.domain().map(|domain| vec![domain.clone()]);
            HeaderFacts { author_domains, ..HeaderFacts::default() }
        }
    }
}

fn recipient(to: &ForwardPath) -> Option<Mailbox> {
    match to {
        ForwardPath::Postmaster => None,
        ForwardPath::Mailbox(mailbox) => Some(mailbox.clone()),
    }
}

fn sees(actor: &Actor, to: &ForwardPath) -> bool {
    actor.domains.is_empty() || recipient(to).and_then(|to| to.domain().map(|d| actor.sees_domain(d))).unwrap_or(false)
}

fn unbracketed(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text)
}

/// A header as one text, or as a list of its lines.
fn joined(value: &Value) -> Value {
    match value.as_array() {
        None => value.clone(),
        Some(lines) => Value::String(lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")),
    }
}
