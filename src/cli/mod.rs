//! The command line: one file per subcommand. A client of the native API, but for `serve demo check setup restore completions man`.
//!
//! Errors are one line on stderr that says what is wrong and what to do, with exit code 1; wrong usage is 2. What is printed
//! to a reader that has seen enough (`| head`) is no error.

mod alias;
mod alias_fields;
mod alias_import;
mod api;
mod arguments;
mod backup;
mod check;
mod demo;
mod destination;
mod dns;
mod doctor;
mod domain;
mod here;
mod listing;
mod log;
mod logging;
mod options;
mod output;
mod owner;
mod panel_link;
mod policy;
mod progress;
mod queue;
mod restore;
mod route;
mod secret;
mod serve;
mod setup;
mod shell;
mod show;
mod since;
mod srs;
mod sure;
mod token;
mod user;

use std::num::NonZero;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use api::Api;
use arguments::{Arguments, Client, Command};
use options::Options;
use output::Output;

/// Runs what the arguments ask for.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options { config: arguments.config, json: arguments.json, environment: crate::config::environment() };
    match run(arguments.command, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waypost: {}", output::harmless(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, options: &Options) -> anyhow::Result<()> {
    match command {
        Command::Completions { shell } => shell::completions(shell),
        Command::Man => shell::man(),
        Command::Openapi => shell::openapi(),
        Command::Check => runtime()?.block_on(check::run(&options.load()?, Output::new(options.json))),
        Command::Serve => runtime()?.block_on(serve::run(options)),
        Command::Demo { once } => {
            logging::start_quiet();
            runtime()?.block_on(demo::run(once))
        }
        Command::Setup(setup) => runtime()?.block_on(setup::run(&setup, options, Output::new(options.json))),
        Command::Restore(restore) => {
            let config = options.load()?.config;
            runtime()?.block_on(restore::run(&restore, &config))
        }
        Command::Client(client) => runtime()?.block_on(ask(client, options)),
    }
}

/// One core is left to the threads of SQLite and to the network: with a thread for each, those that look for work wake each
/// other all the time, and a message costs a seventh more.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.saturating_sub(1).max(1);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().build().context("threads cannot be started")
}

/// The data are let go of whatever the command came to; its own error is the one that is told, after what is to be said of
/// data that were not there.
async fn ask(client: Client, options: &Options) -> anyhow::Result<()> {
    let loaded = options.load()?;
    let (api, remark) = match Api::live(&loaded.config).await? {
        Some(api) => (api, None),
        None => here::open(&client, &loaded).await?,
    };
    let done = run_client(client, &api, Output::new(options.json)).await;
    let closed = api.close().await;
    let Some(remark) = remark else { return done.and(closed) };
    done.and(closed).context(remark.clone())?;
    eprintln!("waypost: {}", output::harmless(&remark));
    Ok(())
}

async fn run_client(client: Client, api: &Api, out: Output) -> anyhow::Result<()> {
    match client {
        Client::Domain(command) => domain::run(command, api, out).await,
        Client::Dns(command) => dns::run(&command, api, out).await,
        Client::Doctor { domain } => doctor::run(domain.as_deref(), api, out).await,
        Client::Destination(command) => destination::run(command, api, out).await,
        Client::Alias(command) => alias::run(command, api, out).await,
        Client::Route(command) => route::run(command, api, out).await,
        Client::Log(command) => log::run(command, api, out).await,
        Client::Show(command) => show::run(command, api, out).await,
        Client::Queue(command) => queue::run(command, api, out).await,
        Client::Srs(command) => srs::run(command, api, out).await,
        Client::User(command) => user::run(command, api, out).await,
        Client::Token(command) => token::run(command, api, out).await,
        Client::PanelLink => panel_link::run(api, out).await,
        Client::Backup(command) => backup::run(&command, api).await,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    error.downcast_ref::<std::io::Error>().is_some_and(is_pipe)
}
