//! `waypost setup`: a bare server to a live one. It looks first (addresses, reverse names, the way out, who holds the ports),
//! asks what it cannot find out, says what it will do, and does it. Whatever is there already is kept: a second run changes
//! nothing.

mod answers;
mod files;
mod look;
mod steps;

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::options::Options;
use super::output::Output;
use answers::Answers;
use look::Look;
use steps::{Act, Steps};

#[derive(Debug, Args)]
pub(super) struct Setup {
    /// The name of this host, as other mail servers are to know it
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Ask nothing: take what was found and the defaults
    #[arg(long)]
    yes: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Whom the certificate authority may write to
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The public addresses of this machine, where it has others too, or has them by a translation of addresses (NAT)
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<IpAddr>,
    /// Leave the certificate to files or to the self-signed one
    #[arg(long)]
    no_acme: bool,
    /// Set no limits on what one client may do
    #[arg(long)]
    no_limits: bool,
    /// Write below this folder instead of /, and run no other program
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
}

pub(super) async fn run(setup: &Setup, options: &Options, out: Output) -> anyhow::Result<()> {
    let act = act(setup)?;
    let config = options.load()?.config;
    let look = Look::around(&config, setup).await?;
    if !out.is_json() {
        out.line(&look.in_words())?;
    }
    let answers = Answers::ask(setup, &look)?;
    let kept = steps::kept_name(setup.root.as_deref()).filter(|(_, name)| *name != answers.hostname);
    let hostname = kept.as_ref().map_or(&answers.hostname, |(_, name)| name);
    let host_records = look.of_host(hostname).await;
    let steps = Steps::plan(&answers, setup.root.as_deref())?;
    let done = steps.run(act)?;
    if out.is_json() {
        let all = json!({"hostname": hostname, "findings": look.findings(), "host": host_records, "steps": done});
        return out.line(&all.to_string());
    }
    for step in &done {
        out.line(&step.in_words())?;
    }
    if let Some((file, name)) = &kept {
        let (file, wanted) = (file.display(), &answers.hostname);
        out.line(&format!(
            "! The name stays {name}: {file} is kept and says so. Write {wanted} there if that is to count."
        ))?;
    }
    out.line(&look::advice(&host_records))?;
    out.line(&next(hostname))
}

fn act(setup: &Setup) -> anyhow::Result<Act> {
    match (setup.dry_run, &setup.root) {
        (true, _) => Ok(Act::Nothing),
        (false, Some(_)) => Ok(Act::Files),
        (false, None) if rustix::process::geteuid().is_root() => Ok(Act::All),
        (false, None) => bail!("setup writes to /etc and starts a service: run sudo waypost setup, or add --dry-run"),
    }
}

fn next(hostname: &str) -> String {
    format!(
        "Then: sudo -u waypost waypost domain add my.example, and waypost dns my.example shows the records to publish. \
         waypost doctor says whether {hostname} is well."
    )
}
