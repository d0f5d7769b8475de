//! What every command starts from: `--config`, the environment, and how to print.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::{Config, Loaded};

/// The options that every command takes, and the environment.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) config: Option<PathBuf>,
    pub(super) json: bool,
    pub(super) environment: BTreeMap<String, String>,
}

impl Options {
    /// Reads the configuration, as `serve` does.
    pub(super) fn load(&self) -> anyhow::Result<Loaded> {
        Ok(Config::load(self.config.as_deref(), &self.environment)?)
    }
}
