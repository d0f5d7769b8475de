//! What is to be done, in order, and what became of each. Files that are there are kept where somebody may have changed them.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::answers::Answers;
use super::files;
use crate::config::{Config, Place};

const BINARY: &str = "usr/local/bin/waypost";
const CONFIGURATION: &str = "etc/waypost/waypost.toml";
const UNIT: &str = "etc/systemd/system/waypost.service";
/// Octets of the program itself, at most.
const MAX_BINARY_OCTETS: u64 = 1 << 30;

/// The configuration that is there and is kept, and the name that it gives this host.
pub(super) fn kept_name(root: Option<&Path>) -> Option<(PathBuf, String)> {
    let path = below(root, CONFIGURATION);
    if !path.exists() {
        return None;
    }
    let config = Config::load(Some(&path), &BTreeMap::new()).ok()?.config;
    let named = config.sources().into_iter().find(|source| source.key == "hostname")?;
    (named.place != Place::Default).then(|| (path, config.hostname.to_string()))
}

fn below(root: Option<&Path>, path: &str) -> PathBuf {
    root.unwrap_or(Path::new("/")).join(path)
}

/// How far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Only says.
    Nothing,
    /// Writes files, runs no program.
    Files,
    /// Everything.
    All,
}

/// One step.
#[derive(Debug)]
enum Step {
    /// A file with these octets.
    Write { path: PathBuf, octets: Vec<u8>, mode: u32, keep: Keep },
    /// A program with its arguments, unless this tells that it is not needed.
    Run { words: Vec<&'static str>, unless: fn() -> bool },
}

/// What is done with a file that is there and differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// It is somebody's own.
    TheirOwn,
    /// It came with the program.
    Ours,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Done {
    /// The file or command.
    what: String,
    /// `written`, `unchanged`, `kept`, `run`, `not_needed`, `would_write`, `would_run`, `failed`.
    state: &'static str,
    /// What it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<String>,
}

/// All steps.
#[derive(Debug)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    pub(super) fn plan(answers: &Answers, root: Option<&Path>) -> anyhow::Result<Self> {
        let file =
            |path: &str, octets: Vec<u8>, (mode, keep)| Step::Write { path: below(root, path), octets, mode, keep };
        let configuration = files::configuration(answers).into_bytes();
        Ok(Self(vec![
            file(BINARY, own_program()?, (0o755, Keep::Ours)),
            Step::Run {
                words: vec![
                    "useradd",
                    "--system",
                    "--user-group",
                    "--home-dir",
                    "/var/lib/waypost",
                    "--shell",
                    "/usr/sbin/nologin",
                    "waypost",
                ],
                unless: || has_user("waypost"),
            },
            file(CONFIGURATION, configuration, (0o644, Keep::TheirOwn)),
            file(UNIT, files::UNIT.as_bytes().to_vec(), (0o644, Keep::Ours)),
            Step::Run { words: vec!["systemctl", "daemon-reload"], unless: never },
            Step::Run { words: vec!["systemctl", "enable", "--now", "waypost"], unless: never },
            Step::Run {
                words: vec!["runuser", "-u", "waypost", "--", "/usr/local/bin/waypost", "panel-link"],
                unless: never,
            },
        ]))
    }

    /// Does them in order. What cannot be done ends it, and says what was done before.
    pub(super) fn run(self, act: Act) -> anyhow::Result<Vec<Done>> {
        self.0.into_iter().map(|step| step.run(act)).collect()
    }
}

impl Step {
    fn run(self, act: Act) -> anyhow::Result<Done> {
        match self {
            Self::Write { path, octets, mode, keep } => write(&path, (&octets, mode), keep, act),
            Self::Run { words, unless } => run(&words, unless, act),
        }
    }
}

impl Done {
    fn new(what: impl Into<String>, state: &'static str) -> Self {
        Self { what: what.into(), state, said: None }
    }

    pub(super) fn in_words(&self) -> String {
        let said = self.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
        format!("{:<12} {}{said}", self.state.replace('_', " "), self.what)
    }
}

fn write(path: &Path, (octets, mode): (&[u8], u32), keep: Keep, act: Act) -> anyhow::Result<Done> {
    let shown = path.display().to_string();
    match fs::read(path) {
        Ok(there) if there == octets => return Ok(Done::new(shown, "unchanged")),
        Ok(_) if keep == Keep::TheirOwn => {
            let said = Some("it is there already; compare it with what --root FOLDER writes".to_owned());
            return Ok(Done { said, ..Done::new(shown, "kept") });
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    }
    if act == Act::Nothing {
        return Ok(Done::new(shown, "would_write"));
    }
    replace(path, octets, mode).with_context(|| format!("cannot write {shown}"))?;
    Ok(Done::new(shown, "written"))
}

/// Whole or not at all: a program that runs from the old file goes on.
fn replace(path: &Path, octets: &[u8], mode: u32) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let beside = path.with_extension("waypost-new");
    fs::write(&beside, octets)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(&beside, path)
}

fn run(words: &[&str], unless: fn() -> bool, act: Act) -> anyhow::Result<Done> {
    let command = words.join(" ");
    if act != Act::All {
        return Ok(Done::new(command, "would_run"));
    }
    if unless() {
        return Ok(Done::new(command, "not_needed"));
    }
    let [program, arguments @ ..] = words else { bail!("a step without a program") };
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(Done { said: said(&output.stdout), ..Done::new(command, "run") }),
        Ok(output) => bail!("{command} failed: {}", said(&output.stderr).unwrap_or_else(|| output.status.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let missing = format!("there is no {program} here; do by hand what it would do");
            Ok(Done { said: Some(missing), ..Done::new(command, "failed") })
        }
        Err(error) => Err(error).with_context(|| format!("cannot run {command}")),
    }
}

fn said(octets: &[u8]) -> Option<String> {
    Some(String::from_utf8_lossy(octets).trim().to_owned()).filter(|text| !text.is_empty())
}

/// The program that runs, to be put where the service starts it from.
fn own_program() -> anyhow::Result<Vec<u8>> {
    let path = std::env::current_exe().context("where this program lies is not known")?;
    let octets = fs::metadata(&path).context("this program cannot be read")?.len();
    anyhow::ensure!(octets <= MAX_BINARY_OCTETS, "{} is larger than a program is", path.display());
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn has_user(name: &str) -> bool {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().any(|line| line.split(':').next() == Some(name))
}

const fn never() -> bool {
    false
}
