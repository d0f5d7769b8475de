//! `waypost doctor`: what is wrong, since when, and what to do; and what a look from inside cannot tell.

use serde_json::Value;

use super::api::{Api, with_query};
use super::output::{Output, cell, time};

pub(super) async fn run(domain: Option<&str>, api: &Api, out: Output) -> anyhow::Result<()> {
    let answer = api.get(&with_query("/v1/doctor", &[("domain", domain.map(str::to_owned))])).await?;
    out.object(&answer, report)?;
    let faults = findings(&answer.value).filter(|finding| finding["severity"] == "fault").count();
    match faults {
        0 => Ok(()),
        1 => anyhow::bail!("there is 1 fault"),
        count => anyhow::bail!("there are {count} faults"),
    }
}

fn findings(checkup: &Value) -> impl Iterator<Item = &Value> {
    checkup["findings"].as_array().into_iter().flatten()
}

fn report(checkup: &Value) -> String {
    let mut lines: Vec<String> = findings(checkup).map(found).collect();
    if lines.is_empty() {
        lines.push("Nothing was found to be wrong.".to_owned());
    }
    lines.extend(listed(checkup, "unknown", "Could not be found out:"));
    lines.extend(listed(checkup, "unproven", "Cannot be proven from inside:"));
    if checkup["last_mail"].is_object() {
        let shown = |pointer: &str| cell(&checkup["last_mail"], pointer);
        lines.push(format!(
            "Last mail from outside: {} from {} for {}, {}. Its journey: waypost show {}",
            time(&checkup["last_mail"], "/at"),
            shown("/sender"),
            shown("/recipient"),
            shown("/status"),
            shown("/id")
        ));
    }
    lines.join("\n")
}

fn found(finding: &Value) -> String {
    let shown = |pointer: &str| cell(finding, pointer);
    let since =
        if finding["since"].is_string() { format!(" (since {})", time(finding, "/since")) } else { String::new() };
    format!(
        "{} {} ({}): {}{since}\n    {}",
        shown("/severity").to_uppercase(),
        shown("/id"),
        shown("/subject"),
        shown("/what"),
        shown("/remedy")
    )
}

fn listed(checkup: &Value, part: &str, title: &str) -> Option<String> {
    let items = checkup[part].as_array().filter(|items| !items.is_empty())?;
    let lines = items.iter().map(|item| format!("\n  - {}", cell(item, "")));
    Some(format!("{title}{}", lines.collect::<String>()))
}
