//! Asks a person at a terminal whether what cannot be taken back is meant. A script is asked nothing: it has said so by its
//! command line.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use anyhow::{Context as _, bail};

/// Octets that are read of an answer.
const MAX_OCTETS: u64 = 256;

/// Whether somebody is there to be asked.
pub(super) fn is_attended() -> bool {
    std::io::stdin().is_terminal()
}

/// Fails unless they say yes to what would be removed.
pub(super) fn ask(what: &str) -> anyhow::Result<()> {
    eprint!("{what} Go on? [no]: ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().take(MAX_OCTETS).read_line(&mut line).context("standard input cannot be read")?;
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was removed"),
    }
}
