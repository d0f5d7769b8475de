//! `waypost check`: the configuration as it stands, each value with its place, and what would go wrong with it: files that
//! cannot be read, a certificate without its key, ports that are taken; with a warning of addresses that are none of this
//! machine's.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::api::Api;
use super::output::{Column, Output};
use super::owner;
use crate::admin::PanelSettings;
use crate::certificates::Certificates;
use crate::config::{Config, Loaded, Place, Source, is_not_acted_on};
use crate::gateway::gateway_runs;

const COLUMNS: [Column; 3] = [("KEY", "/key"), ("VALUE", "/value"), ("FROM", "/place")];

pub(super) async fn run(loaded: &Loaded, out: Output) -> anyhow::Result<()> {
    let (config, unseen) = with_panel(&loaded.config).await;
    let known_by: Vec<_> = config.known_by().collect();
    let warnings: Vec<_> = loaded.warnings.iter().chain(&unseen).chain(&known_by).collect();
    let faults = faults(&config);
    let sources = config.sources();
    if out.is_json() {
        let values: Vec<Value> = sources.iter().map(|source| row(source, &source.value)).collect();
        let all = json!({"values": values, "warnings": warnings, "faults": faults});
        out.line(&all.to_string())?;
    } else {
        let rows: Vec<Value> = sources.iter().map(told).collect();
        out.rows(&rows, &COLUMNS)?;
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        faults.iter().for_each(|fault| eprintln!("fault: {fault}"));
    }
    match faults.len() {
        0 => Ok(()),
        1 => bail!("there is 1 fault in the configuration"),
        count => bail!("there are {count} faults in the configuration"),
    }
}

/// The configuration with what the panel has set, and what cannot be seen or taken of that.
async fn with_panel(config: &Config) -> (Config, Vec<String>) {
    if !config.database.exists() {
        return (config.clone(), Vec::new());
    }
    match panel(config).await {
        Ok(panel) => {
            let (config, faults) = config.with_sound_panel(&panel);
            (config, faults.iter().map(ToString::to_string).collect())
        }
        Err(why) => (config.clone(), vec![format!("what the panel has set is not shown: {why:#}")]),
    }
}

/// A gateway that runs is asked. The databases of one that does not stay untouched: to open them may upgrade them.
async fn panel(config: &Config) -> anyhow::Result<PanelSettings> {
    let api = Api::live(config).await?.context("no gateway runs that could tell")?;
    let answer = api.get("/v1/settings").await?;
    let set = answer.items().iter().filter(|setting| setting["place"] == "panel");
    Ok(set.filter_map(|setting| Some((setting["key"].as_str()?.to_owned(), setting["value"].clone()))).collect())
}

/// As people read it: with what comes of it, where nothing does.
fn told(source: &Source) -> Value {
    let mut row = row(source, &source.written.as_str().into());
    if is_not_acted_on(source.key, &source.written) {
        row["place"] = json!(format!("{}, not acted on in this version", source.place));
    }
    row
}

fn row(source: &Source, value: &Value) -> Value {
    let set = source.place != Place::Default;
    json!({"key": source.key, "value": value, "place": source.place.to_string(), "set": set})
}

fn faults(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    faults.extend(files(config));
    faults.extend(certificate(config));
    faults.extend(data(config));
    if !gateway_runs(&config.data_dir) {
        faults.extend(ports(config));
    }
    faults
}

fn files(config: &Config) -> impl Iterator<Item = String> {
    let password = config.delivery.relay_sign_in.as_ref().map(|(_, file)| ("delivery.relay_password_file", file));
    let secrets = Some(&config.srs.secrets_file).filter(|file| file.exists()).map(|file| ("srs.secrets_file", file));
    let certificate = config.smtp.tls_files.as_ref().map(|(file, _)| ("smtp.tls_certificate", file));
    let key = config.smtp.tls_files.as_ref().map(|(_, file)| ("smtp.tls_key", file));
    let root = config.acme.as_ref().and_then(|acme| acme.root.as_ref()).map(|file| ("tls.acme_root", file));
    let named = [password, secrets, certificate, key, root].into_iter().flatten();
    named.filter_map(|(name, path)| Some(format!("{name}: {} cannot be read: {}", path.display(), unreadable(path)?)))
}

fn unreadable(path: &Path) -> Option<std::io::Error> {
    File::open(path).err()
}

/// Only files of our own are tried: without them the gateway makes a certificate, which is no business of a check.
fn certificate(config: &Config) -> Option<String> {
    let (certificate, key) = config.smtp.tls_files.as_ref()?;
    if unreadable(certificate).is_some() || unreadable(key).is_some() {
        return None;
    }
    Certificates::load(config.certificate_settings()).err().map(|error| format!("smtp.tls_certificate: {error:#}"))
}

fn data(config: &Config) -> Option<String> {
    match std::fs::metadata(&config.data_dir) {
        Ok(there) if !there.is_dir() => Some(format!("data_dir: {} is not a folder", config.data_dir.display())),
        Ok(_) => owner::require_owner(config).err().map(|error| format!("data_dir: {error}")),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(format!("data_dir: {} cannot be used: {error}", config.data_dir.display())),
    }
}

fn ports(config: &Config) -> Vec<String> {
    let listeners = [
        ("smtp.listen", &config.smtp.listen),
        ("http.listen", &config.http.listen),
        ("http.https_listen", &config.http.https_listen),
        ("http.http_redirect_listen", &config.http.http_redirect_listen),
        ("http.metrics_listen", &config.http.metrics_listen),
    ];
    let each = listeners.into_iter().flat_map(|(name, all)| all.iter().map(move |listen| (name, *listen)));
    each.filter_map(|(name, listen)| Some(format!("{name}: {listen} {}", unlistenable(listen)?))).collect()
}

fn unlistenable(listen: SocketAddr) -> Option<String> {
    let error = TcpListener::bind(listen).err()?;
    Some(match error.kind() {
        ErrorKind::AddrInUse => "is taken by another program".to_owned(),
        ErrorKind::AddrNotAvailable => "is not an address of this machine".to_owned(),
        ErrorKind::PermissionDenied => {
            "may not be listened on by this user; ports under 1024 need CAP_NET_BIND_SERVICE".to_owned()
        }
        _ => format!("cannot be listened on: {error}"),
    })
}
