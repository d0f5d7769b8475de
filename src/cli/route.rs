//! `waypost route`: what would happen to a message, and why, without sending one.

use std::net::IpAddr;

use clap::Args;
use serde_json::{Value, json};

use super::api::Api;
use super::output::{Output, cell};

#[derive(Debug, Args)]
pub(super) struct Route {
    /// RCPT TO
    recipient: String,
    /// MAIL FROM; none is the null sender
    #[arg(long, value_name = "SENDER")]
    from: Option<String>,
    /// Who the message says that it is from (From)
    #[arg(long, value_name = "AUTHOR")]
    author: Option<String>,
    /// The client's address, for SPF
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
}

pub(super) async fn run(route: Route, api: &Api, out: Output) -> anyhow::Result<()> {
    let question = json!({"to": route.recipient, "from": route.from, "author": route.author, "ip": route.ip});
    out.object(&api.post("/v1/route", &question).await?, story)
}

fn story(route: &Value) -> String {
    let mut lines = vec![format!("{}: {}", cell(route, "/disposition"), cell(route, "/reply"))];
    lines.extend(Some(cell(route, "/reason")).filter(|reason| reason != "-"));
    if !route["rule"].is_null() {
        lines.push(format!("rule     {} ({})", cell(route, "/rule/pattern"), cell(route, "/rule/kind")));
    }
    lines.extend(envelopes(&route["envelope"]));
    lines.extend(trace(&route["trace"]));
    lines.join("\n")
}

/// The envelope before and after, a line each.
pub(super) fn envelopes(pair: &Value) -> Vec<String> {
    let line = |(label, name): (&str, &str)| {
        let envelope = Some(&pair[name]).filter(|envelope| !envelope.is_null())?;
        Some(format!("{label}  {} -> {}", sender(envelope), cell(envelope, "/to")))
    };
    [("before ", "before"), ("after  ", "after")].into_iter().filter_map(line).collect()
}

/// The null reverse-path is shown as such.
fn sender(envelope: &Value) -> String {
    match cell(envelope, "/from").as_str() {
        "-" => "<>".to_owned(),
        from => from.to_owned(),
    }
}

/// The steps of a decision, a line each.
pub(super) fn trace(steps: &Value) -> Vec<String> {
    let steps = steps.as_array().map(Vec::as_slice).unwrap_or_default();
    let width = steps.iter().map(|step| cell(step, "/step").chars().count()).max().unwrap_or(0);
    let line = |step: &Value| {
        let (name, verdict, detail) = (cell(step, "/step"), cell(step, "/verdict"), cell(step, "/detail"));
        format!("  {name:width$}  {verdict}{}", if detail == "-" { String::new() } else { format!(": {detail}") })
    };
    let head = if steps.is_empty() { None } else { Some("because".to_owned()) };
    head.into_iter().chain(steps.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_would_happen_and_why() {
        let route = json!({
            "disposition": "forward", "reply": "250 2.1.5 ok", "reason": "It goes to one inbox.", "rule": {"pattern": "shop@a.example", "kind": "address"},
            "envelope": {"before": {"from": "", "to": ["shop@a.example"]}, "after": {"from": "", "to": ["me@inbox.example"]}},
            "trace": [{"step": "alias", "verdict": "matched", "detail": "shop@a.example"}, {"step": "quota", "verdict": "none", "detail": ""}],
        });
        let expected = "forward: 250 2.1.5 ok\n\
                        It goes to one inbox.\n\
                        rule     shop@a.example (address)\n\
                        before   <> -> shop@a.example\n\
                        after    <> -> me@inbox.example\n\
                        because\n  alias  matched: shop@a.example\n  quota  none";
        assert_eq!(story(&route), expected);
    }
}
