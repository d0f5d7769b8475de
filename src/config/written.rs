//! The configuration as written: values of the right kind with the place that each comes from, nothing yet of what they
//! mean. Unknown keys end here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, KEYS, Key, Kind};
use super::{current, units};
use crate::admin::PanelSettings;

/// The prefix of environment variables that are keys.
const ENV_PREFIX: &str = "WAYPOST_";
/// Names the file, and is no key.
pub(super) const ENV_FILE: &str = "WAYPOST_CONFIG";

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nobody set it.
    Default,
    /// The panel.
    Panel,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A file that could not be read.
    Unread(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Panel => f.write_str("panel"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Unread(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
        }
    }
}

/// A mistake in the configuration: one line that says where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct ConfigError {
    /// Where it stands.
    pub place: Place,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl ConfigError {
    /// The key that is wrong, and why.
    pub(super) fn of_key(&self) -> (String, String) {
        let (key, why) = self.reason.split_once(": ").unwrap_or(("", &self.reason));
        (key.to_owned(), why.to_owned())
    }

    pub(super) fn new(place: &Place, reason: impl Into<String>) -> Self {
        Self { place: place.clone(), reason: reason.into() }
    }
}

/// A value of the kind that its key takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    Count(u64),
    Size(u64),
    Span(Duration),
    List(Vec<String>),
    Map(Vec<(String, String, Place)>),
}

impl Value {
    /// The number of what is one: itself, octets, or seconds.
    pub(super) const fn number(&self) -> Option<u64> {
        match self {
            Self::Count(number) | Self::Size(number) => Some(*number),
            Self::Span(span) => Some(span.as_secs()),
            Self::Text(_) | Self::Flag(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// As the API shows it: sizes and durations with their units.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Count(count) => (*count).into(),
            Self::Size(octets) => units::show_size(*octets).into(),
            Self::Span(span) => units::show_span(*span).into(),
            Self::List(items) => items.clone().into(),
            Self::Map(pairs) => pairs.iter().map(|(key, value, _)| (key.clone(), value.as_str())).collect(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Size(octets) => write!(f, "{:?}", units::show_size(*octets)),
            Self::Span(span) => write!(f, "{:?}", units::show_span(*span)),
            Self::List(items) => write!(f, "{items:?}"),
            Self::Map(pairs) => {
                let shown: Vec<_> = pairs.iter().map(|(key, value, _)| format!("{key:?} = {value:?}")).collect();
                write!(f, "{{{}}}", shown.join(", "))
            }
        }
    }
}

/// One key's value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// All keys with their values.
#[derive(Clone)]
pub(super) struct Written(BTreeMap<&'static str, Entry>);

/// What is written shows as what it means: the settings are beside it.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").finish_non_exhaustive()
    }
}

impl Written {
    /// Every key at its default.
    pub(super) fn defaults() -> Result<Self, ConfigError> {
        let entry = |key: &Key| Ok((key.name, read_text(key, key.default, &Place::Default)?));
        KEYS.iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// What stands for `name`, which must be one of [`KEYS`].
    pub(super) fn get(&self, name: &str) -> &Entry {
        &self.0[name]
    }

    /// Lays a file over what is there.
    pub(super) fn lay_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let source = Source { path, text };
        let table = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            ConfigError::new(&source.place(offset), error.message().replace('\n', ", "))
        })?;
        for (name, value) in table.get_ref() {
            match value.get_ref() {
                DeValue::Table(section) if keys::is_section(name.get_ref()) => {
                    self.lay_section(&source, name, section)?
                }
                _ if keys::is_section(name.get_ref()) => {
                    let reason = format!("{0} is a section; write [{0}] and its keys below", name.get_ref());
                    return Err(ConfigError::new(&source.place(name.span().start), reason));
                }
                _ => self.lay(&source, name.get_ref(), (name.span().start, value))?,
            }
        }
        Ok(())
    }

    /// Lays the environment over what is there; other programs' variables are not looked at.
    pub(super) fn lay_environment(&mut self, environment: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        for (variable, text) in environment {
            let Some(rest) = variable.strip_prefix(ENV_PREFIX).filter(|_| variable != ENV_FILE) else { continue };
            let place = Place::Environment(variable.clone());
            let name = rest.to_ascii_lowercase().replace("__", ".");
            let key = keys::find(&name).ok_or_else(|| unknown(&name, &place))?;
            self.0.insert(key.name, read_text(key, text, &place)?);
        }
        Ok(())
    }

    /// Lays what the panel says beneath all else, in place of what it said before.
    pub(super) fn lay_panel(&mut self, panel: &PanelSettings) -> Result<(), ConfigError> {
        for key in KEYS {
            if self.0[key.name].place == Place::Panel {
                self.0.insert(key.name, read_text(key, key.default, &Place::Default)?);
            }
        }
        for (name, value) in panel {
            let refused = |reason: &str| ConfigError::new(&Place::Panel, format!("{name}: {reason}"));
            let key = keys::find(name).ok_or_else(|| refused("there is no setting of this name"))?;
            if !current::is_in_panel(name) {
                return Err(refused("is not set in the panel"));
            }
            let value = current::read(key.kind, value).map_err(|reason| refused(&reason))?;
            if self.0[key.name].place == Place::Default {
                self.0.insert(key.name, Entry { value, place: Place::Panel });
            }
        }
        Ok(())
    }

    fn lay_section(
        &mut self,
        source: &Source<'_>,
        section: &Spanned<std::borrow::Cow<'_, str>>,
        table: &DeTable<'_>,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            self.lay(source, &format!("{}.{}", section.get_ref(), name.get_ref()), (name.span().start, value))?;
        }
        Ok(())
    }

    fn lay(
        &mut self,
        source: &Source<'_>,
        name: &str,
        (offset, value): (usize, &Spanned<DeValue<'_>>),
    ) -> Result<(), ConfigError> {
        let place = source.place(offset);
        let key = keys::find(name).ok_or_else(|| unknown(name, &place))?;
        let value = read_toml(key, source, value)
            .map_err(|(at, reason)| ConfigError::new(&source.place(at), format!("{name}: {reason}")))?;
        self.0.insert(key.name, Entry { value, place });
        Ok(())
    }
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        Place::File { path: self.path.to_owned(), line: before.iter().filter(|octet| **octet == b'\n').count() + 1 }
    }
}

