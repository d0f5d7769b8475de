//! What only the operator knows, asked with a sane default each, or taken from the options.

use std::io::{BufRead, IsTerminal as _, Write as _};
use std::net::IpAddr;

use anyhow::bail;

use super::Setup;
use super::look::Look;
use crate::mail::{Domain, Mailbox};

/// Questions are repeated so often where an answer makes no sense.
const MAX_TRIES: usize = 5;

/// All that the steps need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) hostname: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) acme: Acme,
    pub(super) limits: bool,
}

/// How the host gets its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Acme {
    /// By ACME; whom the authority may write to.
    On { email: Option<String>, https: bool, http: bool },
    /// Self-signed, or files that are named later.
    Off,
}

impl Answers {
    pub(super) fn ask(setup: &Setup, look: &Look) -> anyhow::Result<Self> {
        let stdin = std::io::stdin();
        let silent = setup.yes || !stdin.is_terminal();
        let dialogue = &mut Dialogue { silent, answers: &mut stdin.lock() };
        let hostname = hostname(setup, look, dialogue)?;
        let acme = acme(setup, look, dialogue)?;
        let limits = !setup.no_limits && dialogue.yes("Set limits on what one client may do in an hour?")?;
        // Only addresses that were named are written down: the machine's own may change.
        Ok(Self { hostname, addresses: setup.address.clone(), acme, limits })
    }
}

fn hostname(setup: &Setup, look: &Look, dialogue: &mut Dialogue<'_>) -> anyhow::Result<String> {
    let is_full = |name: &str| Domain::parse(name).is_ok_and(|domain| domain.as_str().contains('.'));
    let given = setup.hostname.clone();
    let proposed = given.or_else(|| look.names.first().cloned());
    let proposed = proposed.or_else(|| Some(look.system_name.clone()).filter(|name| is_full(name)));
    let wrong = "a host name has at least one dot, such as mx.example.org";
    if setup.hostname.is_some() || dialogue.silent {
        return match proposed.filter(|name| is_full(name)) {
            Some(name) => Ok(Domain::parse(&name)?.to_string()),
            None => bail!("which host name? Give --hostname mx.example.org: {wrong}"),
        };
    }
    for _ in 0..MAX_TRIES {
        let answer = dialogue.text("The name of this host", proposed.as_deref().unwrap_or(""))?;
        if is_full(&answer) {
            return Ok(Domain::parse(&answer)?.to_string());
        }
        eprintln!("{wrong}");
    }
    bail!("no host name was given")
}

/// Where neither 80 nor 443 is free, nobody could answer the authority.
fn acme(setup: &Setup, look: &Look, dialogue: &mut Dialogue<'_>) -> anyhow::Result<Acme> {
    let (http, https) = (look.is_free(80), look.is_free(443));
    let wanted = !setup.no_acme && (http || https);
    if !wanted || !dialogue.yes("Get a certificate from Let's Encrypt (its terms count as agreed to)?")? {
        return Ok(Acme::Off);
    }
    let email = match &setup.email {
        Some(email) => Some(email.clone()),
        None => Some(dialogue.text("Whom may Let's Encrypt write to (may stay empty)", "")?),
    };
    match email.filter(|email| !email.is_empty()) {
        Some(email) if Mailbox::parse(&email).is_err() => bail!("{email} is no address"),
        email => Ok(Acme::On { email, https, http }),
    }
}

/// Asks on the terminal; where nobody is there, every default is taken.
struct Dialogue<'a> {
    silent: bool,
    answers: &'a mut dyn BufRead,
}

impl Dialogue<'_> {
    fn text(&mut self, question: &str, default: &str) -> anyhow::Result<String> {
        if self.silent {
            return Ok(default.to_owned());
        }
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        print!("{question}{shown}: ");
        std::io::stdout().flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("nobody answers; use --yes to take the defaults");
        }
        let line = line.trim();
        Ok(if line.is_empty() { default.to_owned() } else { line.to_owned() })
    }

    /// What is neither yes nor no is taken for neither.
    fn yes(&mut self, question: &str) -> anyhow::Result<bool> {
        for _ in 0..MAX_TRIES {
            match self.text(question, "yes")?.to_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => eprintln!("Please answer yes or no."),
            }
        }
        bail!("neither yes nor no was answered: {question}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(mut words: &[u8]) -> anyhow::Result<bool> {
        Dialogue { silent: false, answers: &mut words }.yes("Set limits?")
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_asked_again() {
        for (words, meant) in [
            ("\n", true),
            ("YES\n", true),
            ("y\n", true),
            ("no\n", false),
            (" N \n", false),
            ("ja\nsure\nme@my.example\nyes\n", true),
            ("ja\nno\n", false),
        ] {
            assert_eq!(answered(words.as_bytes()).unwrap(), meant, "{words}");
        }
        let never = answered("ja\n".repeat(MAX_TRIES).as_bytes()).unwrap_err();
        assert_eq!(never.to_string(), "neither yes nor no was answered: Set limits?");
        assert!(answered(b"ja\n").unwrap_err().to_string().starts_with("nobody answers"));
    }
}
