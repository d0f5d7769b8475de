//! From a fresh connection to the point where mail may be sent.

use std::io::Write as _;

use bytes::BytesMut;

use super::sign_in::SignIn;
use super::{Capabilities, Credentials, Phase, Trouble, is_surplus, misplaced, next_reply, positive};
use crate::mail::Domain;
use crate::smtp::reply::Reply;

/// Whether STARTTLS is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// No: TLS runs already, or was tried and failed.
    Never,
    /// Where the server offers it.
    IfOffered,
    /// Or the session ends.
    Demanded,
}

/// What the opening wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpeningStep {
    /// Write the output, then read more octets.
    Read,
    /// Shake hands, then call [`Opening::tls_started`].
    Handshake,
    /// Mail may be sent.
    Ready(Capabilities),
}

/// A session that opens.
#[derive(Debug)]
pub struct Opening {
    hostname: Domain,
    tls: StartTls,
    credentials: Option<Credentials>,
    awaiting: Awaiting,
}

#[derive(Debug)]
enum Awaiting {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    SignIn(SignIn, Capabilities),
}

impl Opening {
    /// Waits for the greeting; `hostname` is our name in EHLO.
    #[must_use]
    pub const fn new(hostname: Domain, tls: StartTls, credentials: Option<Credentials>) -> Self {
        Self { hostname, tls, credentials, awaiting: Awaiting::Greeting }
    }

    /// What is waited for.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.awaiting {
            Awaiting::Greeting => Phase::Greeting,
            Awaiting::Ehlo | Awaiting::Helo => Phase::Hello,
            Awaiting::StartTls => Phase::StartTls,
            Awaiting::SignIn(..) => Phase::SignIn,
        }
    }

    /// The handshake is done: everything learnt before it is forgotten (RFC 3207 §4.2).
    pub fn tls_started(&mut self, out: &mut Vec<u8>) {
        self.tls = StartTls::Never;
        self.say_hello("EHLO", out);
        self.awaiting = Awaiting::Ehlo;
    }

    /// Takes what replies have come and says what is wanted next.
    pub fn advance(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> Result<OpeningStep, Trouble> {
        while let Some(reply) = next_reply(input, self.phase())? {
            if is_surplus(input) && !matches!(self.awaiting, Awaiting::StartTls) {
                return Err(misplaced(self.phase()));
            }
            if let Some(step) = self.take(reply, input, out)? {
                return Ok(step);
            }
        }
        Ok(OpeningStep::Read)
    }

    fn take(&mut self, reply: Reply, input: &BytesMut, out: &mut Vec<u8>) -> Result<Option<OpeningStep>, Trouble> {
        match &mut self.awaiting {
            Awaiting::Greeting => {
                positive(reply, Phase::Greeting)?;
                self.say_hello("EHLO", out);
                self.awaiting = Awaiting::Ehlo;
                Ok(None)
            }
            // A server that knows no EHLO is greeted as in RFC 821 (RFC 5321 §3.2).
            Awaiting::Ehlo if reply.is_permanent() => {
                self.say_hello("HELO", out);
                self.awaiting = Awaiting::Helo;
                Ok(None)
            }
            Awaiting::Ehlo => self.offered(Capabilities::parse(&positive(reply, Phase::Hello)?), out),
            Awaiting::Helo => positive(reply, Phase::Hello).and_then(|_| self.offered(Capabilities::default(), out)),
            Awaiting::StartTls => start_tls(reply, input).map(Some),
            Awaiting::SignIn(sign_in, offered) => {
                let done = sign_in.take(reply, out)?;
                Ok(done.then(|| OpeningStep::Ready(std::mem::take(offered))))
            }
        }
    }

    fn offered(&mut self, offered: Capabilities, out: &mut Vec<u8>) -> Result<Option<OpeningStep>, Trouble> {
        if self.tls != StartTls::Never && offered.starttls {
            out.extend_from_slice(b"STARTTLS\r\n");
            self.awaiting = Awaiting::StartTls;
            return Ok(None);
        }
        if self.tls == StartTls::Demanded {
            return Err(Trouble::NoTls);
        }
        let Some(credentials) = &self.credentials else { return Ok(Some(OpeningStep::Ready(offered))) };
        let sign_in = SignIn::start(credentials, &offered, out)?;
        self.awaiting = Awaiting::SignIn(sign_in, offered);
        Ok(None)
    }

    fn say_hello(&self, verb: &str, out: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = write!(out, "{verb} {}\r\n", self.hostname);
    }
}

/// Only 220 starts TLS, and nothing may stand behind it: what does was written by somebody who cannot shake hands.
fn start_tls(reply: Reply, input: &BytesMut) -> Result<OpeningStep, Trouble> {
    let reply = positive(reply, Phase::StartTls)?;
    match (reply.code(), input.is_empty()) {
        (220, true) => Ok(OpeningStep::Handshake),
        (220, false) => Err(Trouble::Injected),
        _ => Err(misplaced(Phase::StartTls)),
    }
}
