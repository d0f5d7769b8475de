//! One message to one or several recipients: MAIL, RCPT, DATA or BDAT, content, and each recipient's fate kept apart.
//!
//! Where the server pipelines (RFC 2920), MAIL, every RCPT and DATA travel together: a message takes two round trips. A
//! server that refuses every recipient and yet asks for content gets the lone dot, so that no message goes anywhere.
//! To a server that takes chunks (RFC 3030) the content goes as one, behind the replies to RCPT: two round trips as well.
//! It could go with them in one, but then it would be out of our hands before we know whether anybody takes it.

use std::collections::VecDeque;
use std::io::Write as _;

use bytes::BytesMut;

use super::{CLOSING, Capabilities, Phase, Trouble, is_surplus, misplaced, next_reply};
use crate::mail::wishes::{Notify, write_original_recipient};
use crate::mail::{Mailbox, ReversePath};
use crate::smtp::reply::Reply;

/// Too many recipients, or too little room: with some taken before, it speaks of the rest (RFC 5321 §4.5.3.1.10).
const TOO_MANY_RECIPIENTS: u16 = 452;

/// What is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// `MAIL FROM`.
    pub reverse_path: &'a ReversePath,
    /// `RCPT TO`, at least one.
    pub recipients: &'a [Recipient<'a>],
    /// ENVID, where a report is to find back to us by it.
    pub envelope_id: Option<&'a str>,
    /// Octets of the whole message, for SIZE.
    pub octets: u64,
    /// Octets over 127 are in it.
    pub eight_bit: bool,
    /// An address or the header needs SMTPUTF8.
    pub international: bool,
    /// What the server offers.
    pub offered: &'a Capabilities,
    /// The transaction before this one was given up half-way.
    pub reset_first: bool,
}

/// One recipient, and what a server that offers DSN is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// `RCPT TO`.
    pub mailbox: &'a Mailbox,
    /// ORCPT: whom the sender wrote to.
    pub original: Option<&'a Mailbox>,
    /// NOTIFY: we hear of failure, or of nothing.
    pub notify: Notify,
}

/// One recipient's fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The server has taken the message for it.
    Taken(Reply),
    /// It has not.
    Refused(Phase, Reply),
    /// Too many for one transaction: this one wants another.
    Left,
}

/// What the transaction wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// Write the output, then read more octets.
    Read,
    /// Write the output, then the content (as one chunk where the server takes chunks, else with its final dot), then call [`Transaction::content_written`].
    Content,
    /// Every recipient has a verdict.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Reset,
    Mail,
    Recipient(usize),
    Data,
    LoneDot,
    Dot,
}

/// A transaction that runs.
#[derive(Debug)]
pub struct Transaction<'a> {
    plan: Plan<'a>,
    awaited: VecDeque<Awaited>,
    accepted: usize,
    verdicts: Vec<Option<Verdict>>,
    closing: bool,
    clean: bool,
    content: bool,
}

impl<'a> Transaction<'a> {
    /// Writes the first commands: all of them to a server that pipelines.
    #[must_use]
    pub fn start(plan: Plan<'a>, out: &mut Vec<u8>) -> Self {
        let mut this = Self {
            plan,
            awaited: VecDeque::with_capacity(plan.recipients.len() + 3),
            accepted: 0,
            verdicts: vec![None; plan.recipients.len()],
            closing: false,
            clean: false,
            content: false,
        };
        if plan.reset_first {
            this.send(Awaited::Reset, out);
        }
        if plan.offered.pipelining {
            this.send(Awaited::Mail, out);
            (0..plan.recipients.len()).for_each(|index| this.send(Awaited::Recipient(index), out));
            if !plan.offered.chunking {
                this.send(Awaited::Data, out);
            }
        } else if !plan.reset_first {
            this.send(Awaited::Mail, out);
        }
        this
    }

