//! Keys whose part of the gateway does not exist yet: they are read and checked, and whoever sets one to something that
//! would matter is told that nothing comes of it.

use super::written::{Place, Written};

/// Each with the values, as `check` writes them, that ask for nothing that is missing.
const ASK_FOR_NOTHING: &[(&str, &[&str])] = &[("http.compat", &["[]"]), ("policy.arc", &["\"off\""])];

/// Whether the key, with this value as `check` writes it, asks for something that this version does not do.
#[must_use]
pub fn is_not_acted_on(name: &str, value: &str) -> bool {
    ASK_FOR_NOTHING.iter().any(|(unbuilt, nothing)| *unbuilt == name && !nothing.contains(&value))
}

/// One line for each value that somebody set and that this version does not act on.
pub(super) fn warnings(written: &Written) -> Vec<String> {
    let set = |(name, _): &&(&str, &[&str])| {
        let entry = written.get(name);
        entry.place != Place::Default && is_not_acted_on(name, &entry.value.to_string())
    };
    let line = |(name, _): &(&str, &[&str])| {
        format!("{}: {name} is read but not acted on in this version", written.get(name).place)
    };
    ASK_FOR_NOTHING.iter().filter(set).map(line).collect()
}
