//! `waypost panel-link`: a link that signs into the panel once, for whoever may run commands here.

use serde_json::json;

use super::api::Api;
use super::output::{Output, cell};

pub(super) async fn run(api: &Api, out: Output) -> anyhow::Result<()> {
    let answer = api.post("/control/panel-link", &json!({})).await?;
    out.object(&answer, |link| cell(link, "/url"))
}
