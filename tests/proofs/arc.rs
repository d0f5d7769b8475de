//! ARC chains that dkimpy has sealed, whole and broken, each with our verdict (RFC 8617 §5.2).

use serde_json::Value;

use crate::dkim::{compare, verdicts_of, world_of};
use crate::python;

/// Each chain, with the verdict that the log has of it.
const CHAINS: &str = include_str!("chains.txt");

#[tokio::test(flavor = "multi_thread")]
async fn every_chain_has_its_verdict() {
    let chains = python::run("chains.py", &[], &Value::Null);
    let world = world_of(&chains["records"]).await;
    let verdicts =
        verdicts_of(&world, &chains["letters"], |auth| auth["arc"].as_str().unwrap_or("none").to_owned()).await;
    compare(&verdicts, CHAINS);
    world.stop().await;
}
