//! Every example in README is run as it stands there, by a shell, against a real gateway. (What is named in the run of a
//! sentence is held against the arguments, in `src/cli/arguments.rs`.)

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use waypost::config::Config;
use waypost::demo::inbox::Inbox;

use crate::support::World;

/// The end of curl when a stream has not ended in time (curl(1), EXIT CODES): the live stream never does.
const OUT_OF_TIME: &str = "28";
/// Makes every curl tell failures, end, and say how it ended.
const PRELUDE: &str = "set -u\ncurl() { command curl --silent --show-error --fail-with-body --max-time 2 \"$@\"; local ended=$?; echo; echo \"== $ended\"; }\n";

/// Makes every command say how it ended.
const COMMANDS: &str =
    "set -u\nwaypost() { command waypost \"$@\" < /dev/null; echo \"== $? $*\"; }\nw() { waypost \"$@\"; }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_api_works() {
    let world = World::start().await;
    world.destination("me@inbox.example").await;
    let api = format!("http://{}/v1", world.gateway.listening.http[0]);
    let examples = examples();
    let script = format!("{PRELUDE}{}", examples.replace("http://127.0.0.1:8080/v1", &api));
    let ran = run(&world, script).await;
    let ends: Vec<&str> = ran.lines().filter_map(|line| line.strip_prefix("== ")).collect();
    let calls = examples.lines().filter(|line| line.starts_with("curl ")).count();
    assert!(calls >= 10 && ends.len() == calls, "{ran}");
    let streams: Vec<bool> =
        examples.lines().filter(|line| line.starts_with("curl ")).map(|line| line.contains(" -N ")).collect();
    for (end, is_stream) in ends.iter().zip(streams) {
        assert_eq!(*end, if is_stream { OUT_OF_TIME } else { "0" }, "{ran}");
    }
    world.stop().await;
}

/// Rules and policies, in the order of the page, by whoever follows it on a new gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_works() {
    let world = World::bare(&[]).await;
    std::fs::write(world.data.path().join("aliases.tsv"), "imported@my.example\tme@inbox.example\n").unwrap();
    let commands = ["Going live in ten minutes", "Aliases", "What mail must prove"].map(commands).concat();
    let script = format!("{COMMANDS}cd \"$WAYPOST_DATA_DIR\"\n{}\n", commands.join("\n"));
    let ran = run(&world, script).await;
    let ends: Vec<&str> = ran.lines().filter_map(|line| line.strip_prefix("== ")).collect();
    assert!(commands.len() >= 20 && ends.len() == commands.len(), "{commands:#?} {ran}");
    let failed: Vec<_> = ends.iter().filter(|end| !end.starts_with("0 ")).collect();
    // It ends so where it finds something, which it does here: nobody listens on port 25, and nothing is published.
    assert_eq!(failed, [&"1 doctor"], "{ran}");
    let friends = world.get("/v1/aliases/friends@my.example").await;
    assert_eq!(friends["allow"], serde_json::json!(["authenticated:@friend.example"]));
    world.stop().await;
}

/// The relay and the route that the section on the configuration names, as it stands there: the route goes before the relay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_by_the_relay_and_the_route_that_are_shown() {
    let (relay, route) = (Inbox::start().await.unwrap(), Inbox::start().await.unwrap());
    let shown: String = of_section("Configuration").map(|line| format!("{line}\n")).collect();
    let (_, delivery) = shown.split_once("[delivery]\n").expect("a relay is shown");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waypost.toml");
    std::fs::write(&file, format!("[delivery]\n{delivery}")).unwrap();
    let config = Config::load(Some(&file), &BTreeMap::new()).unwrap().config.delivery;
    let hop = config.relay.expect("a relay");
    assert_eq!((hop.host.to_string().as_str(), hop.port), ("smtp.relay.example", 587), "with a sign-in");
    assert_eq!(config.routes.keys().map(ToString::to_string).collect::<Vec<_>>(), ["corp.example"]);

    let relay_at = format!("smtp://{}", relay.address());
    let routes = format!("corp.example=smtp://{}", route.address());
    let world = World::start_with(&[("DELIVERY__RELAY", &relay_at), ("DELIVERY__ROUTES", &routes)]).await;
    world.destination("me@corp.example").await;
    world.alias("work@my.example", &["me@corp.example"]).await;
    for alias in ["shop@my.example", "work@my.example"] {
        assert!(world.letter(alias).await.is_accepted());
    }
    assert_eq!(relay.wait_for(1).await[0].to, ["anna@inbox.example"]);
    assert_eq!(route.wait_for(1).await[0].to, ["me@corp.example"]);
    world.stop().await;
}

/// Runs a script with the program in its path, beside the gateway.
async fn run(world: &World, script: String) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_waypost")).parent().unwrap().display().to_string();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(script).env("PATH", path).env("WAYPOST_DATA_DIR", world.data.path());
    tokio::task::spawn_blocking(move || shell_output(shell)).await.unwrap()
}

/// The commands of a section that a gateway answers: not how it is built and set up, nor what is to be published.
fn commands(section: &str) -> Vec<&'static str> {
    let lines = of_section(section).map(str::trim);
    lines.filter(|line| line.starts_with("w ") || line.starts_with("waypost ")).collect()
}

fn shell_output(mut shell: Command) -> String {
    let output = shell.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The commands of README's section on the API.
fn examples() -> String {
    of_section("The API").map(|line| format!("{line}\n")).collect()
}

/// The lines of code in a section of README.
fn of_section(title: &str) -> impl Iterator<Item = &'static str> {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.lines().next() == Some(title)).unwrap();
    section.lines().filter_map(|line| line.strip_prefix("    "))
}
