//! The arguments as a whole: what every command takes, and which commands there are.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::alias::Alias;
use super::backup::Backup;
use super::destination::Destination;
use super::dns::Dns;
use super::domain::Domain;
use super::log::Log;
use super::queue::Queue;
use super::restore::Restore;
use super::route::Route;
use super::setup::Setup;
use super::show::Show;
use super::srs::Srs;
use super::token::Token;
use super::user::User;

/// A self-hosted e-mail routing gateway: aliases in, your real inbox out, nothing lost and everything shown
#[derive(Debug, Parser)]
#[command(name = "waypost", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// The configuration [default: $WAYPOST_CONFIG, ./waypost.toml, /etc/waypost/waypost.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print exactly what the API answers
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway: SMTP in, delivery out, API and panel
    Serve,
    /// See it work: the whole gateway on loopback, with throw-away data and an inbox of its own
    Demo {
        /// Stop after the proof: exit code 0 only if every letter was handed over octet for octet
        #[arg(long)]
        once: bool,
    },
    /// Make a bare server a live one: look, ask, write configuration and service, start
    Setup(Setup),
    /// Show the configuration, each value with its place, and find its faults
    Check,
    #[command(flatten)]
    Client(Client),
    /// Put a backup in place; the gateway must not run
    Restore(Restore),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual
    Man,
    /// Print the description of the API (OpenAPI 3.1)
    Openapi,
}

