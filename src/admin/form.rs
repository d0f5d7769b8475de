//! A change as written: a JSON object, read field by field. Every fault is gathered, so that a person mends all at once.
//!
//! A field that is absent keeps what is there, `null` sets the default, anything else is read by the field's own reader.
//! A field that nobody reads is named as unknown, so that a slip of the pen is not silently ignored.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{AdminError, Fault, Result};

/// Fields that answers carry and that changes may repeat without meaning anything by it.
const ECHOED: [&str; 26] = [
    "id",
    "owner",
    "kind",
    "unicode",
    "dns",
    "created_at",
    "updated_at",
    "last_mail_at",
    "last_delivered_at",
    "failing_since",
    "failing_reply",
    "failing_activity_id",
    "not_asked_until",
    "sends_back",
    "takes_no_mail",
    "uses",
    "waiting",
    "trusted",
    "counts",
    "messages",
    "quota_used",
    "verified_at",
    "next_cursor",
    "unverified",
    "ended",
    "verification",
];

/// An object being read.
#[derive(Debug)]
pub(super) struct Form<'a> {
    fields: &'a Map<String, Value>,
    read: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl<'a> Form<'a> {
    /// Begins to read.
    #[must_use]
    pub(super) const fn new(fields: &'a Map<String, Value>) -> Self {
        Self { fields, read: BTreeSet::new(), faults: Vec::new() }
    }

    /// The raw value of a field, unless absent or null.
    pub(super) fn given(&mut self, field: &str) -> Option<&'a Value> {
        self.read.insert(field.to_owned());
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// Whether a field is there at all, `null` included.
    #[must_use]
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Reads a field into `slot`: absent keeps it, `null` sets the default.
    pub(super) fn set<T: Default>(&mut self, field: &str, slot: &mut T, read: impl FnOnce(&Value) -> Read<T>) {
        if !self.has(field) {
            return;
        }
        match self.given(field).map(read) {
            None => *slot = T::default(),
            Some(Ok(value)) => *slot = value,
            Some(Err(fault)) => self.faults.push(fault.of(field)),
        }
    }

    /// Reads a field that has no default: `null` is a fault.
    pub(super) fn require<T>(&mut self, field: &str, slot: &mut T, read: impl FnOnce(&Value) -> Read<T>) {
        if !self.has(field) {
            return;
        }
        match self.given(field).map(read) {
            None => self.fault(field, "this cannot be empty"),
            Some(Ok(value)) => *slot = value,
            Some(Err(fault)) => self.faults.push(fault.of(field)),
        }
    }

    /// Reads a field that may be left out.
    pub(super) fn optional<T>(&mut self, field: &str, read: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        match self.given(field).map(read)? {
            Ok(value) => Some(value),
            Err(fault) => {
                self.faults.push(fault.of(field));
                None
            }
        }
    }

    /// Notes a fault found otherwise.
    pub(super) fn fault(&mut self, field: &str, detail: impl Into<String>) {
        self.faults.push(Fault::new(field, detail));
    }

    /// Notes a fault of one entry of a list.
    pub(super) fn fault_at(&mut self, field: &str, index: usize, detail: impl Into<String>) {
        self.faults.push(Fault::at(field, index, detail));
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub(super) fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// Ends the reading early: the faults so far, since what follows cannot be read without what is wrong.
    #[must_use]
    pub(super) fn only_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// Ends the reading: every fault, unknown fields included, or nothing.
    pub(super) fn finish(mut self) -> Result<()> {
        let unknown = self.fields.keys().filter(|key| !self.read.contains(*key) && !ECHOED.contains(&key.as_str()));
        self.faults.extend(unknown.map(|key| Fault::new(key, "there is no field of this name")));
        if self.faults.is_empty() { Ok(()) } else { Err(AdminError::Invalid(self.faults)) }
    }
}

/// What reading one value gives.
pub(super) type Read<T> = std::result::Result<T, Misread>;

/// Why a value cannot be read, and which entry where it is a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misread {
    detail: String,
    index: Option<usize>,
}

impl Misread {
    /// In the entry `index` of a list.
    #[must_use]
    pub(super) fn at(mut self, index: usize) -> Self {
        self.index = Some(index);
        self
    }

    /// Of this field.
    pub(super) fn of(self, field: &str) -> Fault {
        match self.index {
            None => Fault::new(field, self.detail),
            Some(index) => Fault::at(field, index, self.detail),
        }
    }
}

impl<T: Into<String>> From<T> for Misread {
    fn from(detail: T) -> Self {
        Self { detail: detail.into(), index: None }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields;
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn absent_keeps_null_clears_and_a_value_sets() {
        let mut slot = Some(1);
        for (body, expected) in [("{}", Some(1)), (r#"{"n":5}"#, Some(5)), (r#"{"n":null}"#, None)] {
            let fields = object(body);
            let mut form = Form::new(&fields);
            form.set("n", &mut slot, |v| fields::whole(v).map(Some));
            assert_eq!(form.finish(), Ok(()));
            assert_eq!(slot, expected, "{body}");
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let fields = object(r#"{"enabled":"yes","labels":["a",1],"colour":"red","id":"x"}"#);
        let mut form = Form::new(&fields);
        form.require("enabled", &mut true, fields::boolean);
        form.set("labels", &mut Vec::new(), fields::labels);
        let Err(AdminError::Invalid(faults)) = form.finish() else { panic!("three faults expected") };
        let places: Vec<_> = faults.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(places, ["/enabled", "/labels/1", "/colour"]);
    }
}
