//! A secret from standard input: a line of it, or typed at a terminal that does not show it.

use std::io::{IsTerminal as _, Read as _, Write as _};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Octets that are read of standard input.
const MAX_OCTETS: u64 = 4096;

/// Reads one; an empty one is an error.
pub(super) fn read(prompt: &str) -> anyhow::Result<String> {
    let text = if std::io::stdin().is_terminal() { typed(prompt)? } else { line()? };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        bail!("no password was given: write it on standard input");
    }
    Ok(text.to_owned())
}

fn line() -> anyhow::Result<String> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(MAX_OCTETS);
    input.read_to_string(&mut text).context("standard input cannot be read")?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn typed(prompt: &str) -> anyhow::Result<String> {
    eprint!("{prompt}: ");
    std::io::stderr().flush()?;
    let silence = Silence::begin()?;
    let mut text = String::new();
    let read = std::io::stdin().read_line(&mut text);
    drop(silence);
    eprintln!();
    read.context("standard input cannot be read")?;
    Ok(text)
}

/// The terminal shows nothing of what is typed until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> anyhow::Result<Self> {
        let was = tcgetattr(std::io::stdin()).context("the terminal does not say how it is set")?;
        let mut silent = was.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent).context("the terminal cannot be kept silent")?;
        Ok(Self(was))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // There is nobody to tell when the terminal is gone.
        let _gone = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
