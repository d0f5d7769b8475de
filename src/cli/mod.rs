//! The command line: one file per subcommand. A client of the native API, but for `serve demo check restore completions man`.

mod logging;
mod options;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use options::Options;

/// Self-hosted e-mail routing gateway.
#[derive(Debug, Parser)]
#[command(name = "waypost", version)]
struct Arguments {
    /// The configuration file [default: $WAYPOST_CONFIG, ./waypost.toml, /etc/waypost/waypost.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print exactly what the API answers
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway: SMTP in, delivery out, API and panel
    Serve,
}

/// Runs what the arguments ask for; errors are one line on stderr and exit code 1, wrong usage is 2.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options { config: arguments.config, json: arguments.json, environment: crate::config::environment() };
    match run(arguments.command, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waypost: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::run(options).await,
        }
    })
}