fn unknown(name: &str, place: &Place) -> ConfigError {
    let proposal = keys::nearest(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    ConfigError::new(place, format!("there is no key {name}{proposal}"))
}

/// Reads a value from text: the environment's way, and that of the defaults.
fn read_text(key: &Key, text: &str, place: &Place) -> Result<Entry, ConfigError> {
    let value = match key.kind {
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Flag => text.parse().map(Value::Flag).map_err(|_| format!("{text:?} is neither true nor false")),
        Kind::Count => text.parse().map(Value::Count).map_err(|_| format!("{text:?} is not a whole number from 0")),
        Kind::Size => units::parse_size(text).map(Value::Size),
        Kind::Span => units::parse_span(text).map(Value::Span),
        Kind::List => Ok(Value::List(items(text).map(str::to_owned).collect())),
        Kind::Map => items(text).map(|item| pair(item, place)).collect::<Result<_, _>>().map(Value::Map),
    };
    let value = value.map_err(|reason| ConfigError::new(place, format!("{}: {reason}", key.name)))?;
    Ok(Entry { value, place: place.clone() })
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn pair(item: &str, place: &Place) -> Result<(String, String, Place), String> {
    let (name, value) = item.split_once('=').ok_or_else(|| format!("{item:?} is not written as name=value"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned(), place.clone()))
}

/// A fault within a value: the octet where it begins, and the reason.
type Fault = (usize, String);

fn read_toml(key: &Key, source: &Source<'_>, value: &Spanned<DeValue<'_>>) -> Result<Value, Fault> {
    let at = value.span().start;
    let wrong = |wanted: &str| Err((at, format!("must be {wanted}, not {}", value.get_ref().type_str())));
    let read = |result: Result<Value, String>| result.map_err(|reason| (at, reason));
    match (key.kind, value.get_ref()) {
        (Kind::Text, DeValue::String(text)) => Ok(Value::Text(text.to_string())),
        (Kind::Text, _) => wrong("a text in quotes"),
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Flag, _) => wrong("true or false"),
        (Kind::Count, DeValue::Integer(_)) => read(whole_number(value).map(Value::Count)),
        (Kind::Count, _) => wrong("a whole number"),
        (Kind::Size, DeValue::Integer(_)) => read(whole_number(value).map(Value::Size)),
        (Kind::Size, DeValue::String(text)) => read(units::parse_size(text).map(Value::Size)),
        (Kind::Size, _) => wrong("a size such as 4096 or \"50MiB\""),
        (Kind::Span, DeValue::String(text)) => read(units::parse_span(text).map(Value::Span)),
        (Kind::Span, _) => wrong("a duration with its unit, such as \"10s\""),
        (Kind::List, DeValue::Array(list)) => list.iter().map(text_of).collect::<Result<_, _>>().map(Value::List),
        (Kind::List, _) => wrong("a list of texts, such as [\"…\"]"),
        (Kind::Map, DeValue::Table(table)) => read_map(source, table),
        (Kind::Map, _) => wrong("a section with a line for each entry"),
    }
}

fn read_map(source: &Source<'_>, table: &DeTable<'_>) -> Result<Value, Fault> {
    let entry = |(name, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        Ok((name.get_ref().to_string(), text_of(value)?, source.place(name.span().start)))
    };
    table.iter().map(entry).collect::<Result<_, _>>().map(Value::Map)
}

fn whole_number(value: &Spanned<DeValue<'_>>) -> Result<u64, String> {
    let DeValue::Integer(number) = value.get_ref() else { return Err("must be a whole number".to_owned()) };
    u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| format!("{number} is not a whole number from 0"))
}

fn text_of(value: &Spanned<DeValue<'_>>) -> Result<String, Fault> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err((value.span().start, format!("its entries must be texts in quotes, not {}", other.type_str()))),
    }
}