/// The commands that are clients of the native API.
#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// The domains whose mail comes here
    #[command(subcommand)]
    Domain(Domain),
    /// The records that a domain needs in DNS, and what DNS says of them
    Dns(Dns),
    /// What is wrong with the gateway and its surroundings, and what to do
    Doctor {
        /// Only the records of this domain, beside the gateway itself
        domain: Option<String>,
    },
    /// The real inboxes
    #[command(subcommand)]
    Destination(Destination),
    /// The addresses that you give away
    #[command(subcommand)]
    Alias(Alias),
    /// What would happen to a message, and why, without sending one; it asks no mail server, and says what is remembered of
    /// the inboxes
    Route(Route),
    /// What became of the mail
    Log(Log),
    /// The story of one message
    Show(Show),
    /// What waits, is held, or failed
    #[command(subcommand)]
    Queue(Queue),
    /// Rewritten senders, there and back
    #[command(subcommand)]
    Srs(Srs),
    /// Who has an account
    #[command(subcommand)]
    User(User),
    /// What programs sign in with
    #[command(subcommand)]
    Token(Token),
    /// A link that signs you into the panel, once
    PanelLink,
    /// Databases and secrets in one file, while the gateway serves: all that a new machine needs beside the configuration
    Backup(Backup),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// Every command, with what it takes.
    const LINES: &[&str] = &[
        "serve",
        "demo",
        "demo --once",
        "check",
        "man",
        "openapi",
        "completions bash",
        "panel-link",
        "backup f",
        "backup f --queue",
        "restore f --replace",
        "domain add a.example",
        "domain add a.example b.example --like c.example",
        "domain add a.example --mirror-of b.example",
        "domain set a.example --mirror-of b.example",
        "domain list",
        "domain show a.example",
        "domain verify a.example",
        "domain set a.example --catch-all create --to b@c.example",
        "domain remove a.example",
        "domain remove a.example --yes",
        "dns a.example",
        "doctor",
        "doctor a.example",
        "setup --yes --hostname mx.a.example --email a@b.example --address 192.0.2.1 --dry-run",
        "dns a.example --zone",
        "destination add b@c.example --verified --default",
        "destination default b@c.example",
        "destination list",
        "destination verify b@c.example",
        "destination retry b@c.example",
        "destination remove b@c.example",
        "alias add s@a.example --to b@c.example --to d@e.example --note x",
        "alias add s@a.example --drop",
        "alias add s@a.example --reject",
        "alias add /^n([0-9]+)$/@a.example --to $1@b.example",
        "alias set s@a.example --priority -3 --label x --expires 2027-01-31 --then drop --quota 5 --privacy subject",
        "alias set s@a.example --expires-after 30d --allow @b.example --block *@c.example",
        "alias enable s@a.example",
        "alias disable s@a.example",
        "alias remove s@a.example",
        "alias random --domain a.example",
        "alias show s@a.example",
        "alias list --limit 10 --search shop",
        "alias import f --dry-run",
        "route s@a.example --from b@c.example --ip ::1",
        "log --follow --alias s@a.example --status refused --since 2h --limit 5",
        "show 7",
        "queue list",
        "queue show 7",
        "queue retry 7",
        "queue hold 7",
        "queue release 7",
        "queue release --all",
        "queue cancel 7",
        "queue resend 7 --to b@c.example",
        "srs forward a@b.example",
        "srs reverse SRS0=x=y=z=a@b.example",
        "user add anna@a.example --admin --name Anna",
        "user add anna@a.example --link",
        "user list",
        "user set anna@a.example --role member --manager a.example --viewer b.example",
        "user set owner --email anna@a.example",
        "user set anna@a.example --no-domains --no-authenticator",
        "user set-password anna@a.example",
        "user disable anna@a.example",
        "user enable anna@a.example",
        "user remove anna@a.example",
        "token list",
        "token revoke x",
        "token create x --scope aliases:create --scope activity:read --domain a.example",
        "token create x --scope aliases:create --default-domain a.example --format words --destination b@c.example",
        "alias random --for shop.example --format site --to b@c.example",
    ];

    #[test]
    fn the_arguments_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn config_and_json_go_anywhere() {
        for line in ["waypost --config f --json alias list", "waypost alias list --json --config f"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert!(arguments.json && arguments.config == Some(PathBuf::from("f")), "{line}");
        }
    }

    #[test]
    fn every_command_of_the_list_is_there() {
        for line in LINES {
            let words = std::iter::once("waypost").chain(line.split(' '));
            assert!(Arguments::try_parse_from(words).is_ok(), "waypost {line}");
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        let lines = [
            "",
            "alias",
            "alias add",
            "alias add s@a --drop --to b@c",
            "alias list --limit 0",
            "token create x",
            "token create x --scope aliases --format letters",
            "user set anna@a.example",
            "user add",
            "domain set a.example",
            "domain set a.example --catch-all maybe",
            "route",
            "show",
            "serve now",
            "route a --ip home",
        ];
        for line in lines {
            let words = std::iter::once("waypost").chain(line.split(' ').filter(|word| !word.is_empty()));
            assert!(Arguments::try_parse_from(words).is_err(), "waypost {line}");
        }
    }

    /// The parts of a command line as a shell reads them; the handbook uses single quotes alone.
    fn parts(line: &str) -> Vec<String> {
        let mut parts = Vec::new();
        for (index, piece) in line.split('\'').enumerate() {
            if index % 2 == 1 {
                parts.push(piece.to_owned());
            } else {
                parts.extend(piece.split_whitespace().map(str::to_owned));
            }
        }
        parts
    }

    /// In the run of a sentence a command may be named without what it acts on.
    #[test]
    fn every_command_of_readme_and_handbook_is_one() {
        use clap::error::ErrorKind::{DisplayHelp, MissingRequiredArgument, MissingSubcommand};
        let mut seen = 0;
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web/help");
        let pages = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        for path in pages.chain([PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"))]) {
            let text = std::fs::read_to_string(&path).unwrap();
            let in_blocks = text.lines().filter(|line| line.starts_with("    ")).map(|line| (line.trim(), false));
            let in_lines = text.split('`').skip(1).step_by(2).map(|line| (line, true));
            for (line, is_named) in in_blocks.chain(in_lines) {
                let Some(rest) = ["waypost ", "w "].iter().find_map(|begins| line.strip_prefix(begins)) else {
                    continue;
                };
                seen += 1;
                let wrong = Arguments::try_parse_from([vec!["waypost".to_owned()], parts(rest)].concat()).err();
                let is_short = |wrong: &clap::Error| {
                    is_named && matches!(wrong.kind(), DisplayHelp | MissingRequiredArgument | MissingSubcommand)
                };
                if let Some(wrong) = wrong.filter(|wrong| !is_short(wrong)) {
                    panic!("{}: {line}: {wrong}", path.display());
                }
            }
        }
        assert!(seen > 80, "{seen} commands were found");
    }
}
