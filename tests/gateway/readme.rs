//! Every example of the API in README is run as it stands there, by a shell, against a real gateway.

use std::path::Path;
use std::process::Command;

use crate::support::World;

/// The end of curl when a stream has not ended in time (curl(1), EXIT CODES): the live stream never does.
const OUT_OF_TIME: &str = "28";
/// Makes every curl tell failures, end, and say how it ended.
const PRELUDE: &str = "set -u\ncurl() { command curl --silent --show-error --fail-with-body --max-time 2 \"$@\"; local ended=$?; echo; echo \"== $ended\"; }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_api_works() {
    let world = World::start().await;
    world.destination("me@inbox.example").await;
    let api = format!("http://{}/v1", world.gateway.listening.http[0]);
    let examples = examples();
    let script = format!("{PRELUDE}{}", examples.replace("http://127.0.0.1:8080/v1", &api));
    let program = Path::new(env!("CARGO_BIN_EXE_waypost")).parent().unwrap().display().to_string();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(&script).env("PATH", path).env("WAYPOST_DATA_DIR", world.data.path());
    let ran = tokio::task::spawn_blocking(move || shell_output(shell)).await.unwrap();
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

fn shell_output(mut shell: Command) -> String {
    let output = shell.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The commands of README's section on the API.
fn examples() -> String {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("The API\n")).unwrap();
    let code = section.lines().filter_map(|line| line.strip_prefix("    "));
    code.map(|line| format!("{line}\n")).collect()
}
