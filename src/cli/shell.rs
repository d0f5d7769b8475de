//! `waypost completions`, `waypost man` and `waypost openapi`: what the program tells of itself.

use std::io::Write as _;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use super::arguments::Arguments;

/// The completions of a shell.
pub(super) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "waypost", &mut script);
    Ok(std::io::stdout().lock().write_all(&script)?)
}

/// The manual: a page for the program and for each command, one after the other.
pub(super) fn man() -> anyhow::Result<()> {
    let mut command = Arguments::command();
    command.build();
    let mut pages = Vec::new();
    render(&command, &mut pages)?;
    Ok(std::io::stdout().lock().write_all(&pages)?)
}

/// The description of the API, as it is served at `/openapi.json`.
pub(super) fn openapi() -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(crate::http::openapi().as_bytes())?)
}

fn render(command: &Command, pages: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(pages)?;
    let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set());
    inner.into_iter().try_for_each(|inner| render(inner, pages))
}
