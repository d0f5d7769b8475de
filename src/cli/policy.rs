//! `--policy NAME=VALUE`: what a domain or an alias sets for itself.

use serde_json::{Map, Value};

/// One setting, or that it is inherited again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    name: String,
    value: Value,
}

/// Reads `dmarc=observe`; the API knows which names and values there are.
pub(super) fn setting(text: &str) -> Result<Setting, String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .ok_or("write NAME=VALUE, such as dmarc=observe, or NAME=inherit")?;
    let value = match value {
        "inherit" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        word => word.into(),
    };
    Ok(Setting { name: name.to_owned(), value })
}

/// The API's `policy` that says the same; nothing where nothing was said.
pub(super) fn field(settings: &[Setting]) -> Option<Value> {
    let fields: Map<_, _> = settings.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect();
    (!fields.is_empty()).then_some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_names_and_values() {
        let read = ["dmarc=observe", "spf=inherit", "forwarded_headers=true"].map(|text| setting(text).unwrap());
        assert_eq!(field(&read), Some(json!({ "dmarc": "observe", "spf": null, "forwarded_headers": true })));
        assert_eq!(field(&[]), None);
        for wrong in ["dmarc", "=observe", "dmarc="] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }
}