    /// What is waited for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.awaited.front() {
            Some(Awaited::Reset | Awaited::Mail) => Phase::Mail,
            Some(Awaited::Recipient(_)) => Phase::Recipient,
            Some(Awaited::Data | Awaited::LoneDot) => Phase::Data,
            Some(Awaited::Dot) => Phase::Dot,
            None => Phase::Content,
        }
    }

    /// Takes what replies have come and says what is wanted next.
    pub fn advance(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> Result<TransactionStep, Trouble> {
        while let Some(awaited) = self.awaited.front().copied() {
            let Some(reply) = next_reply(input, self.phase())? else { return Ok(TransactionStep::Read) };
            if awaited != Awaited::Dot && self.awaited.len() == 1 && is_surplus(input) {
                return Err(misplaced(self.phase()));
            }
            self.awaited.pop_front();
            let reply = if awaited == Awaited::Dot { self.of_chunk(reply, input)? } else { reply };
            self.take(awaited, reply, out)?;
        }
        Ok(if self.content { TransactionStep::Content } else { TransactionStep::Done })
    }

    /// Nothing marks where the replies to a chunk begin, as 354 does for DATA. Of several that take it the last is its; where
    /// one takes it and another does not, nobody knows which is its. The server may say behind it that it closes: what it took
    /// it has.
    fn of_chunk(&mut self, first: Reply, input: &mut BytesMut) -> Result<Reply, Trouble> {
        let mut last = first;
        while self.plan.offered.chunking
            && last.class() == 2
            && let Some(next) = next_reply(input, Phase::Dot)?
        {
            match next.code() {
                CLOSING => {
                    self.closing = true;
                    break;
                }
                _ if next.class() == 2 => last = next,
                _ => return Err(misplaced(Phase::Dot)),
            }
        }
        Ok(last)
    }

    /// The content and its final dot were written: now the reply counts.
    pub fn content_written(&mut self) {
        self.content = false;
        self.awaited.push_back(Awaited::Dot);
    }

    /// What was decided so far, in the order of the recipients.
    #[must_use]
    pub fn verdicts(self) -> Vec<Option<Verdict>> {
        self.verdicts
    }

    /// Whether the server said that it closes the connection.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether the next transaction may start without RSET.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.clean
    }

    fn take(&mut self, awaited: Awaited, reply: Reply, out: &mut Vec<u8>) -> Result<(), Trouble> {
        if reply.code() == CLOSING {
            self.close(awaited, &reply);
            return Ok(());
        }
        match awaited {
            Awaited::Reset => self.take_reset(out),
            Awaited::Mail => self.take_mail(&reply, out)?,
            Awaited::Recipient(index) => self.take_recipient(index, reply, out)?,
            Awaited::Data => self.take_data(&reply, out)?,
            // The lone dot of a transaction without recipients: whatever is said to it, nothing was sent.
            Awaited::LoneDot => {}
            Awaited::Dot => self.take_dot(reply)?,
        }
        Ok(())
    }

    /// 421: nothing that is still open will be answered.
    fn close(&mut self, awaited: Awaited, reply: &Reply) {
        self.closing = true;
        self.content = false;
        self.awaited.clear();
        self.refuse_open(phase_of(awaited), reply);
    }

    fn take_reset(&mut self, out: &mut Vec<u8>) {
        if !self.plan.offered.pipelining {
            self.send(Awaited::Mail, out);
        }
    }

    fn take_mail(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Result<(), Trouble> {
        match reply.class() {
            2 if !self.plan.offered.pipelining => self.send(Awaited::Recipient(0), out),
            2 => {}
            4 | 5 => self.refuse_open(Phase::Mail, reply),
            _ => return Err(misplaced(Phase::Mail)),
        }
        Ok(())
    }

    fn take_recipient(&mut self, index: usize, reply: Reply, out: &mut Vec<u8>) -> Result<(), Trouble> {
        match reply.class() {
            2 if self.verdicts[index].is_none() => self.accepted += 1,
            // MAIL was refused before: these replies only say so again.
            _ if self.verdicts[index].is_some() => {}
            4 if reply.code() == TOO_MANY_RECIPIENTS && self.accepted > 0 => self.verdicts[index] = Some(Verdict::Left),
            4 | 5 => self.verdicts[index] = Some(Verdict::Refused(Phase::Recipient, reply)),
            _ => return Err(misplaced(Phase::Recipient)),
        }
        self.after_recipient(index, out);
        Ok(())
    }

    fn after_recipient(&mut self, index: usize, out: &mut Vec<u8>) {
        let is_last = index + 1 == self.plan.recipients.len();
        let Capabilities { chunking, pipelining, .. } = *self.plan.offered;
        if is_last && chunking {
            self.content = self.accepted > 0;
        } else if !is_last && !pipelining {
            self.send(Awaited::Recipient(index + 1), out);
        } else if is_last && !pipelining && self.accepted > 0 {
            self.send(Awaited::Data, out);
        }
    }

    fn take_data(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Result<(), Trouble> {
        match reply.class() {
            3 if self.accepted > 0 => self.content = true,
            3 => {
                self.clean = true;
                self.send(Awaited::LoneDot, out);
            }
            4 | 5 => self.refuse_open(Phase::Data, reply),
            _ => return Err(misplaced(Phase::Data)),
        }
        Ok(())
    }

    fn take_dot(&mut self, reply: Reply) -> Result<(), Trouble> {
        self.clean = true;
        match reply.class() {
            2 => self.decide_open(&Verdict::Taken(reply)),
            4 | 5 => self.refuse_open(Phase::Dot, &reply),
            _ => return Err(misplaced(Phase::Dot)),
        }
        Ok(())
    }

    fn refuse_open(&mut self, phase: Phase, reply: &Reply) {
        self.decide_open(&Verdict::Refused(phase, reply.clone()));
    }

    fn decide_open(&mut self, verdict: &Verdict) {
        for open in self.verdicts.iter_mut().filter(|fate| fate.is_none()) {
            *open = Some(verdict.clone());
        }
    }

    fn send(&mut self, what: Awaited, out: &mut Vec<u8>) {
        match what {
            Awaited::Reset => out.extend_from_slice(b"RSET\r\n"),
            Awaited::Mail => self.write_mail(out),
            Awaited::Recipient(index) => self.write_rcpt(&self.plan.recipients[index], out),
            Awaited::Data => out.extend_from_slice(b"DATA\r\n"),
            Awaited::LoneDot => out.extend_from_slice(b".\r\n"),
            Awaited::Dot => {}
        }
        self.awaited.push_back(what);
    }

    fn write_mail(&self, out: &mut Vec<u8>) {
        let Plan { offered, .. } = self.plan;
        // Writing to a vector cannot fail.
        let _ = write!(out, "MAIL FROM:<{}>", self.plan.reverse_path);
        if offered.size {
            let _ = write!(out, " SIZE={}", self.plan.octets);
        }
        // To a server that offers no 8BITMIME the octets go as they are: re-encoding would break every signature.
        if self.plan.eight_bit && offered.eight_bit {
            out.extend_from_slice(b" BODY=8BITMIME");
        }
        if self.plan.international && offered.international {
            out.extend_from_slice(b" SMTPUTF8");
        }
        if let Some(id) = self.plan.envelope_id.filter(|_| offered.dsn) {
            let _ = write!(out, " RET=HDRS ENVID={id}");
        }
        out.extend_from_slice(b"\r\n");
    }

    fn write_rcpt(&self, to: &Recipient<'_>, out: &mut Vec<u8>) {
        let _ = write!(out, "RCPT TO:<{}>", to.mailbox);
        if self.plan.offered.dsn {
            out.extend_from_slice(if to.notify == Notify::Never { b" NOTIFY=NEVER" } else { b" NOTIFY=FAILURE" });
            if let Some(original) = to.original {
                out.extend_from_slice(b" ORCPT=");
                write_original_recipient(original, out);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

const fn phase_of(awaited: Awaited) -> Phase {
    match awaited {
        Awaited::Reset | Awaited::Mail => Phase::Mail,
        Awaited::Recipient(_) => Phase::Recipient,
        Awaited::Data | Awaited::LoneDot => Phase::Data,
        Awaited::Dot => Phase::Dot,
    }
}
