//! Signing in at a relay: AUTH PLAIN (RFC 4616) where offered, else AUTH LOGIN. Only ever used inside verified TLS.

use data_encoding::BASE64;

use super::{Capabilities, Phase, Trouble, misplaced, positive};
use crate::smtp::reply::Reply;

/// Name and password at a relay.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub name: String,
    /// The secret.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.name)
    }
}

/// What is still to be said.
#[derive(Debug)]
pub(super) struct SignIn {
    /// Answers to 334, last one first.
    rest: Vec<String>,
}

impl SignIn {
    /// Writes the first line.
    pub(super) fn start(who: &Credentials, offered: &Capabilities, out: &mut Vec<u8>) -> Result<Self, Trouble> {
        let Credentials { name, password } = who;
        if offered.auth_plain {
            let response = BASE64.encode(format!("\0{name}\0{password}").as_bytes());
            write_line(out, &format!("AUTH PLAIN {response}"));
            return Ok(Self { rest: Vec::new() });
        }
        if !offered.auth_login {
            return Err(Trouble::NoSignIn);
        }
        write_line(out, "AUTH LOGIN");
        Ok(Self { rest: vec![BASE64.encode(password.as_bytes()), BASE64.encode(name.as_bytes())] })
    }

    /// Answers a 334; true once the relay has let us in.
    pub(super) fn take(&mut self, reply: Reply, out: &mut Vec<u8>) -> Result<bool, Trouble> {
        if reply.class() != 3 {
            return positive(reply, Phase::SignIn).map(|_| true);
        }
        let answer = self.rest.pop().ok_or(misplaced(Phase::SignIn))?;
        write_line(out, &answer);
        Ok(false)
    }
}

fn write_line(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}
